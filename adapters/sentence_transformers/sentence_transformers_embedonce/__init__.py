"""embedonce for sentence-transformers: a SentenceTransformer that asks a cache first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers_embedonce.model import CachedSentenceTransformer

__all__ = ["CachedSentenceTransformer"]


def __getattr__(name: str) -> object:
    # Lazy, because plugins are loaded from this package before anybody knows that sentence-transformers is there.
    if name == "CachedSentenceTransformer":
        from sentence_transformers_embedonce.model import CachedSentenceTransformer

        return CachedSentenceTransformer
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
