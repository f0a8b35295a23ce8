"""Work that must not hold up an event loop."""

from __future__ import annotations

import contextvars
import inspect
import logging
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from embedonce.runtime.forking import in_child, renewed_in_child
from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger("embedonce")

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of this library in a thread of its own pool, and return what it returns.

    The pool of the loop is the program's: its threads may all be busy for long, or wait for the very task that calls
    this.
    """
    return await _in_pool(_pool, partial(function, *args, **kwargs))


async def in_thread_of_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of the program, such as an embedder, in a thread of the loop's pool; return what it returns."""
    return await _in_pool(lambda: None, partial(function, *args, **kwargs))


async def _in_pool(pool: Callable[[], ThreadPoolExecutor | None], function: Callable[[], T]) -> T:
    """Call a function in a thread of a pool.

    A pool that was shut down or cannot be made any more, as at the end of a program, is replaced by a thread for this
    call alone.
    """
    # Callers that await this have imported it already; `import embedonce` need not.
    import asyncio

    call = partial(contextvars.copy_context().run, function)
    loop = asyncio.get_running_loop()
    try:
        future = loop.run_in_executor(pool(), call)
    except RuntimeError:
        future = loop.create_future()
        threading.Thread(target=_tell, args=(loop, future, call), name="embedonce-call").start()
    return await future


_own_pool: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    """Return the pool for the work of this library; it has no threads before it has something to do."""
    global _own_pool
    if _own_pool is None:
        # asyncio has imported it already.
        from concurrent.futures import ThreadPoolExecutor

        # If two threads make one each, both serve what they were given.
        _own_pool = ThreadPoolExecutor(thread_name_prefix="embedonce-async")
    return _own_pool


def _drop_pool() -> None:
    # Its threads belong to the parent.
    global _own_pool
    _own_pool = None


in_child(_drop_pool)


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

    __slots__ = ("_begun", "_ended", "_function")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        # Acquired once, by the thread that decides what becomes of the job.
        self._begun = threading.Lock()
        # Free when the function has ended in the background.
        self._ended = threading.Lock()

    async def in_thread(self) -> T | None:
        """Call the function in a thread; return None if the job was cancelled before."""
        return await in_thread(self._begin)

    async def in_thread_of_loop(self) -> T | None:
        """Call the function in a thread of the loop's pool; return None if the job was cancelled before."""
        return await in_thread_of_loop(self._begin)

    def _begin(self) -> T | None:
        return self._function() if self.cancel() else None

    def cancel(self) -> bool:
        """True if the function has not begun, and now never will in a thread of a pool."""
        return self._begun.acquire(blocking=False)

    def start_anyway(self) -> None:
        """Call the function in the background if it has not begun yet; its errors are logged."""
        if self.cancel():
            self._ended.acquire()
            # A store may choose its tenant by a context variable.
            here = contextvars.copy_context()
            _BACKGROUND.put(lambda: here.run(self._call))

    def wait(self, seconds: float) -> None:
        """Wait for the end of a function that was started in the background."""
        self._ended.acquire(timeout=seconds)

    def _call(self) -> None:
        try:
            self._function()
        except BaseException as error:
            # What has interrupted a call was raised there already.
            if isinstance(error, Exception):
                logger.warning("a cancelled call could not finish what it had begun: %r", error)
        finally:
            self._ended.release()


class _Background:
    """A few threads that call functions, started when there are some and ended when none is left.

    They are not daemons: the end of the process waits for them.
    """

    _MOST = 8

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._threads: list[threading.Thread] = []
        self._lock = ForkLock()
        _ALL.add(self)

    def put(self, function: Callable[[], object]) -> None:
        """Have a function called that does not raise."""
        self._waiting.append(function)
        try:
            with self._lock:
                # One that was interrupted while it started is not counted.
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                if len(self._threads) < self._MOST:
                    thread = threading.Thread(target=self._work, name="embedonce-job")
                    thread.start()
                    self._threads.append(thread)
        except RuntimeError:
            # The process ends, and starts no threads any more.
            self._work()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    # From here on, `put` starts another thread.
                    self._threads = [each for each in self._threads if each is not threading.current_thread()]
                    return
                function = self._waiting.popleft()
            function()

    def _forget(self) -> None:
        # They belong to the parent, and so do the threads.
        self._waiting.clear()
        self._threads.clear()


_ALL = renewed_in_child(_Background._forget)
_BACKGROUND = _Background()
