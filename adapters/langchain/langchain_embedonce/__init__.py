"""embedonce for LangChain: cached embeddings, and the segment store as a LangChain byte store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_embedonce.embeddings import CacheBackedEmbeddings
    from langchain_embedonce.stores import FsspecByteStore

__all__ = ["CacheBackedEmbeddings", "FsspecByteStore"]


def __getattr__(name: str) -> object:
    # Lazy, because plugins are loaded from this package before anybody knows that LangChain is there.
    if name == "CacheBackedEmbeddings":
        from langchain_embedonce.embeddings import CacheBackedEmbeddings

        return CacheBackedEmbeddings
    if name == "FsspecByteStore":
        from langchain_embedonce.stores import FsspecByteStore

        return FsspecByteStore
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
