"""Copying rows out of mapped segments: one pass over a batch, which checks each row right after its copy."""

from __future__ import annotations

import mmap
import struct
import sys
from contextlib import suppress
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedonce.stores.places.ranges import joined
from embedonce.stores.segments.format.layout import crc32
from embedonce.stores.segments.format.names import RECORD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files.opening import OpenSegment

_KEY_ROW_CRC = struct.Struct("<32s8xII")
_FIRST_ROWS, _ROWS = 8, 256
"""After so many rows it is checked whether the copy had to wait for the disk."""


class Candidates(NamedTuple):
    """Rows that are probably those of some keys: where they are, and where they go.

    Attributes:
        positions: Numbers of the rows in the matrix.
        numbers: Number of the segment of each row.
        records: Number of the index record of each row.
    """

    positions: NDArray[np.intp]
    numbers: NDArray[np.int64]
    records: NDArray[np.uint32]

    def only(self, which: Any) -> Candidates:
        """Return some of them, by mask, slice or number."""
        return Candidates(self.positions[which], self.numbers[which], self.records[which])


def copy_row(opened: OpenSegment, record: int, digest: bytes) -> NDArray[Any] | None:
    """Return the row of an index record, shape (1, d); None if it is damaged or belongs to another key."""
    index, values = opened.index.raw, opened.values
    assert values is not None
    key, row, crc = _KEY_ROW_CRC.unpack_from(index, RECORD.itemsize * record)
    if key != digest or row >= len(values):
        return None
    copied = values[row : row + 1].copy()
    return copied if crc32(digest[:4], crc32(copied)) == crc else None


def copy_rows(
    opened: Mapping[int, OpenSegment], candidates: Candidates, digests: Sequence[bytes], matrix: NDArray[Any]
) -> list[int]:
    """Copy rows into a matrix and return the positions of those that are damaged or belong to another key.

    Args:
        opened: The segments by number, all of one dtype and length.
        candidates: The rows.
        digests: The keys of all rows of the matrix.
        matrix: Where the rows go, C-contiguous.
    """
    failed: list[int] = []
    target, stride = matrix.data.cast("B"), matrix.shape[1] * matrix.itemsize
    unpack, key_of = _KEY_ROW_CRC.unpack_from, digests.__getitem__
    sources = {number: segment.source for number, segment in opened.items() if segment.source is not None}
    rows_to_copy = zip(
        candidates.positions.tolist(),
        candidates.numbers.tolist(),
        (candidates.positions * stride).tolist(),
        (candidates.records.astype(np.int64) * RECORD.itemsize).tolist(),
        strict=True,
    )
    count = len(candidates.positions)
    faults: int | None = _disk_waits()
    for first, last in pairwise([0, *range(_FIRST_ROWS, count, _ROWS), count]):
        if first and faults is not None and _disk_waits() != faults:
            faults = None
            _ask_for(opened, candidates.only(slice(first, count)))
        for position, number, at, record in islice(rows_to_copy, last - first):
            index, data, start, rows = sources[number]
            key, row, crc = unpack(index, record)
            digest = key_of(position)
            if key == digest and row < rows:
                start += stride * row
                copied = target[at : at + stride]
                copied[:] = data[start : start + stride]
                if crc32(digest[:4], crc32(copied)) == crc:
                    continue
            failed.append(position)
    return failed


if sys.platform == "linux":
    import resource

    def _disk_waits() -> int:
        """Return how often this thread has waited for a page that was not in memory."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_majflt

else:

    def _disk_waits() -> int:
        """Return 0: this system does not count it, so its own read-ahead has to suffice."""
        return 0


def _ask_for(opened: Mapping[int, OpenSegment], candidates: Candidates) -> None:
    """Let the disk read all rows at once, instead of each when it is touched."""
    for number, segment in opened.items():
        view, name = segment.view, segment.name
        its = candidates.records[candidates.numbers == number]
        if view is None or not isinstance(view.obj, mmap.mmap) or not len(its):
            continue
        starts = np.sort(segment.index.records["row"][its].astype(np.int64)) * name.stride + name.values_start
        for first, last in joined(starts, starts + name.stride, mmap.PAGESIZE):
            start = int(starts[first]) // mmap.PAGESIZE * mmap.PAGESIZE
            end = int(starts[last - 1]) + name.stride
            # This is only advice: without it each row is read when it is touched.
            with suppress(OSError):
                view.obj.madvise(mmap.MADV_WILLNEED, start, end - start)
