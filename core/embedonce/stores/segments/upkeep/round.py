"""What compacting, evicting and erasing share: listing the place, rewriting, deleting, and a report."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from embedonce.stores.drivers.faults import UnreadableFilesError
from embedonce.stores.segments.format.layout import DamagedSegmentError
from embedonce.stores.segments.format.names import Segment, SegmentName
from embedonce.stores.segments.upkeep.reports import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.catalog.catalog import Catalog
    from embedonce.stores.segments.catalog.resolving import Resolver
    from embedonce.stores.segments.format.layout import Index
    from embedonce.stores.segments.lookup.key_index import KeyIndex
    from embedonce.stores.segments.lookup.liveness import Liveness
    from embedonce.stores.segments.writing.merger import Merger
    from embedonce.stores.segments.writing.rewriter import Rewriter, Rewritten


@dataclass(frozen=True)
class Listing:
    """The published segments of a namespace at one moment.

    Attributes:
        key_index: The index of those that are in use.
        listed: Sizes of all files.
        hidden: Files that merged segments have replaced.
        taken: When listing the place began, in seconds since 1970.
    """

    key_index: KeyIndex
    listed: Mapping[str, int]
    hidden: frozenset[str]
    taken: float

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments that are in use."""
        return self.key_index.segments

    @cached_property
    def damaged(self) -> tuple[str, ...]:
        """Files with names of segments that are neither in use nor replaced: they are damaged or cannot be read."""
        used = {segment.file for segment in self.segments}
        others = self.listed.keys() - used - self.hidden
        return tuple(sorted(file for file in others if SegmentName.parse(file) is not None))


