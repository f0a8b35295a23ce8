"""Reading many small spans of remote files with few requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedonce.stores.segments.io import SegmentIO

GAP = 256 << 10
"""Bytes that are read and thrown away rather than paid for with another request."""
LARGEST = 32 << 20
"""Longest range of one request."""


def read_ranges(io: SegmentIO, spans: Sequence[tuple[str, int, int]]) -> list[bytes | memoryview]:
    """Return (file, start, size) of each span, joining neighbours.

    Raises:
        FileNotFoundError: A file is gone.
        Exception: Whatever else the place met.
    """
    order = sorted(range(len(spans)), key=lambda i: spans[i])
    joined: list[tuple[str, int, int, list[int]]] = []
    for i in order:
        file, start, size = spans[i]
        if (
            joined
            and joined[-1][0] == file
            and start - joined[-1][2] <= GAP
            and start + size - joined[-1][1] <= LARGEST
        ):
            last = joined[-1]
            last[3].append(i)
            joined[-1] = (file, last[1], max(last[2], start + size), last[3])
        else:
            joined.append((file, start, start + size, [i]))
    blobs = io.get_ranges([j[0] for j in joined], [j[1] for j in joined], [j[2] for j in joined])
    answers: list[bytes | memoryview] = [b""] * len(spans)
    for (file, start, end, members), blob in zip(joined, blobs, strict=True):
        if isinstance(blob, Exception):
            raise blob
        if len(blob) != end - start:
            msg = f"{file}: {len(blob)} bytes read where {end - start} were asked for"
            raise OSError(msg)
        data = memoryview(blob)
        for i in members:
            begin = spans[i][1] - start
            answers[i] = data[begin : begin + spans[i][2]]
    return answers
