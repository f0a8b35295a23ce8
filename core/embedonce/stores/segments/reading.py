"""Reading rows: every byte that is returned has passed its checksum; damage is a miss, an outage an error."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedonce.codecs import Envelope, Row
from embedonce.stores.segments.format import DamagedSegmentError, row_checksum
from embedonce.stores.segments.view import IndexKey, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files import OpenSegment, SegmentFiles
    from embedonce.stores.segments.io import SegmentIO
    from embedonce.stores.segments.snapshot import Segment
    from embedonce.vectors import Gathered


class DamageReport(Protocol):
    """Where a reader says what it found."""

    def damaged_segment(self, segment: Segment, what: str) -> None:
        """A segment is unusable as a whole."""

    def damaged_rows(self, segment: Segment, count: int) -> None:
        """Some rows of a segment failed their checksums."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads rows out of the segments of a view. A `FileNotFoundError` means: refresh the view and ask again."""

    io: SegmentIO
    files: SegmentFiles
    report: DamageReport

    def gather(self, view: View, digests: Sequence[bytes], into: Gathered) -> None:
        """Collect the vectors of digest keys; rows of other dimensions than `into.dimensions` are not found."""
        keys = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 4)
        todo = np.flatnonzero(~into.found)
        segment_of, record_of = view.first_candidates(digests, keys, todo)
        present = segment_of >= 0
        todo, segment_of, record_of = todo[present], segment_of[present], record_of[present]
        if not len(todo):
            return
        rest: list[int] = []
        order = np.argsort(segment_of, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(segment_of[order])) + 1):
            segment = view.segment(int(segment_of[members[0]]))
            left = self._gather_from(segment, digests, keys, todo[members], record_of[members], into)
            rest.extend(left)
        if rest:
            self._gather_slowly(view, digests, rest, into)

    def _gather_from(
        self,
        segment: Segment,
        digests: Sequence[bytes],
        keys: NDArray[np.uint64],
        positions: NDArray[np.intp],
        record_numbers: NDArray[np.uint32],
        into: Gathered,
    ) -> list[int]:
        """Collect rows of one segment; return the positions whose first candidate was no answer."""
        if segment.name.dtype is None or segment.name.keyed or segment.name.dimensions != into.dimensions:
            return positions.tolist()
        try:
            opened = self.files.open(segment)
        except DamagedSegmentError as error:
            self.report.damaged_segment(segment, str(error))
            return positions.tolist()
        records = opened.index.records[record_numbers]
        same = (records["key"] == keys[positions]).all(axis=1)
        rest: list[int] = positions[~same].tolist()
        positions, records = positions[same], records[same]
        if not len(positions):
            return rest
        block = self._block(segment, opened, records["row"])
        good = _verified(block, [digests[i] for i in positions.tolist()], records["crc"].tolist())
        if not good.all():
            self.report.damaged_rows(segment, int((~good).sum()))
            rest.extend(positions[~good].tolist())
            block, positions = block[good], positions[good]
        into.put(positions, block)
        return rest

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

    def _block(self, segment: Segment, opened: OpenSegment, rows: NDArray[np.uint32]) -> NDArray[Any]:
        """Return rows of a typed segment as a new array."""
        if opened.values is not None:
            block: NDArray[Any] = opened.values.take(rows, axis=0)
            return block
        name = segment.name
        starts = [name.values_start + row * name.stride for row in rows.tolist()]
        data = self._spans([(segment, opened, start, name.stride) for start in starts])
        return np.frombuffer(b"".join(data), name.dtype).reshape(len(rows), name.dimensions)

    def read(self, view: View, keys: Sequence[IndexKey]) -> list[Row | bytes | None]:
        """Return the newest undamaged row of each key: a typed row, opaque bytes, or None."""
        rows: list[Row | bytes | None] = [None] * len(keys)
        walks = {i: self.walk(view, key) for i, key in enumerate(keys)}
        while walks:
            spans, reading = [], []
            for i, walk in list(walks.items()):
                step = next(walk, None)
                if step is None:
                    del walks[i]
                    continue
                segment, opened, record = step
                begin, end = _span(segment, opened, int(record["row"]))
                spans.append((segment, opened, segment.name.values_start + begin, end - begin))
                reading.append((i, segment, int(record["crc"])))
            for (i, segment, crc), data in zip(reading, self._spans(spans), strict=True):
                if row_checksum(data, keys[i].digest) != crc:
                    self.report.damaged_rows(segment, 1)
                    continue
                del walks[i]
                dtype = segment.name.dtype
                rows[i] = bytes(data) if dtype is None else Row(dtype, bytes(data))
        return rows

    def walk(self, view: View, key: IndexKey) -> Iterator[tuple[Segment, OpenSegment, Any]]:
        """Yield the rows of a key as (segment, open segment, record), newest first, up to its tombstone."""
        words = np.frombuffer(key.digest, "<u8")
        for segment_number, record_number in view.entries(key.digest):
            segment = view.segment(segment_number)
            try:
                opened = self.files.open(segment)
            except DamagedSegmentError as error:
                self.report.damaged_segment(segment, str(error))
                continue
            record = opened.index.records[record_number]
            if not (record["key"] == words).all() or opened.index.key_text(int(record["row"])) != key.text:
                continue
            if segment.is_tombstone:
                return
            yield segment, opened, record

    def _spans(self, spans: Sequence[tuple[Segment, OpenSegment, int, int]]) -> list[bytes | memoryview]:
        """Return (start, size) of segments: views where there are maps, the others by one request."""
        answers: list[bytes | memoryview] = [
            b"" if opened.view is None else opened.view[start : start + size] for _, opened, start, size in spans
        ]
        remote = [i for i, (_, opened, *_) in enumerate(spans) if opened.view is None]
        if remote:
            from embedonce.stores.segments.ranges import read_ranges

            wanted = [(spans[i][0].file, spans[i][2], spans[i][3]) for i in remote]
            for i, data in zip(remote, read_ranges(self.io, wanted), strict=True):
                answers[i] = data
        return answers

    def keys(self, view: View) -> list[str]:
        """Return all keys of a view without overlay, in the order in which their winning rows were written."""
        snapshot = view.snapshot
        count = len(snapshot.prefixes)
        digests = np.empty(count, "V32")
        stamps, rows = np.empty(count, "<u8"), np.empty(count, "<u4")
        texts: dict[int, bytes] = {}
        for number, segment in enumerate(snapshot.segments):
            of_it = np.flatnonzero(snapshot.segment_of == number)
            index = self.files.open(segment).index
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
    data = memoryview(block).cast("B")
    return np.fromiter(
        (
            crc32(digest[:4], crc32(data[start : start + stride])) == crc
            for digest, crc, start in zip(digests, crcs, range(0, len(data), stride), strict=True)
        ),
        bool,
        len(crcs),
    )
