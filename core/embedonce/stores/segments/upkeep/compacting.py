"""Compacting: few large segments instead of many small ones, without the rows that no lookup can find any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from embedonce.stores.segments.lookup.key_index import prefixes_of
from embedonce.stores.segments.writing.planning import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from embedonce.stores.segments.format.names import Segment
    from embedonce.stores.segments.lookup.liveness import Liveness
    from embedonce.stores.segments.upkeep.reports import Report
    from embedonce.stores.segments.upkeep.round import Listing, MaintenanceRound

TARGET = 256 << 20
"""Most bytes of the rows of one merge, which is built in memory."""
_SMALL = TARGET // 4
_DEAD = 0.2
"""A segment with a larger part of dead rows is rewritten."""
_DAY_US = 24 * 3600 * 1_000_000
"""Tombstones stay for so long, because of merges that have begun before them (see `rewriter.LONGEST`)."""


def compact(maintenance: MaintenanceRound) -> Report:
    """Merge small segments, drop dead rows, and delete replaced segments after their grace period.

    Raises:
        OSError: A fault of the place; nothing is lost, and the next run continues.
    """
    listing = before = maintenance.collect(maintenance.look())
    liveness = maintenance.liveness(listing)
    unneeded = _unneeded_tombstones(maintenance, listing, liveness)
    written: dict[str, frozenset[str]] = {}
    for run in _runs(maintenance, liveness, unneeded):
        done = maintenance.rewrite(listing, liveness, run, unneeded)
        if done is not None and done.segment is not None:
            written[done.segment.file] = done.replaces
    if written:
        _erase_again(maintenance, written)
    return maintenance.report(before)


def _runs(maintenance: MaintenanceRound, liveness: Liveness, unneeded: NDArray[np.bool_]) -> Iterator[list[int]]:
    """Yield the numbers of the segments to merge with each other.

    Segments of one kind, with `_SMALL` of 64 MiB and `_DEAD` of 20 %:

        A  100 MiB, 30 % dead                is chosen: much of it is dead
        B  100 MiB, 25 % copies of rows in C is chosen: much of it is copies
        C   80 MiB, all rows live            is chosen for B: a copy is only dropped by a merge of both segments
        D   80 MiB, 10 % dead                is left alone
        E    1 MiB, all rows live            is chosen: it is small

    The run A, B, C, E becomes one segment of about 226 MiB, if the files sort in this order. Without A, B and C, E
    would be left alone: a merge of one small segment gains nothing.
    """
    segments = liveness.key_index.segments
    copies, lost = liveness.copy, liveness.dead | unneeded
    # Rows of each segment that a merge could drop at best.
    spare = liveness.counts(lost | copies)

    def is_mostly_spare(number: int) -> bool:
        return bool(spare[number] > _DEAD * segments[number].name.rows)

    chosen = {
        number
        for number, segment in enumerate(segments)
        if (segment.name.size <= _SMALL or is_mostly_spare(number))
        and not _is_young_merge_of_tombstones(maintenance, segment)
    }
    # The segments that hold the rows of which chosen ones hold copies.
    originals = liveness.first[copies & liveness.within([n for n in chosen if is_mostly_spare(n)])]
    chosen.update(np.unique(liveness.key_index.segment_of[originals]).tolist())
    sources = (
        (number, segments[number], segments[number].name.size * (1 - spare[number] / segments[number].name.rows))
        for number in sorted(chosen, key=lambda number: segments[number].file)
    )
    for run in runs(sources, TARGET):
        small = sum(segments[number].name.size <= _SMALL for number in run)
        # What is really copied: a copy of a row stays if the original is not in the same run.
        copied = liveness.counts(liveness.kept(run) & ~unneeded)
        if small > 1 or any(copied[n] < (1 - _DEAD) * segments[n].name.rows for n in run):
            yield run


def _written(maintenance: MaintenanceRound, segment: Segment) -> int:
    """Return when a segment was written, in microseconds since 1970; now if that is not recorded."""
    written = maintenance.catalog.opened(segment).index.written_us
    return time.time_ns() // 1000 if written is None else written


def _is_young_merge_of_tombstones(maintenance: MaintenanceRound, segment: Segment) -> bool:
    """True for tombstones that would never become old enough to go if they were merged with new ones every day."""
    if not segment.is_tombstone or not maintenance.catalog.opened(segment).index.replaces:
        return False
    return time.time_ns() // 1000 - _written(maintenance, segment) < _DAY_US


def _unneeded_tombstones(maintenance: MaintenanceRound, listing: Listing, liveness: Liveness) -> NDArray[np.bool_]:
    """Return the tombstones that are old and hide no row in any file, neither in use nor replaced."""
    key_index, limit = listing.key_index, time.time_ns() // 1000 - _DAY_US
    unneeded = np.zeros(len(key_index.prefixes), bool)
    for number, segment in enumerate(key_index.segments):
        if segment.is_tombstone and _written(maintenance, segment) < limit:
            unneeded |= maintenance.older(listing, number, limit)
    unneeded &= ~liveness.covers
    if not unneeded.any():
        return unneeded
    if listing.damaged:
        # A damaged segment may contain a row that they hide.
        return np.zeros_like(unneeded)
    for _, index in maintenance.indexes(listing.hidden):
        if index is None:
            return np.zeros_like(unneeded)
        unneeded &= ~np.isin(key_index.prefixes, prefixes_of(index.records["key"]))
    return unneeded


def _erase_again(maintenance: MaintenanceRound, written: dict[str, frozenset[str]]) -> None:
    """Rewrite new segments without rows that another process has purged from their sources in the meantime.

    So a row that is purged while it is being copied does not stay.
    """
    listing = maintenance.look()
    liveness = maintenance.liveness(listing)
    spare = liveness.counts(liveness.dead)
    for number, segment in enumerate(listing.segments):
        if segment.file in written and spare[number] and not written[segment.file] <= listing.listed.keys():
            maintenance.rewrite_at_once(listing, liveness, number)
