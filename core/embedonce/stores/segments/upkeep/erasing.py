"""Removing rows: evicting old ones, erasing some for good, clearing a namespace.

Nothing reappears: neither an older row of a key whose newest row leaves, nor a deleted row, nor a replaced segment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedonce.errors import StoreError
from embedonce.stores.segments.format.layout import SegmentRows, build_segment
from embedonce.stores.segments.format.names import DATA_START, RECORD, Segment
from embedonce.stores.segments.lookup.key_index import prefixes_of
from embedonce.stores.segments.upkeep.round import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.format.keys import IndexKey
    from embedonce.stores.segments.lookup.liveness import Liveness
    from embedonce.stores.segments.upkeep.reports import Report
    from embedonce.stores.segments.upkeep.round import Listing, MaintenanceRound

_ROUNDS = 5
_WHOLE = 1 << 20
"""A segment of at most so many bytes is not rewritten to meet a limit of bytes: it is deleted whole."""
_NAME_BYTES = 160
"""More bytes than a name takes in the list of the segments that a new one replaces."""


def evict(maintenance: MaintenanceRound, *, max_bytes: int | None = None, before_us: int = 0) -> Report:
    """Delete what was written before a moment, then the oldest segments until the others have at most so many bytes.

    The last of these is rewritten with as many of its newest rows as there is room for.

    Args:
        maintenance: The round that this is part of.
        max_bytes: Most bytes of all segments in use, None for no limit.
        before_us: The moment, in microseconds since 1970; 0 to keep rows of any age.

    Raises:
        OSError: A fault of the place; the next run continues.
    """
    before = listing = maintenance.look()
    liveness, segments = maintenance.liveness(listing), listing.segments
    whole, rest, room = _old(segments, max_bytes, before_us)
    leaving = liveness.within(whole)
    mixed = [n for n in rest if int(maintenance.catalog.records(segments[n])["stamp"].min()) < before_us]
    for number in mixed:
        leaving |= maintenance.older(listing, number, before_us)
    if room is not None:
        leaving |= _surplus(maintenance, listing, liveness, rest[0], room, leaving)
        mixed = [rest[0], *(number for number in mixed if number != rest[0])]
    _hide_older_rows(maintenance, liveness, leaving)
    try:
        for number in mixed:
            maintenance.rewrite(listing, liveness, [number], leaving)
    finally:
        # Even if the disk is full and nothing can be rewritten: this frees space.
        maintenance.remove(listing, [segments[number] for number in whole])
    return maintenance.report(before)


def bytes_to_free(sizes: Iterable[int], excess: int) -> Iterator[int]:
    """Yield how many bytes of each segment to free, for segments from the oldest to the newest.

    With segments of 3, 4 and 5 MiB, and 4 MiB too many, these are 3, 1 and 0 MiB: the first segment is deleted, and
    the second one is rewritten with 3 MiB of its rows. A segment of at most 1 MiB is always deleted whole.
    """
    for size in sizes:
        if excess <= 0:
            freed = 0
        elif size > _WHOLE:
            freed = min(size, excess)
        else:
            freed = size
        excess -= freed
        yield freed


def by_age(segments: Iterable[Segment]) -> list[Segment]:
    """Return the segments that can be evicted, the oldest first.

    Tombstones are not among them: they stay until they hide nothing any more; see `compacting`.
    """
    rows = (segment for segment in segments if not segment.is_tombstone)
    return sorted(rows, key=lambda segment: (segment.name.stamp, segment.file))


def _old(segments: Sequence[Segment], max_bytes: int | None, before_us: int) -> tuple[list[int], list[int], int | None]:
    """Return the segments to delete whole, the others, and how many bytes may stay of the first of the others.

    The oldest segments come first. The number of bytes is None if all of that segment may stay.
    """
    number_of = {segment: number for number, segment in enumerate(segments)}
    aged = by_age(segments)
    whole = sum(segment.name.stamp < before_us for segment in aged)
    room: int | None = None
    if max_bytes is not None:
        sizes = [segment.name.size for segment in aged[whole:]]
        excess = bytes_of(segments) - bytes_of(aged[:whole]) - max_bytes
        for size, freed in zip(sizes, bytes_to_free(sizes, excess), strict=True):
            if freed < size:
                room = size - freed if freed else None
                break
            whole += 1
    numbers = [number_of[segment] for segment in aged]
    return numbers[:whole], numbers[whole:], room


def _surplus(
    maintenance: MaintenanceRound,
    listing: Listing,
    liveness: Liveness,
    number: int,
    room: int,
    leaving: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the entries of a segment that do not fit into a new one of so many bytes.

    The newest rows stay. With room for 300 bytes besides the header, and rows of 100 bytes:

        row       1    2    3    4    5
        stamp     10   30   20   20   10
        fits           yes  yes  yes           rows 2, 4 and 3 are the newest ones
        surplus   yes                 yes
    """
    name, index = listing.segments[number].name, maintenance.catalog.files.open(listing.segments[number]).index
    entries = np.flatnonzero(liveness.kept([number]) & ~leaving)
    records = index.records[listing.key_index.record_of[entries]]
    newest_first = np.lexsort((records["row"], records["stamp"]))[::-1]
    rows = records["row"][newest_first]
    sizes = np.full(len(rows), RECORD.itemsize + name.stride)
    for ends in (index.key_ends, index.value_ends):
        if ends is not None:
            sizes += 8 + np.diff(ends, prepend=np.uint64(0))[rows].astype(sizes.dtype)
    # The header, the padding before the rows, and the names of the segments that the new one replaces.
    fixed = DATA_START + 64 + _NAME_BYTES * (1 + len(index.replaces & listing.listed.keys()))
    fits = entries[newest_first][np.cumsum(sizes) <= room - fixed]
    surplus = liveness.within([number])
    surplus[fits] = False
    return surplus


