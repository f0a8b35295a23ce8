"""Lookups, opening and memory by size of the store."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.children import asked
from benchmarks.corpus import Corpus
from benchmarks.floors import Floor
from benchmarks.measuring import Spread, interleaved
from benchmarks.ours import NAME, filled, hits
from benchmarks.peers.plain import Lmdb
from benchmarks.profiling import profile_of
from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.corpus import Sample
    from benchmarks.run import Run

_BATCH = 1000
_CALLS = 10


def measure(run: Run) -> None:
    """Stores of all sizes at once, so that they can be measured alternately; then one that is all index."""
    corpus = Corpus(run.scale.store_dimensions)
    with run.folder() as folder:
        for rows in run.scale.stores:
            run.say(f"filling a store of {rows:,} vectors")
            filled(folder / f"{rows}", corpus, rows).close()
        _lookups(run, folder, corpus, run.scale.stores)
        _opening(run, folder, corpus, run.scale.stores)
        _memory(run, folder, corpus, run.scale.stores)
    if run.scale.keys:
        only_keys = Corpus(1)
        with run.folder() as folder:
            run.say(f"filling a store of {run.scale.keys:,} keys")
            filled(folder / f"{run.scale.keys}", only_keys, run.scale.keys).close()
            _lookups(run, folder, only_keys, (run.scale.keys,))
            _opening(run, folder, only_keys, (run.scale.keys,))


def _lookups(run: Run, folder: Path, corpus: Corpus, stores: tuple[int, ...]) -> None:
    is_goal = len(stores) > 1
    with ExitStack() as stack:
        candidates: dict[str, Callable[[dict[int, Sample]], Any]] = {}
        for rows in stores:
            cache = stack.enter_context(EmbeddingCache(str(folder / f"{rows}")))
            candidates[f"{NAME}, {rows}"] = lambda samples, cache=cache, rows=rows: hits(cache, samples[rows])  # type: ignore[misc]
            if is_goal:
                place = folder / f"floor-{rows}"
                place.mkdir()
                floor = Floor(place, corpus, rows)
                candidates[f"floor, {rows}"] = lambda samples, floor=floor, rows=rows: floor.verified(samples[rows])  # type: ignore[misc]
            if is_goal and Lmdb in run.peers:
                place = folder / f"lmdb-{rows}"
                place.mkdir()
                peer = Lmdb(place, corpus.dimensions)
                stack.callback(peer.close)
                for start in range(0, rows, 100_000):
                    numbers = np.arange(start, min(rows, start + 100_000))
                    peer.put(corpus.texts(numbers), corpus.vectors(numbers))
                candidates[f"{Lmdb.name}, {rows}"] = lambda samples, peer=peer, rows=rows: peer.get(samples[rows].texts)  # type: ignore[misc]

        def samples_of(repetition: int) -> list[dict[int, Sample]]:
            seeds = range(1000 * repetition, 1000 * repetition + _CALLS)
            return [{rows: corpus.any_of(rows, _BATCH, seed) for rows in stores} for seed in seeds]

        first = samples_of(0)[0]
        for name, candidate in candidates.items():
            run.check(name, candidate(first), corpus, first[int(name.rpartition(" ")[2])])
        timings = interleaved(candidates, samples_of, repetitions=run.scale.repetitions)
        for rows in stores:
            of_it = {name: timings.spread(name) for name in candidates if name.endswith(f" {rows}")}
            per_lookup = {name.rpartition(",")[0]: each.times(1 / min(_BATCH, rows)) for name, each in of_it.items()}
            case = {"rows": rows, "dimensions": corpus.dimensions, "batch": min(_BATCH, rows)}
            run.note("lookups by size of the store", case, per_lookup, unit="s per text")
        if is_goal:
            small, large = f"{NAME}, {stores[0]}", f"{NAME}, {stores[-1]}"
            per_text = min(_BATCH, stores[-1]) / min(_BATCH, stores[0])
            largest = candidates[large]
            run.judge(
                "lookups",
                timings.ratio(small, large).times(per_text),
                basis=f"{stores[-1]:,} and {stores[0]:,} keys, {corpus.dimensions}-d, batches of {_BATCH:,}; "
                f"the floor has {timings.ratio(f'floor, {stores[0]}', f'floor, {stores[-1]}').median * per_text:.2f}",
                profile=partial(profile_of, partial(largest, first), calls=_CALLS),
            )


def _opening(run: Run, folder: Path, corpus: Corpus, stores: tuple[int, ...]) -> None:
    def first_hit(samples: dict[int, Sample], rows: int) -> Any:
        with EmbeddingCache(str(folder / f"{rows}")) as cache:
            return hits(cache, samples[rows])

    candidates = {f"{rows}": partial(first_hit, rows=rows) for rows in stores}
    timings = interleaved(
        candidates,
        lambda repetition: [{rows: corpus.any_of(rows, 1, repetition) for rows in stores}],
        repetitions=run.scale.few,
    )
    for rows in stores:
        files = sum(1 for each in (folder / f"{rows}").rglob("*") if each.is_file())
        case = {"rows": rows, "dimensions": corpus.dimensions, "files": files}
        run.note("opening and first hit", case, {NAME: timings.spread(f"{rows}")}, unit="s")
    if len(stores) > 1:
        sample = {rows: corpus.any_of(rows, 1, 0) for rows in stores}
        run.judge(
            "open",
            timings.spread(f"{stores[-1]}").times(1000),
            basis=f"{stores[-1]:,} vectors, {corpus.dimensions}-d, warm page cache",
            profile=partial(profile_of, partial(candidates[f"{stores[-1]}"], sample)),
        )


def _memory(run: Run, folder: Path, corpus: Corpus, stores: tuple[int, ...]) -> None:
    small, large = stores[0], stores[-1]
    values = []
    for _ in range(run.scale.few):
        measured = [asked("opened", folder=str(folder / f"{rows}"), rows=rows, dimensions=corpus.dimensions)
                    for rows in (small, large)]  # fmt: skip
        values.append((measured[1]["bytes"] - measured[0]["bytes"]) / (large - small))
    spread = Spread.of(values)
    case = {"rows": large, "dimensions": corpus.dimensions}
    run.note("memory per key", case, {f"{NAME}, beyond mapped files": spread}, unit="B")
    run.judge(
        "memory",
        spread,
        basis=f"{large:,} keys against {small:,}, after {_BATCH:,} hits",
        profile=lambda: str(asked("traced", folder=str(folder / f"{large}"), **case)["top"]),
    )
