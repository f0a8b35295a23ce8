"""One run: what all workloads share, and what they have found."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.goals import GOALS
from benchmarks.measuring import Spread, Timings, interleaved
from benchmarks.peers.registry import PEERS, why_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from benchmarks.corpus import Corpus, Sample
    from benchmarks.measuring import Candidate
    from benchmarks.peers.peer import Peer
    from benchmarks.scales import Scale

_CHECKED = 100
"""So many texts of the first sample are compared with the truth before a candidate is timed."""


class WrongVectorsError(AssertionError):
    """A candidate has answered with something else than the vectors of the texts."""


@dataclass
class Run:
    """What a run is made of.

    Attributes:
        scale: How large it is.
        results: Measured cases: workload, case, unit, and a spread by candidate.
        figures: What stands beside each goal, by its name.
        profiles: By goal, where one is not reached.
        say: Told what is going on.
    """

    scale: Scale
    say: Callable[[str], object] = print
    results: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    _peers: list[type[Peer]] | None = None

    @property
    def peers(self) -> list[type[Peer]]:
        """The peers that are installed; why others are missing stands in `missing`."""
        if self._peers is None:
            self.missing |= {peer.name: why for peer in PEERS if (why := why_missing(peer))}
            self._peers = [peer for peer in PEERS if peer.name not in self.missing]
        return self._peers

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder, gone afterwards."""
        path = Path(tempfile.mkdtemp(prefix="embedonce-benchmarks-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def compare(
        self,
        workload: str,
        case: Mapping[str, Any],
        candidates: Mapping[str, Candidate],
        samples_of: Callable[[int], Sequence[Sample]],
        *,
        corpus: Corpus | None = None,
        repetitions: int | None = None,
        unchecked: Collection[str] = (),
    ) -> Timings:
        """Time candidates alternately and note their seconds per text.

        Args:
            workload: Its name in the report.
            case: What tells this case from others: batch size, dimensions and so on.
            candidates: What to call, by name; each takes a sample.
            samples_of: Gives the samples of one repetition.
            corpus: The truth that answers are compared with; None for candidates that answer with no vectors.
            repetitions: How often, if not as the scale says.
            unchecked: Candidates that answer with something else than the truth on purpose.

        Raises:
            WrongVectorsError: An answer is not the truth.
        """
        first = samples_of(0)[0].head(_CHECKED)
        for name, candidate in candidates.items():
            answer = candidate(first)
            if corpus is not None and name not in unchecked:
                self.check(name, answer, corpus, first)
        timings = interleaved(
            candidates, samples_of, repetitions=repetitions or self.scale.repetitions, budget=self.scale.budget
        )
        self.note(workload, case, {name: timings.spread(name) for name in candidates}, unit="s per call")
        return timings

    @staticmethod
    def check(name: str, answer: Any, corpus: Corpus, sample: Sample) -> None:
        """Compare an answer with the truth.

        Raises:
            WrongVectorsError: It is another one.
        """
        if not np.array_equal(np.asarray(answer), corpus.vectors(sample.numbers)):
            msg = f"{name} answered with wrong vectors for {len(sample.texts)} texts"
            raise WrongVectorsError(msg)

    def note(self, workload: str, case: Mapping[str, Any], spreads: Mapping[str, Spread], *, unit: str) -> None:
        """Note what was measured."""
        measured = {name: spread.record() for name, spread in spreads.items()}
        self.results.append({"workload": workload, "case": dict(case), "unit": unit, "measured": measured})
        shown = ", ".join(f"{name} {spread.median:.4g}" for name, spread in spreads.items())
        self.say(f"{workload} {dict(case)}: {shown} ({unit})")

    def judge(self, goal: str, value: Spread, *, basis: str, profile: Callable[[], str] | None = None) -> None:
        """Note a figure beside its goal, and a profile if it is not reached.

        Args:
            goal: One of `GOALS`.
            value: What was measured.
            basis: In which case.
            profile: Makes the profile; called only if it is needed.
        """
        reached = GOALS[goal].reached(value.median)
        self.figures[goal] = {**value.record(), "reached": reached, "basis": basis}
        self.say(f"--> {GOALS[goal].figure}: {value.median:.4g} ({GOALS[goal]}) {'reached' if reached else 'MISSED'}")
        if not reached and profile is not None:
            self.profiles[goal] = profile()


@dataclass(slots=True)
class Clock:
    """Seconds since it was made."""

    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """How long ago that was."""
        return time.perf_counter() - self.start
