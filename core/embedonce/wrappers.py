"""What the wrappers of all frameworks have in common; wrapping with a given cache; and wrapped functions."""

from __future__ import annotations

import inspect
import logging
from abc import ABC
from dataclasses import fields
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from embedonce import remedies
from embedonce.errors import IdentityError, UnsupportedEmbedderError
from embedonce.identity import Identity, as_identity, declared_identity
from embedonce.options import WrapOptions
from embedonce.plugins.host import plugins
from embedonce.runtime.threads import is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from embedonce.hookspecs import Cache
    from embedonce.keys.specification import Role


logger = logging.getLogger("embedonce")


class Wrapper(ABC):
    """The attributes that a wrapped embedder of any framework has.

    Classes that cannot inherit from it, such as pydantic models, are registered as subclasses.

    Attributes:
        cache: The cache that it asks.
        namespace: Where its vectors live.
        identity: What decides them.
        wrap_options: The options with which it was wrapped.
    """

    cache: Cache
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

    def __init__(self, function: Callable[[list[str]], Any], cache: Cache, options: WrapOptions) -> None:
        identity = _identity_of(function) if options.namespace is None else as_identity(options.namespace)
        _check_parameters(function)
        self.function = function
        self.cache = cache
        self.wrap_options = options
        self._identity = options.applied_to(identity)
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


def _identity_of(function: Callable[..., Any]) -> Identity:
    """Return the identity that a function declares.

    Raises:
        IdentityError: It declares none, or what it declares is not an identity.
    """
    declared = getattr(function, "embedonce_identity", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    if declared is None:
        method = "" if isinstance(function, _FUNCTIONS) else remedies.method_of(type(function))
        remedy = f"name it, {remedies.RAISE_IT}: {remedies.wrapping(f'embedder.{method}' if method else 'embedder')}"
        if not method and not isinstance(function, _FUNCTIONS):
            remedy += f", or in the class: {remedies.declaring(type(function))}"
        msg = f"cannot tell what model {name!r} calls: a function has no identity to rely on; {remedy}"
        raise IdentityError(msg)
    try:
        return declared_identity(declared)
    except IdentityError as error:
        msg = f"cannot identify the vectors of {name!r}: {error}"
        raise IdentityError(msg) from error


def _check_parameters(function: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called with a list of texts alone, such as a method of an SDK.

    Raises:
        UnsupportedEmbedderError: It cannot.
    """
    if hasattr(function, "__signature__"):
        # What a function says of itself need not be what it takes.
        return
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return
    try:
        signature.bind([])
    except TypeError as error:
        name = getattr(function, "__qualname__", type(function).__name__)
        msg = (
            f"cannot wrap {name!r}: it cannot be called with a list of texts alone ({error}); "
            f"{remedies.passing_a_function(signature.parameters.values())}"
        )
        raise UnsupportedEmbedderError(msg) from None


def wrap_with(cache: Cache, embedder: Any, **given: Any) -> Any:
    """Wrap an embedder with a cache; see `wrap`."""
    options = WrapOptions.of(given)
    if isinstance(embedder, Wrapper):
        return _rewrapped(embedder, cache, options)
    loaded = plugins()
    wrapped, failed = loaded.wrap(embedder, cache, options)
    if wrapped is not None:
        return wrapped
    refusal = next((each.error for each in failed if each.is_refusal), None)
    if refusal is not None and not isinstance(embedder, _FUNCTIONS):
        raise refusal
    # A plugin that is broken may be the one that knows the embedder: its cause comes first.
    broken = [each for each in loaded.failed if each.doing in ("to load", "in embedonce_wrap")]
    causes = "".join(f"{each}; " for each in broken)
    if callable(embedder) and not isinstance(embedder, type):
        try:
            function = CachedFunction(embedder, cache, options)
        except (IdentityError, UnsupportedEmbedderError) as error:
            msg = f"{causes}{error}{loaded.left_out()}"
            raise type(error)(msg) from error
        if isinstance(embedder, _FUNCTIONS):
            broken = []
        for each in {id(each.error): each for each in (*broken, *failed)}.values():
            logger.warning("%s; a %s is wrapped as a function", each, type(embedder).__name__)
        return function
    msg = (
        f"{causes}cannot wrap {remedies.shown(embedder)}: it is neither an embedder of a framework whose plugin is "
        f"installed nor a function list[str] -> vectors; {remedies.passing_a_method(embedder)}{loaded.left_out()}"
    )
    raise UnsupportedEmbedderError(msg) from (failed[0].error if failed else None)


_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, partial)
"""Types that no framework gives to its embedders."""


def _rewrapped(wrapper: Wrapper, cache: Cache, options: WrapOptions) -> Wrapper:
    """Return a wrapper unchanged, if it has the options that were asked for.

    Raises:
        ValueError: It has others; wrapping it again would put one cache behind another.
    """
    defaults, own = WrapOptions(), wrapper.wrap_options
    differs = [
        field.name
        for field in fields(WrapOptions)
        if getattr(options, field.name) not in (getattr(defaults, field.name), getattr(own, field.name))
    ]
    if not wrapper.cache.agrees_with(cache):
        differs.append("store or its options")
    if differs:
        msg = f"the embedder is wrapped already, with other {', '.join(differs)}; wrap the embedder inside it instead"
        raise ValueError(msg)
    return wrapper
