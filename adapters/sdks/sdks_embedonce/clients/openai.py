"""OpenAI's SDK: `embeddings.create` of its clients, on Azure and for other servers too."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
from openai.resources.embeddings import AsyncEmbeddings, Embeddings
from openai.types import CreateEmbeddingResponse, Embedding
from openai.types.create_embedding_response import Usage

from embedonce.identification import providers, query_of, routed_by
from sdks_embedonce.answers import in_order, used
from sdks_embedonce.calls import Asked, BypassError, Method, Paid, name_in
from sdks_embedonce.http import plain_only, together
from sdks_embedonce.twins import Attribute, Sdk, copying, held, remade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity

_RAW = "x-stainless-raw-response"
_CLIENTS = (openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI)
_ARGUMENTS = frozenset(("input", "model", "dimensions", "encoding_format", "user"))


class Create(Method):
    """`create` of the resource `embeddings`."""

    texts = "input"
    known = _ARGUMENTS | {"extra_headers", "extra_query", "extra_body", "timeout"}

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments and the client of the resource."""
        client = owner._client
        model, dimensions = name_in(given, "model"), given.get("dimensions")
        if dimensions is not None and type(dimensions) is not int:
            msg = "its dimensions are not a whole number"
            raise BypassError(msg)
        extra = given.get("extra_body") or {}
        replaced = sorted(_ARGUMENTS & set(extra))
        if replaced:
            msg = f"extra_body replaces {replaced[0]!r}"
            raise BypassError(msg)
        queries = (client._client.params, client._custom_query, given.get("extra_query"))
        headers = (client._client.headers, client._custom_headers, given.get("extra_headers"))
        url = str(client.base_url)
        settings: dict[str, Any] = {
            "dimensions": dimensions,
            "request": {"extra_body": plain_only(extra)} if extra else None,
            "query": {name: value for each in queries for name, value in query_of(each).items()},
            "routed_by": routed_by(together(*headers), url),
        }
        if hasattr(client, "_azure_deployment"):
            exact, built_for = providers.one_vocabulary(model), client._azure_deployment
            return providers.azure_openai(
                model, url=url, below="deployments", built_for=built_for, exact=exact, **settings
            )
        return providers.openai(model, endpoint=url, **settings)

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse raw responses, and encodings that OpenAI does not have."""
        if any(name.lower() == _RAW for name in given.get("extra_headers") or {}):
            msg = "it asks for a raw response"
            raise BypassError(msg)
        if given.get("encoding_format") not in (None, "float", "base64"):
            msg = "its encoding_format is neither 'float' nor 'base64'"
            raise BypassError(msg)

    def vectors(self, response: Any, given: Mapping[str, Any]) -> list[Any]:
        """Return the vectors of a response, in the order of its numbers."""
        del given
        return [_vector(each.embedding) for each in in_order(response.data)]

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> CreateEmbeddingResponse:
        """Return a response with the usage of what was paid."""
        is_base64 = asked.given.get("encoding_format") == "base64"
        last = paid[-1].response if paid else None
        answered_by = getattr(last, "model", None)
        response = CreateEmbeddingResponse(
            data=[_embedding(vector, index, is_base64=is_base64) for index, vector in enumerate(vectors)],
            model=answered_by if isinstance(answered_by, str) else asked.given["model"],
            object="list",
            usage=Usage(prompt_tokens=used(paid, "prompt_tokens"), total_tokens=used(paid, "total_tokens")),
        )
        response._request_id = getattr(last, "_request_id", None)
        return response


def _vector(embedding: Any) -> Any:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return embedding


def _embedding(vector: NDArray[Any], index: int, *, is_base64: bool) -> Embedding:
    if is_base64:
        # Not what the class declares, but what the SDK puts there.
        text: Any = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return Embedding.construct(embedding=text, index=index, object="embedding")
    return Embedding(embedding=vector.tolist(), index=index, object="embedding")


def _shows_all(value: Any) -> bool:
    client = value._client if isinstance(value, Embeddings | AsyncEmbeddings) else value
    return type(client) in _CLIENTS and getattr(client, "_provider", None) is None


_RESPONSES: dict[str, Attribute] = {"with_raw_response": remade, "with_streaming_response": remade}
_CLIENT: dict[str, Attribute] = {"embeddings": held, "copy": copying, "with_options": copying, **_RESPONSES}
_RESOURCE: dict[str, Attribute] = {"create": Create(), **_RESPONSES}
SDK = Sdk(
    __name__,
    {**dict.fromkeys(_CLIENTS, _CLIENT), Embeddings: _RESOURCE, AsyncEmbeddings: _RESOURCE},
    shows_all=_shows_all,
)
