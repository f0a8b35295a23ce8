"""The self-describing value that carries one vector through a plain byte store."""

from __future__ import annotations

import hashlib
import struct
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedonce.vectors.dtypes import CODES, DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        head = cls._HEAD.pack(cls.MAGIC, CODES[row.dtype], len(payload) // row.dtype.itemsize)
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
        dtype = DTYPES.get(code)
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
