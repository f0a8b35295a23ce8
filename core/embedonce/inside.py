"""The embedder inside a wrapper: what may be read of it, also where nothing may reach it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial, partialmethod, wraps
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Any

from embedonce.errors import CacheMissError

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedonce.hookspecs import Cache

_METHODS = (FunctionType, MethodType, BuiltinFunctionType, partial, partialmethod, classmethod, staticmethod)
# They release what the embedder holds, and compute nothing.
_ENDING = ("close", "aclose")
# Classes of these packages compute no vectors.
_BASES = ("builtins", "abc", "typing", "typing_extensions", "pydantic")
_MISSING = object()


class _NotReplayedError(CacheMissError, AttributeError):
    """A property is not asked in mode `replay`; `hasattr` takes that for an attribute that does not exist."""


def check_replay(embedder: object, cache: Cache, reason: str) -> None:
    """Refuse what would reach an embedder.

    Raises:
        CacheMissError: The mode is `replay`.
    """
    if cache.mode == "replay":
        msg = f"a call of {type(embedder).__name__} cannot be replayed because {reason}"
        raise CacheMissError(msg)


def attribute_inside(embedder: object, name: str, cache: Cache, bases: tuple[str, ...] = ()) -> Any:
    """Return an attribute of the embedder inside a wrapper.

    In mode `replay` nothing may reach the embedder: what it holds is returned, its methods raise when they are called,
    and its properties are not asked, since they may send a request. Those of classes of the framework itself, and
    methods that close it, are as always.

    Args:
        embedder: The embedder.
        name: The name of the attribute.
        cache: The cache of the wrapper.
        bases: Packages of the framework itself, whose classes compute no vectors.

    Raises:
        AttributeError: There is no such attribute.
        CacheMissError: It is a property, and the mode is `replay`; an `AttributeError` too.
    """
    if cache.mode != "replay" or name in _ENDING:
        return getattr(embedder, name)
    owner, found = _found_in(embedder, name)
    if owner is not None and any(f"{owner.__module__}.".startswith(f"{base}.") for base in (*_BASES, *bases)):
        return getattr(embedder, name)
    if isinstance(found, _METHODS):
        method = getattr(embedder, name)
        return _refusing(method, f"{type(embedder).__name__}.{name}")
    if not hasattr(type(found), "__get__") or isinstance(found, MemberDescriptorType):
        return getattr(embedder, name)
    msg = (
        f"{type(embedder).__name__}.{name} is not asked in mode 'replay', since it may send a request; "
        "read it from the embedder inside the wrapper if it does not"
    )
    raise _NotReplayedError(msg)


def _found_in(embedder: object, name: str) -> tuple[type | None, Any]:
    """Return an attribute as it is held, with the class that has it; none for what the embedder itself holds."""
    own: Any = _MISSING
    for each in ("__pydantic_private__", "__pydantic_extra__", "__dict__"):
        with suppress(AttributeError):
            held = object.__getattribute__(embedder, each)
            own = held[name] if isinstance(held, dict) and name in held else own
    kinds = type(embedder).__mro__
    owner = next((kind for kind in kinds if name in vars(kind)), None)
    found = None if owner is None else vars(owner)[name]
    if own is not _MISSING and not hasattr(type(found), "__set__"):
        return None, own
    if owner is None:
        # A class may answer for any name, as a property does for its own.
        owner = next(kind for kind in kinds if "__getattr__" in vars(kind) or kind is object)
        found = property()
    return owner, found


def _refusing(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(method)
    def refused(*_: Any, **__: Any) -> Any:
        msg = (
            f"{name} is not called in mode 'replay', since it may ask the model; "
            "call it on the embedder inside the wrapper if it does not"
        )
        raise CacheMissError(msg)

    return refused
