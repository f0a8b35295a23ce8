"""Check what an embedder answers, and return it as a matrix."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from embedonce.errors import EmbedderContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[Any]


EXACT_IN_FLOAT64 = 1 << 53
"""Integers up to this size are the same number in float64."""


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
        _broken(_misshape(answer, count) or f"its answer is not a matrix of numbers ({error})")
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
    if matrix.size and matrix.max() < EXACT_IN_FLOAT64 and matrix.min() > -EXACT_IN_FLOAT64:
        return
    for row in np.flatnonzero((np.abs(matrix) >= EXACT_IN_FLOAT64).any(axis=1)).tolist():
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
    """Say what is wrong with an answer that is not a matrix; "" if nothing simple can be said."""
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
                return f"vector {row} holds something other than real numbers"
    except (TypeError, ValueError, RuntimeError):
        pass
    return ""


def _broken(what: str) -> NoReturn:
    msg = f"the embedder broke its contract: {what}; nothing of this answer was stored"
    raise EmbedderContractError(msg)


@dataclass(frozen=True, slots=True)
class NotCacheable:
    """An embedder's answer that is returned but neither stored nor handed to others who wait for the same texts."""

    answer: Any
