"""Fields that decide nothing about vectors, as classes say by `embedonce_ignores`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from embedonce import remedies
from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

HOLDERS = ("__dict__", "__pydantic_extra__", "__pydantic_private__")
"""Where an object, of pydantic too, keeps its attributes."""
_IGNORES = "embedonce_ignores"
_LISTS = (tuple, list, set, frozenset)


def _ignores(embedder: object) -> list[Any]:
    """Return what the classes of an object, or it itself, have as `embedonce_ignores`."""
    holders = [vars(kind) for kind in type(embedder).__mro__]
    own = getattr(embedder, "__dict__", None)
    return [held[_IGNORES] for held in (*holders, own or {}) if _IGNORES in held]


def ignored(embedder: object) -> frozenset[str]:
    """Return the names of fields that decide nothing, as the classes of an object say: each adds to its bases."""
    listed = [each for names in _ignores(embedder) if isinstance(names, _LISTS) for each in names]
    names = [each for each in listed if isinstance(each, str)]
    return frozenset({*names, _IGNORES}.union(*(_mangled(embedder, each) for each in names)))


def check_ignores(embedder: object, counting_names: Collection[str] = ()) -> None:
    """Refuse an `embedonce_ignores` with a mistake.

    Args:
        embedder: The object.
        counting_names: Fields of a known class, which count in any case.

    Raises:
        UnclearSettingError: It is not a tuple of names, or the object has no such field, or that field counts.
    """
    known = _told(embedder)
    for listed in _ignores(embedder):
        if not isinstance(listed, _LISTS) or not all(isinstance(each, str) for each in listed):
            name = listed if isinstance(listed, str) and listed.isidentifier() else "calls"
            line = remedies.ignoring([name], type(embedder))
            msg = f"its `{_IGNORES}` is not a tuple of names of fields; write {line}"
            raise UnclearSettingError(msg)
        for name in listed:
            if name in counting_names:
                msg = f"its `{_IGNORES}` names {name!r}, which decides its vectors; leave {name!r} out of it"
                raise UnclearSettingError(msg)
            spelled = {name, *_mangled(embedder, name)}
            if not spelled & known:
                near = get_close_matches(name, sorted(known), 1)
                corrected = [near[0] if near and each == name else each for each in listed]
                remedy = f"write {remedies.ignoring(corrected, type(embedder))}" if near else "correct the name"
                msg = (
                    f"its `{_IGNORES}` names {name!r}, and it has no such field; {remedy}, or set the field when the "
                    f"object is made: self.{name} = None"
                )
                raise UnclearSettingError(msg)


def _told(embedder: object) -> set[str]:
    """Return the names of what an object has, and of what its classes tell of that is set later."""
    held: list[Mapping[str, Any]] = [vars(kind) for kind in type(embedder).__mro__]
    held += [each.get("__annotations__", {}) for each in held]
    held += [getattr(embedder, source, None) or {} for source in ("__private_attributes__", *HOLDERS)]
    return {name for each in held for name in each}


def _mangled(embedder: object, name: str) -> set[str]:
    """Return what Python makes of a name with two underscores inside the classes of an object."""
    if not name.startswith("__"):
        return set()
    return {f"_{kind.__name__.lstrip('_')}{name}" for kind in type(embedder).__mro__}
