"""A text that is being embedded is waited for, across threads, tasks and caches, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    BoomError,
    Held,
    HeldAsync,
    Model,
    Place,
    Worker,
    adds_up,
    as_async,
    auntil,
    bits,
    is_awaited,
    sync,
    task,
    until,
    words,
)

from embedonce import EmbedderContractError, EmbeddingCache, MemoryStore, StoreError
from embedonce.keys.encoders import sha256

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")


CROWD = 64


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
