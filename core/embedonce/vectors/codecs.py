"""Codecs: how vectors become the rows that are stored, and back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from embedonce.errors import EmbedderContractError, EmbedOnceError, PluginError, StoreError
from embedonce.runtime.signals import let_through
from embedonce.vectors.answers import zero_rows
from embedonce.vectors.dtypes import CODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedonce.vectors.answers import Answer

    Matrix = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """How vectors are written: two functions from a matrix to a matrix.

    Both work row by row: what a vector becomes depends on no other. `encode` takes vectors of shape (n, d) with a dtype
    of float32, float64 or integers, and returns rows of shape (n, w), w > 0, with any dtype that the storage format
    knows. `decode` takes such rows back to vectors of shape (n, d). A vector that was decoded is encoded to the very
    same row, so that what a miss returns is what a hit returns. `encode` raises `ValueError` for vectors that it cannot
    hold. Neither changes its argument.

    Attributes:
        name: The name that users write.
        version: Part of the namespace, as is a test of both functions.
        encode: Vectors to rows.
        decode: Rows to vectors.
        is_exact: True if rows are the vectors themselves.
    """

    name: str
    version: str
    encode: Callable[[Matrix], Matrix]
    decode: Callable[[Matrix], Matrix]
    is_exact: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_exact", self.encode is same and self.decode is same)

    def kept(self, matrix: Matrix) -> Matrix:
        """Return what will come back for vectors of shape (n, d), in the same shape.

        Raises:
            EmbedderContractError: The codec cannot hold these vectors.
            PluginError: It breaks its contract.
        """
        if self.is_exact:
            return matrix
        rows = self.rows_of(matrix)
        kept = self._decoded(rows)
        if kept.shape != matrix.shape:
            self._broken(f"turned vectors of shape {matrix.shape} into {kept.shape}")
        if not np.isfinite(kept).all():
            msg = f"codec {self.name!r} cannot hold these vectors: some numbers would not come back finite; {_EXACTLY}"
            raise EmbedderContractError(msg)
        again = self.rows_of(kept)
        # As bytes, since a row may hold what reads as NaN; without copies, which would keep all other threads waiting.
        if again.dtype != rows.dtype or not np.array_equal(again.view(np.uint8), rows.view(np.uint8)):
            self._broken("does not give a vector that it has decoded the row that it came from")
        return kept

    def checked(self, answer: Answer) -> Answer:
        """Return what will come back for an answer; a vector that the codec cannot hold is bad, and costs no other.

        It does not hold a vector of which nothing but zeros would come back either. Those that are zeros already do not
        pass through it, since they are not stored.

        Raises:
            EmbedderContractError: It holds none of the vectors.
            PluginError: It breaks its contract.
        """
        matrix = answer.matrix
        given = sorted(set(range(len(matrix))).difference(answer.bad, answer.zero))
        if self.is_exact or not given:
            return answer
        refused: dict[int, str] = {}
        try:
            kept = self.kept(matrix if len(given) == len(matrix) else matrix[given])
        except EmbedderContractError:
            refused = {i: fault for i in given if (fault := self._fault(matrix[i : i + 1]))}
            given = [i for i in given if i not in refused]
            if not refused or not (given or answer.zero):
                raise
            kept = self.kept(matrix[given]) if given else matrix[:0]
        refused |= {given[row]: f"would be nothing but zeros in codec {self.name!r}" for row in zero_rows(kept)}
        bad = dict(sorted({**answer.bad, **refused}.items()))
        if len(given) < len(matrix):
            all_kept = np.zeros(matrix.shape, kept.dtype)
            all_kept[given] = kept
            kept = all_kept
        checked = replace(answer, matrix=kept, bad=bad)
        if len(bad) == len(matrix):
            msg = f"codec {self.name!r} cannot hold these vectors: {checked.faults}; {_EXACTLY}"
            raise EmbedderContractError(msg)
        return checked

    def _fault(self, vector: Matrix) -> str:
        """Say why the codec does not hold a vector, shape (1, d); "" if it does."""
        try:
            self.kept(vector)
        except EmbedderContractError as error:
            return f"is refused: {error}"
        return ""

    def rows_of(self, matrix: Matrix) -> Matrix:
        """Return the rows to be stored for vectors of shape (n, d).

        Raises:
            EmbedderContractError: The codec cannot hold these vectors.
            PluginError: It breaks its contract.
        """
        if self.is_exact:
            return matrix
        try:
            # A copy, since the codec may return what it was given.
            rows = np.array(self.encode(matrix), order="C")
        except EmbedOnceError:
            raise
        except (ValueError, OverflowError) as error:
            let_through(error)
            msg = f"codec {self.name!r} cannot hold these vectors: {error}; {_EXACTLY}"
            raise EmbedderContractError(msg) from error
        except Exception as error:
            self._broken(f"failed: {error!r}", error)
        rows = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
        if rows.ndim != 2 or len(rows) != len(matrix) or not rows.shape[1] or rows.dtype not in CODES:
            self._broken(f"turned vectors of shape {matrix.shape} into rows of shape {rows.shape} and {rows.dtype}")
        return rows

    def vectors_of(self, rows: Matrix) -> Matrix:
        """Return the vectors of stored rows, shape (n, d).

        Raises:
            StoreError: The codec cannot read them.
        """
        if self.is_exact:
            return rows
        try:
            return self._decoded(rows)
        except PluginError as error:
            msg = f"cannot read what is stored: {error}"
            raise StoreError(msg) from error

    def _decoded(self, rows: Matrix) -> Matrix:
        try:
            vectors = np.array(self.decode(rows), order="C")
        except Exception as error:
            self._broken(f"failed at decoding: {error!r}", error)
        if vectors.ndim != 2 or len(vectors) != len(rows) or vectors.dtype not in CODES:
            self._broken(f"decoded rows of shape {rows.shape} to shape {vectors.shape} and {vectors.dtype}")
        return vectors

    def _broken(self, what: str, cause: Exception | None = None) -> NoReturn:
        if cause is not None:
            let_through(cause)
        msg = f"codec {self.name!r} (version {self.version!r}) {what}; use codec='exact', or mend the codec"
        raise PluginError(msg) from cause

    def label(self) -> str:
        """Return the parameter of a namespace that names the codec; empty if it changes nothing.

        For one that is not built in it holds a test of both functions, so that rows which changed functions have
        written are never read with others.

        Raises:
            PluginError: It breaks its contract.
        """
        if self.is_exact:
            return ""
        if BUILT_IN.get(self.name) == self:
            return self.name
        probe = np.array(_PROBE, "<f4")
        try:
            rows = self.rows_of(self.kept(probe))
        except EmbedderContractError:
            # It is for vectors of certain lengths, or of certain numbers.
            return f"{self.name}@{self.version}"
        digest = hashlib.sha256(f"{rows.dtype}{rows.shape}".encode() + rows.tobytes() + self._decoded(rows).tobytes())
        return f"{self.name}@{self.version}~{digest.hexdigest()[:16]}"


_EXACTLY = "codec='exact' holds any"
# Numbers of several sizes, none beyond those of unit vectors, that float32 holds exactly.
_PROBE = [
    [0.5, -0.25, 0.125, 0.0, 1.0, -1.0, 0.0078125, 0.75],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.36328125, -0.4140625, 0.001953125, 0.61328125, -0.234375, 0.09375, 0.3125, -0.37890625],
    [0.001953125, -0.0009765625, 0.00048828125, 0.0625, -0.03125, 0.015625, -0.0078125, 0.00390625],
]


def same(matrix: Matrix) -> Matrix:
    """Return what is given: the codec `exact` changes nothing."""
    return matrix


def _only_floats(matrix: Matrix, name: str) -> None:
    if matrix.dtype.kind != "f":
        msg = f"{name} is for vectors of floats, these hold {matrix.dtype} numbers"
        raise ValueError(msg)


def _to_float16(matrix: Matrix) -> Matrix:
    _only_floats(matrix, "float16")
    with np.errstate(over="ignore", under="ignore"):
        return matrix.astype("<f2")


def _from_float16(rows: Matrix) -> Matrix:
    return rows.astype("<f4")


_LEAST_EXPONENT = -128


def _to_int8(matrix: Matrix) -> Matrix:
    """Return each number as a multiple of a power of two, from -127 to 127, and behind them the exponent.

    A power of two, so that decoding is exact and the largest multiple keeps its exponent when it is encoded again.
    """
    _only_floats(matrix, "int8")
    largest = np.abs(matrix).max(axis=1).astype("<f8")
    fraction, exponent = np.frexp(largest)
    exponent = np.where(np.rint(fraction * 128) > 127, exponent - 6, exponent - 7)
    if (exponent > np.iinfo("i1").max).any():
        msg = "a number is too large"
        raise ValueError(msg)
    exponent = np.maximum(exponent, _LEAST_EXPONENT)
    multiples = np.rint(np.ldexp(matrix.astype("<f8"), -exponent[:, np.newaxis]))
    exponent[~multiples.any(axis=1)] = 0
    return np.concatenate([multiples, exponent[:, np.newaxis]], axis=1).astype("i1")


def _from_int8(rows: Matrix) -> Matrix:
    with np.errstate(over="ignore"):
        vectors: Matrix = np.ldexp(rows[:, :-1].astype("<f4"), rows[:, -1:].astype("i4"))
    return vectors


EXACT = Codec("exact", "1", same, same)
BUILT_IN = {
    "exact": EXACT,
    "float16": Codec("float16", "1", _to_float16, _from_float16),
    "int8": Codec("int8", "1", _to_int8, _from_int8),
}
