"""Copying the live rows of some segments into a new one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.drivers.faults import UnreadableFilesError, unreadable
from embedonce.stores.places.ranges import Span, read_joined
from embedonce.stores.segments.format.layout import (
    DamagedSegmentError,
    SegmentRows,
    buffer_of,
    build_segment,
    parse_index,
    row_checksum,
)
from embedonce.stores.segments.format.names import Segment
from embedonce.stores.segments.lookup.key_index import KeyIndex
from embedonce.stores.segments.lookup.liveness import Liveness
from embedonce.stores.segments.writing.grouping import as_array

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Directory, Part
    from embedonce.stores.segments.files.files import SegmentFiles
    from embedonce.stores.segments.format.layout import Index

LONGEST = 12 * 3600.0
"""A merge that takes more seconds is not published. The machine may have slept, and tombstones of the rows that it has
read may be gone: they stay for a day."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The result of rewriting some segments.

    Attributes:
        segment: The new segment, None if no row is left.
        replaces: Files that the new segment replaces.
        damaged: Number of rows that are left out since they have failed their checksums.
    """

    segment: Segment | None
    replaces: frozenset[str]
    damaged: int


class Rewriter:
    """Copies rows into new segments; each row keeps its stamp.

    Args:
        directory: Where the files are.
        files: The open segments.
    """

    def __init__(self, directory: Directory, files: SegmentFiles) -> None:
        self._directory = directory
        self._files = files

    def check(self, segment: Segment) -> None:
        """Check the index of a segment again, since a rewritten row gets a new checksum.

        Raises:
            FileNotFoundError: It is gone.
            DamagedSegmentError: It is damaged.
            OSError: Any other fault of the place.
        """
        opened = self._files.open(segment)
        if opened.view is not None:
            parse_index(segment.name, opened.view)

    def key_index(self, segments: Sequence[Segment]) -> KeyIndex:
        """Return a key index of some segments; raises as `SegmentFiles.open` does."""
        return KeyIndex().extended(segments, lambda segment: self._index(segment).records)

    def liveness(self, key_index: KeyIndex, without: NDArray[np.bool_] | None = None) -> Liveness:
        """Return the state of the entries of a key index; raises as `SegmentFiles.open` does."""
        return Liveness.of(key_index, self._index, without)

    def selected(self, key_index: KeyIndex, entries: NDArray[np.bool_]) -> SelectedRows:
        """Return some entries in the order in which they were written; raises as `SegmentFiles.open` does."""
        return SelectedRows.of(key_index, np.flatnonzero(entries), self._index)

    def merged(self, segments: Sequence[Segment]) -> SegmentRows | None:
        """Return the live rows of some segments as if there were no others; raises as `SegmentFiles.open` does."""
        return self._rows(self.liveness(self.key_index(segments)), range(len(segments)))[0]

    def _index(self, segment: Segment) -> Index:
        return self._files.open(segment).index

    def rewrite(
        self,
        liveness: Liveness,
        numbers: Collection[int],
        *,
        listed: Collection[str],
        taken: float,
        present: Callable[[], Collection[str]],
        metadata: Callable[[], dict[str, str]],
        leave: NDArray[np.bool_] | None = None,
        dry_run: bool = False,
    ) -> Rewritten | None:
        """Write the live rows of some segments into a new one.

        The sources are left where they are.

        Args:
            liveness: The state of all rows.
            numbers: Numbers of the segments in its key index, all of one kind.
            listed: All files that existed when the place was listed.
            taken: When that was, in seconds since 1970.
            present: Returns the files that exist and are not replaced; called right before publishing.
            metadata: Returns the strings of the header.
            leave: Live entries that are not copied.
            dry_run: True to publish nothing.

        Returns:
            The result; None if nothing was done, since another process has changed these segments in the meantime, or
            since the new segment cannot be read back.

        Raises:
            FileNotFoundError: A segment is gone.
            DamagedSegmentError: A segment is damaged.
            OSError: Any other fault of the place.
        """
        sources = [liveness.key_index.segments[number] for number in numbers]
        files = {segment.file for segment in sources}
        # Files that a source has replaced must stay hidden when that source is gone.
        older = files.union(*(self._index(segment).replaces for segment in sources))
        replaces = files | (older & set(listed))
        rows, damaged = self._rows(liveness, numbers, sorted(replaces), leave)
        if rows is None:
            return Rewritten(None, frozenset(replaces), damaged)
        name, parts = build_segment(rows, metadata())
        segment = Segment(name, str(name))
        if not dry_run and not self._publish(segment, parts, files, taken, present):
            return None
        return Rewritten(segment, frozenset(replaces), damaged)

    def _publish(
        self,
        segment: Segment,
        parts: Sequence[Part],
        files: set[str],
        taken: float,
        present: Callable[[], Collection[str]],
    ) -> bool:
        if time.time() - taken > LONGEST or not files.issubset(present()):
            return False
        self._directory.put(segment.file, parts)
        self._directory.sync(segment.file)
        if not self._directory.has_views:
            self._files.published(segment, parts)
        elif not self.is_whole(segment):
            self._directory.delete(segment.file)
            self._files.forget(segment.file)
            return False
        return True

    def is_whole(self, segment: Segment) -> bool:
        """Read a segment back: its index, and its rows too where that takes no request; False if it cannot be read."""
        name = segment.name
        try:
            if not self._directory.has_views:
                (block,) = self._directory.get_ranges([segment.file], [0], [name.index_end])
                if isinstance(block, Exception):
                    raise unreadable(segment.file, block)
                parse_index(name, block)
                return True
            opened = self._files.open(segment)
            if opened.view is None:
                return False
            index, view = parse_index(name, opened.view), opened.view
        except (FileNotFoundError, DamagedSegmentError, UnreadableFilesError):
            return False
        start, records = name.values_start, index.records
        spans = _spans(segment, index, records["row"].tolist())
        keys, crcs = _keys(records), records["crc"].tolist()
        return all(
            row_checksum(view[start + begin : start + end], key) == crc
            for (begin, end), key, crc in zip(spans, keys, crcs, strict=True)
        )

    def _rows(
        self,
        liveness: Liveness,
        numbers: Collection[int],
        replaces: Sequence[str] = (),
        leave: NDArray[np.bool_] | None = None,
    ) -> tuple[SegmentRows | None, int]:
        """Return the live rows of some segments, in the order in which they were written.

        A row that fails its checksum is replaced by the next older one of its key.

        Returns:
            The rows, None if there are none; and the number of damaged ones.
        """
        key_index = liveness.key_index
        damaged = np.zeros(len(key_index.prefixes), bool)
        while True:
            wanted = liveness.kept(numbers) & ~damaged
            if leave is not None:
                wanted &= ~leave
            selected = self.selected(key_index, wanted)
            values = self._values(selected)
            good = _good(values, selected)
            if good.all():
                break
            damaged[selected.entries[~good]] = True
            liveness = self.liveness(key_index, damaged)
        if not len(selected.entries):
            return None, int(damaged.sum())
        layout = selected.sources[0][0].name.kind
        if layout in ("raw", "var") and isinstance(values, list):
            is_raw = len({len(data) for data in values}) == 1 and len(values[0]) > 0
            layout = "raw" if is_raw else "var"
            values = as_array("raw", values) if is_raw else values
        digests = np.ascontiguousarray(selected.records["key"]).tobytes()
        stamps = np.ascontiguousarray(selected.records["stamp"])
        written = None if layout == "del" else values
        return SegmentRows(layout, digests, selected.texts, stamps, written, replaces), int(damaged.sum())

    def _values(self, selected: SelectedRows) -> NDArray[Any] | list[Part]:
        """Read rows: an array of shape (n, d) for vectors, else a list; b"" for a row that cannot be read."""
        values: list[Part] = [b""] * len(selected.entries)
        name = selected.sources[0][0].name if selected.sources else None
        if name is None or name.kind == "del":
            return values
        matrix = np.zeros((len(values), name.dimensions), name.dtype) if name.dtype is not None else None
        flat, stride = buffer_of(matrix) if matrix is not None else memoryview(b""), name.stride
        spans: list[Span] = []
        places: list[int] = []
        for segment, members in selected.sources:
            opened = self._files.open(segment)
            rows = selected.records["row"][members]
            if matrix is not None and opened.values is not None:
                matrix[members] = opened.values.take(rows, axis=0)
                continue
            for place, (begin, end) in zip(members.tolist(), _spans(segment, opened.index, rows.tolist()), strict=True):
                start = segment.name.values_start
                if opened.view is not None:
                    # A copy, since a slice would keep the map and its descriptor open.
                    values[place] = bytes(opened.view[start + begin : start + end])
                else:
                    spans.append(Span(segment.file, start + begin, start + end))
                    places.append(place)
        for number, data in read_joined(self._directory, spans):
            if data is None:
                continue
            place = places[number]
            if matrix is not None:
                flat[place * stride : (place + 1) * stride] = data
            else:
                values[place] = bytes(data)
        return values if matrix is None else matrix


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """Entries of a key index in the order in which they were written.

    Attributes:
        entries: Their numbers.
        records: Their index records.
        texts: The key of each, b"" for a digest key.
        sources: The segments, and which of the entries are in each.
    """

    entries: NDArray[np.intp]
    records: NDArray[Any]
    texts: list[bytes]
    sources: list[tuple[Segment, NDArray[np.intp]]]

    @classmethod
    def of(cls, key_index: KeyIndex, entries: NDArray[np.intp], index_of: Callable[[Segment], Index]) -> SelectedRows:
        """Look up some entries; errors of opening a segment are passed on."""
        by_segment = entries[np.argsort(key_index.segment_of[entries], kind="stable")]
        parts: list[NDArray[Any]] = []
        texts: list[bytes] = []
        segments: list[tuple[Segment, int]] = []
        cuts = np.flatnonzero(np.diff(key_index.segment_of[by_segment])) + 1
        for of_it in np.split(by_segment, cuts) if len(entries) else []:
            segment = key_index.segments[key_index.segment_of[of_it[0]]]
            index = index_of(segment)
            records = index.records[key_index.record_of[of_it]]
            parts.append(records)
            texts += (
                [index.key_text(row) for row in records["row"].tolist()] if segment.name.keyed else [b""] * len(of_it)
            )
            segments.append((segment, len(of_it)))
        if not parts:
            return cls(entries, np.empty(0, [("row", "<u4")]), [], [])
        records = np.concatenate(parts)
        files = sorted(segment.file for segment, _ in segments)
        file_of = np.repeat([files.index(segment.file) for segment, _ in segments], [count for _, count in segments])
        order = np.lexsort((records["row"], file_of, records["stamp"]))
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        ends = np.cumsum([count for _, count in segments])[:-1]
        members = np.split(place, ends)
        return cls(
            by_segment[order],
            records[order],
            [texts[i] for i in order.tolist()],
            [(segment, member) for (segment, _), member in zip(segments, members, strict=True)],
        )


def _good(values: NDArray[Any] | list[Part], selected: SelectedRows) -> NDArray[np.bool_]:
    """Return which rows pass their checksums."""
    if not len(selected.entries):
        return np.ones(0, bool)
    data: list[Part] | Iterator[Part]
    if isinstance(values, np.ndarray):
        flat, stride = buffer_of(values), values.shape[1] * values.itemsize
        data = (flat[start : start + stride] for start in range(0, len(flat), stride))
    else:
        data = values
    keys, crcs = _keys(selected.records), selected.records["crc"].tolist()
    return np.fromiter(
        (row_checksum(row, key) == crc for row, key, crc in zip(data, keys, crcs, strict=True)), bool, len(crcs)
    )


def _keys(records: NDArray[Any]) -> list[bytes]:
    """Return the first eight bytes of the keys of records; a checksum uses four of them."""
    words = np.ascontiguousarray(records["key"][:, 0]).tobytes()
    return [words[start : start + 8] for start in range(0, len(words), 8)]


def _spans(segment: Segment, index: Index, rows: Sequence[int]) -> list[tuple[int, int]]:
    """Return start and end of some rows, counted from the first row of their segment."""
    if segment.name.kind == "var":
        return [index.value_span(row) for row in rows]
    return [(row * segment.name.stride, (row + 1) * segment.name.stride) for row in rows]