def _hide_older_rows(maintenance: MaintenanceRound, liveness: Liveness, leaving: NDArray[np.bool_]) -> None:
    """Publish tombstones for keys whose newest row leaves while an older one stays.

    They have the stamps of the rows that leave, so they do not hide rows that are written later, or at this moment.
    """
    is_row, first = ~liveness.tombstone, liveness.first
    newest = is_row & ~liveness.dead
    left = np.setdiff1d(first[newest & leaving], first[newest & ~leaving])
    hidden = np.zeros(len(first), bool)
    hidden[np.intersect1d(left, first[is_row & liveness.dead])] = True
    if hidden.any():
        selected = maintenance.rewriter.selected(liveness.key_index, hidden)
        digests = np.ascontiguousarray(selected.records["key"]).tobytes()
        stamps = np.ascontiguousarray(selected.records["stamp"])
        name, parts = build_segment(SegmentRows("del", digests, selected.texts, stamps, None), maintenance.metadata())
        segment = Segment(name, str(name))
        if not maintenance.dry_run:
            maintenance.catalog.directory.put(segment.file, parts)
            maintenance.catalog.directory.sync(segment.file)
        maintenance.added(segment)


def purge(maintenance: MaintenanceRound, keys: Sequence[IndexKey], stamp: int, delete: Callable[[], None]) -> Report:
    """Erase all rows of some keys that are not newer than a stamp.

    Args:
        maintenance: The round that this is part of.
        keys: The keys.
        stamp: The stamp.
        delete: Publishes their tombstones with that stamp; called if there is anything to erase.

    Raises:
        StoreError: Some rows still exist, or a damaged segment may contain some.
        OSError: Any other fault of the place.
    """
    before = listing = maintenance.look()
    holders, unknown = _holders(maintenance, listing, keys, stamp)
    if holders:
        delete()
    for _ in range(_ROUNDS):
        if not holders:
            break
        listing = maintenance.look()
        _erase(maintenance, listing, holders)
        listing = maintenance.look()
        holders, unknown = _holders(maintenance, listing, keys, stamp)
    if holders or unknown:
        left = ", ".join(sorted({*holders, *unknown}))
        why = (
            "other processes keep merging them; stop these"
            if holders
            else "they cannot be read or are damaged; delete these files, or make them readable"
        )
        msg = f"{maintenance.catalog.directory}: what was to be erased may still be in {left}: {why}, and purge again"
        raise StoreError(msg)
    return maintenance.report(before, listing)


def _holders(
    maintenance: MaintenanceRound, listing: Listing, keys: Sequence[IndexKey], stamp: int
) -> tuple[dict[str, NDArray[np.intp]], list[str]]:
    """Return the records of some keys by segment, and the segments that cannot be read."""
    wanted = {(key.digest, key.text) for key in keys}
    prefixes = np.array([int.from_bytes(key.digest[:8], "big") for key in keys], "<u8")
    holders: dict[str, NDArray[np.intp]] = {}
    unknown: list[str] = []
    for file, index in maintenance.indexes(listing.listed):
        if index is None:
            unknown.append(file)
            continue
        records = index.records
        found = [
            at
            for at in np.flatnonzero(np.isin(prefixes_of(records["key"]), prefixes)).tolist()
            if records["stamp"][at] <= stamp
            and (records["key"][at].tobytes(), index.key_text(int(records["row"][at]))) in wanted
        ]
        if found:
            holders[file] = np.array(found)
    return holders, unknown


def _erase(maintenance: MaintenanceRound, listing: Listing, holders: dict[str, NDArray[np.intp]]) -> None:
    """Rewrite segments without some of their records, and delete the old segments at once."""
    liveness = maintenance.liveness(listing)
    for number, segment in enumerate(listing.segments):
        if segment.file in holders:
            leave = liveness.within([number]) & np.isin(listing.key_index.record_of, holders[segment.file])
            maintenance.rewrite_at_once(listing, liveness, number, leave)
    # Replaced segments need not be rewritten: their live rows are in the segments that have replaced them.
    maintenance.delete(sorted(listing.hidden & holders.keys()))


def clear(maintenance: MaintenanceRound) -> Report:
    """Delete all segments, replaced and damaged ones too; `space.json` and files of other programs stay.

    Raises:
        OSError: A fault of the place; the next run continues.
    """
    before = maintenance.look()
    # Tombstones last, so that no row reappears.
    maintenance.remove(before, [*by_age(before.segments), *(each for each in before.segments if each.is_tombstone)])
    maintenance.delete([*before.hidden, *before.damaged])
    return maintenance.report(before)
