"""What stands in the way of a goal: where a call spends its time."""

from __future__ import annotations

import cProfile
import io
import pstats
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LINES = 18
_DIRECTORY = re.compile(r"[^\s(]*/(?:site-packages|lib/python[\d.]+|core|adapters/\w+|(?=benchmarks/))/?")


def profile_of(call: Callable[[], object], *, calls: int = 1) -> str:
    """Return the functions that take the most time, by their own and with what they call."""
    call()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(calls):
        call()
    profile.disable()
    return "\n".join(_table(profile, order) for order in ("tottime", "cumulative"))


def _table(profile: cProfile.Profile, order: str) -> str:
    out = io.StringIO()
    pstats.Stats(profile, stream=out).sort_stats(order).print_stats(_LINES)
    lines = [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]
    return shortened("\n".join(line for line in lines if "reduced from" not in line))


def shortened(text: str) -> str:
    """Leave out where this machine keeps what is named."""
    return _DIRECTORY.sub("", text)
