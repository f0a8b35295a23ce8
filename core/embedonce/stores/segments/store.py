"""The segment store: a byte store of packed immutable segments, safe for many processes on one path."""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.codecs import Envelope
from embedonce.errors import EmbedOnceError, StoreError
from embedonce.locks import ForkLock
from embedonce.stores.base import AsyncTwins, checked_keys, checked_pairs
from embedonce.stores.segments.files import SegmentFiles
from embedonce.stores.segments.format import LAYOUT_OF, DamagedSegmentError, Rows, SegmentName, build
from embedonce.stores.segments.grouping import by_kind, flushes
from embedonce.stores.segments.io import read_whole
from embedonce.stores.segments.merging import Merger
from embedonce.stores.segments.reading import Reader
from embedonce.stores.segments.snapshot import Segment
from embedonce.stores.segments.space import SPACE_FILE, Space
from embedonce.stores.segments.view import IndexKey, View
from embedonce.vectors import Gathered
from embedonce.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.codecs import Row
    from embedonce.stores.locations import Location
    from embedonce.stores.segments.grouping import Values

logger = logging.getLogger("embedonce")

_KEPT_BYTES = 16 << 10
"""Own segments up to this size are kept in memory instead of being read back."""
_ATTEMPTS = 4
_HIT_REFRESH = 1.0
_FUTURE_US = 3_600_000_000


