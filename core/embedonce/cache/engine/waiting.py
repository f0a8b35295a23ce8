"""The step of a call in which it waits for what other calls embed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from embedonce.cache.engine.flight import Leader

PATIENCE = 5.0
"""Seconds for which a thread waits for a task.

Threads of the pool of an event loop that all wait for one task can keep it from ever getting a thread of that pool for
its embedder or store. After a while they embed for themselves.
"""


class Waiting:
    """Waits until the calls that embed something have landed (see `embedonce.runtime.steps.Step`).

    Args:
        theirs: What other calls embed: those calls, and the futures to wait for.
        is_async: True if the caller waits without blocking its thread.
    """

    __slots__ = ("_futures", "_patience")

    def __init__(self, theirs: Mapping[int, tuple[Leader, Future[Any]]], *, is_async: bool) -> None:
        self._futures = [future for _, future in theirs.values()]
        waits_for_task = any(leader.loop is not None for leader, _ in theirs.values())
        self._patience = PATIENCE if waits_for_task and not is_async else None

    def run(self) -> None:
        """Block until all have landed, or patience is at its end."""
        from concurrent.futures import wait

        wait(self._futures, self._patience)

    async def arun(self) -> None:
        """Await that all have landed: one turn of the event loop, however many there are."""
        import asyncio

        loop = asyncio.get_running_loop()
        all_landed: asyncio.Future[None] = loop.create_future()
        lock = threading.Lock()
        left = len(self._futures)

        def wake() -> None:
            if not all_landed.done():
                all_landed.set_result(None)

        def landed(_: Future[Any]) -> None:
            nonlocal left
            with lock:
                left -= 1
                is_last = not left
            if is_last and not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        for future in self._futures:
            future.add_done_callback(landed)
        await all_landed
