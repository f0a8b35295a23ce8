"""Whoever waits for a text of another call gets it or embeds it: at once if that call cannot go on, else in a while."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from core_support import (
    LIMIT,
    NAMESPACE,
    WAYS,
    Held,
    HeldAsync,
    Model,
    Worker,
    adds_up,
    as_async,
    ask,
    auntil,
    bits,
    in_flight,
    is_awaited,
    sync,
    task,
    until,
    words,
)

from embedonce.cache.engine.waiting import Waiter

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def loop(request):
    """An event loop of each kind, which nobody runs."""
    loop = LOOPS[request.param]()
    loop.set_exception_handler(lambda loop, context: None)
    yield loop
    loop.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 0.05)


@pytest.fixture
def patient(monkeypatch):
    """Waiting in vain fails the test."""
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 10 * LIMIT)


async def begun(cache, held):
    call = task(cache, ["a"], held.embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    return call


async def cancelled(call):
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call


# At once


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.filterwarnings("ignore:coroutine")
def test_nobody_waits_for_a_task_whose_loop_stands_or_is_closed(place, loop, way, is_closed, patient):
    cache, held, model = place.cache(), HeldAsync(), Model()
    call = loop.run_until_complete(begun(cache, held))
    if is_closed:
        loop.close()
    answer = Worker(ask, way, cache, ["b", "a"], model).result()
    assert bits(answer) == bits(model.rows(["b", "a"]))
    if is_closed:
        # What the embedder waits for holds the task.
        del call, held
        gc.collect()
    else:
        loop.run_until_complete(cancelled(call))


def test_nobody_waits_for_a_task_below_him_on_the_stack(place, loop, patient):
    """A sync call in a callback of the loop whose task embeds the text would wait for its own thread."""
    cache, held, model = place.cache(), HeldAsync(), Model()

    async def program():
        call = await begun(cache, held)
        answer = sync(cache, ["a"], model)
        held.release.set()
        return answer, await call

    answer, other = Worker(loop.run_until_complete, program()).result()
    assert bits(answer) == bits(other) == bits(model.rows(["a"]))


def test_a_second_loop_in_a_thread_whose_first_loop_leads_does_not_wait_for_it(place, patient):
    """As a plugin does that hides the running loop, and runs another one inside of it."""
    cache, held, model = place.cache(), HeldAsync(), Model()

    def inside():
        running = asyncio.events._get_running_loop()
        asyncio.events._set_running_loop(None)
        try:
            other = asyncio.new_event_loop()
            try:
                return other.run_until_complete(cache.aembed(["a"], as_async(model), namespace=NAMESPACE))
            finally:
                other.close()
        finally:
            asyncio.events._set_running_loop(running)

    async def program():
        call = await begun(cache, held)
        answer = inside()
        held.release.set()
        return answer, await call

    answer, other = Worker(asyncio.run, program()).result()
    assert bits(answer) == bits(other) == bits(model.rows(["a"]))


# After a while


@pytest.mark.parametrize("way", WAYS)
def test_nobody_waits_for_ever_for_a_thread_whose_embedder_hangs(place, way, impatient):
    cache, hanging, model = place.cache(), Held(), Model()
    leader = Worker(sync, cache, ["a", "b"], hanging)
    assert hanging.started.wait(LIMIT)
    answer = Worker(ask, way, cache, ["c", "b", "a"], model).result()
    assert bits(answer) == bits(model.rows(["c", "b", "a"]))
    hanging.release.set()
    assert bits(leader.result()) == bits(model.rows(["a", "b"]))
    assert adds_up(cache.stats())


@pytest.mark.parametrize("way", WAYS)
def test_nobody_waits_for_ever_for_a_task_whose_loop_stops_meanwhile(place, loop, way, impatient):
    cache, held, model = place.cache(), HeldAsync(), Model()

    async def begin():
        call = await begun(cache, held)
        await asyncio.to_thread(until, is_awaited)
        return call

    leader = Worker(loop.run_until_complete, begin())
    until(in_flight)
    answer = Worker(ask, way, cache, ["a"], model).result()
    assert bits(answer) == bits(model.rows(["a"]))
    loop.run_until_complete(cancelled(leader.result()))


def test_a_cell_that_waits_for_threads_ends_although_a_task_of_its_loop_embeds_what_they_want(place, loop, impatient):
    """The loop runs, yet nothing happens on it while the cell of a notebook blocks it."""
    cache, held, model = place.cache(), HeldAsync(), Model()

    async def cell():
        call = await begun(cache, held)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: sync(cache, ["a"], model), range(4)))
        held.release.set()
        return [*answers, await call]

    answers = Worker(loop.run_until_complete, cell()).result()
    assert {bits(answer) for answer in answers} == {bits(model.rows(["a"]))}


def test_threads_of_a_pool_that_wait_for_a_task_which_needs_the_pool_go_on(place, loop, impatient):
    cache, held, model = place.cache(), HeldAsync(), Model()
    loop.set_default_executor(ThreadPoolExecutor(2))

    async def embed(texts):
        await held.embed(texts)
        return await asyncio.to_thread(model, texts)

    async def program():
        call = task(cache, ["a"], embed)
        await asyncio.wait_for(held.started.wait(), LIMIT)
        waiting = [asyncio.ensure_future(asyncio.to_thread(sync, cache, ["a"], model)) for _ in range(8)]
        await auntil(is_awaited)
        held.release.set()
        return await asyncio.wait_for(asyncio.gather(call, *waiting), LIMIT)

    answers = Worker(loop.run_until_complete, program()).result()
    assert {bits(answer) for answer in answers} == {bits(model.rows(["a"]))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("inner_way", WAYS)
def test_an_embedder_may_ask_the_cache_from_threads_that_it_starts(place, way, inner_way, impatient):
    """`wrap(parallel(wrap(f)))`: context variables do not reach the threads of a pool."""
    cache, model, texts = place.cache(), Model(), ["a", "b", "c"]

    def parallel(batch):
        with ThreadPoolExecutor(3) as pool:
            return [row for rows in pool.map(lambda text: ask(inner_way, cache, [text], model), batch) for row in rows]

    assert bits(Worker(ask, way, cache, texts, parallel).result()) == bits(model.rows(texts))
    assert sorted(model.seen) == texts


def test_who_was_waited_for_in_vain_is_not_waited_for_again(place, monkeypatch):
    """Else an embedder that asks the cache for its texts one by one, in threads, would wait for each of them."""
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 0.5)
    cache, model, waits = place.cache(), Model(), []
    waiting = "embedonce.cache.engine.waiting.Waiter.waiting_for"
    monkeypatch.setattr(waiting, lambda self, flights, _=Waiter.waiting_for: waits.append(1) or _(self, flights))

    def one_by_one(texts):
        with ThreadPoolExecutor(1) as pool:
            return list(pool.map(lambda text: sync(cache, [text], model)[0], texts))

    assert bits(sync(cache, words(20), one_by_one, batch_size=None)) == bits(model.rows(words(20)))
    assert len(waits) == 1
    # Once it has answered, it is waited for as ever.
    held = Held()
    leader = Worker(sync, cache, ["new"], held)
    assert held.started.wait(LIMIT)
    follower = Worker(sync, cache, ["new"], model)
    until(is_awaited)
    held.release.set()
    assert bits(leader.result()) == bits(follower.result())


async def test_a_task_goes_on_when_what_it_waits_for_arrives_bit_by_bit(place, monkeypatch):
    """Patience is for each arrival, not for all of them together; it is not at its end while texts keep arriving."""
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 1.0)
    cache, model, late = place.cache(), Model(), Model()
    gates = {text: threading.Event() for text in "abcd"}

    def embed(texts):
        assert gates[texts[0]].wait(LIMIT)
        return model(texts)

    leaders = [Worker(sync, cache, [text], embed) for text in "abcd"]
    await auntil(lambda: in_flight() == 4)
    follower = task(cache, list("abcd"), as_async(late))
    await auntil(lambda: is_awaited(4))
    for gate in gates.values():
        await asyncio.sleep(0.4)
        gate.set()
    await follower
    for leader in leaders:
        leader.result()
    assert late.calls == []


CHILD = """
import asyncio, threading
import nest_asyncio
import numpy as np
from embedonce import EmbeddingCache, MemoryStore

nest_asyncio.apply()
cache, asked = EmbeddingCache(MemoryStore()), []


def rows(texts):
    asked.append(list(texts))
    return np.array([[len(text), 2.0] for text in texts])


async def slow(texts):
    await asyncio.sleep(0.05)
    return rows(texts)


async def program():
    loop = asyncio.get_running_loop()
    call = loop.create_task(cache.aembed(["a"], slow, namespace="m"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # A loop that runs inside of itself lets the outer task go on.
    nested = loop.run_until_complete(cache.aembed(["a"], slow, namespace="m"))
    assert nested.tolist() == [[1.0, 2.0]]
    other = loop.create_task(cache.aembed(["bb"], slow, namespace="m"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # A call that blocks does not.
    assert cache.embed(["bb"], rows, namespace="m").tolist() == [[2.0, 2.0]]
    return [(await each).tolist() for each in (call, other)]


assert asyncio.run(program()) == [[[1.0, 2.0]], [[2.0, 2.0]]]
assert asked.count(["a"]) == 1, asked
"""


def test_loops_that_run_inside_of_themselves_are_not_waited_for_in_vain():
    """In a process of its own: nest_asyncio changes asyncio for good."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
