"""A call that bypasses the cache, as steps: nothing is looked up, and nothing is kept."""

from __future__ import annotations

import inspect
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.cache.batches.embedding import STOP_ITERATION
from embedonce.events import EmbedEvent
from embedonce.plugins.host import observing
from embedonce.runtime.steps import Work
from embedonce.runtime.threads import in_thread_of_loop, is_async
from embedonce.vectors.answers import NotCacheable, vectors_of, zero_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedonce.cache.engine.state import CallOptions, Request
    from embedonce.cache.health import StoreHealth
    from embedonce.runtime.steps import Steps


def bypassing(request: Request, options: CallOptions) -> Steps[NDArray[Any]]:
    """Return the steps of a call that asks the embedder for all of its texts; none if there are no texts.

    Raises:
        EmbedderContractError: The embedder's answer is not one finite vector per text.
        Exception: Whatever the embedder raises.
    """
    started, count = perf_counter(), len(request.texts)
    matrix: NDArray[Any] | None = None
    failure = ""
    observers = observing()
    options.health.count(calls=1, texts=count)
    asking = Asking(request.embed, list(request.texts), options.health)
    zero = 0
    try:
        answer: Any = ()
        if count:
            answer = yield asking
        matrix = yield Work(_checked, answer, count, inline=request.is_small)
        zero = len(zero_rows(matrix)) if count else 0
        if zero:
            options.health.answered_zero(zero, request.identity.namespace)
        return matrix
    except BaseException as error:
        failure = type(error).__name__
        raise
    finally:
        if observers is not None:
            seconds = perf_counter() - started
            event = EmbedEvent(
                namespace=request.identity.namespace,
                role=request.role,
                mode=options.mode,
                store=str(options.store),
                texts=count,
                embedded=asking.embedded,
                zero=zero,
                dimensions=None if matrix is None or not matrix.size else matrix.shape[1],
                bytes_returned=0 if matrix is None else matrix.nbytes,
                seconds=seconds,
                seconds_embedding=seconds,
                error=failure,
            )
            observers.notify(event)


def _checked(answer: Any, count: int) -> NDArray[Any]:
    if not count:
        return np.empty((0, 0), np.float32)
    return vectors_of(answer.answer if isinstance(answer, NotCacheable) else answer, count)


class Asking:
    """Asks an embedder (see `embedonce.runtime.steps.Step`); one that is not async is asked in a thread.

    Args:
        embed: The embedder.
        texts: What it is asked for.
        health: Counts them.

    Attributes:
        embedded: How many texts the embedder was given: none if the call was cancelled before a thread was free.
    """

    __slots__ = ("_embed", "_health", "_texts", "embedded")

    def __init__(self, embed: Callable[[list[str]], Any], texts: list[str], health: StoreHealth) -> None:
        self.embedded = 0
        self._embed = embed
        self._texts = texts
        self._health = health

    def run(self) -> Any:
        """Return its answer."""
        self._count()
        return asked(self._embed, self._texts)

    async def arun(self) -> Any:
        """Async twin of `run`."""
        if is_async(self._embed):
            self._count()
            return await self._embed(self._texts)
        answer = await in_thread_of_loop(self.run)
        return await answer if inspect.isawaitable(answer) else answer

    def _count(self) -> None:
        self.embedded = len(self._texts)
        self._health.count(embedded=self.embedded)


def asked(embed: Callable[[list[str]], Any], texts: list[str]) -> Any:
    """Return the answer of an embedder; something to be awaited if it is async.

    Raises:
        RuntimeError: It raised `StopIteration`.
        Exception: Whatever else it raises.
    """
    try:
        return embed(texts)
    except StopIteration as error:
        raise RuntimeError(STOP_ITERATION) from error
