"""Opened segments: checked once per process, kept while there is room, opened again on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.locks import ForkLock
from embedonce.stores.segments.format import DamagedSegmentError, Index, parse_index, view_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedonce.stores.segments.io import SegmentIO
    from embedonce.stores.segments.snapshot import Segment

_KEPT_IN_MEMORY = 1024


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment whose index has been checked.

    Attributes:
        index: The index block.
        view: The whole file, None if rows must be read by range.
        values: Typed rows as an array of shape (n, d) over `view`, else None.
    """

    index: Index
    view: memoryview | None
    values: NDArray[Any] | None


class SegmentFiles:
    """The segments of one space that are open."""

    def __init__(self, io: SegmentIO) -> None:
        self._io = io
        self._open: dict[str, OpenSegment] = {}
        # Files by age, as dicts keep their order: maps cost a descriptor each, the others memory.
        self._mapped: dict[str, None] = {}
        self._in_memory: dict[str, None] = {}
        self._checked: set[str] = set()
        self._limit = io.descriptors()
        self._lock = ForkLock()

    def open(self, segment: Segment) -> OpenSegment:
        """Return an open segment.

        Raises:
            FileNotFoundError: It is gone, probably merged into another one.
            DamagedSegmentError: Its bytes are not what its name says.
            OSError: Any other fault of the place.
        """
        opened = self._open.get(segment.file)
        if opened is None:
            opened = self._opened(segment, self._io.view(segment.file))
            self.keep(segment, opened)
        elif opened.view is not None and not self._io.is_current(opened.view):
            self.forget(segment.file)
            msg = "the file was cut"
            raise DamagedSegmentError(msg)
        return opened

    def keep(self, segment: Segment, opened: OpenSegment) -> None:
        """Keep a segment open; what was opened first goes when there are too many."""
        mapped = opened.view is not None and not isinstance(opened.view.obj, bytes)
        with self._lock:
            self._open[segment.file] = opened
            ages = self._mapped if mapped else self._in_memory
            ages[segment.file] = None
            if len(ages) > (self._limit if mapped else _KEPT_IN_MEMORY):
                oldest = next(iter(ages))
                del ages[oldest]
                self._open.pop(oldest, None)

    def keep_written(self, segment: Segment, data: bytes) -> None:
        """Keep a segment that this process has just written, without reading it back."""
        self.keep(segment, self._opened(segment, memoryview(data)))

    def _opened(self, segment: Segment, view: memoryview | None) -> OpenSegment:
        name = segment.name
        if view is None:
            (block,) = self._io.get_ranges([segment.file], [0], [name.index_end])
            if isinstance(block, Exception):
                raise block
            return OpenSegment(parse_index(name, block), None, None)
        if len(view) != name.size:
            msg = f"{len(view)} bytes instead of {name.size}"
            raise DamagedSegmentError(msg)
        if segment.file in self._checked:
            index = view_index(name, view[: name.index_end])
        else:
            index = parse_index(name, view)
            self._checked.add(segment.file)
        values = None
        if name.dtype is not None:
            values = np.frombuffer(view, name.dtype, name.rows * name.dimensions, name.values_start)
            values = values.reshape(name.rows, name.dimensions)
        return OpenSegment(index, view, values)

    def forget(self, *files: str) -> None:
        """Close segments."""
        with self._lock:
            for file in files:
                for kept in (self._open, self._mapped, self._in_memory):
                    kept.pop(file, None)  # type: ignore[attr-defined]
                self._checked.discard(file)
