"""The runs of `embedonce demo`: the same texts through a framework and a cache, here or in a new process.

The new process runs this module as a script; vectors are handed over as a plain `.npy` file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import embedonce
from embedonce.cli.corpus import DemoError
from embedonce.errors import EmbedOnceError
from embedonce.testing import CountingEmbedder, HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedonce.cache.cache import EmbeddingCache

    Embed = Callable[[list[str]], list[list[float]]]

_PORTION = 64
_NUMBERS_PER_CALL = 4096 * 1536
"""The lists of frameworks take 32 bytes for each number: this bounds them to 200 MB."""


FRAMEWORKS = {
    "LangChain": ("langchain_core", "langchain"),
    "LlamaIndex": ("llama_index.core", "llamaindex"),
    "Haystack": ("haystack", "haystack"),
}
"""Package that a framework needs, and the extra that installs it."""


def is_installed(framework: str) -> bool:
    """True if the package of a framework can be imported."""
    package = FRAMEWORKS[framework][0]
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        # The package above it is missing, or was imported in vain.
        return False


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did: numbers of texts, and the seconds it took.

    Attributes:
        texts: Texts asked for.
        unique: Texts that differ.
        sent: Texts that the embedder was given.
        hits: Texts that came from the store.
        seconds: Time that it took to get all vectors.
    """

    texts: int
    unique: int
    sent: int
    hits: int
    seconds: float


class InPortions(CountingEmbedder):
    """Hands texts on in small portions and says after each how many it was given; the cache sees one call."""

    def __init__(self, embedder: Any, report: Callable[[int], None]) -> None:
        super().__init__(embedder)
        self._report = report

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _PORTION):
            vectors += super().embed_documents(texts[start : start + _PORTION])
            self._report(self.texts_embedded)
        return vectors


def _through_langchain(embedder: Any, store: str) -> tuple[EmbeddingCache, Embed]:
    cached = embedonce.wrap(embedder, store, on_store_error="raise")
    return cached.cache, cached.embed_documents


def _through_llamaindex(embedder: Any, store: str) -> tuple[EmbeddingCache, Embed]:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class Model(BaseEmbedding):
        """The embedder as an embedding model of LlamaIndex."""

        @property
        def embedonce_identity(self) -> embedonce.Identity:
            identity: embedonce.Identity = embedder.embedonce_identity
            return identity

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = embedder.embed_documents(texts)
            return vectors

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embeddings([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    cached = embedonce.wrap(Model(embed_batch_size=_PORTION), store, on_store_error="raise")
    return cached.cache, cached.get_text_embedding_batch


def _through_haystack(embedder: Any, store: str) -> tuple[EmbeddingCache, Embed]:
    from haystack import Document

    from embedonce.cli.haystack_model import DemoDocumentEmbedder

    cached = embedonce.wrap(DemoDocumentEmbedder(embedder), store, on_store_error="raise")

    def embed(texts: list[str]) -> list[list[float]]:
        documents = cached.run(documents=[Document(content=text) for text in texts])["documents"]
        return [document.embedding for document in documents]

    return cached.cache, embed


_THROUGH = {"LangChain": _through_langchain, "LlamaIndex": _through_llamaindex, "Haystack": _through_haystack}


def embed_once(
    texts: list[str],
    store: str,
    dimensions: int,
    report: Callable[[int], None] = lambda _: None,
    framework: str = "LangChain",
) -> tuple[Run, NDArray[np.float64]]:
    """Embed texts through a framework and a cache.

    Args:
        texts: The texts.
        store: A path or URL.
        dimensions: Length of the vectors.
        report: Called with the number of texts that are done.
        framework: One of `FRAMEWORKS`.

    Raises:
        DemoError: The framework is missing.
        StoreError: The store cannot be used.
    """
    done = 0
    embedder = InPortions(HashingEmbedder(dimensions), lambda sent: report(max(done, sent)))
    try:
        opened, embed = _THROUGH[framework](embedder, store)
    except (ImportError, embedonce.PluginError) as error:
        extra = FRAMEWORKS[framework][1]
        msg = f'the demo needs {framework} ({error.__cause__ or error}); run: pip install "embedonce[{extra},cli]"'
        raise DemoError(msg) from error
    matrix = np.empty((len(texts), dimensions), np.float64)
    step = max(_PORTION, _NUMBERS_PER_CALL // dimensions)
    with opened as cache:
        started = time.perf_counter()
        for start in range(0, len(texts), step):
            chunk = texts[start : start + step]
            matrix[start : start + len(chunk)] = embed(chunk)
            done = start + len(chunk)
            report(done)
        seconds = time.perf_counter() - started
        hits = cache.stats().hits
    return Run(len(texts), len(set(texts)), embedder.texts_embedded, hits, seconds), matrix


def embed_once_elsewhere(
    texts: list[str], store: str, dimensions: int, directory: Path, framework: str = "LangChain"
) -> tuple[Run, NDArray[np.float64]]:
    """Do what `embed_once` does in a new process.

    Raises:
        DemoError: The process failed.
    """
    job, result = directory / "job.json", directory / f"{framework}.npy"
    asked = json.dumps({"texts": texts, "store": store, "dimensions": dimensions, "framework": framework})
    job.write_text(asked, encoding="ascii")
    command = [sys.executable, "-m", "embedonce.cli.runs", str(job), str(result)]
    # Modules that happen to lie in the working directory are not this command's.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        msg = f"the run in a new process failed: {lines[-1]}"
        raise DemoError(msg)
    return Run(**json.loads(answer.stdout)), np.load(result, mmap_mode="r", allow_pickle=False)


def run_here(job_file: str, result_file: str) -> None:
    """Be the new process of `embed_once_elsewhere`."""
    job = json.loads(Path(job_file).read_text(encoding="ascii"))
    try:
        run, matrix = embed_once(**job)
    except (DemoError, EmbedOnceError) as error:
        sys.exit(" ".join(str(error).split()))
    np.save(result_file, matrix, allow_pickle=False)
    sys.stdout.write(json.dumps(asdict(run)))


if __name__ == "__main__":
    run_here(*sys.argv[1:])
