"""`embedonce plugins`: what is loaded, what it brings, and what failed and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embedonce.cli.tables import show_table
from embedonce.plugins.registry import SwitchedOffError

if TYPE_CHECKING:
    import typer

    from embedonce.plugins.host import Plugins
    from embedonce.plugins.registry import Registry


def register(app: typer.Typer) -> None:
    """Add the command; typer is imported here, so that nothing else of embedonce needs it."""
    import typer

    json_option: Any = typer.Option(False, "--json", help="Print JSON.")

    @app.command()
    def plugins(as_json: bool = json_option) -> None:  # noqa: FBT001 - typer calls it so
        """Show all plugins: their distributions, what they add, and why some cannot be used.

        The exit code is 1 if a plugin failed, or if two distributions use one name.
        """
        from embedonce.plugins.host import plugins as all_plugins
        from embedonce.plugins.registrations import codecs, key_encoders, stores

        # Collected first, because a plugin may fail at this.
        added: dict[str, Registry[Any]] = {"key encoder": key_encoders(), "codec": codecs(), "store": stores()}
        loaded = all_plugins()
        rows = _rows(loaded)
        rows_added = [row for kind, registry in added.items() for row in _added(kind, registry)]
        if as_json:
            typer.echo(json.dumps({"plugins": rows, "added": rows_added, "notes": loaded.notes}, indent=1))
        else:
            show_table(
                dict.fromkeys(("plugin", "distribution", "state", "hooks"), "left"),
                [
                    (row["name"], row["distribution"], row["state"], "\n".join(row["hooks"]) or row["reason"] or "-")
                    for row in rows
                ],
            )
            if rows_added:
                show_table(
                    dict.fromkeys(("added", "name", "distribution", "state"), "left"),
                    [(row["kind"], row["name"], row["distribution"], row["reason"] or "usable") for row in rows_added],
                )
            for note in loaded.notes:
                typer.echo(note, err=True)
        has_failed = bool(loaded.failed) or any(row["state"] == "failed" for row in rows_added)
        raise typer.Exit(1 if has_failed else 0)


def _rows(loaded: Plugins) -> list[dict[str, Any]]:
    rows = [
        {
            "name": each.name,
            "distribution": each.distribution,
            "state": "loaded",
            "hooks": [hook.removeprefix("embedonce_") for hook in each.hooks],
            "reason": "",
        }
        for each in loaded.loaded.values()
    ]
    rows += [
        {
            "name": each.name,
            "distribution": each.distribution,
            "state": "failed",
            "hooks": [],
            "reason": f"failed {each.doing}: {each.reason}",
        }
        for each in loaded.failed
    ]
    rows += [
        {
            "name": each.name,
            "distribution": each.distribution,
            "state": "off",
            "hooks": [],
            "reason": f"switched off by {each.variable}",
        }
        for each in loaded.disabled
    ]
    return sorted(rows, key=lambda row: (row["name"], row["state"]))


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
