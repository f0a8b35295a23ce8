"""Write docs/plugins/reference.md: every hook with its signature and its docstring, from `embedonce.hookspecs`.

Run it after a change of the hooks; a test fails while the page is stale.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from embedonce import hookspecs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "plugins" / "reference.md"

_HEAD = """\
# Hooks

<!-- Written by tools/plugin_reference.py from core/embedonce/hookspecs.py. -->

A plugin is a module or an object that implements some of these hooks, each marked with `embedonce.hookimpl`; see
[plugins](index.md). An implementation may take fewer arguments than are listed here, by the same names.
"""
_SECTIONS = ("Args", "Returns", "Raises")


def hooks() -> list[Callable[..., Any]]:
    """Return the specifications of all hooks, in the order of their module."""
    return [value for name, value in vars(hookspecs).items() if name.startswith(f"{hookspecs.PROJECT}_")]


def signature(hook: Callable[..., Any]) -> str:
    """Return a hook's signature as it is written, with its annotations unquoted."""
    return f"def {hook.__name__}{inspect.signature(hook)}: ...".replace("'", "")


def page() -> str:
    """Return what the page has to be."""
    return "\n".join([_HEAD, *map(_section, hooks())])


def _section(hook: Callable[..., Any]) -> str:
    parts = [f"## {hook.__name__}", f"```python\n{signature(hook)}\n```"]
    for block in (inspect.getdoc(hook) or "").split("\n\n"):
        title, _, body = block.partition(":\n")
        if title not in _SECTIONS:
            parts.append(block)
        elif title == "Returns":
            parts.append(f"**Returns**\n\n- {_unwrapped(body)}")
        else:
            entries = re.split(r"\n(?=    \S)", body)
            listed = [re.sub(r"^(\w+): ", r"`\1`: ", _unwrapped(entry)) for entry in entries]
            parts.append("\n".join([f"**{title}**", "", *(f"- {entry}" for entry in listed)]))
    if getattr(hook, f"{hookspecs.PROJECT}_spec")["firstresult"]:
        parts.append("The first answer that is not None counts.")
    return "\n\n".join(parts) + "\n"


def _unwrapped(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {len(hooks())} hooks")
