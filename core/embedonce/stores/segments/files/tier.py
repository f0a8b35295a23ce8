"""The local tier: a copy on the local disk of what was read from a distant place.

Each segment has a mirror: one sparse file with the layout of the segment, and holes for what was not read yet. Beside
it is a `.have` file with one byte per row and one for the index block, 1 for what is present:

    segment   index  row 0  row 1  row 2        .have   0 1 0 1     index and row 1 are present
    mirror    index  hole   row 1  hole

Processes share both files without a lock: writing twice only repeats the same bytes, and data is written before it is
marked. The tier is not trusted: index blocks and rows pass the same checks as those from the distant place. So after a
crash, or with a lost file, the only cost is to read something again. No fault of the local disk is ever an error or a
miss.
"""

from __future__ import annotations

import logging
import mmap
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedonce.runtime.signals import let_through
from embedonce.stores.places.directory import is_namespace_directory
from embedonce.stores.places.local import is_uncut
from embedonce.stores.segments.format.names import SegmentName

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from io import BufferedRandom
    from pathlib import Path

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Part
    from embedonce.stores.segments.format.names import Segment

logger = logging.getLogger("embedonce")

_HAVE = ".have"
_CHECKED_EVERY = 16 << 20
"""After so many written bytes a process checks the size of the tier."""
_TOUCHED_EVERY = 60.0
"""Seconds before a file in use is marked as used again."""
_LOOKED_EVERY = 0.1
"""Seconds before a process looks again whether another one has read a missing row."""


class Piece(NamedTuple):
    """Consecutive rows of a segment, and where they start in its file."""

    row: int
    rows: int
    start: int
    data: memoryview


class Tier:
    """The mirrors of one namespace.

    Args:
        directory: Where the mirrors are, below the root of the tier. Made when it is needed.
        limit: Most bytes of the whole tier, with all its namespaces; the mirrors that were used longest ago go first.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._root = directory.parent
        self._directory = directory
        self._limit = limit
        self._unchecked = 0
        self._has_warned = False
        with self._harmless():
            self._trim()

    def open(self, segment: Segment) -> Mirror | None:
        """Return the mirror of a segment, empty if it is new; None if the disk fails."""
        with self._harmless():
            return Mirror(self, segment.name, str(self._directory / segment.file))
        return None

    def whole(self, segment: Segment) -> bytes | None:
        """Return a small segment if all of it is present."""
        with self._harmless(), suppress(FileNotFoundError):
            path = str(self._directory / segment.file)
            if _read(path + _HAVE) == b"\1" * (segment.name.rows + 1):
                os.utime(path)
                return _read(path)
        return None

    def keep_whole(self, segment: Segment, parts: Sequence[Part]) -> None:
        """Mirror a segment of which all bytes are available."""
        with self._harmless():
            path = str(self._directory / segment.file)
            self._prepare()
            with _open_for_writing(path, segment.name.size) as file:
                start = 0
                for part in parts:
                    _write(file, [(start, part)])
                    start += len(part)
            with _open_for_writing(path + _HAVE, segment.name.rows + 1) as file:
                _write(file, [(0, b"\1" * (segment.name.rows + 1))])
            self.wrote(segment.name.size)

    def forget(self, files: Sequence[str]) -> None:
        """Delete the mirrors of segments that are gone."""
        with self._harmless():
            for file in files:
                _delete(str(self._directory / file))

    def keep_only(self, files: Container[str]) -> None:
        """Delete the mirrors of all other segments: these were deleted while no process here was running."""
        with self._harmless():
            for entry in _entries(str(self._directory)):
                name = entry.name.removesuffix(_HAVE)
                if name not in files and SegmentName.parse(name) is not None:
                    _delete(str(self._directory / name))

    def wrote(self, size: int) -> None:
        """Count written bytes, and make room if they are many."""
        self._unchecked += size
        if self._unchecked > min(_CHECKED_EVERY, self._limit // 8):
            self._unchecked = 0
            self._trim()

    def _prepare(self) -> None:
        """Make the directories, for this user alone: vectors are as private as their texts."""
        self._root.mkdir(0o700, parents=True, exist_ok=True)
        self._directory.mkdir(0o700, exist_ok=True)

    def _trim(self) -> None:
        """Delete the mirrors that were used longest ago if the tier has grown beyond its limit."""
        found = sorted(self._scan())
        excess = sum(size for _, size, _ in found) - self._limit
        if excess <= 0:
            return
        # A tenth more, so that the next written bytes do not exceed the limit again.
        excess += self._limit // 10
        for _, size, path in found:
            if excess <= 0:
                break
            with suppress(OSError):
                _delete(path)
                excess -= size

    def _scan(self) -> Iterator[tuple[float, int, str]]:
        """Yield time of last use, bytes on disk and path of each mirror; no other file is ever touched."""
        for namespace_directory in _entries(str(self._root)):
            if not (
                is_namespace_directory(namespace_directory.name) and namespace_directory.is_dir(follow_symlinks=False)
            ):
                continue
            sizes: dict[str, int] = {}
            used: dict[str, float] = {}
            for entry in _entries(namespace_directory.path):
                if SegmentName.parse(entry.name.removesuffix(_HAVE)) is None:
                    continue
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    path = entry.path.removesuffix(_HAVE)
                    sizes[path] = sizes.get(path, 0) + _size_on_disk(status)
                    used[path] = max(used.get(path, 0.0), status.st_mtime)
            for path, size in sizes.items():
                yield used[path], size, path

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Ignore a fault of the disk: it costs only the use of the tier. Warn once."""
        try:
            yield
        except OSError as error:
            let_through(error)
            if not self._has_warned:
                self._has_warned = True
                logger.warning("the local tier in %s is not used where it fails: %s", self._root, error)


