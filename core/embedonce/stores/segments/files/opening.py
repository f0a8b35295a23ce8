"""Opening segments: what is read for it, how it is checked, and what stays of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.places.ranges import Span, ask, read_spans
from embedonce.stores.segments.format.layout import (
    DamagedSegmentError,
    Index,
    parse_header,
    parse_index,
    parse_replaces,
)
from embedonce.stores.segments.format.names import DATA_START, RECORD
from embedonce.stores.segments.lookup.sparse_index import SparseIndex, can_be_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Directory, Part
    from embedonce.stores.segments.files.tier import Mirror, Tier
    from embedonce.stores.segments.format.names import Segment, SegmentName

SMALL = 64 << 10
"""A distant segment up to this size is read with one request and kept whole."""


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment whose index has been checked.

    Attributes:
        name: Its name.
        index: The index block.
        view: The whole file, None if rows must be read by range.
        values: Typed rows as an array of shape (n, d) over `view`, else None.
        mirror: What the local tier has of it, if it is there and not in memory.
        sparse_index: What is loaded of its index if that is not all, else None.
        source: What copying a row takes, if there are `values`: the records, `view`, and start and number of its rows.
    """

    name: SegmentName
    index: Index
    view: memoryview | None = None
    values: NDArray[Any] | None = None
    mirror: Mirror | None = None
    sparse_index: SparseIndex | None = None
    source: tuple[memoryview, memoryview, int, int] | None = None

    @property
    def is_mapped(self) -> bool:
        """True if it holds a file descriptor."""
        return self.mirror is not None or (self.view is not None and not isinstance(self.view.obj, bytes))

    def row_start(self, row: int) -> int:
        """Return where a row starts in the file; for the number behind the last one, where the rows end."""
        ends = self.index.value_ends
        offset = row * self.name.stride if ends is None else int(ends[row - 1]) if row else 0
        return self.name.values_start + offset


def open_whole(
    name: SegmentName, view: memoryview, index: Index | None = None, mirror: Mirror | None = None
) -> OpenSegment:
    """Open a segment all of whose bytes are there.

    Args:
        name: Its name.
        view: The bytes.
        index: Its index block if that has been checked.
        mirror: The local file that the bytes are in.

    Raises:
        DamagedSegmentError: They are not what the name says.
    """
    if len(view) != name.size:
        msg = f"{len(view)} bytes instead of {name.size}"
        raise DamagedSegmentError(msg)
    index = index or parse_index(name, view)
    values = source = None
    if name.dtype is not None:
        values = np.frombuffer(view, name.dtype, name.rows * name.dimensions, name.values_start)
        values = values.reshape(name.rows, name.dimensions)
        source = index.raw, view, name.values_start, name.rows
    return OpenSegment(name, index, view, values, mirror, source=source)


