"""The segment store: a byte store of packed immutable segments, safe for many processes on one path."""

from __future__ import annotations

import os
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.codecs import Envelope
from embedonce.errors import EmbedOnceError, StoreError
from embedonce.stores.base import AsyncTwins, checked_keys, checked_pairs
from embedonce.stores.segments.catalog import ATTEMPTS, Catalog, StoreCounts
from embedonce.stores.segments.format import DamagedSegmentError, Rows, build
from embedonce.stores.segments.grouping import by_kind, flushes
from embedonce.stores.segments.merging import Merger
from embedonce.stores.segments.names import LAYOUT_OF
from embedonce.stores.segments.reading import Reader
from embedonce.stores.segments.snapshot import Segment
from embedonce.stores.segments.view import IndexKey
from embedonce.vectors import Gathered
from embedonce.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from numpy.typing import NDArray

    from embedonce.codecs import Row
    from embedonce.stores.locations import Location
    from embedonce.stores.segments.grouping import Values
    from embedonce.stores.segments.space import Space

    T = TypeVar("T")

_KEPT_BYTES = 16 << 10
"""Own segments up to this size are kept in memory instead of being read back."""


class SegmentStore(AsyncTwins):
    """A byte store of packed immutable segments in one directory.

    Any number of processes may read and write one path. The newest write of a key wins, in every process and after
    merging. Values that hold one vector each (see `Envelope`) are stored as plain numbers, so that any safetensors
    reader opens the files. What `mset` has written when it returns survives the death of any process.

    Keys are str of at most 1,024 UTF-8 bytes, values bytes of at most 32 MiB. There is no `__len__`: callers test
    stores for truth.

    Args:
        location: Root of the store.
        space: The namespace that this object reads and writes.
        read_only: True to create and merge nothing.

    Raises:
        StoreError: The location cannot be read, or holds something that is no cache.
        FormatError: It was written by a newer version.
        KeyEncoderError: It was written with another key encoder.
    """

    def __init__(self, location: Location, space: Space, *, read_only: bool = False) -> None:
        self.location = location
        self.space = space
        self.read_only = read_only
        self._start()

    def _start(self) -> None:
        self.counts = StoreCounts()
        self._io = self.location.open(self.space.directory, create=not self.read_only)
        self._catalog = Catalog(self._io, self.space, self.counts)
        self._reader = Reader(self._io, self._catalog.files, self._catalog)
        self._forget_waiting()
        _ALL.add(self)
        with self._mapped("open"):
            self._catalog.refresh(force=True)
            if not self.read_only:
                self._adopt()
            elif not self._catalog.space_seen:
                self._catalog.warn(
                    "empty", f"{self._io} does not exist; it was opened read-only, so all keys are misses"
                )

    def _forget_waiting(self) -> None:
        self._merger = Merger(self._io, self._catalog.files)
        self._is_merging = False

    def _after_fork(self) -> None:
        """Start anew in a child: a thread of the parent may have been in the middle of anything."""
        self._catalog.clear()
        self._forget_waiting()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.location)!r}, namespace={self.space.namespace!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self.location, "space": self.space, "read_only": self.read_only}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    # Byte store

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of the keys, None where there is none.

        Raises:
            ValueError: A key is illegal.
            StoreError: The store cannot be read.
        """
        wanted = [IndexKey.of(key) for key in checked_keys(keys)]
        if not wanted:
            return []
        with self._mapped("read"):
            rows = self._read(wanted)
        return [Envelope.seal(row) if isinstance(row, tuple) else row for row in rows]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store the values; one segment for all values of one kind.

        Raises:
            ValueError: A key is illegal or a value too long; none of the pairs is stored.
            TypeError: A value is not bytes; none of the pairs is stored.
            StoreError: The store cannot be written.
        """
        pairs = checked_pairs(key_value_pairs)
        if not pairs:
            return
        with self._mapped("write"):
            stamp = self._catalog.next_stamp()
            for layout, keys, values in by_kind(pairs):
                texts = [key.text for key in keys]
                self._write(layout, b"".join(key.digest for key in keys), texts, stamp, values)
            self._merge()

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete the keys; absent ones are ignored.

        Raises:
            ValueError: A key is illegal.
            StoreError: The store cannot be written.
        """
        wanted = {IndexKey.of(key): None for key in checked_keys(keys)}
        if not wanted:
            return
        with self._mapped("write"):
            self._catalog.refresh(force=True)
            there = self._retried(lambda: [key for key in wanted if self._is_there(key)])
            if there:
                texts = [key.text for key in there]
                self._write("del", b"".join(key.digest for key in there), texts, self._catalog.next_stamp(), None)
                self._merge()

    def _is_there(self, key: IndexKey) -> bool:
        return next(self._reader.walk(self._catalog.view, key), None) is not None

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix, in the order in which their rows were written.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._mapped("list"):
            self._catalog.refresh(force=True)
            keys = self._retried(lambda: self._reader.keys(self._catalog.folded(), self._catalog.opened))
        for key in keys:
            if key.startswith(prefix or ""):
                yield key

    # Rows: vectors by the 32 bytes of their keys, without an object per value

    def get_rows(
        self, digests: Sequence[bytes], dimensions: int | None = None
    ) -> tuple[NDArray[Any] | None, NDArray[np.bool_]]:
        """Return the vectors of digest keys.

        Args:
            digests: 32 bytes per key, all different.
            dimensions: Length of the vectors, if it is known; rows of another length are not found.

        Returns:
            A matrix of shape (n, d), None if nothing was found, and which of its n rows were found; the others
            hold anything. Every returned row has passed its checksum.

        Raises:
            StoreError: The store cannot be read.
        """
        gathered = Gathered(len(digests), dimensions)
        self.get_rows_into(digests, gathered)
        return gathered.matrix, gathered.found

    def get_rows_into(self, digests: Sequence[bytes], into: Gathered) -> None:
        """Collect the vectors of digest keys, one per row of `into`, that are not found there yet.

        Raises:
            StoreError: The store cannot be read.
        """
        if not len(digests):
            return
        catalog = self._catalog
        with self._mapped("read"):
            catalog.refresh_if_due()
            for attempt in range(ATTEMPTS):
                if into.dimensions is None:
                    into.dimensions = catalog.dimensions
                try:
                    self._reader.gather(catalog.view, digests, into)
                except FileNotFoundError:
                    catalog.refresh(force=True)
                    continue
                if attempt or into.found.all() or not catalog.refresh():
                    break

    def put_rows(self, digests: Sequence[bytes], matrix: NDArray[Any]) -> None:
        """Store the rows of a C-contiguous matrix of shape (n, d) under digest keys, all different.

        Raises:
            StoreError: The store cannot be written.
        """
        if len(digests):
            with self._mapped("write"):
                self._write(LAYOUT_OF[matrix.dtype], b"".join(digests), None, self._catalog.next_stamp(), matrix)
                self._merge()

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors of this namespace: that of the first ones written, None if there is none yet."""
        return self._catalog.dimensions

    def close(self) -> None:
        """Let go of open files; they are opened again when they are needed again."""
        self._catalog.files.close()

    def _read(self, keys: Sequence[IndexKey]) -> list[Row | bytes | None]:
        """Return rows by key, after a refresh if some are not there."""
        catalog = self._catalog
        catalog.refresh_if_due()
        rows: list[Row | bytes | None] = [None] * len(keys)
        todo = list(range(len(keys)))
        for attempt in range(ATTEMPTS):
            try:
                answers = self._reader.read(catalog.view, [keys[i] for i in todo])
            except FileNotFoundError:
                catalog.refresh(force=True)
                continue
            for i, row in zip(todo, answers, strict=True):
                rows[i] = row
            todo = [i for i in todo if rows[i] is None]
            if attempt or not todo or not catalog.refresh():
                break
        return rows

    def _retried(self, look: Callable[[], T]) -> T:
        """Look at segments; once more if some have just been merged away."""
        for _ in range(ATTEMPTS):
            try:
                return look()
            except FileNotFoundError:
                self._catalog.refresh(force=True)
        return look()

    # Writing

    def _write(self, layout: str, digests: bytes, texts: Sequence[bytes] | None, stamp: int, values: Values) -> None:
        """Publish rows of one kind, in several segments if they are many."""
        if self.read_only:
            msg = f"{self._io} was opened read-only"
            raise StoreError(msg)
        self._catalog.ensure_space()
        count = len(digests) // 32
        for start, end in flushes(values, count):
            some = texts[start:end] if texts is not None else None
            rows = Rows(
                layout,
                digests[32 * start : 32 * end],
                some,
                np.full(end - start, stamp, "<u8"),
                None if values is None else values[start:end],
            )
            name, parts = build(rows, self._metadata())
            segment = Segment(name, str(name))
            self._io.put(segment.file, parts)
            if name.size <= _KEPT_BYTES:
                self._catalog.files.keep_written(segment, b"".join(parts))
            self._catalog.add(segment, bytes(parts[1]), some)
            self._merger.written(segment)

    def _metadata(self) -> dict[str, str]:
        written = time.time_ns() // 1000
        return {**self.space.metadata(), "written_us": str(written), "writer": f"embedonce {__version__}"}

    def _adopt(self) -> None:
        """Go on where processes that ended in the middle have left off."""
        if self._catalog.space_seen:
            self._io.tidy()
            try:
                self._merger.adopt(self._catalog.view.segments, self._catalog.hidden)
            except (OSError, DamagedSegmentError):
                # Somebody else is tidying up just now.
                return
            self._merge()

    def _merge(self) -> None:
        """Merge small segments into larger ones when there are many; a failure costs nothing but tidiness."""
        if not self._merger.is_due:
            return
        with self._catalog.lock:
            if self._is_merging:
                return
            self._is_merging = True
        try:
            if self._merger.run(self._catalog.listed, self._metadata):
                self._catalog.refresh(force=True)
        except OSError as error:
            self._catalog.warn("merge", f"{self._io}: merging small segments failed: {error}")
        finally:
            self._is_merging = False

    @contextmanager
    def _mapped(self, action: str) -> Iterator[None]:
        """Turn every fault of the place into a `StoreError`."""
        try:
            yield
        except EmbedOnceError:
            raise
        except Exception as error:
            msg = f"cannot {action} the store at {self._io}: {error}"
            raise StoreError(msg) from error


_ALL: weakref.WeakSet[SegmentStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_ALL):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
