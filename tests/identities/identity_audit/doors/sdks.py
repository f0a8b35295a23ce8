"""The calls of SDKs that embed texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A method of a client.

    Attributes:
        method: Where it is in the client.
        texts: The argument that takes the texts.
        vectors: Returns the vectors of a response.
        arguments: Its other arguments with their types.
        documents: Arguments of calls for documents.
        query: Arguments of calls for a query.
        async_method: Where the async method is, if that is another path.
    """

    method: str
    texts: str
    vectors: Callable[[Any], Any]
    arguments: tuple[tuple[str, Any], ...]
    documents: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    async_method: str = ""


_EXTRAS = (("extra_headers", dict), ("extra_query", dict), ("extra_body", dict))

CALLS = {
    "google": Call(
        "models.embed_content",
        "contents",
        lambda response: [each.values for each in response.embeddings],
        (("model", str), ("config", dict)),
        {"config": {"task_type": "RETRIEVAL_DOCUMENT"}},
        {"config": {"task_type": "RETRIEVAL_QUERY"}},
        "aio.models.embed_content",
    ),
    "mistralai": Call(
        "embeddings.create",
        "inputs",
        lambda response: [each.embedding for each in response.data],
        (
            *(("model", str), ("metadata", dict), ("output_dimension", int), ("output_dtype", str)),
            *(("encoding_format", str), ("server_url", str), ("timeout_ms", int), ("http_headers", dict)),
        ),
        async_method="embeddings.create_async",
    ),
    "cohere": Call(
        "embed",
        "texts",
        lambda response: next(each for each in response.embeddings.model_dump().values() if each),
        (
            *(("model", str), ("output_dimension", int), ("max_tokens", int), ("priority", int)),
            *(("input_type", str), ("embedding_types", list[str]), ("truncate", str), ("request_options", dict)),
        ),
        {"input_type": "search_document"},
        {"input_type": "search_query"},
    ),
    "ollama": Call(
        "embed",
        "input",
        lambda response: response.embeddings,
        (
            *(("model", str), ("dimensions", int), ("truncate", bool), ("keep_alive", float)),
            ("options", dict),
        ),
    ),
    "openai": Call(
        "embeddings.create",
        "input",
        lambda response: [each.embedding for each in response.data],
        (("model", str), ("dimensions", int), ("user", str), ("timeout", float), *_EXTRAS),
    ),
    "voyageai": Call(
        "embed",
        "texts",
        lambda response: response.embeddings,
        (
            *(("model", str), ("output_dimension", int), ("truncation", bool)),
            *(("input_type", str), ("output_dtype", str)),
        ),
        {"input_type": "document"},
        {"input_type": "query"},
    ),
}
"""By the package of the SDK."""
