"""A call that waits for a text can be cancelled, and waits for ever beside no loop, thread, inner call or fork."""

from __future__ import annotations

import asyncio
import os
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    BoomError,
    Held,
    HeldAsync,
    Model,
    Worker,
    adds_up,
    as_async,
    auntil,
    bits,
    in_flight,
    is_awaited,
    sync,
    task,
    until,
    words,
)

from embedonce import CacheMissError, EmbeddingCache, MemoryStore

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")


# Cancelling


@pytest.mark.parametrize("followers", ["tasks", "threads"])
async def test_when_the_leader_is_cancelled_somebody_takes_over(place, followers):
    cache, held, model = place.cache(), HeldAsync(), Model()
    leader = task(cache, ["a", "b"], held.embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    if followers == "tasks":
        waiting = [task(cache, ["b", "a"], as_async(model)) for _ in range(8)]
    else:
        waiting = [asyncio.ensure_future(asyncio.to_thread(sync, cache, ["b", "a"], model)) for _ in range(4)]
    await auntil(lambda: cache.stats().calls == len(waiting) + 1 and is_awaited(2))
    leader.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*waiting), LIMIT)
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert {bits(answer) for answer in answers} == {bits(model.rows(["b", "a"]))}
    assert sorted(model.seen) == ["a", "b"]


async def test_cancelling_one_who_waits_cancels_nobody_else(place):
    cache, held = place.cache(), HeldAsync()
    leader = task(cache, ["a"], held.embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    waiting = [task(cache, ["a"], held.embed) for _ in range(3)]
    await auntil(lambda: cache.stats().calls == 4 and is_awaited())
    await asyncio.sleep(0)
    waiting[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
    held.release.set()
    answers = await asyncio.wait_for(asyncio.gather(leader, waiting[0], waiting[2]), LIMIT)
    assert {bits(answer) for answer in answers} == {bits(held.rows(["a"]))}
    assert held.calls == [["a"]]


async def test_a_timeout_of_one_who_waits_for_a_thread_leaves_the_thread_alone(place):
    cache, held = place.cache(), Held()
    leader = Worker(sync, cache, ["a"], held)
    await auntil(held.started.is_set)
    waiting = task(cache, ["a"], Model())
    await auntil(is_awaited)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waiting, 0.01)
    held.release.set()
    assert bits(await asyncio.to_thread(leader.result)) == bits(held.rows(["a"]))


async def test_cancelling_while_a_batch_is_stored_hands_it_on(place):
    """The batch is paid for: those who wait get it, even if its owner is cancelled."""
    entered, release = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def amset(self, key_value_pairs):
            entered.set()
            await asyncio.wait_for(release.wait(), LIMIT)
            await super().amset(key_value_pairs)

    cache, model = EmbeddingCache(Slow()), Model()
    leader = task(cache, ["a"], as_async(model))
    await asyncio.wait_for(entered.wait(), LIMIT)
    follower = task(cache, ["a"], as_async(model))
    await auntil(is_awaited)
    leader.cancel()
    assert bits(await asyncio.wait_for(follower, LIMIT)) == bits(model.rows(["a"]))
    assert model.calls == [["a"]]
    with pytest.raises(asyncio.CancelledError):
        await leader


# Loops and re-entrancy


async def test_a_sync_call_inside_the_loop_whose_task_leads_does_not_wait_for_it(place):
    cache, held, model = place.cache(), HeldAsync(), Model()
    leader = task(cache, ["a"], held.embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    # Blocking here would stop the very task that embeds.
    assert bits(sync(cache, ["b", "a"], model)) == bits(model.rows(["b", "a"]))
    held.release.set()
    assert bits(await asyncio.wait_for(leader, LIMIT)) == bits(held.rows(["a"]))


def test_a_loop_waits_for_another_loop(place):
    cache, model = place.cache(), Held()
    leader = Worker(lambda: asyncio.run(cache.aembed(["a"], model, namespace=NAMESPACE)))
    assert model.started.wait(LIMIT)
    follower = Worker(lambda: asyncio.run(cache.aembed(["a"], model, namespace=NAMESPACE)))
    until(is_awaited)
    model.release.set()
    assert bits(leader.result()) == bits(follower.result())
    assert model.calls == [["a"]]


async def test_threads_of_the_loops_pool_do_not_starve_the_task_they_wait_for(place, monkeypatch):
    """All threads of asyncio's pool wait for a task whose own work is queued behind them: they do not wait for ever."""
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 0.05)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="asyncio"))
    cache, model, held = place.cache(), Model(), HeldAsync()

    async def embed(texts):
        await held.embed(texts)
        return await asyncio.to_thread(model, texts)

    leader = task(cache, ["a"], embed)
    await asyncio.wait_for(held.started.wait(), LIMIT)
    waiting = [asyncio.ensure_future(asyncio.to_thread(sync, cache, ["b", "a"], model)) for _ in range(2)]
    await auntil(is_awaited)
    held.release.set()
    answers = await asyncio.wait_for(asyncio.gather(leader, *waiting), LIMIT)
    assert [bits(answer) for answer in answers] == [
        bits(model.rows(texts)) for texts in (["a"], ["b", "a"], ["b", "a"])
    ]
    assert model.seen.count("b") == 1


