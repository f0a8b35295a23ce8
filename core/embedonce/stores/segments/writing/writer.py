"""Writing rows: published at once, or later together with others; this process can always read them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedonce.runtime.background import schedule
from embedonce.runtime.locks import ForkLock
from embedonce.stores.protocol import Backlog
from embedonce.stores.segments.format.layout import SegmentRows, build_segment
from embedonce.stores.segments.format.names import Segment
from embedonce.stores.segments.writing.grouping import FLUSH_BYTES, flushes
from embedonce.stores.segments.writing.merger import Merger
from embedonce.stores.segments.writing.planning import runs
from embedonce.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedonce.errors import StoreError
    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.catalog.catalog import Catalog
    from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
    from embedonce.stores.segments.writing.grouping import RowValues

FLUSH_SECONDS = 10.0
"""How long a row waits for others before it is published."""
_BULK_ROWS = 64
_BULK_BYTES = 1 << 20
"""A call that writes as much publishes it before it returns, with everything that waits."""
_MOST_BYTES = 64 << 20
"""Most bytes that wait in memory for a place that does not answer."""


class _Waiting(NamedTuple):
    """A segment that is not published.

    Attributes:
        segment: The segment.
        data: All of its bytes.
        is_sealed: True if it may have been sent already: it is sent again unchanged, under the same name.
    """

    segment: Segment
    data: bytes
    is_sealed: bool = False


class Writer:
    """Publishes the rows of one namespace.

    Rows that wait are complete segments in memory. They are part of the catalog's view like any other segment, so
    lookups need not know about them.

    Args:
        directory: Where the files are.
        catalog: The segments of the namespace.
        namespace_directory: What the directory holds.
        explain: Returns the error for callers, from an error of the place and the action that has failed.
        waits: True to let rows wait for others; False to publish each write before it returns.
        keeps: True to keep rows in memory while a place refuses them.
    """

    def __init__(
        self,
        directory: Directory,
        catalog: Catalog,
        namespace_directory: NamespaceDirectory,
        explain: Callable[[BaseException, str], StoreError],
        *,
        waits: bool,
        keeps: bool,
    ) -> None:
        self._directory = directory
        self._catalog = catalog
        self._namespace_metadata = namespace_directory.metadata()
        self._explain = explain
        self._waits = waits
        self._keeps = keeps
        self.merger = Merger(directory, catalog.files)
        # Stands for the thread that merges.
        self._merging: object = None
        # One flush at a time, however long the place takes. Lock order: before the catalog's lock, never after it.
        self._lock = ForkLock()
        # Sealed segments first, then the others, each oldest first. Replaced as a whole, under the catalog's lock.
        self._queue: tuple[_Waiting, ...] = ()
        # Files that a flush is working on.
        self._taken: frozenset[str] = frozenset()
        self._retry_at = float("-inf")
        self._fault: Exception | None = None
        self._lost = 0
        self._late_faults = 0

    @property
    def pending(self) -> int:
        """How many rows wait."""
        return sum(waiting.segment.name.rows for waiting in self._queue)

    @property
    def backlog(self) -> Backlog:
        """What is not published."""
        return Backlog(self.pending, self._lost, self._late_faults)

    @property
    def _pending_bytes(self) -> int:
        return sum(waiting.segment.name.size for waiting in self._queue)

    def write(self, layout: str, digests: bytes, texts: Sequence[bytes] | None, stamp: int, values: RowValues) -> None:
        """Write rows of one kind, all of one stamp; tombstones are always published at once.

        Raises:
            OSError: The place has refused them. Rows that wait stay readable and are sent again later.
        """
        self._catalog.ensure_namespace()
        count = len(digests) // 32
        fault: Exception | None = None
        for start, end in flushes(values, count):
            some = texts[start:end] if texts is not None else None
            rows = SegmentRows(
                layout,
                digests[32 * start : 32 * end],
                some,
                np.full(end - start, stamp, "<u8"),
                None if values is None else values[start:end],
            )
            name, parts = build_segment(rows, self.metadata())
            segment = Segment(name, str(name))
            if self._keeps and layout != "del":
                fault = self._keep(segment, b"".join(parts), bytes(parts[1]), some) or fault
            else:
                self._directory.put(segment.file, parts)
                self._catalog.files.published(segment, parts)
                self._catalog.add(segment, bytes(parts[1]), some)
                self.merger.written(segment)
        if fault is not None:
            raise fault
        if not self._waits:
            self._write_through()

    def _write_through(self) -> None:
        """Publish what has just been written, unless the place has refused a write a moment ago."""
        if self._queue:
            if self._fault is not None and time.monotonic() < self._retry_at:
                raise self._fault
            self.flush()
        self.merge()

    def metadata(self) -> dict[str, str]:
        """Return the header strings of a segment that is written now."""
        written = time.time_ns() // 1000
        return {
            **self._namespace_metadata,
            "written_us": str(written),
            "writer": f"embedonce {__version__}",
        }

    def _keep(self, segment: Segment, data: bytes, records: bytes, texts: Sequence[bytes] | None) -> Exception | None:
        """Keep a segment in memory; return the error if those that had to be published first were refused.

        A small segment does not wait for a flush of another thread, unless the memory for waiting rows is full.
        """
        # Before and after: whatever interrupts this, what is kept is scheduled too.
        schedule(self, FLUSH_SECONDS)
        fault, size = None, segment.name.size
        room = FLUSH_BYTES if _is_much(segment.name.rows, size) else _MOST_BYTES
        while True:
            try:
                with self._catalog.lock:
                    fits = not self._queue or self._pending_bytes + size <= room
                    if fits or fault is not None or time.monotonic() < self._retry_at:
                        self._make_room(size)
                        self._catalog.files.pin(segment, data)
                        self._queue = (*self._queue, _Waiting(segment, data))
                        self._catalog.add(segment, records, texts, is_published=False)
                        return fault
            finally:
                schedule(self, FLUSH_SECONDS)
            try:
                self.flush()
            except Exception as error:
                fault = error

    def _make_room(self, size: int) -> None:
        """Drop the oldest waiting segments until there is room."""
        while self._pending_bytes + size > _MOST_BYTES:
            oldest = next((one for one in self._queue if one.segment.file not in self._taken), None)
            if oldest is None:
                return
            segment = oldest.segment
            self._drop(oldest)
            self._lost += segment.name.rows
            self._catalog.replace([segment], [])
            self._catalog.files.unpin(segment.file)
            what = f"{self._directory} refuses writes; the oldest vectors that waited for it are dropped"
            self._catalog.warn("lost", what)

    def _drop(self, waiting: _Waiting) -> None:
        with self._catalog.lock:
            self._queue = tuple(one for one in self._queue if one is not waiting)

    def end_call(self, rows: int | None = None, size: int = 0) -> None:
        """End a call: publish what waits if the call has written much; after a small call it waits on.

        Args:
            rows: How many rows the call has written; None for all that wait.
            size: How many bytes these have.

        Raises:
            OSError: The place has refused it; it waits on.
        """
        if not self._queue or time.monotonic() < self._retry_at:
            return
        is_much = _is_much(self.pending, self._pending_bytes)
        if is_much if rows is None else _is_much(rows, size):
            self.flush()
            self.merge()
        elif is_much and not self._taken:
            self.flush_soon()

    def flush(self) -> None:
        """Publish everything that waits.

        Raises:
            OSError: The place has refused it; it waits on.
        """
        with self._lock:
            self._let_go()
            try:
                # Older sealed segments first: if the place refuses them, the rest can still be joined into one file.
                self._send()
                self._seal()
                self._send()
                self._retry_at = float("-inf")
            finally:
                self._taken = frozenset()

    def close(self) -> None:
        """Publish everything that waits; from now on each write is published before it returns.

        Raises:
            OSError: The place has refused it; it waits on.
        """
        waits, self._waits = self._waits, False
        try:
            self.flush()
        except BaseException:
            self._waits = waits
            raise

    def _let_go(self) -> None:
        """Let go of segments that neither wait nor are published: a Ctrl-C has come while they were kept."""
        with self._catalog.lock:
            waiting = {one.segment.file for one in self._queue}
            if left := [segment for file, segment in self._catalog.pending.items() if file not in waiting]:
                self._catalog.replace(left, [])
            self._catalog.files.keep_pinned(waiting)

    def _send(self) -> None:
        """Publish the sealed segments."""
        while (sealed := self._next_sealed()) is not None:
            segment, data = sealed.segment, sealed.data
            try:
                self._directory.put(segment.file, [data])
            except BaseException as error:
                self._retry_at = time.monotonic() + FLUSH_SECONDS
                self._fault = error if isinstance(error, Exception) else None
                raise
            self._catalog.published(segment)
            self._catalog.files.published(segment, [data])
            self._drop(sealed)
            self.merger.written(segment)

    def _next_sealed(self) -> _Waiting | None:
        with self._catalog.lock:
            sealed = next((one for one in self._queue[:1] if one.is_sealed), None)
            self._taken = frozenset((sealed.segment.file,)) if sealed is not None else frozenset()
            return sealed

    def _seal(self) -> None:
        """Join what waits into as few segments as possible, and seal them."""
        files = self._catalog.files
        with self._catalog.lock:
            waiting = self._queue
            self._taken = frozenset(one.segment.file for one in waiting)
        sizes = [(one, one.segment, one.segment.name.size) for one in waiting]
        sealed = [one for group in runs(sizes, FLUSH_BYTES) for one in self._joined(group)]
        fresh = [one for one in sealed if one.segment.file not in self._taken]
        stays = frozenset(one.segment.file for one in sealed)
        joined = [one.segment for one in waiting if one.segment.file not in stays]
        with self._catalog.lock:
            before = self._queue
            try:
                for one in fresh:
                    files.pin(one.segment, one.data)
                if joined:
                    self._catalog.replace(joined, [one.segment for one in fresh])
                self._queue = (*sealed, *before[len(waiting) :])
            except BaseException:
                if self._queue is before:
                    if joined:
                        self._catalog.replace([one.segment for one in fresh], joined)
                    for one in fresh:
                        files.unpin(one.segment.file)
                raise
        for segment in joined:
            files.unpin(segment.file)

    def _joined(self, group: Sequence[_Waiting]) -> list[_Waiting]:
        """Return the same rows as sealed segments, in a single one if possible."""
        rows = self.merger.rewriter.merged([one.segment for one in group]) if len(group) > 1 else None
        if rows is None:
            return [one._replace(is_sealed=True) for one in group]
        name, parts = build_segment(rows, self.metadata())
        return [_Waiting(Segment(name, str(name)), b"".join(parts), is_sealed=True)]

    def flush_late(self) -> float | None:
        """Publish everything that waits, without raising; return in how many seconds to try again after a fault."""
        try:
            self.flush()
        except Exception as error:
            self._late_faults += 1
            self._catalog.warn("late", f"{self._explain(error, 'write')}; {self.pending} vectors wait in memory")
            return FLUSH_SECONDS
        self.merge()
        return None

    def flush_soon(self) -> None:
        """Publish what waits in the background, as soon as possible."""
        if self._queue:
            schedule(self, 0)

    def merge(self) -> None:
        """Merge small segments into larger ones if there are many; a failure only leaves them unmerged."""
        if not self.merger.is_due:
            return
        this = object()
        try:
            with self._catalog.lock:
                if self._merging is not None:
                    return
                self._merging = this
            if self.merger.run(self.metadata):
                self._catalog.refresh(force=True)
        except Exception as error:
            self._catalog.warn("merge", str(self._explain(error, "merge small segments of")))
        finally:
            # Nothing is called here, so that nothing can interrupt it.
            if self._merging is this:
                self._merging = None


def _is_much(rows: int, size: int) -> bool:
    return rows >= _BULK_ROWS or size >= _BULK_BYTES
