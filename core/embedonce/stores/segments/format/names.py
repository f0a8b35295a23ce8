"""Segment names: a name contains all that is needed to plan every read of its file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from embedonce.vectors.dtypes import LAYOUTS

DATA_START = 4096
"""Where the data section of every segment begins."""

LARGEST_STAMP = 2**56 - 1
"""The largest stamp that fits into the 14 digits of a name: the year 4253."""

RECORD = np.dtype([("key", "<u8", 4), ("stamp", "<u8"), ("row", "<u4"), ("crc", "<u4")])
"""One index record of 48 bytes. The key's 32 bytes are read as four u64 so that rows compare in one operation."""

_OPAQUE = ("raw", "var", "del")

_NAME = re.compile(
    r"([0-9a-f]{14})-([0-9a-f]{16})-(0|[1-9a-f][0-9a-f]{0,7})-(0|[1-9a-f][0-9a-f]{0,7})-([1-9a-f][0-9a-f]{0,9})"
    r"-([1-9a-f][0-9a-f]{0,10})-([a-z0-9]{2,4})-([0-9a-f]{16})\.safetensors",
    re.ASCII,
)


@dataclass(frozen=True)
class SegmentName:
    """The parts of a segment's file name.

    Attributes:
        stamp: Microseconds since 1970; not smaller than any row's stamp.
        nonce: 16 random hexadecimal digits.
        rows: Number of rows.
        stride: Bytes per row; 0 if rows differ in length or there are none.
        index_end: Length of the prefix that `digest` covers; it is enough to look up keys.
        size: Bytes of the whole file.
        layout: A safetensors dtype in lower case, `raw`, `var` or `del`; followed by `k` if texts of keys are kept.
        digest: First 16 hexadecimal digits of the SHA-256 over bytes [0, index_end).
    """

    stamp: int
    nonce: str
    rows: int
    stride: int
    index_end: int
    size: int
    layout: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> SegmentName | None:
        """Return the name in a string, or None if it is not a segment name."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        stamp, nonce, rows, stride, index_end, size, layout, digest = match.groups()
        name = cls(
            int(stamp, 16), nonce, int(rows, 16), int(stride, 16), int(index_end, 16), int(size, 16), layout, digest
        )
        return name if name._is_possible() else None

    def _is_possible(self) -> bool:
        kind, dtype = self.kind, self.dtype
        if dtype is None and kind not in _OPAQUE:
            return False
        fixed = DATA_START + RECORD.itemsize * self.rows + 8 * self.rows * (self.keyed + (kind == "var"))
        if not 0 < self.rows < 2**32 or self.index_end < fixed:
            return False
        if kind in ("var", "del"):
            return self.stride == 0 and self.size >= self.index_end and (kind == "var" or self.size == self.index_end)
        if self.stride == 0 or (dtype is not None and self.stride % dtype.itemsize):
            return False
        return self.size == self.values_start + self.rows * self.stride

    def __str__(self) -> str:
        return (
            f"{self.stamp:014x}-{self.nonce}-{self.rows:x}-{self.stride:x}-{self.index_end:x}-{self.size:x}"
            f"-{self.layout}-{self.digest}.safetensors"
        )

    @cached_property
    def keyed(self) -> bool:
        """True if some keys are not digest keys, so that their texts are kept."""
        return self.layout.endswith("k")

    @cached_property
    def kind(self) -> str:
        """The layout without its `k`."""
        return self.layout.removesuffix("k")

    @cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """The numbers' dtype, None for opaque rows and tombstones."""
        return LAYOUTS.get(self.kind)

    @cached_property
    def dimensions(self) -> int:
        """Numbers per row of a typed segment, else 0."""
        return self.stride // self.dtype.itemsize if self.dtype is not None else 0

    @cached_property
    def values_start(self) -> int:
        """Offset of the first row: the end of the index, aligned to 64 bytes."""
        return -(-self.index_end // 64) * 64


@dataclass(frozen=True, slots=True)
class Segment:
    """One listed segment: the parts of its name, and the name as it is written."""

    name: SegmentName
    file: str

    @property
    def is_tombstone(self) -> bool:
        """True if it deletes keys."""
        return self.name.kind == "del"

    @property
    def merges_with(self) -> tuple[str, int]:
        """What must be equal for a merge: vectors of one dtype and length go together, and all opaque values."""
        if self.is_tombstone:
            return "del", 0
        return (self.name.kind, self.name.stride) if self.name.dtype is not None else ("opaque", 0)
