"""`embedonce demo`: real text, embedded twice, the second time by a new process that has no need to embed.

The second process runs this module as a script; vectors are handed over as a plain `.npy` file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import embedonce
from embedonce.cli.corpus import DemoError, collected
from embedonce.errors import EmbedOnceError, PluginError
from embedonce.key_encoders import resolve_key_encoder
from embedonce.stores.locations import as_location
from embedonce.stores.segments.space import Space
from embedonce.testing import CountingEmbedder, HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from rich.console import Console

_PORTION = 64
_NUMBERS_PER_CALL = 4096 * 1536
"""LangChain's lists take 32 bytes for each number: this bounds them to 200 MB."""


# The runs


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


def embed_once(
    texts: list[str], store: str, dimensions: int, report: Callable[[int], None] = lambda _: None
) -> tuple[Run, NDArray[np.float64]]:
    """Embed texts through LangChain and a cache.

    Args:
        texts: The texts.
        store: A path or URL.
        dimensions: Length of the vectors.
        report: Called with the number of texts that are done.

    Raises:
        DemoError: LangChain is missing.
        StoreError: The store cannot be used.
    """
    done = 0
    embedder = InPortions(HashingEmbedder(dimensions), lambda sent: report(max(done, sent)))
    try:
        cached = embedonce.wrap(embedder, store, on_store_error="raise")
    except PluginError as error:
        msg = f'the demo needs LangChain ({error.__cause__ or error}); run: pip install "embedonce[langchain,cli]"'
        raise DemoError(msg) from error
    matrix = np.empty((len(texts), dimensions), np.float64)
    step = max(_PORTION, _NUMBERS_PER_CALL // dimensions)
    with cached.cache as cache:
        started = time.perf_counter()
        for start in range(0, len(texts), step):
            chunk = texts[start : start + step]
            matrix[start : start + len(chunk)] = cached.embed_documents(chunk)
            done = start + len(chunk)
            report(done)
        seconds = time.perf_counter() - started
        hits = cache.stats().hits
    return Run(len(texts), len(set(texts)), embedder.texts_embedded, hits, seconds), matrix


def embed_once_elsewhere(
    texts: list[str], store: str, dimensions: int, directory: Path
) -> tuple[Run, NDArray[np.float64]]:
    """Do what `embed_once` does in a new process.

    Raises:
        DemoError: The process failed.
    """
    job, result = directory / "job.json", directory / "result.npy"
    job.write_text(json.dumps({"texts": texts, "store": store, "dimensions": dimensions}), encoding="ascii")
    command = [sys.executable, "-m", "embedonce.cli.demo", str(job), str(result)]
    # Modules that happen to lie in the working directory are not this command's.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        msg = f"the second run failed: {lines[-1]}"
        raise DemoError(msg)
    return Run(**json.loads(answer.stdout)), np.load(result, mmap_mode="r", allow_pickle=False)


def second_run(job_file: str, result_file: str) -> None:
    """Be the new process of `embed_once_elsewhere`."""
    job = json.loads(Path(job_file).read_text(encoding="ascii"))
    try:
        run, matrix = embed_once(**job)
    except (DemoError, EmbedOnceError) as error:
        sys.exit(" ".join(str(error).split()))
    np.save(result_file, matrix, allow_pickle=False)
    sys.stdout.write(json.dumps(asdict(run)))


def footprint(store: str, namespace: str) -> tuple[int, int]:
    """Return how many vectors of a namespace a store holds, and in how many bytes.

    Raises:
        StoreError: The store cannot be read, or is something else than a cache.
    """
    location, space = as_location(store), Space.of(namespace, resolve_key_encoder("sha256").record())
    vectors = sum(1 for _ in embedonce.SegmentStore(location, space).yield_keys())
    return vectors, sum(location.open(space.directory, create=False).listing().values())


# What is shown


def show_demo(files: Sequence[str], store: str | None, dimensions: int, limit: int | None) -> bool:
    """Run both runs and print what they did; True if the second one embedded nothing and agrees bit for bit.

    Raises:
        DemoError: There is no text, or the second run failed.
        StoreError: The store cannot be used.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(highlight=False)
    on_terminal = sys.stdout.isatty()
    with tempfile.TemporaryDirectory(prefix="embedonce-demo-", ignore_cleanup_errors=True) as scratch:
        directory = Path(scratch)
        place = str(directory / "store") if store is None else store
        namespace = HashingEmbedder(dimensions).embedonce_identity.namespace
        before, _ = footprint(place, namespace)
        with console.status("Reading text") if on_terminal else nullcontext():
            texts, what = collected(files, limit)
        kept = "a temporary directory"
        if store is not None:
            kept = f"{as_location(store)}, which held {before:,} vectors of this embedder before"
        _say(console, f"{len(texts):,} {what}\nembedder: {namespace}\nstore: {kept}")
        with Progress(console=console, transient=True, disable=not on_terminal) as progress:
            bar = progress.add_task("Run 1, embedding", total=len(texts))
            first, vectors = embed_once(texts, place, dimensions, lambda done: progress.update(bar, completed=done))
        with console.status("Run 2, in a new process") if on_terminal else nullcontext():
            second, vectors_again = embed_once_elsewhere(texts, place, dimensions, directory)
        count, size = footprint(place, namespace)
        same = _same_bits(vectors, vectors_again)
        numbers = vectors.size
        # A mapped file cannot be deleted everywhere.
        del vectors_again
    _show_runs(console, first, second)
    _say(console, f"{size / count:,.0f} bytes on disk per vector: {size:,} bytes, {count:,} vectors of {dimensions:,}.")
    _say(console, f"Run 2 {'equals' if same else 'DIFFERS FROM'} run 1 bit for bit: {numbers:,} numbers compared.")
    if second.sent:
        _say(console, f"Run 2 SENT {second.sent:,} TEXTS to the embedder, although run 1 had embedded them.")
    return same and not second.sent


def _same_bits(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Compare bytes: numbers that are equal may differ in the sign of a zero."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _show_runs(console: Console, first: Run, second: Run) -> None:
    from rich.table import Table

    table = Table("run")
    for heading in ("texts", "unique", "sent to the embedder", "hits", "seconds"):
        table.add_column(heading, justify="right")
    for name, run in (("1", first), ("2, a new process", second)):
        numbers = (f"{number:,}" for number in (run.texts, run.unique, run.sent, run.hits))
        table.add_row(name, *numbers, f"{run.seconds:.2f}")
    console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    second_run(*sys.argv[1:])
