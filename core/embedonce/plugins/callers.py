"""The line of the user's own code from which embedonce was called, however many frames of ours lie between."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from embedonce.plugins.host import plugins

if TYPE_CHECKING:
    from types import FrameType

_CORE = os.path.join(Path(__file__).parents[1], "")


def is_own(frame: FrameType) -> bool:
    """True for a frame of embedonce itself or of an installed plugin, such as an adapter of a framework."""
    return frame.f_code.co_filename.startswith((_CORE, *plugins().paths))


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that is attributed to the user's line."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and (is_own(frame) or _makes_an_object(frame)):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _makes_an_object(frame: FrameType) -> bool:
    """True for the `__call__` of a metaclass: Haystack's components have one, which stands between user and adapter."""
    code = frame.f_code
    return code.co_name == "__call__" and isinstance(frame.f_locals.get(code.co_varnames[0]), type)
