"""Reading spans of distant files with few requests and bounded memory; a short answer is requested once more."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embedonce.stores.drivers.faults import fault_of, unreadable, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Directory

GAP = 256 << 10
"""Bytes between two spans that are read and dropped, which costs less than another request."""
LARGEST = 64 << 20
"""Most bytes of one request."""
_IN_FLIGHT = 256 << 20
"""Most bytes that are requested at once: they are all in memory before the first of them is used."""


class Span(NamedTuple):
    """Bytes [start, end) of a file."""

    file: str
    start: int
    end: int


def joined(starts: NDArray[np.int64], ends: NDArray[np.int64], gap: int | None = None) -> list[tuple[int, int]]:
    """Cut neighbouring spans of one file into runs that are read with one request each.

    Args:
        starts: Where the spans start, ascending.
        ends: Where they end, ascending too.
        gap: Most bytes between two spans of one run; None for `GAP`, which suits distant places.

    Returns:
        For each run the number of its first span and of the one after its last.
    """
    cuts = np.flatnonzero(starts[1:] - ends[:-1] > (GAP if gap is None else gap)) + 1
    runs: list[tuple[int, int]] = []
    for begin, last in pairwise([0, *cuts.tolist(), len(starts)]):
        first = begin
        while last - first > 1 and ends[last - 1] - starts[first] > LARGEST:
            cut = first + max(1, int(np.searchsorted(ends[first:last], starts[first] + LARGEST, "right")))
            runs.append((first, cut))
            first = cut
        runs.append((first, last))
    return runs


def ask(directory: Directory, spans: Sequence[Span]) -> Iterator[tuple[int, bytes | Exception | None]]:
    """Yield number and bytes of each span, in any order; a short answer is requested once more.

    Instead of bytes it yields the exception that reading has raised, or None if the answer was too short twice.
    """
    for first, last in _batches(spans):
        batch = range(first, last)
        answers = _ask(directory, [spans[i] for i in batch])
        again = [i for i, answer in zip(batch, answers, strict=True) if answer is None]
        yield from ((i, answer) for i, answer in zip(batch, answers, strict=True) if answer is not None)
        if again:
            yield from zip(again, _ask(directory, [spans[i] for i in again]), strict=True)


def read_spans(directory: Directory, spans: Sequence[Span]) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of each span, in any order; None if the file is too short.

    Raises:
        FileNotFoundError: A file is gone. It is raised after everything that could be read.
        UnreadableFilesError: Some files cannot be read, likewise.
        Exception: A fault of this process, likewise.
    """
    faults: list[Exception] = []
    for number, answer in ask(directory, spans):
        if isinstance(answer, Exception):
            faults.append(unreadable(spans[number].file, answer))
        else:
            yield number, answer
    if faults:
        raise worst(faults)


def read_joined(directory: Directory, spans: Sequence[Span]) -> Iterator[tuple[int, memoryview | None]]:
    """Do the same as `read_spans`, with one request for spans that are near each other."""
    for i, span in enumerate(spans):
        if span.start == span.end:
            # An empty range is not a valid request: some places answer it with the whole file.
            yield i, memoryview(b"")
    order = sorted((i for i, span in enumerate(spans) if span.start < span.end), key=lambda i: spans[i])
    if not order:
        return
    files = [spans[i].file for i in order]
    bounds = [0, *(at for at in range(1, len(files)) if files[at] != files[at - 1]), len(files)]
    wide: list[Span] = []
    members: list[list[int]] = []
    for first, last in pairwise(bounds):
        of_it = order[first:last]
        starts = np.array([spans[i].start for i in of_it], np.int64)
        ends = np.array([spans[i].end for i in of_it], np.int64)
        for begin, end in joined(starts, ends):
            wide.append(Span(files[first], int(starts[begin]), int(ends[end - 1])))
            members.append(of_it[begin:end])
    for number, blob in read_spans(directory, wide):
        start, data = wide[number].start, memoryview(blob) if blob is not None else None
        for i in members[number]:
            yield i, data[spans[i].start - start : spans[i].end - start] if data is not None else None


def _batches(spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    first, size = 0, 0
    for number, span in enumerate(spans):
        if number > first and size + span.end - span.start > _IN_FLIGHT:
            yield first, number
            first, size = number, 0
        size += span.end - span.start
    if first < len(spans):
        yield first, len(spans)


def _ask(directory: Directory, spans: Sequence[Span]) -> list[bytes | Exception | None]:
    answers = directory.get_ranges(
        [span.file for span in spans], [span.start for span in spans], [span.end for span in spans]
    )
    return [None if _is_short(answer, span) else answer for answer, span in zip(answers, spans, strict=True)]


def _is_short(answer: bytes | Exception, span: Span) -> bool:
    """True if the file does not have these bytes: the answer is an invalid range or has another length."""
    if isinstance(answer, Exception):
        return fault_of(answer) == "short"
    return len(answer) != span.end - span.start
