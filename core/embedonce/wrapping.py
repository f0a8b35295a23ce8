"""wrap: one call that puts a cache before any embedder."""

from __future__ import annotations

import logging
from abc import ABC
from dataclasses import dataclass, fields, replace
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from embedonce.cache import EmbeddingCache
from embedonce.cache_calls import is_async
from embedonce.errors import IdentityError, UnsupportedEmbedderError
from embedonce.identity import Identity, as_identity
from embedonce.options import checked_batch_size
from embedonce.plugins import plugins
from embedonce.stores.store_options import LOCAL_TIER_BYTES

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from embedonce.codecs import Codec
    from embedonce.keys import KeyEncoder, Role
    from embedonce.options import Mode
    from embedonce.stores.store_options import Durability

logger = logging.getLogger("embedonce")


@dataclass(frozen=True, slots=True)
class WrapOptions:
    """What a user may say about an embedder when wrapping it.

    Attributes:
        namespace: The whole identity, instead of the one that is derived from the embedder.
        version: A salt for what a name does not show, such as a model that was replaced under its name.
        symmetric: True if documents and queries are embedded alike; None to rely on what is known of the embedder.
        batch_size: Texts that are embedded between two writes, None for all at once.
    """

    namespace: str | Identity | None = None
    version: str | int | None = None
    symmetric: bool | None = None
    batch_size: int | Literal["auto"] | None = "auto"

    def __post_init__(self) -> None:
        checked_batch_size(self.batch_size)
        if self.namespace is not None:
            as_identity(self.namespace)

    def applied_to(self, identity: Identity) -> Identity:
        """Return an identity with these options."""
        if self.symmetric is not None:
            identity = replace(identity, symmetric=self.symmetric)
        if self.version is None:
            return identity
        # A class that declares a version of its own keeps it beside the user's.
        name = "wrap_version" if "version" in dict(identity.parameters) else "version"
        return identity.with_parameters({name: str(self.version)})


class WrapKeywords(TypedDict, total=False):
    """The keyword arguments of `wrap`, for the constructors of adapters that take them too."""

    namespace: str | Identity | None
    version: str | int | None
    symmetric: bool | None
    batch_size: int | Literal["auto"] | None
    key_encoder: str | Callable[[str], str] | KeyEncoder
    codec: str | Codec
    mode: Mode
    storage_options: Mapping[str, Any] | None
    on_store_error: Literal["warn", "raise"]
    text_safe: bool
    durability: Durability
    refresh_interval: float | None
    local_tier: bool | str | os.PathLike[str]
    local_tier_bytes: int


class Wrapper(ABC):
    """What every wrapped embedder shows, whatever its framework.

    Classes that cannot inherit from it, such as pydantic models, are registered as subclasses.

    Attributes:
        cache: The cache that it asks.
        namespace: Where its vectors live.
        identity: What decides them.
        wrap_options: What the user said when wrapping it.
    """

    cache: EmbeddingCache
    wrap_options: WrapOptions

    @property
    def identity(self) -> Identity:
        """What decides the vectors."""
        raise NotImplementedError

    @property
    def namespace(self) -> str:
        """The name under which the vectors live."""
        return self.identity.namespace


