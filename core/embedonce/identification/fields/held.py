"""The fields of an embedder: all of them, and those that may count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification.fields.ignored import HOLDERS, ignored
from embedonce.identification.fields.unlisted import counting
from embedonce.identification.settings.plain import UnclearSettingError, plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Classes of these packages add no fields that matter to an embedder that inherits from them.
_BASES = ("builtins", "abc", "typing", "typing_extensions", "pydantic")
_MISSING = object()
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
    for name, value in counting_of(fields, names_of_models).items():
        try:
            found.update(plain({name: value}, skips=None))
        except UnclearSettingError as error:
            if without_underscores(name) not in names_of_models:
                error.field = name
            raise
    return found


def counting_of(fields: Mapping[str, Any], names_of_models: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields that may count, some of them still live objects; see `counting`."""
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
    for source in HOLDERS:
        held = getattr(embedder, source, None)
        if isinstance(held, dict):
            fields.update(held)
    # Dunder names and those of the machinery of classes (`_abc_impl`) are not settings.
    left_out = ignored(embedder)
    return {name: each for name, each in fields.items() if name not in left_out and not name.startswith(_MACHINERY)}


def _is_constant(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_constant, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_constant, value))
    return isinstance(value, str | int | float | None)