@dataclass
class MaintenanceRound:
    """One round of maintenance of a namespace.

    Attributes:
        namespace: The name of the namespace.
        catalog: Its segments.
        resolver: Returns a view of all of them.
        merger: Deletes replaced segments after the grace period.
        metadata: Returns the header strings of a new segment.
        dry_run: True to change nothing.
    """

    namespace: str
    catalog: Catalog
    resolver: Resolver
    merger: Merger
    metadata: Callable[[], dict[str, str]]
    dry_run: bool = False
    deleted: set[str] = field(default_factory=set)
    damaged_rows: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _gone: set[str] = field(default_factory=set)
    _replaced: set[str] = field(default_factory=set)
    _damaged: set[str] = field(default_factory=set)

    @property
    def rewriter(self) -> Rewriter:
        """Copies rows into new segments."""
        return self.merger.rewriter

    def look(self) -> Listing:
        """List the place and return its segments; raises as `Catalog.refresh` does."""
        taken = time.time()
        self.catalog.refresh(force=True)
        key_index, listed, hidden = self.catalog.retried(self._published)
        return Listing(key_index, listed, hidden, taken)

    def _published(self) -> tuple[KeyIndex, dict[str, int], frozenset[str]]:
        catalog = self.catalog
        view = self.resolver.whole()
        with catalog.lock:
            if catalog.view is not view:
                # Another thread has refreshed or written in between: the listing belongs to another view.
                raise FileNotFoundError(str(catalog.directory))
            listed, hidden = dict(catalog.listed), catalog.hidden
        # A row that only waits in memory must not replace one that is published.
        waiting = frozenset(segment.file for segment in view.key_index.segments if segment.file not in listed)
        return view.key_index.without(waiting), listed, hidden & listed.keys()

    def liveness(self, listing: Listing) -> Liveness:
        """Return the state of all rows."""
        return self.rewriter.liveness(listing.key_index)

    def indexes(self, files: Iterable[str]) -> Iterator[tuple[str, Index | None]]:
        """Yield the files that hold rows, whether in use or replaced, and the index of each; None if it is unusable."""
        for file in files:
            name = SegmentName.parse(file)
            if name is not None and name.kind != "del":
                try:
                    yield file, self.catalog.files.open(Segment(name, file)).index
                except FileNotFoundError:
                    continue
                except (DamagedSegmentError, UnreadableFilesError):
                    yield file, None

    def older(self, listing: Listing, number: int, moment_us: int) -> NDArray[np.bool_]:
        """Return the entries of a segment whose stamps are before a moment."""
        key_index = listing.key_index
        entries = np.flatnonzero(key_index.segment_of == number)
        stamps = self.catalog.records(key_index.segments[number])["stamp"][key_index.record_of[entries]]
        older = np.zeros(len(key_index.prefixes), bool)
        older[entries[stamps < moment_us]] = True
        return older

    def collect(self, listing: Listing) -> Listing:
        """Delete replaced segments after their grace period, also those of other processes; return the new listing."""
        if not listing.hidden or self.dry_run:
            return listing
        self.merger.adopt_replaced(listing.segments, listing.hidden)
        if not self.merger.collect():
            return listing
        after = self.look()
        self.deleted |= listing.hidden - after.listed.keys()
        return after

    def rewrite(
        self, listing: Listing, liveness: Liveness, numbers: Sequence[int], leave: NDArray[np.bool_] | None = None
    ) -> Rewritten | None:
        """Rewrite some segments, see `Rewriter.rewrite`; return None too if they cannot be used any more."""
        usable = [number for number in numbers if self._is_usable(listing.segments[number])]
        if not usable:
            return None
        try:
            done = self.rewriter.rewrite(
                liveness,
                usable,
                listed=listing.listed.keys(),
                taken=listing.taken,
                # Rows that another process has replaced or deleted in the meantime must not reappear.
                present=lambda: {segment.file for segment in self.look().segments},
                metadata=self.metadata,
                leave=leave,
                dry_run=self.dry_run,
            )
        except (FileNotFoundError, UnreadableFilesError):
            return None
        if done is None:
            return None
        sources = [listing.segments[number] for number in usable]
        self._leave(sources)
        self.damaged_rows += done.damaged
        if done.segment is None:
            self.remove(listing, sources)
        else:
            self.added(done.segment)
            self._counts["rewritten"] += len(sources)
            self._replaced |= done.replaces
            if not self.dry_run:
                self.merger.replaced(done.segment, done.replaces)
        return done

    def rewrite_at_once(
        self, listing: Listing, liveness: Liveness, number: int, leave: NDArray[np.bool_] | None = None
    ) -> None:
        """Rewrite a segment, and delete it without a grace period for readers, which then look again."""
        done = self.rewrite(listing, liveness, [number], leave)
        if done is not None and done.segment is not None and (self.dry_run or self.rewriter.is_whole(done.segment)):
            self.remove(listing, [listing.segments[number]])

    def _is_usable(self, segment: Segment) -> bool:
        try:
            self.rewriter.check(segment)
        except FileNotFoundError:
            return False
        except DamagedSegmentError as error:
            self.catalog.damaged_segment(segment, str(error))
            self._damaged.add(segment.file)
            return False
        except UnreadableFilesError:
            self._damaged.add(segment.file)
            return False
        return True

    def remove(self, listing: Listing, segments: Sequence[Segment]) -> None:
        """Delete segments at once, after the segments that they had replaced, which would reappear otherwise."""
        self._leave([segment for segment in segments if segment.file not in self._gone])
        for segment in segments:
            try:
                replaced = self.catalog.files.open(segment).index.replaces
            except FileNotFoundError:
                replaced = frozenset()
            self.delete([*sorted(replaced & listing.listed.keys()), segment.file])

    def delete(self, files: Iterable[str]) -> None:
        """Delete files at once."""
        for file in files:
            if file not in self.deleted:
                self.deleted.add(file)
                if not self.dry_run:
                    self.catalog.directory.delete(file)
                    self.catalog.files.forget(file)

    def added(self, segment: Segment) -> None:
        """Count a new segment."""
        self._count((segment,), 1)

    def _leave(self, segments: Sequence[Segment]) -> None:
        self._gone.update(segment.file for segment in segments)
        self._count(segments, -1)

    def _count(self, segments: Sequence[Segment], sign: int) -> None:
        self._counts["segments"] += sign * len(segments)
        self._counts["rows"] += sign * rows_of(segments)
        self._counts["bytes"] += sign * bytes_of(segments)

    def report(self, before: Listing, after: Listing | None = None) -> Report:
        """Return what has changed since a listing.

        Args:
            before: The listing.
            after: A later listing; None to report only the changes of this round, without those of other processes.
        """
        counts = self._counts
        if not self.dry_run and (counts or self.deleted):
            self.catalog.refresh(force=True)
        segments, rows, size = len(before.segments), rows_of(before.segments), bytes_of(before.segments)
        return Report(
            self.namespace,
            segments_before=segments,
            segments_after=len(after.segments) if after else segments + counts["segments"],
            rows_before=rows,
            rows_after=rows_of(after.segments) if after else rows + counts["rows"],
            bytes_before=size,
            bytes_after=bytes_of(after.segments) if after else size + counts["bytes"],
            deleted=len(self.deleted),
            rewritten=counts["rewritten"],
            waiting=len(after.hidden if after else (before.hidden | self._replaced) - self.deleted),
            damaged_rows=self.damaged_rows,
            damaged_segments=tuple(sorted({*before.damaged, *self._damaged} - self.deleted)),
            dry_run=self.dry_run,
        )


def rows_of(segments: Iterable[Segment]) -> int:
    """Return how many rows some segments hold."""
    return sum(segment.name.rows for segment in segments if not segment.is_tombstone)


def bytes_of(segments: Iterable[Segment]) -> int:
    """Return how many bytes some segments have."""
    return sum(segment.name.size for segment in segments)
