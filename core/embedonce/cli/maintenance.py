"""`embedonce info`, `compact`, `evict`, `clear` and `verify`: what a store holds, and its maintenance."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal

from embedonce.cli.tables import console, show_table
from embedonce.cli.units import bytes_in, moment_text, seconds_in
from embedonce.namespaces.foreign.schemes import scheme_store
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments import root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedonce.stores.segments.upkeep.reports import Report

_Store = Annotated[str, typer.Argument(metavar="STORE", help="Path or URL of the store.")]
_Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="This namespace only.  [default: all]")]
_Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--option", "-o", metavar="KEY=VALUE", help="Option of the file system behind a URL; may be repeated."
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]


def info(store: _Store, namespace: _Namespace = None, option: _Pairs = None) -> None:
    """Show what a store holds: vectors, segments and bytes of each namespace."""
    usages = [each.usage() for each in _namespaces(store, namespace, option, read_only=True).stores]
    show_table(
        ("namespace", "vectors", "dead", "segments", "size", "oldest", "newest"),
        [
            (
                usage.namespace,
                usage.rows_live,
                usage.rows_dead,
                usage.segments,
                decimal(usage.bytes),
                moment_text(usage.oldest),
                moment_text(usage.newest),
            )
            for usage in usages
        ],
        numbers=("vectors", "dead", "segments", "size"),
    )


def compact(store: _Store, namespace: _Namespace = None, option: _Pairs = None) -> None:
    """Merge small segments, and drop rows that are deleted or replaced."""
    _show_reports([each.compact() for each in _namespaces(store, namespace, option).stores])


def evict(
    store: _Store,
    namespace: _Namespace = None,
    option: _Pairs = None,
    max_bytes: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep at most this much, for instance 10GB.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Delete what is older than this, for instance 30d.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    yes: _Yes = False,
) -> None:
    """Delete the oldest vectors: by age, or until the store is small enough."""
    size, age = bytes_in(max_bytes) if max_bytes else None, seconds_in(older_than) if older_than else None
    if size is None and age is None:
        msg = "evict needs a limit; give --max-bytes, --older-than, or both"
        raise ValueError(msg)
    stores = _namespaces(store, namespace, option, read_only=dry_run).stores
    reports = root.evict(stores, max_bytes=size, older_than=age, dry_run=True)
    if not dry_run:
        rows = sum(report.rows_before - report.rows_after for report in reports)
        _confirm(yes=yes, question=f"Delete {rows} rows of {store}?")
        reports = root.evict(stores, max_bytes=size, older_than=age)
    _show_reports(reports)


def clear(store: _Store, namespace: _Namespace = None, option: _Pairs = None, *, yes: _Yes = False) -> None:
    """Delete all vectors of a namespace, or of all of them."""
    stores = _namespaces(store, namespace, option).stores
    names = ", ".join(each.namespace_directory.namespace for each in stores)
    _confirm(yes=yes, question=f"Delete everything that {store} holds for {names}?")
    _show_reports([each.clear() for each in stores])


def verify(store: _Store, namespace: _Namespace = None, option: _Pairs = None) -> None:
    """Read everything again and compare all checksums. The exit code is 1 if anything is damaged."""
    namespaces = _namespaces(store, namespace, option, read_only=True)
    found = [each.verify() for each in namespaces.stores]
    show_table(
        ("namespace", "segments", "rows", "damaged rows", "damaged"),
        [
            (one.namespace, one.segments, one.rows, one.damaged_rows, "\n".join(one.damaged_segments) or "-")
            for one in found
        ],
        numbers=("segments", "rows", "damaged rows"),
    )
    is_damaged = namespaces.unreadable or any(one.damaged_segments for one in found)
    raise typer.Exit(1 if is_damaged else 0)


def _namespaces(
    store: str, namespace: str | None, options: Sequence[str] | None, *, read_only: bool = False
) -> root.Namespaces:
    """Open the namespaces that a command is about."""
    if scheme := scheme_store(store):
        msg = (
            f"{scheme}:// is opened as a byte store, which needs no maintenance and cannot list namespaces; "
            "use the tools of that store"
        )
        raise ValueError(msg)
    location = as_location(store, _options(options or ()))
    namespaces = root.namespaces_at(location, namespace, read_only=read_only)
    for directory, why in namespaces.unreadable.items():
        typer.echo(f"{directory} is skipped, because its space.json cannot be used: {why}", err=True)
    if not namespaces.stores and not namespaces.unreadable:
        wanted = "no namespace" if namespace is None else f"no namespace {namespace!r}"
        msg = f"{location} holds {wanted}; check the path or URL"
        raise ValueError(msg)
    return namespaces


def _options(pairs: Sequence[str]) -> dict[str, Any]:
    """Return file system options from `key=value`; a value that reads as JSON is taken as such."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            # It is not shown, since it may hold a secret.
            msg = "an option must be KEY=VALUE"
            raise ValueError(msg)
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


def _confirm(*, yes: bool, question: str) -> None:
    """Continue only if the user confirms it.

    Raises:
        ValueError: There is no terminal, so that nobody can be asked.
    """
    if yes:
        return
    if not _is_interactive():
        msg = "this deletes vectors; add --yes, since there is no terminal to ask on"
        raise ValueError(msg)
    if not typer.confirm(question):
        typer.echo("Nothing was deleted.")
        raise typer.Exit(0)


def _is_interactive() -> bool:
    return sys.stdin.isatty()


def _show_reports(reports: Sequence[Report]) -> None:
    def change(before: int, after: int, show: Callable[[int], str] = "{:,}".format) -> str:
        return show(after) if before == after else f"{show(before)} → {show(after)}"

    titles = ("namespace", "rows", "segments", "size", "deleted", "waiting", "damaged")
    show_table(
        titles,
        [
            (
                report.namespace,
                change(report.rows_before, report.rows_after),
                change(report.segments_before, report.segments_after),
                change(report.bytes_before, report.bytes_after, decimal),
                report.deleted,
                report.waiting,
                report.damaged_rows + len(report.damaged_segments),
            )
            for report in reports
        ],
        numbers=titles[1:],
    )
    if any(report.dry_run for report in reports):
        console().print("Nothing was changed.")
