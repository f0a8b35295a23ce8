"""Segments in a local directory: memory maps for reading, atomic replacement for writing, no fsspec in between."""

from __future__ import annotations

import mmap
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedonce.options import checked_flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce.stores.places.directory import Part

TEMPORARY = ".tmp-"
_IN_MEMORY = 16 << 10
"""Files up to this size are read, not mapped: this takes no descriptor, and a file that is cut cannot be fatal."""
_STALE_TEMPORARY = 3600.0
_SETTLED_NS = 50_000_000
"""A directory younger than this may change again without a new modification time (kernel ticks of 1-10 ms)."""
_WHOLE_SECONDS_NS = 2_100_000_000
_ALL_BITS = 0o7777
_SUFFIXES = (".safetensors", ".json")


class LocalDirectory:
    """One local directory of segments (see `Directory`).

    Args:
        directory: Where the files are; see `create`.
        fsync: True to survive a loss of power, not only of the process, at the price of a disk flush per write.
        file_mode: Permission bits of new files before the umask.
        dir_mode: Permission bits of new directories before the umask.

    Raises:
        ValueError: `fsync` is not a bool, or a mode is not one with which the owner can read files and use directories.
    """

    grace = 2.0
    has_views = True

    def __init__(
        self, directory: str | os.PathLike[str], *, fsync: bool = False, file_mode: int = 0o666, dir_mode: int = 0o777
    ) -> None:
        check_options(fsync=fsync, file_mode=file_mode, dir_mode=dir_mode)
        self.path = Path(directory)
        self._fsync = fsync
        self._file_mode = file_mode
        self._dir_mode = dir_mode
        self.answers = 0
        self._seen: int | None = None
        # Sizes of files that do not change any more.
        self._whole: dict[str, int] = {}
        self._settled = False

    def __str__(self) -> str:
        return str(self.path)

    def _modified(self) -> int | None:
        try:
            modified = os.stat(self.path).st_mtime_ns
        except FileNotFoundError:
            modified = None
        self.answers += 1
        return modified

    def changed(self) -> bool:
        """Compare the modification time of the directory, which takes 2 us."""
        return not self._settled or self._modified() != self._seen

    def listing(self) -> dict[str, int]:
        """Return the sizes of all files by name; asks the system only for files that may still grow."""
        modified = self._modified()
        now = time.time_ns()
        sizes: dict[str, int] = {}
        whole: dict[str, int] = {}
        known = self._whole
        with suppress(FileNotFoundError), os.scandir(self.path) as entries:
            for entry in entries:
                name = entry.name
                if name in known:
                    sizes[name] = whole[name] = known[name]
                elif name[0] != ".":
                    # What is no file of the cache need not have a size that can be seen.
                    with suppress(FileNotFoundError if name.endswith(_SUFFIXES) else OSError):
                        sizes[name] = size = entry.stat().st_size
                        if _is_whole(name, size):
                            whole[name] = size
        self._whole = whole
        if modified is not None:
            young = _WHOLE_SECONDS_NS if modified % 1_000_000_000 == 0 else _SETTLED_NS
            self._settled = now - modified > young
        else:
            self._settled = False
        self._seen = modified
        return sizes

    def view(self, name: str) -> memoryview:
        """Return a read-only map, or the bytes themselves for a small file."""
        with open(self.path / name, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            is_small = size <= _IN_MEMORY
            content = file.read() if is_small else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.answers += 1
        return memoryview(content)

    def is_current(self, view: memoryview) -> bool:
        """False if the file was cut: touching a map beyond the end of its file would kill the process."""
        return is_uncut(view)

    def get_ranges(self, names: Sequence[str], starts: Sequence[int], ends: Sequence[int]) -> list[bytes | Exception]:
        """Read each range from the opened file."""
        answers: list[bytes | Exception] = []
        for name, start, end in zip(names, starts, ends, strict=True):
            try:
                with open(self.path / name, "rb") as file:
                    file.seek(start)
                    answers.append(file.read(end - start))
                self.answers += 1
            except OSError as error:
                answers.append(error)
        return answers

    def create(self) -> None:
        """Make the directory and its parents."""
        self.path.mkdir(self._dir_mode, parents=True, exist_ok=True)

    def put(self, name: str, parts: Sequence[Part]) -> None:
        """Write a temporary file beside the target, then rename it."""
        temporary = self.path / f"{TEMPORARY}{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, self._file_mode)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                for part in parts:
                    _write_all(file, memoryview(part).cast("B"))
                if self._fsync:
                    os.fsync(descriptor)
            os.replace(temporary, self.path / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        if self._fsync:
            self._sync_directory()

    def sync(self, name: str) -> None:
        """Flush a file and the entry of its name to the disk."""
        with open(self.path / name, "rb") as file:
            os.fsync(file.fileno())
        self._sync_directory()

    def _sync_directory(self) -> None:
        """Force the directory's entries to the disk, where the system can."""
        if os.name == "nt":
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def delete(self, name: str) -> None:
        """Delete a file; an absent one is ignored."""
        with suppress(FileNotFoundError):
            os.unlink(self.path / name)

    def tidy(self) -> None:
        """Delete temporary files that are older than an hour."""
        with suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.startswith(TEMPORARY):
                    with suppress(OSError):
                        if time.time() - entry.stat().st_mtime > _STALE_TEMPORARY:
                            os.unlink(entry.path)

    def descriptors(self) -> int:
        """Return a quarter of the files that the process may open, since a map keeps its file open."""
        try:
            import resource
        except ImportError:
            return 256
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return 256 if limit == resource.RLIM_INFINITY else max(8, min(256, limit // 4))


def check_options(*, fsync: Any = False, file_mode: Any = 0o666, dir_mode: Any = 0o777) -> None:
    """Check the options of a `LocalDirectory`; raises as it does."""
    checked_flag("fsync", fsync)
    for name, mode, needed, example in (("file_mode", file_mode, 0o400, 0o600), ("dir_mode", dir_mode, 0o700, 0o700)):
        is_mode = isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= _ALL_BITS
        if not is_mode or mode & needed != needed:
            shown = f"{mode!r} (in octal notation {oct(mode)})" if is_mode else repr(mode)
            may = "read its files" if name == "file_mode" else "use its directories"
            msg = (
                f"{name} must be permission bits such as {oct(example)} ({example}) with which the owner may {may}; "
                f"got {shown}"
            )
            raise ValueError(msg)


def is_uncut(view: memoryview) -> bool:
    """False if the file of a map was cut; bytes in memory cannot be cut."""
    mapped = view.obj
    return not isinstance(mapped, mmap.mmap) or mapped.size() >= len(view)


def _is_whole(name: str, size: int) -> bool:
    """True if a file has the size that its name says, so that it does not grow any more."""
    parts = name.split("-", 6)
    return len(parts) == 7 and parts[5] == f"{size:x}"


def _write_all(file: object, part: memoryview) -> None:
    """Write all of a part: an unbuffered file may take less than it is given."""
    while part:
        written = file.write(part)  # type: ignore[attr-defined]
        part = part[written:]
