"""Which segments a namespace has, as this process knows them: listed, checked and merged into one view."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from embedonce.errors import EmbedOnceError
from embedonce.runtime.locks import ForkLock
from embedonce.runtime.sharing import SharedAttempt
from embedonce.runtime.signals import raised_by_handler
from embedonce.stores.drivers.faults import UnreadableFilesError
from embedonce.stores.segments.catalog.faults import SegmentFaults
from embedonce.stores.segments.catalog.recency import Recency
from embedonce.stores.segments.catalog.space_file import SpaceFile
from embedonce.stores.segments.files.files import SegmentFiles
from embedonce.stores.segments.format.layout import DamagedSegmentError
from embedonce.stores.segments.format.names import LARGEST_STAMP, Segment, SegmentName
from embedonce.stores.segments.format.namespace_directory import SPACE_FILE, NamespaceDirectory
from embedonce.stores.segments.lookup.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.catalog.faults import StoreCounts
    from embedonce.stores.segments.files.opening import OpenSegment
    from embedonce.stores.segments.files.tier import Tier
    from embedonce.stores.segments.lookup.key_index import KeyIndex

    T = TypeVar("T")

_ATTEMPTS = 10
_DISTANT_ATTEMPTS = 5
"""How often a look is tried when segments disappear during it; on a distant place each attempt costs requests."""
_FUTURE_US = 3_600_000_000
_OVERLAY = 4096
"""So many keys may be in the overlay of a small index; a large one may have more, see `Catalog.add`."""


class Catalog:
    """The segments of one namespace.

    Lookups use `view` without a lock. Every change replaces it or adds to its overlay, under `lock`, which is never
    held during a request to a distant place.

    Args:
        directory: Where the files are.
        namespace_directory: What the directory must hold.
        counts: Where damage is counted.
        place: The store as users name it.
        interval: Seconds for which a listing is believed when something is not found.
        tier: Keeps what is read from a distant place on the local disk.
    """

    def __init__(
        self,
        directory: Directory,
        namespace_directory: NamespaceDirectory,
        counts: StoreCounts,
        *,
        place: str,
        interval: float = 0.0,
        tier: Tier | None = None,
    ) -> None:
        self.directory = directory
        self.files = SegmentFiles(directory, tier)
        self.lock = ForkLock()
        self.attempts = _ATTEMPTS if directory.has_views else _DISTANT_ATTEMPTS
        self.space_file = SpaceFile(directory, namespace_directory, place)
        self._namespace_directory = namespace_directory
        self.faults = SegmentFaults(directory, counts)
        self.warn = self.faults.warn
        self._recency = Recency(interval)
        self._stamp = 0
        self.clear()

    def clear(self) -> None:
        """Forget all that was listed; the next refresh looks at everything again."""
        self.listed: dict[str, int] = {}
        self.hidden: frozenset[str] = frozenset()
        self.dimensions: int | None = None
        # Segments in memory that are not published yet, by file.
        self.pending: dict[str, Segment] = {}
        # Sizes of own files that were published after the last listing had begun.
        self._unlisted: dict[str, int] = {}
        # Names of the segments that each merged one replaces.
        self._replaces: dict[str, frozenset[str]] = {}
        self.faults.clear()
        self._recency.expire()
        # Lock order: the lock of an attempt is taken before `lock`, never after it.
        self._attempt = SharedAttempt()
        self._stale = True
        self._show(View())

    def _show(self, view: View) -> View:
        """Let lookups use a view from now on."""
        oldest = view.key_index.oldest_typed
        self.dimensions = oldest.name.dimensions if oldest is not None else None
        self._newest_stamp = view.key_index.newest_stamp
        self.view = view
        return view

    # Refreshing

    @property
    def is_fresh(self) -> bool:
        """True if what is found may be believed without a look at the place."""
        return time.monotonic() <= self._recency.hits_until

    def refresh_for_hits(self) -> Exception | None:
        """Refresh now and then even if everything is found, to see what others have written or deleted.

        Returns:
            The fault of a distant place that could not be listed, which matters only if something is not found.
        """
        if self.is_fresh:
            return None
        try:
            self.refresh()
        except EmbedOnceError:
            raise
        except Exception as error:
            if self.directory.has_views or raised_by_handler(error):
                raise
            # What this process knows is still right, and some of it may be nowhere else. Rows that must be read from
            # the place raise an error of their own.
            self._recency.unreachable()
            self.warn(
                "hits",
                f"{self.directory} cannot be listed ({type(error).__name__}); its last listing is used",
            )
            return error
        return None

    def refresh_for_misses(self, count: int) -> bool:
        """Refresh if it is time, since others may have written what is missing; True to look it up again."""
        return (self.faults.unreadable.is_due or not self._recency.suffices_for_misses(count)) and self.refresh()

    def retried(self, look: Callable[[], T]) -> T:
        """Return what a look at segments gives; after a refresh it looks again if some have just been merged away.

        Raises:
            FileNotFoundError: Segments kept disappearing.
            Exception: What `look` or `refresh` raises.
        """
        for _ in range(self.attempts):
            try:
                return look()
            except FileNotFoundError:
                self.refresh(force=True)
        return look()

    def look_again(self, view: View) -> None:
        """Refresh, unless there is a newer view than this one, of which segments are gone; raises as `refresh` does."""
        if self.view is view:
            self.refresh(force=True)

    def refresh(self, *, force: bool = False) -> bool:
        """Add segments that have appeared and drop those that are gone; True if anything has changed.

        A call during the refresh of another thread shares its result or its error.

        Raises:
            StoreError: The directory has disappeared.
            KeyEncoderError: Another process has written with another key encoder.
            OSError: Any other fault of the place.
        """
        if not force and not self._stale and not self.faults.unreadable.is_due and not self.directory.changed():
            self._recency.listed()
            return False
        # A refresh that has already begun is recent enough, unless the caller knows of a change.
        return self._attempt.run(self._refresh, fresh=force)

    def _refresh(self) -> bool:
        before = self.view
        # If anything below fails, the next refresh must not take this listing as known.
        self._stale = True
        for _ in range(self.attempts):
            with self.lock:
                known = list(self._unlisted)
            listed = self.directory.listing()
            self._look_at_space_file(listed)
            is_complete = self._take(listed, known)
            self._recency.listed()
            if is_complete:
                break
        return self.view is not before

    def _look_at_space_file(self, listed: dict[str, int]) -> None:
        file, was_bad = self.space_file, self.space_file.damage or self.space_file.fault
        file.look(listed)
        if not was_bad and (file.damage or file.fault):
            self.faults.space_file(SPACE_FILE, file.damage, file.fault)

    def ensure_namespace(self) -> None:
        """Make the directory and its `space.json` unless they exist.

        Raises:
            OSError: They cannot be made.
        """
        if self.space_file.is_good:
            return
        with self._attempt.lock:
            self.directory.create()
            if self.directory.has_views or self._stale:
                self._look_at_space_file(self.directory.listing())
            self._stale = True
            self.space_file.write()

    def _take(self, listed: dict[str, int], known: Sequence[str]) -> bool:
        """Show what a listing says; False if it is out of date, since segments have disappeared after it.

        Args:
            listed: Sizes of all files.
            known: Own files that were published before the place was listed.
        """
        with self.lock:
            gone = self._gone(listed, known)
            shown = {segment.file for segment in self.view.segments}
        replaces = {file: names for file, names in self._replaces.items() if file in listed and file not in gone}
        hidden = frozenset[str]().union(*replaces.values())
        self.faults.unreadable.keep(listed)
        appeared = [
            Segment(name, file)
            for file in (listed.keys() - shown - hidden) | (gone & listed.keys())
            if not self.faults.is_left_out(file, listed[file]) and (name := SegmentName.parse(file)) is not None
        ]
        # Replaced segments too: their mirrors must not outlive rows that were erased.
        self.files.forget(*gone, *(self.hidden - listed.keys()))
        began = time.monotonic()
        faulty = self.files.open_all(appeared)
        good: list[Segment] = []
        is_complete = True
        for segment in appeared:
            try:
                if segment.file in faulty:
                    raise faulty[segment.file]
                if self._is_good(segment, listed[segment.file]):
                    good.append(segment)
                    self.faults.opened(segment.file)
                    if names := self.opened(segment, partly=True).index.replaces:
                        replaces[segment.file] = names
            except FileNotFoundError:
                is_complete = False
            except UnreadableFilesError as error:
                self.files.forget(*error.files)
                self.faults.cannot_read(error, time.monotonic() - began)
        with self.lock:
            for file in known:
                self._unlisted.pop(file, None)
            self.listed = {**listed, **self._unlisted}
            if appeared or gone:
                is_complete &= self._show_listed(gone, good, replaces)
            self._stale = not is_complete
        return is_complete

    def _gone(self, listed: dict[str, int], known: Sequence[str]) -> frozenset[str]:
        """Return the files of the view that a listing does not confirm, without those that it cannot know yet."""
        own = {file: segment.name.size for file, segment in self.pending.items()}
        own.update({file: size for file, size in self._unlisted.items() if file not in known})
        return frozenset(
            segment.file
            for segment in self.view.segments
            # A file with another size than its name says is of no more use than a missing one.
            if listed.get(segment.file, own.get(segment.file)) != segment.name.size
            or segment.file in self.faults.damaged
        )

    def _show_listed(self, gone: frozenset[str], good: Sequence[Segment], replaces: dict[str, frozenset[str]]) -> bool:
        """Show a view without segments that are gone or merged, and with good new ones; False if more are gone now."""
        hidden = frozenset[str]().union(*replaces.values()) & self.listed.keys()
        leave = gone | hidden
        view = self.view
        stays = {segment.file for segment in view.segments} - gone
        added = [
            *(segment for segment in view.newest if segment.file not in leave),
            # An own segment may have been added to the view while the listed file was being opened.
            *(segment for segment in good if segment.file not in leave - gone and segment.file not in stays),
        ]
        try:
            self._show(View(view.key_index.without(leave).extended(added, self.records, self.files.sparse_indexes)))
        except (FileNotFoundError, UnreadableFilesError):
            return False
        self.files.drop_sparse_indexes(
            self.files.sparse_indexes.keys() - {segment.file for segment in self.view.segments}
        )
        self._replaces, self.hidden = replaces, hidden
        for segment in good:
            self._see_stamp(segment.name.stamp)
        return True

    def _is_good(self, segment: Segment, size: int) -> bool:
        try:
            if size != segment.name.size:
                msg = f"{size} bytes instead of {segment.name.size}"
                raise DamagedSegmentError(msg)
            metadata = self.files.open_partly(segment).index.metadata
            self._namespace_directory.check_segment(metadata, f"{self.directory}/{segment.file}")
        except DamagedSegmentError as error:
            self.faults.is_damaged(segment.file, size, str(error))
            return False
        return True

    def _see_stamp(self, stamp: int) -> None:
        self._stamp = max(self._stamp, stamp)
        if stamp - time.time_ns() // 1000 > _FUTURE_US:
            self.warn(
                "clock", f"{self.directory}: a segment is stamped more than an hour ahead of this machine's clock"
            )

    def opened(self, segment: Segment, *, partly: bool = False) -> OpenSegment:
        """Return an open segment; `partly` as in `SegmentFiles`.

        Raises:
            FileNotFoundError: It is gone or damaged: refresh and look again.
            OSError: Any other fault of the place.
        """
        try:
            return self.files.open_partly(segment) if partly else self.files.open(segment)
        except DamagedSegmentError as error:
            self.damaged_segment(segment, str(error))
            raise FileNotFoundError(segment.file) from error

    def records(self, segment: Segment) -> NDArray[Any]:
        """Return the index records of a segment that lookups know of; raises as `opened` does."""
        return self.opened(segment, partly=True).index.records

    # Segments of this process

    def next_stamp(self) -> int:
        """Return a stamp that is larger than any that was issued or seen here."""
        with self.lock:
            self._stamp = min(max(time.time_ns() // 1000, self._stamp + 1), LARGEST_STAMP)
            return self._stamp

    def add(
        self, segment: Segment, records: bytes, texts: Sequence[bytes] | None, *, is_published: bool = True
    ) -> None:
        """Make an own segment, all of whose rows have its stamp, visible to lookups of this process.

        Args:
            segment: The segment.
            records: Its index records as they stand in the file.
            texts: The key of each row, b"" where it is a digest key; None if all are.
            is_published: False if it is in memory only; see `published`.
        """
        with self.lock:
            if not is_published:
                self.pending[segment.file] = segment
            elif segment.file in self.listed and not self._stale:
                # A refresh in another thread has already added it.
                return
            else:
                self._unlisted[segment.file] = segment.name.size
            view, stamp = self.view, segment.name.stamp
            fits = len(view.overlay) + segment.name.rows <= max(_OVERLAY, len(view.key_index.prefixes) // 16)
            # An entry of the overlay always wins, so it must be newer than everything in the key index.
            if fits and stamp > self._newest_stamp and not segment.is_tombstone:
                view.overlaid(segment, records, texts, stamp)
                if self.dimensions is None and segment.name.dtype is not None:
                    self.dimensions = segment.name.dimensions
            else:
                self._show(self._extended(view.key_index, [*view.newest, segment]))

    def published(self, segment: Segment) -> None:
        """Record that a segment which was only in memory is published now."""
        with self.lock:
            self.pending.pop(segment.file, None)
            self._unlisted[segment.file] = self.listed[segment.file] = segment.name.size

    def replace(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Show other segments instead of some that are only in memory."""
        # The new ones too, which may be shown already if this is done again.
        leave = frozenset(segment.file for segment in (*old, *new))
        with self.lock:
            newest = [segment for segment in self.view.newest if segment.file not in leave]
            view = self._extended(self.view.key_index.without(leave), [*newest, *new])
            # In this order, since an interrupt may come anywhere: what is shown must be known as pending.
            self.pending.update({segment.file: segment for segment in new})
            self._show(view)
            for segment in old:
                self.pending.pop(segment.file, None)

    def _extended(self, key_index: KeyIndex, added: Sequence[Segment]) -> View:
        """Return a view with further segments, without those that were merged away in the meantime."""
        try:
            return View(key_index.extended(added, self.records))
        except (FileNotFoundError, UnreadableFilesError):
            self._stale = True
        unreadable = frozenset(segment.file for segment in key_index.segments if not self._opens(segment))
        readable = [segment for segment in added if self._opens(segment)]
        return View(key_index.without(unreadable).extended(readable, self.records))

    def _opens(self, segment: Segment) -> bool:
        try:
            self.opened(segment, partly=True)
        except (FileNotFoundError, UnreadableFilesError):
            return False
        return True

    def show_entries(self, key_index: KeyIndex) -> None:
        """Show a key index of the same segments with other entries; to be called under `lock`."""
        if key_index is not self.view.key_index:
            self.view = View(key_index, self.view.newest, self.view.overlay)

    def fold(self) -> View:
        """Move the overlay into the key index and return the view; raises as `opened` does."""
        with self.lock:
            view = self.view
            if view.newest:
                view = self._show(View(view.key_index.extended(view.newest, self.records)))
            return view

    # Faults

    def damaged_segment(self, segment: Segment, what: str) -> None:
        """Report a damaged segment: the next refresh leaves it out and shows again what it had replaced."""
        with self.lock:
            self._stale = True
            self.files.forget(segment.file)
            if segment.file not in self.faults.damaged:
                self.faults.is_damaged(segment.file, self.listed.get(segment.file, segment.name.size), what)

    def cannot_read(self, error: UnreadableFilesError, seconds: float) -> None:
        """Leave files out for a while, which a look has tried to read for some seconds; show what they had replaced.

        Raises:
            Exception: The place cannot be listed either, so that this is not a fault of some of its files.
        """
        self.directory.listing()
        self.files.forget(*error.files)
        self.faults.cannot_read(error, seconds)
        with self.lock:
            newest = [segment for segment in self.view.newest if segment.file not in error.files]
            self._show(self._extended(self.view.key_index.without(frozenset(error.files)), newest))
            self._replaces = {file: names for file, names in self._replaces.items() if file not in error.files}
        self.refresh(force=True)

    def damaged_rows(self, segment: Segment, count: int) -> None:
        """Count rows of a segment that have failed their checksums."""
        self.faults.has_damaged_rows(segment.file, count)
