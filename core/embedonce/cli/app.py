"""The `embedonce` command: all its subcommands, and how each of them ends."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from embedonce.cli import maintenance
from embedonce.cli.demo import demo
from embedonce.cli.plugins import plugins
from embedonce.errors import EmbedOnceError
from embedonce.version import __version__


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a subcommand: bad input, a fault and Ctrl-C end with one line on stderr, never with a traceback."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (EmbedOnceError, OSError, ValueError, MemoryError) as error:
            line, code = " ".join((str(error) or type(error).__name__).split()), 2
        except KeyboardInterrupt:
            line, code = "stopped" if ctx.invoked_subcommand == "demo" else "stopped; the next run continues", 130
        typer.echo(f"embedonce {ctx.invoked_subcommand}: {line}", err=True)
        raise typer.Exit(code)


app = typer.Typer(
    name="embedonce",
    cls=_Group,
    help="Embed every text once: one embedding cache for every framework, on any path.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain lines rather than boxes: an error can be read in a log and found with grep.
    rich_markup_mode=None,
)
for command in (
    demo,
    maintenance.info,
    maintenance.compact,
    maintenance.evict,
    maintenance.clear,
    maintenance.verify,
    plugins,
):
    app.command()(command)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(f"embedonce {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
