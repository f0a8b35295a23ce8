"""The fields of an embedder: all of them, those that may count, and copies of them to compare with later."""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from embedonce import remedies
from embedonce.identification.settings.plain import UnclearSettingError, plain
from embedonce.identification.settings.unlisted import counting

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Classes of these packages add no fields that matter to an embedder that inherits from them.
_BASES = ("builtins", "abc", "typing", "typing_extensions", "pydantic")
_MISSING = object()
_IGNORES = "embedonce_ignores"
_LISTS = (tuple, list, set, frozenset)
_HOLDERS = ("__dict__", "__pydantic_extra__", "__pydantic_private__")
_MACHINERY = ("__", "_abc_")


def without_underscores(name: str) -> str:
    """Return the name of a field without underscores and without the class of a mangled name."""
    return name.rpartition("__")[2].lstrip("_") if name.startswith("_") else name


def settled(fields: Mapping[str, Any], names_of_models: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields that may count as plain JSON; see `counting`.

    Args:
        fields: The fields.
        names_of_models: What fields that name a model are called without underscores.

    Raises:
        UnclearSettingError: One of them is a live object.
    """
    found: dict[str, Any] = {}
    for name, value in _counting(fields, names_of_models).items():
        try:
            found.update(plain({name: value}, skips=lambda _, __: False))
        except UnclearSettingError as error:
            if without_underscores(name) not in names_of_models:
                error.field = name
            raise
    return found


def _counting(fields: Mapping[str, Any], names_of_models: Collection[str] = ()) -> dict[str, Any]:
    named = frozenset(name for name in fields if without_underscores(name) in names_of_models)
    return counting(fields, named)


def fields_of(embedder: object, bases: tuple[str, ...] = (), below: type | None = None) -> dict[str, Any]:
    """Return all fields of an object: constants of its classes, slots, attributes, pydantic's extras and privates.

    Those that its class says decide nothing are left out.

    Args:
        embedder: The object.
        bases: Packages of the framework itself, whose classes do not count.
        below: If given, constants and slots only of the classes in front of it.
    """
    fields: dict[str, Any] = {}
    classes = type(embedder).__mro__
    if below is not None:
        classes = classes[: classes.index(below)]
    for kind in reversed(classes):
        if any(f"{kind.__module__}.".startswith(f"{base}.") for base in (*_BASES, *bases)):
            continue
        constants = {name: value for name, value in vars(kind).items() if _is_constant(value)}
        fields.update({name: value for name, value in constants.items() if name != "model_config"})
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            value = getattr(embedder, name, _MISSING)
            if value is not _MISSING:
                fields[name] = value
    for source in _HOLDERS:
        held = getattr(embedder, source, None)
        if isinstance(held, dict):
            fields.update(held)
    # Dunder names and those of the machinery of classes (`_abc_impl`) are not settings.
    left_out = ignored(embedder)
    return {name: each for name, each in fields.items() if name not in left_out and not name.startswith(_MACHINERY)}


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
    held += [getattr(embedder, source, None) or {} for source in ("__private_attributes__", *_HOLDERS)]
    return {name for each in held for name in each}


def _mangled(embedder: object, name: str) -> set[str]:
    """Return what Python makes of a name with two underscores inside the classes of an object."""
    if not name.startswith("__"):
        return set()
    return {f"_{kind.__name__.lstrip('_')}{name}" for kind in type(embedder).__mro__}


def _is_constant(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_constant, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_constant, value))
    return isinstance(value, str | int | float | None)


class Same:
    """Holds a live object and compares by its identity, since the object's own comparison may mean anything."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class FrozenFields(tuple[tuple[str, object], ...]):
    """A copy of fields, as sorted pairs of a name and what `frozen` makes of the value."""

    __slots__ = ()


def frozen_fields(fields: Mapping[str, Any]) -> FrozenFields:
    """Return a copy of the fields that may count."""
    found = _counting(fields)
    return FrozenFields([(name, frozen(found[name])) for name in sorted(found)])


def changed_between(before: object, after: object) -> list[str]:
    """Return the names of fields whose values differ between two copies, wherever in a fingerprint these are."""
    if isinstance(before, FrozenFields) and isinstance(after, FrozenFields):
        old, new = dict(before), dict(after)
        return sorted(name for name in old.keys() | new.keys() if old.get(name, _MISSING) != new.get(name, _MISSING))
    if isinstance(before, tuple) and isinstance(after, tuple):
        return [name for pair in zip(before, after, strict=False) for name in changed_between(*pair)]
    return []


def frozen(value: Any, depth: int = 0) -> object:
    """Return a copy that later changes of the value do not reach and that keeps 1, 1.0 and True distinct."""
    if value is None:
        return None
    kind = type(value)
    if kind is str:
        return value
    if kind is int or kind is bool or kind is float:
        return (kind, value)
    if depth < 20:
        if isinstance(value, dict):
            return (dict, *[(key, frozen(value[key], depth + 1)) for key in sorted(value, key=str)])
        if kind is list or kind is tuple:
            return (list, *[frozen(item, depth + 1) for item in value])
        if kind is set or kind is frozenset:
            return (set, frozenset(value))
    if kind.__name__ == "URL" or isinstance(value, str | Enum | PurePath):
        return value
    return Same(value)
