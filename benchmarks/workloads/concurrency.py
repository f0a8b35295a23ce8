"""Threads with single queries, and threads that ask for the same new texts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.measuring import Spread, interleaved
from benchmarks.models import langchain_model
from benchmarks.ours import NAME, NAMESPACE, filled, nobody
from benchmarks.peers.frameworks import LangChainFiles
from benchmarks.peers.peer import Answers
from benchmarks.peers.plain import Lmdb
from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.corpus import Sample
    from benchmarks.run import Run

_THREADS = 16
_EMBEDDER = 0.005


def measure(run: Run) -> None:
    """See the module."""
    corpus, rows = Corpus(run.scale.width), run.scale.rows
    with run.folder() as folder, filled(folder / "ours", corpus, rows) as cache:
        _queries(run, folder, corpus, cache, rows)
    _single_flight(run, corpus)


def _queries(run: Run, folder: Path, corpus: Corpus, cache: EmbeddingCache, rows: int) -> None:
    def with_threads(ask: Callable[[list[str]], object], samples: list[Sample]) -> None:
        def queries(thread: int) -> None:
            for text in samples[thread].texts:
                ask([text])

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(queries, range(_THREADS)))

    with ExitStack() as stack:
        asks: dict[str, Callable[[list[str]], object]] = {
            NAME: lambda texts: cache.embed(texts, nobody, namespace=NAMESPACE)
        }
        for kind in (Lmdb, LangChainFiles):
            if kind in run.peers:
                place = folder / kind.__name__
                place.mkdir()
                peer = kind(place, corpus.dimensions)
                stack.callback(peer.close)
                numbers = np.arange(min(rows, run.scale.slow_batch_sizes[-1]))
                peer.put(corpus.texts(numbers), corpus.vectors(numbers))
                asks[kind.name] = peer.get
        known = min(rows, run.scale.slow_batch_sizes[-1])
        for name, ask in asks.items():
            run.check(name, ask(corpus.texts([0])), corpus, corpus.sample(np.arange(1)))
        timings = interleaved(
            {name: partial(with_threads, ask) for name, ask in asks.items()},
            lambda repetition: [
                [corpus.any_of(known, run.scale.queries, 100 * repetition + thread) for thread in range(_THREADS)]
            ],
            repetitions=run.scale.few,
        )
        asked = _THREADS * min(known, run.scale.queries)
        spreads = {name: timings.spread(name).times(1 / asked) for name in asks}
        case = {"threads": _THREADS, "queries": asked, "dimensions": corpus.dimensions}
        run.note("threads asking one text at a time, all hits", case, spreads, unit="s per text")


def _single_flight(run: Run, corpus: Corpus) -> None:
    """Let all threads ask for the same new texts at the same time, and count what is embedded and what fails."""
    calls: dict[str, list[float]] = {}
    failures: dict[str, list[float]] = {}
    for repetition in range(run.scale.few):
        texts = corpus.texts(np.arange(run.scale.queries // 10 + 1) + 1000 * repetition)
        with run.folder() as folder, EmbeddingCache(str(folder / "ours")) as cache:
            own = folder / "own"
            own.mkdir()
            for name, ask, answers in _askers(run, cache, own, corpus.dimensions):
                counted = Counting(corpus)
                answers.model = counted
                failed = _all_at_once(ask, texts)
                calls.setdefault(name, []).append(counted.texts / len(texts))
                failures.setdefault(name, []).append(float(failed))
    case = {"threads": _THREADS, "different texts": len(texts)}
    for counts, unit in ((calls, "times embedded per text"), (failures, "calls that raised")):
        spreads = {name: Spread.of(values) for name, values in counts.items()}
        run.note("threads asking for the same new texts", case, spreads, unit=unit)


def _askers(
    run: Run, cache: EmbeddingCache, folder: Path, dimensions: int
) -> list[tuple[str, Callable[[list[str]], object], Answers]]:
    answers, others = Answers(), Answers()
    wrapped = cache.wrap(langchain_model(others), namespace=f"{NAMESPACE}-langchain")
    askers: list[tuple[str, Callable[[list[str]], object], Answers]] = [
        (NAME, lambda texts: cache.embed(texts, answers.asked, namespace=NAMESPACE), answers),
        (f"{NAME} in LangChain", wrapped.embed_documents, others),
    ]
    if LangChainFiles in run.peers:
        peer = LangChainFiles(folder, dimensions)
        askers.append((peer.name, peer.get, peer.answers))
    return askers


class Counting:
    """A model that takes its time and counts the texts it is asked for."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._lock = Lock()
        self.texts = 0

    def __call__(self, texts: list[str]) -> Any:
        """Return the vectors of texts."""
        with self._lock:
            self.texts += len(texts)
        time.sleep(_EMBEDDER)
        return self._corpus.embed(texts)


def _all_at_once(ask: Callable[[list[str]], object], texts: list[str]) -> int:
    """Ask for every text in all threads at once, and return how many of these calls have raised."""
    barrier = Barrier(_THREADS)

    def queries(_: int) -> int:
        failed = 0
        for text in texts:
            barrier.wait()
            try:
                ask([text])
            except Exception:
                # A peer whose files are read while they are written; the other threads wait for this one.
                failed += 1
        return failed

    with ThreadPoolExecutor(_THREADS) as pool:
        return sum(pool.map(queries, range(_THREADS)))
