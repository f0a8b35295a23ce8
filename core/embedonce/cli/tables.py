"""Tables on the terminal, and in pipes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

_WIDTH_OF_A_PIPE = 200


def console() -> Console:
    """Return the console that tables are printed to."""
    from rich.console import Console

    # A pipe has no width, and lines that programs read must not be cut.
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)


def show_table(columns: Mapping[str, Literal["left", "right"]], rows: Sequence[Sequence[str]]) -> None:
    """Print a table.

    Args:
        columns: How each column is aligned, by its title.
        rows: The text of each cell.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column, justify in columns.items():
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        # Text, since a cell may hold what rich would take for markup.
        table.add_row(*map(Text, row))
    console().print(table)
