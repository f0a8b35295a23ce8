"""What an embedder has answered is kept, whatever becomes of the task; nobody waits for a loop that stands."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    WAYS,
    Held,
    HeldAsync,
    Model,
    Worker,
    as_async,
    ask,
    bits,
    in_flight,
    is_awaited,
    sync,
    task,
    until,
)

from embedonce import EmbeddingCache, MemoryStore
from embedonce.runtime.steps import Twins, Work, arun, run
from embedonce.runtime.threads import in_thread

MANY = 64
"""More threads than a pool has."""

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")


async def cancelled(call):
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def stored(cache, count):
    await asyncio.to_thread(until, lambda: cache.stats().stored == count)


@asynccontextmanager
async def busy_pool():
    """No thread is free until the end, neither of the loop's pool nor of the library's own."""
    loop, end = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    own = [asyncio.ensure_future(in_thread(end.wait, LIMIT)) for _ in range(MANY)]
    blocker = loop.run_in_executor(None, end.wait, LIMIT)
    await asyncio.sleep(0)
    yield
    end.set()
    await asyncio.gather(blocker, *own)


async def cancelled_while_it_waits_for_a_thread(call):
    for _ in range(10):
        await asyncio.sleep(0)
    await cancelled(call)


@pytest.mark.parametrize("place", ["directory", "foreign-async"], indirect=True)
async def test_an_answer_is_stored_if_the_task_is_cancelled_before_a_thread_is_free(place):
    cache, held = place.cache(), HeldAsync()
    cache.embed(["warm"], Model(), namespace=NAMESPACE)
    call = task(cache, ["a"], held.embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    async with busy_pool():
        held.release.set()
        await cancelled_while_it_waits_for_a_thread(call)
    await stored(cache, 2)
    late = Model()
    assert bits(sync(cache, ["a"], late)) == bits(held.rows(["a"]))
    assert late.calls == []


async def test_a_sync_embedder_whose_task_is_cancelled_is_not_asked_in_vain(place):
    cache, held = place.cache(), Held()
    call = asyncio.ensure_future(cache.aembed(["a"], held, namespace=NAMESPACE))
    await asyncio.to_thread(held.started.wait, LIMIT)
    await cancelled(call)
    # Its answer is still to come, so another call waits for it.
    waiting = asyncio.ensure_future(cache.aembed(["a"], held, namespace=NAMESPACE))
    held.release.set()
    assert bits(await asyncio.wait_for(waiting, LIMIT)) == bits(held.rows(["a"]))
    await stored(cache, 1)
    assert held.calls == [["a"]]


async def test_a_sync_embedder_that_was_not_asked_yet_is_not_asked_after_cancelling(place):
    cache, model = place.cache(), Model()
    cache.embed(["warm"], Model(), namespace=NAMESPACE)
    async with busy_pool():
        call = asyncio.ensure_future(cache.aembed(["a"], model, namespace=NAMESPACE))
        await cancelled_while_it_waits_for_a_thread(call)
    await asyncio.to_thread(lambda: None)
    assert model.calls == []
    assert bits(await cache.aembed(["a"], model, namespace=NAMESPACE)) == bits(model.rows(["a"]))


async def test_what_a_thread_stores_for_a_cancelled_task_is_stored_in_its_context():
    """A store may choose its tenant by a context variable."""
    tenant = contextvars.ContextVar("tenant", default="nobody")

    class Tenants(MemoryStore):
        amset = amget = None
        seen: ClassVar[list[str]] = []

        def mset(self, key_value_pairs):
            self.seen.append(tenant.get())
            super().mset(key_value_pairs)

    cache, held = EmbeddingCache(Tenants()), HeldAsync()
    tenant.set("acme")
    call = task(cache, ["a"], held.embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    async with busy_pool():
        held.release.set()
        await cancelled_while_it_waits_for_a_thread(call)
    await stored(cache, 1)
    assert Tenants.seen == ["acme"]


def test_an_answer_is_stored_although_the_program_of_the_loop_ends_while_the_store_takes_it():
    entered = threading.Event()

    class Slow(MemoryStore):
        async def amset(self, key_value_pairs):
            entered.set()
            await asyncio.sleep(LIMIT)

    cache, model = EmbeddingCache(Slow()), Model()

    async def program():
        call = task(cache, ["a"], as_async(model))
        await asyncio.to_thread(entered.wait, LIMIT)
        await cancelled(call)

    asyncio.run(program())
    until(lambda: sync(cache, ["a"], Model(salt="late")).tobytes() == model.rows(["a"]).tobytes())
    assert model.calls == [["a"]]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_nobody_waits_for_ever_for_an_embedder_whose_caller_has_gone(place, way, monkeypatch):
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 0.05)
    cache, hanging, model = place.cache(), Held(), Model()

    async def gone():
        call = asyncio.ensure_future(cache.aembed(["a"], hanging, namespace=NAMESPACE))
        await asyncio.to_thread(hanging.started.wait, LIMIT)
        await cancelled(call)
        if way == "async":
            answer = await asyncio.wait_for(task(cache, ["a"], as_async(model)), LIMIT)
        else:
            answer = await asyncio.to_thread(sync, cache, ["a"], model)
        hanging.release.set()
        return answer

    assert bits(asyncio.run(gone())) == bits(model.rows(["a"]))
    until(lambda: not in_flight())


def test_a_task_does_not_wait_for_ever_for_a_task_of_a_loop_that_stops_meanwhile(place, monkeypatch):
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 0.05)
    cache, held, model = place.cache(), HeldAsync(), Model()
    loop = asyncio.new_event_loop()

    async def begin():
        call = task(cache, ["a"], held.embed)
        await asyncio.to_thread(until, is_awaited)
        return call

    leader = Worker(lambda: loop.run_until_complete(begin()))
    until(in_flight)
    answer = asyncio.run(asyncio.wait_for(cache.aembed(["a"], model, namespace=NAMESPACE), LIMIT))
    assert bits(answer) == bits(model.rows(["a"]))
    loop.run_until_complete(cancelled(leader.result()))
    loop.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_generator_that_asks_the_cache_for_its_own_text_does_not_wait_for_itself(place, way, monkeypatch):
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", LIMIT)
    cache, model = place.cache(), Model()

    def embed(texts):
        for text in texts:
            yield sync(cache, [text], model)[0]

    assert bits(ask(way, cache, ["a"], embed)) == bits(model.rows(["a"]))


def test_a_mode_that_is_set_later_counts_for_single_texts(place):
    cache, first, second = place.cache(), Model(), Model(salt="second")
    sync(cache, ["a"], first)
    cache.mode = "refresh"
    assert bits(sync(cache, ["a"], second)) == bits(second.rows(["a"]))
    cache.mode = "read_write"
    assert bits(sync(cache, ["a"], first)) == bits(second.rows(["a"]))


async def test_a_pool_that_refuses_work_is_replaced_by_threads(place):
    cache, model = place.cache(), Model()
    cache.embed(["warm"], Model(), namespace=NAMESPACE)
    loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    loop.set_default_executor(pool)
    pool.shutdown()
    for _ in range(4):
        assert bits(await cache.aembed(["a"], model, namespace=NAMESPACE)) == bits(model.rows(["a"]))
    assert model.calls == [["a"]]
    assert cache.stats().read_errors == 0


def test_a_call_does_not_wait_for_a_task_whose_loop_stands(place):
    cache, held, model = place.cache(), HeldAsync(), Model()
    loop = asyncio.new_event_loop()

    async def begin():
        call = task(cache, ["a"], held.embed)
        await asyncio.wait_for(held.started.wait(), LIMIT)
        return call

    call = loop.run_until_complete(begin())
    assert in_flight()
    # Between two cells of a notebook nothing runs the loop.
    assert bits(sync(cache, ["a"], model)) == bits(model.rows(["a"]))
    loop.run_until_complete(cancelled(call))
    loop.close()


@pytest.mark.parametrize("way", ["embed", "aembed"])
def test_an_embedder_that_raises_stop_iteration_fails_like_any_other(place, way):
    cache = place.cache()

    def empty(texts):
        return next(iter([]))

    with pytest.raises(RuntimeError, match="StopIteration"):
        if way == "embed":
            sync(cache, ["a"], empty)
        else:
            asyncio.run(asyncio.wait_for(cache.aembed(["a"], empty, namespace=NAMESPACE), LIMIT))


def test_steps_are_done_alike_by_both_drivers():
    """A generator gets outcomes and errors of its steps, and is closed whatever ends the driver."""
    told = []

    async def twin(number):
        return number * 2

    def fail(error):
        raise error

    def steps():
        try:
            told.append((yield Work(lambda: 1, inline=True)))
            told.append((yield Twins(lambda number: number * 2, twin, 21)))
            try:
                yield Work(fail, KeyError("a"))
            except KeyError as error:
                told.append(error.args)
            yield Work(fail, ValueError("b"))
        finally:
            told.append("closed")

    for drive in (run, lambda each: asyncio.run(arun(each))):
        told.clear()
        with pytest.raises(ValueError, match="b"):
            drive(steps())
        assert told == [1, 42, ("a",), "closed"]
