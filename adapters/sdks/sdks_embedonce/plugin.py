"""The plugin through which embedonce finds clients of SDKs; it imports an SDK only to wrap one of its clients."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from embedonce import IdentityError, hookimpl
from sdks_embedonce.calls import BypassError
from sdks_embedonce.clients import known_sdk
from sdks_embedonce.functions import cached_function, known_function
from sdks_embedonce.twins import CachedClient, cached_client

if TYPE_CHECKING:
    from embedonce import EmbeddingCache, Identity, WrapOptions


@hookimpl
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap a client of an SDK, a resource in it, or a method or a function of an SDK that embeds."""
    function = known_function(embedder)
    if function is not None:
        return cached_function(embedder, function, cache, options)
    owner: Any = embedder.__self__ if isinstance(embedder, MethodType) else embedder
    sdk = known_sdk(owner)
    if sdk is None:
        return None
    # Of one that is wrapped already: one cache behind another would be of no use.
    client = owner.inner if isinstance(owner, CachedClient) else owner
    if not isinstance(embedder, MethodType):
        return cached_client(client, sdk, cache, options)
    name = getattr(embedder, "__name__", None)
    if name not in sdk.methods_of(client.__class__):
        return None
    return getattr(cached_client(client, sdk, cache, options), name)


@hookimpl
def embedonce_identify(embedder: object) -> Identity | None:
    """Return the identity of a client of one model; refuse one that serves any number of models."""
    if known_function(embedder) is not None:
        name = getattr(embedder, "__name__", "")
        msg = f"the function {name!r} has no identity of its own: each call names its model; wrap the function itself"
        raise IdentityError(msg)
    sdk = known_sdk(embedder)
    if sdk is None:
        return None
    methods = sdk.methods_of(embedder.__class__)
    try:
        return next(iter(methods.values())).identity(embedder, {})
    except (BypassError, StopIteration):
        msg = (
            f"a {type(embedder).__name__} has no identity of its own: each call names its model; wrap the client itself"
        )
        raise IdentityError(msg) from None
