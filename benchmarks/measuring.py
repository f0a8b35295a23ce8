"""Measuring candidates alternately in one process, so that the machine's moods hit all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.corpus import Sample

    Candidate = Callable[[Sample], object]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value; quartiles are interpolated, as numpy does by default."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def times(self, factor: float) -> Spread:
        """Return it in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def record(self) -> dict[str, float]:
        """Return what stands in a report."""
        return {"median": self.median, "low": self.low, "high": self.high}


@dataclass(slots=True)
class Timings:
    """Seconds per call of each candidate, by repetition; None where a slow one was left out."""

    seconds: dict[str, list[float | None]] = field(default_factory=dict)

    def spread(self, name: str) -> Spread:
        """Return the spread of one candidate's seconds."""
        return Spread.of([each for each in self.seconds[name] if each is not None])

    def ratio(self, above: str, *below: str) -> Spread:
        """Compare a candidate with the sum of others.

        Returns:
            The ratio of the medians; its quartiles are those of the ratios within each repetition.
        """
        median = self.spread(above).median / sum(self.spread(name).median for name in below)
        rounds = zip(self.seconds[above], *(self.seconds[name] for name in below), strict=True)
        ratios = [top / sum(others) for top, *others in rounds if top is not None and None not in others]
        within = Spread.of(ratios)
        return Spread(median, within.low, within.high)


def interleaved(
    candidates: Mapping[str, Callable[[T], object]],
    samples_of: Callable[[int], Sequence[T]],
    *,
    repetitions: int,
    budget: float = float("inf"),
    at_least: int = 1,
) -> Timings:
    """Time all candidates in every repetition, each time beginning with another one.

    Args:
        candidates: What to call, by name.
        samples_of: Gives what all candidates are asked for in one repetition, one call for each.
        repetitions: How often.
        budget: Seconds after which a candidate is left out of further repetitions, so that a slow one does not take
            the time of all.
        at_least: Repetitions that even a slow one gets.
    """
    names = list(candidates)
    timings = Timings({name: [] for name in names})
    spent = dict.fromkeys(names, 0.0)
    # What others keep in memory must not weigh on whoever makes garbage.
    gc.collect()
    gc.freeze()
    for repetition in range(repetitions):
        samples = samples_of(repetition)
        first = repetition % len(names)
        for name in names[first:] + names[:first]:
            if spent[name] > budget and repetition >= at_least:
                timings.seconds[name].append(None)
                continue
            seconds = seconds_of(candidates[name], samples)
            spent[name] += seconds
            timings.seconds[name].append(seconds / len(samples))
    gc.unfreeze()
    return timings


def seconds_of(candidate: Callable[[T], object], samples: Sequence[T]) -> float:
    """Return how long a candidate takes for some calls."""
    gc.collect()
    start = time.perf_counter()
    for sample in samples:
        # The last answer is let go of after the clock has stopped.
        kept = candidate(sample)
    seconds = time.perf_counter() - start
    del kept
    return seconds
