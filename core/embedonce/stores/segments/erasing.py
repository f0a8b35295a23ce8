"""Making rows go away: evicting old ones, erasing some for good, clearing a namespace.

Nothing comes back by it: no older row of a key whose newest one goes, no deleted row, no replaced segment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedonce.errors import StoreError
from embedonce.stores.segments.format import DamagedSegmentError, Rows, build
from embedonce.stores.segments.names import SegmentName
from embedonce.stores.segments.snapshot import Segment, Snapshot, prefixes_of
from embedonce.stores.segments.tidying import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.reports import Report
    from embedonce.stores.segments.survey import Survey
    from embedonce.stores.segments.tidying import Stock, Tidying
    from embedonce.stores.segments.view import IndexKey

_ROUNDS = 5


def evict(tidying: Tidying, namespace: str, *, max_bytes: int | None = None, before_us: int | None = None) -> Report:
    """Delete what was written before a moment, then whole segments, the oldest first, until few bytes are left.

    Args:
        tidying: Where.
        namespace: What the report is about.
        max_bytes: Most bytes that the segments in use may have together.
        before_us: The moment, in microseconds since 1970.

    Raises:
        OSError: A fault of the place; the next run goes on.
    """
    before = stock = tidying.look()
    survey, segments = tidying.survey(stock), stock.segments
    whole, mixed = _old(tidying, stock, max_bytes, before_us or 0)
    leaving = survey.within(whole)
    for number in mixed:
        leaving |= survey.within([number]) & (_stamps(tidying, stock.snapshot, number) < (before_us or 0))
    _outdate(tidying, survey, leaving)
    for number in mixed:
        tidying.rewrite(stock, survey, [number], leaving)
    tidying.remove(stock, [segments[number] for number in whole])
    return tidying.report(namespace, before)


def _old(tidying: Tidying, stock: Stock, max_bytes: int | None, before_us: int) -> tuple[list[int], list[int]]:
    """Return the segments to be deleted whole, oldest first, and those that only some rows have to leave.

    Tombstones stay until they hide nothing any more; see `compacting`.
    """
    segments = stock.segments
    by_age = sorted(
        (number for number, segment in enumerate(segments) if not segment.is_tombstone),
        key=lambda number: (segments[number].name.stamp, segments[number].file),
    )
    whole = [number for number in by_age if segments[number].name.stamp < before_us]
    rest = by_age[len(whole) :]
    if max_bytes is not None:
        left = bytes_of(segments) - bytes_of(segments[number] for number in whole)
        while rest and left > max_bytes:
            left -= segments[rest[0]].name.size
            whole.append(rest.pop(0))
    mixed = [n for n in rest if int(tidying.catalog.records(segments[n])["stamp"].min()) < before_us]
    return whole, mixed


def _stamps(tidying: Tidying, snapshot: Snapshot, number: int) -> NDArray[np.uint64]:
    """Return the stamps of the entries of a segment, and the largest there is for all others."""
    stamps = np.full(len(snapshot.prefixes), np.iinfo("<u8").max, "<u8")
    mine = snapshot.segment_of == number
    stamps[mine] = tidying.catalog.records(snapshot.segments[number])["stamp"][snapshot.record_of[mine]]
    return stamps


def _outdate(tidying: Tidying, survey: Survey, leaving: NDArray[np.bool_]) -> None:
    """Publish tombstones for keys whose newest row leaves while an older one is still there.

    They have the stamps of the rows that leave: whatever is written later, or is being written now, is not touched.
    """
    is_row, first = ~survey.tombstone, survey.first
    newest = is_row & ~survey.dead
    left = np.setdiff1d(first[newest & leaving], first[newest & ~leaving])
    outdated = np.zeros(len(first), bool)
    outdated[np.intersect1d(left, first[is_row & survey.dead])] = True
    if outdated.any():
        picked = tidying.rewriter.picked(survey.snapshot, outdated)
        digests = np.ascontiguousarray(picked.records["key"]).tobytes()
        stamps = np.ascontiguousarray(picked.records["stamp"])
        name, parts = build(Rows("del", digests, picked.texts, stamps, None), tidying.metadata())
        segment = Segment(name, str(name))
        if not tidying.dry_run:
            tidying.catalog.io.put(segment.file, parts)
            tidying.catalog.io.sync(segment.file)
        tidying.added(segment)


def purge(tidying: Tidying, namespace: str, keys: Sequence[IndexKey], stamp: int, delete: Callable[[], None]) -> Report:
    """Erase all rows of some keys that are not newer than a stamp.

    Args:
        tidying: Where.
        namespace: What the report is about.
        keys: The keys.
        stamp: The stamp.
        delete: Publishes their tombstones with that stamp; called if there is anything to erase.

    Raises:
        StoreError: Some are still there, or a damaged segment does not say what it holds.
        OSError: Any other fault of the place.
    """
    before = stock = tidying.look()
    holders, unknown = _holders(tidying, stock, keys, stamp)
    if holders:
        delete()
    for _ in range(_ROUNDS):
        if not holders:
            break
        stock = tidying.look()
        _erase(tidying, stock, holders)
        stock = tidying.look()
        holders, unknown = _holders(tidying, stock, keys, stamp)
    if holders or unknown:
        left = ", ".join(sorted({*holders, *unknown}))
        why = "other processes go on merging them; stop these" if holders else "they are damaged; delete these files"
        msg = f"{tidying.catalog.io}: what was to be erased may still be in {left}: {why}, and purge again"
        raise StoreError(msg)
    return tidying.report(namespace, before, stock)


def _holders(
    tidying: Tidying, stock: Stock, keys: Sequence[IndexKey], stamp: int
) -> tuple[dict[str, NDArray[np.intp]], list[str]]:
    """Return which segments hold rows of some keys, in which records, and which segments cannot be read."""
    wanted = {(key.digest, key.text) for key in keys}
    prefixes = np.array([int.from_bytes(key.digest[:8], "big") for key in keys], "<u8")
    holders: dict[str, NDArray[np.intp]] = {}
    unknown: list[str] = []
    for file in stock.listed:
        name = SegmentName.parse(file)
        if name is None or name.kind == "del":
            continue
        try:
            index = tidying.catalog.files.open(Segment(name, file)).index
        except FileNotFoundError:
            continue
        except DamagedSegmentError:
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


def _erase(tidying: Tidying, stock: Stock, holders: dict[str, NDArray[np.intp]]) -> None:
    """Write segments anew without some of their records, and delete them at once."""
    survey = tidying.survey(stock)
    snapshot = stock.snapshot
    for number, segment in enumerate(stock.segments):
        if segment.file in holders:
            leave = survey.within([number]) & np.isin(snapshot.record_of, holders[segment.file])
            tidying.rewrite_at_once(stock, survey, number, leave)
    # Nothing reads them: what counts in there is in the segments that have replaced them.
    tidying.delete(sorted(stock.hidden & holders.keys()))


def clear(tidying: Tidying, namespace: str) -> Report:
    """Delete all segments, replaced and damaged ones too; `space.json` and what is not ours stays.

    Raises:
        OSError: A fault of the place; the next run goes on.
    """
    before = tidying.look()
    tidying.remove(before, list(_oldest_first(before.segments)))
    tidying.delete([*before.hidden, *before.damaged])
    return tidying.report(namespace, before)


def _oldest_first(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield segments in an order in which nothing is brought back, and tombstones last."""
    yield from sorted(segments, key=lambda segment: (segment.is_tombstone, segment.name.stamp, segment.file))
