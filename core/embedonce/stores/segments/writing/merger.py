"""Merging small segments into larger ones, and deleting the segments that a merge has replaced.

Any process may do both at any time without a lock: a merged segment keeps every row's stamp, so no winner changes,
and two processes that merge the same segments only produce duplicates.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from embedonce.runtime.locks import ForkLock
from embedonce.stores.drivers.faults import UnreadableFilesError
from embedonce.stores.segments.format.layout import DamagedSegmentError
from embedonce.stores.segments.writing.planning import runs
from embedonce.stores.segments.writing.rewriter import Rewriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.files.files import SegmentFiles
    from embedonce.stores.segments.format.layout import Index
    from embedonce.stores.segments.format.names import Segment

_SMALL = 4 << 20
"""A segment of at most so many bytes waits for a merge with others of its tier."""
_FAN_IN = 64
"""More than so many waiting segments are merged. The result is in a higher tier, so a row moves log(rows) times."""
_ADOPT = 4 * _FAN_IN
"""A store that is opened takes over so many small segments of other processes, which may write too little to merge."""
_LARGEST = 64 << 20
"""Sources of one merge have at most so many bytes together: they are merged in memory."""


class Merger:
    """Merges the segments of one store, and deletes those that were replaced. Calls of `run` must not overlap."""

    def __init__(self, directory: Directory, files: SegmentFiles) -> None:
        self._directory = directory
        self._files = files
        self.rewriter = Rewriter(directory, files)
        self._waiting: dict[tuple[int, str, int], list[Segment]] = {}
        self._replaced: dict[Segment, tuple[float, frozenset[str]]] = {}
        self._lock = ForkLock()

    def written(self, segment: Segment) -> None:
        """Record a segment that this process has published."""
        if segment.name.size <= _SMALL:
            with self._lock:
                self._waiting.setdefault(_tier(segment), []).append(segment)

    def replaced(self, segment: Segment, sources: frozenset[str]) -> None:
        """Record a segment that was just published instead of others, which are deleted after the grace period."""
        with self._lock:
            self._replaced[segment] = (time.monotonic(), sources)

    def adopt(self, segments: Iterable[Segment], hidden: frozenset[str]) -> None:
        """Take over the work that other processes have left: many small segments, and replaced ones that still exist.

        Raises:
            OSError: A segment could not be read.
            DamagedSegmentError: A segment is damaged.
        """
        found: dict[tuple[int, str, int], list[Segment]] = {}
        for segment in segments:
            if segment.name.size <= _SMALL:
                found.setdefault(_tier(segment), []).append(segment)
        self._waiting.update({kind: waiting for kind, waiting in found.items() if len(waiting) > _ADOPT})
        self.adopt_replaced(segments, hidden)

    def adopt_replaced(self, segments: Iterable[Segment], hidden: frozenset[str]) -> None:
        """Take over the deletion of replaced segments from other processes; raises as `adopt` does."""
        for segment in segments if hidden else ():
            try:
                index = self._files.open_partly(segment).index
            except UnreadableFilesError:
                continue
            obsolete = index.replaces & hidden
            if obsolete and segment not in self._replaced:
                with self._lock:
                    self._replaced[segment] = (time.monotonic() - _age(index), obsolete)

    @property
    def is_due(self) -> bool:
        """True if `run` may have something to do."""
        with self._lock:
            return bool(self._replaced) or any(len(waiting) > _FAN_IN for waiting in self._waiting.values())

    def run(self, metadata: Callable[[], dict[str, str]]) -> bool:
        """Merge waiting segments and delete replaced ones after the grace period; True if anything has changed.

        Raises:
            OSError: A file could not be written or deleted; nothing is lost.
        """
        acted = self.collect()
        for kind in list(self._waiting):
            with self._lock:
                if len(self._waiting[kind]) <= _FAN_IN:
                    continue
                # Removed before the merge: if it fails, it must not be tried again at every write.
                waiting = self._waiting.pop(kind)
            for sources in runs(((one, one, one.name.size) for one in waiting), _LARGEST, _ADOPT):
                if len(sources) > 1:
                    acted |= self._merge(sources, metadata)
                else:
                    self.written(sources[0])
        return acted

    def _merge(self, waiting: Sequence[Segment], metadata: Callable[[], dict[str, str]]) -> bool:
        # A deleted file may still be open here, for days if this process writes little. Its rows must not come back:
        # their tombstones may be gone too.
        taken, there = time.time(), self._directory.listing()
        with self._lock:
            replaced = frozenset[str]().union(*(sources for _, sources in self._replaced.values()))
        sources = [
            segment
            for segment in waiting
            if segment.file in there and segment.file not in replaced and self._is_usable(segment)
        ]
        if len(sources) < 2:
            return False
        done = self.rewriter.rewrite(
            self.rewriter.liveness(self.rewriter.key_index(sources)),
            range(len(sources)),
            listed=there,
            taken=taken,
            present=self._directory.listing,
            metadata=metadata,
        )
        if done is None or done.segment is None:
            return False
        self.replaced(done.segment, done.replaces)
        self.written(done.segment)
        return True

    def _is_usable(self, segment: Segment) -> bool:
        try:
            self.rewriter.check(segment)
        except (FileNotFoundError, DamagedSegmentError, UnreadableFilesError):
            return False
        return True

    def collect(self) -> bool:
        """Delete replaced segments after their grace period; True if there were any.

        Raises:
            OSError: A file cannot be deleted now.
        """
        now = time.monotonic()
        with self._lock:
            due = [merged for merged, (since, _) in self._replaced.items() if now - since > self._directory.grace]
        listed = self._directory.listing() if due else {}
        for merged in due:
            _, sources = self._replaced.pop(merged, (0.0, frozenset[str]()))
            if listed.get(merged.file) == merged.name.size and self.rewriter.is_whole(merged):
                for source in sources & listed.keys():
                    self._directory.delete(source)
        return bool(due)


def _tier(segment: Segment) -> tuple[int, str, int]:
    """Return the tier of a small segment: it waits with others of its kind with about as many rows."""
    tier, rows = 0, segment.name.rows
    while rows > _FAN_IN:
        tier, rows = tier + 1, rows // (_FAN_IN + 1)
    return tier, *segment.merges_with


def _age(index: Index) -> float:
    """Return the age of a segment in seconds, by the clocks of the machines that wrote and read it."""
    written = index.written_us
    return 0.0 if written is None else max(0.0, time.time() - written / 1e6)
