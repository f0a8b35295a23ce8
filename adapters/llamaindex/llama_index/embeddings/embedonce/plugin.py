"""The plugin through which embedonce finds LlamaIndex's embedding models; it imports LlamaIndex only to wrap one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from embedonce import PluginError, UnsupportedEmbedderError, hookimpl

if TYPE_CHECKING:
    from embedonce import EmbeddingCache, Identity, WrapOptions
    from embedonce.hookspecs import Demo


def _is_one_of(embedder: object, module: str, name: str) -> bool:
    """True for an instance of a class of LlamaIndex, which is loaded if there is one."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(embedder, kind)


def _is_embedding(embedder: object) -> bool:
    return _is_one_of(embedder, "llama_index.core.base.embeddings.base", "BaseEmbedding")


@hookimpl
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap an embedding model of LlamaIndex."""
    if _is_one_of(embedder, "llama_index.core.base.embeddings.base_sparse", "BaseSparseEmbedding"):
        msg = (
            f"cannot wrap a {type(embedder).__name__}: its vectors are sparse, and embedonce keeps dense ones; "
            "use it without a cache"
        )
        raise UnsupportedEmbedderError(msg)
    if not _is_embedding(embedder):
        return None
    try:
        from llama_index.embeddings.embedonce.multi_modal import wrapped
    except ImportError as error:
        kind = type(embedder).__name__
        msg = (
            f"wrapping {kind} needs a llama-index-core that embedonce supports ({error}); "
            'run: pip install "embedonce[llamaindex]"'
        )
        raise PluginError(msg) from error

    return wrapped(embedder, cache, options)


@hookimpl
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify an embedding model of LlamaIndex."""
    if not _is_embedding(embedder):
        return None
    from llama_index.embeddings.embedonce.identities import describer

    return describer.describe(embedder).identity


@hookimpl
def embedonce_demo() -> Demo:
    """Show LlamaIndex in `embedonce demo`."""
    from llama_index.embeddings.embedonce.demo import DEMO

    return DEMO
