"""Rows that a lookup reads: where they are, whether their bytes are right, and how they are mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.places.ranges import Span
from embedonce.stores.segments.files.tier import Piece
from embedonce.stores.segments.format.layout import buffer_of, crc32, row_checksum
from embedonce.vectors.envelope import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files.opening import OpenSegment
    from embedonce.stores.segments.format.keys import IndexKey
    from embedonce.stores.segments.format.names import Segment
    from embedonce.vectors.rows import RowBuffer


@dataclass(frozen=True, slots=True)
class RowMatches:
    """Rows of one segment to read for the keys at some positions."""

    segment: Segment
    opened: OpenSegment
    positions: NDArray[np.intp]
    records: NDArray[Any]

    def only(self, which: NDArray[Any]) -> RowMatches:
        """Return some of them, by mask or number."""
        return RowMatches(self.segment, self.opened, self.positions[which], self.records[which])


@dataclass(frozen=True, slots=True)
class RowRequest:
    """One row to read, for the key with a number."""

    number: int
    segment: Segment
    opened: OpenSegment
    record: Any

    @property
    def span(self) -> Span:
        """Where the row is in its segment's file."""
        row = int(self.record["row"])
        start = self.opened.row_start(row)
        return Span(self.segment.file, start, self.opened.row_start(row + 1))

    def at_hand(self) -> memoryview | None:
        """Return the row if it can be read without a request."""
        _, start, end = self.span
        if self.opened.view is not None:
            return self.opened.view[start:end]
        mirror = self.opened.mirror
        return mirror.piece(int(self.record["row"]), start, end) if mirror is not None else None

    def passes(self, data: memoryview, key: IndexKey) -> bool:
        """True if these bytes were written for this key."""
        return row_checksum(data, key.digest) == int(self.record["crc"])

    def copy(self, data: memoryview) -> Row | bytes:
        """Return a copy of the bytes as a row."""
        dtype = self.segment.name.dtype
        return bytes(data) if dtype is None else Row(dtype, bytes(data))


def take(one: RowMatches, block: NDArray[Any], digests: Sequence[bytes], into: RowBuffer) -> NDArray[np.bool_]:
    """Collect the rows that pass their checksums and return which; the others are counted when they are read again."""
    good = _verified(block, [digests[i] for i in one.positions.tolist()], one.records["crc"].tolist())
    if good.all():
        into.put(one.positions, block)
    else:
        into.put(one.positions[good], block[good])
    return good


def pieces_of(opened: OpenSegment, rows: NDArray[Any], block: NDArray[Any], good: NDArray[np.bool_]) -> list[Piece]:
    """Return the good rows of a block as pieces of the file."""
    numbers = rows.tolist()
    if good.all() and (np.diff(rows) == 1).all():
        return [Piece(numbers[0], len(rows), opened.row_start(numbers[0]), buffer_of(block))]
    some = np.flatnonzero(good).tolist()
    return [Piece(numbers[i], 1, opened.row_start(numbers[i]), buffer_of(block[i])) for i in some]


def _verified(block: NDArray[Any], digests: Sequence[bytes], crcs: Sequence[int]) -> NDArray[np.bool_]:
    """Return which rows of a C-contiguous block pass their checksums."""
    stride = block.shape[1] * block.itemsize
    data = buffer_of(block)
    return np.fromiter(
        (
            crc32(digest[:4], crc32(data[start : start + stride])) == crc
            for digest, crc, start in zip(digests, crcs, range(0, len(data), stride), strict=True)
        ),
        bool,
        len(crcs),
    )
