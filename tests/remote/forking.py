"""Children that are forked from the process of the tests: they start at once, and what they import is there."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork does not exist")
# Python 3.12 warns about forking with threads around, which is what users do.
may_fork = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def start(work: Callable[[], object], *, seconds: int = 120) -> int:
    """Start a child that ends with exit code 0 once `work` returns, with 1 if it fails; return its process id.

    A child that hangs is killed after so many seconds.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(seconds)
            work()
            code = 0
        except BaseException:
            with contextlib.suppress(OSError):
                os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    return child


def end_of(child: int) -> int:
    """Wait for a child; return its exit code, or the negative number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(work: Callable[[], object]) -> int:
    """Run in a child; return its exit code."""
    return end_of(start(work))
