"""A vector that was joined is stored by whoever may write, and joining many costs no more than embedding them once."""

from __future__ import annotations

import asyncio

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    WAYS,
    Held,
    Model,
    Worker,
    adds_up,
    as_async,
    ask,
    auntil,
    bits,
    is_awaited,
    served,
    sync,
    task,
    until,
    waiting,
    words,
)

from embedonce import EmbeddingCache, MemoryStore, StoreError

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["read_write", "refresh"])
@pytest.mark.parametrize("codec", ["exact", "int8"])
def test_what_a_caller_that_only_reads_has_embedded_is_stored_by_one_who_joins_and_may_write(place, way, mode, codec):
    place.cache(codec=codec).embed(["warm"], Model(width=4), namespace=NAMESPACE)
    leader, held = place.cache(mode="read_only", codec=codec), Held(width=4)
    writer, late = place.cache(mode=mode, codec=codec), Model(salt="never asked", width=4)
    leading = Worker(sync, leader, ["a", "b"], held)
    assert held.started.wait(LIMIT)
    joining = Worker(ask, way, writer, ["b", "c", "a"], held.rows)
    until(lambda: is_awaited(2))
    held.release.set()
    leading.result()
    joining.result()
    stats = writer.stats()
    assert (stats.joined, stats.stored, stats.embedded) == (2, 3, 1)
    assert adds_up(stats)
    assert leader.stats().stored == 0
    fresh = place.cache(codec=codec)
    assert bits(sync(fresh, ["a", "b", "c"], late)) == bits(joining_rows(writer, held, ["a", "b", "c"]))
    assert late.calls == []


def joining_rows(cache, model, texts):
    return cache.codec.kept(model.rows(texts))


def test_a_joined_vector_is_stored_once_however_many_join(place):
    """All who may write take part; one of them writes."""
    held = Held()
    sync(place.cache(), ["warm"], Model())
    leading = Worker(sync, place.cache(mode="read_only"), ["a"], held)
    assert held.started.wait(LIMIT)
    writers = [place.cache() for _ in range(6)]
    joining = [Worker(sync, writer, ["a"], Model()) for writer in writers]
    until(lambda: waiting() == 6)
    held.release.set()
    for each in (leading, *joining):
        assert bits(each.result()) == bits(held.rows(["a"]))
    assert sum(writer.stats().joined for writer in writers) == 6
    assert sum(writer.stats().stored for writer in writers) == 1
    assert served(place.cache(), "a", NAMESPACE)


def test_what_a_leader_cannot_store_is_stored_by_one_who_joins():
    """The store that both use takes the second write."""
    failures = [OSError(28, "no space left")]

    class Once(MemoryStore):
        amset = amget = None

        def mset(self, key_value_pairs):
            if failures:
                raise failures.pop()
            super().mset(key_value_pairs)

    store, held = Once(), Held()
    leading = Worker(sync, EmbeddingCache(store, on_store_error="raise"), ["a"], held)
    assert held.started.wait(LIMIT)
    joining = Worker(sync, EmbeddingCache(store), ["a"], Model(salt="never asked"))
    until(is_awaited)
    held.release.set()
    with pytest.raises(StoreError):
        leading.result()
    assert bits(joining.result()) == bits(held.rows(["a"]))


@pytest.mark.parametrize("mode", ["read_only", "refresh"])
def test_one_who_joins_and_may_not_write_stores_nothing(place, mode):
    """And what was stored by the leader is not stored again."""
    held, cache = Held(), place.cache()
    leading = Worker(sync, cache, ["a"], held)
    assert held.started.wait(LIMIT)
    other = place.cache(mode=mode)
    joining = Worker(sync, other, ["a"], Model())
    until(is_awaited)
    held.release.set()
    leading.result()
    joining.result()
    assert (cache.stats().stored, other.stats().stored, other.stats().joined) == (1, 0, 1)


async def test_joining_many_texts_takes_a_few_turns_of_the_loop(place, monkeypatch):
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", LIMIT)
    count, cache, held = 16_000, place.cache(), Held()
    texts = words(count)
    leader = Worker(sync, cache, texts, held, batch_size=None)
    await asyncio.to_thread(held.started.wait, LIMIT)
    follower = task(cache, texts, as_async(Model()), batch_size=None)
    await auntil(lambda: is_awaited(count))
    loop, scheduled = asyncio.get_running_loop(), []
    original = loop.call_soon_threadsafe

    def counted(callback, *args, **options):
        scheduled.append(callback)
        return original(callback, *args, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    held.release.set()
    answer = await asyncio.wait_for(follower, LIMIT)
    await asyncio.to_thread(leader.result)
    assert bits(answer) == bits(held.rows(texts))
    assert cache.stats().joined == count
    assert len(scheduled) < count // 100
