"""Warm hits, text in, verified matrix out, by batch size and by length of the vectors."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.floors import Floor
from benchmarks.ours import NAME, filled, hits
from benchmarks.peers.plain import Lmdb
from benchmarks.profiling import profile_of

if TYPE_CHECKING:
    from benchmarks.corpus import Sample
    from benchmarks.measuring import Candidate
    from benchmarks.peers.peer import Peer
    from benchmarks.run import Run

FLOOR = "floor"
FLOOR_LISTS = "floor + tolist"
_GOALS = ("single", "middle", "large")


def measure(run: Run) -> None:
    """All peers at the dimensions of the goals, LMDB alone at the others."""
    for dimensions in run.scale.dimensions:
        is_middle = dimensions == run.scale.width
        fast = [peer for peer in run.peers if peer is Lmdb or (is_middle and not peer.is_slow)]
        _at(run, dimensions, fast, run.scale.rows, run.scale.batch_sizes, run.scale.rounds)
        if is_middle:
            slow = [peer for peer in run.peers if peer.is_slow]
            batches, rounds = run.scale.slow_batch_sizes, run.scale.slow_rounds
            _at(run, dimensions, slow, run.scale.slow_batch_sizes[-1], batches, rounds)


def _at(
    run: Run, dimensions: int, peers: list[type[Peer]], rows: int, batches: tuple[int, ...], rounds: tuple[int, ...]
) -> None:
    corpus = Corpus(dimensions)
    with run.folder() as folder, ExitStack() as stack:
        cache = stack.enter_context(filled(folder / "ours", corpus, rows))
        floor = Floor(folder, corpus, rows)
        candidates: dict[str, Candidate] = {
            FLOOR: floor.verified,
            NAME: partial(hits, cache),
            FLOOR_LISTS: floor.verified_lists,
        }
        for number, kind in enumerate(peers):
            place = folder / str(number)
            place.mkdir()
            peer = kind(place, dimensions)
            stack.callback(peer.close)
            numbers = np.arange(rows)
            peer.put(corpus.texts(numbers), corpus.vectors(numbers))
            candidates[kind.name] = partial(_asked, peer)
        for goal, batch, calls in zip(_GOALS, batches, rounds, strict=True):
            case = {"batch": batch, "dimensions": dimensions, "rows": rows}

            def samples_of(repetition: int, batch: int = batch, calls: int = calls) -> list[Sample]:
                return [corpus.any_of(rows, batch, 1000 * repetition + number) for number in range(calls)]

            timings = run.compare("warm hits", case, candidates, samples_of, corpus=corpus)
            if Lmdb.name not in candidates or dimensions != run.scale.width:
                continue
            sample = samples_of(0)[0]
            profile = partial(profile_of, partial(hits, cache, sample), calls=max(1, calls))
            basis = f"{batch:,} texts, {dimensions}-d, {rows:,} rows"
            run.judge(f"hits-{goal}", timings.ratio(NAME, FLOOR), basis=basis, profile=profile)
            if batch > 1:
                run.judge(f"lmdb-{goal}", timings.ratio(NAME, Lmdb.name), basis=basis, profile=profile)


def _asked(peer: Peer, sample: Sample) -> object:
    return peer.get(sample.texts)
