"""Open segments: checked once per process, kept while there is room, opened again on demand."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from embedonce.runtime.locks import ForkLock
from embedonce.stores.drivers.faults import unreadable
from embedonce.stores.segments.files.opening import Opener, OpenSegment, open_whole
from embedonce.stores.segments.format.layout import DamagedSegmentError, view_index

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from embedonce.stores.places.directory import Directory, Part
    from embedonce.stores.segments.files.tier import Tier
    from embedonce.stores.segments.format.names import Segment
    from embedonce.stores.segments.lookup.sparse_index import SparseIndex

_KEPT_IN_MEMORY = 1024
_KEPT_WHOLE = 16 << 10
"""Own segments up to this size are kept in memory instead of being read back."""


class NotAtHandError(Exception):
    """A segment is not open, and not in the local tier either."""


class SegmentFiles:
    """The open segments of one namespace.

    Args:
        directory: Where the files are.
        tier: Keeps what is read from a distant place on the local disk.

    Attributes:
        sparse_indexes: By file, the indexes of huge segments of which only some windows are loaded. They stay until
            `drop_sparse_indexes`, even if their files go: a record that is not loaded must not look like a miss.
    """

    def __init__(self, directory: Directory, tier: Tier | None = None) -> None:
        self._directory = directory
        self._tier = tier
        self._opener = Opener(directory, tier)
        self._open: dict[str, OpenSegment] = {}
        # By age, since dicts keep their order.
        self._in_memory: dict[str, None] = {}
        # Not published yet, so that this process has the only copy.
        self._pinned: set[str] = set()
        self.sparse_indexes: dict[str, SparseIndex] = {}
        self._checked: set[str] = set()
        self._lock = ForkLock()

    def open(self, segment: Segment) -> OpenSegment:
        """Return an open segment.

        Raises:
            FileNotFoundError: It is gone, probably merged into another one.
            DamagedSegmentError: Its bytes are not what its name says.
            UnreadableFilesError: It cannot be read.
            OSError: A fault of this process.
        """
        opened = self.open_partly(segment)
        if opened.sparse_index is not None:
            opened = self._opener.open(segment)
            self._keep(segment, opened)
        return opened

    def open_partly(self, segment: Segment) -> OpenSegment:
        """Return an open segment, perhaps with a sparse index.

        Raises as `open` does.
        """
        opened = self._open.get(segment.file)
        if opened is None:
            opened = self._opened(segment)
            self._keep(segment, opened)
        elif opened.mirror is not None:
            if not opened.mirror.is_uncut:
                # Touching a map beyond the end of its file would kill the process.
                self.reopen(segment.file)
                if self._tier is not None:
                    self._tier.forget([segment.file])
                return self.open_partly(segment)
            opened.mirror.used()
        elif opened.view is not None and not self._directory.is_current(opened.view):
            self.forget(segment.file)
            msg = "the file was cut"
            raise DamagedSegmentError(msg)
        return opened

    def at_hand(self, segment: Segment) -> OpenSegment:
        """Return a segment that is open or in the local tier, perhaps with a sparse index; asks the place for nothing.

        Raises:
            NotAtHandError: It is neither.
        """
        opened = self._open.get(segment.file)
        if opened is None:
            opened = self._opener.mirrored(segment)
            if opened is None:
                raise NotAtHandError(segment.file)
            self._keep(segment, opened)
        elif opened.mirror is not None:
            if not opened.mirror.is_uncut:
                raise NotAtHandError(segment.file)
        elif opened.view is not None and not self._directory.is_current(opened.view):
            raise NotAtHandError(segment.file)
        return opened

    def open_all(self, segments: Sequence[Segment]) -> dict[str, Exception]:
        """Read the indexes of segments with few requests, where they are not mapped; `open` reads those left out.

        Only the header of a huge segment is read, if it is not open yet; see `sparse_indexes`.

        Returns:
            What the place has answered for files that cannot be read.
        """
        faults: dict[str, Exception] = {}
        closed = [segment for segment in segments if segment.file not in self._open]
        if not self._directory.has_views and closed:
            for segment, opened in self._opener.open_all(closed, faults):
                self._keep(segment, opened)
        return faults

    def drop_sparse_indexes(self, files: Iterable[str]) -> None:
        """Drop the sparse indexes of segments that lookups know completely now, or do not use any more."""
        with self._lock:
            for file in files:
                self.sparse_indexes.pop(file, None)
                opened = self._open.get(file)
                if opened is not None and opened.sparse_index is not None:
                    self._close(file)

    def reopen(self, file: str) -> None:
        """Close a segment whose mirror has changed; it is opened again when it is needed."""
        with self._lock:
            self._close(file)

    def keep_written(self, segment: Segment, data: bytes) -> None:
        """Keep a segment that this process has just written, without reading it back."""
        self._keep(segment, open_whole(segment.name, memoryview(data)))

    def pin(self, segment: Segment, data: bytes) -> None:
        """Keep a whole segment that is not published yet, even if the memory is full, until `unpin` or `published`."""
        opened = open_whole(segment.name, memoryview(data))
        with self._lock:
            self._pinned.add(segment.file)
            self._open[segment.file] = opened

    def unpin(self, file: str) -> None:
        """Close a segment that will not be published; a segment that is not pinned stays as it is."""
        with self._lock:
            if file in self._pinned:
                self._pinned.discard(file)
                self._close(file)

    def keep_pinned(self, files: Container[str]) -> None:
        """Close the pinned segments except for some."""
        with self._lock:
            for file in [each for each in self._pinned if each not in files]:
                self.unpin(file)

    def published(self, segment: Segment, parts: Sequence[Part]) -> None:
        """Keep what saves a request later of a segment that has just been published, whether it was pinned or not.

        Args:
            segment: The segment.
            parts: All of its bytes.
        """
        with self._lock:
            self._pinned.discard(segment.file)
        if not self._directory.has_views:
            self._keep(segment, self._opener.published(segment, parts))
        elif segment.name.size <= _KEPT_WHOLE:
            self.keep_written(segment, b"".join(parts))
        else:
            self.forget(segment.file)

    def _keep(self, segment: Segment, opened: OpenSegment) -> None:
        """Keep a segment open; the one that was opened first is closed when there are too many."""
        with self._lock:
            if segment.file in self._pinned:
                return
            self._open[segment.file] = opened
            if opened.sparse_index is not None:
                self.sparse_indexes[segment.file] = opened.sparse_index
            elif not opened.is_mapped:
                self._in_memory[segment.file] = None
                if len(self._in_memory) > _KEPT_IN_MEMORY:
                    self._close(next(iter(self._in_memory)))
        if opened.is_mapped:
            _count_map(self, segment.file, self._directory.descriptors())

    def _close(self, file: str) -> None:
        if file in self._pinned:
            return
        self._open.pop(file, None)
        self._in_memory.pop(file, None)

    def _opened(self, segment: Segment) -> OpenSegment:
        if not self._directory.has_views:
            return self._opener.open(segment)
        try:
            view = self._directory.view(segment.file)
        except OSError as error:
            raise unreadable(segment.file, error) from error
        assert view is not None
        index = None
        if segment.file in self._checked and len(view) == segment.name.size:
            index = view_index(segment.name, view[: segment.name.index_end])
        opened = open_whole(segment.name, view, index)
        self._checked.add(segment.file)
        return opened

    def forget(self, *files: str) -> None:
        """Close segments and delete their mirrors; they are checked again if they are opened again."""
        with self._lock:
            for file in files:
                self._close(file)
                self._checked.discard(file)
                _MAPS.pop((id(self), file), None)
        if self._tier is not None and files:
            self._tier.forget(files)

    def close(self) -> None:
        """Close all segments except those that are pinned."""
        with self._lock:
            self._open = {file: self._open[file] for file in self._pinned}
            self._in_memory.clear()


# Maps of all stores of this process, by age: each takes a descriptor, of which the process has a limited number.
_MAPS: dict[tuple[int, str], weakref.ref[SegmentFiles]] = {}
_MAPS_LOCK = ForkLock()


def _count_map(files: SegmentFiles, file: str, limit: int) -> None:
    """Record a map, and close the oldest ones when there are more than `limit`."""
    with _MAPS_LOCK:
        _MAPS[id(files), file] = weakref.ref(files)
        while len(_MAPS) > limit:
            oldest = next(iter(_MAPS))
            owner = _MAPS.pop(oldest)()
            if owner is not None:
                owner._close(oldest[1])
