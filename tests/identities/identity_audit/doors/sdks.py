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
    "openai": Call(
        "embeddings.create",
        "input",
        lambda response: [each.embedding for each in response.data],
        (("model", str), ("dimensions", int), ("user", str), ("timeout", float), *_EXTRAS),
    ),
}
"""By the package of the SDK."""
