"""The step of a call in which it waits for what other calls embed."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from embedonce.cache.engine import flight
from embedonce.runtime.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from embedonce.cache.engine.flight import Flight


_AT_ONCE = 1024
"""So many flights are looked at on an event loop itself."""


class Waiter:
    """Waits until flights have landed (see `embedonce.runtime.steps.Step`).

    Waiting has a bound, since nobody can tell whether another call will proceed: its embedder may hang, its event loop
    may stop, it may need a thread of a pool whose threads all wait for it, or it may have started the very thread that
    waits.

    It is built from operations that a Ctrl-C cannot split: a future or an event is guarded by a lock that an interrupt
    at the wrong moment leaves locked, and the thread that lands would then hang.
    """

    __slots__ = ("_flights", "_left", "_told", "_wake")

    def __init__(self) -> None:
        self._flights: list[Flight] = []
        # One item for each flight that has landed.
        self._told: deque[None] = deque()
        self._left = 0
        self._wake: Callable[[], object] | None = None

    def waiting_for(self, flights: Iterable[Flight]) -> Waiter:
        """Return this step, to be done for flights that call `tell`."""
        self._flights = list(flights)
        return self

    def tell(self) -> None:
        """One more flight has landed."""
        self._told.append(None)
        wake = self._wake
        if wake is not None and len(self._told) >= self._left:
            # Once: who is woken too early asks to be woken again.
            self._wake = None
            wake()

    def run(self) -> None:
        """Block until all have landed, or none has for too long."""
        gate = threading.Lock()
        gate.acquire()

        def wake() -> None:
            try:
                gate.release()
            except RuntimeError:
                # It is open already.
                return

        left = self._prepare(wake)
        while left:
            is_woken = gate.acquire(timeout=flight.PATIENCE)
            before, left = left, self._prepare(wake)
            if left == before and not is_woken:
                break
        self._wake = None

    async def arun(self) -> None:
        """Await that all have landed, or none has for too long: one turn of the event loop, however many there are."""
        import asyncio

        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake_here() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(wake_here)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return

        many = len(self._flights) > _AT_ONCE
        left = await in_thread(self._prepare, wake) if many else self._prepare(wake)
        while left:
            is_woken, _ = await asyncio.wait({woken}, timeout=flight.PATIENCE)
            woken = loop.create_future()
            before, left = left, await in_thread(self._prepare, wake) if many else self._prepare(wake)
            if left == before and not is_woken:
                break
        self._wake = None

    def _prepare(self, wake: Callable[[], Any]) -> int:
        """Have `wake` called when all have landed; return how many have not."""
        # What is told from here on counts, and what was told before has an outcome below. What has both is counted
        # twice, which wakes too early once.
        self._told.clear()
        self._wake = wake
        left = self._left = sum(each.outcome is None and not each.has_landed for each in self._flights)
        if len(self._told) >= left:
            wake()
        return left
