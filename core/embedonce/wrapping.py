"""wrap: one call that puts a cache before any embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.cache.cache import EmbeddingCache
from embedonce.options import CacheOptions, WrapOptions
from embedonce.wrappers import Wrapper, wrap_with

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.options import Auto, Durability, Mode, OnStoreError
    from embedonce.vectors.codecs import Codec


def wrap(
    embedder: Any,
    store: object = None,
    *,
    namespace: str | Identity | None = WrapOptions.namespace,
    version: str | int | None = WrapOptions.version,
    symmetric: bool | None = WrapOptions.symmetric,
    batch_size: int | Auto | None = WrapOptions.batch_size,
    key_encoder: str | Callable[[str], str] | KeyEncoder = CacheOptions.key_encoder,
    codec: str | Codec = CacheOptions.codec,
    mode: Mode = CacheOptions.mode,
    storage_options: Mapping[str, Any] | None = CacheOptions.storage_options,
    on_store_error: OnStoreError = CacheOptions.on_store_error,
    text_safe: bool = CacheOptions.text_safe,
    split_on_error: bool = CacheOptions.split_on_error,
    durability: Durability = CacheOptions.durability,
    refresh_interval: float | None = CacheOptions.refresh_interval,
    local_tier: bool | str | os.PathLike[str] = CacheOptions.local_tier,
    local_tier_bytes: int = CacheOptions.local_tier_bytes,
) -> Any:
    """Return an embedder that embeds every text once.

    Args:
        embedder: An embedder of a framework or a client of an SDK whose plugin is installed, or a function
            `list[str] -> vectors`.
        store: Where vectors are kept: a path, a URL, an (fs, path) pair, a `UPath`, a byte store, an `EmbeddingCache`,
            or None for `$EMBEDONCE_STORE` and else the user's cache directory.
        namespace: The whole identity, instead of the one that is derived from the embedder; shared by all embedders
            that are given it. A function needs one.
        version: A salt for what a model's name does not show, such as a model that was replaced under its name.
        symmetric: True if documents and queries are embedded alike, so that they share entries.
        batch_size: Texts that are embedded between two writes; None for all at once, `"auto"` for what suits.
        key_encoder: See `EmbeddingCache`, as for all further arguments.
        codec: See `EmbeddingCache`.
        mode: See `EmbeddingCache`.
        storage_options: See `EmbeddingCache`.
        on_store_error: See `EmbeddingCache`.
        text_safe: See `EmbeddingCache`.
        split_on_error: See `EmbeddingCache`.
        durability: See `EmbeddingCache`.
        refresh_interval: See `EmbeddingCache`.
        local_tier: See `EmbeddingCache`.
        local_tier_bytes: See `EmbeddingCache`.

    Returns:
        An object of the embedder's own framework type, or a `CachedFunction`. It shows `.cache`, `.namespace` and
        `.identity`. A wrapper is returned unchanged if the options agree with its own.

    Raises:
        IdentityError: What the embedder computes cannot be told apart from another one's; pass `namespace=`.
        StoreError: The store cannot be opened, or is not a cache.
        UnsupportedEmbedderError: The object is not an embedder, or its framework's plugin is missing; a `TypeError`.
        ValueError: An option is not one of those listed, or differs from that of the wrapper.
    """
    options = CacheOptions(
        key_encoder=key_encoder,
        codec=codec,
        mode=mode,
        storage_options=storage_options,
        on_store_error=on_store_error,
        text_safe=text_safe,
        split_on_error=split_on_error,
        durability=durability,
        refresh_interval=refresh_interval,
        local_tier=local_tier,
        local_tier_bytes=local_tier_bytes,
    )
    if isinstance(embedder, Wrapper) and store is None and not options.changed:
        cache = embedder.cache
    else:
        cache = EmbeddingCache.of(store, options)
    return wrap_with(cache, embedder, namespace=namespace, version=version, symmetric=symmetric, batch_size=batch_size)
