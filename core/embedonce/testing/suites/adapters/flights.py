"""Many calls at once: a text in flight is paid for once, cancelling affects no other call, the loop is not blocked."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from embedonce import EmbedderContractError, EmbeddingCache
from embedonce.keys.encoders import sha256
from embedonce.testing.stores import FaultyStore
from embedonce.testing.suites.adapters.comparing import LIMIT, auntil, exactly, is_awaited, until
from embedonce.testing.suites.adapters.harness import Harness, awaited, in_time
from embedonce.testing.suites.adapters.model import ModelBehind, ToldToFailError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Sequence
    from pathlib import Path

CROWD = 24
QUESTIONS: dict[str, Any] = {"documents": ["a", "b"], "document": "a", "query": "a"}


class Held:
    """A new wrapper whose model ends no call before `gate` is set.

    Args:
        suite: Knows how the framework is called.
        place: Where the cache is.
        options: Options of the model; see `ModelBehind`.
    """

    def __init__(self, suite: Harness, place: Path, **options: Any) -> None:
        self.model = ModelBehind(**options)
        self.started, self.gate = self.model.hold()
        self.wrapped = suite.wrapped(self.model, place)

    def begun(self) -> int:
        """Return how many calls the cache of the wrapper has seen."""
        calls: int = self.wrapped.cache.stats().calls
        return calls

    async def first(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a call, and return once it has asked the model."""
        task = asyncio.create_task(call)
        await auntil(self.started.is_set)
        return task

    async def outcomes(self, *calls: Awaitable[Any]) -> list[Any]:
        """Let the model answer, and return what becomes of calls: their answers and errors."""
        self.gate.set()
        outcomes: list[Any] = await in_time(asyncio.gather(*calls, return_exceptions=True))
        return outcomes

    def check_paid_once(self, verb: str, answers: Sequence[Any]) -> None:
        """Check that the model was called once, and that all answers are its own and share no list."""
        assert len(self.model.calls) == 1
        for answer in answers:
            expected = getattr(self.model, verb)(QUESTIONS[verb])
            assert exactly(answer) == exactly(expected), "a caller has changed the vectors of another one"
            for vector in answer if verb == "documents" else [answer]:
                vector[:] = [99.0]


