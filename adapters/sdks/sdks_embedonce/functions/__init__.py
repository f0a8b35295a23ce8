"""Functions of SDKs that embed, one module for each SDK; `known_function` finds what is known of one."""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from inspect import Signature, iscoroutinefunction, unwrap
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce import IdentityError, PluginError
from sdks_embedonce.calls import BypassError, CachedMethod, Method

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedonce import EmbeddingCache, Identity, WrapOptions

_FUNCTIONS = {"litellm": ("embedding", "aembedding")}
"""Functions by the name of their package, which is that of the module here that knows them."""


class KnownFunction(NamedTuple):
    """What is known of a function.

    Attributes:
        method: What decides its vectors, and how it answers.
        signature: Its arguments.
    """

    method: Method
    signature: Signature


def known_function(value: object) -> KnownFunction | None:
    """Return what is known of a function; None for any other object.

    Raises:
        PluginError: The installed version of the SDK is not supported.
    """
    # A proxy, such as of a tracer, shows the class and the names of what it stands for.
    if not isinstance(value, FunctionType):
        return None
    package = str(value.__module__).partition(".")[0]
    if value.__qualname__ not in _FUNCTIONS.get(package, ()):
        return None
    try:
        known: KnownFunction = import_module(f"{__name__}.{package}").KNOWN
    except ImportError as error:
        msg = f"wrapping {value.__name__} needs a {package} that embedonce supports ({error}); update {package}"
        raise PluginError(msg) from error
    return known


def cached_function(
    function: Any, known: KnownFunction, cache: EmbeddingCache, options: WrapOptions
) -> Callable[..., Any]:
    """Return a function with the arguments and the answers of another one, which asks a cache first."""
    # Of one that is wrapped already: one cache behind another would be of no use.
    inner = getattr(function, "inner", function)
    name = f"{inner.__module__.partition('.')[0]}.{inner.__name__}"
    calls = CachedMethod(
        method=known.method,
        name=name,
        owner=inner,
        function=inner,
        signature=known.signature,
        cache=cache,
        options=options,
        warned=set(),
    )

    @wraps(inner)
    async def acached(*args: Any, **named: Any) -> Any:
        return await calls.acall(args, named)

    @wraps(inner)
    def cached(*args: Any, **named: Any) -> Any:
        return calls.call(args, named)

    def identity_of(**arguments: Any) -> Identity:
        """Return what decides the vectors of a call with some arguments.

        Raises:
            IdentityError: Such a call bypasses the cache.
        """
        try:
            return calls.identity_of(arguments)
        except BypassError as error:
            msg = f"such a call of {name} bypasses the cache: {error}"
            raise IdentityError(msg) from error

    wrapped = acached if iscoroutinefunction(unwrap(inner)) else cached
    vars(wrapped).update(inner=inner, cache=cache, wrap_options=options, identity_of=identity_of)
    return wrapped
