"""embedonce for Haystack: cached text and document embedders for pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haystack_integrations.components.embedders.embedonce.document_embedder import CachedDocumentEmbedder
    from haystack_integrations.components.embedders.embedonce.text_embedder import CachedTextEmbedder

__all__ = ["CachedDocumentEmbedder", "CachedTextEmbedder"]


def __getattr__(name: str) -> object:
    # Lazy, because plugins are loaded from this package before anybody knows that Haystack is there.
    if name == "CachedDocumentEmbedder":
        from haystack_integrations.components.embedders.embedonce.document_embedder import CachedDocumentEmbedder

        return CachedDocumentEmbedder
    if name == "CachedTextEmbedder":
        from haystack_integrations.components.embedders.embedonce.text_embedder import CachedTextEmbedder

        return CachedTextEmbedder
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
