"""Maintenance of a segment store: compacting, evicting, erasing, and inspecting."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedonce.errors import StoreError
from embedonce.options import checked_age, checked_bytes, checked_flag, moment_before
from embedonce.stores.protocol import checked_keys
from embedonce.stores.segments.format.keys import IndexKey
from embedonce.stores.segments.upkeep import compacting, erasing, inspecting
from embedonce.stores.segments.upkeep.round import MaintenanceRound, bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from embedonce.stores.locations.location import Location
    from embedonce.stores.segments.catalog.catalog import Catalog
    from embedonce.stores.segments.catalog.resolving import Resolver
    from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
    from embedonce.stores.segments.upkeep.reports import Report, Usage, Verification
    from embedonce.stores.segments.writing.writer import Writer


class Upkeep:
    """The maintenance of a `SegmentStore`. Any process may call any method at any time, without a lock.

    Every method first publishes what waits, and lists the place. All methods raise `StoreError` if the store cannot be
    read or written; the next call, of any process, then completes what was begun. Only files with names of segments
    are ever deleted.
    """

    location: Location
    namespace_directory: NamespaceDirectory
    read_only: bool
    _catalog: Catalog
    _resolver: Resolver
    _writer: Writer

    def compact(self) -> Report:
        """Merge small segments, and rewrite those of which more than a fifth are rows that no lookup can find.

        The replaced segments are deleted after a grace period for readers, when any process next compacts, merges or
        opens the store. If there is nothing to do, nothing is written.
        """
        with self._maintaining("compact") as maintenance:
            return compacting.compact(maintenance)

    def evict(
        self,
        *,
        max_bytes: int | None = None,
        older_than: float | timedelta | None = None,
        dry_run: bool = False,
        now: float | None = None,
    ) -> Report:
        """Delete the oldest rows. A row is as old as its last writing: reading it makes it no younger.

        Args:
            max_bytes: Segments are deleted, the oldest first, until those in use have at most so many bytes. If the
                last one has more than 1 MiB, it is rewritten with as many of its newest rows as there is room for.
            older_than: Rows that were written longer ago, in seconds, are deleted.
            dry_run: True to report what would be deleted, and change nothing.
            now: The time from which ages are counted, in seconds since 1970; None for the time of this call.

        Raises:
            ValueError: A limit is not a number, or negative.
        """
        age = checked_age(older_than)
        checked_bytes(max_bytes)
        checked_flag("dry_run", dry_run)
        before_us = moment_before(age, now)
        with self._maintaining("evict from", dry_run=dry_run) as maintenance:
            return erasing.evict(maintenance, max_bytes=max_bytes, before_us=before_us)

    def purge(self, keys: Sequence[str]) -> Report:
        """Erase the values of keys for good: from all files, at once, without a grace period for readers.

        A tombstone with the keys remains, and `compact` drops it after a day; a digest key reveals nothing about its
        text. Three things cannot be erased from here: versions that the place itself keeps (object versioning,
        snapshots, backups); local tiers of other machines, where the next process that misses the files deletes its
        mirrors, and mirrors without use are deleted in time; and a merge of the same rows that another process is
        uploading, which erases them itself when it has finished, unless it is killed before.

        Raises:
            ValueError: A key is illegal.
            StoreError: The store cannot be written, or some files may still contain the values; the message names them.
        """
        wanted = list(dict.fromkeys(IndexKey.of(key) for key in checked_keys(keys)))
        with self._maintaining("purge") as maintenance:
            stamp = self._catalog.next_stamp()

            def delete() -> None:
                digests = b"".join(key.digest for key in wanted)
                self._writer.write("del", digests, [key.text for key in wanted], stamp, None)

            return erasing.purge(maintenance, wanted, stamp, delete)

    def clear(self) -> Report:
        """Delete all segments. The namespace itself stays and can be written at once."""
        with self._maintaining("clear") as maintenance:
            return erasing.clear(maintenance)

    def usage(self) -> Usage:
        """Return how many rows there are and what they take; reads no rows."""
        with self._looking("look at") as maintenance:
            return inspecting.usage(maintenance)

    def verify(self) -> Verification:
        """Read everything again and compare all checksums; repairs nothing."""
        with self._looking("verify") as maintenance:
            return inspecting.verify(maintenance)

    def ages(self) -> tuple[list[tuple[int, int]], int]:
        """Return stamp and size of the segments that `evict` could delete, oldest first, and the size of all others."""
        with self._looking("look at") as maintenance:
            segments = maintenance.look().segments
        rows = erasing.by_age(segments)
        return [(segment.name.stamp, segment.name.size) for segment in rows], bytes_of(segments) - bytes_of(rows)

    @contextmanager
    def _maintaining(self, action: str, *, dry_run: bool = False) -> Iterator[MaintenanceRound]:
        if not dry_run:
            self._check_writable()
        with self._looking(action) as maintenance:
            maintenance.dry_run = dry_run
            self._writer.flush()
            yield maintenance

    def _check_writable(self) -> None:
        if self.read_only:
            msg = (
                f"the namespace {self.namespace_directory.namespace!r} of the store at {self.location} was opened "
                'read-only; to change it, open it with mode="read_write"'
            )
            error = StoreError(msg)
            error.fault = "read_only"
            raise error

    @contextmanager
    def _looking(self, action: str) -> Iterator[MaintenanceRound]:
        with self._mapped(action):
            namespace = self.namespace_directory.namespace
            yield MaintenanceRound(namespace, self._catalog, self._resolver, self._writer.merger, self._writer.metadata)

    def _mapped(self, action: str) -> AbstractContextManager[None]:
        """Turn every fault of the place into a `StoreError`."""
        raise NotImplementedError
