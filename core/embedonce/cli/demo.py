"""`embedonce demo`: real text, embedded once, and asked for again by new processes and by other frameworks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

import embedonce
from embedonce.cli.corpus import DemoError, collected
from embedonce.cli.runs import demos, embed_once, embed_once_elsewhere, is_installed
from embedonce.cli.tables import show_table
from embedonce.plugins.host import plugins
from embedonce.plugins.names import resolve_key_encoder
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.testing import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedonce.hookspecs import Demo


def demo(
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Embed the paragraphs of this text file instead; may be repeated."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PATH_OR_URL",
            help="Keep the vectors here, and use those that it holds.  [default: a temporary directory]",
        ),
    ] = None,
    dimensions: Annotated[int, typer.Option(min=1, max=16_384, help="Length of the vectors.")] = 1536,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Embed at most this many texts.  [default: 4000 docstrings, all paragraphs]"),
    ] = None,
    framework: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Show this framework only; may be repeated.  [default: all installed]"),
    ] = None,
) -> None:
    """Embed real text once, ask for it again in new processes and through other frameworks, and compare.

    The text is the docstrings of Python's standard library. The embedder needs no network and no model. The exit
    code is 1 if any run but the first embedded a text, or if any number differs.
    """
    known = demos()
    first_framework, *_ = frameworks = _requested(framework or (), known)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    namespace = HashingEmbedder(dimensions).embedonce_identity.namespace
    with tempfile.TemporaryDirectory(prefix="embedonce-demo-", ignore_cleanup_errors=True) as scratch:
        place, where = str(Path(scratch, "store")), "a temporary directory"
        if store is not None:
            held, _ = footprint(store, namespace)
            place, where = store, f"{as_location(store)}, which held {held:,} vectors of this embedder before"
        with console.status("Reading text"):
            texts, what = collected(text or (), limit)
        console.print(f"{len(texts):,} {what}\nembedder: {namespace}\nstore: {where}")
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("Run 1, embedding", total=len(texts))
            first = embed_once(
                texts, place, dimensions, first_framework, lambda done: progress.update(bar, completed=done)
            )
        runs = {f"1, {first_framework}": first}
        for number, name in enumerate(frameworks, start=2):
            with console.status(f"Run {number}, {name} in a new process"):
                runs[f"{number}, {name}, a new process"] = embed_once_elsewhere(texts, place, dimensions, name)
        count, size = footprint(place, namespace)
    show_table(
        ("run", "texts", "unique", "embedded", "hits", "seconds"),
        [(name, run.texts, run.unique, run.sent, run.hits, f"{run.seconds:.2f}") for name, run in runs.items()],
        numbers=("texts", "unique", "embedded", "hits", "seconds"),
    )
    console.print(f"{size / count:,.0f} bytes on disk per vector: {size:,} bytes, {count:,} vectors of {dimensions:,}.")
    again = list(runs.values())[1:]
    for number, run in enumerate(again, start=2):
        verb = "equals" if run.digest == first.digest else "DIFFERS FROM"
        console.print(f"Run {number} {verb} run 1 bit for bit: {run.texts * dimensions:,} numbers compared.")
        if run.sent:
            sent = f"SENT {run.sent:,} TEXTS to the embedder, although run 1 had embedded them."
            console.print(f"Run {number} {sent}")
    passed = all(run.digest == first.digest and not run.sent for run in again)
    if passed and first.sent == first.unique and len(frameworks) > 1:
        paid = f"each of {first.unique:,} texts was paid for once."
        console.print(f"{len(runs)} runs in {len(frameworks)} frameworks: {paid}")
    for each in known.values():
        if not is_installed(each):
            console.print(f'{each.framework} is not installed; to see it too: pip install "{each.requirement}"')
    raise typer.Exit(0 if passed else 1)


def footprint(store: str, namespace: str) -> tuple[int, int]:
    """Return how many vectors of a namespace a store holds, and in how many bytes.

    Raises:
        StoreError: The store cannot be read, or is not a cache.
    """
    directory = NamespaceDirectory.of(namespace, resolve_key_encoder("sha256").record())
    usage = embedonce.SegmentStore(as_location(store), directory).usage()
    return usage.rows_live, usage.bytes


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
