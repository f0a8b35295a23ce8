"""Vectors in memory: checking what an embedder answers, and collecting rows into one matrix."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from embedonce.errors import EmbedderContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embedonce.codecs import Row

    Matrix = NDArray[Any]

_EXACT_IN_FLOAT64 = 1 << 53

MAX_DIMENSIONS = 1 << 20
"""Longest vector that is stored: far beyond any model, and a bound on what a damaged header can ask for."""


def vectors_of(answer: object, count: int, dimensions: int | None = None) -> Matrix:
    """Check an embedder's answer for `count` texts and return it as a matrix.

    Args:
        answer: A sequence of vectors, or an array of shape (count, d), or anything numpy can turn into one.
        count: Number of texts that the embedder was given.
        dimensions: Length that each vector must have, if it is known.

    Returns:
        A C-contiguous array of shape (count, d): float32 if that holds every number exactly, else float64;
        integers keep their dtype. It never shares memory with `answer`.

    Raises:
        EmbedderContractError: Another number of vectors, vectors of differing or zero length, something that is
            no number, or a number that is not finite.
    """
    if inspect.iscoroutine(answer):
        answer.close()
        _broken("it is async; use the async method, such as aembed, instead")
    if answer is None or isinstance(answer, str | bytes | dict):
        _broken(f"it returned {type(answer).__name__} instead of {count} vectors")
    if not hasattr(answer, "__len__") and not hasattr(answer, "__array__"):
        try:
            answer = list(answer)  # type: ignore[call-overload]
        except TypeError:
            _broken(f"it returned {type(answer).__name__} instead of {count} vectors")
    try:
        matrix = np.asarray(answer)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        _broken(_misshape(answer, count) or f"its answer is no matrix of numbers ({error})")
    if matrix.dtype.kind not in "fiub" or matrix.ndim != 2 or len(matrix) != count:
        _broken(_misshape(answer, count) or f"it returned an array of shape {matrix.shape} and dtype {matrix.dtype}")
    if matrix.dtype == np.float64 and isinstance(answer, list | tuple):
        _check_large_integers(answer, matrix)
    width = matrix.shape[1]
    if not 0 < width <= MAX_DIMENSIONS:
        _broken(f"it returned vectors of length {width}")
    if dimensions is not None and width != dimensions:
        _broken(
            f"it returned vectors of length {width} where this namespace holds vectors of length {dimensions}: "
            "another model answers under the same namespace; give it its own namespace= or version="
        )
    return _smallest(matrix)


def _check_large_integers(answer: Any, matrix: Matrix) -> None:
    """Make sure that no integer lost digits among fractions: a list may hold both."""
    if matrix.size and matrix.max() < _EXACT_IN_FLOAT64 and matrix.min() > -_EXACT_IN_FLOAT64:
        return
    for row in np.flatnonzero((np.abs(matrix) >= _EXACT_IN_FLOAT64).any(axis=1)).tolist():
        numbers = [each.item() if isinstance(each, np.generic) else each for each in answer[row]]
        pairs = zip(numbers, matrix[row].tolist(), strict=True)
        if any(type(given) is int and given != taken for given, taken in pairs):
            _broken(f"vector {row} holds an integer that does not fit into float64 beside fractions")


def _smallest(matrix: Matrix) -> Matrix:
    if matrix.dtype.kind == "f":
        if matrix.dtype.itemsize > 8:
            _check_finite(matrix)
            wide, matrix = matrix, _cast(matrix, "<f8")
            if not (wide == matrix).all():
                _broken(f"its numbers of type {wide.dtype} do not fit into float64; round them first")
        if matrix.dtype.itemsize == 8:
            narrow = _cast(matrix, "<f4")
            # What equals finite numbers is finite: half as many bytes to look at.
            if (narrow == matrix).all() and np.isfinite(narrow).all():
                return narrow
        _check_finite(matrix)
        return np.array(matrix, dtype="<f8" if matrix.dtype.itemsize == 8 else "<f4", order="C")
    kind = "u" if matrix.dtype.kind == "b" else matrix.dtype.kind
    return np.array(matrix, dtype=f"<{kind}{matrix.dtype.itemsize}", order="C")


def _cast(matrix: Matrix, dtype: str) -> Matrix:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return matrix.astype(dtype, order="C")


def _check_finite(matrix: Matrix) -> None:
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        _broken(f"vector {row} holds a number that is not finite")


def _misshape(answer: Any, count: int) -> str:
    """Say what is wrong with an answer that is no matrix; "" if nothing simple can be said."""
    try:
        if len(answer) != count:
            return f"it returned {len(answer)} vectors for {count} texts"
        for row, vector in enumerate(answer):
            if vector is None:
                return f"vector {row} is None"
        lengths = sorted({len(vector) for vector in answer})
        if len(lengths) > 1:
            return f"it returned vectors of differing lengths {lengths[:5]}"
        for row, vector in enumerate(answer):
            kind = np.asarray(vector).dtype.kind
            if kind not in "fiub":
                return f"vector {row} holds something that is no real number"
    except (TypeError, ValueError, RuntimeError):
        pass
    return ""


def _broken(what: str) -> NoReturn:
    msg = f"the embedder broke its contract: {what}; nothing of this answer was stored"
    raise EmbedderContractError(msg)


def _fit(rows: Matrix, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Say which rows a common dtype holds exactly: the only lossy ones are 64-bit integers in float64."""
    if dtype.kind == "f" and rows.dtype.kind in "iu" and rows.dtype.itemsize == 8:
        exact = (rows <= _EXACT_IN_FLOAT64) & (rows >= -_EXACT_IN_FLOAT64)
        return np.asarray(exact.all(axis=1))
    return np.ones(len(rows), bool)


