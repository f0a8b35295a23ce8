"""The plugin through which embedonce finds LangChain embedders; it imports LangChain only to wrap one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from embedonce import PluginError, hookimpl

if TYPE_CHECKING:
    from embedonce import EmbeddingCache, Identity, WrapOptions
    from embedonce.hookspecs import Demo

_METHODS = ("embed_documents", "embed_query")


def _is_langchain(embedder: object) -> bool:
    """True for LangChain embedders, and for objects that merely have their methods, as many in the wild do."""
    module = sys.modules.get("langchain_core.embeddings")
    base = getattr(module, "Embeddings", None)
    if base is not None and isinstance(embedder, base):
        return True
    return not isinstance(embedder, type) and all(callable(getattr(embedder, name, None)) for name in _METHODS)


# Last, since other frameworks' embedders may have the methods too.
@hookimpl(trylast=True)
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap a LangChain embedder."""
    if not _is_langchain(embedder):
        return None
    try:
        from langchain_embedonce.embeddings import CacheBackedEmbeddings
    except ImportError as error:
        kind = type(embedder).__name__
        msg = f'wrapping {kind} needs langchain-core ({error}); run: pip install "embedonce[langchain]"'
        raise PluginError(msg) from error

    return CacheBackedEmbeddings.from_cache(embedder, cache, options)  # type: ignore[arg-type]


@hookimpl(trylast=True)
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify a LangChain embedder."""
    if not _is_langchain(embedder):
        return None
    from langchain_embedonce.identities import describer

    return describer.describe(embedder).identity


@hookimpl(tryfirst=True)
def embedonce_demo() -> Demo:
    """Show LangChain in `embedonce demo`."""
    from langchain_embedonce.demo import DEMO

    return DEMO
