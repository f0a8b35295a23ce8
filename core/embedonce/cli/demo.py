"""`embedonce demo`: real text, embedded once, and asked for again by new processes and by other frameworks."""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import embedonce
from embedonce.cli.corpus import DemoError, collected
from embedonce.cli.runs import FRAMEWORKS, embed_once, embed_once_elsewhere, is_installed
from embedonce.plugins.names import resolve_key_encoder
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.testing import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from embedonce.cli.runs import Run


def footprint(store: str, namespace: str) -> tuple[int, int]:
    """Return how many vectors of a namespace a store holds, and in how many bytes.

    Raises:
        StoreError: The store cannot be read, or is something else than a cache.
    """
    location, space = as_location(store), NamespaceDirectory.of(namespace, resolve_key_encoder("sha256").record())
    vectors = sum(1 for _ in embedonce.SegmentStore(location, space).yield_keys())
    return vectors, sum(location.open(space.directory, create=False).listing().values())


def show_demo(
    files: Sequence[str], store: str | None, dimensions: int, limit: int | None, names: Sequence[str] = ()
) -> bool:
    """Run all runs and print what they did; True if only the first one embedded and all agree bit for bit.

    Raises:
        DemoError: There is no text, or a run failed.
        StoreError: The store cannot be used.
    """
    from rich.console import Console
    from rich.progress import Progress

    frameworks = _wanted(names)
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
            first, vectors = embed_once(
                texts, place, dimensions, lambda done: progress.update(bar, completed=done), frameworks[0]
            )
        shown, passed = [(f"1, {frameworks[0]}", first)], True
        verdicts = []
        for number, framework in enumerate(frameworks, start=2):
            with console.status(f"Run {number}, {framework} in a new process") if on_terminal else nullcontext():
                again, vectors_again = embed_once_elsewhere(texts, place, dimensions, directory, framework)
            same = _same_bits(vectors, vectors_again)
            # A mapped file cannot be deleted everywhere.
            del vectors_again
            shown.append((f"{number}, {framework}, a new process", again))
            passed = passed and same and not again.sent
            verdicts += _verdicts(number, again, vectors.size, same=same)
        count, size = footprint(place, namespace)
    _show_runs(console, shown)
    _say(console, f"{size / count:,.0f} bytes on disk per vector: {size:,} bytes, {count:,} vectors of {dimensions:,}.")
    for line in verdicts:
        _say(console, line)
    if passed and first.sent == first.unique and len(frameworks) > 1:
        _say(
            console,
            f"{len(shown)} runs in {len(frameworks)} frameworks: each of {first.unique:,} texts was paid for once.",
        )
    for framework, (_, extra) in FRAMEWORKS.items():
        if not is_installed(framework):
            _say(console, f'{framework} is not installed; to see it too: pip install "embedonce[{extra}]"')
    return passed


def _wanted(names: Sequence[str]) -> list[str]:
    """Return the frameworks to show.

    Raises:
        DemoError: One that was asked for is unknown or not installed, or none is installed.
    """
    spelled = {name.lower(): name for name in FRAMEWORKS}
    unknown = [name for name in names if name.lower() not in spelled]
    if unknown:
        msg = f"there is no framework {unknown[0]!r}; known: {', '.join(FRAMEWORKS)}"
        raise DemoError(msg)
    wanted = [spelled[name.lower()] for name in names] or list(FRAMEWORKS)
    installed = [name for name in wanted if is_installed(name)]
    if not installed or (names and len(installed) < len(wanted)):
        extra = FRAMEWORKS[next(name for name in wanted if name not in installed)][1]
        msg = f'the demo needs {" or ".join(wanted)}; run: pip install "embedonce[{extra},cli]"'
        raise DemoError(msg)
    return list(dict.fromkeys(installed))


def _verdicts(number: int, run: Run, numbers: int, *, same: bool) -> list[str]:
    verb = "equals" if same else "DIFFERS FROM"
    lines = [f"Run {number} {verb} run 1 bit for bit: {numbers:,} numbers compared."]
    if run.sent:
        lines.append(f"Run {number} SENT {run.sent:,} TEXTS to the embedder, although run 1 had embedded them.")
    return lines


def _same_bits(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Compare bytes: numbers that are equal may differ in the sign of a zero."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _show_runs(console: Console, runs: Sequence[tuple[str, Run]]) -> None:
    from rich.table import Table

    table = Table("run")
    for heading in ("texts", "unique", "embedded", "hits", "seconds"):
        table.add_column(heading, justify="right")
    for name, run in runs:
        numbers = (f"{number:,}" for number in (run.texts, run.unique, run.sent, run.hits))
        table.add_row(name, *numbers, f"{run.seconds:.2f}")
    console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
