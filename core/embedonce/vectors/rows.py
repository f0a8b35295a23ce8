"""Rows that are being collected into one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.vectors.answers import EXACT_IN_FLOAT64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embedonce.vectors.envelope import Row

    Matrix = NDArray[Any]


def _fit(rows: Matrix, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Say which rows a common dtype holds exactly: the only lossy ones are 64-bit integers in float64."""
    if dtype.kind == "f" and rows.dtype.kind in "iu" and rows.dtype.itemsize == 8:
        exact = (rows <= EXACT_IN_FLOAT64) & (rows >= -EXACT_IN_FLOAT64)
        return np.asarray(exact.all(axis=1))
    return np.ones(len(rows), bool)


def _joined(payloads: Sequence[bytes | memoryview], dtype: str, length: int) -> Matrix:
    """Return payloads as the rows of a new matrix.

    Row by row: one copy of everything would keep all other threads waiting, an event loop's among them.
    """
    matrix = np.empty((len(payloads), length), dtype)
    numbers, size = matrix.reshape(-1).view(np.uint8).data, length * matrix.itemsize
    for i, payload in enumerate(payloads):
        numbers[i * size : (i + 1) * size] = payload
    return matrix


class RowBuffer:
    """Rows being collected into one matrix.

    Attributes:
        matrix: Shape (n, d), None before the first row is found; rows that are not found hold anything.
        found: Which rows are found.
        dimensions: d, None while unknown.
        is_loose: True if d is that of rows which do not say what they belong to, so that the embedder may object.
    """

    def __init__(self, count: int, dimensions: int | None) -> None:
        self.matrix: NDArray[Any] | None = None
        self.found = np.zeros(count, bool)
        self.dimensions = dimensions
        self.is_loose = False

    def put_loose_rows(self, rows: Sequence[Row | None]) -> None:
        """Put stored rows that do not say what they belong to; see `put_rows`."""
        self.is_loose = self.is_loose or self.dimensions is None
        self.put_rows(rows)

    def settle(self, dimensions: int) -> int:
        """Take the embedder's word for d: loose rows of another length are not found after all; return how many."""
        lost = 0
        if self.is_loose and self.dimensions != dimensions:
            lost = int(np.count_nonzero(self.found))
            self.matrix = None
            self.found[:] = False
            self.dimensions = dimensions
        self.is_loose = False
        return lost

    def has_room_for(self, dtype: np.dtype[Any]) -> bool:
        """True if rows of a dtype may be written into the matrix as they are; see `filled`."""
        if self.matrix is None and self.dimensions is not None:
            self.matrix = np.empty((len(self.found), self.dimensions), dtype)
        return self.matrix is not None and self.matrix.dtype == dtype

    def filled(self, positions: NDArray[np.intp], fill: Callable[[Matrix], list[int]]) -> list[int]:
        """Have rows written into the matrix, and return which of them are not found after all.

        Args:
            positions: The rows that are written.
            fill: Writes them and returns those that are wrong.
        """
        assert self.matrix is not None
        failed = fill(self.matrix)
        self.found[positions] = True
        self.found[failed] = False
        if not self.found.any():
            # What was written must not decide the dtype of what comes.
            self.matrix = None
        return failed

    def put(self, positions: NDArray[np.intp], block: NDArray[Any]) -> None:
        """Put rows of shape (m, d) at m positions; the matrix' dtype grows until it holds all numbers exactly.

        Rows are not found after all if they are of another length than those that are, or if no dtype holds both.

        Args:
            positions: Where the rows belong, in any order, all different.
            block: The rows; the matrix, if they are all there is to find and in order.
        """
        is_run = len(positions) == 1 or (len(positions) > 1 and bool((np.diff(positions) == 1).all()))
        if not self.found.any():
            if is_run and len(positions) == len(self.found) and block.flags.writeable:
                self.matrix = block
                self.found[:] = True
                return
            # Nothing in it was found, so its dtype means nothing.
            self.matrix = None
        if self.matrix is None:
            self.matrix = np.empty((len(self.found), block.shape[1]), block.dtype)
        elif self.matrix.shape[1] != block.shape[1]:
            # A single number would be spread over a whole row.
            return
        elif self.matrix.dtype != block.dtype:
            # No dtype holds both a large integer and a fraction: what comes later then counts as a miss.
            dtype = np.result_type(self.matrix.dtype, block.dtype)
            if not _fit(self.matrix[self.found], dtype).all():
                return
            if self.matrix.dtype != dtype:
                # What is not found yet may look like signalling NaNs: it must not be converted.
                wider = np.empty(self.matrix.shape, dtype)
                wider[self.found] = self.matrix[self.found]
                self.matrix = wider
            exact = _fit(block, dtype)
            if not exact.all():
                positions, block, is_run = positions[exact], block[exact], False
        # Rows in a row are copied faster as such.
        where = slice(int(positions[0]), int(positions[-1]) + 1) if is_run else positions
        self.matrix[where] = block
        self.found[where] = True

    def put_rows(self, rows: Sequence[Row | None]) -> None:
        """Put stored rows, one per position; those that are None or of other dimensions are not found.

        While the dimensions are unknown, rows of differing length contradict each other, and none of them is found.
        """
        groups: dict[tuple[str, int], dict[int, bytes | memoryview]] = {}
        for i, row in enumerate(rows):
            if row is not None:
                kind = (row.dtype.str, len(row.payload) // row.dtype.itemsize)
                groups.setdefault(kind, {})[i] = row.payload
        if self.dimensions is None:
            lengths = {length for _, length in groups}
            if len(lengths) > 1:
                return
            self.dimensions = next(iter(lengths), None)
        for (dtype, length), payloads in groups.items():
            if length == self.dimensions:
                self.put(np.array(list(payloads)), _joined(list(payloads.values()), dtype, length))

    def take(self, positions: Sequence[int], part: RowBuffer) -> None:
        """Take over what was found in a part, whose rows belong at the given positions."""
        if part.matrix is not None and part.found.any():
            self.dimensions = part.dimensions
            self.put(np.asarray(positions)[part.found], part.matrix[part.found])

    @property
    def missing(self) -> list[int]:
        """Positions that are not found."""
        return [] if self.found.all() else np.flatnonzero(~self.found).tolist()
