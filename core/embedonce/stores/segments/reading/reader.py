"""Reading rows: every returned byte has passed its checksum; damage is a miss, an outage is an error."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedonce.stores.drivers.faults import worst
from embedonce.stores.places.ranges import Span, joined, read_joined, read_spans
from embedonce.stores.segments.files.files import NotAtHandError
from embedonce.stores.segments.files.tier import Piece
from embedonce.stores.segments.format.keys import IndexKey
from embedonce.stores.segments.format.layout import DamagedSegmentError
from embedonce.stores.segments.format.names import RECORD
from embedonce.stores.segments.reading.copying import Candidates, copy_row, copy_rows
from embedonce.stores.segments.reading.rows import RowMatches, RowRequest, pieces_of, take
from embedonce.vectors.envelope import Envelope, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.files.files import SegmentFiles
    from embedonce.stores.segments.files.opening import OpenSegment
    from embedonce.stores.segments.format.names import Segment
    from embedonce.stores.segments.lookup.key_index import KeyIndex
    from embedonce.stores.segments.lookup.view import View
    from embedonce.vectors.rows import RowBuffer


_LONG_RUN = 16
_OPEN_AT_ONCE = 64


class DamageReport(Protocol):
    """Receives the damage that a reader finds."""

    def damaged_segment(self, segment: Segment, what: str) -> None:
        """A segment is unusable as a whole."""

    def damaged_rows(self, segment: Segment, count: int) -> None:
        """Some rows of a segment failed their checksums."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads rows from the segments of a view. A `FileNotFoundError` means: refresh the view and read again.

    Attributes:
        directory: Where the files are.
        files: Those that are open.
        report: Receives damage.
        open_partly: Opens a segment as the method of `SegmentFiles` does.
        asks: False to read only what is at hand.
    """

    directory: Directory
    files: SegmentFiles
    report: DamageReport
    open_partly: Callable[[Segment], OpenSegment]
    asks: bool = True

    @classmethod
    def of(cls, directory: Directory, files: SegmentFiles, report: DamageReport) -> Reader:
        """Return a reader that asks the place for what is not at hand."""
        return cls(directory, files, report, files.open_partly)

    @property
    def at_hand(self) -> Reader:
        """The same without any request: what is not at hand is a `NotAtHandError`."""
        return replace(self, open_partly=self.files.at_hand, asks=False)

    def gather(self, view: View, digests: Sequence[bytes], into: RowBuffer) -> None:
        """Collect the vectors of digest keys; rows of other dimensions than `into.dimensions` are not found.

        Raises:
            FileNotFoundError: A segment is gone or damaged as a whole. It is raised after everything else is collected.
            NotAtHandError: The reader does not ask, and something is not at hand; likewise.
            Exception: Any other fault of the place, likewise.
        """
        keys = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 4)
        todo = np.flatnonzero(~into.found)
        candidates = Candidates(todo, *view.first_candidates(digests, keys, todo))
        known = candidates.numbers >= 0
        if not known.all():
            candidates = candidates.only(known)
        numbers = sorted(set(candidates.numbers.tolist()))
        rest: list[int] = []
        failed: list[int] = []
        distant: list[RowMatches] = []
        faults: list[Exception] = []
        # Not all segments at once, since an open map takes a descriptor.
        for first in range(0, len(numbers), _OPEN_AT_ONCE):
            at_hand: dict[int, OpenSegment] = {}
            others: list[RowMatches] = []
            for number in numbers[first : first + _OPEN_AT_ONCE]:
                segment = view.segment(number)
                try:
                    opened = self._typed(segment, into.dimensions)
                except Exception as error:
                    faults.append(error)
                    continue
                if opened is not None and opened.values is not None and into.has_room_for(opened.values.dtype):
                    at_hand[number] = opened
                    continue
                its = candidates.only(candidates.numbers == number)
                if opened is None:
                    rest += its.positions.tolist()
                    continue
                records = opened.index.records[its.records]
                same = (records["key"] == keys[its.positions]).all(axis=1) & (records["row"] < segment.name.rows)
                rest += its.positions[~same].tolist()
                if same.any():
                    others.append(RowMatches(segment, opened, its.positions[same], records[same]))
            if at_hand:
                theirs = candidates
                if len(at_hand) < len(numbers):
                    theirs = candidates.only(np.isin(candidates.numbers, list(at_hand)))
                rest += into.filled(theirs.positions, partial(copy_rows, at_hand, theirs, digests))
            # After the mapped rows: rows of another dtype may replace the matrix by a wider one.
            for one in others:
                if one.opened.values is None:
                    distant.append(self._gather_mirrored(one, digests, into))
                else:
                    good = take(one, one.opened.values.take(one.records["row"], axis=0), digests, into)
                    failed += one.positions[~good].tolist()
        try:
            failed += self._gather_distant([one for one in distant if len(one.positions)], digests, into)
        except Exception as error:
            faults.append(error)
        if rest:
            self._gather_slowly(view, digests, rest, into, faults, again=False)
        if failed:
            self._gather_slowly(view, digests, failed, into, faults, again=True)
        if faults:
            raise worst(faults)

    def _gather_mirrored(self, one: RowMatches, digests: Sequence[bytes], into: RowBuffer) -> RowMatches:
        """Collect what the local tier has; return what must be read from the distant place."""
        mirror = one.opened.mirror
        if mirror is None:
            return one
        there = mirror.holds(one.records["row"])
        if there.any():
            some = one.only(there)
            there[there] = take(some, mirror.take(some.records["row"]), digests, into)
        return one.only(~there)

    def _gather_distant(self, found: Sequence[RowMatches], digests: Sequence[bytes], into: RowBuffer) -> list[int]:
        """Collect rows of segments that can only be read by range; return the positions of those that are damaged.

        Raises:
            FileNotFoundError: A segment is gone or damaged as a whole. It is raised after everything else is collected.
            NotAtHandError: There are such rows, and the reader does not ask.
            Exception: Any other fault of the place, likewise.
        """
        if found and not self.asks:
            raise NotAtHandError(found[0].segment.file)
        spans: list[Span] = []
        runs: list[RowMatches] = []
        for one in found:
            stride, rows = one.segment.name.stride, one.records["row"].astype(np.int64)
            order = np.argsort(rows, kind="stable")
            starts = one.segment.name.values_start + stride * rows[order]
            for first, last in joined(starts, starts + stride):
                spans.append(Span(one.segment.file, int(starts[first]), int(starts[last - 1]) + stride))
                # `RowBuffer.put` needs positions in ascending order.
                runs.append(one.only(np.sort(order[first:last])))
        failed: list[int] = []
        damaged: Segment | None = None
        for number, blob in read_spans(self.directory, spans):
            run = runs[number]
            name = run.segment.name
            if blob is None:
                damaged = run.segment
                self.report.damaged_segment(damaged, "it is shorter than its name says")
                continue
            block = np.frombuffer(blob, name.dtype).reshape(-1, name.dimensions)
            rows = run.records["row"].astype(np.int64)
            if (np.diff(rows) != 1).any():
                block = block.take(rows - rows.min(), axis=0)
            good = take(run, block, digests, into)
            failed += run.positions[~good].tolist()
            if run.opened.mirror is not None:
                self._mirror(run.segment, run.opened, pieces_of(run.opened, rows, block, good))
        if damaged is not None:
            raise FileNotFoundError(damaged.file)
        return failed

    def one(self, view: View, digest: bytes, dimensions: int | None) -> NDArray[Any] | None:
        """Return one vector, shape (1, d), much faster than a batch; None if the first candidate is not the row."""
        candidate = view.first_candidate(digest)
        if candidate is None:
            return None
        segment, record = candidate
        opened = self._typed(segment, dimensions)
        return None if opened is None or opened.values is None else copy_row(opened, record, digest)

    def _typed(self, segment: Segment, dimensions: int | None) -> OpenSegment | None:
        """Return a segment if it holds only vectors of some length under digest keys."""
        name = segment.name
        if name.dtype is None or name.keyed or name.dimensions != dimensions:
            return None
        try:
            return self.open_partly(segment)
        except DamagedSegmentError as error:
            self.report.damaged_segment(segment, str(error))
            return None

    def _gather_slowly(
        self,
        view: View,
        digests: Sequence[bytes],
        rest: list[int],
        into: RowBuffer,
        faults: list[Exception],
        *,
        again: bool,
    ) -> None:
        """Try all candidates of the keys whose first one fails: for a shared prefix, damage or a deleted key."""
        rows = self.read(view, [IndexKey(digests[i]) for i in rest], faults, again=again)
        for position, row in zip(rest, rows, strict=True):
            typed = Envelope.open(row) if isinstance(row, bytes) else row
            if typed is None:
                continue
            vector = typed.vector()
            if into.dimensions is None:
                into.dimensions = len(vector)
            if len(vector) == into.dimensions:
                into.put(np.array([position]), vector[np.newaxis])

    def read(
        self, view: View, keys: Sequence[IndexKey], faults: list[Exception], *, again: bool = False
    ) -> list[Row | bytes | None]:
        """Return the newest undamaged row of each key: a typed row, opaque bytes, or None.

        Args:
            view: Where to look.
            keys: The keys.
            faults: Gets what `gather` would raise; the keys that it concerns are None.
            again: True if their rows have just failed their checksums: a distant place is read only once more.
        """
        rows: list[Row | bytes | None] = [None] * len(keys)
        pending = {i: self.walk(view, key) for i, key in enumerate(keys)}
        while pending:
            distant: list[RowRequest] = []
            for i, walk in list(pending.items()):
                request = None
                try:
                    rows[i], request = self._next(walk, i, keys[i])
                except Exception as error:
                    faults.append(error)
                if request is None:
                    del pending[i]
                else:
                    distant.append(request)
            fault: Exception | None = None
            try:
                self._read_distant(distant, keys, rows)
                if not again:
                    self._read_distant([request for request in distant if rows[request.number] is None], keys, rows)
            except Exception as error:
                fault = error
                faults.append(error)
            for request in distant:
                if rows[request.number] is None and fault is None:
                    self.report.damaged_rows(request.segment, 1)
                else:
                    del pending[request.number]
        return rows

    def _next(
        self, walk: Iterator[tuple[Segment, OpenSegment, Any]], number: int, key: IndexKey
    ) -> tuple[Row | bytes | None, RowRequest | None]:
        """Return the next good row of a walk that is at hand, or what has to be read from a distant place before."""
        for segment, opened, record in walk:
            request = RowRequest(number, segment, opened, record)
            data = request.at_hand()
            if data is not None and request.passes(data, key):
                return request.copy(data), None
            if not self.directory.has_views:
                return None, request
            self.report.damaged_rows(segment, 1)
        return None, None

    def _read_distant(
        self, requests: Sequence[RowRequest], keys: Sequence[IndexKey], rows: list[Row | bytes | None]
    ) -> None:
        """Read rows by range, and put those that pass their checksums into `rows`; raises as `_gather_distant` does."""
        if requests and not self.asks:
            raise NotAtHandError(requests[0].segment.file)
        damaged: dict[str, Segment] = {}
        fetched: dict[str, tuple[RowRequest, list[Piece]]] = {}
        for number, data in read_joined(self.directory, [request.span for request in requests]):
            request = requests[number]
            if data is None:
                damaged[request.segment.file] = request.segment
            elif request.passes(data, keys[request.number]):
                rows[request.number] = request.copy(data)
                piece = Piece(int(request.record["row"]), 1, request.span.start, data)
                fetched.setdefault(request.segment.file, (request, []))[1].append(piece)
        for request, pieces in fetched.values():
            self._mirror(request.segment, request.opened, pieces)
        for segment in damaged.values():
            self.report.damaged_segment(segment, "it is shorter than its name says")
        if damaged:
            raise FileNotFoundError(*damaged)

    def _mirror(self, segment: Segment, opened: OpenSegment, pieces: Sequence[Piece]) -> None:
        """Keep fetched rows in the local tier, if there is one."""
        if opened.mirror is not None:
            if opened.mirror.keep_rows(pieces):
                self.files.reopen(segment.file)
        elif opened.view is not None:
            # The whole segment is in memory, but was damaged on the way there.
            self.files.forget(segment.file)

    def walk(self, view: View, key: IndexKey) -> Iterator[tuple[Segment, OpenSegment, Any]]:
        """Yield the rows of a key as (segment, open segment, record), newest first, up to its tombstone."""
        words = np.frombuffer(key.digest, "<u8")
        for segment_number, record_number in self._candidates(view, key):
            segment = view.segment(segment_number)
            try:
                opened = self.open_partly(segment)
            except DamagedSegmentError as error:
                self.report.damaged_segment(segment, str(error))
                continue
            record = opened.index.records[record_number]
            row = int(record["row"])
            if record["key"][0] != words[0] or row >= segment.name.rows:
                # The record is not the one that was indexed.
                self.report.damaged_rows(segment, 1)
                continue
            if not (record["key"] == words).all() or opened.index.key_text(row) != key.text:
                continue
            if segment.is_tombstone:
                return
            yield segment, opened, record

    def _candidates(self, view: View, key: IndexKey) -> Iterator[tuple[int, int]]:
        """Yield segment and record number of the entries that may belong to a key, newest first."""
        newest = view.newest_entry(key)
        if newest is not None:
            yield newest
        key_index = view.key_index
        run = key_index.run(key.digest)
        if len(run) > _LONG_RUN:
            # Keys need not be random: padded counters, for instance, all share their first bytes.
            with suppress(DamagedSegmentError):
                run = run[bisect_left(run, key.digest, key=lambda at: self._key_at(key_index, at)) :]
                run = run[: bisect_right(run, key.digest, key=lambda at: self._key_at(key_index, at))]
        for at in run:
            yield key_index.entry(at)

    def _key_at(self, key_index: KeyIndex, at: int) -> bytes:
        number, record = key_index.entry(at)
        raw = self.open_partly(key_index.segments[number]).index.raw
        return bytes(raw[RECORD.itemsize * record :][:32])

    def keys(self, view: View, opened: Callable[[Segment], OpenSegment]) -> list[str]:
        """Return all keys of a view without overlay, in the order in which their newest rows were written."""
        key_index = view.key_index
        count = len(key_index.prefixes)
        digests = np.empty(count, "V32")
        stamps, rows = np.empty(count, "<u8"), np.empty(count, "<u4")
        texts: dict[int, bytes] = {}
        by_segment = np.argsort(key_index.segment_of, kind="stable")
        for of_it in np.split(by_segment, np.flatnonzero(np.diff(key_index.segment_of[by_segment])) + 1):
            if not len(of_it):
                continue
            segment = key_index.segments[key_index.segment_of[of_it[0]]]
            index = opened(segment).index
            records = index.records[key_index.record_of[of_it]]
            digests[of_it] = np.ascontiguousarray(records["key"]).view("V32")[:, 0]
            stamps[of_it], rows[of_it] = records["stamp"], records["row"]
            if index.key_ends is not None:
                for at, row in zip(of_it.tolist(), records["row"].tolist(), strict=True):
                    texts[at] = index.key_text(row)
        seen: set[IndexKey] = set()
        winners: list[tuple[int, str, int, str]] = []
        for at, digest in enumerate(digests.tolist()):
            key = IndexKey(digest, texts.get(at, b""))
            if key not in seen:
                seen.add(key)
                segment = key_index.segments[int(key_index.segment_of[at])]
                if not segment.is_tombstone:
                    winners.append((int(stamps[at]), segment.file, int(rows[at]), str(key)))
        winners.sort()
        return [key for *_, key in winners]
