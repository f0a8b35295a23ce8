"""`embedonce plugins`: what is loaded, what it brings, and what failed and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedonce.cli.tables import show_table
from embedonce.plugins import host
from embedonce.plugins.registrations import codecs, key_encoders, stores
from embedonce.plugins.registry import SwitchedOffError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedonce.plugins.host import Plugins
    from embedonce.plugins.registry import Registry


def plugins(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show all plugins: their distributions, what they add, and why some cannot be used.

    The exit code is 1 if a plugin failed, or if two distributions use one name.
    """
    # Collected first, because a plugin may fail at this.
    added: dict[str, Registry[Any]] = {"key encoder": key_encoders(), "codec": codecs(), "store": stores()}
    loaded = host.plugins()
    rows = sorted(_rows(loaded), key=lambda row: (row["name"], row["state"]))
    rows_added = [row for kind, registry in added.items() for row in _added(kind, registry)]
    if as_json:
        typer.echo(json.dumps({"plugins": rows, "added": rows_added, "notes": loaded.notes}, indent=1))
    else:
        show_table(
            ("plugin", "distribution", "state", "hooks"),
            [
                (row["name"], row["distribution"], row["state"], "\n".join(row["hooks"]) or row["reason"] or "-")
                for row in rows
            ],
        )
        if rows_added:
            show_table(
                ("added", "name", "distribution", "state"),
                [(row["kind"], row["name"], row["distribution"], row["reason"] or "usable") for row in rows_added],
            )
        for note in loaded.notes:
            typer.echo(note, err=True)
    has_failed = bool(loaded.failed) or any(row["state"] == "failed" for row in rows_added)
    raise typer.Exit(1 if has_failed else 0)


def _rows(loaded: Plugins) -> Iterator[dict[str, Any]]:
    def row(plugin: Any, state: str, *, hooks: tuple[str, ...] = (), reason: str = "") -> dict[str, Any]:
        names = [hook.removeprefix("embedonce_") for hook in hooks]
        source = {"name": plugin.name, "distribution": plugin.distribution}
        return {**source, "state": state, "hooks": names, "reason": reason}

    for each in loaded.loaded.values():
        yield row(each, "loaded", hooks=each.hooks)
    for failure in loaded.failed:
        yield row(failure, "failed", reason=f"failed {failure.doing}: {failure.reason}")
    for off in loaded.disabled:
        yield row(off, "off", reason=f"switched off by {off.variable}")


def _added(kind: str, registry: Registry[Any]) -> list[dict[str, str]]:
    rows = []
    for name in registry.names():
        error = registry.error(name)
        is_off = isinstance(error, SwitchedOffError)
        rows.append(
            {
                "kind": kind,
                "name": name,
                "distribution": registry.source(name),
                "state": "usable" if error is None else "off" if is_off else "failed",
                "reason": "" if error is None else str(error),
            }
        )
    return rows
