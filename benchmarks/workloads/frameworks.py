"""Warm hits through the frameworks, as lists, beside what the frameworks do by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import Corpus, Sample
from benchmarks.floors import Floor
from benchmarks.models import haystack_model, langchain_model, llamaindex_model
from benchmarks.ours import NAME, NAMESPACE, filled
from benchmarks.peers.frameworks import LangChainFiles
from benchmarks.peers.peer import Answers
from benchmarks.profiling import profile_of
from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.measuring import Candidate
    from benchmarks.run import Run

FLOOR_LISTS = "floor + tolist"
NO_OP = "the framework with a no-op embedder"


class Same(Answers):
    """Answers with one vector for every text: what remains is the framework's own work."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self._vector = [0.5] * dimensions

    def lists(self, texts: list[str]) -> list[list[float]]:
        """See `Answers`."""
        return [self._vector] * len(texts)


@dataclass(frozen=True, slots=True)
class Documents(Sample):
    """A sample whose texts are documents already."""

    documents: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, sample: Sample) -> Documents:
        """Make the documents."""
        from haystack import Document

        return cls(sample.numbers, sample.texts, [Document(content=text) for text in sample.texts])

    def head(self, count: int) -> Documents:
        """See `Sample`."""
        return Documents(self.numbers[:count], self.texts[:count], self.documents[:count])


def measure(run: Run) -> None:
    """All three at the large batch; LangChain's own class at one that it gets through."""
    corpus, rows = Corpus(run.scale.width), run.scale.rows
    with run.folder() as folder:
        filled(folder / "ours", corpus, rows).close()
        floor = Floor(folder, corpus, rows)

        def samples_of(repetition: int, batch: int = run.scale.large) -> list[Sample]:
            return [corpus.any_of(rows, batch, repetition)]

        with EmbeddingCache(str(folder / "ours"), mode="replay") as cache:
            _langchain(run, corpus, cache, floor, samples_of, folder)
            model, no_op = llamaindex_model(Answers()), llamaindex_model(Same(corpus.dimensions))
            wrapped = cache.wrap(model, namespace=NAMESPACE)
            ask, bare = _texts_of(wrapped.get_text_embedding_batch), _texts_of(no_op.get_text_embedding_batch)
            _with_bookkeeping(run, "llamaindex", corpus, {NAME: ask, NO_OP: bare}, floor, samples_of)
            component, plain = cache.wrap(haystack_model(Answers()), namespace=NAMESPACE), Same(corpus.dimensions)
            candidates = {NAME: _vectors_of(component), NO_OP: _vectors_of(haystack_model(plain))}
            _with_bookkeeping(
                run, "haystack", corpus, candidates, floor, lambda i: [Documents.of(each) for each in samples_of(i)]
            )


def _langchain(
    run: Run,
    corpus: Corpus,
    cache: EmbeddingCache,
    floor: Floor,
    samples_of: Callable[..., Sequence[Sample]],
    folder: Path,
) -> None:
    ask = _texts_of(cache.wrap(langchain_model(Answers()), namespace=NAMESPACE).embed_documents)
    candidates: dict[str, Candidate] = {NAME: ask, FLOOR_LISTS: floor.verified_lists}
    case = {"framework": "langchain", "batch": run.scale.large, "dimensions": corpus.dimensions}
    timings = run.compare("frameworks", case, candidates, samples_of, corpus=corpus)
    profile = partial(profile_of, partial(ask, samples_of(0)[0]))
    basis = f"{run.scale.large:,} texts, {corpus.dimensions}-d"
    run.judge("langchain", timings.ratio(NAME, FLOOR_LISTS), basis=basis, profile=profile)
    if LangChainFiles not in run.peers:
        return
    (folder / "own").mkdir()
    own, batch = LangChainFiles(folder / "own", corpus.dimensions), run.scale.slow_batch_sizes[-1]
    numbers = np.arange(run.scale.rows)[:batch]
    own.put(corpus.texts(numbers), corpus.vectors(numbers))
    timings = run.compare(
        "frameworks",
        {**case, "batch": batch},
        {NAME: ask, LangChainFiles.name: _texts_of(own.get)},
        lambda i: [corpus.any_of(batch, batch, i)],
        corpus=corpus,
        repetitions=run.scale.few,
    )
    basis = f"{batch:,} texts, {corpus.dimensions}-d"
    run.judge("langchain-own", timings.ratio(LangChainFiles.name, NAME), basis=basis, profile=profile)


def _with_bookkeeping(
    run: Run,
    framework: str,
    corpus: Corpus,
    candidates: dict[str, Candidate],
    floor: Floor,
    samples_of: Callable[[int], Sequence[Sample]],
) -> None:
    case = {"framework": framework, "batch": run.scale.large, "dimensions": corpus.dimensions}
    everyone = {**candidates, FLOOR_LISTS: floor.verified_lists}
    timings = run.compare("frameworks", case, everyone, samples_of, corpus=corpus, unchecked=(NO_OP,))
    run.judge(
        framework,
        timings.ratio(NAME, FLOOR_LISTS, NO_OP),
        basis=f"{run.scale.large:,} texts, {corpus.dimensions}-d",
        profile=partial(profile_of, partial(candidates[NAME], samples_of(0)[0])),
    )


def _texts_of(ask: Callable[[list[str]], object]) -> Candidate:
    return lambda sample: ask(sample.texts)


def _vectors_of(component: Any) -> Callable[[Any], object]:
    return lambda sample: [one.embedding for one in component.run(documents=sample.documents)["documents"]]
