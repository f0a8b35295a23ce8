"""Comparing what wrappers answer, and waiting for what they do."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedonce.cache.engine.flight import _SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 60.0
"""Seconds after which something that should have happened counts as a deadlock."""


def exactly(answer: Any) -> str:
    """Return a text that is equal for equal answers: it shows the lists, and each number with its sign.

    Arrays are compared by the numbers that they hold.
    """
    return repr(_as_lists(answer))


def _as_lists(answer: Any) -> Any:
    if isinstance(answer, np.ndarray):
        return answer.tolist()
    if isinstance(answer, list):
        return [_as_lists(each) for each in answer]
    return answer


@contextlib.contextmanager
def variant(name: object) -> Iterator[None]:
    """Name the variant of a test in its failure."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        msg = f"{name}: {error}"
        raise AssertionError(msg) from error


def until(happened: Callable[[], Any]) -> None:
    """Wait for something that sets no event."""
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


async def auntil(happened: Callable[[], Any]) -> None:
    """Async twin of `until`."""
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.001)


def is_awaited() -> bool:
    """Return whether a call waits for a text that is in flight."""
    return any(flight.waiters for each in list(_SHARED.values()) for flight in list(each._flights.values()))
