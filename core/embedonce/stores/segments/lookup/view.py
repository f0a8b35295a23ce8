"""What a lookup uses: the merged index, and the newest segments of this process, which are not in it yet."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from embedonce.stores.segments.format.names import RECORD, Segment
from embedonce.stores.segments.lookup.key_index import KeyIndex, prefixes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.format.keys import IndexKey


_MANY = 256


@dataclass(frozen=True, slots=True)
class View:
    """A key index and an overlay of newer rows of this process, since inserting few keys into the index is slow.

    Attributes:
        key_index: The merged index.
        newest: Segments of the overlay; their numbers follow those of the key index. It only grows, and a segment is
            appended before an entry of the overlay refers to it, so that readers need no lock.
        overlay: Segment number, record number and stamp by `_name` of a key. Every entry is newer than what the
            key index holds under that key.
    """

    key_index: KeyIndex = field(default_factory=KeyIndex)
    newest: list[Segment] = field(default_factory=list)
    overlay: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments."""
        return (*self.key_index.segments, *self.newest)

    def segment(self, number: int) -> Segment:
        """Return a segment by its number."""
        known = len(self.key_index.segments)
        return self.key_index.segments[number] if number < known else self.newest[number - known]

    def overlaid(self, segment: Segment, records: bytes, texts: Sequence[bytes] | None, stamp: int) -> None:
        """Add a segment to the overlay.

        Args:
            segment: Its typed or opaque rows, all of one stamp.
            records: The index records as they are in the file.
            texts: The key of each row, b"" for a digest key; None if all are digest keys.
            stamp: The stamp.
        """
        number = len(self.key_index.segments) + len(self.newest)
        self.newest.append(segment)
        size = RECORD.itemsize
        for record in range(segment.name.rows):
            at = size * record
            text = texts[int.from_bytes(records[at + 40 : at + 44], "little")] if texts is not None else b""
            name = _name(records[at : at + 32], text)
            older = self.overlay.get(name)
            if older is None or older[2] <= stamp:
                self.overlay[name] = (number, record, stamp)

    def newest_entry(self, key: IndexKey) -> tuple[int, int] | None:
        """Return segment and record number of a key in the overlay."""
        entry = self.overlay.get(_name(key.digest, key.text))
        return entry[:2] if entry is not None else None

    def first_candidate(self, digest: bytes) -> tuple[Segment, int] | None:
        """Return where a digest key would be: the segment and record number of its first entry."""
        entry = self.overlay.get(digest)
        if entry is not None:
            return self.segment(entry[0]), entry[1]
        key_index = self.key_index
        prefixes, prefix = key_index.prefixes.data, int.from_bytes(digest[:8], "big")
        # For a single key this takes half the time of numpy.
        at = bisect_left(prefixes, prefix)
        if at == len(prefixes) or prefixes[at] != prefix:
            return None
        return key_index.segments[key_index.segment_of[at]], key_index.record_of.item(at)

    def first_candidates(
        self, digests: Sequence[bytes], keys: NDArray[np.uint64], todo: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Return where digest keys would be: segment and record number of the first entry of each, -1 for no entry.

        Args:
            digests: 32 bytes per key.
            keys: The same keys as an array of shape (n, 4).
            todo: Which of the keys to look up, m numbers.
        """
        segment_of = np.full(len(todo), -1, np.int64)
        record_of = np.zeros(len(todo), np.uint32)
        key_index = self.key_index
        if len(key_index.prefixes):
            prefixes = prefixes_of(keys[todo])
            if len(todo) > _MANY:
                # Sorted keys are searched faster, since neighbouring searches touch the same cache lines.
                order = np.argsort(prefixes)
                at = np.empty(len(todo), np.intp)
                at[order] = np.searchsorted(key_index.prefixes, prefixes[order])
            else:
                at = np.searchsorted(key_index.prefixes, prefixes)
            np.minimum(at, len(key_index.prefixes) - 1, out=at)
            hit = key_index.prefixes[at] == prefixes
            at = at[hit]
            segment_of[hit] = key_index.segment_of[at]
            record_of[hit] = key_index.record_of[at]
        if self.overlay:
            newest = self.overlay.get
            for i, position in enumerate(todo.tolist()):
                entry = newest(digests[position])
                if entry is not None:
                    segment_of[i], record_of[i], _ = entry
        return segment_of, record_of


def _name(digest: bytes, text: bytes) -> bytes:
    """Return the name of a key in the overlay: a digest key must not equal the hash of a text key."""
    return digest + b"t" if text else digest
