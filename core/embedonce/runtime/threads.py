"""Work that must not hold up an event loop."""

from __future__ import annotations

import contextvars
import inspect
import logging
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable

logger = logging.getLogger("embedonce")

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread of the loop's pool, and return what it returns.

    A pool that was shut down, as at the end of a program, is replaced by a thread for this call alone.
    """
    # Callers that await this have imported it already; `import embedonce` need not.
    import asyncio

    call = partial(contextvars.copy_context().run, function, *args, **kwargs)
    loop = asyncio.get_running_loop()
    try:
        future = loop.run_in_executor(None, call)
    except RuntimeError:
        future = loop.create_future()
        threading.Thread(target=_tell, args=(loop, future, call), name="embedonce-call").start()
    return await future


def _tell(loop: AbstractEventLoop, future: Future[T], call: Callable[[], T]) -> None:
    """Tell a future of an event loop what comes of a call."""

    def told() -> None:
        if not future.done():
            tell()

    try:
        outcome = call()
    except BaseException as error:
        tell = partial(future.set_exception, error)
    else:
        tell = partial(future.set_result, outcome)
    with suppress(RuntimeError):
        # The loop may have been closed in the meantime.
        loop.call_soon_threadsafe(told)


def is_async(embed: object) -> bool:
    """True if calling an embedder is known to give a coroutine."""
    return inspect.iscoroutinefunction(embed) or inspect.iscoroutinefunction(getattr(embed, "__call__", None))  # noqa: B004


class Job(Generic[T]):
    """A function that is called once at most, in a thread, whatever becomes of the task that waits for it.

    Args:
        function: The function; when it has begun, it is never interrupted.
    """

    __slots__ = ("_begun", "_function")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        # Acquired once, by the thread that decides what becomes of the job.
        self._begun = threading.Lock()

    async def in_thread(self) -> T | None:
        """Call the function in a thread of the loop's pool; return None if the job was cancelled before."""
        return await in_thread(self._begin)

    def _begin(self) -> T | None:
        return self._function() if self.cancel() else None

    def cancel(self) -> bool:
        """True if the function has not begun, and now never will in a thread of the pool."""
        return self._begun.acquire(blocking=False)

    def start_anyway(self) -> None:
        """Call the function in a thread of its own, if it has not begun yet; its errors are logged."""
        if not self.cancel():
            return
        try:
            # Not a daemon: the end of the process waits for it. A store may choose its tenant by a context variable.
            here = contextvars.copy_context()
            threading.Thread(target=here.run, args=(self._call,), name="embedonce-job").start()
        except RuntimeError:
            # The process ends, and starts no threads any more.
            self._call()

    def _call(self) -> None:
        try:
            self._function()
        except Exception as error:
            logger.warning("a cancelled call could not finish what it had begun: %r", error)