class CachedFunction(Wrapper):
    """A function from texts to vectors that asks a cache first.

    Args:
        function: Takes a list of texts, returns one vector for each; sync or async.
        cache: The cache.
        options: Its namespace is the identity of the function.
    """

    def __init__(self, function: Callable[[list[str]], Any], cache: EmbeddingCache, options: WrapOptions) -> None:
        declared = options.namespace or getattr(function, "embedonce_identity", None)
        if declared is None:
            name = getattr(function, "__qualname__", type(function).__name__)
            msg = (
                f"cannot tell what model {name!r} calls: a function has no identity that could be relied on; "
                "pass namespace='…' naming the model and everything else that changes its vectors"
            )
            raise IdentityError(msg)
        self.function = function
        self.cache = cache
        self.wrap_options = options
        self._identity = options.applied_to(as_identity(declared))
        cache.open(self._identity)

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return f"{type(self).__name__}({name}, namespace={self.namespace!r}, cache={self.cache!r})"

    @property
    def identity(self) -> Identity:
        """What decides the vectors."""
        return self._identity

    def __call__(self, texts: Iterable[str], role: Role = "document") -> Any:
        """Return the vectors of texts, shape (n, d); a coroutine of them if the function is async."""
        if is_async(self.function):
            return self.aembed(texts, role)
        return self.embed(texts, role)

    def embed(self, texts: Iterable[str], role: Role = "document") -> NDArray[Any]:
        """Return the vectors of texts, shape (n, d); see `EmbeddingCache.embed`."""
        size = self.wrap_options.batch_size
        return self.cache.embed(texts, self.function, namespace=self._identity, role=role, batch_size=size)

    async def aembed(self, texts: Iterable[str], role: Role = "document") -> NDArray[Any]:
        """Async twin of `embed`; the function may be sync or async."""
        size = self.wrap_options.batch_size
        return await self.cache.aembed(texts, self.function, namespace=self._identity, role=role, batch_size=size)


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
    options = _wrap_options({name: value for name, value in given.items() if name not in _DEFAULTS})
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


def _wrap_options(given: Mapping[str, Any]) -> WrapOptions:
    known = [field.name for field in fields(WrapOptions)]
    unknown = given.keys() - set(known)
    if unknown:
        msg = f"unknown option {', '.join(sorted(unknown))}; known: {', '.join(known)}"
        raise TypeError(msg)
    return WrapOptions(**given)


def wrap_with(cache: EmbeddingCache, embedder: Any, **given: Any) -> Any:
    """Wrap an embedder with a cache; see `wrap`."""
    options = _wrap_options(given)
    if isinstance(embedder, Wrapper):
        return _rewrapped(embedder, cache, options)
    loaded = plugins()
    wrapped, failed = loaded.wrap(embedder, cache, options)
    if wrapped is not None:
        return wrapped
    refusal = next((each.error for each in failed if each.is_refusal), None)
    if refusal is not None and not isinstance(embedder, _FUNCTIONS):
        raise refusal
    if callable(embedder) and not isinstance(embedder, type):
        try:
            function = CachedFunction(embedder, cache, options)
        except IdentityError as error:
            # It may be an embedder whose plugin is broken, which can be called as well.
            msg = f"{error}{loaded.failures()}"
            raise IdentityError(msg) from None
        for each in failed:
            logger.warning("%s; a %s is wrapped as a function", each, type(embedder).__name__)
        return function
    kind = f"the class {embedder.__name__}" if isinstance(embedder, type) else f"a {type(embedder).__name__}"
    msg = (
        f"cannot wrap {kind}: it is no embedder of a framework whose plugin is installed, and no function "
        f"list[str] -> vectors{loaded.failures()}"
    )
    raise UnsupportedEmbedderError(msg) from (failed[0].error if failed else None)


_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, partial)
"""What can be no embedder of any framework."""


def _rewrapped(wrapper: Wrapper, cache: EmbeddingCache, options: WrapOptions) -> Wrapper:
    """Return a wrapper as it is, if it does what was asked for.

    Raises:
        ValueError: It does something else; wrapping it again would put one cache behind another.
    """
    unsaid, own = WrapOptions(), wrapper.wrap_options
    differs = [
        field.name
        for field in fields(WrapOptions)
        if getattr(options, field.name) not in (getattr(unsaid, field.name), getattr(own, field.name))
    ]
    if not wrapper.cache.agrees_with(cache):
        differs.append("store or its options")
    if differs:
        msg = f"the embedder is wrapped already, with other {', '.join(differs)}; wrap the embedder inside it instead"
        raise ValueError(msg)
    return wrapper
