"""The fields of an embedder: all of them, those that may count, and copies of them to compare with later."""

from __future__ import annotations

from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from embedonce.identification.settings.plain import plain
from embedonce.identification.settings.unlisted import counting

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Classes of these packages add no fields that matter to an embedder that inherits from them.
_BASES = ("builtins", "abc", "typing", "typing_extensions", "pydantic")
_MISSING = object()


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
    return plain(_counting(fields, names_of_models), skips=lambda _, __: False)


def _counting(fields: Mapping[str, Any], names_of_models: Collection[str] = ()) -> dict[str, Any]:
    named = frozenset(name for name in fields if without_underscores(name) in names_of_models)
    return counting(fields, named)


def fields_of(embedder: object, bases: tuple[str, ...] = (), below: type | None = None) -> dict[str, Any]:
    """Return all fields of an object: constants of its classes, slots, attributes, pydantic's extras and privates.

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
    for source in ("__dict__", "__pydantic_extra__", "__pydantic_private__"):
        held = getattr(embedder, source, None)
        if isinstance(held, dict):
            fields.update(held)
    # Dunder names and those of the machinery of classes (`_abc_impl`) are not settings.
    return {name: value for name, value in fields.items() if not name.startswith(("__", "_abc_"))}


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


def frozen_fields(fields: Mapping[str, Any]) -> tuple[object, ...]:
    """Return a copy of the fields that may count."""
    found = _counting(fields)
    return tuple([(name, frozen(found[name])) for name in sorted(found)])


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
