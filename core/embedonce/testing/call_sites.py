"""Where in the user's own code something was asked for, however many libraries lie between."""

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
"""The package through which pytest calls a test: what lies beyond is not code of the test."""
_INSTALLED = {"site-packages", "dist-packages"}
# Before Python 3.12 they have frames of their own, called by the function that they stand in.
_COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>"}
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


def call_site(root: Path) -> str:
    """Return `file:line in function` of the innermost frame outside of libraries.

    Args:
        root: The file is shown relative to it, if it lies below.
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
    """Return a path as it is shown: relative to a directory, if it lies below."""
    absolute = Path(os.path.abspath(path))
    return absolute.relative_to(root) if absolute.is_relative_to(root) else absolute


def _is_library(filename: str) -> bool:
    # What has no file was generated, for instance by a dataclass, or is the import system.
    file = Path(filename)
    return filename.startswith("<") or not _INSTALLED.isdisjoint(file.parts) or file.is_relative_to(_STANDARD_LIBRARY)
