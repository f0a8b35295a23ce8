"""Copies of fields to compare with later."""

from __future__ import annotations

from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from embedonce.identification.fields.held import counting_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_MISSING = object()


class Same:
    """Holds a live object and compares by its identity, since the object's own comparison may mean anything."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class Snapshot:
    """A live object in a state: equal to the same object in an equal state."""

    __slots__ = ("state", "value")

    def __init__(self, value: object, state: object) -> None:
        self.value = value
        self.state = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and other.value is self.value and other.state == self.state

    def __hash__(self) -> int:
        return id(self.value)


class FrozenFields(tuple[tuple[str, object], ...]):
    """A copy of fields, as sorted pairs of a name and what `frozen` makes of the value."""

    __slots__ = ()


def frozen_fields(fields: Mapping[str, Any]) -> FrozenFields:
    """Return a copy of the fields that may count."""
    found = counting_of(fields)
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
    if kind is str or kind is Snapshot:
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
