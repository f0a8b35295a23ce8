"""The segment store: a byte store of packed immutable segments, safe for many processes on one path."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from embedonce.errors import EmbedOnceError
from embedonce.options import STORE_DEFAULTS, StoreOptions, checked_flag
from embedonce.runtime.forking import renewed_in_child
from embedonce.stores.locations.location import as_location
from embedonce.stores.protocol import AsyncTwins, checked_keys, checked_pairs
from embedonce.stores.segments.catalog.catalog import Catalog
from embedonce.stores.segments.catalog.faults import StoreCounts
from embedonce.stores.segments.catalog.resolving import Resolver
from embedonce.stores.segments.format.keys import IndexKey
from embedonce.stores.segments.format.layout import DamagedSegmentError
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.reading.reader import Reader
from embedonce.stores.segments.searching import Search
from embedonce.stores.segments.upkeep.upkeep import Upkeep
from embedonce.stores.segments.writing.grouping import by_kind
from embedonce.stores.segments.writing.writer import Writer
from embedonce.vectors.dtypes import LAYOUT_OF
from embedonce.vectors.envelope import Envelope
from embedonce.vectors.rows import RowBuffer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedonce.stores.locations.location import Location
    from embedonce.stores.protocol import Backlog
    from embedonce.stores.segments.files.tier import Tier
    from embedonce.stores.segments.writing.grouping import RowValues
    from embedonce.vectors.envelope import Row

    T = TypeVar("T")

_REFRESH_INTERVAL = 30.0
"""Seconds between two listings of a distant place if keys are not found there."""


class SegmentStore(Upkeep, AsyncTwins):
    """A byte store of packed immutable segments in one directory.

    Any number of processes may read and write one path. The newest write of a key wins, in every process and after
    merging. Values that hold one vector each (see `Envelope`) are stored as plain numbers, so that any safetensors
    reader opens the files. What `mset` has written to a local path when it returns survives the death of any process.
    On a distant path a few values may wait for others for up to ten seconds; `flush` publishes them (see
    `StoreOptions`).

    Keys are str of at most 1,024 UTF-8 bytes, values bytes of at most 32 MiB. There is no `__len__`, since
    callers test stores for truth.

    Args:
        place: A path, a URL, an (fs, path) pair, a `UPath`, or a location.
        namespace: The name of the namespace that this object reads and writes, or its directory below a location.
        storage_options: Options of the file system behind a URL; `fsync`, `file_mode` and `dir_mode` for a path.
        read_only: True to create and merge nothing.
        options: Options for a distant place.

    Attributes:
        keeps: True if writes go to memory first, which is so for a distant place.

    Raises:
        StoreError: The location cannot be read, or written unless `read_only`, or is not a cache.
        FormatError: It was written by a newer version.
        KeyEncoderError: It was written with another key encoder.
        ValueError: An argument is not of the type that is listed.
    """

    def __init__(
        self,
        place: object,
        namespace: str | NamespaceDirectory,
        *,
        storage_options: Mapping[str, Any] | None = None,
        read_only: bool = False,
        options: StoreOptions = STORE_DEFAULTS,
    ) -> None:
        if not isinstance(namespace, str | NamespaceDirectory):
            msg = f"namespace must be the name of a namespace, got {type(namespace).__name__}"
            raise ValueError(msg)
        if not isinstance(options, StoreOptions):
            msg = f"options must be StoreOptions, got {type(options).__name__}"
            raise ValueError(msg)
        if isinstance(namespace, str):
            place, namespace = as_location(place, storage_options), NamespaceDirectory.of(namespace)
        self.location = cast("Location", place)
        self.namespace_directory = namespace
        self.read_only = checked_flag("read_only", read_only)
        self.options = options
        self._start()

    def _start(self) -> None:
        self.counts = StoreCounts()
        self._directory = self.location.open(self.namespace_directory.name, create=not self.read_only)
        is_near, interval = self.location.is_near, self.options.refresh_interval
        if interval is None:
            interval = 0.0 if is_near else _REFRESH_INTERVAL
        self._tier = self._new_tier()
        self._catalog = Catalog(
            self._directory,
            self.namespace_directory,
            self.counts,
            place=str(self.location),
            interval=interval,
            tier=self._tier,
        )
        self._resolver = Resolver(self._catalog)
        self._reader = Reader.of(self._directory, self._catalog.files, self._catalog)
        self._search = Search(self._catalog, self._resolver, self._reader)
        self.keeps = not is_near
        self._waits = self.keeps and self.options.durability == "write_behind"
        self._forget_waiting()
        _STORES.add(self)
        with self._mapped("open"):
            self._catalog.refresh(force=True)
            if self._tier is not None:
                self._tier.keep_only(self._catalog.listed)
            if not self.read_only:
                if not is_near:
                    # A missing bucket or permission is an error now, not after the first texts are paid for.
                    self._catalog.ensure_namespace()
                self._adopt()
            elif not self._catalog.space_file.seen:
                self._catalog.warn(
                    "empty",
                    f"the namespace {self.namespace_directory.namespace!r} of the store at {self.location} does not "
                    "exist; it was opened read-only, so all keys are misses; check both, or open it with "
                    'mode="read_write"',
                )

    def _new_tier(self) -> Tier | None:
        directory = self.options.tier_directory
        if directory is None or self.location.is_near:
            return None
        from embedonce.stores.segments.files.tier import Tier

        # The same namespace at another location has other segments.
        name = hashlib.sha256(f"{self.namespace_directory.digest} {self.location}".encode()).hexdigest()[:16]
        return Tier(directory / f"{self.namespace_directory.slug}-{name}", self.options.local_tier_bytes)

    def _forget_waiting(self) -> None:
        self._writer = Writer(
            self._directory,
            self._catalog,
            self.namespace_directory,
            self.location.error,
            waits=self._waits,
            keeps=self.keeps,
        )

    def _after_fork(self) -> None:
        """Reset the state in a child: a thread of the parent may have been in the middle of any change.

        Rows that wait are published by the parent.
        """
        self._catalog.clear()
        self._forget_waiting()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.location)!r}, namespace={self.namespace_directory.namespace!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "location": self.location,
            "namespace_directory": self.namespace_directory,
            "read_only": self.read_only,
            "options": self.options,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    # Byte store

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of the keys, None for an absent one.

        Raises:
            ValueError: A key is illegal.
            StoreError: The store cannot be read.
        """
        wanted = checked_keys(keys)
        rows: list[Row | bytes | None] = [None] * len(wanted)
        self.get_values_into(wanted, rows)
        return [Envelope.seal(row) if isinstance(row, tuple) else row for row in rows]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store the values, in one segment for all values of one kind; they may wait, see `flush`.

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
            self._writer.end_call(len(pairs), sum(map(len, pairs.values())))

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
            self._writer.flush()
            self._catalog.refresh(force=True)
            there = self._catalog.retried(lambda: self._there(list(wanted)))
            if there:
                texts = [key.text for key in there]
                self._write("del", b"".join(key.digest for key in there), texts, self._catalog.next_stamp(), None)

    def _there(self, keys: Sequence[IndexKey]) -> list[IndexKey]:
        view = self._resolver.resolve([key.digest for key in keys if not key.text])
        return [key for key in keys if next(self._reader.walk(view, key), None) is not None]

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix, in the order in which their rows were written.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._mapped("list"):
            self._catalog.refresh(force=True)
            keys = self._catalog.retried(lambda: self._reader.keys(self._resolver.whole(), self._catalog.opened))
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
            A matrix of shape (n, d), None if nothing was found; and which of its n rows were found, the others are
            undefined. Every found row has passed its checksum.

        Raises:
            StoreError: The store cannot be read.
        """
        gathered = RowBuffer(len(digests), dimensions)
        self.get_rows_into(digests, gathered)
        return gathered.matrix, gathered.found

    def get_row(self, digest: bytes, dimensions: int | None = None) -> NDArray[Any] | None:
        """Return the vector of one digest key if it is in memory; nothing is asked and no file is opened.

        Args:
            digest: 32 bytes.
            dimensions: Length of the vector, if it is known.

        Returns:
            Shape (1, d), checked as by `get_rows`; None if only `get_rows` can tell whether it exists.
        """
        return self._search.row(digest, dimensions)

    def get_rows_into(self, digests: Sequence[bytes], into: RowBuffer, *, at_hand: bool = False) -> bool:
        """Collect the vectors of digest keys, one per row of `into`, that were not found before.

        Args:
            digests: 32 bytes per key, all different.
            into: Where they go, also if this raises.
            at_hand: True to ask the place for nothing.

        Returns:
            True if the place was asked, and has answered.

        Raises:
            StoreError: The store cannot be read; what is at hand is collected nevertheless.
        """
        with self._mapped("read"):
            return self._search.rows_into(digests, into, at_hand=at_hand)

    def get_values_into(self, keys: Sequence[str], rows: list[Row | bytes | None], *, at_hand: bool = False) -> bool:
        """Put the values of keys into a list, for those that are None there; see `get_rows_into`.

        Raises:
            ValueError: A key is illegal.
            StoreError: The store cannot be read; what is at hand is put nevertheless.
        """
        wanted = [IndexKey.of(key) for key in checked_keys(keys)]
        with self._mapped("read"):
            return self._search.values_into(wanted, rows, at_hand=at_hand)

    def put_rows(self, digests: Sequence[bytes], matrix: NDArray[Any]) -> None:
        """Store the rows of a C-contiguous matrix of shape (n, d) under digest keys, all different.

        Call `end_call` after the last of several calls: many rows are then published at once.

        Raises:
            StoreError: The store cannot be written.
        """
        if len(digests):
            with self._mapped("write"):
                self._write(LAYOUT_OF[matrix.dtype], b"".join(digests), None, self._catalog.next_stamp(), matrix)

    @property
    def is_fresh(self) -> bool:
        """False if it is time to look whether others have written or deleted something, even for what is at hand."""
        return self._catalog.is_fresh

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors of this namespace, that of the first ones written; None if there are none yet."""
        return self._catalog.dimensions

    # Waiting rows

    @property
    def backlog(self) -> Backlog:
        """What was written and is not published yet."""
        return self._writer.backlog

    def end_call(self, rows: int | None = None, size: int = 0) -> None:
        """End a call of several writes: many rows are published before this returns, few rows wait for others.

        Args:
            rows: How many rows the call has written; None for all that wait.
            size: How many bytes these have.

        Raises:
            StoreError: The store cannot be written; the rows stay readable here, and are sent again later.
        """
        with self._mapped("write"):
            self._writer.end_call(rows, size)

    def flush(self) -> None:
        """Publish everything that waits; after that it survives the death of this process.

        Raises:
            StoreError: The store cannot be written; the rows stay readable here, and are sent again later.
        """
        with self._mapped("write"):
            self._writer.flush()

    def flush_soon(self) -> None:
        """Publish everything that waits in the background, and return at once."""
        self._writer.flush_soon()

    def close(self) -> None:
        """Publish what waits and close the open files; they are opened again when they are needed.

        Later writes are possible, and are published before they return.

        Raises:
            StoreError: What waits cannot be published; it is tried again until the process ends.
        """
        try:
            with self._mapped("write"):
                self._writer.close()
        finally:
            self._catalog.files.close()

    # Writing

    def _write(self, layout: str, digests: bytes, texts: Sequence[bytes] | None, stamp: int, values: RowValues) -> None:
        self._check_writable()
        self._writer.write(layout, digests, texts, stamp, values)

    def _adopt(self) -> None:
        """Complete the work of processes that were killed in the middle of it."""
        if self._catalog.space_file.seen:
            self._directory.tidy()
            try:
                self._writer.merger.adopt(self._catalog.view.segments, self._catalog.hidden)
            except (OSError, DamagedSegmentError):
                # Another process is doing this work at the moment.
                return
            self._writer.merge()

    @contextmanager
    def _mapped(self, action: str) -> Iterator[None]:
        """Turn every fault of the place into a `StoreError`."""
        try:
            yield
        except EmbedOnceError:
            raise
        except Exception as error:
            raise self.location.error(error, action)  # noqa: B904 - `error` decides whether the cause may be shown


_STORES = renewed_in_child(SegmentStore._after_fork)
