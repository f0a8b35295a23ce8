"""The plugin through which embedonce finds models of sentence-transformers; it imports that only to wrap one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from embedonce import PluginError, UnsupportedEmbedderError, hookimpl

if TYPE_CHECKING:
    from embedonce import EmbeddingCache, Identity, WrapOptions

_REFUSED = {
    "SparseEncoder": "its vectors are sparse, and embedonce keeps dense ones",
    "CrossEncoder": "it scores pairs of texts, and has no vectors",
    "MultiVectorEncoder": "it has many vectors for each text, and embedonce keeps one",
}


def _is_one(embedder: object, name: str) -> bool:
    """True for an instance of a class of sentence-transformers, which is loaded if there is one."""
    kind = getattr(sys.modules.get("sentence_transformers"), name, None)
    return isinstance(kind, type) and isinstance(embedder, kind)


@hookimpl
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap a model of sentence-transformers."""
    # What is refused comes first: a class of it inherits from SentenceTransformer in some versions.
    refused = next((name for name in _REFUSED if _is_one(embedder, name)), None)
    if refused is not None:
        msg = f"cannot wrap a {type(embedder).__name__}: {_REFUSED[refused]}; use it without a cache"
        raise UnsupportedEmbedderError(msg)
    if not _is_one(embedder, "SentenceTransformer"):
        return None
    try:
        from sentence_transformers_embedonce.model import CachedSentenceTransformer
    except ImportError as error:
        kind = type(embedder).__name__
        msg = (
            f"wrapping {kind} needs a sentence-transformers that embedonce supports ({error}); "
            'run: pip install "embedonce[sentence-transformers]"'
        )
        raise PluginError(msg) from error

    return CachedSentenceTransformer.from_cache(embedder, cache, options)


@hookimpl
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify a model of sentence-transformers, as `encode` without further arguments uses it."""
    if not _is_one(embedder, "SentenceTransformer"):
        return None
    from sentence_transformers_embedonce.settings import identity_of_plain_call

    return identity_of_plain_call(embedder)
