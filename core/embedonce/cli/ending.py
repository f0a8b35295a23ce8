"""How every command ends: errors in one line on stderr, never in a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedonce.errors import EmbedOnceError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def ending(command: str, stopped: str = "stopped; the next run continues") -> Iterator[None]:
    """End with one line on stderr and exit code 2 for bad input or a fault, 130 for Ctrl-C.

    Args:
        command: Name of the command, for the line.
        stopped: What the line says after Ctrl-C.
    """
    import typer

    try:
        yield
    except BrokenPipeError:
        raise
    except (EmbedOnceError, OSError, ValueError, MemoryError) as error:
        message = str(error) or type(error).__name__
        typer.echo(f"embedonce {command}: {' '.join(message.split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(f"embedonce {command}: {stopped}", err=True)
        raise typer.Exit(130) from None