class Mirror:
    """The local copy of one segment, mapped, so that reading it needs no system call.

    Args:
        tier: The tier that it belongs to.
        name: The segment's name.
        path: The sparse file; made if it does not exist.

    Raises:
        OSError: The disk fails.
    """

    def __init__(self, tier: Tier, name: SegmentName, path: str) -> None:
        self._tier = tier
        self._name = name
        self._path = path
        tier._prepare()
        with _open_for_writing(path, name.size) as file:
            status = os.fstat(file.fileno())
            self._inode = status.st_dev, status.st_ino
            self.map = memoryview(mmap.mmap(file.fileno(), name.size, access=mmap.ACCESS_READ))
        self._have = np.zeros(name.rows + 1, np.uint8)
        self._look()
        self._touched = float("-inf")

    @property
    def is_uncut(self) -> bool:
        """False if the file was cut, so that it must not be touched any more."""
        return is_uncut(self.map)

    @property
    def is_whole(self) -> bool:
        """True if the index and all rows are present."""
        return bool((self._have == 1).all())

    def used(self) -> None:
        """Mark the segment as used, so that others are deleted first."""
        now = time.monotonic()
        if now - self._touched > _TOUCHED_EVERY:
            self._touched = now
            with suppress(OSError):
                os.utime(self._path)

    def index(self) -> memoryview | None:
        """Return the index block, which is not checked yet; None if it is missing."""
        return self.map[: self._name.index_end] if self._have[-1] == 1 else None

    def holds(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which rows are present."""
        there: NDArray[np.bool_] = self._have[rows] == 1
        if not there.all():
            # Another process may have read them in the meantime.
            with self._tier._harmless():
                self._look()
            there = self._have[rows] == 1
        return there

    def take(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of some vectors, which are not checked yet."""
        name = self._name
        vectors = np.frombuffer(self.map, name.dtype, name.rows * name.dimensions, name.values_start)
        return vectors.reshape(name.rows, name.dimensions).take(rows, axis=0)

    def piece(self, row: int, start: int, end: int) -> memoryview | None:
        """Return a row, which is not checked yet; None if it is missing."""
        if self._have[row] != 1 and time.monotonic() - self._looked > _LOOKED_EVERY:
            self.holds(np.array([row]))
        return self.map[start:end] if self._have[row] == 1 else None

    def keep_index(self, block: Part) -> None:
        """Keep an index block that has passed its check."""
        self._keep([Piece(self._name.rows, 1, 0, memoryview(block))])

    def keep_rows(self, pieces: Sequence[Piece]) -> bool:
        """Keep rows that have passed their checks; True if the segment should be opened again.

        That is so if the mirror is complete now, or if its file was deleted in the meantime.
        """
        return not self._keep(pieces) or self.is_whole

    def _keep(self, pieces: Sequence[Piece]) -> bool:
        """Write rows and then mark them as present; False if the path is not the mapped file any more."""
        with self._tier._harmless():
            try:
                with open(self._path, "r+b") as file, open(self._path + _HAVE, "r+b") as have:
                    status = os.fstat(file.fileno())
                    if (status.st_dev, status.st_ino) != self._inode:
                        return False
                    _write(file, ((piece.start, piece.data) for piece in pieces))
                    _write(have, ((piece.row, b"\1" * piece.rows) for piece in pieces))
                for piece in pieces:
                    self._have[piece.row : piece.row + piece.rows] = 1
            except FileNotFoundError:
                return False
            self._tier.wrote(sum(len(piece.data) for piece in pieces))
        return True

    def _look(self) -> None:
        """Read which rows are present."""
        self._looked = time.monotonic()
        with _open_for_writing(self._path + _HAVE, len(self._have)) as file:
            have = np.frombuffer(file.read(), np.uint8)
        if len(have) == len(self._have):
            self._have = have.copy()


def _open_for_writing(path: str, size: int) -> BufferedRandom:
    """Open a file of the tier; one that does not exist is made, with a hole of its whole size."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = open(os.open(path, flags, 0o600), "r+b")  # noqa: SIM115
    try:
        if os.fstat(file.fileno()).st_size != size:
            os.ftruncate(file.fileno(), size)
    except BaseException:
        file.close()
        raise
    return file


def _write(file: BufferedRandom, pieces: Iterable[tuple[int, Part]]) -> None:
    """Write with system calls, never through a map: on a full disk these raise an error, a map kills the process."""
    for start, data in pieces:
        file.seek(start)
        file.write(data)
    file.flush()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _delete(path: str) -> None:
    """Delete a mirror, first its marks of what is present."""
    for each in (path + _HAVE, path):
        with suppress(FileNotFoundError):
            os.unlink(each)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        return list(entries)
    return []


def _size_on_disk(status: os.stat_result) -> int:
    # Windows does not report how much of a file is a hole.
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else 512 * blocks