class Flights(Harness):
    """Equal texts of different threads and tasks."""

    @pytest.mark.parametrize("verb", QUESTIONS)
    def test_equal_texts_of_many_threads_are_paid_once(self, place: Path, verb: str) -> None:
        """A call that comes while a text is being embedded waits for it, and gets its own list.

        If not, look for calls of the embedder that bypass the cache, and for lists that are returned twice.
        """
        held, ask = Held(self, place), getattr(self, f"embed_{verb}")
        with ThreadPoolExecutor(CROWD) as pool:
            crowd = [pool.submit(ask, held.wrapped, QUESTIONS[verb]) for _ in range(CROWD)]
            until(lambda: held.begun() == CROWD)
            held.gate.set()
            held.check_paid_once(verb, [each.result(LIMIT) for each in crowd])

    @pytest.mark.parametrize("verb", QUESTIONS)
    @awaited
    async def test_equal_texts_of_many_tasks_are_paid_once(self, place: Path, verb: str) -> None:
        """As for threads.

        If not, look as for threads, in the async methods.
        """
        held, ask = Held(self, place), getattr(self, f"aembed_{verb}")
        tasks = [asyncio.create_task(ask(held.wrapped, QUESTIONS[verb])) for _ in range(CROWD)]
        await auntil(lambda: held.begun() == CROWD)
        held.check_paid_once(verb, await held.outcomes(*tasks))

    @awaited
    async def test_threads_and_tasks_wait_for_the_first(self, place: Path) -> None:
        """Sync and async callers of two wrappers of one model share what is in flight, each in its own order.

        If not, look whether sync and async methods ask the cache for one namespace and role.
        """
        held, other = Held(self, place), Held(self, place, fail_at=0)
        leader = await held.first(self.aembed_documents(held.wrapped, ["a", "b"]))
        with ThreadPoolExecutor(4) as pool:
            crowd = [pool.submit(self.embed_documents, other.wrapped, ["b", "a"]) for _ in range(4)]
            tasks = [asyncio.create_task(self.aembed_documents(other.wrapped, ["b", "a"])) for _ in range(4)]
            await auntil(lambda: held.begun() + other.begun() == 9)
            answers = await held.outcomes(leader, *tasks, *map(asyncio.wrap_future, crowd))
        model = held.model
        assert exactly(answers) == exactly([model.documents(["a", "b"]), *[model.documents(["b", "a"])] * 8])
        assert (len(model.calls), other.model.calls) == (1, [])

    @awaited
    async def test_a_query_does_not_wait_for_a_document(self, place: Path) -> None:
        """They are two vectors, so that both are embedded at once.

        If not, look for a call of `EmbeddingCache.aembed` for queries without `role="query"`, or for a lock.
        """
        held = Held(self, place)
        query = asyncio.create_task(self.aembed_query(held.wrapped, "a"))
        document = asyncio.create_task(self.aembed_document(held.wrapped, "a"))
        await auntil(lambda: len(held.model.calls) == 2)
        answers = await held.outcomes(query, document)
        assert exactly(answers) == exactly([held.model.query("a"), held.model.document("a")])

    @awaited
    async def test_many_calls_at_once_keep_their_own_order(self, place: Path) -> None:
        """Each text is paid once, and each call gets its own vectors in its own order.

        If not, look for state of a call that is kept in the wrapper.
        """
        model = ModelBehind()
        wrapped = self.wrapped(model, place, batch_size=3)
        asked = [[f"{i * j % 11}" for j in range(i % 7 + 1)] for i in range(40)]
        answers = await in_time(asyncio.gather(*(self.aembed_documents(wrapped, texts) for texts in asked)))
        assert exactly(answers) == exactly([model.documents(texts) for texts in asked])
        assert sorted(model.paid) == sorted({("document", text) for texts in asked for text in texts})

    @awaited
    async def test_a_failure_reaches_those_who_wait_and_is_not_kept(self, place: Path) -> None:
        """Calls that wait for a text get the error of the call that embeds it; a later call embeds it again.

        If not, look for errors that the wrapper catches or remembers.
        """
        held = Held(self, place, fail_at=0)
        tasks = [asyncio.create_task(self.aembed_documents(held.wrapped, ["a"])) for _ in range(2)]
        await auntil(is_awaited)
        assert list(map(type, await held.outcomes(*tasks))) == [ToldToFailError] * 2
        assert len(held.model.calls) == 1
        again = await in_time(self.aembed_documents(held.wrapped, ["a"]))
        assert exactly(again) == exactly(held.model.documents(["a"]))

    @pytest.mark.parametrize("second", ["query", "document"])
    @pytest.mark.parametrize("first", ["query", "document"])
    @awaited
    async def test_those_who_wait_for_a_vector_that_never_comes_are_told(
        self, place: Path, first: str, second: str
    ) -> None:
        """Each gets the answer of its own method, whichever role was first.

        If not, look at what becomes of an empty answer: see `may_leave_out`.
        """
        held = Held(self, place, symmetric=True, spoil=lambda vectors: [[] for _ in vectors])
        ask: dict[str, Any] = {"query": self.aembed_query, "document": self.aembed_document}
        leader = await held.first(ask[first](held.wrapped, "a"))
        waiter = asyncio.create_task(ask[second](held.wrapped, "a"))
        await auntil(is_awaited)
        outcomes = await held.outcomes(leader, waiter)
        if self.may_leave_out:
            assert outcomes == [[] if verb == "query" else None for verb in (first, second)]
            # A query has to be answered by the embedder of queries.
            assert len(held.model.calls) == (2 if (first, second) == ("document", "query") else 1)
        else:
            assert list(map(type, outcomes)) == [EmbedderContractError] * 2
            assert len(held.model.calls) == 1
        held.model.spoil = None
        assert exactly(await in_time(self.aembed_query(held.wrapped, "a"))) == exactly(held.model.query("a"))

    @awaited
    async def test_a_query_gets_its_vector_from_a_call_that_fails_at_another_text(self, place: Path) -> None:
        """One vector that is missing costs no other.

        If not, look at what becomes of an empty answer: see `may_leave_out`.
        """
        held = Held(self, place, symmetric=True, spoil=lambda vectors: [*vectors[:-1], []])
        documents = await held.first(self.aembed_documents(held.wrapped, ["a", "b"]))
        query = asyncio.create_task(self.aembed_query(held.wrapped, "a"))
        await auntil(is_awaited)
        outcomes = await held.outcomes(documents, query)
        if self.may_leave_out:
            assert exactly(outcomes) == exactly([[held.model.document("a"), None], held.model.query("a")])
        else:
            assert isinstance(outcomes[0], EmbedderContractError)
            assert exactly(outcomes[1]) == exactly(held.model.query("a"))
        assert len(held.model.calls) == 1