@dataclass(frozen=True, slots=True)
class Unkept:
    """An embedder's answer that is returned but neither stored nor handed to others who wait for the same texts."""

    answer: Any


class Gathered:
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

    def settle(self, dimensions: int) -> None:
        """Take the embedder's word for d: loose rows of another length are not found after all."""
        if self.is_loose and self.dimensions != dimensions:
            self.matrix = None
            self.found[:] = False
            self.dimensions = dimensions
        self.is_loose = False

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
        """Put rows of shape (m, d) at m positions; the matrix' dtype grows until it holds all numbers exactly."""
        if self.matrix is None and len(positions) == len(self.found) and block.flags.writeable:
            # Everything at once, in order: positions are ascending and all different.
            self.matrix = block
            self.found[:] = True
            return
        if self.matrix is None:
            self.matrix = np.empty((len(self.found), block.shape[1]), block.dtype)
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
            positions, block = positions[exact], block[exact]
        # Rows in a row are copied faster as such.
        is_run = len(positions) > 0 and positions[-1] - positions[0] == len(positions) - 1
        where = slice(int(positions[0]), int(positions[-1]) + 1) if is_run else positions
        self.matrix[where] = block
        self.found[where] = True

    def put_rows(self, rows: Sequence[Row | None]) -> None:
        """Put stored rows, one per position; those that are None or of other dimensions are not found.

        While the dimensions are unknown, rows of differing length contradict each other, and none of them is found.
        """
        groups: dict[tuple[str, int], list[int]] = {}
        for i, row in enumerate(rows):
            if row is not None:
                groups.setdefault((row.dtype.str, len(row.payload) // row.dtype.itemsize), []).append(i)
        if self.dimensions is None:
            lengths = {length for _, length in groups}
            if len(lengths) > 1:
                return
            self.dimensions = next(iter(lengths), None)
        for (dtype, length), members in groups.items():
            if length == self.dimensions:
                payloads = b"".join(row.payload for i in members if (row := rows[i]) is not None)
                self.put(np.array(members), np.frombuffer(payloads, dtype).reshape(-1, length))

    def take(self, positions: Sequence[int], part: Gathered) -> None:
        """Take over what was found in a part, whose rows belong at the given positions."""
        if part.matrix is not None and part.found.any():
            self.dimensions = part.dimensions
            self.put(np.asarray(positions)[part.found], part.matrix[part.found])

    @property
    def missing(self) -> list[int]:
        """Positions that are not found."""
        return [] if self.found.all() else np.flatnonzero(~self.found).tolist()
