"""Merging small segments into larger ones, and deleting what a merge has replaced.

Any process may do both at any time without a lock: a merged segment keeps every row's stamp, so no winner changes,
and two processes that merge the same segments only produce duplicates.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.locks import ForkLock
from embedonce.stores.segments.format import DamagedSegmentError, Rows, build, parse_index, row_checksum
from embedonce.stores.segments.grouping import as_array
from embedonce.stores.segments.snapshot import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.files import SegmentFiles
    from embedonce.stores.segments.format import Index
    from embedonce.stores.segments.io import SegmentIO

_SMALL = 4 << 20
"""A segment of at most so many bytes waits to be merged with others of its tier."""
_FAN_IN = 64
"""More than so many are merged. They then have more rows than any of their tier, so a row moves log(rows) times."""
_ADOPT = 4 * _FAN_IN
"""So many waiting segments, whoever wrote them, are taken over at opening: who writes little never merges."""
_LARGEST = 64 << 20
"""Sources of one merge have at most so many bytes together: they are merged in memory."""


class Merger:
    """Merges what one store has written. Calls of `run` must not overlap."""

    def __init__(self, io: SegmentIO, files: SegmentFiles) -> None:
        self._io = io
        self._files = files
        self._waiting: dict[tuple[int, str, int], list[Segment]] = {}
        self._replaced: dict[Segment, tuple[float, frozenset[str]]] = {}
        self._lock = ForkLock()

    def written(self, segment: Segment) -> None:
        """Take note of a segment that this process has published."""
        kind = _kind(segment)
        if kind is not None:
            with self._lock:
                self._waiting.setdefault(kind, []).append(segment)

    def adopt(self, segments: Iterable[Segment], hidden: frozenset[str]) -> None:
        """Take over what other processes left: many small segments, and replaced ones that are still there.

        Raises:
            OSError: A segment could not be read.
            DamagedSegmentError: A segment is damaged.
        """
        found: dict[tuple[int, str, int], list[Segment]] = {}
        for segment in segments:
            kind = _kind(segment)
            if kind is not None:
                found.setdefault(kind, []).append(segment)
            index = self._files.open(segment).index
            obsolete = index.replaces & hidden
            if obsolete:
                self._replaced[segment] = (time.monotonic() - _age(index), obsolete)
        self._waiting.update({kind: waiting for kind, waiting in found.items() if len(waiting) > _ADOPT})

    @property
    def is_due(self) -> bool:
        """True if there is something to do."""
        with self._lock:
            return bool(self._replaced) or any(len(waiting) > _FAN_IN for waiting in self._waiting.values())

    def run(self, listed: Mapping[str, int], metadata: Callable[[], dict[str, str]]) -> bool:
        """Merge what waits and delete what is replaced and old enough; True if anything was published or deleted.

        Raises:
            OSError: A file could not be written or deleted; nothing is lost.
        """
        acted = self._collect()
        for kind in list(self._waiting):
            with self._lock:
                if len(self._waiting[kind]) <= _FAN_IN:
                    continue
                # Forgotten first: whatever goes wrong with these must not be tried again at every write.
                waiting = self._waiting.pop(kind)
            for sources in _cut(waiting):
                if len(sources) > 1:
                    acted |= self._merge(sources, listed, metadata)
                else:
                    self.written(sources[0])
        return acted

    def _merge(
        self, sources: Sequence[Segment], listed: Mapping[str, int], metadata: Callable[[], dict[str, str]]
    ) -> bool:
        opened = self._sources(sources)
        if len(opened) < 2:
            return False
        replaces = {one.segment.file for one in opened}
        for one in opened:
            # What a source had replaced itself must stay hidden when that source is gone.
            replaces.update(one.index.replaces & listed.keys())
        rows = _merged(opened, sorted(replaces))
        if rows is None:
            return False
        name, parts = build(rows, metadata())
        segment = Segment(name, str(name))
        self._io.put(segment.file, parts)
        self._io.sync(segment.file)
        self._replaced[segment] = (time.monotonic(), frozenset(replaces))
        if not self._is_whole(segment):
            del self._replaced[segment]
            self._io.delete(segment.file)
            return False
        self.written(segment)
        return True

    def _sources(self, segments: Sequence[Segment]) -> list[_Source]:
        """Return segments with all of their bytes; not those that are gone, probably merged by others, or damaged.

        Raises:
            OSError: One of them cannot be read.
        """
        files = [segment.file for segment in segments]
        blobs: Sequence[bytes | memoryview | Exception]
        if self._io.has_views:
            blobs = [self._view(segment) for segment in segments]
        else:
            blobs = self._io.get_ranges(files, [0] * len(files), [segment.name.size for segment in segments])
        sources = []
        for segment, blob in zip(segments, blobs, strict=True):
            if isinstance(blob, FileNotFoundError | DamagedSegmentError):
                continue
            if isinstance(blob, Exception):
                raise blob
            # Checked again, as what is written below carries new checksums.
            with suppress(DamagedSegmentError):
                if len(blob) == segment.name.size:
                    sources.append(_Source(segment, parse_index(segment.name, blob), memoryview(blob)))
        return sources

    def _view(self, segment: Segment) -> memoryview | Exception:
        try:
            return self._files.open(segment).view or memoryview(b"")
        except (FileNotFoundError, DamagedSegmentError) as error:
            return error

    def _is_whole(self, segment: Segment) -> bool:
        """Read a merge back, where that costs no request, before anything that it replaces may go."""
        if not self._io.has_views:
            return True
        return any(
            all(row_checksum(data, digest) == crc for _, crc, _, digest, data in source.rows())
            for source in self._sources([segment])
        )

    def _collect(self) -> bool:
        """Delete replaced segments whose grace is over."""
        now = time.monotonic()
        old = [merged for merged, (since, _) in self._replaced.items() if now - since > self._io.grace]
        for merged in old:
            _, sources = self._replaced.pop(merged)
            if self._is_whole(merged):
                for source in sources:
                    self._io.delete(source)
        return bool(old)


@dataclass(frozen=True, slots=True)
class _Source:
    """A segment whose rows are read one after the other."""

    segment: Segment
    index: Index
    view: memoryview

    def rows(self) -> Iterator[tuple[int, int, int, bytes, memoryview]]:
        """Yield stamp, checksum, row number, the 32 bytes of the key, and the bytes of each row."""
        name, index = self.segment.name, self.index
        for record in index.records:
            row = int(record["row"])
            begin, end = index.value_span(row) if name.kind == "var" else (row * name.stride, (row + 1) * name.stride)
            data = self.view[name.values_start + begin : name.values_start + end]
            yield int(record["stamp"]), int(record["crc"]), row, record["key"].tobytes(), data


def _kind(segment: Segment) -> tuple[int, str, int] | None:
    """Return what a segment can be merged with: others of one tier and one kind of rows; None if it is large."""
    name = segment.name
    if name.size > _SMALL:
        return None
    tier, rows = 0, name.rows
    while rows > _FAN_IN:
        tier, rows = tier + 1, rows // (_FAN_IN + 1)
    if segment.is_tombstone:
        return tier, "del", 0
    return (tier, name.kind, name.stride) if name.dtype is not None else (tier, "opaque", 0)


def _age(index: Index) -> float:
    """Return for how many seconds a segment has been there, by the clocks of those who wrote and read it."""
    written = index.metadata.get("written_us", "")
    return max(0.0, time.time() - int(written) / 1e6) if written.isdecimal() else 0.0


def _cut(sources: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Cut what waits into runs that are merged at once, in memory."""
    run: list[Segment] = []
    size = 0
    for source in sources:
        if len(run) == _ADOPT or (len(run) > 1 and size + source.name.size > _LARGEST):
            yield run
            run, size = [], 0
        run.append(source)
        size += source.name.size
    yield run


