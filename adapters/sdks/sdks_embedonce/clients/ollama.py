"""Ollama's SDK: `embed` of its clients, and the older `embeddings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ollama

from embedonce.identification import providers, query_of, routed_by
from sdks_embedonce.calls import Asked, BypassError, Method, Paid, name_in
from sdks_embedonce.twins import Attribute, Sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity

_COUNTED = ("total_duration", "load_duration", "prompt_eval_count")


class Embed(Method):
    """`embed` of a client."""

    texts = "input"
    known = frozenset(("model", "truncate", "options", "keep_alive", "dimensions"))

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments and the client."""
        # Long texts are refused, so that vectors of cut ones must not be served.
        return _identity(owner, given, truncate=False if given.get("truncate") is False else None)

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse what the server does not embed."""
        if given["input"] == "":
            msg = "an empty text is not embedded, but only loads the model"
            raise BypassError(msg)

    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vectors of a response."""
        del given
        return response.embeddings

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> ollama.EmbedResponse:
        """Return a response with the counts and durations of what was paid."""
        counted: dict[str, Any] = {
            name: sum(getattr(each.response, name, None) or 0 for each in paid) for name in _COUNTED
        }
        model = paid[-1].response.model if paid else asked.given["model"]
        return ollama.EmbedResponse(model=model, embeddings=vectors.tolist(), **counted)


class Embeddings(Method):
    """`embeddings` of a client, for one text: the older request, whose vectors are not normalised."""

    texts = "prompt"
    known = frozenset(("model", "options", "keep_alive"))

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments, the client, and that they are not normalised."""
        return _identity(owner, given, request="embeddings")

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse what the server does not embed."""
        if not isinstance(given["prompt"], str) or not given["prompt"]:
            msg = "its prompt is not a text"
            raise BypassError(msg)

    def vectors(self, response: Any, given: Mapping[str, Any]) -> Any:
        """Return the vector of a response."""
        del given
        return [response.embedding]

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> ollama.EmbeddingsResponse:
        """Return a response with the vector."""
        del asked, paid
        return ollama.EmbeddingsResponse(embedding=vectors[0].tolist())


def _identity(client: Any, given: Mapping[str, Any], **more: Any) -> Identity:
    model, options = name_in(given, "model"), given.get("options")
    if isinstance(options, ollama.Options):
        options = options.model_dump(exclude_none=True)
    http, url = client._client, str(client._client.base_url)
    return providers.ollama(
        model,
        dimensions=given.get("dimensions"),
        options=options,
        endpoint=url,
        query=query_of(http.params),
        routed_by=routed_by(http.headers, url),
        **more,
    )


_METHODS: dict[str, Attribute] = {"embed": Embed(), "embeddings": Embeddings()}
SDK = Sdk(__name__, dict.fromkeys((ollama.Client, ollama.AsyncClient), _METHODS))
