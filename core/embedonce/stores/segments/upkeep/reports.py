"""What maintaining and inspecting a store has found and done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What maintenance of one namespace has changed, or would change.

    Attributes:
        namespace: The namespace.
        segments_before: Segments that were in use.
        segments_after: Segments that are in use now.
        rows_before: Rows in these, dead ones included.
        rows_after: Rows in those that are in use now.
        bytes_before: Bytes of the segments that were in use.
        bytes_after: Bytes of those that are in use now.
        deleted: Segments that were deleted, including replaced ones after their grace period.
        rewritten: Segments in use whose rows were copied into new ones.
        waiting: Replaced segments that still exist, until the grace period for readers is over.
        damaged_rows: Rows that were left out since they have failed their checksums.
        damaged_segments: Segments that are damaged as a whole or cannot be read; they were not touched.
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
    """How many rows a namespace has, and what they take.

    Attributes:
        namespace: The namespace.
        rows_live: Rows that can be found.
        rows_dead: Rows that a newer row or a deletion replaces, and second copies of rows.
        segments: Segments of any kind that are in use.
        bytes: Bytes of all segments, including replaced ones that still exist.
        oldest: When the oldest row was written, in microseconds since 1970; None if there are no rows.
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
    """What reading everything again has found.

    Attributes:
        namespace: The namespace.
        segments: Segments that were read.
        rows: Rows whose checksums were compared.
        damaged_rows: How many of them failed.
        damaged_segments: Segments that are damaged as a whole, cannot be read, or contain such rows.
    """

    namespace: str
    segments: int
    rows: int
    damaged_rows: int
    damaged_segments: tuple[str, ...]
