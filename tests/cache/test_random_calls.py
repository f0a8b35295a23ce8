"""Random calls at once, a few of them or minutes: right answers, no deadlock, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    PLACES,
    BoomError,
    DictStore,
    Model,
    Place,
    Worker,
    bits,
    in_flight,
    until,
    words,
)

from embedonce import EmbeddingCache, StoreError

TEXTS = words(24)


class Flaky(DictStore):
    """Fails now and then, reading and writing."""

    def __init__(self, seed):
        super().__init__()
        self._random = random.Random(seed)

    def mget(self, keys):
        if self._random.random() < 0.2:
            raise ConnectionError
        return super().mget(keys)

    def mset(self, key_value_pairs):
        if self._random.random() < 0.2:
            raise ConnectionError
        super().mset(key_value_pairs)


class Moody(Model):
    """Takes its time and fails now and then."""

    def __init__(self, seed):
        super().__init__()
        self._random = random.Random(seed)

    def __call__(self, texts):
        time.sleep(self._random.random() / 500)
        if self._random.random() < 0.1:
            raise BoomError
        return self.rows(texts)

    async def aembed(self, texts):
        for _ in range(self._random.randrange(6)):
            await asyncio.sleep(0)
        if self._random.random() < 0.1:
            raise BoomError
        return self.rows(texts)


@pytest.mark.parametrize(
    ("seed", "calls"), [(0, 100), *(pytest.param(seed, 400, marks=pytest.mark.soak) for seed in range(4))]
)
@pytest.mark.parametrize("kind", [*PLACES, "flaky"])
def test_random_calls_from_threads_and_tasks(kind, seed, calls, tmp_path):
    """Whatever fails or is cancelled: an answer is the right one, and everybody gets an answer or an error."""
    if kind == "flaky":
        store = Flaky(seed)
        caches = [EmbeddingCache(store, batch_size=3), EmbeddingCache(store, batch_size=None)]
    else:
        place = Place(kind, tmp_path / "cache")
        caches = [place.cache(batch_size=3), place.cache(batch_size=None), place.cache(mode="refresh", batch_size=2)]
    model, answered = Moody(seed), []

    def right(texts, answer):
        assert bits(answer) == bits(model.rows(texts))
        answer[:] = 0
        answered.append(len(texts))

    def some(chance):
        return [chance.choice(TEXTS) for _ in range(chance.randrange(1, 9))]

    def in_a_thread(number):
        chance = random.Random(f"{seed}/{number}")
        for _ in range(calls // 8):
            texts = some(chance)
            with contextlib.suppress(BoomError):
                right(texts, chance.choice(caches).embed(texts, model, namespace=NAMESPACE))

    async def one(texts, cache, embed):
        with contextlib.suppress(BoomError):
            right(texts, await cache.aembed(texts, embed, namespace=NAMESPACE))

    async def tasks(number):
        chance = random.Random(f"{seed}/loop {number}")
        running = []
        for _ in range(calls // 2):
            embed = chance.choice([model, model.aembed])
            running.append(asyncio.ensure_future(one(some(chance), chance.choice(caches), embed)))
            if chance.random() < 0.3:
                chance.choice(running).cancel()
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() / 200)
        outcomes = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), LIMIT)
        for outcome in outcomes:
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome

    workers = [Worker(in_a_thread, number) for number in range(6)]
    workers += [Worker(lambda number=number: asyncio.run(tasks(number))) for number in range(2)]
    for worker in workers:
        worker.result()
    until(lambda: not in_flight())
    assert len(answered) > calls // 2
    if kind != "flaky":
        fresh = place.cache(mode="read_only")
        assert bits(fresh.embed(TEXTS, Model(), namespace=NAMESPACE)) == bits(model.rows(TEXTS))
        assert fresh.stats().damaged == 0


@pytest.mark.soak
def test_a_store_that_comes_and_goes_with_exceptions_wanted(tmp_path):
    """on_store_error="raise": a fault reaches the call that met it, and no other."""
    store, model = Flaky(0), Model()
    cache = EmbeddingCache(store, on_store_error="raise", batch_size=2)
    outcomes = {"right": 0, "fault": 0}
    lock = threading.Lock()

    def asked(number):
        chance = random.Random(number)
        for _ in range(200):
            texts = [chance.choice(TEXTS) for _ in range(4)]
            try:
                assert bits(cache.embed(texts, model, namespace=NAMESPACE)) == bits(model.rows(texts))
                kind = "right"
            except StoreError:
                kind = "fault"
            with lock:
                outcomes[kind] += 1

    for worker in [Worker(asked, number) for number in range(8)]:
        worker.result()
    assert sum(outcomes.values()) == 1600
    assert min(outcomes.values()) > 0
    until(lambda: not in_flight())