class Cancelling(Harness):
    """Tasks that are cancelled."""

    @awaited
    async def test_cancelling_one_who_waits_cancels_nobody_else(self, place: Path) -> None:
        """Neither the call that embeds nor others that wait are cancelled.

        If not, look for a future or task that the wrapper shares between calls.
        """
        held = Held(self, place)
        leader = await held.first(self.aembed_documents(held.wrapped, ["a", "b"]))
        others = [asyncio.create_task(self.aembed_documents(held.wrapped, ["a", "b"])) for _ in range(3)]
        await auntil(lambda: held.begun() == 4)
        await auntil(is_awaited)
        for task in others[1:]:
            task.cancel()
        cancelled = await in_time(asyncio.gather(*others[1:], return_exceptions=True))
        assert list(map(type, cancelled)) == [asyncio.CancelledError] * 2
        held.check_paid_once("documents", await held.outcomes(leader, others[0]))

    @awaited
    async def test_when_the_one_who_pays_is_cancelled_somebody_takes_over(self, place: Path) -> None:
        """The calls that wait get their vectors from one second request.

        If not, look for `CancelledError` being caught in the wrapper's async methods.
        """
        held = Held(self, place)
        leader = await held.first(self.aembed_documents(held.wrapped, ["a"]))
        others = [asyncio.create_task(self.aembed_documents(held.wrapped, ["a"])) for _ in range(3)]
        await auntil(lambda: held.begun() == 4)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        await auntil(lambda: len(held.model.calls) == 2)
        assert exactly(await held.outcomes(*others)) == exactly([held.model.documents(["a"])] * 3)
        assert held.model.texts == [["a"], ["a"]]

    @awaited
    async def test_cancelling_keeps_the_batches_that_were_finished(self, place: Path) -> None:
        """Batches that were paid for before a call was cancelled are stored.

        If not, look for code that collects all vectors before it stores them.
        """
        model, texts = ModelBehind(), [f"text {i}" for i in range(8)]

        def hold_after_the_second(vectors: list[Any]) -> list[Any]:
            if len(model.calls) == 2:
                model.hold()
            return vectors

        model.spoil = hold_after_the_second
        task = asyncio.create_task(self.aembed_documents(self.wrapped(model, place, batch_size=2), texts))
        await auntil(lambda: len(model.calls) == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = ModelBehind()
        answer = await in_time(self.aembed_documents(self.wrapped(again, place), texts))
        assert exactly(answer) == exactly(again.documents(texts))
        assert again.texts == [texts[4:]]


class EventLoop(Harness):
    """Other tasks are not blocked."""

    @awaited
    async def test_neither_hashing_nor_the_store_is_on_the_event_loop(self) -> None:
        """Async methods hash many texts in another thread, and a store that blocks is never asked on the loop.

        If not, look for `cache.embed` in an async method instead of `cache.aembed`.
        """
        here, seen = threading.get_ident(), dict[str, set[int]]()

        def note(name: str) -> None:
            seen.setdefault(name, set()).add(threading.get_ident())

        class Watched(FaultyStore):
            def mget(self, keys: Sequence[str]) -> Any:
                note("read")
                return super().mget(keys)

            def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
                note("write")
                super().mset(key_value_pairs)

        def encoder(text: str) -> str:
            note("key")
            return sha256(text)

        store, model, texts = Watched(), ModelBehind(dimensions=64), [f"text {i}" for i in range(200)]
        for _ in range(2):
            wrapped = self.wrapped(model, EmbeddingCache(store, key_encoder=encoder))
            seen.clear()
            answer = await in_time(self.aembed_documents(wrapped, texts))
            assert exactly(answer) == exactly(model.documents(texts))
            assert here not in seen["key"]
            # Hashing a single text is faster than starting it in a thread.
            await in_time(self.aembed_query(wrapped, "a"))
            await in_time(self.aembed_document(wrapped, "b"))
            del seen["key"]
            assert {name for name, threads in seen.items() if here in threads} == set()
            assert "read" in seen
        assert "write" not in seen
        assert len(model.paid) == 202
