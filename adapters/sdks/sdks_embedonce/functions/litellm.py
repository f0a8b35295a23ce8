"""LiteLLM: `litellm.embedding` and `litellm.aembedding`."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import litellm
from litellm.types.utils import Embedding, EmbeddingResponse, Usage

from embedonce.identification import providers
from sdks_embedonce.answers import in_order, used
from sdks_embedonce.calls import Asked, BypassError, Method, Paid
from sdks_embedonce.functions import KnownFunction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from embedonce import Identity

# Whose embeddings are objects in a response; those of all others are dictionaries.
_ANSWERING_OBJECTS = ("bedrock", "gemini", "vertex_ai")


class _Embedding(Method):
    texts = "input"
    known = None

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors of a call: its arguments, and what LiteLLM reads besides."""
        del owner
        found = providers.LiteLLM.now().described(given)
        if found.identity is None:
            raise BypassError(found.not_cacheable)
        return found.identity

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse encodings, of which LiteLLM returns what the server answers, and what returns a coroutine."""
        if given.get("encoding_format") not in (None, "float"):
            msg = "its encoding_format is not 'float'"
            raise BypassError(msg)
        if given.get("aembedding"):
            msg = "it asks for a coroutine"
            raise BypassError(msg)

    def vectors(self, response: Any, given: Mapping[str, Any]) -> list[Any]:
        """Return the vectors of a response, in the order of its numbers."""
        del given
        return [each["embedding"] for each in in_order(response.data)]

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> EmbeddingResponse:
        """Return a response with the usage of what was paid."""
        provider, model = providers.LiteLLM.now().route(asked.given)
        last = paid[-1].response if paid else None
        fields: list[Any] = [
            {"embedding": vector.tolist(), "index": index, "object": "embedding"}
            for index, vector in enumerate(vectors)
        ]
        response = EmbeddingResponse(
            model=getattr(last, "model", None) or model,
            data=[Embedding(**each) for each in fields] if provider in _ANSWERING_OBJECTS else fields,
            usage=Usage(prompt_tokens=used(paid, "prompt_tokens"), total_tokens=used(paid, "total_tokens")),
        )
        response._hidden_params = dict(getattr(last, "_hidden_params", None) or {"custom_llm_provider": provider})
        return response


KNOWN = KnownFunction(_Embedding(), signature(litellm.embedding))
