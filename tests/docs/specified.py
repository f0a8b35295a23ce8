"""The two pages of specifications, their tables, and the decoder that is printed there."""

from __future__ import annotations

import re
from pathlib import Path

from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical

DOCS = Path(__file__).resolve().parents[2] / "docs"
STORAGE = (DOCS / "storage-format.md").read_text(encoding="utf-8")
KEYS = (DOCS / "key-specification.md").read_text(encoding="utf-8")


def decoder():
    """Return the function `read_space` out of the page."""
    (source,) = re.findall(r"^```python\n(.*?)^```$", STORAGE, re.MULTILINE | re.DOTALL)
    assert len(source.splitlines()) <= 30
    names = {}
    exec(compile(source, "storage-format.md", "exec"), names)
    return names["read_space"]


read_space = decoder()


def table(page, *headings):
    """Return the rows of the table with these headings; cells lose their backquotes."""
    lines = iter(page.splitlines())
    assert f"| {' | '.join(headings)} |" in lines, headings
    rows = []
    for line in lines:
        if not line.startswith("| "):
            break
        cells = [re.sub(r"^`(.*)`$", r"\1", cell.strip()) for cell in line[1:-1].split(" | ")]
        if set(cells) != {"---"}:
            rows.append(cells)
    assert rows
    return rows


def section(page, heading):
    """Return the text below a heading."""
    return re.split(r"^#+ ", page.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def space_of(root):
    """Return the only space below a root."""
    (directory,) = (entry for entry in Path(root).iterdir() if entry.is_dir())
    return directory


def key_of(text, role="document"):
    return sha256(canonical(role, text))
