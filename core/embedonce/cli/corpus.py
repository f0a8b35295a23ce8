"""The text of `embedonce demo`: docstrings of Python's standard library, or files of the user."""

from __future__ import annotations

import ast
import os
import re
import sysconfig
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from embedonce.errors import EmbedOnceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCSTRINGS = 4000
"""How many docstrings are embedded unless the user gives a limit."""

_SHORTEST = 40
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_SKIPPED_FOLDERS = {"__pycache__", "dist-packages", "idlelib", "lib2to3", "site-packages", "test", "tests"}


class DemoError(EmbedOnceError):
    """What the user asked for cannot be shown; the message says why in one line."""


def docstrings(directory: str | os.PathLike[str], limit: int) -> list[str]:
    """Return docstrings of the Python sources below a directory, in the order of their paths; nothing is imported."""
    found: list[str] = []
    for path in _sources(directory):
        with warnings.catch_warnings(), suppress(SyntaxError, ValueError, RecursionError, OSError):
            warnings.simplefilter("ignore")
            nodes = ast.walk(ast.parse(path.read_bytes()))
            texts = (ast.get_docstring(node) for node in nodes if isinstance(node, _DOCUMENTED))
            found += [text for text in texts if text is not None and len(text) >= _SHORTEST]
        if len(found) >= limit:
            break
    return found[:limit]


def _sources(directory: str | os.PathLike[str]) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        yield from (Path(folder, file) for file in sorted(files) if file.endswith(".py"))


def paragraphs(files: Sequence[str]) -> list[str]:
    """Return the paragraphs of text files: what blank lines separate.

    Raises:
        DemoError: A file cannot be read, or does not hold text.
    """
    found: list[str] = []
    for file in files:
        try:
            text = Path(file).read_text(encoding="utf-8-sig")
        except OSError as error:
            msg = f"cannot read {file}: {error.strerror or error}"
            raise DemoError(msg) from error
        except ValueError as error:
            msg = f"{file} is not text in UTF-8: {error}"
            raise DemoError(msg) from error
        if "\0" in text:
            msg = f"{file} is not text: it holds NUL characters"
            raise DemoError(msg)
        found += [stripped for part in re.split(r"\n[^\S\n]*\n", text) if (stripped := part.strip())]
    return found


def collected(files: Sequence[str], limit: int | None) -> tuple[list[str], str]:
    """Return the texts to embed, and a description of them.

    Raises:
        DemoError: There are no texts.
    """
    if files:
        texts, name = paragraphs(files), files[0] if len(files) == 1 else f"{len(files)} files"
        if not texts:
            msg = f"no text in {', '.join(files)}"
            raise DemoError(msg)
        return texts[:limit], f"paragraphs of {name}"
    texts = docstrings(sysconfig.get_path("stdlib"), limit or DOCSTRINGS)
    if not texts:
        msg = "this Python comes without the sources of its standard library; give a text file with --text"
        raise DemoError(msg)
    return texts, "docstrings of Python's standard library"
