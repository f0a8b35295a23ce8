"""The plugin through which embedonce finds Haystack's embedders; it imports Haystack only to wrap one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce import PluginError, UnsupportedEmbedderError, hookimpl
from embedonce.remedies import A_FUNCTION

if TYPE_CHECKING:
    from embedonce import EmbeddingCache, Identity, WrapOptions
    from embedonce.hookspecs import Demo


def _inputs(component: object) -> Any:
    """Return the input sockets that every component of Haystack has, None for other objects."""
    return None if isinstance(component, type) else getattr(component, "__haystack_input__", None)


@hookimpl
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap a text or document embedder of Haystack."""
    if _inputs(embedder) is None:
        return None
    try:
        from haystack_integrations.components.embedders.embedonce.document_embedder import CachedDocumentEmbedder
        from haystack_integrations.components.embedders.embedonce.text_embedder import CachedTextEmbedder
    except ImportError as error:
        msg = (
            f"wrapping {type(embedder).__name__} needs a haystack-ai that embedonce supports ({error}); "
            'run: pip install "embedonce[haystack]"'
        )
        raise PluginError(msg) from error

    for kind in (CachedTextEmbedder, CachedDocumentEmbedder):
        if kind.takes(embedder):
            return kind.from_cache(embedder, cache, options)
    msg = (
        f"cannot wrap {type(embedder).__name__}: it is not an embedder of Haystack, which takes `text` and gives "
        f"`embedding`, or takes and gives `documents`; {A_FUNCTION}"
    )
    raise UnsupportedEmbedderError(msg)


@hookimpl
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify a component of Haystack."""
    if _inputs(embedder) is None:
        return None
    from haystack_integrations.components.embedders.embedonce.identities import describer

    return describer.describe(embedder).identity


@hookimpl(trylast=True)
def embedonce_demo() -> Demo:
    """Show Haystack in `embedonce demo`."""
    from haystack_integrations.components.embedders.embedonce.demo import DEMO

    return DEMO
