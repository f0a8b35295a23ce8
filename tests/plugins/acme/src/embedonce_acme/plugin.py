"""What embedonce finds under the entry point `acme`; nothing is imported here that only some need."""

from __future__ import annotations

import sys
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Any

from embedonce import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedonce import EmbeddingCache, EmbedEvent, Identity, WrapOptions

hits: Counter[str] = Counter()
"""Texts that nobody had to pay for, by namespace."""

_lock = Lock()


def _is_acme(embedder: object) -> bool:
    # Whoever holds an embedder of Acme has imported Acme.
    kind = getattr(sys.modules.get("acme"), "Embedder", None)
    return kind is not None and isinstance(embedder, kind)


@hookimpl
def embedonce_wrap(embedder: Any, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap an embedder of Acme."""
    if not _is_acme(embedder):
        return None
    from embedonce_acme.wrapper import CachedEmbedder

    return CachedEmbedder(embedder, cache, options)


@hookimpl
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify an embedder of Acme."""
    if not _is_acme(embedder):
        return None
    from embedonce_acme.wrapper import describer

    return describer.describe(embedder).identity


@hookimpl
def embedonce_register_codecs(register: Callable[..., None]) -> None:
    """Add `codec="acme-bf16"`."""
    from embedonce_acme import codec

    register("acme-bf16", codec.encode, codec.decode, version="1")


@hookimpl
def embedonce_register_stores(register: Callable[..., None]) -> None:
    """Add stores at `acme:///path/of/file.db`."""
    from embedonce_acme.store import open_store

    register("acme", open_store)


@hookimpl
def embedonce_on_embed(event: EmbedEvent) -> None:
    """Count hits."""
    with _lock:
        hits[event.namespace] += event.hits
