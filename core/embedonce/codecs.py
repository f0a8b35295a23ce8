"""Vectors to bytes and back: codecs, and the self-describing value that carries one through a plain byte store."""

from __future__ import annotations

import hashlib
import struct
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from embedonce.errors import EmbedderContractError, EmbedOnceError, PluginError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Matrix = NDArray[Any]

# Code on disk, dtype: codes are never reused.
_DTYPES: dict[int, np.dtype[Any]] = {
    code: np.dtype(name)
    for code, name in (
        (1, "<f4"),
        (2, "<f8"),
        (3, "<f2"),
        (4, "|i1"),
        (5, "|u1"),
        (6, "<i2"),
        (7, "<u2"),
        (8, "<i4"),
        (9, "<u4"),
        (10, "<i8"),
        (11, "<u8"),
    )
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def origin_of(namespace: str, role: str) -> bytes:
    """Return the 8 bytes by which a value in a foreign byte store is tied to a namespace and role."""
    return hashlib.sha256(f"embedonce/origin\0{role}\0{namespace}".encode("utf-8", "surrogatepass")).digest()[:8]


class Row(NamedTuple):
    """One stored vector: its dtype and its raw little-endian numbers."""

    dtype: np.dtype[Any]
    payload: bytes | memoryview

    def vector(self) -> NDArray[Any]:
        """The numbers, shape (d,), read-only."""
        return np.frombuffer(self.payload, self.dtype)


class Envelope:
    """The value of one vector in a byte store: 24 bytes of header, then the numbers.

        0   4 B   magic: b"eov1"
        4   u8    code of the dtype
        5   3 B   zero
        8   u32   number of numbers
        12  u32   CRC-32 of bytes 0-11, the origin and the numbers
        16  8 B   origin: to which namespace and role the vector belongs; zero where the place says it
        24        the numbers, little endian

    All integers are little endian. `text` values are base64 after `b"eov1:"`, for stores that decode what they keep.
    """

    MAGIC = b"eov1"
    TEXT_MAGIC = b"eov1:"
    SIZE = 24
    NO_ORIGIN = bytes(8)
    _HEAD = struct.Struct("<4sB3xI")

    @classmethod
    def seal(cls, row: Row, origin: bytes = NO_ORIGIN, *, text_safe: bool = False) -> bytes:
        """Return the value of a row; the inverse of `open`."""
        payload = row.payload
        head = cls._HEAD.pack(cls.MAGIC, _CODES[row.dtype], len(payload) // row.dtype.itemsize)
        check = zlib.crc32(payload, zlib.crc32(origin, zlib.crc32(head)))
        value = b"".join((head, check.to_bytes(4, "little"), origin, payload))
        return cls.TEXT_MAGIC + b64encode(value) if text_safe else value

    @classmethod
    def open(cls, value: bytes | memoryview, origin: bytes = NO_ORIGIN) -> Row | None:
        """Return the row in a value, or None if it is damaged, foreign or of another origin."""
        if bytes(value[:5]) == cls.TEXT_MAGIC:
            try:
                value = b64decode(bytes(value[5:]), validate=True)
            except ValueError:
                return None
        if len(value) <= cls.SIZE:
            return None
        head = bytes(value[:12])
        magic, code, count = cls._HEAD.unpack(head)
        dtype = _DTYPES.get(code)
        if magic != cls.MAGIC or head[5:8] != b"\0\0\0" or dtype is None or value[16:24] != origin:
            return None
        payload = memoryview(value)[cls.SIZE :]
        if len(payload) != count * dtype.itemsize:
            return None
        check = zlib.crc32(payload, zlib.crc32(origin, zlib.crc32(head)))
        return Row(dtype, payload) if check.to_bytes(4, "little") == value[12:16] else None

    @classmethod
    def is_ours(cls, value: bytes) -> bool:
        """True if a value was written by embedonce, whole or not."""
        return value[:4] == cls.MAGIC


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
    """

    name: str
    version: str
    encode: Callable[[Matrix], Matrix]
    decode: Callable[[Matrix], Matrix]

    @property
    def is_exact(self) -> bool:
        """True if rows are the vectors themselves."""
        return self.encode is same and self.decode is same

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
        if (again.dtype, again.tobytes()) != (rows.dtype, rows.tobytes()):
            self._broken("does not give a vector that it has decoded the row that it came from")
        return kept

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
            msg = f"codec {self.name!r} cannot hold these vectors: {error}; {_EXACTLY}"
            raise EmbedderContractError(msg) from error
        except Exception as error:
            self._broken(f"failed: {error!r}", error)
        rows = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
        if rows.ndim != 2 or len(rows) != len(matrix) or not rows.shape[1] or rows.dtype not in _CODES:
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
        if vectors.ndim != 2 or len(vectors) != len(rows) or vectors.dtype not in _CODES:
            self._broken(f"decoded rows of shape {rows.shape} to shape {vectors.shape} and {vectors.dtype}")
        return vectors

    def _broken(self, what: str, cause: Exception | None = None) -> NoReturn:
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
