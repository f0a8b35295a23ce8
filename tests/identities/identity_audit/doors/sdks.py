"""The calls of SDKs that embed texts."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from identity_audit.doors.setting import Setting, settings_of


def _data(response: Any) -> Any:
    return [each.embedding for each in response.data]


def _cohere(response: Any) -> Any:
    """Return the vectors of the one type that was asked for, or of each."""
    found = response.embeddings
    if isinstance(found, list):
        return found
    return [vectors for name, vectors in sorted(vars(found).items()) if isinstance(vectors, list) and vectors]


@dataclass(frozen=True)
class Call:
    """A method of a client.

    Attributes:
        method: Where it is in the client; empty for a function.
        function: The function of its class.
        texts: The argument that takes the texts.
        vectors: Returns the vectors of a response.
        documents: Arguments of calls for documents.
        query: Arguments of calls for a query.
        async_method: Where the async method is, if one client has both.
    """

    method: str
    function: str
    texts: str
    vectors: Callable[[Any], Any]
    documents: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    async_method: str = ""

    def arguments(self) -> list[Setting]:
        """Return its other arguments as settings."""
        found = settings_of(pkgutil.resolve_name(self.function))
        return [Setting(f"call.{each.name}", each.annotation) for each in found if each.name != self.texts]


_INPUT_TYPES = ({"input_type": "search_document"}, {"input_type": "search_query"})
_OPENAI = Call("embeddings.create", "openai.resources.embeddings:Embeddings.create", "input", _data)

CALLS = {
    "openai.OpenAI": _OPENAI,
    "openai.AzureOpenAI": _OPENAI,
    "cohere.ClientV2": Call("embed", "cohere:ClientV2.embed", "texts", _cohere, *_INPUT_TYPES),
    "cohere.Client": Call("embed", "cohere:Client.embed", "texts", _cohere, *_INPUT_TYPES),
    "voyageai.Client": Call(
        "embed",
        "voyageai:Client.embed",
        "texts",
        lambda response: response.embeddings,
        {"input_type": "document"},
        {"input_type": "query"},
    ),
    "ollama.Client": Call("embed", "ollama:Client.embed", "input", lambda response: response.embeddings),
    "google.genai.Client": Call(
        "models.embed_content",
        "google.genai.models:Models.embed_content",
        "contents",
        lambda response: [each.values for each in response.embeddings],
        {"config": {"task_type": "RETRIEVAL_DOCUMENT"}},
        {"config": {"task_type": "RETRIEVAL_QUERY"}},
        async_method="aio.models.embed_content",
    ),
    "mistralai.client.Mistral": Call(
        "embeddings.create",
        "mistralai.client.embeddings:Embeddings.create",
        "inputs",
        _data,
        async_method="embeddings.create_async",
    ),
    "litellm.embedding": Call(
        "", "litellm:embedding", "input", lambda response: [each["embedding"] for each in response.data]
    ),
}
"""By module and name of the client's class, or of a function."""
