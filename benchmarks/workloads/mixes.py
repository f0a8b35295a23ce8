"""Hits and misses together, long texts, and many duplicates."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.floors import Floor
from benchmarks.models import langchain_model
from benchmarks.ours import NAME, NAMESPACE, filled, hits
from benchmarks.peers.frameworks import LangChainFiles, LlamaIndexOwn
from benchmarks.peers.peer import Answers
from benchmarks.peers.plain import Lmdb

if TYPE_CHECKING:
    from benchmarks.corpus import Sample
    from benchmarks.measuring import Candidate
    from benchmarks.run import Run

_LONG = 1000
_DIFFERENT = 100
_MISSES = 1_000_000
"""Texts from this number on were never stored."""


def measure(run: Run) -> None:
    """See the module."""
    _hit_rates(run)
    _long_texts(run)
    _duplicates(run)


def _hit_rates(run: Run) -> None:
    corpus, rows = Corpus(run.scale.width), run.scale.slow_batch_sizes[-1]
    fresh = itertools.count(_MISSES, rows)
    for percent in (0, 50, 100):

        def samples_of(repetition: int, percent: int = percent) -> list[Sample]:
            known = np.arange(rows * percent // 100)
            # New ones each time: they are hits from then on.
            misses = next(fresh) + np.arange(rows - len(known))
            return [corpus.sample(np.random.default_rng(repetition).permutation(np.concatenate([known, misses])))]

        with run.folder() as folder, ExitStack() as stack:
            cache = stack.enter_context(filled(folder / "ours", corpus, rows))
            answers = Answers()
            answers.model = corpus.embed
            wrapped = cache.wrap(langchain_model(answers), namespace=NAMESPACE)
            candidates: dict[str, Candidate] = {
                f"{NAME}, arrays": lambda sample, cache=cache: cache.embed(  # type: ignore[misc]
                    sample.texts, corpus.embed, namespace=NAMESPACE, role="query"
                ),
                f"{NAME} in LangChain": lambda sample, wrapped=wrapped: wrapped.embed_documents(sample.texts),  # type: ignore[misc]
            }
            # Two candidates on one cache must not answer for each other: one of them asks for queries.
            numbers = np.arange(rows)
            cache.embed(corpus.texts(numbers), corpus.embed, namespace=NAMESPACE, role="query")
            kinds: tuple[type[LangChainFiles | LlamaIndexOwn], ...] = (LangChainFiles, LlamaIndexOwn)
            for kind in kinds:
                if kind in run.peers:
                    place = folder / kind.__name__
                    place.mkdir()
                    peer = kind(place, corpus.dimensions)
                    peer.put(corpus.texts(numbers), corpus.vectors(numbers))
                    peer.answers.model = corpus.embed
                    candidates[kind.name] = lambda sample, peer=peer: peer.get(sample.texts)  # type: ignore[misc]
            case = {"hits": f"{percent} %", "batch": rows, "dimensions": corpus.dimensions}
            run.compare("hits and misses", case, candidates, samples_of, corpus=corpus, repetitions=run.scale.few)


def _long_texts(run: Run) -> None:
    corpus, rows = Corpus(run.scale.width, length=_LONG), run.scale.rows
    with run.folder() as folder, filled(folder / "ours", corpus, rows) as cache:
        floor = Floor(folder, corpus, rows)
        candidates: dict[str, Candidate] = {"floor": floor.verified, NAME: partial(hits, cache)}
        if Lmdb in run.peers:
            (folder / "lmdb").mkdir()
            peer = Lmdb(folder / "lmdb", corpus.dimensions)
            peer.put(corpus.texts(np.arange(rows)), corpus.vectors(np.arange(rows)))
            candidates[peer.name] = lambda sample: peer.get(sample.texts)
        case = {"characters": _LONG, "batch": run.scale.large, "dimensions": corpus.dimensions}
        run.compare("long texts", case, candidates, lambda i: [corpus.any_of(rows, run.scale.large, i)], corpus=corpus)


def _duplicates(run: Run) -> None:
    corpus, rows = Corpus(run.scale.width), run.scale.rows
    different = min(_DIFFERENT, rows // 2)

    def samples_of(repetition: int) -> list[Sample]:
        return [corpus.sample(np.random.default_rng(repetition).integers(different, size=run.scale.large))]

    with run.folder() as folder, filled(folder / "ours", corpus, rows) as cache:
        floor = Floor(folder, corpus, rows)
        candidates: dict[str, Candidate] = {"floor without deduplication": floor.verified, NAME: partial(hits, cache)}
        case = {"different texts": different, "batch": run.scale.large, "dimensions": corpus.dimensions}
        run.compare("duplicates", case, candidates, samples_of, corpus=corpus)
