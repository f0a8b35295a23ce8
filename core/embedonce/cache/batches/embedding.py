"""The step of a call in which the embedder is asked for a batch, and its answer is checked, stored and handed on.

From the moment the embedder has answered, nothing that happens to its caller keeps the vectors from being stored: if a
task is cancelled, or a call is interrupted by Ctrl-C, a thread goes on.
"""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.cache.batches.saving import may_store, saving
from embedonce.cache.engine import flight
from embedonce.cache.engine.flight import LEADING, Abandoned, Failed, Landed
from embedonce.cache.engine.refusals import is_refusal
from embedonce.errors import EmbedderContractError, StoreError
from embedonce.runtime.signals import raised_by_handler
from embedonce.runtime.steps import Work, arun, run
from embedonce.runtime.threads import Job, is_async
from embedonce.vectors.answers import NotCacheable, checked_answer, is_sized, read_before

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.cache.engine.flight import Outcome
    from embedonce.cache.engine.state import CallState
    from embedonce.runtime.steps import Steps
    from embedonce.vectors.answers import Answer


STOP_ITERATION = "the embedder raised StopIteration; did it call next() on an empty answer?"
"""Message of the error in place of `StopIteration`, which would end the steps of a call as if they were done."""


class Embedding:
    """Embeds a batch (see `embedonce.runtime.steps.Step`).

    Args:
        state: The call.
        positions: Numbers of the texts in its plan, which the call has claimed.

    Attributes:
        refused: Positions of the batch that the embedder has refused, if `split_on_error` is set; those who wait for a
            whole batch are told only if it is a single text.
    """

    __slots__ = (
        "_answers",
        "_checked",
        "_embed",
        "_interrupt",
        "_is_cacheable",
        "_is_first_try",
        "_is_kept",
        "_job",
        "_positions",
        "_read",
        "_state",
        "_taken",
        "_texts",
        "refused",
    )

    def __init__(self, state: CallState, positions: Sequence[int]) -> None:
        self.refused: Sequence[int] = ()
        self._state = state
        self._embed = state.request.embed
        self._positions = positions
        self._texts = [state.plan.texts[i] for i in positions]
        # What the embedder has answered, once it has.
        self._answers: list[Any] = []
        self._is_cacheable = True
        # The vectors of an answer that can be read only once, as far as it was read, and what has interrupted that.
        self._read: list[Any] = []
        self._interrupt: BaseException | None = None
        self._checked: Answer | None = None
        self._is_kept = False
        # True while an error may be an interrupt, after which the answer is kept in the background.
        self._is_first_try = False
        self._job = Job(self._keep)
        # Acquired once: by the thread that hands its answer over to the task, or by the task that is cancelled.
        self._taken = threading.Lock()

    def run(self) -> None:
        """Ask the embedder, and check, store and hand on what it answers.

        Raises:
            EmbedderContractError: The answer is not one finite vector per text; what is right of it was stored.
            StoreError: The store cannot be written, and `on_store_error="raise"`.
            Exception: Whatever the embedder raises.
        """
        try:
            self._ask()
            self._is_first_try = True
            self._keep()
        except BaseException as error:
            if self._can_be_kept and not self._is_kept:
                self._is_first_try = False
                self._interrupt = error
                self._keep_anyway()
                self._job.wait(flight.PATIENCE)
            raise

    async def arun(self) -> None:
        """Async twin of `run`: an embedder that is not async is asked in a thread."""
        try:
            if is_async(self._embed):
                self._count()
                await self._await_answer(self._embed(self._texts))
            elif await self._ask_thread():
                return
            if inspect.isawaitable(self._answers[0]):
                await self._await_answer(self._answers.pop())
            self._state.leave(self._positions)
            if self._state.namespace.has_async_store:
                await self._keep_shielded()
            else:
                await self._job.in_thread()
        except BaseException:
            self._keep_anyway()
            raise

    # Asking

    def _ask(self) -> None:
        self._count()
        with self._leading():
            try:
                # In one step: an interrupt comes before the embedder has answered, or finds its answer in the list.
                self._answers.extend(map(self._embed, (self._texts,)))
                if not self._answers:
                    raise RuntimeError(STOP_ITERATION)
            except BaseException as error:
                self._not_answered(error)
                raise

    async def _await_answer(self, answer: Any) -> None:
        with self._leading():
            try:
                self._answers.append(await answer)
            except BaseException as error:
                self._not_answered(error)
                raise

    def _not_answered(self, error: BaseException) -> None:
        """Tell those who wait that the embedder has failed or was cancelled."""
        if self._answers:
            # Interrupted just after it had answered.
            return
        self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """Tell those who wait that the embedder has failed, unless the batch is split."""
        if self._splits(error):
            self.refused = self._positions
            if len(self._positions) > 1:
                self._state.take_back(self._positions)
                return
        self._land_failure(error)

    def _splits(self, error: BaseException) -> bool:
        return self._state.options.given.split_on_error and is_refusal(error)

    async def _ask_thread(self) -> bool:
        """Ask in a thread of the loop's pool; True if it has kept the answer, too."""
        job = Job(self._ask_in_thread)
        try:
            self._state.leave(self._positions)
            return bool(await job.in_thread_of_loop())
        except BaseException:
            if job.cancel():
                # The embedder was not asked.
                self._state.land(self._positions, lambda _: Abandoned())
            elif self._taken.acquire(blocking=False):
                # The thread keeps the answer alone.
                self._is_kept = True
            raise

    def _ask_in_thread(self) -> bool:
        self._ask()
        if inspect.isawaitable(self._answers[0]) or self._state.namespace.has_async_store:
            if self._taken.acquire(blocking=False):
                return False
            self._let_go_of_awaitable()
        if self._answers:
            self._keep()
        return True

    # Keeping

    def _keep(self) -> None:
        fault = run(self._keeping())
        if fault is not None:
            raise fault

    def _keep_anyway(self) -> None:
        """Keep an answer, if there is one, although the caller is not there for it any more."""
        if self._answers and not self._is_kept:
            self._let_go_of_awaitable()
            if self._answers:
                self._job.start_anyway()
                # In this order, since an interrupt may come in between: what is left must be in somebody's hands.
                self._state.leave(self._positions)

    def _let_go_of_awaitable(self) -> None:
        """Give up an answer that only a task could await."""
        if inspect.isawaitable(self._answers[0]):
            answer = self._answers.pop()
            if inspect.iscoroutine(answer):
                answer.close()
            self._state.land(self._positions, lambda _: Abandoned())

    async def _keep_shielded(self) -> None:
        """Keep an answer on the event loop, even if the task that awaits this is cancelled."""
        import asyncio

        keeping = asyncio.ensure_future(self._keep_on_loop())
        # Nobody else retrieves its error after a cancellation.
        keeping.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(keeping)

    async def _keep_on_loop(self) -> None:
        fault = None
        try:
            # Only now: a task that is cancelled before it has begun never comes to this.
            if self._job.cancel():
                self._is_first_try = True
                fault = await arun(self._keeping())
        except BaseException as error:
            if not (self._is_kept and isinstance(error, Exception)):
                # The loop ends, or is interrupted, perhaps before all that is kept has landed.
                self._is_first_try = False
                self._interrupt = error
                Job(self._keep).start_anyway()
            raise
        if fault is not None:
            raise fault

    def _keeping(self) -> Steps[BaseException | None]:
        """Check, store and hand on the answer. After an interrupt, this is done again.

        The result is what is to be raised since some of the texts have no vector.
        """
        state = self._state
        try:
            if self._checked is None:
                yield Work(self._check, inline=state.request.is_small)
        except Exception as error:
            if not self._may_be_interrupt(error):
                self._is_kept = True
                if isinstance(error, EmbedderContractError):
                    self._land_failure(error)
                else:
                    # It is an iterator, which asks for its first vector only now.
                    self._failed(error)
            raise
        assert self._checked is not None
        fault = self._fault(self._checked)
        outcome_of = self._outcomes(self._checked, fault)
        if self._is_cacheable:
            # Nobody has to wait for the store.
            state.publish(self._positions, outcome_of)
        try:
            yield from self._saving(self._checked)
        except Exception as error:
            if not self._may_be_interrupt(error):
                self._land(outcome_of)
            raise
        self._land(outcome_of)
        if state.has_ended:
            state.namespace.flush_soon()
        if fault is not None and fault is self._checked.error and self._splits(fault):
            self.refused = [self._positions[k] for k in self._checked.bad]
        return fault

    @property
    def _can_be_kept(self) -> bool:
        """True if there is an answer; of one that can be read only once, a part must have been read."""
        return bool(self._checked or self._read or (self._answers and is_sized(self._answers[0])))

    def _may_be_interrupt(self, error: Exception) -> bool:
        """True for an error that a handler of a signal may have raised, such as the time limit of a job queue."""
        return self._is_first_try and self._can_be_kept and not isinstance(error, EmbedderContractError | StoreError)

    def _check(self) -> None:
        """Check the answer, and put its vectors where they belong."""
        state, codec, answer = self._state, self._state.options.codec, self._answers[0]
        if isinstance(answer, NotCacheable):
            answer = answer.answer
            self._is_cacheable = False
        if self._interrupt is not None and self._read and not is_sized(answer):
            answer = read_before(self._read, len(self._positions), self._interrupt)
        known = None if state.rows.is_loose else state.rows.dimensions
        if known is None and codec.is_exact:
            known = state.namespace.dimensions
        is_declared = known is not None and known == state.request.identity.dimensions
        # A generator embeds only now.
        with self._leading():
            self._read = []
            checked = checked_answer(answer, len(self._positions), known, declared=is_declared, read=self._read)
        if not codec.is_exact:
            checked = codec.checked(checked)
            # The rows of others are not stored, and a codec may refuse zeros.
            left_out = {*checked.bad, *checked.zero}
            first = next((k for k in range(len(checked.matrix)) if k not in left_out), None)
            if first is not None:
                self._check_width(checked.matrix[first : first + 1])
        where, matrix = self._without(checked.bad, checked.matrix)
        if where:
            self._put(where, matrix)
        if checked.zero:
            state.count_zero(len(checked.zero))
        self._checked = checked

    def _put(self, positions: Sequence[int], matrix: NDArray[Any]) -> None:
        rows, where = self._state.rows, np.asarray(positions)
        self._state.count_hits(-rows.settle(matrix.shape[1]))
        rows.dimensions = matrix.shape[1]
        rows.put(where, matrix)
        if not rows.found[where].all():
            msg = (
                f"namespace {self._state.request.identity.namespace!r} was answered with {matrix.dtype} numbers that "
                "do not fit beside fractions: two models share it; give each its own namespace= or version="
            )
            raise EmbedderContractError(msg)

    def _without(self, left_out: Collection[int], matrix: NDArray[Any]) -> tuple[Sequence[int], NDArray[Any]]:
        """Return the positions of the batch and their vectors, without some."""
        if not left_out:
            return self._positions, matrix
        kept = [k for k in range(len(self._positions)) if k not in left_out]
        return [self._positions[k] for k in kept], matrix[kept]

    def _check_width(self, matrix: NDArray[Any]) -> None:
        """Compare what a codec makes of vectors with the rows that the namespace holds."""
        width = self._state.options.codec.rows_of(matrix).shape[1]
        held = self._state.namespace.dimensions
        if held not in (None, width):
            msg = (
                f"vectors of length {matrix.shape[1]} become rows of length {width} where namespace "
                f"{self._state.request.identity.namespace!r} holds rows of length {held}: another model answers under "
                "the same namespace; give it its own namespace= or version="
            )
            raise EmbedderContractError(msg)

    def _fault(self, checked: Answer) -> BaseException | None:
        """Return the error for positions without a vector, if there are some."""
        if checked.error is not None or not checked.bad:
            return checked.error
        text = self._state.plan.first_of(self._positions[next(iter(checked.bad))])
        others = f" and {len(checked.bad) - 1} more" if len(checked.bad) > 1 else ""
        msg = (
            f"the embedder broke its contract for text {text} of the call{others}: {checked.reason}; "
            f"{len(self._positions) - len(checked.bad)} of the {len(self._positions)} vectors of its answer are kept"
        )
        return EmbedderContractError(msg)

    def _saving(self, checked: Answer) -> Steps[None]:
        if self._is_cacheable:
            positions, matrix = self._without({*checked.bad, *checked.zero}, checked.matrix)
            yield from saving(self._state, positions, matrix)

    def _outcomes(self, checked: Answer, fault: BaseException | None) -> Callable[[int], Outcome]:
        """Return what others are told of each text."""
        keys = frozenset(self._state.plan.keys[self._positions[k]] for k in checked.bad)
        will_store = may_store(self._state)

        def outcome_of(k: int) -> Outcome:
            if k in checked.bad and isinstance(fault, Exception):
                return Failed(fault, keys)
            if k in checked.bad or not self._is_cacheable:
                return Abandoned()
            # A copy: a row would keep the whole matrix alive. Vectors of zeros are not to be stored.
            return Landed(checked.matrix[k].copy(), is_stored=will_store or k in checked.zero)

        return outcome_of

    def _land(self, outcome_of: Callable[[int], Outcome]) -> None:
        self._is_kept = True
        self._state.land(self._positions, outcome_of)

    # What is common to asking and keeping

    def _count(self) -> None:
        self._state.count_embedded(len(self._texts))

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

    def _land_failure(self, error: BaseException) -> None:
        keys = frozenset(self._state.plan.keys[i] for i in self._positions)
        if isinstance(error, Exception) and not raised_by_handler(error):
            outcome: Outcome = Failed(error, keys)
        else:
            outcome = Abandoned()
        self._state.land(self._positions, lambda _: outcome)
