"""Cohere's SDK: `embed` of its clients, of the first and the second version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cohere
import numpy as np
from cohere.types import (
    ApiMeta,
    ApiMetaBilledUnits,
    EmbedByTypeResponse,
    EmbedByTypeResponseEmbeddings,
    EmbeddingsByTypeEmbedResponse,
    EmbeddingsFloatsEmbedResponse,
)
from cohere.v2.client import AsyncV2Client, V2Client

from embedonce.identification import providers, query_of, routed_by
from sdks_embedonce.calls import Asked, BypassError, Method, Paid, name_in
from sdks_embedonce.http import together
from sdks_embedonce.twins import Attribute, Sdk, held

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity

# What the frameworks send for texts of a role. Any other type is that of documents and queries alike.
_ROLES = {"search_document": "document", "search_query": "query"}
_NUMBERS = ("float", "int8", "uint8", "binary", "ubinary")
_ARGUMENTS = ("model", "input_type", "embedding_types", "truncate", "request_options")
_HARMLESS = ("timeout_in_seconds", "max_retries", "chunk_size", "additional_headers")


class Embed(Method):
    """`embed` of a client of the second version."""

    texts = "texts"
    known = frozenset((*_ARGUMENTS, "output_dimension", "max_tokens", "priority"))
    takes_one = False

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments and the client."""
        model, input_type = name_in(given, "model"), name_in(given, "input_type", "none")
        options = given.get("request_options") or {}
        wrapper = (owner if hasattr(owner, "_client_wrapper") else owner._raw_client)._client_wrapper
        url, http = wrapper.get_base_url(), wrapper.httpx_client.httpx_client
        headers = (http.headers, getattr(wrapper, "_headers", None), options.get("additional_headers"))
        return providers.cohere(
            model,
            embedding_type=_numbers_of(given),
            truncate=given.get("truncate", "END"),
            input_type=None if input_type in _ROLES else input_type,
            endpoint=url,
            dimensions=given.get("output_dimension"),
            max_tokens=given.get("max_tokens"),
            query=query_of(http.params),
            routed_by=routed_by(together(*headers), url),
        )

    def role(self, given: Mapping[str, Any]) -> Any:
        """Return the role that the input type names."""
        return _ROLES.get(given.get("input_type", ""), "document")

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse options of the request that may change the answer."""
        options = given.get("request_options") or {}
        changing = sorted(name for name in options if name not in _HARMLESS and options[name])
        if changing:
            msg = f"{changing[0]!r} of its request_options may change the answer"
            raise BypassError(msg)

    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vectors of a response."""
        name = _numbers_of(given)
        return getattr(response.embeddings, "float_" if name == "float" else name)

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> Any:
        """Return a response with the billed tokens of what was paid."""
        return EmbedByTypeResponse(
            response_type="embeddings_by_type", embeddings=_by_type(vectors, asked), **_others(asked, paid)
        )


class EmbedV1(Embed):
    """`embed` of a client of the first version, which sends 96 texts in one request."""

    known = frozenset((*_ARGUMENTS, "batching"))

    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vectors of a response, which are those of one type if none was asked for."""
        return super().vectors(response, given) if "embedding_types" in given else response.embeddings

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> Any:
        """Return a response with the billed tokens of what was paid."""
        if "embedding_types" in asked.given:
            return EmbeddingsByTypeEmbedResponse(embeddings=_by_type(vectors, asked), **_others(asked, paid))
        return EmbeddingsFloatsEmbedResponse(embeddings=vectors.tolist(), **_others(asked, paid))


def _numbers_of(given: Mapping[str, Any]) -> str:
    """Return the type of the numbers of the vectors that a call asks for.

    Raises:
        BypassError: There is not one type.
    """
    types = given.get("embedding_types", ("float",))
    if not isinstance(types, list | tuple) or len(types) != 1 or types[0] not in _NUMBERS:
        msg = "its embedding_types are not exactly one type of numbers"
        raise BypassError(msg)
    return str(types[0])


def _by_type(vectors: NDArray[Any], asked: Asked) -> EmbedByTypeResponseEmbeddings:
    name = _numbers_of(asked.given)
    embeddings = EmbedByTypeResponseEmbeddings()
    # Versions differ in the name by which the constructor takes the field.
    rows = vectors.astype(np.float64 if name == "float" else np.int64).tolist()
    setattr(embeddings, "float_" if name == "float" else name, rows)
    return embeddings


def _others(asked: Asked, paid: list[Paid]) -> dict[str, Any]:
    metas = [each.response.meta for each in paid if each.response.meta is not None]
    units = [each.billed_units for each in metas if each.billed_units is not None]
    billed = ApiMetaBilledUnits(input_tokens=sum(each.input_tokens or 0 for each in units))
    version = metas[-1].api_version if metas else None
    warned = [each.warnings for each in metas if each.warnings is not None]
    warnings = [line for lines in warned for line in lines] if warned else None
    return {
        "id": ", ".join(each.response.id for each in paid),
        "texts": asked.texts,
        "meta": ApiMeta(api_version=version, billed_units=billed, warnings=warnings),
    }


_V1: dict[str, Attribute] = {"embed": EmbedV1(), "v2": held}
_V2: dict[str, Attribute] = {"embed": Embed(), "v2": held}
_INSIDE: dict[str, Attribute] = {"embed": Embed()}
SDK = Sdk(
    __name__,
    {
        **dict.fromkeys((cohere.Client, cohere.AsyncClient), _V1),
        **dict.fromkeys((cohere.ClientV2, cohere.AsyncClientV2), _V2),
        **dict.fromkeys((V2Client, AsyncV2Client), _INSIDE),
    },
)
