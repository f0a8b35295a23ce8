"""Wrapped clients: objects of the client's own type, in which methods that embed ask a cache first.

A wrapped client is the client: both have the same dictionary, so that what is set on one is set on the other. What it
has of its own are the attributes that its `Sdk` lists: methods with a cache before them, and objects with such methods.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import lru_cache, wraps
from importlib import import_module
from inspect import Signature, iscoroutinefunction, signature, unwrap
from types import MethodType
from typing import Any

from embedonce import EmbeddingCache, Identity, IdentityError, WrapOptions, Wrapper, remedies
from embedonce.identification import check_replay
from sdks_embedonce.calls import BypassError, CachedMethod, Method

logger = logging.getLogger("embedonce")

Attribute = Method | Callable[["CachedClient", str], Any]
"""A method that embeds, or a function that returns an attribute of a wrapped client, given that and its name."""


@dataclass(frozen=True, eq=False)
class Sdk:
    """What is known of an SDK.

    Attributes:
        module: The module that has this as its `SDK`.
        classes: The classes of its clients, and of objects in them with methods that embed. For each of them the
            attributes that a wrapped one has of its own; the first method is the one that `identity_of` tells about.
        shows_all: Tells whether a client sends its requests where it shows, if it is of one of these classes itself.
    """

    module: str
    classes: Mapping[type, Mapping[str, Attribute]]
    shows_all: Callable[[Any], bool] = lambda _: True

    def __reduce__(self) -> tuple[Any, ...]:
        return _sdk_in, (self.module,)

    def attributes_of(self, kind: type) -> Mapping[str, Attribute]:
        """Return the attributes of the first known class that a class is or inherits from; none for any other class."""
        return next((self.classes[each] for each in kind.__mro__ if each in self.classes), {})

    def methods_of(self, kind: type) -> dict[str, Method]:
        """Return the methods of a class that embed."""
        return {name: each for name, each in self.attributes_of(kind).items() if isinstance(each, Method)}


def _sdk_in(module: str) -> Any:
    return import_module(module).SDK


def cached_client(client: Any, sdk: Sdk, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Return a client of the same type that asks a cache before it embeds.

    Raises:
        IdentityError: It is of a class that may send requests elsewhere than it shows, and no namespace is given.
    """
    if options.namespace is None and not (type(client) in sdk.classes and sdk.shows_all(client)):
        msg = (
            f"cannot tell where a {type(client).__qualname__} sends its requests: it is not of a class of the SDK "
            f"itself, or it has a provider of its own; name the server, {remedies.wrapping('client')}, beside which "
            "the model and the other arguments of each call count"
        )
        raise IdentityError(msg)
    return _twin(client, sdk, cache, options)


def held(client: CachedClient, name: str) -> Any:
    """Return an object in a client, such as a resource, as a wrapped one.

    Something of an unknown class that has been put in its place is returned as it is.

    Raises:
        CacheMissError: There is such a thing in its place, and the mode is `replay`.
    """
    inner = getattr(client.inner, name)
    if not client._sdk.attributes_of(inner.__class__):
        why = f"a {type(inner).__name__} has been put in the place of {name!r}"
        check_replay(client.inner, client.cache, why)
        if name not in client._warned:
            client._warned.add(name)
            logger.warning("calls of %s bypass the cache because %s", name, why)
        return inner
    known = client._held.get(name)
    if known is None or known.inner is not inner:
        known = client._held[name] = _twin(inner, client._sdk, client.cache, client.wrap_options)
        # The client inside may close its connections when nobody has it any more.
        object.__setattr__(known, "_holder", (client, name))
    return known


def remade(client: CachedClient, name: str) -> Any:
    """Return an object that calls methods of the client that it is made from, made from a wrapped one."""
    return type(getattr(client.inner, name))(client)


def copying(client: CachedClient, name: str) -> Any:
    """Return a method that returns a changed copy of a client, so that it returns a wrapped one."""
    method = getattr(client.inner, name)

    @wraps(method)
    def copied(*args: Any, **named: Any) -> Any:
        return cached_client(method(*args, **named), client._sdk, client.cache, client.wrap_options)

    return copied


class _NoIdentityError(IdentityError, AttributeError):
    """A client has no identity of its own; `hasattr` takes that for an attribute that does not exist."""