@dataclass(slots=True)
class StoreCounts:
    """What a store met since the object was made."""

    damaged_rows: int = 0
    damaged_segments: int = 0
    bytes_written: int = 0


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
        self._io = self.location.open(self.space.directory)
        self._files = SegmentFiles(self._io)
        self._reader = Reader(self._io, self._files, self)
        self._merger = Merger(self._io, self._files)
        self._lock = ForkLock()
        self._merging = ForkLock()
        self._clear()
        self._stamp = 0
        self._space_seen = False
        self._warned: set[str] = set()
        with self._mapped("open"):
            self._refresh(force=True)
            if not self.read_only:
                self._adopt()

    def _clear(self) -> None:
        self._show(View())
        self._stale = True
        self._listed: dict[str, int] = {}
        self._damaged: dict[str, int] = {}
        self._hidden: frozenset[str] = frozenset()
        self._listed_stamp = 0
        self._refreshed = float("-inf")

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
            stamp = self._next_stamp()
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
            self._refresh(force=True)
            there = [key for key in wanted if next(self._reader.walk(self._view, key), None) is not None]
            if there:
                texts = [key.text for key in there]
                self._write("del", b"".join(key.digest for key in there), texts, self._next_stamp(), None)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix, in the order in which their rows were written.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._mapped("list"):
            self._refresh(force=True)
            keys = self._reader.keys(self._fold())
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
        with self._mapped("read"):
            self._refresh_if_due()
            for attempt in range(_ATTEMPTS):
                if into.dimensions is None:
                    into.dimensions = self.dimensions
                try:
                    self._reader.gather(self._view, digests, into)
                except FileNotFoundError:
                    self._refresh(force=True)
                    continue
                if attempt or into.found.all() or not self._refresh():
                    break

    def put_rows(self, digests: Sequence[bytes], matrix: NDArray[Any]) -> None:
        """Store the rows of a C-contiguous matrix of shape (n, d) under digest keys, all different.

        Raises:
            StoreError: The store cannot be written.
        """
        if len(digests):
            with self._mapped("write"):
                self._write(LAYOUT_OF[matrix.dtype], b"".join(digests), None, self._next_stamp(), matrix)
                self._merge()

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors of this namespace: that of the first ones written, None if there is none yet."""
        return self._dimensions

    def _show(self, view: View) -> View:
        """Let lookups see a view from now on."""
        oldest = view.snapshot.oldest_typed
        self._dimensions = oldest.name.dimensions if oldest is not None else None
        self._view = view
        return view

    # Refreshing

    def _read(self, keys: Sequence[IndexKey]) -> list[Row | bytes | None]:
        """Return rows by key, after a refresh if some are not there."""
        self._refresh_if_due()
        rows: list[Row | bytes | None] = [None] * len(keys)
        todo = list(range(len(keys)))
        for attempt in range(_ATTEMPTS):
            try:
                answers = self._reader.read(self._view, [keys[i] for i in todo])
            except FileNotFoundError:
                self._refresh(force=True)
                continue
            for i, row in zip(todo, answers, strict=True):
                rows[i] = row
            todo = [i for i in todo if rows[i] is None]
            if attempt or not todo or not self._refresh():
                break
        return rows

    def _refresh_if_due(self) -> None:
        """Look now and then, even for a batch of hits, for what others wrote or deleted."""
        if time.monotonic() - self._refreshed > _HIT_REFRESH:
            self._refresh()

    def _refresh(self, *, force: bool = False) -> bool:
        """Take in segments that appeared and let go of those that are gone; True if anything changed."""
        self._refreshed = time.monotonic()
        if not force and not self._stale and not self._io.changed():
            return False
        with self._lock:
            for _ in range(_ATTEMPTS):
                listed = self._io.listing()
                self._check_space_file(listed)
                try:
                    return self._take(listed)
                except FileNotFoundError:
                    continue
        msg = "segments keep disappearing between listing and reading"
        raise StoreError(msg)

    def _check_space_file(self, listed: dict[str, int]) -> None:
        if SPACE_FILE not in listed:
            if self._space_seen:
                msg = f"{self._io}/{SPACE_FILE} has disappeared: the directory was deleted or is no longer mounted"
                raise StoreError(msg)
        elif not self._space_seen:
            self.space.check(read_whole(self._io, SPACE_FILE, listed[SPACE_FILE]), str(self._io))
            self._space_seen = True

    def _take(self, listed: dict[str, int]) -> bool:
        """Make the view that of a listing."""
        view = self._view
        known = {segment.file for segment in view.segments} | self._hidden
        gone = known - listed.keys()
        appeared = [
            Segment(name, file)
            for file, size in listed.items()
            if file not in known and self._damaged.get(file) != size and (name := SegmentName.parse(file)) is not None
        ]
        self._listed = listed
        self._stale = False
        if not appeared and not gone:
            return False
        good = [segment for segment in appeared if self._is_good(segment, listed[segment.file])]
        replaced = self._hidden.union(*(self._files.open(segment).index.replaces for segment in good))
        leave = frozenset(gone) | replaced
        added = [segment for segment in (*view.newest, *good) if segment.file not in leave]
        self._show(View(view.snapshot.without(leave).extended(added, self._records)))
        self._hidden = replaced & listed.keys()
        self._files.forget(*gone)
        for segment in good:
            self._see_stamp(segment.name.stamp)
        return True

    def _is_good(self, segment: Segment, size: int) -> bool:
        try:
            if size != segment.name.size:
                msg = f"{size} bytes instead of {segment.name.size}"
                raise DamagedSegmentError(msg)
            metadata = self._files.open(segment).index.metadata
        except DamagedSegmentError as error:
            self._damaged[segment.file] = size
            self._say_damaged(segment, str(error))
            return False
        ours = self.space.metadata()
        if metadata.get("space") != ours["space"]:
            self._damaged[segment.file] = size
            self._say_damaged(segment, "it belongs to another namespace")
            return False
        if metadata.get("key_encoder") != ours["key_encoder"]:
            encoder = json.loads(metadata["key_encoder"])
            self.space.check(
                json.dumps({**json.loads(self.space.to_bytes()), "key_encoder": encoder}).encode(), str(self._io)
            )
        return True

    def _see_stamp(self, stamp: int) -> None:
        self._stamp = max(self._stamp, stamp)
        self._listed_stamp = max(self._listed_stamp, stamp)
        if stamp - time.time_ns() // 1000 > _FUTURE_US:
            self._warn("clock", f"{self._io}: a segment is stamped more than an hour ahead of this machine's clock")

    def _records(self, segment: Segment) -> NDArray[Any]:
        return self._files.open(segment).index.records

    def _fold(self) -> View:
        """Take the overlay into the snapshot."""
        with self._lock:
            view = self._view
            if view.newest:
                view = self._show(View(view.snapshot.extended(view.newest, self._records)))
            return view

    # Writing

    def _next_stamp(self) -> int:
        with self._lock:
            self._stamp = max(time.time_ns() // 1000, self._stamp + 1)
            return self._stamp

    def _write(self, layout: str, digests: bytes, texts: Sequence[bytes] | None, stamp: int, values: Values) -> None:
        """Publish rows of one kind, in several segments if they are many."""
        if self.read_only:
            msg = f"{self._io} was opened read-only"
            raise StoreError(msg)
        self._ensure_space()
        count = len(digests) // 32
        for start, end in flushes(values, count):
            rows = Rows(
                layout,
                digests[32 * start : 32 * end],
                texts[start:end] if texts is not None else None,
                np.full(end - start, stamp, "<u8"),
                None if values is None else values[start:end],
            )
            name, parts = build(rows, self._metadata())
            segment = Segment(name, str(name))
            self._io.put(segment.file, parts)
            self.counts.bytes_written += name.size
            if name.size <= _KEPT_BYTES:
                self._files.keep_written(segment, b"".join(parts))
            with self._lock:
                self._add(segment, bytes(parts[1]), stamp)
                self._merger.written(segment)

    def _ensure_space(self) -> None:
        with self._lock:
            if self._space_seen:
                return
            self._io.create()
            listed = self._io.listing()
            self._check_space_file(listed)
            if SPACE_FILE not in listed:
                self._io.put(SPACE_FILE, [self.space.to_bytes()])
                self._space_seen = True

    def _metadata(self) -> dict[str, str]:
        written = time.time_ns() // 1000
        return {**self.space.metadata(), "written_us": str(written), "writer": f"embedonce {__version__}"}

    def _add(self, segment: Segment, records: bytes, stamp: int) -> None:
        """Make an own segment visible to lookups of this process."""
        view = self._view
        fits = len(view.overlay) + segment.name.rows <= max(4096, len(view.snapshot.prefixes) // 16)
        # The overlay always wins, so what is older than a row that somebody else wrote must not get in.
        if fits and stamp > self._listed_stamp and not segment.is_tombstone:
            view.overlaid(segment, records, stamp)
        else:
            self._show(View(view.snapshot.extended([*view.newest, segment], self._records)))
        if self._dimensions is None and segment.name.dtype is not None:
            self._dimensions = segment.name.dimensions

    def _adopt(self) -> None:
        if self._space_seen:
            self._io.tidy()
            self._merger.adopt(self._view.segments, self._hidden)
            self._merge()

    def _merge(self) -> None:
        """Merge small segments into larger ones when there are many; a failure costs nothing but tidiness."""
        if not self._merger.is_due:
            return
        with self._merging:
            try:
                acted = self._merger.run(self._listed, self._metadata)
            except (OSError, DamagedSegmentError) as error:
                self._warn("merge", f"{self._io}: merging small segments failed: {error}")
                return
        if acted:
            self._refresh(force=True)

    # Faults

    def damaged_segment(self, segment: Segment, what: str) -> None:
        """See `DamageReport`: forget all and read the listing anew, without the damaged segment."""
        with self._lock:
            damaged = {**self._damaged, segment.file: self._listed.get(segment.file, segment.name.size)}
            self._say_damaged(segment, what)
            self._files.forget(segment.file)
            self._clear()
            self._damaged = damaged

    def damaged_rows(self, segment: Segment, count: int) -> None:
        """See `DamageReport`."""
        self.counts.damaged_rows += count
        self._warn(segment.file, f"{self._io}/{segment.file} holds damaged rows; they count as misses")

    def _say_damaged(self, segment: Segment, what: str) -> None:
        self.counts.damaged_segments += 1
        self._warn(segment.file, f"{self._io}/{segment.file} is damaged and left out: {what}; its rows are misses")

    def _warn(self, subject: str, message: str) -> None:
        if subject not in self._warned:
            self._warned.add(subject)
            logger.warning(message)

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
