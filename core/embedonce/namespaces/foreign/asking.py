"""Asking a store that is not of embedonce: its async methods, its errors, and answers that it may not give."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from embedonce.errors import StoreError
from embedonce.runtime.signals import let_through
from embedonce.runtime.steps import Twins, Work
from embedonce.stores.drivers.faults import fault_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce.runtime.steps import Step


def store_fault(store: object, action: str, error: Exception) -> StoreError:
    """Return the error for an exception of a foreign store, so that the error policy decides about it.

    Raises:
        Exception: The given one, if a handler of a signal has raised it.
    """
    let_through(error)
    if isinstance(error, StoreError):
        return error
    made = StoreError(f"cannot {action} {type(store).__name__}: {error!r}")
    if fault_of(error) == "process":
        made.fault = "process"
    return made


def checked_values(store: object, values: object, count: int) -> Sequence[Any]:
    """Return what a foreign store's `mget` answered.

    Raises:
        StoreError: It is not one value per key: what belongs to which key must not be guessed.
    """
    if not isinstance(values, list | tuple) or len(values) != count:
        got = f"{len(values)} values" if isinstance(values, list | tuple) else type(values).__name__
        msg = f"{type(store).__name__}.mget answered {count} keys with {got}"
        raise StoreError(msg)
    return values


def has_twin(store: object, verb: str) -> bool:
    """True if a byte store has an async twin of one of its methods."""
    return inspect.iscoroutinefunction(getattr(store, f"a{verb}", None))


def asking(store: object, verb: str, *arguments: Any) -> Step:
    """Return the step that calls a method of a byte store: its async twin where there is one, else in a thread."""
    function = getattr(store, verb)
    return (
        Twins(function, getattr(store, f"a{verb}"), *arguments) if has_twin(store, verb) else Work(function, *arguments)
    )
