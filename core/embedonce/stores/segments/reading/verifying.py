"""Comparing every checksum of a segment with its bytes, which are read again from the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedonce.stores.drivers.faults import unreadable
from embedonce.stores.places.ranges import Span, ask
from embedonce.stores.segments.format.layout import DamagedSegmentError, parse_index, row_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.format.layout import Index
    from embedonce.stores.segments.format.names import SegmentName

_PIECE = 16 << 20
"""Most bytes of rows that are read together."""


def bad_rows(directory: Directory, name: SegmentName, file: str) -> int:
    """Return how many rows of a segment fail their checksums.

    Raises:
        FileNotFoundError: The segment is gone.
        DamagedSegmentError: It is damaged as a whole.
        UnreadableFilesError: It cannot be read.
    """
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
    """Yield start and end of rows that are read together, relative to the first row."""
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
    """Yield the bytes of spans in order; None where the file is too short.

    Raises:
        FileNotFoundError: The file is gone.
        UnreadableFilesError: It cannot be read.
    """
    for span in spans:
        if span.start == span.end:
            # An empty range is not a valid request: some places answer it with the whole file.
            yield b""
            continue
        for _, answer in ask(directory, [span]):
            if isinstance(answer, Exception):
                raise unreadable(span.file, answer)
            yield answer
