"""Opening segments: what is read, how it is checked, and what stays in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.drivers.faults import unreadable
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
"""A distant segment up to this size is read with one request, and all of it is kept."""


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment whose index has been checked.

    Attributes:
        name: Its name.
        index: The index block.
        view: The whole file, None if rows must be read by range.
        values: Typed rows as an array of shape (n, d) over `view`, else None.
        mirror: The part of it that the local tier has; None if there is none, or if all of it is in memory.
        sparse_index: The loaded part of its index, None if all of it is loaded.
        source: What copying a row needs, if there are `values`: the records, `view`, and start and number of its rows.
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
        """True if it takes a file descriptor."""
        return self.mirror is not None or (self.view is not None and not isinstance(self.view.obj, bytes))

    def row_start(self, row: int) -> int:
        """Return where a row starts in the file; for the number of rows, where the last one ends."""
        ends = self.index.value_ends
        offset = row * self.name.stride if ends is None else int(ends[row - 1]) if row else 0
        return self.name.values_start + offset


def open_whole(
    name: SegmentName, view: memoryview, index: Index | None = None, mirror: Mirror | None = None
) -> OpenSegment:
    """Open a segment of which all bytes are available.

    Args:
        name: Its name.
        view: The bytes.
        index: Its index block if that has been checked.
        mirror: The local file with the bytes.

    Raises:
        DamagedSegmentError: The bytes are not what the name says.
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
        directory: Where the files are.
        tier: Keeps what is read on the local disk.
    """

    def __init__(self, directory: Directory, tier: Tier | None) -> None:
        self._directory = directory
        self._tier = tier

    def open(self, segment: Segment) -> OpenSegment:
        """Open a segment with its whole index; a damaged index is read once more.

        Raises:
            FileNotFoundError: It is gone.
            DamagedSegmentError: It is damaged.
            Exception: Any other fault of the place.
        """
        opened, mirror = self._from_tier(segment)
        if opened is not None:
            return opened
        try:
            return self._read(segment, mirror)
        except DamagedSegmentError:
            return self._read(segment, mirror)

    def open_all(
        self, segments: Sequence[Segment], faults: dict[str, Exception]
    ) -> Iterator[tuple[Segment, OpenSegment]]:
        """Yield the segments that can be opened, with few requests; of a huge index only the header is read.

        Args:
            segments: The segments.
            faults: Gets what the place has answered for files that cannot be read.
        """
        unread: list[tuple[Segment, Mirror | None, range]] = []
        spans: list[Span] = []
        for segment in segments:
            opened, mirror = self._from_tier(segment)
            if opened is not None:
                yield segment, opened
                continue
            first = len(spans)
            spans += _header_spans(segment) if can_be_sparse(segment.name) else [_index_span(segment)]
            unread.append((segment, mirror, range(first, len(spans))))
        blocks: dict[int, bytes] = {}
        for number, answer in ask(self._directory, spans):
            if isinstance(answer, bytes):
                blocks[number] = answer
            elif answer is not None:
                faults[spans[number].file] = unreadable(spans[number].file, answer)
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
        mirrored, _ = self._from_tier(segment)
        return mirrored or OpenSegment(name, parse_index(name, block))

    def mirrored(self, segment: Segment) -> OpenSegment | None:
        """Open a segment whose index is in the local tier; None if it is not, or if it is damaged there."""
        return self._from_tier(segment)[0]

    def _read(self, segment: Segment, mirror: Mirror | None) -> OpenSegment:
        ((_, block),) = read_spans(self._directory, [_index_span(segment)])
        if block is None:
            msg = "it is shorter than its name says"
            raise DamagedSegmentError(msg)
        return self._built(segment, block, mirror)

    def _built(self, segment: Segment, block: bytes, mirror: Mirror | None) -> OpenSegment:
        """Open a segment from the bytes of its `_index_span`."""
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

    def _from_tier(self, segment: Segment) -> tuple[OpenSegment | None, Mirror | None]:
        """Return a segment whose index is in the local tier, else None; and its mirror."""
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
    """Return the first bytes of a file in parts."""
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
    """Return what is read first of a huge segment: its header, and the names of the segments that it replaces."""
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
