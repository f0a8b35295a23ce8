"""Misses: what storing them adds to the embedder's own time, and the bytes that they take."""

from __future__ import annotations

import itertools
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.floors import written
from benchmarks.measuring import Spread, interleaved, seconds_of
from benchmarks.ours import NAME, NAMESPACE, filled
from benchmarks.profiling import profile_of
from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.peers.peer import Peer
    from benchmarks.run import Run

_FLOOR = "lists to array + raw sequential write"
_ARRAYS = f"{NAME}, embedder answers with arrays"


def measure(run: Run) -> None:
    """See the module."""
    corpus, rows = Corpus(run.scale.width), run.scale.large
    with run.folder() as folder:
        _misses(run, folder, corpus, rows)
    for kind in run.peers:
        with run.folder() as folder:
            _peer(run, folder, corpus, kind, run.scale.slow_batch_sizes[-1])


def _misses(run: Run, folder: Path, corpus: Corpus, rows: int) -> None:
    numbers = np.arange(rows)
    texts, matrix = corpus.texts(numbers), corpus.vectors(numbers)
    lists = matrix.tolist()
    places = (folder / f"{number}" for number in itertools.count())

    def stored(answers: Any) -> None:
        position = 0

        def embed(some: list[str]) -> Any:
            # It takes no time: the answers are there already, and are asked for in order.
            nonlocal position
            start, position = position, position + len(some)
            return answers[start:position]

        # As many at once as an embedder is given that takes its time.
        with EmbeddingCache(str(next(places)), batch_size=1024) as cache:
            cache.embed(texts, embed, namespace=NAMESPACE)

    candidates: dict[str, Callable[[None], object]] = {
        _FLOOR: lambda _: written(next(places), lists),
        NAME: lambda _: stored(lists),
        "raw sequential write": lambda _: next(places).write_bytes(matrix.data),
        _ARRAYS: lambda _: stored(matrix),
    }
    timings = interleaved(candidates, lambda _: [None], repetitions=run.scale.few)
    case = {"texts": rows, "dimensions": corpus.dimensions}
    run.note("writing misses", case, {name: timings.spread(name).times(1 / rows) for name in candidates},
             unit="s per text")  # fmt: skip
    basis = f"{rows:,} × {corpus.dimensions}-d in lists, batches of the default size"
    profile = partial(profile_of, partial(stored, lists))
    run.judge("writing", timings.ratio(NAME, _FLOOR), basis=basis, profile=profile)
    place = next(places)
    filled(place, corpus, rows).close()
    size = Spread.of([sum(each.stat().st_size for each in place.rglob("*") if each.is_file()) / rows])
    run.note("bytes per vector", case, {NAME: size}, unit="B")
    run.judge("bytes", size, basis=f"{rows:,} vectors of {corpus.dimensions} float32 numbers")


def _peer(run: Run, folder: Path, corpus: Corpus, kind: type[Peer], rows: int) -> None:
    numbers = np.arange(rows)
    texts, matrix = corpus.texts(numbers), corpus.vectors(numbers)
    seconds = []
    for i in range(min(run.scale.few, 3)):
        place = folder / f"{i}"
        place.mkdir()
        peer = kind(place, corpus.dimensions)
        seconds.append(seconds_of(lambda _, peer=peer: peer.put(texts, matrix), [None]) / rows)  # type: ignore[misc]
        run.check(kind.name, peer.get(texts[:10]), corpus, corpus.sample(numbers[:10]))
        peer.close()
        size = sum(each.stat().st_blocks * 512 for each in place.rglob("*") if each.is_file())
        shutil.rmtree(place)
    case = {"texts": rows, "dimensions": corpus.dimensions}
    run.note("writing misses", case, {kind.name: Spread.of(seconds)}, unit="s per text")
    if size:
        run.note("bytes per vector", case, {kind.name: Spread.of([size / rows])}, unit="B")
