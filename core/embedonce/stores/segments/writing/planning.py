"""Planning merges: which segments can become one, and how many of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embedonce.stores.segments.format.names import Segment

T = TypeVar("T")


def runs(
    sources: Iterable[tuple[T, Segment, float]], most_bytes: float, most_segments: int | None = None
) -> list[list[T]]:
    """Group segments into runs that are merged at once, in memory: each run is of one kind and not too large.

    With `most_bytes=10`, where vectors `v` have all one dtype and length, and `t` are tombstones:

        sources   v1: 6 bytes, t1: 5 bytes, v2: 3 bytes, v3: 4 bytes
        runs      [v1, v2], [t1], [v3]

    Args:
        sources: What to group, its segment, and the bytes that it adds to the merge.
        most_bytes: Most bytes of a run, unless a single segment has more.
        most_segments: Most segments of a run, None for any number.

    Returns:
        The runs, in the order of their first segments.
    """
    planned: list[list[T]] = []
    growing: dict[tuple[str, int], tuple[list[T], float]] = {}
    for source, segment, size in sources:
        kind = segment.merges_with
        run, taken = growing.get(kind, ([], 0.0))
        if not run or taken + size > most_bytes or len(run) == most_segments:
            run, taken = [], 0.0
            planned.append(run)
        run.append(source)
        growing[kind] = run, taken + size
    return planned
