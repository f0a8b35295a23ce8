"""Work that is written once and done for sync and for async callers.

A generator does no input or output itself: it yields steps, and receives what comes of them. Two short drivers do the
steps, one by blocking and one by awaiting, so that a fault in the order of steps can be mended in one place:

    def looking_up(store, keys):
        values = yield Twins(store.mget, store.amget, keys)
        return yield Work(decoded, values)

    run(looking_up(store, keys))             # blocks
    await arun(looking_up(store, keys))      # awaits
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from embedonce.runtime.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Step(Protocol):
    """Something to be done, for which sync and async callers have different means."""

    def run(self) -> Any:
        """Do it, and return what comes of it."""

    async def arun(self) -> Any:
        """Do it without blocking the event loop, and return what comes of it."""


Steps = Generator[Step, Any, T]
"""What is driven: it yields steps, receives their outcomes (or the errors that they raise), and returns a result."""


class Work:
    """A function that blocks or computes: called in a thread by async callers.

    Args:
        function: The function.
        arguments: Its arguments.
        inline: True to call it on the event loop, since it takes less time than a hop to a thread.
    """

    __slots__ = ("_arguments", "_function", "_inline")

    def __init__(self, function: Callable[..., Any], *arguments: Any, inline: bool = False) -> None:
        self._function = function
        self._arguments = arguments
        self._inline = inline

    def run(self) -> Any:
        """See `Step`."""
        return self._function(*self._arguments)

    async def arun(self) -> Any:
        """See `Step`."""
        return self.run() if self._inline else await in_thread(self._function, *self._arguments)


class Twins:
    """A function that has an async twin, with the same arguments."""

    __slots__ = ("_arguments", "_function", "_twin")

    def __init__(self, function: Callable[..., Any], twin: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        self._function = function
        self._twin = twin
        self._arguments = arguments

    def run(self) -> Any:
        """See `Step`."""
        return self._function(*self._arguments)

    async def arun(self) -> Any:
        """See `Step`."""
        return await self._twin(*self._arguments)


def run(steps: Steps[T]) -> T:
    """Do steps one after the other, blocking; return the result.

    Raises:
        BaseException: What a step has raised and the generator has not handled. Whatever interrupts the driver, the
            generator is closed, so that its `finally` clauses have run when this ends.
    """
    # A function of its own, since no `finally` clause covers the bytecode between two nested `try` statements.
    try:
        return _run(steps)
    finally:
        steps.close()


def _run(steps: Steps[T]) -> T:
    proceed: Callable[[Any], Step] = steps.send
    outcome: Any = None
    try:
        while True:
            step = proceed(outcome)
            try:
                outcome, proceed = step.run(), steps.send
            except BaseException as error:
                outcome, proceed = error, steps.throw
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        # An error refers to this frame, which must not refer to the error.
        outcome = None


async def arun(steps: Steps[T]) -> T:
    """Do steps one after the other, awaiting; return the result. See `run`."""
    try:
        return await _arun(steps)
    finally:
        steps.close()


async def _arun(steps: Steps[T]) -> T:
    proceed: Callable[[Any], Step] = steps.send
    outcome: Any = None
    try:
        while True:
            step = proceed(outcome)
            try:
                outcome, proceed = await step.arun(), steps.send
            except BaseException as error:
                outcome, proceed = error, steps.throw
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        outcome = None
