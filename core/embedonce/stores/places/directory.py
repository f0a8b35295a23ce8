"""What the segment store needs from a place for files: five operations on one flat directory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


Part = bytes | memoryview
"""A piece of a file."""


class Directory(Protocol):
    """One flat directory of immutable files. Names never hold a slash.

    Note for implementers: raise `FileNotFoundError` for a file that is gone and any other exception for an outage;
    never report one as the other. A file becomes visible whole or not at all, and a file is only ever overwritten
    with identical bytes. Every method may be called from several threads at once.

    Attributes:
        grace: Seconds for which files that a merge replaced are left, for readers that have planned to read them.
        has_views: True if `view` returns files, False if it always returns None.
        answers: Grows with every answer to a request that reads or lists; `FileNotFoundError` is an answer too.
    """

    grace: float
    has_views: bool
    answers: int

    def __str__(self) -> str:
        """The path, for messages: without secrets."""

    def listing(self) -> dict[str, int]:
        """Return the sizes in bytes of all files by name; empty if the directory does not exist."""

    def changed(self) -> bool:
        """False only if `listing` would certainly return the same as last time; must be far cheaper than `listing`."""

    def view(self, name: str) -> memoryview | None:
        """Return the whole file without reading it now, or None if this place can only be read by `get_ranges`."""

    def is_current(self, view: memoryview) -> bool:
        """False if a view must not be touched any more, since its file was cut under it."""

    def get_ranges(self, names: Sequence[str], starts: Sequence[int], ends: Sequence[int]) -> list[bytes | Exception]:
        """Return bytes [start, end) of each file, or the exception that reading it met."""

    def create(self) -> None:
        """Make the directory if this place needs one."""

    def put(self, name: str, parts: Sequence[Part]) -> None:
        """Publish a file, whole or not at all."""

    def sync(self, name: str) -> None:
        """Make sure that a published file survives a loss of power."""

    def delete(self, name: str) -> None:
        """Delete a file; an absent one is ignored."""

    def tidy(self) -> None:
        """Delete what killed processes left half-written."""

    def descriptors(self) -> int:
        """How many views this process may hold at once."""


def read_whole(directory: Directory, name: str, size: int) -> bytes:
    """Return a file whose size is known from a listing.

    Raises:
        FileNotFoundError: It is gone.
        OSError: Any other fault.
    """
    if not size:
        # An empty range is not a valid request: some places answer it with an error.
        return b""
    (answer,) = directory.get_ranges([name], [0], [size])
    if isinstance(answer, Exception):
        raise answer
    if len(answer) != size:
        msg = f"{name}: {len(answer)} bytes read where {size} were listed"
        raise OSError(msg)
    return answer


_DIRECTORY = re.compile(r"[a-z0-9-]{0,40}-[0-9a-f]{16}", re.ASCII)


def is_namespace_directory(name: str) -> bool:
    """True if the directory of a namespace can have this name."""
    return _DIRECTORY.fullmatch(name) is not None