class Opener:
    """Opens segments of a place that can only be read by range.

    Args:
        directory: The place.
        tier: Where what is read is mirrored.
    """

    def __init__(self, directory: Directory, tier: Tier | None) -> None:
        self._directory = directory
        self._tier = tier

    def open(self, segment: Segment) -> OpenSegment:
        """Open a segment with its whole index; what is damaged is read once more.

        Raises:
            FileNotFoundError: It is gone.
            DamagedSegmentError: It is damaged.
            Exception: Any other fault of the place.
        """
        opened, mirror = self._mirrored(segment)
        if opened is not None:
            return opened
        try:
            return self._read(segment, mirror)
        except DamagedSegmentError:
            return self._read(segment, mirror)

    def open_all(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, OpenSegment]]:
        """Yield those segments that can be opened, without the whole of a huge index, with few requests."""
        unread: list[tuple[Segment, Mirror | None, range]] = []
        spans: list[Span] = []
        for segment in segments:
            opened, mirror = self._mirrored(segment)
            if opened is not None:
                yield segment, opened
                continue
            first = len(spans)
            spans += _header_spans(segment) if can_be_sparse(segment.name) else [_index_span(segment)]
            unread.append((segment, mirror, range(first, len(spans))))
        blocks = {number: answer for number, answer in ask(self._directory, spans) if isinstance(answer, bytes)}
        for segment, mirror, numbers in unread:
            if not all(number in blocks for number in numbers):
                continue
            parts = [blocks.pop(number) for number in numbers]
            try:
                opened = _open_sparse(segment, *parts) if can_be_sparse(segment.name) else None
                yield segment, opened or self._built(segment, parts[0], mirror)
            except DamagedSegmentError:
                continue

    def published(self, segment: Segment, parts: Sequence[Part]) -> OpenSegment:
        """Open a segment that this process has just written, and mirror all of it."""
        if self._tier is not None:
            self._tier.keep_whole(segment, parts)
        name, block = segment.name, _leading(parts, _index_span(segment).end)
        if name.size <= SMALL:
            return open_whole(name, memoryview(block))
        mirrored, _ = self._mirrored(segment)
        return mirrored or OpenSegment(name, parse_index(name, block))

    def _read(self, segment: Segment, mirror: Mirror | None) -> OpenSegment:
        ((_, block),) = read_spans(self._directory, [_index_span(segment)])
        if block is None:
            msg = "it is shorter than its name says"
            raise DamagedSegmentError(msg)
        return self._built(segment, block, mirror)

    def _built(self, segment: Segment, block: bytes, mirror: Mirror | None) -> OpenSegment:
        """Open a segment from what `_index_span` asks for."""
        name = segment.name
        if name.size <= SMALL:
            opened = open_whole(name, memoryview(block))
            if self._tier is not None:
                self._tier.keep_whole(segment, [block])
            return opened
        index = parse_index(name, block)
        if mirror is not None:
            mirror.keep_index(block)
            mapped = mirror.index()
            if mapped is not None:
                index = parse_index(name, mapped)
        return OpenSegment(name, index, mirror=mirror)

    def _mirrored(self, segment: Segment) -> tuple[OpenSegment | None, Mirror | None]:
        """Return a segment whose index is in the local tier, and else where to mirror it."""
        if self._tier is None:
            return None, None
        name, mirror = segment.name, None
        try:
            if name.size <= SMALL:
                data = self._tier.whole(segment)
                return (open_whole(name, memoryview(data)) if data is not None else None), None
            mirror = self._tier.open(segment)
            block = mirror.index() if mirror is not None else None
            if mirror is None or block is None:
                return None, mirror
            index = parse_index(name, block)
            if mirror.is_whole:
                return open_whole(name, mirror.map, index, mirror), mirror
            return OpenSegment(name, index, mirror=mirror), mirror
        except DamagedSegmentError:
            return None, mirror


def _leading(parts: Sequence[Part], size: int) -> bytes:
    """Return the first bytes of something in parts."""
    taken: list[Part] = []
    for part in parts:
        taken.append(part[:size])
        size -= len(taken[-1])
        if not size:
            break
    return b"".join(taken)


def _index_span(segment: Segment) -> Span:
    name = segment.name
    return Span(segment.file, 0, name.size if name.size <= SMALL else name.index_end)


def _header_spans(segment: Segment) -> list[Span]:
    """Return what is read of a huge segment at first: its header, and the names that it replaces."""
    name = segment.name
    replaces = DATA_START + RECORD.itemsize * name.rows
    spans = [Span(segment.file, 0, DATA_START)]
    if replaces < name.index_end:
        spans.append(Span(segment.file, replaces, name.index_end))
    return spans


def _open_sparse(segment: Segment, header: bytes, replaces: bytes = b"") -> OpenSegment:
    metadata = parse_header(segment.name, header)
    sparse_index = SparseIndex(segment)
    index = Index(
        metadata, sparse_index.records, sparse_index.raw, None, memoryview(b""), None, parse_replaces(replaces)
    )
    return OpenSegment(segment.name, index, sparse_index=sparse_index)
