"""Tables on the terminal, and in pipes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

_WIDTH_OF_A_PIPE = 200


def console() -> Console:
    """Return the console that tables are printed to."""
    # A pipe has no width, and lines that programs read must not be cut.
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)


def show_table(titles: Sequence[str], rows: Iterable[Sequence[str | int]], *, numbers: Container[str] = ()) -> None:
    """Print a table.

    Args:
        titles: The titles of the columns.
        rows: The cells of each row.
        numbers: The titles of those columns that are aligned to the right.
    """
    table = Table()
    for title in titles:
        table.add_column(title, justify="right" if title in numbers else "left", overflow="fold")
    for row in rows:
        # Text, since a cell may hold what rich would take for markup.
        table.add_row(*(Text(cell if isinstance(cell, str) else f"{cell:,}") for cell in row))
    console().print(table)
