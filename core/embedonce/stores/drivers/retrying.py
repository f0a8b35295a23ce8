"""Retries for a limited time: one rule for all drivers, whose own rules make 1 to 125 attempts."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from embedonce.stores.drivers.faults import fault_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from embedonce.stores.drivers.faults import Fault

    T = TypeVar("T")

PATIENCE = 8.0
"""Seconds for which a failing request is retried; the last attempt may begin just before they are over."""
PASSING: frozenset[Fault] = frozenset(("busy", "unavailable", "timeout"))
"""Faults after which the same request may succeed."""

_FIRST_PAUSE = 0.2
_clock = time.monotonic
_sleep = time.sleep
# Not the generator of the process, which may have the same seed in all workers of a fleet.
_random = random.SystemRandom()


def attempts() -> Iterator[None]:
    """Yield immediately, then again after growing pauses, until `PATIENCE` is used up."""
    begin, pause = _clock(), _FIRST_PAUSE
    yield
    while _clock() - begin + pause < PATIENCE:
        _sleep(_random.uniform(pause / 2, pause))
        pause *= 2
        yield


def patiently(call: Callable[[], T]) -> T:
    """Call a function, and call it again after a passing fault.

    Raises:
        Exception: The last one that the call raised.
    """
    last: Exception | None = None
    for _ in attempts():
        try:
            return call()
        except Exception as error:
            if fault_of(error) not in PASSING:
                raise
            last = error
    assert last is not None
    raise last
