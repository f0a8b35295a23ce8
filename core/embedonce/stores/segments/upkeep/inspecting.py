"""Looking at a space without changing it: what it takes, and whether every byte is still what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedonce.stores.places.ranges import Span, ask
from embedonce.stores.segments.format.layout import DamagedSegmentError, parse_index, row_checksum
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.upkeep.reports import Usage, Verification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.format.layout import Index
    from embedonce.stores.segments.upkeep.round import Listing, MaintenanceRound

_PIECE = 16 << 20


def usage(maintenance: MaintenanceRound, namespace: str) -> Usage:
    """Return what a space takes; reads no rows.

    Raises:
        OSError: A fault of the place.
    """
    listing = maintenance.look()
    liveness = maintenance.liveness(listing)
    is_row = ~liveness.tombstone
    live = is_row & ~liveness.dead & ~liveness.copy
    oldest = [
        int(maintenance.catalog.records(segment)["stamp"].min())
        for segment in listing.segments
        if not segment.is_tombstone
    ]
    return Usage(
        namespace,
        rows_live=int(live.sum()),
        rows_dead=int((is_row & ~live).sum()),
        segments=len(listing.segments),
        bytes=sum(size for file, size in listing.listed.items() if SegmentName.parse(file) is not None),
        oldest=min(oldest, default=None),
        newest=max((segment.name.stamp for segment in listing.segments if not segment.is_tombstone), default=None),
    )


def verify(directory: Directory, listing: Listing, namespace: str) -> Verification:
    """Read all segments again, replaced ones too, and compare every checksum.

    Raises:
        OSError: A fault of the place.
    """
    segments = rows = damaged_rows = 0
    damaged: list[str] = []
    for file, size in sorted(listing.listed.items()):
        name = SegmentName.parse(file)
        if name is None:
            continue
        try:
            if size != name.size:
                msg = f"{size} bytes instead of {name.size}"
                raise DamagedSegmentError(msg)
            bad = _bad_rows(directory, name, file)
        except FileNotFoundError:
            # It was merged away since the listing.
            continue
        except DamagedSegmentError:
            bad = 0
            damaged.append(file)
        else:
            rows += name.rows
            damaged_rows += bad
            if bad:
                damaged.append(file)
        segments += 1
    return Verification(namespace, segments, rows, damaged_rows, tuple(damaged))


def _bad_rows(directory: Directory, name: SegmentName, file: str) -> int:
    """Return how many rows of a segment fail their checksums."""
    (block,) = _read(directory, [Span(file, 0, name.index_end)])
    if block is None:
        msg = "it is shorter than its name says"
        raise DamagedSegmentError(msg)
    index = parse_index(name, block)
    records = index.records[np.argsort(index.records["row"], kind="stable")]
    keys, crcs = np.ascontiguousarray(records["key"]).tobytes(), records["crc"].tolist()
    pieces = list(_pieces(name, index, records["row"].tolist()))
    start = name.values_start
    blobs = _read(directory, [Span(file, start + spans[0][0], start + spans[-1][1]) for spans in pieces])
    bad = at = 0
    for spans, blob in zip(pieces, blobs, strict=True):
        data, begin = memoryview(blob or b""), spans[0][0]
        for first, last in spans:
            row = data[first - begin : last - begin]
            bad += len(row) != last - first or row_checksum(row, keys[32 * at : 32 * at + 4]) != crcs[at]
            at += 1
    return bad


def _pieces(name: SegmentName, index: Index, rows: list[int]) -> Iterator[list[tuple[int, int]]]:
    """Yield start and end of rows that are read together, counted from the first one."""
    piece: list[tuple[int, int]] = []
    for row in rows:
        span = index.value_span(row) if name.kind == "var" else (row * name.stride, (row + 1) * name.stride)
        if piece and span[1] - piece[0][0] > _PIECE:
            yield piece
            piece = []
        piece.append(span)
    if piece:
        yield piece


def _read(directory: Directory, spans: list[Span]) -> Iterator[bytes | None]:
    """Yield the bytes of spans in order; None where the file has not got them.

    Raises:
        FileNotFoundError: The file is gone.
        OSError: Any other fault of the place.
    """
    for span in spans:
        if span.start == span.end:
            # There is no range without bytes: some places answer it with the whole file.
            yield b""
            continue
        for _, answer in ask(directory, [span]):
            if isinstance(answer, Exception):
                raise answer
            yield answer
