"""What is on a page of the documentation: its blocks, and the tables that commands print."""

from __future__ import annotations

import re


def blocks(page):
    """Return the language and content of each fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def cells(output):
    """Return the rows of the tables in a command's output as a set of tuples; a row may have several lines."""
    rows = []
    for line in output.splitlines():
        if line[:1] not in "│┃" or not line:
            continue
        row = [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        if row[0] or not rows:
            rows.append(row)
        else:
            rows[-1] = [f"{above} {below}".strip() for above, below in zip(rows[-1], row, strict=True)]
    return set(map(tuple, rows))
