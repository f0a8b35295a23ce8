"""The text of `embedonce demo`: what lies on every machine that has Python, or files of the user's."""

from __future__ import annotations

import ast
import os
import re
import sysconfig
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCSTRINGS = 4000
"""So many texts are embedded unless the user says otherwise."""

_SHORTEST = 40
_NO_LIBRARY = {"__pycache__", "dist-packages", "idlelib", "lib2to3", "site-packages", "test", "tests"}


class DemoError(Exception):
    """What the user asked for cannot be shown; the message says why in one line."""


def docstrings(directory: str | os.PathLike[str], limit: int) -> list[str]:
    """Return docstrings of the Python sources below a directory, in the order of their paths; nothing is imported."""
    found: list[str] = []
    for path in _sources(directory):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError, OSError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text is not None and len(text) >= _SHORTEST:
                    found.append(text)
        if len(found) >= limit:
            break
    return found[:limit]


def _sources(directory: str | os.PathLike[str]) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(set(folders) - _NO_LIBRARY)
        yield from (Path(folder, file) for file in sorted(files) if file.endswith(".py"))


def paragraphs(files: Sequence[str]) -> list[str]:
    """Return what stands between the blank lines of text files.

    Raises:
        DemoError: A file cannot be read, or is no text.
    """
    found: list[str] = []
    for file in files:
        try:
            text = Path(file).read_text(encoding="utf-8-sig")
        except OSError as error:
            msg = f"cannot read {file}: {error.strerror or error}"
            raise DemoError(msg) from error
        except ValueError as error:
            msg = f"{file} is no text in UTF-8: {error}"
            raise DemoError(msg) from error
        if "\0" in text:
            msg = f"{file} is no text: it holds NUL characters"
            raise DemoError(msg)
        found += [stripped for part in re.split(r"\n[^\S\n]*\n", text) if (stripped := part.strip())]
    return found


def collected(files: Sequence[str], limit: int | None) -> tuple[list[str], str]:
    """Return the texts to embed, and what they are.

    Raises:
        DemoError: There are none.
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
