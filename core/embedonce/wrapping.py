"""wrap: one call that puts a cache before any embedder."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from embedonce.cache.cache import EmbeddingCache
from embedonce.options import LOCAL_TIER_BYTES, WrapOptions
from embedonce.wrappers import Wrapper, wrap_with

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.options import Durability, Mode
    from embedonce.vectors.codecs import Codec


def wrap(
    embedder: Any,
    store: object = None,
    *,
    namespace: str | Identity | None = None,
    version: str | int | None = None,
    symmetric: bool | None = None,
    batch_size: int | Literal["auto"] | None = "auto",
    key_encoder: str | Callable[[str], str] | KeyEncoder = "sha256",
    codec: str | Codec = "exact",
    mode: Mode = "read_write",
    storage_options: Mapping[str, Any] | None = None,
    on_store_error: Literal["warn", "raise"] = "warn",
    text_safe: bool = False,
    durability: Durability = "write_behind",
    refresh_interval: float | None = None,
    local_tier: bool | str | os.PathLike[str] = False,
    local_tier_bytes: int = LOCAL_TIER_BYTES,
) -> Any:
    """Return an embedder that embeds every text once.

    Args:
        embedder: An embedder of a framework whose plugin is installed, or a function `list[str] -> vectors`.
        store: Where vectors are kept: a path, a URL, an (fs, path) pair, a `UPath`, a byte store, an `EmbeddingCache`,
            or None for `$EMBEDONCE_STORE` and else the user's cache directory.
        namespace: The whole identity, instead of the one that is derived from the embedder; shared by all embedders
            that are given it. A function needs one.
        version: A salt for what a model's name does not show, such as a model that was replaced under its name.
        symmetric: True if documents and queries are embedded alike, so that they share entries.
        batch_size: Texts that are embedded between two writes; None for all at once.
        key_encoder: See `EmbeddingCache`, as for all further arguments.
        codec: See `EmbeddingCache`.
        mode: See `EmbeddingCache`.
        storage_options: See `EmbeddingCache`.
        on_store_error: See `EmbeddingCache`.
        text_safe: See `EmbeddingCache`.
        durability: See `EmbeddingCache`.
        refresh_interval: See `EmbeddingCache`.
        local_tier: See `EmbeddingCache`.
        local_tier_bytes: See `EmbeddingCache`.

    Returns:
        An object of the embedder's own framework type, or a `CachedFunction`. It shows `.cache`, `.namespace` and
        `.identity`. A wrapper is returned as it is, if the options agree with its own.

    Raises:
        IdentityError: What the embedder computes cannot be told apart from another one's; pass `namespace=`.
        StoreError: The store cannot be opened, or is something else than a cache.
        UnsupportedEmbedderError: The embedder is none, or its framework's plugin is missing; this is a `TypeError`.
        ValueError: An option is not one of those listed, or differs from that of the wrapper.
    """
    for_cache: dict[str, Any] = {
        "key_encoder": key_encoder,
        "codec": codec,
        "mode": mode,
        "storage_options": storage_options,
        "on_store_error": on_store_error,
        "text_safe": text_safe,
        "durability": durability,
        "refresh_interval": refresh_interval,
        "local_tier": local_tier,
        "local_tier_bytes": local_tier_bytes,
    }
    if isinstance(embedder, Wrapper) and store is None and for_cache == _DEFAULTS:
        cache = embedder.cache
    else:
        cache = _cache_at(store, for_cache)
    return wrap_with(cache, embedder, namespace=namespace, version=version, symmetric=symmetric, batch_size=batch_size)


_DEFAULTS: dict[str, Any] = {
    "key_encoder": "sha256",
    "codec": "exact",
    "mode": "read_write",
    "storage_options": None,
    "on_store_error": "warn",
    "text_safe": False,
    "durability": "write_behind",
    "refresh_interval": None,
    "local_tier": False,
    "local_tier_bytes": LOCAL_TIER_BYTES,
}

WRAP_DEFAULTS: dict[str, Any] = {**{field.name: field.default for field in fields(WrapOptions)}, **_DEFAULTS}
"""The keyword arguments of `wrap`, and what each is if nothing is said."""


def cache_and_options(store: object, given: Mapping[str, Any]) -> tuple[EmbeddingCache, WrapOptions]:
    """Return what the arguments of `wrap` stand for, for the constructors of adapters.

    Args:
        store: See `wrap`.
        given: Keyword arguments of `wrap` that the user gave.

    Raises:
        StoreError: The store cannot be opened, or is something else than a cache.
        TypeError: An argument is unknown.
        ValueError: An argument is not one of those listed.
    """
    options = WrapOptions.of({name: value for name, value in given.items() if name not in _DEFAULTS})
    for_cache = {name: given.get(name, default) for name, default in _DEFAULTS.items()}
    return _cache_at(store, for_cache), options


def _cache_at(store: object, for_cache: Mapping[str, Any]) -> EmbeddingCache:
    if not isinstance(store, EmbeddingCache):
        return EmbeddingCache(store, **for_cache)
    said = [name for name, value in for_cache.items() if value != _DEFAULTS[name]]
    if said:
        msg = f"{', '.join(said)}: give these options to the EmbeddingCache itself, not to wrap"
        raise ValueError(msg)
    return store
