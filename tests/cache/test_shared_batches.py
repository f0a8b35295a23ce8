"""Batches that a call has not begun: other calls that want their texts begin with them, and each is paid for once."""

from __future__ import annotations

import asyncio
import threading

import pytest
from core_support import (
    LIMIT,
    WAYS,
    BoomError,
    Held,
    HeldAsync,
    Model,
    Worker,
    adds_up,
    as_async,
    ask,
    bits,
    in_flight,
    sync,
    task,
    until,
    words,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight", "nobody_waits_in_vain")


@pytest.fixture
def nobody_waits_in_vain(monkeypatch):
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", LIMIT)


@pytest.mark.parametrize("way", WAYS)
def test_the_last_text_of_a_long_call_is_not_waited_for(place, way):
    cache, held, model = place.cache(batch_size=1), Held(), Model()
    leader = Worker(sync, cache, list("abcd"), held)
    assert held.started.wait(LIMIT)
    assert bits(Worker(ask, way, cache, ["d"], model).result()) == bits(model.rows(["d"]))
    held.release.set()
    assert bits(leader.result()) == bits(held.rows("abcd"))
    assert sorted(held.seen + model.seen) == list("abcd")
    assert adds_up(cache.stats())


async def test_the_last_text_of_a_long_task_is_not_waited_for(place):
    cache, held, model = place.cache(batch_size=1), HeldAsync(), Model()
    leader = task(cache, list("abcd"), held.embed)
    await held.started.wait()
    assert bits(await task(cache, ["d"], as_async(model))) == bits(model.rows(["d"]))
    held.release.set()
    assert bits(await leader) == bits(held.rows("abcd"))
    assert sorted(sum(held.calls, model.seen)) == list("abcd")


def test_two_long_calls_for_the_same_texts_share_the_work(place):
    texts, both = words(40), threading.Barrier(2)

    class Meeting(Model):
        def __call__(self, some):
            if not self.calls:
                both.wait(LIMIT)
            return super().__call__(some)

    cache, models = place.cache(batch_size=2), [Meeting(), Meeting()]
    for worker in [Worker(sync, cache, texts, model) for model in models]:
        assert bits(worker.result()) == bits(models[0].rows(texts))
    assert sorted(models[0].seen + models[1].seen) == sorted(texts)
    assert adds_up(cache.stats())


def test_what_was_taken_over_is_handed_back_although_it_is_not_stored(place):
    held, model = Held(), Model()
    leader = Worker(sync, place.cache(batch_size=1), list("abc"), held)
    assert held.started.wait(LIMIT)
    reader = place.cache(mode="read_only")
    assert bits(sync(reader, ["c"], model)) == bits(model.rows(["c"]))
    held.release.set()
    leader.result()
    assert held.seen == ["a", "b"]
    assert bits(sync(place.cache(mode="replay"), ["c"], Model())) == bits(model.rows(["c"]))


def test_a_call_embeds_itself_what_another_one_has_taken_over_and_not_embedded(place):
    cache, held, failing = place.cache(batch_size=1), Held(), Model(fail_at=0)
    leader = Worker(sync, cache, list("abc"), held)
    assert held.started.wait(LIMIT)
    with pytest.raises(BoomError):
        sync(cache, ["c", "x"], failing, batch_size=2)
    held.release.set()
    assert bits(leader.result()) == bits(held.rows("abc"))
    assert held.seen == list("abc")


def test_what_was_taken_over_stays_with_who_took_it_when_the_first_call_fails(place):
    cache, gate, started = place.cache(batch_size=1), threading.Event(), threading.Event()

    def failing(texts):
        started.set()
        assert gate.wait(LIMIT)
        raise BoomError

    held, model = Held(), Model()
    leader = Worker(sync, cache, list("abc"), failing)
    assert started.wait(LIMIT)
    taking = Worker(sync, cache, ["c"], held)
    assert held.started.wait(LIMIT)
    gate.set()
    with pytest.raises(BoomError):
        leader.result()
    assert in_flight() == 1
    joining = Worker(sync, cache, ["c", "b"], model)
    until(lambda: model.seen == ["b"])
    held.release.set()
    for worker, texts in ((taking, ["c"]), (joining, ["c", "b"])):
        assert bits(worker.result()) == bits(model.rows(texts))
    assert (held.seen, model.seen) == (["c"], ["b"])


@pytest.mark.parametrize("way", WAYS)
def test_an_embedder_may_ask_for_a_text_that_its_own_call_embeds_later(place, way):
    cache, model = place.cache(batch_size=1), Model()

    def embed(texts):
        if texts == ["a"]:
            sync(cache, ["c"], model)
        return model(texts)

    assert bits(Worker(ask, way, cache, list("abc"), embed).result()) == bits(model.rows("abc"))
    assert sorted(model.seen) == list("abc")


async def test_who_comes_after_a_call_that_has_waited_in_vain_joins_that_one(place, monkeypatch):
    cache, hung, second, third = place.cache(), HeldAsync(), HeldAsync(), Model()
    leader = task(cache, ["a"], hung.embed)
    await hung.started.wait()
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", 0.01)
    impatient = task(cache, ["a"], second.embed)
    await second.started.wait()
    monkeypatch.setattr("embedonce.cache.engine.flight.PATIENCE", LIMIT)
    joining = task(cache, ["a"], as_async(third))
    await asyncio.sleep(0.05)
    second.release.set()
    assert bits(await joining) == bits(await impatient) == bits(third.rows(["a"]))
    hung.release.set()
    await leader
    assert third.calls == []
