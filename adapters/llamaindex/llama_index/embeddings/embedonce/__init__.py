"""embedonce for LlamaIndex: cached embedding models, and the segment store as a key-value store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llama_index.embeddings.embedonce.base import CachedEmbedding
    from llama_index.embeddings.embedonce.kvstore import FsspecKVStore
    from llama_index.embeddings.embedonce.multi_modal import CachedMultiModalEmbedding

__all__ = ["CachedEmbedding", "CachedMultiModalEmbedding", "FsspecKVStore"]


def __getattr__(name: str) -> object:
    # Lazy, because plugins are loaded from this package before anybody knows that LlamaIndex is there.
    if name == "CachedEmbedding":
        from llama_index.embeddings.embedonce.base import CachedEmbedding

        return CachedEmbedding
    if name == "CachedMultiModalEmbedding":
        from llama_index.embeddings.embedonce.multi_modal import CachedMultiModalEmbedding

        return CachedMultiModalEmbedding
    if name == "FsspecKVStore":
        from llama_index.embeddings.embedonce.kvstore import FsspecKVStore

        return FsspecKVStore
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
