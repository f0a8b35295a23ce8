"""What tidying and inspecting a store have found and done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What tidying one namespace has changed, or would change.

    Attributes:
        namespace: The namespace.
        segments_before: Segments that were in use.
        segments_after: Segments that are in use now.
        rows_before: Rows that these held, dead ones included.
        rows_after: Rows that they hold now.
        bytes_before: Bytes of the segments that were in use.
        bytes_after: Bytes of those that are in use now.
        deleted: Segments that were deleted, replaced ones whose time of grace was over included.
        rewritten: Segments in use whose rows were carried over into new ones.
        waiting: Replaced segments that are still there, until the time of grace for readers is over.
        damaged_rows: Rows that were left out since they failed their checksums.
        damaged_segments: Segments that are damaged as a whole; they were left alone.
        dry_run: True if nothing was changed.
    """

    namespace: str
    segments_before: int
    segments_after: int
    rows_before: int
    rows_after: int
    bytes_before: int
    bytes_after: int
    deleted: int = 0
    rewritten: int = 0
    waiting: int = 0
    damaged_rows: int = 0
    damaged_segments: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True)
class Usage:
    """What a namespace takes.

    Attributes:
        namespace: The namespace.
        rows_live: Rows that can be found.
        rows_dead: Rows that a newer row or a deletion outdates, or that are there twice.
        segments: Segments of any kind that are in use.
        bytes: Bytes of all segments, replaced ones that are still there included.
        oldest: When the oldest row was written, in microseconds since 1970; None if there is none.
        newest: When the newest row was written.
    """

    namespace: str
    rows_live: int
    rows_dead: int
    segments: int
    bytes: int
    oldest: int | None
    newest: int | None


@dataclass(frozen=True)
class Verification:
    """What reading everything again has shown.

    Attributes:
        namespace: The namespace.
        segments: Segments that were read.
        rows: Rows whose checksums were compared.
        damaged_rows: How many of them failed.
        damaged_segments: Segments that are damaged as a whole, or hold such rows.
    """

    namespace: str
    segments: int
    rows: int
    damaged_rows: int
    damaged_segments: tuple[str, ...]
