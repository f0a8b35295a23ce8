"""The runs of `embedonce demo`: the same texts through a framework and a cache, here or in a new process.

The new process runs this module as a script: the job comes as JSON on stdin, and the result goes to stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import embedonce
from embedonce.cli.corpus import DemoError
from embedonce.plugins.host import plugins
from embedonce.testing import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedonce.hookspecs import Demo

_NUMBERS_PER_CALL = 4096 * 1536
"""Lists of Python floats take 32 bytes for each number: this limits them to 200 MB."""


class Run(NamedTuple):
    """What one run did.

    Attributes:
        texts: How many texts it asked for.
        unique: How many of them differ.
        sent: How many texts the embedder was given.
        hits: How many texts were in the cache.
        seconds: How long it took.
        digest: SHA-256 of all vectors: numbers that are equal may differ in the sign of a zero, and this shows it.
    """

    texts: int
    unique: int
    sent: int
    hits: int
    seconds: float
    digest: str


class ReportingEmbedder(HashingEmbedder):
    """Counts the texts that it embeds, and reports after each how many these are."""

    def __init__(self, dimensions: int, report: Callable[[int], None]) -> None:
        super().__init__(dimensions)
        self.sent = 0
        self._report = report

    def _vector(self, text: str) -> NDArray[np.float64]:
        self.sent += 1
        self._report(self.sent)
        return super()._vector(text)


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
    texts: list[str], store: str, dimensions: int, framework: str, report: Callable[[int], None] = lambda _: None
) -> Run:
    """Embed texts through a framework and a cache.

    Args:
        texts: The texts.
        store: A path or URL.
        dimensions: Length of the vectors.
        framework: One of `demos`.
        report: Called with the number of texts that are done.

    Raises:
        DemoError: The framework cannot be used.
        StoreError: The store cannot be used.
    """
    done, demo = 0, demos()[framework]
    embedder = ReportingEmbedder(dimensions, lambda sent: report(max(done, sent)))
    try:
        cached = embedonce.wrap(demo.model(embedder), store, on_store_error="raise")
    except (ImportError, embedonce.PluginError) as error:
        msg = f'the demo needs {framework} ({error.__cause__ or error}); run: pip install "{demo.requirement}"'
        raise DemoError(msg) from error
    matrix = np.empty((len(texts), dimensions))
    step = max(1, _NUMBERS_PER_CALL // dimensions)
    with cached.cache as cache:
        started = time.perf_counter()
        for start in range(0, len(texts), step):
            chunk = texts[start : start + step]
            matrix[start : start + len(chunk)] = demo.embed(cached, chunk)
            done = start + len(chunk)
            report(done)
        seconds = time.perf_counter() - started
        hits = cache.stats().hits
    return Run(len(texts), len(set(texts)), embedder.sent, hits, seconds, sha256(matrix.data).hexdigest())


def embed_once_elsewhere(texts: list[str], store: str, dimensions: int, framework: str) -> Run:
    """Call `embed_once` in a new process.

    Raises:
        DemoError: The process failed.
    """
    command = [sys.executable, "-m", "embedonce.cli.runs"]
    job = json.dumps([texts, store, dimensions, framework])
    # A module in the working directory must not be imported in place of another one.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    answer = subprocess.run(command, input=job, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        msg = f"the run in a new process failed: {lines[-1]}"
        raise DemoError(msg)
    return Run(*json.loads(answer.stdout))


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(embed_once(*json.load(sys.stdin))))
    except embedonce.EmbedOnceError as error:
        sys.exit(" ".join(str(error).split()))
