"""Segments on any fsspec file system, through a few calls that mean the same on all of them.

Some calls are not used, since drivers disagree about them or since they hide outages: `cat`, `exists`, `info`, `mv`,
`open`, `walk`, suffix ranges, globs, transactions and conditional creation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsspec.asyn import get_loop, reset_lock

from embedonce.runtime.forking import in_child
from embedonce.stores.drivers.faults import fault_of
from embedonce.stores.drivers.retrying import PASSING, attempts, patiently
from embedonce.stores.places.listings import MissingPlaceError, beneath_cache, files_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fsspec import AbstractFileSystem

    from embedonce.stores.places.directory import Part

# Made at import, before any fork: a child that is forked while another thread makes it would wait for it for ever.
get_loop()
# The thread of the parent's loop does not exist in the child. Later versions of fsspec do this themselves.
in_child(reset_lock)

_RANGES_PER_CALL = 256


class RemoteDirectory:
    """One directory or prefix of an fsspec file system (see `Directory`).

    Args:
        file_system: Makes the file system; called again in a forked child, which cannot use its parent's.
        path: The directory, in the file system's own form.
    """

    grace = 600.0
    has_views = False

    def __init__(self, file_system: Callable[[], AbstractFileSystem], path: str) -> None:
        self._file_system = file_system
        self._path = path.rstrip("/")
        self.answers = 0

    def __str__(self) -> str:
        return self._path

    @property
    def _fs(self) -> AbstractFileSystem:
        return self._file_system()

    def changed(self) -> bool:
        """Always True: only a listing can tell."""
        return True

    def listing(self) -> dict[str, int]:
        """Return the sizes of all files by name, with one request.

        Raises:
            MissingPlaceError: The bucket or container does not exist.
        """
        listed = files_in(self._fs, self._path)
        self.answers += 1
        return listed

    def view(self, name: str) -> memoryview | None:
        """Return None: files are read by range."""
        return None

    def is_current(self, view: memoryview) -> bool:
        """Always True, since there are no views."""
        return True

    def get_ranges(self, names: Sequence[str], starts: Sequence[int], ends: Sequence[int]) -> list[bytes | Exception]:
        """Read ranges, up to 256 with each call of the driver."""
        fs = self._fs
        answers: list[bytes | Exception] = []
        for at in range(0, len(names), _RANGES_PER_CALL):
            cut = slice(at, at + _RANGES_PER_CALL)
            answers.extend(self._get(fs, names[cut], starts[cut], ends[cut]))
        beneath = beneath_cache(fs)
        if beneath is not fs:
            # A cache of whole files reports one failure for all ranges, and keeps a copy that is too short for ever.
            again = [
                i
                for i, answer in enumerate(answers)
                if isinstance(answer, FileNotFoundError)
                or (isinstance(answer, bytes) and len(answer) != ends[i] - starts[i])
            ]
            if again:
                picked = [[each[i] for i in again] for each in (names, starts, ends)]
                for i, answer in zip(again, self._get(beneath, *picked), strict=True):  # type: ignore[arg-type]
                    answers[i] = answer
        return answers

    def _get(
        self, fs: AbstractFileSystem, names: Sequence[str], starts: Sequence[int], ends: Sequence[int]
    ) -> list[bytes | Exception]:
        """Read ranges; retry those that fail for a passing reason."""
        answers: list[bytes | Exception] = [OSError()] * len(names)
        left = list(range(len(names)))
        for _ in attempts():
            for i, answer in zip(left, self._ask(fs, [(names[i], starts[i], ends[i]) for i in left]), strict=True):
                answers[i] = answer
            left = [i for i in left if isinstance(answer := answers[i], Exception) and fault_of(answer) in PASSING]
            if not left:
                break
        self.answers += any(isinstance(answer, bytes | FileNotFoundError) for answer in answers)
        return answers

    def _ask(self, fs: AbstractFileSystem, ranges: Sequence[tuple[str, int, int]]) -> list[bytes | Exception]:
        paths = [f"{self._path}/{name}" for name, _, _ in ranges]
        # Lists instead of one number, since some drivers accept nothing else.
        starts, ends = [start for _, start, _ in ranges], [end for _, _, end in ranges]
        try:
            blobs = fs.cat_ranges(paths, starts, ends, on_error="return")
        except Exception as error:
            return [error] * len(paths)
        return [
            blob if isinstance(blob, bytes | Exception) else OSError(f"{path}: the file system answered {blob!r}")
            for path, blob in zip(paths, blobs, strict=True)
        ]

    def create(self) -> None:
        """Make the directory, unless this is an object store, which has none."""
        fs = kind = beneath_cache(self._fs)
        while (inner := getattr(kind, "fs", None)) is not None:
            # A file system that shows a part of another one claims to be asynchronous, whatever the other one is.
            kind = inner
        if not getattr(kind, "async_impl", False):
            fs.makedirs(self._path, exist_ok=True)

    def put(self, name: str, parts: Sequence[Part]) -> None:
        """Write a file with one request; the name is unique, so a retry can only write the same bytes again.

        Raises:
            MissingPlaceError: The bucket, container or directory does not exist.
        """
        fs, content = beneath_cache(self._fs), b"".join(parts)
        try:
            patiently(lambda: fs.pipe_file(f"{self._path}/{name}", content))
        except Exception as error:
            # The missing file cannot be the one that is being written.
            if fault_of(error) in ("gone", "missing"):
                raise MissingPlaceError(*error.args) from error
            raise

    def sync(self, name: str) -> None:
        """Do nothing: an answered request is durable."""

    def delete(self, name: str) -> None:
        """Delete a file; an absent one is ignored.

        Raises:
            MissingPlaceError: The bucket or container does not exist.
        """
        fs = beneath_cache(self._fs)
        try:
            patiently(lambda: fs.rm_file(f"{self._path}/{name}"))
        except FileNotFoundError as error:
            if fault_of(error) == "missing":
                raise MissingPlaceError(*error.args) from error

    def tidy(self) -> None:
        """Do nothing: there are no half-written files."""

    def descriptors(self) -> int:
        """Return a bound that does not matter, since there are no views."""
        return 256
