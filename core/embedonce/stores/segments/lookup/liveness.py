"""Which rows of a key index are still live: merging, compacting and evicting decide by it.

A row is dropped only if there is a *newer* row or a tombstone of its key, in any segment. Of rows that are copies of
each other all but one are dropped, but only by a merge of all their segments: two processes that each drop the copy
that the other one keeps would lose the row. So the newest row of a key survives any number of merges at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from embedonce.stores.segments.format.layout import Index
    from embedonce.stores.segments.format.names import Segment
    from embedonce.stores.segments.lookup.key_index import KeyIndex


@dataclass(frozen=True, slots=True)
class Liveness:
    """The state of every entry of a key index.

    Attributes:
        key_index: The index.
        dead: True for a row that a newer row or a tombstone of its key replaces, and for a tombstone that a newer
            tombstone replaces.
        first: Number of the entry that is the newest of the same key; for tombstones the newest tombstone.
        covers: True for tombstones that hide an older row of the same key.
    """

    key_index: KeyIndex
    dead: NDArray[np.bool_]
    first: NDArray[np.intp]
    covers: NDArray[np.bool_]

    @classmethod
    def of(
        cls, key_index: KeyIndex, index_of: Callable[[Segment], Index], without: NDArray[np.bool_] | None = None
    ) -> Liveness:
        """Judge all entries that may share their key with others.

        Args:
            key_index: The index.
            index_of: Opens a segment; its errors are passed on.
            without: Damaged entries, which count as absent.
        """
        count = len(key_index.prefixes)
        liveness = cls(key_index, np.zeros(count, bool), np.arange(count), np.zeros(count, bool))
        shared = np.zeros(count, bool)
        same = key_index.prefixes[1:] == key_index.prefixes[:-1]
        shared[1:] |= same
        shared[:-1] |= same
        if without is not None:
            shared &= ~without
        where = np.flatnonzero(shared)
        if len(where):
            liveness._judge(where, _facts(key_index, where, index_of))
        return liveness

    def _judge(self, where: NDArray[np.intp], facts: NDArray[Any]) -> None:
        """Judge entries that share the beginning of their key with others."""
        keys = facts["key"]
        # Stable, so that the entries of a key stay ordered from the newest to the oldest. A digest key may equal the
        # hash of a text key: these are two keys.
        order = np.lexsort((facts["is_text"], keys[:, 3], keys[:, 2], keys[:, 1], keys[:, 0]))
        where, facts = where[order], facts[order]
        start = _starts(facts)
        self.first[where] = where[start]
        self.dead[where] = ~_alike(facts, facts[start])
        tombstone = facts["tombstone"]
        if tombstone.any():
            last_row = np.maximum.reduceat(np.where(tombstone, -1, np.arange(len(where))), np.unique(start))
            group = np.searchsorted(np.unique(start), start)
            self.covers[where] = tombstone & (last_row[group] > np.arange(len(where)))
            where, facts = where[tombstone], facts[tombstone]
            start = _starts(facts)
            self.first[where] = where[start]
            self.dead[where] = ~_alike(facts, facts[start])

    @property
    def tombstone(self) -> NDArray[np.bool_]:
        """Which entries are tombstones."""
        of_segment = np.array([segment.is_tombstone for segment in self.key_index.segments], bool)
        tombstone: NDArray[np.bool_] = of_segment[self.key_index.segment_of]
        return tombstone

    @property
    def copy(self) -> NDArray[np.bool_]:
        """Which entries equal another row that is live."""
        copy: NDArray[np.bool_] = ~self.dead & (self.first != np.arange(len(self.first)))
        return copy

    def within(self, numbers: Collection[int]) -> NDArray[np.bool_]:
        """Return which entries belong to some segments."""
        members = np.zeros(len(self.key_index.segments), bool)
        members[list(numbers)] = True
        within: NDArray[np.bool_] = members[self.key_index.segment_of]
        return within

    def counts(self, entries: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return how many of some entries each segment has."""
        return np.bincount(self.key_index.segment_of[entries], minlength=len(self.key_index.segments))

    def kept(self, numbers: Collection[int]) -> NDArray[np.bool_]:
        """Return which entries a merge of some segments has to copy."""
        kept = self.within(numbers) & ~self.dead
        candidates = np.flatnonzero(kept)
        _, newest = np.unique(self.first[candidates], return_index=True)
        kept[:] = False
        kept[candidates[newest]] = True
        return kept


def _facts(key_index: KeyIndex, where: NDArray[np.intp], index_of: Callable[[Segment], Index]) -> NDArray[Any]:
    """Return what decides about entries: key, stamp, checksum and whether it is a tombstone."""
    facts = np.empty(
        len(where), [("key", "<u8", 4), ("is_text", "?"), ("stamp", "<u8"), ("crc", "<u4"), ("tombstone", "?")]
    )
    segment_of, record_of = key_index.segment_of[where], key_index.record_of[where]
    by_segment = np.argsort(segment_of, kind="stable")
    for members in np.split(by_segment, np.flatnonzero(np.diff(segment_of[by_segment])) + 1):
        segment = key_index.segments[segment_of[members[0]]]
        index = index_of(segment)
        records = index.records[record_of[members]]
        facts["key"][members], facts["stamp"][members], facts["crc"][members] = (
            records["key"],
            records["stamp"],
            records["crc"],
        )
        facts["tombstone"][members] = segment.is_tombstone
        facts["is_text"][members] = False
        if index.key_ends is not None:
            lengths = np.diff(index.key_ends, prepend=np.uint64(0))
            facts["is_text"][members] = lengths[records["row"]] > 0
    return facts


def _starts(facts: NDArray[Any]) -> NDArray[np.intp]:
    """Return for entries that are sorted by key the number of the first one of the same key."""
    new = np.ones(len(facts), bool)
    new[1:] = (facts["key"][1:] != facts["key"][:-1]).any(axis=1) | (facts["is_text"][1:] != facts["is_text"][:-1])
    starts: NDArray[np.intp] = np.maximum.accumulate(np.where(new, np.arange(len(facts)), 0))
    return starts


def _alike(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pairs of entries of the same key are equal."""
    alike: NDArray[np.bool_] = (
        (some["stamp"] == others["stamp"]) & (some["crc"] == others["crc"]) & (some["tombstone"] == others["tombstone"])
    )
    return alike
