"""The merged index of all segments of a namespace: immutable, replaced as a whole, read without a lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.format.names import Segment


def prefixes_of(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the first eight bytes of keys as big-endian numbers, which sort like the keys."""
    prefixes: NDArray[np.uint64] = keys[:, 0].byteswap()
    return prefixes


def _empty(dtype: str) -> NDArray[Any]:
    return np.empty(0, dtype)


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """Where every key of a set of segments is: 16 bytes per key.

    Entries are sorted by the first eight bytes of the keys. Entries with the same first eight bytes are sorted by the
    whole key, and entries of one key from the newest to the oldest, a tombstone before a row of the same stamp. So the
    first entry of a key decides, and every process finds the same one: stamp, tombstone, checksum and segment name
    define the order.
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

    @property
    def newest_stamp(self) -> int:
        """Largest stamp of all rows and tombstones."""
        return max((segment.name.stamp for segment in self.segments), default=0)

    def run(self, digest: bytes) -> range:
        """Return the numbers of all entries that share a key's first eight bytes."""
        # A plain int would be compared as a float.
        prefix = np.uint64(int.from_bytes(digest[:8], "big"))
        start = int(self.prefixes.searchsorted(prefix))
        end = start
        if start < len(self.prefixes) and self.prefixes[start] == prefix:
            end = int(self.prefixes.searchsorted(prefix, "right"))
        return range(start, end)

    def entry(self, at: int) -> tuple[int, int]:
        """Return segment and record number of an entry."""
        return int(self.segment_of[at]), int(self.record_of[at])

    def extended(
        self,
        added: Sequence[Segment],
        records_of: Callable[[Segment], NDArray[Any]],
        deferred: Container[str] = (),
    ) -> KeyIndex:
        """Return an index with further segments.

        Args:
            added: The segments.
            records_of: Returns the index records of a segment.
            deferred: Files of segments whose entries are added later, see `inserted`.
        """
        if not added:
            return self
        key_index = KeyIndex((*self.segments, *added), self.prefixes, self.segment_of, self.record_of)
        first = len(self.segments)
        every = np.arange(max((segment.name.rows for segment in added), default=0), dtype="<u4")
        return key_index.inserted(
            {first + i: every[: segment.name.rows] for i, segment in enumerate(added) if segment.file not in deferred},
            records_of,
        )

    def inserted(
        self, entries: Mapping[int, NDArray[np.uint32]], records_of: Callable[[Segment], NDArray[Any]]
    ) -> KeyIndex:
        """Return an index with further entries.

        Args:
            entries: Record numbers by the number of their segment; none of them has an entry yet.
            records_of: Returns the index records of a segment.
        """
        if not entries:
            return self
        counts = [len(some) for some in entries.values()]
        ends = np.cumsum(counts)
        fresh = np.empty(ends[-1], "<u8")
        # With as few temporary arrays as possible: the process keeps the memory that they free.
        for (number, some), end in zip(entries.items(), ends.tolist(), strict=True):
            words = records_of(self.segments[number])["key"][:, 0]
            fresh[end - len(some) : end] = words if len(some) == len(words) else words[some]
        fresh.byteswap(inplace=True)
        order = np.argsort(fresh, kind="stable")
        fresh = fresh[order]
        segment_of = np.repeat(np.array(list(entries), "<u4"), counts)[order]
        record_of = np.concatenate(list(entries.values()))[order]
        if not len(self.prefixes):
            key_index = KeyIndex(self.segments, fresh, segment_of, record_of)
            key_index._order_equal_prefixes(None, records_of)
            return key_index
        # Inserting the new entries into the sorted ones is far cheaper than sorting all of them.
        at = np.searchsorted(self.prefixes, fresh, "right")
        key_index = KeyIndex(
            self.segments,
            np.insert(self.prefixes, at, fresh),
            np.insert(self.segment_of, at, segment_of),
            np.insert(self.record_of, at, record_of),
        )
        key_index._order_equal_prefixes(at + np.arange(len(at)), records_of)
        return key_index

    def has(self, digest: bytes, number: int, record: int) -> bool:
        """True if there is an entry of a key for a segment's record."""
        run = self.run(digest)
        entries = slice(run.start, run.stop)
        return bool(((self.segment_of[entries] == number) & (self.record_of[entries] == record)).any())

    def emptied(self, number: int) -> KeyIndex:
        """Return an index without the entries of a segment; the segment itself stays."""
        stays = self.segment_of != number
        return KeyIndex(self.segments, self.prefixes[stays], self.segment_of[stays], self.record_of[stays])

    def without(self, files: frozenset[str]) -> KeyIndex:
        """Return an index without some segments."""
        kept = [number for number, segment in enumerate(self.segments) if segment.file not in files]
        if len(kept) == len(self.segments):
            return self
        renumbered = np.full(len(self.segments), len(self.segments), "<u4")
        renumbered[kept] = np.arange(len(kept), dtype="<u4")
        segment_of = renumbered[self.segment_of]
        stays = segment_of < len(self.segments)
        return KeyIndex(
            tuple(self.segments[number] for number in kept),
            self.prefixes[stays],
            segment_of[stays],
            self.record_of[stays],
        )

    def _order_equal_prefixes(
        self, new: NDArray[np.intp] | None, records_of: Callable[[Segment], NDArray[Any]]
    ) -> None:
        """Order the entries that share a prefix with a new one, in place: called once, before the index is shared.

        `prefixes` are sorted already, so only entries with equal prefixes change places. With the new entry N:

            prefix   aa    bb    bb    bb    cc
            entry    k1    k2    k3    N     k4
            now      k1    N     k2    k3    k4     if N is a newer row of the key of k2

        Only the three entries of `bb` are read from their segments and sorted, all other entries stay.

        Args:
            new: Numbers of the new entries, None if all are new.
            records_of: Returns the index records of a segment.
        """
        prefixes, last = self.prefixes, len(self.prefixes) - 1
        if new is None:
            new = np.flatnonzero(prefixes[1:] == prefixes[:-1])
            shared = np.ones(len(new), bool)
        else:
            shared = (new > 0) & (prefixes[np.maximum(new - 1, 0)] == prefixes[new])
            shared |= (new < last) & (prefixes[np.minimum(new + 1, last)] == prefixes[new])
        if not shared.any():
            return
        # `where` are the numbers of all entries in the runs of equal prefixes: 1, 2 and 3 in the example.
        values = np.unique(prefixes[new[shared]])
        starts = prefixes.searchsorted(values)
        lengths = prefixes.searchsorted(values, "right") - starts
        ends = np.cumsum(lengths)
        where = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        segment_of, record_of = self.segment_of[where], self.record_of[where]
        # One u64 column each: four words of the key, then what decides which entry of a key wins.
        words = np.empty((len(where), 4), "<u8")
        stamp = np.empty(len(where), "<u8")
        crc = np.empty(len(where), "<u8")
        by_segment = np.argsort(segment_of, kind="stable")
        for of_it in np.split(by_segment, np.flatnonzero(np.diff(segment_of[by_segment])) + 1):
            records = records_of(self.segments[segment_of[of_it[0]]])[record_of[of_it]]
            words[of_it] = records["key"].byteswap()
            stamp[of_it], crc[of_it] = records["stamp"], records["crc"]
        # The inverted numbers sort descending. `lexsort` sorts by its last key first: by the words of the key, then by
        # the stamp.
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
