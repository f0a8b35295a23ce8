"""Huge segments of a distant place: looking up a few keys by interpolation, without loading the whole index."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from embedonce.runtime.locks import ForkLock
from embedonce.stores.places.ranges import Span, read_spans
from embedonce.stores.segments.format.names import DATA_START, RECORD
from embedonce.stores.segments.lookup.key_index import prefixes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.format.names import Segment, SegmentName

HUGE = 8 << 20
"""An index block with more bytes is not loaded for a few keys."""
FEW_KEYS = 16
"""If more keys than this are not in the loaded windows, the whole index block is loaded."""
_WIDTH = 1.4
"""Half the width of a window, in square roots of the number of records: random keys deviate less than 1.32."""
_WINDOWS = 3
"""Keys that are not random may be elsewhere; after so many windows the whole index block is loaded."""


def can_be_sparse(name: SegmentName) -> bool:
    """True if the index of a segment is huge, and its name tells where each record and each row is."""
    return name.index_end > HUGE and not name.keyed and name.kind not in ("var", "del")


class SparseIndex:
    """The records of a segment of which only some windows are loaded; all other records read as zeros.

    The checksum of the index block does not cover single windows. So a reader compares the whole key of a record, and
    the checksum of its row.

    Args:
        segment: The segment.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        # The system allocates memory only for the pages that are written.
        self.records = np.zeros(segment.name.rows, RECORD)
        self.raw = memoryview(self.records.view(np.uint8).data)
        # Disjoint, not adjacent and in order; replaced as a whole, so that it is read without a lock.
        self._loaded: list[tuple[int, int]] = []
        self._lock = ForkLock()

    def key(self, record: int) -> bytes:
        """Return the key of a loaded record."""
        at = RECORD.itemsize * record
        return bytes(self.raw[at : at + 32])

    def gap(self, key: bytes) -> tuple[int, int]:
        """Return between which records a key may be, as [low, high); empty if all records there are loaded."""
        loaded = self._loaded
        at = bisect_right(loaded, key, key=lambda window: self.key(window[0]))
        low, high = 0, self.segment.name.rows
        if at:
            low = loaded[at - 1][1]
            if self.key(low - 1) >= key:
                return low, low
        if at < len(loaded):
            high = loaded[at][0]
        return low, high

    def record(self, key: bytes) -> int | None:
        """Return the number of the record of a key, None for an absent key; the gap of the key must be empty."""
        loaded = self._loaded
        at = bisect_right(loaded, key, key=lambda window: self.key(window[0])) - 1
        if at < 0:
            return None
        start, end = loaded[at]
        record = start + bisect_left(range(start, end), key, key=self.key)
        return record if record < end and self.key(record) == key else None

    def windows(self, keys: Sequence[bytes]) -> list[tuple[int, int]]:
        """Return the windows to load next for some keys, disjoint and in order; empty if all gaps are closed."""
        wanted: list[tuple[int, int]] = []
        for start, end in sorted(window for key in keys if (window := self._window(key)) is not None):
            if wanted and start <= wanted[-1][1]:
                wanted[-1] = wanted[-1][0], max(wanted[-1][1], end)
            else:
                wanted.append((start, end))
        return wanted

    def _window(self, key: bytes) -> tuple[int, int] | None:
        low, high = self.gap(key)
        if low == high:
            return None
        count = self.segment.name.rows
        estimate = int.from_bytes(key[:8], "big") * count >> 64
        half = ceil(_WIDTH * sqrt(count))
        # Next to a loaded window if that shows that the key is not at its estimated place.
        middle = min(max(estimate, low + half), high - half) if high - low > 2 * half else (low + high) // 2
        return max(low, middle - half), min(high, middle + half + 1)

    def fill(self, start: int, block: bytes) -> bool:
        """Store loaded records from a number on; False if they cannot be the records that were written there."""
        records, name = np.frombuffer(block, RECORD), self.segment.name
        end = start + len(records)
        prefixes = prefixes_of(records["key"])
        if (prefixes[1:] < prefixes[:-1]).any():
            return False
        if int(records["row"].max()) >= name.rows or int(records["stamp"].max()) > name.stamp:
            return False
        with self._lock:
            self.records[start:end] = records
            loaded: list[tuple[int, int]] = []
            for window in sorted([*self._loaded, (start, end)]):
                if loaded and window[0] <= loaded[-1][1]:
                    loaded[-1] = loaded[-1][0], max(loaded[-1][1], window[1])
                else:
                    loaded.append(window)
            self._loaded = loaded
        return True


def load_windows(directory: Directory, wanted: Sequence[tuple[SparseIndex, Sequence[bytes]]]) -> list[SparseIndex]:
    """Load windows to look up some keys; return the segments whose index must be loaded as a whole.

    Raises:
        FileNotFoundError: A segment is gone.
        Exception: Any other fault of the place.
    """
    broken: dict[int, SparseIndex] = {}
    for _ in range(_WINDOWS):
        windows = [
            (sparse_index, *window)
            for sparse_index, keys in wanted
            if id(sparse_index) not in broken
            for window in sparse_index.windows(keys)
        ]
        if not windows:
            break
        size = RECORD.itemsize
        spans = [
            Span(sparse_index.segment.file, DATA_START + size * start, DATA_START + size * end)
            for sparse_index, start, end in windows
        ]
        for number, block in read_spans(directory, spans):
            sparse_index, start, _ = windows[number]
            if block is None or not sparse_index.fill(start, block):
                broken[id(sparse_index)] = sparse_index
    return [sparse_index for sparse_index, keys in wanted if id(sparse_index) in broken or sparse_index.windows(keys)]
