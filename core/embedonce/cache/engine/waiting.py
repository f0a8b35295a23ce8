"""The step of a call in which it waits for what other calls embed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from embedonce.cache.engine import flight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from embedonce.cache.engine.flight import Leader


class Waiting:
    """Waits until the calls that embed something have landed (see `embedonce.runtime.steps.Step`).

    It gives up after a while where it cannot tell that they will: a caller that is gone may have left a thread whose
    embedder hangs, the event loop of a task may stop, and threads of the pool of an event loop that all wait for one
    task can keep it from ever getting a thread of that pool. The caller then embeds for itself.

    Args:
        theirs: What other calls embed: those calls, and the futures to wait for.
        is_async: True if the caller waits without blocking its thread.
    """

    __slots__ = ("_is_async", "_theirs")

    def __init__(self, theirs: Mapping[int, tuple[Leader, Future[Any]]], *, is_async: bool) -> None:
        self._theirs = list(theirs.values())
        self._is_async = is_async

    def run(self) -> None:
        """Block until all have landed, or patience is at its end."""
        from concurrent.futures import wait

        futures = [future for _, future in self._theirs]
        while wait(futures, flight.PATIENCE).not_done and not self._gives_up():
            pass

    async def arun(self) -> None:
        """Await that all have landed: one turn of the event loop, however many there are."""
        import asyncio

        loop = asyncio.get_running_loop()
        all_landed: asyncio.Future[None] = loop.create_future()
        lock = threading.Lock()
        left = len(self._theirs)

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

        for _, future in self._theirs:
            future.add_done_callback(landed)
        while not (await asyncio.wait({all_landed}, timeout=flight.PATIENCE))[0] and not self._gives_up():
            pass

    def _gives_up(self) -> bool:
        return any(
            leader.left is not None or (leader.loop is not None and not (self._is_async and leader.loop.is_running()))
            for leader, future in self._theirs
            if not future.done()
        )