@pytest.mark.parametrize("outer", ["embed", "aembed", "aembed-async"])
@pytest.mark.parametrize("inner", ["same", "another cache"])
def test_an_embedder_that_asks_the_cache_for_its_own_texts_does_not_wait_for_itself(place, outer, inner):
    """A function around a wrapped function, with the same namespace: wasteful, but no deadlock."""
    model, cache = Model(), place.cache()
    asked = cache if inner == "same" else place.cache()

    def embed(texts):
        return asked.embed(texts, model, namespace=NAMESPACE)

    async def aembed(texts):
        # A task of its own, as a framework would start.
        return (await asyncio.gather(asked.aembed(texts, as_async(model), namespace=NAMESPACE)))[0]

    def call():
        if outer == "embed":
            return cache.embed(["a", "b"], embed, namespace=NAMESPACE)
        return asyncio.run(cache.aembed(["a", "b"], embed if outer == "aembed" else aembed, namespace=NAMESPACE))

    assert bits(Worker(call).result()) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a", "b"]]


def test_a_text_stored_between_look_and_claim_is_not_paid_for(place):
    """Who looked before somebody stored, and claims after, looks once more."""
    other, model, late = place.cache(), Model(), Model()
    cache = place.cache()
    namespace = cache.open(NAMESPACE)
    original = namespace.loading
    looks = []

    def loading(role, keys, into, *, at_hand=False):
        yield from original(role, keys, into, at_hand=at_hand)
        looks.append(int(into.found.sum()))
        if len(looks) == 1:
            Worker(sync, other, ["a"], model).result()

    namespace.loading = loading
    assert bits(sync(cache, ["a"], late)) == bits(model.rows(["a"]))
    assert looks == [0, 1]
    assert late.calls == []
    assert adds_up(cache.stats())
    assert cache.stats().hits == 1


def test_replay_waits_for_nobody_and_claims_nothing(place):
    cache, held = place.cache(), Held()
    leader = Worker(sync, cache, ["a"], held)
    assert held.started.wait(LIMIT)
    with pytest.raises(CacheMissError):
        sync(place.cache(mode="replay"), ["a"], Model())
    held.release.set()
    leader.result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_waits_for_nobody_of_its_parent(place):
    cache, held = place.cache(), Held()
    leader = Worker(sync, cache, ["a"], held)
    assert held.started.wait(LIMIT)
    with warnings.catch_warnings():
        # Python 3.12 and later warn of forking beside threads; that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(LIMIT))
            model = Model()
            right = bits(cache.embed(["a"], model, namespace=NAMESPACE)) == bits(model.rows(["a"]))
            status = 0 if right and model.calls == [["a"]] else 3
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    held.release.set()
    leader.result()
    assert status == 0


def test_flights_that_nobody_waits_for_leave_nothing_behind(place):
    cache = place.cache(batch_size=2)
    with pytest.raises(BoomError):
        sync(cache, words(7), Model(fail_at=1))
    sync(cache, words(7), Model())
    assert not in_flight()
