"""`embedonce info`, `compact`, `evict`, `clear` and `verify`: what a store holds, and its maintenance."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from embedonce.cli.ending import ending
from embedonce.cli.tables import console, show_table
from embedonce.cli.units import bytes_in, moment_text, seconds_in, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import typer

    from embedonce.stores.segments.root import Namespaces
    from embedonce.stores.segments.upkeep.reports import Report


def register(app: typer.Typer) -> None:
    """Add the commands; typer is imported here, so that nothing else of embedonce needs it."""
    import typer

    store_argument: Any = typer.Argument(metavar="STORE", help="Path or URL of the store.")
    namespace_option: Any = typer.Option(None, "--namespace", "-n", help="This namespace only.  [default: all]")
    option_option: Any = typer.Option(
        [], "--option", "-o", metavar="KEY=VALUE", help="Option of the file system behind a URL; may be repeated."
    )
    yes_option: Any = typer.Option(False, "--yes", "-y", help="Delete without asking.")
    dry_run_option: Any = typer.Option(False, "--dry-run", help="Show what would be done, and change nothing.")
    size_option: Any = typer.Option(None, metavar="SIZE", help="Keep at most this much, for instance 10GB.")
    age_option: Any = typer.Option(None, metavar="AGE", help="Delete what is older than this, for instance 30d.")

    @app.command()
    def info(
        store: str = store_argument, namespace: str | None = namespace_option, option: list[str] = option_option
    ) -> None:
        """Show what a store holds: vectors, segments and bytes of each namespace."""
        with ending("info"):
            _show_info(_namespaces(store, namespace, option, read_only=True))

    @app.command()
    def compact(
        store: str = store_argument, namespace: str | None = namespace_option, option: list[str] = option_option
    ) -> None:
        """Merge small segments, and drop rows that are deleted or replaced."""
        with ending("compact"):
            _show_reports([each.compact() for each in _namespaces(store, namespace, option).stores])

    @app.command()
    def evict(
        store: str = store_argument,
        namespace: str | None = namespace_option,
        option: list[str] = option_option,
        max_bytes: str | None = size_option,
        older_than: str | None = age_option,
        dry_run: bool = dry_run_option,  # noqa: FBT001 - typer calls it so
        yes: bool = yes_option,  # noqa: FBT001 - typer calls it so
    ) -> None:
        """Delete the oldest vectors: by age, or until the store is small enough."""
        from embedonce.stores.segments import root as maintenance

        with ending("evict"):
            size, age = bytes_in(max_bytes) if max_bytes else None, seconds_in(older_than) if older_than else None
            if size is None and age is None:
                msg = "evict needs a limit; give --max-bytes, --older-than, or both"
                raise ValueError(msg)
            namespaces = _namespaces(store, namespace, option, read_only=dry_run)
            reports = maintenance.evict(namespaces.stores, max_bytes=size, older_than=age, dry_run=True)
            if not dry_run:
                rows = sum(report.rows_before - report.rows_after for report in reports)
                _confirm(yes=yes, question=f"Delete {rows} rows of {store}?")
                reports = maintenance.evict(namespaces.stores, max_bytes=size, older_than=age)
            _show_reports(reports)

    @app.command()
    def clear(
        store: str = store_argument,
        namespace: str | None = namespace_option,
        option: list[str] = option_option,
        yes: bool = yes_option,  # noqa: FBT001 - typer calls it so
    ) -> None:
        """Delete all vectors of a namespace, or of all of them."""
        with ending("clear"):
            namespaces = _namespaces(store, namespace, option)
            names = ", ".join(each.namespace_directory.namespace for each in namespaces.stores)
            _confirm(yes=yes, question=f"Delete everything that {store} holds for {names}?")
            _show_reports([each.clear() for each in namespaces.stores])

    @app.command()
    def verify(
        store: str = store_argument, namespace: str | None = namespace_option, option: list[str] = option_option
    ) -> None:
        """Read everything again and compare all checksums. The exit code is 1 if anything is damaged."""
        with ending("verify"):
            namespaces = _namespaces(store, namespace, option, read_only=True)
            is_sound = _show_verifications(namespaces) and not namespaces.unreadable
        raise typer.Exit(0 if is_sound else 1)


def _namespaces(store: str, namespace: str | None, options: Sequence[str], *, read_only: bool = False) -> Namespaces:
    """Open the namespaces that a command is about."""
    import typer

    from embedonce.namespaces.schemes import scheme_store
    from embedonce.stores.locations.location import as_location
    from embedonce.stores.segments.root import namespaces_at

    if scheme := scheme_store(store):
        msg = (
            f"{scheme}:// is opened as a byte store, which needs no maintenance and cannot list namespaces; "
            "use the tools of that store"
        )
        raise ValueError(msg)
    location = as_location(store, _options(options))
    namespaces = namespaces_at(location, namespace, read_only=read_only)
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
    import typer

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


def _show_info(namespaces: Namespaces) -> None:
    usages = [store.usage() for store in namespaces.stores]
    show_table(
        {
            "namespace": "left",
            "vectors": "right",
            "dead": "right",
            "segments": "right",
            "size": "right",
            "oldest": "left",
            "newest": "left",
        },
        [
            (
                usage.namespace,
                f"{usage.rows_live:,}",
                f"{usage.rows_dead:,}",
                f"{usage.segments:,}",
                size_text(usage.bytes),
                moment_text(usage.oldest),
                moment_text(usage.newest),
            )
            for usage in usages
        ],
    )


def _show_reports(reports: Sequence[Report]) -> None:
    def change(before: int, after: int, show: Callable[[int], str] = "{:,}".format) -> str:
        return show(after) if before == after else f"{show(before)} → {show(after)}"

    show_table(
        {
            "namespace": "left",
            "rows": "right",
            "segments": "right",
            "size": "right",
            "deleted": "right",
            "waiting": "right",
            "damaged": "right",
        },
        [
            (
                report.namespace,
                change(report.rows_before, report.rows_after),
                change(report.segments_before, report.segments_after),
                change(report.bytes_before, report.bytes_after, size_text),
                f"{report.deleted:,}",
                f"{report.waiting:,}",
                f"{report.damaged_rows + len(report.damaged_segments):,}",
            )
            for report in reports
        ],
    )
    if any(report.dry_run for report in reports):
        console().print("Nothing was changed.")


def _show_verifications(namespaces: Namespaces) -> bool:
    found = [store.verify() for store in namespaces.stores]
    show_table(
        {"namespace": "left", "segments": "right", "rows": "right", "damaged rows": "right", "damaged": "left"},
        [
            (
                one.namespace,
                f"{one.segments:,}",
                f"{one.rows:,}",
                f"{one.damaged_rows:,}",
                "\n".join(one.damaged_segments) or "-",
            )
            for one in found
        ],
    )
    return not any(one.damaged_segments for one in found)
