"""Opened segments: checked once per process, kept while there is room, opened again on demand."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.locks import ForkLock
from embedonce.stores.segments.format import DamagedSegmentError, Index, parse_index, view_index

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    @property
    def is_mapped(self) -> bool:
        """True if it holds a file descriptor."""
        return self.view is not None and not isinstance(self.view.obj, bytes)


class SegmentFiles:
    """The segments of one space that are open."""

    def __init__(self, io: SegmentIO) -> None:
        self._io = io
        self._open: dict[str, OpenSegment] = {}
        # By age, as dicts keep their order.
        self._in_memory: dict[str, None] = {}
        self._checked: set[str] = set()
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
            self._keep(segment, opened)
        elif opened.view is not None and not self._io.is_current(opened.view):
            self.forget(segment.file)
            msg = "the file was cut"
            raise DamagedSegmentError(msg)
        return opened

    def open_all(self, segments: Sequence[Segment]) -> None:
        """Read the indexes of segments with few requests, where they are not mapped; faults are left to `open`."""
        closed = [segment for segment in segments if segment.file not in self._open]
        if self._io.has_views or not closed:
            return
        ends = [segment.name.index_end for segment in closed]
        for segment, block in zip(
            closed, self._io.get_ranges([segment.file for segment in closed], [0] * len(closed), ends), strict=True
        ):
            if not isinstance(block, Exception):
                try:
                    self._keep(segment, OpenSegment(parse_index(segment.name, block), None, None))
                except DamagedSegmentError:
                    continue

    def keep_written(self, segment: Segment, data: bytes) -> None:
        """Keep a segment that this process has just written, without reading it back."""
        self._keep(segment, self._opened(segment, memoryview(data)))

    def _keep(self, segment: Segment, opened: OpenSegment) -> None:
        """Keep a segment open; what was opened first goes when there are too many."""
        with self._lock:
            self._open[segment.file] = opened
            if not opened.is_mapped:
                self._in_memory[segment.file] = None
                if len(self._in_memory) > _KEPT_IN_MEMORY:
                    self._close(next(iter(self._in_memory)))
        if opened.is_mapped:
            _count_map(self, segment.file, self._io.descriptors())

    def _close(self, file: str) -> None:
        self._open.pop(file, None)
        self._in_memory.pop(file, None)

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
        """Close segments, and check them again if they are ever opened again."""
        with self._lock:
            for file in files:
                self._close(file)
                self._checked.discard(file)
                _MAPS.pop((id(self), file), None)

    def close(self) -> None:
        """Close all segments."""
        with self._lock:
            self._open.clear()
            self._in_memory.clear()


# Maps of all stores of this process, by age: each costs a descriptor, and the whole process shares those.
_MAPS: dict[tuple[int, str], weakref.ref[SegmentFiles]] = {}
_MAPS_LOCK = ForkLock()


def _count_map(files: SegmentFiles, file: str, limit: int) -> None:
    """Take note of a map, and let go of the oldest ones when there are more than `limit`."""
    with _MAPS_LOCK:
        _MAPS[id(files), file] = weakref.ref(files)
        while len(_MAPS) > limit:
            oldest = next(iter(_MAPS))
            owner = _MAPS.pop(oldest)()
            if owner is not None:
                owner._close(oldest[1])
