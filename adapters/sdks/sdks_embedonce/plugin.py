"""The plugin through which embedonce finds clients of SDKs; it imports an SDK only to wrap one of its clients."""

from __future__ import annotations

import sys
from types import MethodType
from typing import TYPE_CHECKING, Any

from embedonce import IdentityError, PluginError, Wrapper, hookimpl

if TYPE_CHECKING:
    from embedonce import EmbeddingCache, Identity, WrapOptions


def _is_one(value: object, module: str, *names: str) -> bool:
    """True for an instance of one of some classes of a module, which is loaded if there is one."""
    kinds = (getattr(sys.modules.get(module), name, None) for name in names)
    return any(isinstance(kind, type) and isinstance(value, kind) for kind in kinds)


def _openai_client(embedder: object) -> Any:
    """Return a client of OpenAI's SDK: the object itself, or whose resource or method `create` it is; else None."""
    resource: Any = getattr(embedder, "__self__", None) if isinstance(embedder, MethodType) else embedder
    if _is_one(resource, "openai.resources.embeddings", "Embeddings", "AsyncEmbeddings"):
        if isinstance(embedder, MethodType) and embedder.__name__ != "create":
            return None
        client: Any = resource._client
        # Of a client that is wrapped already: one cache behind another would be of no use.
        return getattr(client, "inner", client) if isinstance(client, Wrapper) else client
    return embedder if _is_one(embedder, "openai", "OpenAI", "AsyncOpenAI") else None


@hookimpl
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Wrap a client of OpenAI's SDK, its resource `embeddings`, or the method `create` of that."""
    client = _openai_client(embedder)
    if client is None:
        return None
    try:
        from sdks_embedonce.openai import cached_client
    except ImportError as error:
        msg = f"wrapping {type(client).__name__} needs an openai that embedonce supports ({error}); update openai"
        raise PluginError(msg) from error

    cached = cached_client(client, cache, options)
    if embedder is client:
        return cached
    return cached.embeddings.create if isinstance(embedder, MethodType) else cached.embeddings


@hookimpl
def embedonce_identify(embedder: object) -> Identity | None:
    """Refuse a client, which serves any number of models."""
    if _openai_client(embedder) is None:
        return None
    msg = f"a {type(embedder).__name__} has no identity of its own: each call names its model; wrap the client itself"
    raise IdentityError(msg)
