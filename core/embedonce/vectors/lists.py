"""Vectors as the lists of floats that frameworks want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.runtime.threads import in_thread
from embedonce.vectors.answers import EXACT_IN_FLOAT64

if TYPE_CHECKING:
    from numpy.typing import NDArray


_INLINE_NUMBERS = 65_536
"""So many numbers become a list in about a millisecond."""


def as_lists(matrix: NDArray[Any]) -> list[list[float]]:
    """Return rows as plain lists of floats, each of its own."""
    if matrix.dtype.kind != "f":
        floats = matrix.astype(np.float64)
        # Python compares integers with floats exactly; numpy would convert one of them.
        if (np.abs(floats) < EXACT_IN_FLOAT64).all() or floats.tolist() == matrix.tolist():
            matrix = floats
    # Row by row, so that other threads get their turn in between.
    return [row.tolist() for row in matrix]


async def as_lists_in_thread(matrix: NDArray[Any]) -> list[list[float]]:
    """Return rows as `as_lists` does, off the event loop if they are many."""
    return as_lists(matrix) if matrix.size <= _INLINE_NUMBERS else await in_thread(as_lists, matrix)
