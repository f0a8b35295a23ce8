"""The `space.json` of one directory: looked for in every listing, written by the first process that writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.errors import EmbedOnceError, StoreError
from embedonce.stores.places.directory import read_whole
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.format.namespace_directory import SPACE_FILE, DamagedNamespaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory


class SpaceFile:
    """What is known of the file.

    Attributes:
        seen: True if the file exists or has existed.
        damage: What is wrong with it, empty if nothing is.
        fault: Why it cannot be read, empty if it can.
    """

    def __init__(self, directory: Directory, namespace_directory: NamespaceDirectory, place: str) -> None:
        self._directory = directory
        self._namespace_directory = namespace_directory
        self._place = place
        self.seen = False
        self.damage = ""
        self.fault = ""

    @property
    def is_good(self) -> bool:
        """True if the file need not be written."""
        return self.seen and not self.damage

    def look(self, listed: Mapping[str, int]) -> None:
        """Look for the file in a listing, and compare its content with what it should be, once.

        Raises:
            StoreError: It has existed and is gone.
            FormatError: It is of another format.
            IdentityError: It belongs to another namespace.
            KeyEncoderError: The keys were made by another encoder.
            OSError: It cannot be read, and no segment names the namespace instead.
        """
        if SPACE_FILE not in listed:
            if self.seen:
                msg = (
                    f"{self._directory}/{SPACE_FILE} has disappeared (namespace "
                    f"{self._namespace_directory.namespace!r} of the store at {self._place}): the directory was "
                    "deleted or is no longer mounted; mount it again, or make a new cache object if it was meant to "
                    "be deleted"
                )
                error = StoreError(msg)
                error.fault = "missing"
                raise error
        elif not self.seen:
            # Every segment names its namespace too, and its header is read anyway.
            has_segments = any(SegmentName.parse(file) is not None for file in listed)
            if self._directory.has_views or not has_segments:
                try:
                    content = read_whole(self._directory, SPACE_FILE, listed[SPACE_FILE])
                    self._namespace_directory.check(content, str(self._directory))
                except DamagedNamespaceError as error:
                    self.damage = str(error)
                except EmbedOnceError:
                    raise
                except OSError as error:
                    if isinstance(error, FileNotFoundError) or not has_segments:
                        raise
                    self.fault = type(error).__name__
            self.seen = True

    def write(self) -> None:
        """Write the file unless it exists and is good.

        Raises:
            OSError: It cannot be written.
        """
        if not self.is_good:
            self._directory.put(SPACE_FILE, [self._namespace_directory.to_bytes()])
            self.seen, self.damage = True, ""
