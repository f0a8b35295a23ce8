"""Which segments a space has, as this process knows them: listed, checked and merged into one view."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.errors import StoreError
from embedonce.locks import ForkLock
from embedonce.stores.segments.files import SegmentFiles
from embedonce.stores.segments.format import DamagedSegmentError
from embedonce.stores.segments.io import read_whole
from embedonce.stores.segments.names import LARGEST_STAMP, SegmentName
from embedonce.stores.segments.snapshot import Segment
from embedonce.stores.segments.space import SPACE_FILE, DamagedSpaceError, Space
from embedonce.stores.segments.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files import OpenSegment
    from embedonce.stores.segments.io import SegmentIO

logger = logging.getLogger("embedonce")

ATTEMPTS = 10
"""How often a lookup is tried when segments disappear under it."""
_HIT_REFRESH = 1.0
_FUTURE_US = 3_600_000_000
_OVERLAY = 4096


@dataclass(slots=True)
class StoreCounts:
    """What a store met since the object was made."""

    damaged_rows: int = 0
    damaged_segments: int = 0


class Catalog:
    """The segments of one space.

    Lookups use `view` without a lock. Every change replaces it or adds to its overlay, under `lock`.

    Args:
        io: The space's directory.
        space: What it must hold.
        counts: Where damage is counted.
    """

    def __init__(self, io: SegmentIO, space: Space, counts: StoreCounts) -> None:
        self.io = io
        self.files = SegmentFiles(io)
        self.lock = ForkLock()
        self._space = space
        self._counts = counts
        self._stamp = 0
        self.space_seen = False
        self._space_damaged = False
        self._warned: set[str] = set()
        self.clear()

    def clear(self) -> None:
        """Forget all that was listed; the next refresh looks at everything again."""
        self.listed: dict[str, int] = {}
        self.hidden: frozenset[str] = frozenset()
        self.dimensions: int | None = None
        # Names of the segments that each merged one replaces.
        self._replaces: dict[str, frozenset[str]] = {}
        self._damaged: dict[str, int] = {}
        self._refreshed = float("-inf")
        self._stale = True
        self._show(View())

    def _show(self, view: View) -> View:
        """Let lookups see a view from now on."""
        oldest = view.snapshot.oldest_typed
        self.dimensions = oldest.name.dimensions if oldest is not None else None
        self._newest_stamp = view.snapshot.newest_stamp
        self.view = view
        return view

    # Refreshing

    def refresh_if_due(self) -> None:
        """Look now and then, even for a batch of hits, for what others wrote or deleted."""
        if time.monotonic() - self._refreshed > _HIT_REFRESH:
            self.refresh()

    def refresh(self, *, force: bool = False) -> bool:
        """Take in segments that appeared and let go of those that are gone; True if anything changed.

        Raises:
            StoreError: The space has disappeared.
            KeyEncoderError: Somebody has written with another key encoder.
            OSError: Any other fault of the place.
        """
        self._refreshed = time.monotonic()
        if not force and not self._stale and not self.io.changed():
            return False
        with self.lock:
            before = self.view
            # Whatever goes wrong below: the next refresh must not take the listing for known.
            self._stale = True
            for _ in range(ATTEMPTS):
                listed = self.io.listing()
                self._check_space_file(listed)
                if self._take(listed):
                    self._stale = False
                    break
            return self.view is not before

    def _check_space_file(self, listed: dict[str, int]) -> None:
        if SPACE_FILE not in listed:
            if self.space_seen:
                msg = f"{self.io}/{SPACE_FILE} has disappeared: the directory was deleted or is no longer mounted"
                raise StoreError(msg)
        elif not self.space_seen:
            try:
                self._space.check(read_whole(self.io, SPACE_FILE, listed[SPACE_FILE]), str(self.io))
            except DamagedSpaceError as error:
                self._space_damaged = True
                self._counts.damaged_segments += 1
                self.warn(SPACE_FILE, f"{self.io}/{SPACE_FILE} is damaged: {error}; the next write replaces it")
            self.space_seen = True

    def ensure_space(self) -> None:
        """Make the directory and its `space.json` unless they are there.

        Raises:
            OSError: That is not possible.
        """
        if self.space_seen and not self._space_damaged:
            return
        with self.lock:
            self.io.create()
            self._check_space_file(self.io.listing())
            self._stale = True
            if not self.space_seen or self._space_damaged:
                self.io.put(SPACE_FILE, [self._space.to_bytes()])
                self.space_seen, self._space_damaged = True, False

    def _take(self, listed: dict[str, int]) -> bool:
        """Make the view that of a listing; False if segments have disappeared since, so that it is out of date."""
        view = self.view
        shown = {segment.file: segment.name.size for segment in view.segments}
        # A file that is shorter than its name says is as good as gone.
        gone = frozenset(file for file, size in shown.items() if listed.get(file) != size or file in self._damaged)
        replaces = {file: names for file, names in self._replaces.items() if file in listed and file not in gone}
        hidden = frozenset[str]().union(*replaces.values())
        appeared = [
            Segment(name, file)
            for file in (listed.keys() - shown.keys() - hidden) | (gone & listed.keys())
            if self._damaged.get(file) != listed[file] and (name := SegmentName.parse(file)) is not None
        ]
        self.listed = listed
        if not appeared and not gone:
            return True
        self.files.forget(*gone)
        self.files.open_all(appeared)
        good: list[Segment] = []
        is_complete = True
        for segment in appeared:
            try:
                if self._is_good(segment, listed[segment.file]):
                    good.append(segment)
                    self._damaged.pop(segment.file, None)
                    if names := self.opened(segment).index.replaces:
                        replaces[segment.file] = names
            except FileNotFoundError:
                is_complete = False
        hidden = frozenset[str]().union(*replaces.values()) & listed.keys()
        leave = gone | hidden
        added = [segment for segment in (*view.newest, *good) if segment.file not in leave]
        try:
            self._show(View(view.snapshot.without(leave).extended(added, self.records)))
        except FileNotFoundError:
            return False
        self._replaces, self.hidden = replaces, hidden
        for segment in good:
            self._see_stamp(segment.name.stamp)
        return is_complete

    def _is_good(self, segment: Segment, size: int) -> bool:
        try:
            if size != segment.name.size:
                msg = f"{size} bytes instead of {segment.name.size}"
                raise DamagedSegmentError(msg)
            metadata = self.files.open(segment).index.metadata
            ours = self._space.metadata()
            if metadata.get("space") != ours["space"]:
                msg = "it belongs to another namespace"
                raise DamagedSegmentError(msg)
            if metadata.get("key_encoder") != ours["key_encoder"]:
                self._space.check_encoder(_encoder_of(metadata), f"{self.io}/{segment.file}")
        except DamagedSegmentError as error:
            self._leave_out(segment, size, str(error))
            return False
        return True

    def _see_stamp(self, stamp: int) -> None:
        self._stamp = max(self._stamp, stamp)
        if stamp - time.time_ns() // 1000 > _FUTURE_US:
            self.warn("clock", f"{self.io}: a segment is stamped more than an hour ahead of this machine's clock")

    def opened(self, segment: Segment) -> OpenSegment:
        """Return an open segment.

        Raises:
            FileNotFoundError: It is gone or damaged: refresh and look again.
            OSError: Any other fault of the place.
        """
        try:
            return self.files.open(segment)
        except DamagedSegmentError as error:
            self.damaged_segment(segment, str(error))
            raise FileNotFoundError(segment.file) from error

    def records(self, segment: Segment) -> NDArray[Any]:
        """Return the index records of a segment; raises as `opened` does."""
        return self.opened(segment).index.records

    # Adding what this process has written

    def next_stamp(self) -> int:
        """Return a stamp that is larger than any that was issued or seen here."""
        with self.lock:
            self._stamp = min(max(time.time_ns() // 1000, self._stamp + 1), LARGEST_STAMP)
            return self._stamp

    def add(self, segment: Segment, records: bytes, texts: Sequence[bytes] | None) -> None:
        """Make an own segment, all of whose rows have its stamp, visible to lookups of this process.

        Args:
            segment: The published segment.
            records: Its index records as they stand in the file.
            texts: The key of each row, b"" where it is a digest key; None if all are.
        """
        with self.lock:
            if segment.file in self.listed and not self._stale:
                # A refresh of another thread was quicker.
                return
            view, stamp = self.view, segment.name.stamp
            fits = len(view.overlay) + segment.name.rows <= max(_OVERLAY, len(view.snapshot.prefixes) // 16)
            # The overlay always wins, so what is older than anything in the snapshot must not get in.
            if fits and stamp > self._newest_stamp and not segment.is_tombstone:
                view.overlaid(segment, records, texts, stamp)
                if self.dimensions is None and segment.name.dtype is not None:
                    self.dimensions = segment.name.dimensions
            else:
                try:
                    self._show(View(view.snapshot.extended([*view.newest, segment], self.records)))
                except FileNotFoundError:
                    # Somebody else has merged some of them meanwhile.
                    self.refresh(force=True)

    def folded(self) -> View:
        """Return the view after taking the overlay into the snapshot; raises as `opened` does."""
        with self.lock:
            view = self.view
            if view.newest:
                view = self._show(View(view.snapshot.extended(view.newest, self.records)))
            return view

    # Faults

    def damaged_segment(self, segment: Segment, what: str) -> None:
        """See `DamageReport`: the next refresh leaves it out and brings back what it had replaced."""
        with self.lock:
            self._stale = True
            self.files.forget(segment.file)
            if segment.file not in self._damaged:
                self._leave_out(segment, self.listed.get(segment.file, segment.name.size), what)

    def damaged_rows(self, segment: Segment, count: int) -> None:
        """See `DamageReport`."""
        self._counts.damaged_rows += count
        self.warn(segment.file, f"{self.io}/{segment.file} holds damaged rows; they count as misses")

    def _leave_out(self, segment: Segment, size: int, what: str) -> None:
        """Leave a segment out until its size changes: it may be half copied."""
        self._damaged[segment.file] = size
        self._counts.damaged_segments += 1
        self.warn(segment.file, f"{self.io}/{segment.file} is damaged and left out: {what}; its rows are misses")

    def warn(self, subject: str, message: str) -> None:
        """Log a warning, once per subject."""
        if subject not in self._warned:
            self._warned.add(subject)
            logger.warning(message)


def _encoder_of(metadata: dict[str, str]) -> object:
    try:
        return json.loads(metadata["key_encoder"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        msg = f"its key encoder is not readable ({error})"
        raise DamagedSegmentError(msg) from error
