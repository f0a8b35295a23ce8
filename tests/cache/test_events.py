"""Observing calls: numbers that add up, told once, and no harm from those who observe."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields

import pytest
from core_support import LIMIT, NAMESPACE, BoomError, Model, Worker, ask, is_awaited, until, words

import embedonce.plugins.host
from embedonce import EmbeddingCache, EmbedEvent, MemoryStore, hookimpl, register_plugin


class Observer:
    def __init__(self):
        self.events = []

    @hookimpl
    def embedonce_on_embed(self, event):
        self.events.append(event)


@pytest.fixture
def observed(monkeypatch):
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    observer = Observer()
    register_plugin(observer, "observer")
    return observer.events


def counts(event):
    names = ("texts", "duplicates", "hits", "joined", "embedded", "stored")
    return tuple(getattr(event, name) for name in names)


def test_each_call_is_told_once_with_numbers_that_add_up(place, way, observed):
    cache = place.cache(batch_size=2)
    ask(way, cache, ["a", "b", "a", "c"], Model())
    ask(way, cache, ["a", "d"], Model(), role="query")
    ask(way, cache, ["a", "e"], Model())
    assert [counts(event) for event in observed] == [(4, 1, 0, 0, 3, 3), (2, 0, 0, 0, 2, 2), (2, 0, 1, 0, 1, 1)]
    for event in observed:
        assert event.texts == event.duplicates + event.hits + event.joined + event.embedded
        assert (event.namespace, event.mode, event.error, event.dimensions) == (NAMESPACE, "read_write", "", 3)
        assert event.bytes_returned == 12 * event.texts
        assert event.bytes_stored == 12 * event.stored
        parts = (event.seconds_reading, event.seconds_embedding, event.seconds_writing)
        assert all(part > 0 for part in parts)
        assert sum(parts) <= event.seconds
        assert event.store == str(cache.store)
    assert [event.role for event in observed] == ["document", "query", "document"]
    total = cache.stats()
    assert tuple(map(sum, zip(*map(counts, observed), strict=True))) == (
        total.texts,
        total.duplicates,
        total.hits,
        total.joined,
        total.embedded,
        total.stored,
    )


def test_a_call_that_fails_is_told_too(place, way, observed):
    cache = place.cache(batch_size=1)
    with pytest.raises(BoomError):
        ask(way, cache, ["a", "b", "c"], Model(fail_at=1))
    (event,) = observed
    assert counts(event) == (3, 0, 0, 0, 2, 1)
    assert (event.error, event.bytes_returned, event.dimensions) == ("BoomError", 0, None)
    with pytest.raises(embedonce.CacheMissError):
        ask(way, place.cache(mode="replay"), ["z"], Model())
    assert (observed[1].error, observed[1].mode, observed[1].embedded) == ("CacheMissError", "replay", 0)


@pytest.mark.parametrize("texts", [["a", "a"], []])
def test_a_call_that_bypasses_the_cache_is_reported(way, observed, texts):
    cache = EmbeddingCache(MemoryStore(), mode="off")
    ask(way, cache, texts, Model())
    (event,) = observed
    assert counts(event) == (len(texts), 0, 0, 0, len(texts), 0)
    assert event.mode == "off"


def test_a_cancelled_call_is_told(observed):
    async def cancelled():
        started = asyncio.Event()

        async def embed(texts):
            started.set()
            await asyncio.sleep(LIMIT)

        task = asyncio.create_task(EmbeddingCache(MemoryStore()).aembed(["a"], embed, namespace=NAMESPACE))
        await asyncio.wait_for(started.wait(), LIMIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert [event.error for event in observed] == ["CancelledError"]


def test_who_waits_for_somebody_elses_embedding_has_joined(observed):
    import threading

    cache, started, gate = EmbeddingCache(MemoryStore()), threading.Event(), threading.Event()

    def embed(texts):
        started.set()
        assert gate.wait(LIMIT)
        return Model().rows(texts)

    first = Worker(cache.embed, ["a"], embed, namespace=NAMESPACE)
    assert started.wait(LIMIT)
    second = Worker(cache.embed, ["a"], Model(fail_at=0), namespace=NAMESPACE)
    until(is_awaited)
    gate.set()
    first.result(), second.result()
    assert sorted((event.embedded, event.joined) for event in observed) == [(0, 1), (1, 0)]


def test_an_event_holds_no_text(place, observed):
    place.cache().embed(["a very private text"], Model(), namespace=NAMESPACE)
    assert "private" not in repr(observed)
    assert {type(value) for value in asdict(observed[0]).values()} <= {str, int, float}
    assert {field.name for field in fields(EmbedEvent)} == set(asdict(observed[0]))


def test_one_who_observes_and_fails_is_logged_once_and_hurts_nobody(monkeypatch, place, way, caplog):
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())

    class Failing:
        @hookimpl
        def embedonce_on_embed(self, event):
            raise ZeroDivisionError

    observer = Observer()
    register_plugin(observer, "before")
    register_plugin(Failing(), "failing")
    register_plugin(Observer(), "after")
    cache = place.cache()
    for text in words(3):
        ask(way, cache, [text], Model())
    assert len(observer.events) == 3
    assert caplog.text.count("plugin 'failing' of this program failed in embedonce_on_embed: ZeroDivisionError()") == 1


def test_nothing_is_told_if_nobody_observes(monkeypatch, place):
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    monkeypatch.setattr(embedonce.plugins.host.Plugins, "notify", None)
    place.cache().embed(["a"], Model(), namespace=NAMESPACE)