def _merged(sources: Sequence[_Source], replaces: list[str]) -> Rows | None:
    """Return the winning undamaged rows of some segments, in the order in which they were written."""
    rows = [
        (stamp, crc, source.segment.file, row, (digest, source.index.key_text(row)), data)
        for source in sources
        for stamp, crc, row, digest, data in source.rows()
        if row_checksum(data, digest) == crc
    ]
    newest: dict[tuple[bytes, bytes], tuple[int, int, str]] = {}
    for stamp, crc, file, _, key, _ in rows:
        newest[key] = max(newest.get(key, (0, 0, "")), (stamp, crc, file))
    winners = [row for row in rows if newest[row[4]] == row[:3]]
    if not winners:
        return None
    winners.sort(key=lambda row: (row[0], row[2], row[3]))
    payloads: list[Any] = [row[5] for row in winners]
    name = sources[0].segment.name
    layout = name.kind
    values: NDArray[Any] | list[Any] | None = payloads
    if layout == "del":
        values = None
    elif name.dtype is not None:
        values = as_array(layout, payloads)
    elif len({len(data) for data in payloads}) == 1 and len(payloads[0]):
        layout, values = "raw", as_array("raw", payloads)
    else:
        layout = "var"
    texts = [row[4][1] for row in winners]
    stamps = np.array([row[0] for row in winners], "<u8")
    return Rows(layout, b"".join(row[4][0] for row in winners), texts, stamps, values, replaces)
