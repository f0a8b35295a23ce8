"""`embedonce demo`: real text, embedded once, and asked for again by new processes and by other frameworks."""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import embedonce
from embedonce.cli.corpus import DemoError, collected
from embedonce.cli.runs import demos, embed_once, embed_once_elsewhere, is_installed
from embedonce.plugins.host import plugins
from embedonce.plugins.names import resolve_key_encoder
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.testing import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from embedonce.cli.runs import Run
    from embedonce.hookspecs import Demo


def footprint(store: str, namespace: str) -> tuple[int, int]:
    """Return how many vectors of a namespace a store holds, and in how many bytes.

    Raises:
        StoreError: The store cannot be read, or is not a cache.
    """
    location, directory = as_location(store), NamespaceDirectory.of(namespace, resolve_key_encoder("sha256").record())
    vectors = sum(1 for _ in embedonce.SegmentStore(location, directory).yield_keys())
    return vectors, sum(location.open(directory.name, create=False).listing().values())


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

    known = demos()
    frameworks = _requested(names, known)
    console, on_terminal = Console(highlight=False), sys.stdout.isatty()
    with tempfile.TemporaryDirectory(prefix="embedonce-demo-", ignore_cleanup_errors=True) as scratch:
        place = str(Path(scratch, "store")) if store is None else store
        namespace = HashingEmbedder(dimensions).embedonce_identity.namespace
        before, _ = footprint(place, namespace)
        with console.status("Reading text") if on_terminal else nullcontext():
            texts, what = collected(files, limit)
        where = "a temporary directory"
        if store is not None:
            where = f"{as_location(store)}, which held {before:,} vectors of this embedder before"
        _say(console, f"{len(texts):,} {what}\nembedder: {namespace}\nstore: {where}")
        with Progress(console=console, transient=True, disable=not on_terminal) as progress:
            bar = progress.add_task("Run 1, embedding", total=len(texts))
            first, vectors = embed_once(
                texts, place, dimensions, lambda done: progress.update(bar, completed=done), frameworks[0]
            )
        runs, passed, verdicts = {f"1, {frameworks[0]}": first}, True, []
        for number, framework in enumerate(frameworks, start=2):
            with console.status(f"Run {number}, {framework} in a new process") if on_terminal else nullcontext():
                again, answer = embed_once_elsewhere(texts, place, dimensions, Path(scratch), framework)
            # Bytes, since numbers that are equal may differ in the sign of a zero.
            same = (answer.dtype, answer.shape) == (
                vectors.dtype,
                vectors.shape,
            ) and answer.tobytes() == vectors.tobytes()
            # A mapped file cannot be deleted everywhere.
            del answer
            runs[f"{number}, {framework}, a new process"] = again
            passed = passed and same and not again.sent
            verb = "equals" if same else "DIFFERS FROM"
            verdicts.append(f"Run {number} {verb} run 1 bit for bit: {vectors.size:,} numbers compared.")
            if again.sent:
                sent = f"SENT {again.sent:,} TEXTS to the embedder, although run 1 had embedded them."
                verdicts.append(f"Run {number} {sent}")
        count, size = footprint(place, namespace)
    _show_runs(console, runs)
    _say(console, f"{size / count:,.0f} bytes on disk per vector: {size:,} bytes, {count:,} vectors of {dimensions:,}.")
    if passed and first.sent == first.unique and len(frameworks) > 1:
        verdicts.append(
            f"{len(runs)} runs in {len(frameworks)} frameworks: each of {first.unique:,} texts was paid for once."
        )
    for line in (*verdicts, *_hints(known)):
        _say(console, line)
    return passed


def _requested(names: Sequence[str], known: Mapping[str, Demo]) -> list[str]:
    """Return the frameworks to show.

    Raises:
        DemoError: One that was asked for is unknown or not installed, or none is installed.
    """
    spelled = {name.lower(): name for name in known}
    unknown = [name for name in names if name.lower() not in spelled]
    if unknown or not known:
        what = f"there is no framework {unknown[0]!r}" if unknown else "there is no framework to show"
        msg = f"{what}; known: {', '.join(known) or 'none'}{plugins().failures()}"
        raise DemoError(msg)
    requested = [spelled[name.lower()] for name in names] or list(known)
    missing = [name for name in requested if not is_installed(known[name])]
    if len(missing) == len(requested) or (names and missing):
        requirement = known[missing[0]].requirement
        msg = f'the demo needs {" or ".join(requested)}; run: pip install "{requirement}"'
        raise DemoError(msg)
    return [name for name in dict.fromkeys(requested) if name not in missing]


def _hints(known: Mapping[str, Demo]) -> list[str]:
    missing = [demo for demo in known.values() if not is_installed(demo)]
    return [f'{each.framework} is not installed; to see it too: pip install "{each.requirement}"' for each in missing]


def _show_runs(console: Console, runs: Mapping[str, Run]) -> None:
    from rich.table import Table

    table = Table("run")
    for heading in ("texts", "unique", "embedded", "hits", "seconds"):
        table.add_column(heading, justify="right")
    for name, run in runs.items():
        numbers = (f"{number:,}" for number in (run.texts, run.unique, run.sent, run.hits))
        table.add_row(name, *numbers, f"{run.seconds:.2f}")
    console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
