"""Warnings that point at the user's own line, however deep inside embedonce they arise."""

from __future__ import annotations

import sys
import warnings

_OURS = ("embedonce", "langchain_embedonce")


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that is attributed to the first line outside embedonce."""
    level = 1
    # `skip_file_prefixes` of warnings.warn would do the same, from Python 3.12 on.
    while True:
        try:
            name = sys._getframe(level).f_globals.get("__name__", "")
        except ValueError:
            break
        if name.partition(".")[0] not in _OURS:
            break
        level += 1
    warnings.warn(message, category, stacklevel=level + 1)
