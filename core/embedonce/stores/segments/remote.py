"""Segments on any fsspec file system, by five calls that mean the same on all of them.

Not used, because back ends disagree about them or because they hide outages: `cat`, `exists`, `info`, `ls`, `mv`,
`open`, suffix ranges, globs, transactions and conditional creation.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fsspec import AbstractFileSystem

    from embedonce.stores.segments.format import Part

_RANGES_PER_CALL = 256


class FsspecIO:
    """One directory or prefix of an fsspec file system (see `SegmentIO`).

    Args:
        file_system: Makes the file system; called again in a forked child, which cannot use its parent's.
        path: The directory, in the file system's own form.
    """

    grace = 600.0
    has_views = False

    def __init__(self, file_system: Callable[[], AbstractFileSystem], path: str) -> None:
        self._file_system = file_system
        self._path = path.rstrip("/")

    def __str__(self) -> str:
        return self._path

    @property
    def _fs(self) -> AbstractFileSystem:
        return self._file_system()

    def changed(self) -> bool:
        """See `SegmentIO`: only a listing can tell."""
        return True

    def listing(self) -> dict[str, int]:
        """See `SegmentIO`."""
        fs = self._fs
        # A listing cache has no expiry: it would hide what other processes write.
        with suppress(KeyError):
            fs.invalidate_cache(self._path)
        found: dict[str, dict[str, Any]] = fs.find(self._path, maxdepth=1, detail=True)
        return {path.rpartition("/")[2]: int(info["size"] or 0) for path, info in found.items()}

    def view(self, name: str) -> memoryview | None:
        """See `SegmentIO`: never."""
        return None

    def is_current(self, view: memoryview) -> bool:
        """See `SegmentIO`."""
        return True

    def get_ranges(self, names: Sequence[str], starts: Sequence[int], ends: Sequence[int]) -> list[bytes | Exception]:
        """See `SegmentIO`."""
        fs = self._fs
        answers: list[bytes | Exception] = []
        for at in range(0, len(names), _RANGES_PER_CALL):
            cut = slice(at, at + _RANGES_PER_CALL)
            paths = [f"{self._path}/{name}" for name in names[cut]]
            # Lists rather than one number, since some back ends take nothing else.
            blobs = fs.cat_ranges(paths, list(starts[cut]), list(ends[cut]), on_error="return")
            answers.extend(
                blob if isinstance(blob, bytes | Exception) else OSError(f"{path}: the file system answered {blob!r}")
                for path, blob in zip(paths, blobs, strict=True)
            )
        return answers

    def create(self) -> None:
        """See `SegmentIO`: object stores have no directories, others make them here."""
        fs = self._fs
        if not getattr(fs, "async_impl", False):
            fs.makedirs(self._path, exist_ok=True)

    def put(self, name: str, parts: Sequence[Part]) -> None:
        """See `SegmentIO`: one request; the name is unique, so overwriting can only repeat the same bytes."""
        self._fs.pipe_file(f"{self._path}/{name}", b"".join(parts))

    def sync(self, name: str) -> None:
        """See `SegmentIO`: an answered request is durable."""

    def delete(self, name: str) -> None:
        """See `SegmentIO`."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._path}/{name}")

    def tidy(self) -> None:
        """See `SegmentIO`: there is nothing half-written."""

    def descriptors(self) -> int:
        """See `SegmentIO`."""
        return 256