class CachedClient(Wrapper):
    """A client of an SDK that asks a cache before it embeds; it is an instance of the client's class as well.

    Attributes:
        inner: The client inside, with which it shares its attributes.
        cache: The cache.
        wrap_options: The options with which it was wrapped.
    """

    __slots__ = ("_held", "_holder", "_replaced", "_sdk", "_warned", "cache", "inner", "wrap_options")

    cache: EmbeddingCache
    inner: Any
    wrap_options: WrapOptions
    _held: dict[str, CachedClient]
    _holder: tuple[CachedClient, str] | None
    _replaced: dict[str, Any]
    _sdk: Sdk
    _warned: set[str]

    @property
    def identity(self) -> Identity:
        """What decides the vectors; not there if each call names its model, as `identity_of` tells.

        Raises:
            IdentityError: Each call names its model.
        """
        try:
            return self.identity_of()
        except IdentityError:
            msg = "a client has no identity of its own: each call names its model; ask identity_of(model='…')"
            raise _NoIdentityError(msg) from None

    def identity_of(self, **arguments: Any) -> Identity:
        """Return what decides the vectors of a call with some arguments, at least `model=`.

        Raises:
            IdentityError: Such a call bypasses the cache.
        """
        methods = self._sdk.methods_of(type(self))
        if not methods:
            attributes = self._sdk.attributes_of(type(self)).items()
            child: CachedClient = getattr(self, next(name for name, each in attributes if each is held))
            return child.identity_of(**arguments)
        cached = self._method(*next(iter(methods.items())))
        try:
            return cached.identity_of(arguments)
        except BypassError as error:
            msg = f"such a call of {cached.name} bypasses the cache: {error}"
            raise IdentityError(msg) from error

    def _method(self, name: str, method: Method) -> CachedMethod:
        holder, path = self._holder, name
        while holder is not None:
            path, holder = f"{holder[1]}.{path}", holder[0]._holder
        return CachedMethod(
            method=method,
            name=path,
            owner=self.inner,
            function=getattr(self.inner, name),
            signature=_signature(getattr(self.inner.__class__, name)),
            cache=self.cache,
            options=self.wrap_options,
            warned=self._warned,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(cache={self.cache!r})"

    def __del__(self) -> None:
        """Leave connections open; the client inside closes them when nobody has it any more."""

    def __copy__(self) -> Any:
        return _twin(copy(self.inner), self._sdk, self.cache, self.wrap_options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _twin(deepcopy(self.inner, memo), self._sdk, self.cache, self.wrap_options)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._holder is not None:
            return getattr, self._holder
        return cached_client, (self.inner, self._sdk, self.cache, self.wrap_options)


class _Own:
    """An attribute that a wrapped client has of its own; nothing in the dictionary of the client hides it."""

    def __init__(self, name: str, attribute: Attribute) -> None:
        self.name, self.attribute = name, attribute

    def __get__(self, client: CachedClient | None, kind: type) -> Any:
        if client is None:
            return self
        # A tracer may have put its own around it.
        if self.name in client._replaced:
            return client._replaced[self.name]
        if isinstance(self.attribute, Method):
            # The one of the class, which a tracer may have replaced.
            function = getattr(client.inner.__class__, self.name)
            return MethodType(_cached(function, self.name, self.attribute), client)
        return self.attribute(client, self.name)

    def __set__(self, client: CachedClient, value: Any) -> None:
        client._replaced[self.name] = value

    def __delete__(self, client: CachedClient) -> None:
        if client._replaced.pop(self.name, None) is None:
            raise AttributeError(self.name)


def _twin(client: Any, sdk: Sdk, cache: EmbeddingCache, options: WrapOptions) -> Any:
    # A proxy shows the class of what it stands for, which is the one that can be inherited from.
    kind: Any = type(client) if sdk.attributes_of(type(client)) else client.__class__
    twin: Any = object.__new__(_class_for(kind, sdk))
    state = {"inner": client, "cache": cache, "wrap_options": options, "_sdk": sdk}
    state |= {"_held": {}, "_holder": None, "_replaced": {}, "_warned": set(), "__dict__": vars(client)}
    for name, value in state.items():
        object.__setattr__(twin, name, value)
    return twin


@lru_cache(1024)
def _class_for(kind: type[Any], sdk: Sdk) -> type[Any]:
    own = {name: _Own(name, attribute) for name, attribute in sdk.attributes_of(kind).items()}
    return type(f"Cached{kind.__name__}", (CachedClient, kind), {"__slots__": (), "__module__": __name__, **own})


@lru_cache(1024)
def _signature(function: Any) -> Signature:
    found = signature(function)
    return found.replace(parameters=list(found.parameters.values())[1:])


@lru_cache(1024)
def _cached(function: Any, name: str, method: Method) -> Callable[..., Any]:
    """Return a method that takes the place of the function of a class."""
    if iscoroutinefunction(unwrap(function)):

        @wraps(function)
        async def acached(self: CachedClient, /, *args: Any, **named: Any) -> Any:
            return await self._method(name, method).acall(args, named)

        return acached

    @wraps(function)
    def cached(self: CachedClient, /, *args: Any, **named: Any) -> Any:
        return self._method(name, method).call(args, named)

    return cached
