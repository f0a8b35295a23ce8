"""Merging small segments into larger ones, and deleting what a merge has replaced.

Any process may do both at any time without a lock: a merged segment keeps every row's stamp, so no winner changes,
and two processes that merge the same segments only produce duplicates.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.segments.format import DamagedSegmentError, Rows, build, parse_index, row_checksum
from embedonce.stores.segments.grouping import as_array
from embedonce.stores.segments.io import read_whole
from embedonce.stores.segments.snapshot import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files import OpenSegment, SegmentFiles
    from embedonce.stores.segments.io import SegmentIO

_TIERS = (1 << 20, 4 << 20)
"""A segment of at most so many bytes waits to be merged with others of its tier; so a row moves at most three times."""
_FAN_IN = 64
_ADOPT = 4 * _FAN_IN
"""So many waiting segments, whoever wrote them, are taken over at opening: processes that write little merge nothing."""


class Merger:
    """Merges what one store has written. Calls must not overlap."""

    def __init__(self, io: SegmentIO, files: SegmentFiles) -> None:
        self._io = io
        self._files = files
        self._waiting: dict[tuple[int, str, int], list[Segment]] = {}
        self._replaced: dict[str, tuple[float, frozenset[str]]] = {}

    def written(self, segment: Segment) -> None:
        """Take note of a segment that this process has published."""
        tier = next((tier for tier, limit in enumerate(_TIERS) if segment.name.size <= limit), None)
        if tier is not None and not segment.is_tombstone:
            name = segment.name
            kind = (tier, name.kind, name.stride) if name.dtype is not None else (tier, "opaque", 0)
            self._waiting.setdefault(kind, []).append(segment)

    def adopt(self, segments: Iterable[Segment], hidden: frozenset[str]) -> None:
        """Take over what other processes left: many small segments, and replaced ones that are still there."""
        found = Merger(self._io, self._files)
        for segment in segments:
            found.written(segment)
            obsolete = self._files.open(segment).index.replaces & hidden
            if obsolete:
                self._replaced[segment.file] = (time.monotonic(), obsolete)
        for kind, waiting in found._waiting.items():
            if len(waiting) > _ADOPT:
                self._waiting[kind] = waiting

    @property
    def is_due(self) -> bool:
        """True if there is something to do."""
        return bool(self._replaced) or any(len(waiting) > _FAN_IN for waiting in self._waiting.values())

    def run(self, listed: Mapping[str, int], metadata: Callable[[], dict[str, str]]) -> bool:
        """Merge what waits and delete what is replaced and old enough; True if anything was published or deleted.

        Raises:
            OSError: A file could not be written or deleted; nothing is lost.
            DamagedSegmentError: A source or a fresh merge is damaged; nothing is lost.
        """
        acted = self._collect()
        for kind in list(self._waiting):
            if len(self._waiting[kind]) > _FAN_IN:
                # Forgotten first: whatever goes wrong with these must not be tried again at every write.
                sources = self._waiting.pop(kind)
                for group in _cut(sources):
                    self._merge(group, listed, metadata)
                    acted = True
        return acted

    def _merge(
        self, sources: Sequence[Segment], listed: Mapping[str, int], metadata: Callable[[], dict[str, str]]
    ) -> None:
        opened = [self._files.open(source) for source in sources]
        replaces = {source.file for source in sources}
        for one in opened:
            # What a source had replaced itself must stay hidden when that source is gone.
            replaces.update(one.index.replaces & listed.keys())
        rows = _merged(self._io, sources, opened, sorted(replaces))
        if rows is None:
            return
        name, parts = build(rows, metadata())
        segment = Segment(name, str(name))
        self._io.put(segment.file, parts)
        self._io.sync(segment.file)
        self._verify(segment)
        self._replaced[segment.file] = (time.monotonic(), frozenset(replaces))
        self.written(segment)

    def _verify(self, segment: Segment) -> None:
        """Read a fresh merge back before anything that it replaces may go."""
        name, view = segment.name, self._io.view(segment.file)
        if view is None:
            return
        if len(view) != name.size:
            msg = "a fresh merge was cut"
            raise DamagedSegmentError(msg)
        index = parse_index(name, view)
        for record in index.records:
            row = int(record["row"])
            begin, end = index.value_span(row) if name.kind == "var" else (row * name.stride, (row + 1) * name.stride)
            data = view[name.values_start + begin : name.values_start + end]
            if row_checksum(data, record["key"].tobytes()) != record["crc"]:
                msg = "a fresh merge holds damaged rows"
                raise DamagedSegmentError(msg)

    def _collect(self) -> bool:
        """Delete replaced segments whose grace is over."""
        old = [file for file, (since, _) in self._replaced.items() if time.monotonic() - since > self._io.grace]
        for file in old:
            _, sources = self._replaced.pop(file)
            for source in sources:
                self._io.delete(source)
        return bool(old)


def _cut(sources: Sequence[Segment]) -> Iterable[list[Segment]]:
    """Cut what waits into runs that are merged at once, in memory."""
    for start in range(0, len(sources), _ADOPT):
        group = list(sources[start : start + _ADOPT])
        if len(group) > 1:
            yield group


def _merged(
    io: SegmentIO, sources: Sequence[Segment], opened: Sequence[OpenSegment], replaces: list[str]
) -> Rows | None:
    """Return the winning undamaged rows of some segments, in the order in which they were written."""
    rows: list[tuple[int, int, str, int, bytes, bytes, memoryview | bytes]] = []
    for source, one in zip(sources, opened, strict=True):
        name, index = source.name, one.index
        view = one.view
        if view is None:
            view = memoryview(read_whole(io, source.file, name.size))
        for record in index.records:
            row = int(record["row"])
            begin, end = index.value_span(row) if name.kind == "var" else (row * name.stride, (row + 1) * name.stride)
            data = view[name.values_start + begin : name.values_start + end]
            digest = record["key"].tobytes()
            crc = int(record["crc"])
            if row_checksum(data, digest) == crc:
                rows.append((int(record["stamp"]), crc, source.file, row, digest, index.key_text(row), data))
    newest: dict[tuple[bytes, bytes], tuple[int, int, str]] = {}
    for stamp, crc, file, _, digest, text, _ in rows:
        key = (digest, text)
        newest[key] = max(newest.get(key, (0, 0, "")), (stamp, crc, file))
    winners = [row for row in rows if newest[row[4], row[5]] == row[:3]]
    if not winners:
        return None
    winners.sort(key=lambda row: (row[0], row[2], row[3]))
    payloads: list[Any] = [row[6] for row in winners]
    first = sources[0].name
    values: NDArray[Any] | list[Any] = payloads
    if first.dtype is not None:
        layout, values = first.kind, as_array(first.kind, payloads)
    elif len({len(data) for data in payloads}) == 1 and len(payloads[0]):
        layout, values = "raw", as_array("raw", payloads)
    else:
        layout = "var"
    texts = [row[5] for row in winners]
    stamps = np.array([row[0] for row in winners], "<u8")
    return Rows(layout, b"".join(row[4] for row in winners), texts, stamps, values, replaces)
