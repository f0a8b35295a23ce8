"""A text that is being embedded is waited for, across threads, tasks and caches, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    BoomError,
    Model,
    Place,
    Worker,
    as_async,
    auntil,
    bits,
    is_awaited,
    is_in_flight,
    until,
    words,
)

from embedonce import CacheMissError, EmbedderContractError, EmbeddingCache, MemoryStore, StoreError
from embedonce.keys.encoders import sha256
from embedonce.runtime import locks

CROWD = 64


@pytest.fixture(autouse=True)
def nothing_is_left_in_flight():
    yield
    assert not is_in_flight()


class Held(Model):
    """A model that answers when it is let go."""

    def __init__(self, error=None, **options):
        super().__init__(**options)
        self.error = error
        self.started = threading.Event()
        self.release = threading.Event()

    def __call__(self, texts):
        self.calls.append(list(texts))
        self.started.set()
        assert self.release.wait(LIMIT), "never let go"
        if self.error is not None:
            raise self.error
        return self.rows(texts)


class HeldAsync(Model):
    def __init__(self, error=None, **options):
        super().__init__(**options)
        self.error = error
        self.started = asyncio.Event()
        self.release = asyncio.Event()

    async def embed(self, texts):
        self.calls.append(list(texts))
        self.started.set()
        await asyncio.wait_for(self.release.wait(), LIMIT)
        if self.error is not None:
            raise self.error
        return self.rows(texts)


def sync(cache, texts, embed, **options):
    return cache.embed(texts, embed, namespace=NAMESPACE, **options)


def task(cache, texts, embed, **options):
    return asyncio.ensure_future(cache.aembed(texts, embed, namespace=NAMESPACE, **options))


def adds_up(stats):
    return stats.texts == stats.duplicates + stats.hits + stats.joined + stats.embedded


def test_a_crowd_of_threads_is_one_embedder_call(place):
    cache, model = place.cache(), Held()
    crowd = [Worker(sync, cache, ["a"], model) for _ in range(CROWD)]
    until(lambda: cache.stats().calls == CROWD)
    model.release.set()
    answers = [worker.result() for worker in crowd]
    assert model.calls == [["a"]]
    assert {bits(answer) for answer in answers} == {bits(model.rows(["a"]))}
    assert len({answer.__array_interface__["data"][0] for answer in answers}) == CROWD, "each has rows of its own"
    stats = cache.stats()
    assert (stats.embedded, stats.stored) == (1, 1)
    assert adds_up(stats)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_crowd_of_tasks_is_one_embedder_call(place, is_async):
    cache, model = place.cache(), HeldAsync() if is_async else Held()
    crowd = [task(cache, ["a"], model.embed if is_async else model) for _ in range(CROWD)]
    await auntil(lambda: cache.stats().calls == CROWD)
    model.release.set()
    answers = await asyncio.wait_for(asyncio.gather(*crowd), LIMIT)
    assert model.calls == [["a"]]
    assert {bits(answer) for answer in answers} == {bits(model.rows(["a"]))}
    assert adds_up(cache.stats())


async def test_threads_and_tasks_together_are_one_embedder_call(place):
    cache, model = place.cache(), Held()
    threads = [Worker(sync, cache, ["a", "b"], model) for _ in range(CROWD // 2)]
    tasks = [task(cache, ["b", "a"], model) for _ in range(CROWD // 2)]
    await auntil(lambda: cache.stats().calls == CROWD)
    model.release.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks), LIMIT)
    assert {bits(answer) for answer in answers} == {bits(model.rows(["b", "a"]))}
    answers = await asyncio.to_thread(lambda: [worker.result() for worker in threads])
    assert {bits(answer) for answer in answers} == {bits(model.rows(["a", "b"]))}
    assert sorted(model.seen) == ["a", "b"]
    assert adds_up(cache.stats())


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_overlapping_sets_do_not_deadlock(place, batch_size):
    """Everybody embeds what is theirs before they wait for what is not: no order of texts can make a circle."""
    count, model, barrier = 16, Model(), threading.Barrier(16)
    cache = place.cache(batch_size=batch_size)
    texts = words(count)

    def asked(i):
        chain = [texts[i], texts[(i + 1) % count], texts[(i + 5) % count]]
        chain = chain[::-1] if i % 2 else chain
        barrier.wait(LIMIT)
        return bits(sync(cache, chain, model)) == bits(model.rows(chain))

    workers = [Worker(asked, i) for i in range(count)]
    assert [worker.result() for worker in workers] == [True] * count
    assert sorted(model.seen) == sorted(texts)
    assert adds_up(cache.stats())


async def test_overlapping_sets_of_tasks_and_threads_do_not_deadlock(place):
    model, cache, texts = Model(), place.cache(batch_size=1), words(12)

    def chain(i):
        return [texts[(i * step) % 12] for step in (1, 5, 7, 11)]

    threads = [Worker(sync, cache, chain(i), model) for i in range(12)]
    tasks = [task(cache, chain(i)[::-1], as_async(model)) for i in range(12)]
    await asyncio.wait_for(asyncio.gather(*tasks), LIMIT)
    for i, worker in enumerate(threads):
        assert bits(await asyncio.to_thread(worker.result)) == bits(model.rows(chain(i)))
    assert len(model.seen) == len(set(model.seen))


def test_two_caches_on_one_path_share_flights(place):
    one, other, model = place.cache(), place.cache(), Held()
    leader = Worker(sync, one, ["a"], model)
    assert model.started.wait(LIMIT)
    follower = Worker(sync, other, ["a"], model)
    until(is_awaited)
    model.release.set()
    assert bits(leader.result()) == bits(follower.result())
    assert model.calls == [["a"]]
    assert (one.stats().embedded, other.stats().joined) == (1, 1)


def test_other_namespaces_roles_and_stores_do_not_share_flights(place, tmp_path):
    cache, held = place.cache(), Held()
    leader = Worker(sync, cache, ["a"], held)
    assert held.started.wait(LIMIT)
    model = Model(salt="other")
    cache.embed(["a"], model, namespace="other")
    cache.embed(["a"], model, namespace=NAMESPACE, role="query")
    Place(place.kind, tmp_path / "other").cache().embed(["a"], model, namespace=NAMESPACE)
    assert len(model.calls) == 3
    held.release.set()
    assert bits(leader.result()) == bits(held.rows(["a"]))


# Failures


def test_a_failure_is_shared_by_those_who_wanted_all_that_failed(place):
    cache, held = place.cache(), Held(BoomError("down"))
    leader = Worker(sync, cache, ["a", "b"], held)
    assert held.started.wait(LIMIT)
    follower = Worker(sync, cache, ["b", "c", "a"], Model())
    until(lambda: is_awaited(2))
    held.release.set()
    for worker in (leader, follower):
        with pytest.raises(BoomError):
            worker.result()
    # It is not remembered: a later call pays again.
    assert bits(sync(cache, ["a"], Model())) == bits(Model().rows(["a"]))


@pytest.mark.parametrize("error", [BoomError("poison"), EmbedderContractError("poison")])
def test_a_failure_on_texts_of_others_is_not_shared(place, error):
    cache, held, model = place.cache(), Held(error), Model()
    leader = Worker(sync, cache, ["a", "poison"], held)
    assert held.started.wait(LIMIT)
    follower = Worker(sync, cache, ["a"], model)
    until(is_awaited)
    held.release.set()
    with pytest.raises(type(error)):
        leader.result()
    assert bits(follower.result()) == bits(model.rows(["a"]))
    assert model.calls == [["a"]]


def test_a_failure_on_a_text_without_a_key_is_not_shared():
    """A text that the key encoder fails on is nobody else's, so it may be the one that broke the batch."""

    def encoder(text):
        if "poison" in text:
            raise UnicodeError
        return sha256(text)

    cache, held, model = EmbeddingCache(MemoryStore(), key_encoder=encoder), Held(BoomError()), Model()
    leader = Worker(sync, cache, ["a", "poison"], held)
    assert held.started.wait(LIMIT)
    follower = Worker(sync, cache, ["a"], model)
    until(is_awaited)
    held.release.set()
    with pytest.raises(BoomError):
        leader.result()
    assert bits(follower.result()) == bits(model.rows(["a"]))


