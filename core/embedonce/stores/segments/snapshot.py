"""The merged index of all segments of a space: immutable, replaced as a whole, read without a lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.format import SegmentName


def prefixes_of(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the first eight bytes of keys as big-endian numbers, so that they sort as the keys do."""
    prefixes: NDArray[np.uint64] = keys[:, 0].byteswap()
    return prefixes


@dataclass(frozen=True, slots=True)
class Segment:
    """One listed segment: its name, taken apart, and as it is written."""

    name: SegmentName
    file: str

    @property
    def is_tombstone(self) -> bool:
        """True if it deletes keys."""
        return self.name.kind == "del"


def _empty(dtype: str) -> NDArray[Any]:
    return np.empty(0, dtype)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where every key of a set of segments is: 16 bytes per key.

    Entries are sorted by the keys' first eight bytes; those that share them by the whole key and then newest first,
    a tombstone before a row of the same stamp. So the leftmost entry of a key says what holds, by the same order
    in every process: stamp, checksum, segment name.
    """

    segments: tuple[Segment, ...] = ()
    prefixes: NDArray[np.uint64] = field(default_factory=lambda: _empty("<u8"))
    segment_of: NDArray[np.uint32] = field(default_factory=lambda: _empty("<u4"))
    record_of: NDArray[np.uint32] = field(default_factory=lambda: _empty("<u4"))

    @property
    def oldest_typed(self) -> Segment | None:
        """The segment of vectors that was written first."""
        typed = (segment for segment in self.segments if segment.name.dtype is not None)
        return min(typed, key=lambda segment: (segment.name.stamp, segment.file), default=None)

    def extended(self, added: Sequence[Segment], records_of: Callable[[Segment], NDArray[Any]]) -> Snapshot:
        """Return a snapshot with further segments."""
        if not added:
            return self
        prefixes, segment_of, record_of = [self.prefixes], [self.segment_of], [self.record_of]
        for number, segment in enumerate(added, len(self.segments)):
            prefixes.append(prefixes_of(records_of(segment)["key"]))
            segment_of.append(np.full(segment.name.rows, number, "<u4"))
            record_of.append(np.arange(segment.name.rows, dtype="<u4"))
        joined = np.concatenate(prefixes)
        order = np.argsort(joined, kind="stable")
        snapshot = Snapshot(
            (*self.segments, *added),
            joined[order],
            np.concatenate(segment_of)[order],
            np.concatenate(record_of)[order],
        )
        snapshot._order_equal_prefixes(records_of)
        return snapshot

    def without(self, files: frozenset[str]) -> Snapshot:
        """Return a snapshot without some segments."""
        kept = [number for number, segment in enumerate(self.segments) if segment.file not in files]
        if len(kept) == len(self.segments):
            return self
        renumbered = np.full(len(self.segments), len(self.segments), "<u4")
        renumbered[kept] = np.arange(len(kept), dtype="<u4")
        segment_of = renumbered[self.segment_of] if len(self.segments) else self.segment_of
        stays = segment_of < len(self.segments)
        return Snapshot(
            tuple(self.segments[number] for number in kept),
            self.prefixes[stays],
            segment_of[stays],
            self.record_of[stays],
        )

    def _order_equal_prefixes(self, records_of: Callable[[Segment], NDArray[Any]]) -> None:
        """Order entries that share a prefix; called once, before anybody else sees the snapshot."""
        equal = self.prefixes[1:] == self.prefixes[:-1]
        if not equal.any():
            return
        run = np.zeros(len(self.prefixes), bool)
        run[1:] |= equal
        run[:-1] |= equal
        where = np.flatnonzero(run)
        segment_of, record_of = self.segment_of[where], self.record_of[where]
        # One u64 column each: four words of the key, then what decides which entry of a key wins.
        words = np.empty((len(where), 4), "<u8")
        stamp = np.empty(len(where), "<u8")
        crc = np.empty(len(where), "<u8")
        for number in np.unique(segment_of):
            of_it = segment_of == number
            records = records_of(self.segments[number])[record_of[of_it]]
            words[of_it] = records["key"].byteswap()
            stamp[of_it], crc[of_it] = records["stamp"], records["crc"]
        by_name = np.argsort(np.argsort(np.array([segment.file for segment in self.segments])))
        tombstone = np.array([segment.is_tombstone for segment in self.segments])
        newest_first = (
            ~by_name[segment_of].astype("<u8"),
            ~crc,
            ~tombstone[segment_of],
            ~stamp,
        )
        order = np.lexsort((*newest_first, words[:, 3], words[:, 2], words[:, 1], words[:, 0]))
        self.segment_of[where] = segment_of[order]
        self.record_of[where] = record_of[order]
