"""The place in the user's own code that a call comes from, through any number of libraries."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from embedonce.plugins.callers import is_own

if TYPE_CHECKING:
    from types import FrameType

_RUNNER = "pluggy"
"""The package through which pytest calls a test: frames before it do not belong to the test."""
_INSTALLED = {"site-packages", "dist-packages"}
# Before Python 3.12 they have frames of their own, whose caller is the function around them.
_COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>"}
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


def call_site(root: Path) -> str:
    """Return `file:line in function` of the innermost frame outside of libraries.

    Args:
        root: Files below it are shown relative to it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] == _RUNNER:
            break
        code = frame.f_code
        if not (is_own(frame) or _is_library(code.co_filename) or code.co_name in _COMPREHENSIONS):
            return f"{shown_path(code.co_filename, root)}:{frame.f_lineno} in {code.co_name}"
        frame = frame.f_back
    return "a thread or task that a library has started"


def shown_path(path: str | Path, root: Path) -> Path:
    """Return a path as it is shown: relative to a directory if it is below that."""
    absolute = Path(os.path.abspath(path))
    return absolute.relative_to(root) if absolute.is_relative_to(root) else absolute


def _is_library(filename: str) -> bool:
    # Code without a file was generated, for instance by a dataclass, or belongs to the import system.
    file = Path(filename)
    return filename.startswith("<") or not _INSTALLED.isdisjoint(file.parts) or file.is_relative_to(_STANDARD_LIBRARY)
