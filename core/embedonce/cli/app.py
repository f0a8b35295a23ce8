"""The `embedonce` command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from embedonce.cli import maintenance, plugins
from embedonce.cli.ending import ending
from embedonce.version import __version__

if TYPE_CHECKING:
    import typer


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: Always: 0 for success, 1 if a check failed, 2 for bad input or a fault, 130 after Ctrl-C.
    """
    try:
        import rich
        import typer
    except ImportError as error:
        sys.stderr.write(f'The embedonce command needs {error.name}; run: pip install "embedonce[cli]"\n')
        raise SystemExit(2) from None
    del rich, typer
    build()()


def build() -> typer.Typer:
    """Return the command; typer is imported here, so that nothing else of embedonce needs it."""
    import typer

    app = typer.Typer(
        name="embedonce",
        help="Embed every text once: one embedding cache for every framework, on any path.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Plain lines rather than boxes: an error can be read in a log and found with grep.
        rich_markup_mode=None,
    )

    def show_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
        if asked:
            typer.echo(f"embedonce {__version__}")
            raise typer.Exit

    version_option: Any = typer.Option(
        False, "--version", is_eager=True, callback=show_version, help="Show the version and exit."
    )

    @app.callback()
    def options(version: bool = version_option) -> None:  # noqa: FBT001 - typer calls it so
        pass

    text_option: Any = typer.Option(
        [], "--text", metavar="FILE", help="Embed the paragraphs of this text file instead; may be repeated."
    )
    store_option: Any = typer.Option(
        None,
        metavar="PATH_OR_URL",
        help="Keep the vectors here, and use those that it holds.  [default: a temporary directory]",
    )
    dimensions_option: Any = typer.Option(1536, min=1, max=16_384, help="Length of the vectors.")
    limit_option: Any = typer.Option(
        None, min=1, help="Embed at most this many texts.  [default: 4000 docstrings, all paragraphs]"
    )
    framework_option: Any = typer.Option(
        [], "--framework", metavar="NAME", help="Show this framework only; may be repeated.  [default: all installed]"
    )

    @app.command()
    def demo(
        text: list[str] = text_option,
        store: str | None = store_option,
        dimensions: int = dimensions_option,
        limit: int | None = limit_option,
        framework: list[str] = framework_option,
    ) -> None:
        """Embed real text once, ask for it again in new processes and through other frameworks, and compare.

        The text is the docstrings of Python's standard library. The embedder needs no network and no model. The exit
        code is 1 if any run but the first embedded a text, or if any number differs.
        """
        from embedonce.cli.demo import show_demo

        with ending("demo", "stopped"):
            passed = show_demo(text, store, dimensions, limit, framework)
        raise typer.Exit(0 if passed else 1)

    maintenance.register(app)
    plugins.register(app)
    return app
