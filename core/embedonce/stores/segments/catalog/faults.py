"""Segments that cannot be used: what is damaged is left out, what cannot be read is tried again."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedonce.stores.drivers.faults import UnreadableFilesError
    from embedonce.stores.places.directory import Directory

logger = logging.getLogger("embedonce")

_LONGEST = 600.0


@dataclass(slots=True)
class StoreCounts:
    """What a store has met since the object was made."""

    damaged_rows: int = 0
    damaged_segments: int = 0


class UnreadableFiles:
    """The files of a namespace that could not be read, and when each is tried again.

    Twice as long after each fault as after the one before, first as long as the fault has taken to show: a file without
    permission is tried again at once, and one that a slow service fails to deliver more and more rarely.
    """

    def __init__(self) -> None:
        # What was raised, until when it is left alone, and how often it has failed.
        self._files: dict[str, tuple[Exception, float, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._files)

    @property
    def errors(self) -> dict[str, Exception]:
        """What reading each of them has raised."""
        return {file: error for file, (error, *_) in list(self._files.items())}

    def add(self, file: str, error: Exception, seconds: float) -> None:
        """Leave a file alone whose fault has taken some seconds to show."""
        count = self._files[file][2] if file in self._files else 0
        wait = min(_LONGEST, seconds * 2 ** min(count, 20))
        self._files[file] = (error, time.monotonic() + wait, count + 1)

    def discard(self, file: str) -> None:
        """A file could be read."""
        self._files.pop(file, None)

    def keep(self, listed: dict[str, int]) -> None:
        """Forget those that do not exist any more."""
        for file in self._files.keys() - listed.keys():
            self.discard(file)

    def waits(self, file: str) -> bool:
        """True if a file is still left alone."""
        return file in self._files and time.monotonic() < self._files[file][1]

    @property
    def is_due(self) -> bool:
        """True if one of them is to be tried again."""
        return any(until <= time.monotonic() for _, until, _ in list(self._files.values()))


class SegmentFaults:
    """The segments of one namespace that are left out; each is counted, and named in the log once.

    Args:
        directory: Where the files are.
        counts: Where damage is counted.

    Attributes:
        damaged: Sizes of files that are damaged as a whole. They are left out until their size changes, since they may
            be half copied.
        unreadable: Files that cannot be read now.
    """

    def __init__(self, directory: Directory, counts: StoreCounts) -> None:
        self._directory = directory
        self._counts = counts
        self._warned: set[str] = set()
        self.clear()

    def clear(self) -> None:
        """Forget which files are left out."""
        self.damaged: dict[str, int] = {}
        self.unreadable = UnreadableFiles()

    def is_left_out(self, file: str, size: int) -> bool:
        """True if a file of a size is not to be opened now."""
        return self.damaged.get(file) == size or self.unreadable.waits(file)

    def opened(self, file: str) -> None:
        """A file is good."""
        self.damaged.pop(file, None)
        self.unreadable.discard(file)

    def is_damaged(self, file: str, size: int, what: str) -> None:
        """Leave out a file that is damaged as a whole."""
        self.damaged[file] = size
        self._counts.damaged_segments += 1
        self.warn(file, f"{self._directory}/{file} is damaged and left out: {what}; its rows are misses")

    def has_damaged_rows(self, file: str, count: int) -> None:
        """Count rows that have failed their checksums."""
        self._counts.damaged_rows += count
        self.warn(file, f"{self._directory}/{file} holds damaged rows; they count as misses")

    def cannot_read(self, error: UnreadableFilesError, seconds: float) -> None:
        """Leave files alone for a while, whose fault has taken some seconds to show."""
        for file, cause in error.files.items():
            self.unreadable.add(file, cause, seconds)
            self.warn(
                file,
                f"{self._directory}/{file} cannot be read ({type(cause).__name__}); it is left out until it can be, "
                "and its rows are misses",
            )

    def space_file(self, file: str, damage: str, fault: str) -> None:
        """Count a `space.json` that is damaged, or cannot be read."""
        self._counts.damaged_segments += 1
        what = f"is damaged: {damage}; the next write replaces it"
        if fault:
            what = f"cannot be read ({fault}); what it says is taken from the segments beside it"
        self.warn(file, f"{self._directory}/{file} {what}")

    def warn(self, subject: str, message: str) -> None:
        """Log a warning, once per subject."""
        if subject not in self._warned:
            self._warned.add(subject)
            logger.warning(message)
