"""The runs of `embedonce demo`: the same texts through a framework and a cache, here or in a new process.

The new process runs this module as a script; vectors are handed over as a plain `.npy` file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import embedonce
from embedonce.cli.corpus import DemoError
from embedonce.plugins.host import plugins
from embedonce.testing import CountingEmbedder, HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedonce.hookspecs import Demo

_PORTION = 64
_NUMBERS_PER_CALL = 4096 * 1536
"""Lists of Python floats take 32 bytes for each number: this limits them to 200 MB."""


class Run(NamedTuple):
    """What one run did: how many texts it asked for, how many of them differ, were embedded and found, and how long."""

    texts: int
    unique: int
    sent: int
    hits: int
    seconds: float


class InPortions(CountingEmbedder):
    """Passes texts on in small portions and reports after each how many it was given; the cache sees one call."""

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


def demos() -> dict[str, Demo]:
    """Return the demos of all plugins by framework, whether the framework is installed or not."""
    return {demo.framework: demo for demo in plugins().demos()}


def is_installed(demo: Demo) -> bool:
    """True if the package of a framework can be imported; it is not imported."""
    try:
        return find_spec(demo.package) is not None
    except (ImportError, ValueError):
        # The parent package is missing, or its import has failed.
        return False


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
        framework: One of `demos`.

    Raises:
        DemoError: The framework cannot be used.
        StoreError: The store cannot be used.
    """
    done, demo = 0, demos()[framework]
    embedder = InPortions(HashingEmbedder(dimensions), lambda sent: report(max(done, sent)))
    try:
        cached = embedonce.wrap(demo.model(embedder), store, on_store_error="raise")
    except (ImportError, embedonce.PluginError) as error:
        msg = f'the demo needs {framework} ({error.__cause__ or error}); run: pip install "{demo.requirement}"'
        raise DemoError(msg) from error
    matrix = np.empty((len(texts), dimensions), np.float64)
    step = max(_PORTION, _NUMBERS_PER_CALL // dimensions)
    with cached.cache as cache:
        started = time.perf_counter()
        for start in range(0, len(texts), step):
            chunk = texts[start : start + step]
            matrix[start : start + len(chunk)] = demo.embed(cached, chunk)
            done = start + len(chunk)
            report(done)
        seconds = time.perf_counter() - started
        hits = cache.stats().hits
    return Run(len(texts), len(set(texts)), embedder.texts_embedded, hits, seconds), matrix


def embed_once_elsewhere(
    texts: list[str], store: str, dimensions: int, directory: Path, framework: str = "LangChain"
) -> tuple[Run, NDArray[np.float64]]:
    """Call `embed_once` in a new process.

    Raises:
        DemoError: The process failed.
    """
    job, result = directory / "job.json", directory / "result.npy"
    arguments = {"texts": texts, "store": store, "dimensions": dimensions, "framework": framework}
    job.write_text(json.dumps(arguments), encoding="ascii")
    command = [sys.executable, "-m", "embedonce.cli.runs", str(job), str(result)]
    # A module in the working directory must not be imported in place of another one.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        msg = f"the run in a new process failed: {lines[-1]}"
        raise DemoError(msg)
    return Run(*json.loads(answer.stdout)), np.load(result, mmap_mode="r", allow_pickle=False)


def run_here(job_file: str, result_file: str) -> None:
    """Run as the new process of `embed_once_elsewhere`."""
    job = json.loads(Path(job_file).read_text(encoding="ascii"))
    try:
        run, matrix = embed_once(**job)
    except embedonce.EmbedOnceError as error:
        sys.exit(" ".join(str(error).split()))
    np.save(result_file, matrix, allow_pickle=False)
    sys.stdout.write(json.dumps(run))


if __name__ == "__main__":
    run_here(*sys.argv[1:])
