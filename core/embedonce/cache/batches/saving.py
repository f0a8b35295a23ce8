"""The steps of a call that store vectors, as far as the mode and the state of the store allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.errors import StoreError
from embedonce.runtime.steps import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedonce.cache.engine.state import CallState
    from embedonce.runtime.steps import Steps


def may_store(state: CallState) -> bool:
    """True if the mode and the state of the store allow a call to store vectors."""
    if state.options.mode == "read_only":
        return False
    return state.namespace.waits or not state.options.health.is_pausing(writing=True)


def saving(state: CallState, positions: Sequence[int], matrix: NDArray[Any]) -> Steps[None]:
    """Return the steps that store vectors, if that is possible now.

    Args:
        state: The call.
        positions: Numbers of the texts in its plan; those without a key are left out.
        matrix: Their vectors, shape (n, d).

    Raises:
        StoreError: The store cannot be written, and `on_store_error="raise"`.
    """
    namespace, health, codec = state.namespace, state.options.health, state.options.codec
    keys = [state.plan.keys[i] for i in positions]
    named = [key for key in keys if key is not None]
    if state.options.mode == "read_only" or not named:
        return
    if not may_store(state):
        health.count(skipped=1)
        return
    rows = matrix if len(named) == len(keys) else matrix[[key is not None for key in keys]]
    if not codec.is_exact:
        rows = yield Work(codec.rows_of, rows)
    try:
        with state.timed("writing"):
            is_accepted = yield from namespace.saving(state.request.role, named, rows)
    except StoreError as error:
        health.failed(error, writing=True)
        return
    state.saved_rows += len(rows)
    state.saved_bytes += rows.nbytes
    if is_accepted:
        health.succeeded(writing=True)
    health.count(stored=len(rows))
