"""Vectors as the lists of numbers that frameworks want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.runtime.threads import in_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray


_INLINE_NUMBERS = 65_536
"""So many numbers become a list in about a millisecond."""


def as_lists(matrix: NDArray[Any], numbers: type[int | float] | None = None) -> list[list[float]]:
    """Return rows as plain lists, each of its own.

    Args:
        matrix: The rows.
        numbers: The type of the numbers where all can be written so, since others may have stored them in another one;
            None for integers as integers and floats as floats.
    """
    if numbers is not None and (numbers is float) != (matrix.dtype.kind == "f"):
        with np.errstate(invalid="ignore"):
            other = matrix.astype(np.float64 if numbers is float else np.int64)
        # Python compares integers with floats exactly; numpy would convert one of them.
        if other.tolist() == matrix.tolist():
            matrix = other
    # Row by row, so that other threads get their turn in between.
    return [row.tolist() for row in matrix]


async def as_lists_in_thread(matrix: NDArray[Any], numbers: type[int | float] | None = None) -> list[list[float]]:
    """Return rows as `as_lists` does, off the event loop if they are many."""
    if matrix.size <= _INLINE_NUMBERS:
        return as_lists(matrix, numbers)
    return await in_thread(as_lists, matrix, numbers)
