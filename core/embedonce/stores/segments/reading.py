"""Reading rows: every byte that is returned has passed its checksum; damage is a miss, an outage an error."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left, bisect_right
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedonce.codecs import Envelope, Row
from embedonce.stores.segments.format import DamagedSegmentError, buffer_of, row_checksum
from embedonce.stores.segments.names import RECORD
from embedonce.stores.segments.ranges import read_ranges
from embedonce.stores.segments.view import IndexKey, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files import OpenSegment, SegmentFiles
    from embedonce.stores.segments.io import SegmentIO
    from embedonce.stores.segments.snapshot import Segment, Snapshot
    from embedonce.vectors import Gathered


_ROW_AND_CRC = struct.Struct("<II")
_FIRST = np.zeros(1, np.intp)
_LONG_RUN = 16


class DamageReport(Protocol):
    """Where a reader says what it found."""

    def damaged_segment(self, segment: Segment, what: str) -> None:
        """A segment is unusable as a whole."""

    def damaged_rows(self, segment: Segment, count: int) -> None:
        """Some rows of a segment failed their checksums."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows of one segment that are to be read for the keys at some positions."""

    segment: Segment
    opened: OpenSegment
    positions: NDArray[np.intp]
    records: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads rows out of the segments of a view. A `FileNotFoundError` means: refresh the view and ask again."""

    io: SegmentIO
    files: SegmentFiles
    report: DamageReport

    def gather(self, view: View, digests: Sequence[bytes], into: Gathered) -> None:
        """Collect the vectors of digest keys; rows of other dimensions than `into.dimensions` are not found."""
        if len(digests) == 1 and self._gather_one(view, digests[0], into):
            return
        keys = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 4)
        todo = np.flatnonzero(~into.found)
        segment_of, record_of = view.first_candidates(digests, keys, todo)
        present = segment_of >= 0
        todo, segment_of, record_of = todo[present], segment_of[present], record_of[present]
        if not len(todo):
            return
        rest: list[int] = []
        requested: list[_Found] = []
        order = np.argsort(segment_of, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(segment_of[order])) + 1):
            segment, positions = view.segment(int(segment_of[members[0]])), todo[members]
            opened = self._typed(segment, into.dimensions)
            if opened is None:
                rest.extend(positions.tolist())
                continue
            records = opened.index.records[record_of[members]]
            same = (records["key"] == keys[positions]).all(axis=1) & (records["row"] < segment.name.rows)
            rest.extend(positions[~same].tolist())
            if not same.any():
                continue
            one = _Found(segment, opened, positions[same], records[same])
            if opened.values is None:
                requested.append(one)
            else:
                # At once, since an open map costs a descriptor.
                rest += self._take(one, opened.values.take(one.records["row"], axis=0), digests, into)
        if requested:
            for one, block in zip(requested, self._blocks(requested), strict=True):
                rest += self._take(one, block, digests, into)
        if rest:
            self._gather_slowly(view, digests, rest, into)

    def _take(self, one: _Found, block: NDArray[Any], digests: Sequence[bytes], into: Gathered) -> list[int]:
        """Take the rows that pass their checksums; return the positions of the others."""
        good = _verified(block, [digests[i] for i in one.positions.tolist()], one.records["crc"].tolist())
        if good.all():
            into.put(one.positions, block)
            return []
        # Counted where they are looked at again.
        into.put(one.positions[good], block[good])
        bad: list[int] = one.positions[~good].tolist()
        return bad

    def _gather_one(self, view: View, digest: bytes, into: Gathered) -> bool:
        """Collect one vector, many times faster than a batch of one; False if that needs more than one look."""
        candidate = view.first_candidate(digest)
        if candidate is None:
            return True
        segment, record = candidate
        opened = self._typed(segment, into.dimensions)
        if opened is None or opened.values is None:
            return False
        raw, at = opened.index.raw, RECORD.itemsize * record
        row, crc = _ROW_AND_CRC.unpack_from(raw, at + 40)
        if raw[at : at + 32] != digest or row >= segment.name.rows:
            return False
        block = opened.values[row : row + 1].copy()
        if row_checksum(buffer_of(block), digest) != crc:
            return False
        into.put(_FIRST, block)
        return True

    def _typed(self, segment: Segment, dimensions: int | None) -> OpenSegment | None:
        """Return a segment if it holds nothing but vectors of some length under digest keys."""
        name = segment.name
        if name.dtype is None or name.keyed or name.dimensions != dimensions:
            return None
        try:
            return self.files.open(segment)
        except DamagedSegmentError as error:
            self.report.damaged_segment(segment, str(error))
            return None

    def _gather_slowly(self, view: View, digests: Sequence[bytes], rest: list[int], into: Gathered) -> None:
        """Try all candidates of the keys whose first one was no answer: a shared prefix, damage, a deleted key."""
        for position, row in zip(rest, self.read(view, [IndexKey(digests[i]) for i in rest]), strict=True):
            typed = Envelope.open(row) if isinstance(row, bytes) else row
            if typed is None:
                continue
            vector = typed.vector()
            if into.dimensions is None:
                into.dimensions = len(vector)
            if len(vector) == into.dimensions:
                into.put(np.array([position]), vector[np.newaxis])

    def _blocks(self, found: Sequence[_Found]) -> Iterator[NDArray[Any]]:
        """Return the rows of segments that are not mapped, requested in one go."""
        wanted = [
            (one.segment.file, one.segment.name.values_start + row * one.segment.name.stride, one.segment.name.stride)
            for one in found
            for row in one.records["row"].tolist()
        ]
        data = iter(read_ranges(self.io, wanted))
        for one in found:
            rows = b"".join(next(data) for _ in range(len(one.records)))
            yield np.frombuffer(rows, one.segment.name.dtype).reshape(-1, one.segment.name.dimensions)

    def read(self, view: View, keys: Sequence[IndexKey]) -> list[Row | bytes | None]:
        """Return the newest undamaged row of each key: a typed row, opaque bytes, or None."""
        rows: list[Row | bytes | None] = [None] * len(keys)
        pending = {i: self.walk(view, key) for i, key in enumerate(keys)}
        while pending:
            requested: list[tuple[int, Segment, int, tuple[str, int, int]]] = []
            for i, walk in list(pending.items()):
                for segment, opened, record in walk:
                    begin, end = _span(segment, opened, int(record["row"]))
                    start, crc = segment.name.values_start, int(record["crc"])
                    if opened.view is None:
                        requested.append((i, segment, crc, (segment.file, start + begin, end - begin)))
                        break
                    rows[i] = self._row(segment, opened.view[start + begin : start + end], keys[i], crc)
                    if rows[i] is not None:
                        del pending[i]
                        break
                else:
                    del pending[i]
            if requested:
                spans = read_ranges(self.io, [span for *_, span in requested])
                for (i, segment, crc, _), data in zip(requested, spans, strict=True):
                    rows[i] = self._row(segment, data, keys[i], crc)
                    if rows[i] is not None:
                        del pending[i]
        return rows

    def _row(self, segment: Segment, data: bytes | memoryview, key: IndexKey, crc: int) -> Row | bytes | None:
        """Return a copy of a row if it passes its checksum."""
        if row_checksum(data, key.digest) != crc:
            self.report.damaged_rows(segment, 1)
            return None
        dtype = segment.name.dtype
        return bytes(data) if dtype is None else Row(dtype, bytes(data))

    def walk(self, view: View, key: IndexKey) -> Iterator[tuple[Segment, OpenSegment, Any]]:
        """Yield the rows of a key as (segment, open segment, record), newest first, up to its tombstone."""
        words = np.frombuffer(key.digest, "<u8")
        for segment_number, record_number in self._candidates(view, key):
            segment = view.segment(segment_number)
            try:
                opened = self.files.open(segment)
            except DamagedSegmentError as error:
                self.report.damaged_segment(segment, str(error))
                continue
            record = opened.index.records[record_number]
            row = int(record["row"])
            if record["key"][0] != words[0] or row >= segment.name.rows:
                # The record was another one when the segment was opened.
                self.report.damaged_rows(segment, 1)
                continue
            if not (record["key"] == words).all() or opened.index.key_text(row) != key.text:
                continue
            if segment.is_tombstone:
                return
            yield segment, opened, record

    def _candidates(self, view: View, key: IndexKey) -> Iterator[tuple[int, int]]:
        """Yield segment and record number of the entries that may be a key's, newest first."""
        newest = view.newest_entry(key)
        if newest is not None:
            yield newest
        snapshot = view.snapshot
        run = snapshot.run(key.digest)
        if len(run) > _LONG_RUN:
            # Keys need not be random: those that are padded counters all share their first bytes.
            with suppress(DamagedSegmentError):
                run = run[bisect_left(run, key.digest, key=lambda at: self._key_at(snapshot, at)) :]
                run = run[: bisect_right(run, key.digest, key=lambda at: self._key_at(snapshot, at))]
        for at in run:
            yield snapshot.entry(at)

    def _key_at(self, snapshot: Snapshot, at: int) -> bytes:
        number, record = snapshot.entry(at)
        raw = self.files.open(snapshot.segments[number]).index.raw
        return bytes(raw[RECORD.itemsize * record :][:32])

    def keys(self, view: View, opened: Callable[[Segment], OpenSegment]) -> list[str]:
        """Return all keys of a view without overlay, in the order in which their winning rows were written."""
        snapshot = view.snapshot
        count = len(snapshot.prefixes)
        digests = np.empty(count, "V32")
        stamps, rows = np.empty(count, "<u8"), np.empty(count, "<u4")
        texts: dict[int, bytes] = {}
        by_segment = np.argsort(snapshot.segment_of, kind="stable")
        for of_it in np.split(by_segment, np.flatnonzero(np.diff(snapshot.segment_of[by_segment])) + 1):
            if not len(of_it):
                continue
            segment = snapshot.segments[snapshot.segment_of[of_it[0]]]
            index = opened(segment).index
            records = index.records[snapshot.record_of[of_it]]
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
                segment = snapshot.segments[int(snapshot.segment_of[at])]
                if not segment.is_tombstone:
                    winners.append((int(stamps[at]), segment.file, int(rows[at]), str(key)))
        winners.sort()
        return [key for *_, key in winners]


def _span(segment: Segment, opened: OpenSegment, row: int) -> tuple[int, int]:
    """Start and end of a row, counted from the first one."""
    if segment.name.kind == "var":
        return opened.index.value_span(row)
    return row * segment.name.stride, (row + 1) * segment.name.stride


def _verified(block: NDArray[Any], digests: Sequence[bytes], crcs: Sequence[int]) -> NDArray[np.bool_]:
    """Return which rows of a C-contiguous block pass their checksums."""
    crc32, stride = zlib.crc32, block.shape[1] * block.itemsize
    data = buffer_of(block)
    return np.fromiter(
        (
            crc32(digest[:4], crc32(data[start : start + stride])) == crc
            for digest, crc, start in zip(digests, crcs, range(0, len(data), stride), strict=True)
        ),
        bool,
        len(crcs),
    )