async def test_a_failure_reaches_tasks_that_wait_for_a_thread(place):
    cache, held = place.cache(), Held(BoomError())
    leader = Worker(sync, cache, ["a"], held)
    await auntil(held.started.is_set)
    follower = task(cache, ["a"], Model())
    await auntil(is_awaited)
    held.release.set()
    with pytest.raises(BoomError):
        await asyncio.wait_for(follower, LIMIT)
    with pytest.raises(BoomError):
        await asyncio.to_thread(leader.result)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_leader_is_replaced(place, error):
    cache, held, model = place.cache(), Held(error()), Model()
    leader = Worker(sync, cache, ["a", "b"], held)
    assert held.started.wait(LIMIT)
    followers = [Worker(sync, cache, ["b", "a"], model) for _ in range(4)]
    until(lambda: cache.stats().calls == 5 and is_awaited(2))
    held.release.set()
    with pytest.raises(error):
        leader.result()
    assert {bits(worker.result()) for worker in followers} == {bits(model.rows(["b", "a"]))}
    assert sorted(model.seen) == ["a", "b"]
    assert adds_up(cache.stats())


def test_batches_after_the_one_that_failed_are_free_for_others(place):
    """Nobody waits for a batch that its owner will never come to."""
    cache, model = place.cache(batch_size=1), Model()
    started, release = threading.Event(), threading.Event()

    def embed(texts):
        started.set()
        assert release.wait(LIMIT)
        raise BoomError

    leader = Worker(sync, cache, ["a", "b"], embed)
    assert started.wait(LIMIT)
    follower = Worker(sync, cache, ["b"], model)
    until(is_awaited)
    release.set()
    with pytest.raises(BoomError):
        leader.result()
    assert bits(follower.result()) == bits(model.rows(["b"]))


