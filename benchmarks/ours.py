"""embedonce, as the workloads use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.corpus import Corpus, Sample

NAME = "embedonce"
NAMESPACE = "benchmarks/random@1"
_AT_ONCE = 102_400


def nobody(texts: list[str]) -> Any:
    """The embedder where all texts are hits."""
    msg = f"{len(texts)} texts were not in the cache, such as {texts[0][:40]!r}"
    raise AssertionError(msg)


def filled(folder: Path, corpus: Corpus, rows: int) -> EmbeddingCache:
    """Return a cache of the first vectors of a corpus, written as a user's program would write them."""
    # An embedder that takes its time is given as many at once; this one takes none (see `embedonce.cache.engine.pace`).
    with EmbeddingCache(str(folder), batch_size=1024) as cache:
        for start in range(0, rows, _AT_ONCE):
            numbers = np.arange(start, min(rows, start + _AT_ONCE))
            cache.embed(corpus.texts(numbers), corpus.embed, namespace=NAMESPACE)
    return EmbeddingCache(str(folder))


def hits(cache: EmbeddingCache, sample: Sample) -> Any:
    """Ask for texts that are all there."""
    return cache.embed(sample.texts, nobody, namespace=NAMESPACE)
