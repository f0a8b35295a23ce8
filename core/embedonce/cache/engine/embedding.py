"""The step of a call in which the embedder is asked for a batch, and its answer is checked, stored and handed on.

From the moment the embedder has answered, nothing that happens to an async caller keeps the vectors from being stored:
if its task is cancelled, a thread goes on.
"""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.cache.engine.flight import LEADING, Abandoned, Failed
from embedonce.errors import EmbedderContractError, StoreError
from embedonce.runtime.steps import Work, arun, run
from embedonce.runtime.threads import Job, is_async
from embedonce.vectors.answers import NotCacheable, vectors_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.cache.engine.state import CallState
    from embedonce.runtime.steps import Steps


class Embedding:
    """Embeds a batch (see `embedonce.runtime.steps.Step`).

    Args:
        state: The call.
        positions: Numbers of the texts in its plan, which the call has claimed.
    """

    __slots__ = ("_answer", "_embed", "_is_cacheable", "_matrix", "_positions", "_state", "_taken", "_texts")

    def __init__(self, state: CallState, positions: Sequence[int]) -> None:
        self._state = state
        self._embed = state.request.embed
        self._positions = positions
        self._texts = [state.plan.texts[i] for i in positions]
        self._is_cacheable = True
        self._matrix: NDArray[Any] | None = None
        self._answer: Any = None
        # Acquired once: by the thread that hands its answer over to the task, or by the task that is cancelled.
        self._taken = threading.Lock()

    def run(self) -> None:
        """Ask the embedder, and check, store and hand on what it answers.

        Raises:
            EmbedderContractError: The answer is not one finite vector per text; nothing of it was stored.
            StoreError: The store cannot be written, and `on_store_error="raise"`.
            Exception: Whatever the embedder raises.
        """
        run(self._keeping(self._ask()))

    async def arun(self) -> None:
        """Async twin of `run`: an embedder that is not async is asked in a thread."""
        if is_async(self._embed):
            self._count()
            with self._failing(), self._leading():
                answer = await self._embed(self._texts)
        else:
            self._state.leave(self._positions)
            job = Job(self._ask_in_thread)
            try:
                answer = await job.in_thread()
            except BaseException:
                if job.cancel():
                    # The embedder was not asked.
                    self._state.land(self._positions, lambda _: Abandoned())
                elif not self._taken.acquire(blocking=False):
                    self._keep_alone()
                raise
            if answer is None:
                return
            if inspect.isawaitable(answer):
                with self._failing(), self._leading():
                    answer = await answer
        await self._akeep(answer)

    def _ask(self) -> Any:
        self._count()
        with self._failing(), self._leading():
            return asked(self._embed, self._texts)

    def _ask_in_thread(self) -> Any:
        """Return None if the answer is kept already, else what is left for the event loop."""
        answer = self._ask()
        if answer is None or not (inspect.isawaitable(answer) or self._state.namespace.has_async_store):
            run(self._keeping(answer))
            return None
        self._answer = answer
        if self._taken.acquire(blocking=False):
            return answer
        self._keep_alone()
        return None

    def _keep_alone(self) -> None:
        """Keep an answer that the task is not there for any more."""
        answer = self._answer
        if not inspect.isawaitable(answer):
            Job(lambda: run(self._keeping(answer))).start_anyway()
            return
        if inspect.iscoroutine(answer):
            answer.close()
        self._state.land(self._positions, lambda _: Abandoned())

    async def _akeep(self, answer: Any) -> None:
        """Keep an answer, even if the task that awaits this is cancelled."""
        self._state.leave(self._positions)
        if self._state.namespace.has_async_store:
            import asyncio

            keeping = asyncio.ensure_future(self._keep_on_loop(answer))
            # Nobody else retrieves its error after a cancellation.
            keeping.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                await asyncio.shield(keeping)
            except BaseException:
                self._hand_on()
                raise
            return
        job = Job(lambda: run(self._keeping(answer)))
        try:
            await job.in_thread()
        except BaseException:
            job.start_anyway()
            self._hand_on()
            raise

    async def _keep_on_loop(self, answer: Any) -> None:
        import asyncio

        try:
            await arun(self._keeping(answer))
        except asyncio.CancelledError:
            # The loop ends.
            steps = self._keeping(answer) if self._matrix is None else self._saving(self._matrix)
            Job(lambda: run(steps)).start_anyway()
            raise

    def _keeping(self, answer: Any) -> Steps[None]:
        """Check, store and hand on an answer."""
        state = self._state
        with self._failing():
            self._matrix = matrix = yield Work(self._checked, answer, inline=state.request.is_small)
        try:
            yield from self._saving(matrix)
        finally:
            self._hand_on()
            if state.has_ended:
                state.namespace.flush_soon()

    def _hand_on(self) -> None:
        """Give the vectors, once they are checked, to those who wait for them."""
        matrix = self._matrix
        if matrix is not None:
            # Copies: a row would keep the whole matrix alive.
            self._state.land(self._positions, lambda i: matrix[i].copy() if self._is_cacheable else Abandoned())

    def _checked(self, answer: Any) -> NDArray[Any]:
        """Return an answer as a matrix, after it was put where it belongs."""
        state, codec = self._state, self._state.options.codec
        if isinstance(answer, NotCacheable):
            answer = answer.answer
            self._is_cacheable = False
        known = None if state.rows.is_loose else state.rows.dimensions
        if known is None and codec.is_exact:
            known = state.namespace.dimensions
        # A generator embeds only now.
        with self._leading():
            matrix = vectors_of(answer, len(self._positions), known)
        if not codec.is_exact:
            matrix = codec.kept(matrix)
            self._check_width(matrix)
        state.rows.settle(matrix.shape[1])
        state.rows.dimensions = matrix.shape[1]
        where = np.asarray(self._positions)
        state.rows.put(where, matrix)
        if not state.rows.found[where].all():
            msg = (
                f"namespace {state.request.identity.namespace!r} was answered with {matrix.dtype} numbers that do not "
                "fit beside fractions: two models share it; give each its own namespace= or version="
            )
            raise EmbedderContractError(msg)
        return matrix

    def _check_width(self, matrix: NDArray[Any]) -> None:
        """Compare what a codec makes of vectors with the rows that the namespace holds."""
        width = self._state.options.codec.rows_of(matrix[:1]).shape[1]
        held = self._state.namespace.dimensions
        if held not in (None, width):
            msg = (
                f"vectors of length {matrix.shape[1]} become rows of length {width} where namespace "
                f"{self._state.request.identity.namespace!r} holds rows of length {held}: another model answers under "
                "the same namespace; give it its own namespace= or version="
            )
            raise EmbedderContractError(msg)

    def _saving(self, matrix: NDArray[Any]) -> Steps[None]:
        """Store vectors, if the mode and the state of the store allow it."""
        state, health, codec = self._state, self._state.options.health, self._state.options.codec
        if not self._is_cacheable or state.options.mode == "read_only":
            return
        keys = [state.plan.keys[i] for i in self._positions]
        named = [key for key in keys if key is not None]
        if not named or not (state.namespace.waits or health.may_ask(writing=True)):
            return
        rows = matrix if len(named) == len(keys) else matrix[[key is not None for key in keys]]
        if not codec.is_exact:
            rows = yield Work(codec.rows_of, rows)
        try:
            with state.timed("writing"):
                is_accepted = yield from state.namespace.saving(state.request.role, named, rows)
        except StoreError as error:
            health.failed(error, writing=True)
            return
        state.saved_rows += len(rows)
        state.saved_bytes += rows.nbytes
        if is_accepted:
            health.succeeded(writing=True)
        health.count(stored=len(rows))

    def _count(self) -> None:
        self._state.embedded += len(self._texts)
        self._state.options.health.count(embedded=len(self._texts))

    @contextmanager
    def _leading(self) -> Iterator[None]:
        """Time the embedder, and let it know on whose behalf it is asked."""
        state, outer = self._state, LEADING.get()
        LEADING.set((*outer, state.leader))
        try:
            with state.timed("embedding"):
                yield
        finally:
            # Not `reset`: a coroutine that is thrown away may be closed in another context.
            LEADING.set(outer)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Tell those who wait for the batch if the embedder fails on it or is cancelled."""
        try:
            yield
        except BaseException as error:
            self._failed(error)
            raise

    def _failed(self, error: BaseException) -> None:
        keys = frozenset(self._state.plan.keys[i] for i in self._positions)
        outcome = Failed(error, keys) if isinstance(error, Exception) else Abandoned()
        self._state.land(self._positions, lambda _: outcome)


def asked(embed: Callable[[list[str]], Any], texts: list[str]) -> Any:
    """Return the answer of an embedder; something to be awaited if it is async.

    Raises:
        RuntimeError: It raised `StopIteration`, which cannot be handed on: it would end the steps of a call as if they
            were done, and no future can hold it.
        Exception: Whatever else it raises.
    """
    try:
        return embed(texts)
    except StopIteration as error:
        msg = "the embedder raised StopIteration; did it call next() on an empty answer?"
        raise RuntimeError(msg) from error