def test_a_store_that_fails_costs_those_who_wait_nothing(place):
    """Not even if the call that embedded prefers an exception."""

    class Broken(MemoryStore):
        def mset(self, key_value_pairs):
            raise OSError(28, "no space left")

    store, held = Broken(), Held()
    leader = Worker(sync, EmbeddingCache(store, on_store_error="raise"), ["a"], held)
    assert held.started.wait(LIMIT)
    follower = Worker(sync, EmbeddingCache(store), ["a"], Model(salt="never asked"))
    until(is_awaited)
    held.release.set()
    with pytest.raises(StoreError, match="no space left"):
        leader.result()
    assert bits(follower.result()) == bits(held.rows(["a"]))


def test_an_answer_of_another_dimension_is_not_mixed_in(place):
    cache, held = place.cache(), Held(width=3)
    leader = Worker(sync, cache, ["a"], held)
    assert held.started.wait(LIMIT)
    follower = Worker(sync, place.cache(), ["b", "a"], Model(width=4))
    until(is_awaited)
    held.release.set()
    leader.result()
    with pytest.raises(EmbedderContractError, match="namespace= or version="):
        follower.result()


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
    assert leader.cancelled()


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
    monkeypatch.setattr("embedonce.cache.call._PATIENCE", 0.05)
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
    original = namespace.load
    looks = []

    def load(role, keys, into):
        original(role, keys, into)
        looks.append(int(into.found.sum()))
        if len(looks) == 1:
            Worker(sync, other, ["a"], model).result()

    namespace.load = load
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


def test_locks_held_by_other_threads_are_free_in_a_forked_child(place):
    if not hasattr(os, "fork"):
        pytest.skip("the system has no fork")
    cache, entered, release = place.cache(), threading.Event(), threading.Event()

    def hold():
        with contextlib.ExitStack() as stack:
            # Every lock that there is, those of the cache among them.
            for lock in list(locks._LOCKS):
                stack.enter_context(lock)
            entered.set()
            release.wait(LIMIT)

    holder = Worker(hold)
    assert entered.wait(LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(LIMIT))
            cache.embed(["a"], Model(), namespace=NAMESPACE)
            status = 0 if cache.stats().stored == 1 else 3
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    release.set()
    holder.result()
    assert status == 0


def test_flights_that_nobody_waits_for_leave_nothing_behind(place):
    cache = place.cache(batch_size=2)
    with pytest.raises(BoomError):
        sync(cache, words(7), Model(fail_at=1))
    sync(cache, words(7), Model())
    assert not is_in_flight()
