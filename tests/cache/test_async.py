"""aembed: any kind of embedder, nothing heavy on the event loop, and cancelling that loses nothing."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading

import numpy as np
import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    AsyncDictStore,
    BoomError,
    DictStore,
    Model,
    Place,
    as_async,
    bits,
    crossed,
    in_flight,
    words,
)

from embedonce import EmbeddingCache, MemoryStore
from embedonce.keys.encoders import sha256


def aembed(cache, texts, embed, **options):
    return asyncio.wait_for(cache.aembed(texts, embed, namespace=NAMESPACE, **options), LIMIT)


class Threads:
    """Remembers on which threads something ran."""

    def __init__(self):
        self.loop = threading.get_ident()
        self.seen = set()

    def here(self):
        self.seen.add(threading.get_ident())

    @property
    def off_the_loop(self):
        assert self.seen, "it never ran"
        return self.loop not in self.seen


class Asked(Model):
    async def aembed(self, texts):
        await asyncio.sleep(0)
        return self(texts)


class AsyncCallable(Model):
    async def __call__(self, texts):
        await asyncio.sleep(0)
        return super().__call__(texts)


@crossed(
    "embed_of",
    [
        lambda model: model,
        lambda model: model.aembed,
        lambda model: lambda texts: model.aembed(list(texts)),
        lambda model: functools.partial(model.aembed),
        lambda model: functools.partial(functools.partial(lambda extra, texts: model.aembed(texts), "extra")),
        functools.partial,
        as_async,
        lambda model: staticmethod(model.aembed).__func__,
    ],
    ids=["sync", "method", "lambda", "partial", "partial of a lambda", "partial of sync", "function", "static"],
    over=("place",),
)
async def test_every_kind_of_embedder_is_called(place, embed_of):
    model = Asked()
    embed = embed_of(model)
    for _ in range(2):
        assert bits(await aembed(place.cache(), ["a", "b", "a"], embed)) == bits(model.rows(["a", "b", "a"]))
    assert model.calls == [["a", "b"]]


@pytest.mark.parametrize(
    "wrap", [lambda embed: embed, functools.partial, lambda embed: lambda texts: embed(list(texts))]
)
async def test_objects_that_are_called_asynchronously(place, wrap):
    model = AsyncCallable()
    for _ in range(2):
        assert bits(await aembed(place.cache(), ["a"], wrap(model))) == bits(model.rows(["a"]))
    assert model.calls == [["a"]]


async def test_a_sync_embedder_runs_in_a_thread_with_the_callers_context(place):
    threads, model = Threads(), Model()
    request = contextvars.ContextVar("request", default=None)
    request.set("42")

    def embed(texts):
        threads.here()
        assert request.get() == "42"
        return model(texts)

    await aembed(place.cache(), ["a"], embed)
    assert threads.off_the_loop


async def test_an_async_embedder_runs_on_the_callers_loop(place):
    loop = asyncio.get_running_loop()

    async def embed(texts):
        assert asyncio.get_running_loop() is loop
        return Model()(texts)

    await aembed(place.cache(), ["a"], embed)


class Watched:
    """A store that remembers where it was asked."""

    def __init__(self):
        super().__init__()
        self.threads = Threads()

    def mget(self, keys):
        self.threads.here()
        return super().mget(keys)

    def mset(self, key_value_pairs):
        self.threads.here()
        super().mset(key_value_pairs)


class WatchedSync(Watched, DictStore):
    pass


class WatchedMemory(Watched, MemoryStore):
    pass


@pytest.mark.parametrize("kind", [WatchedSync, WatchedMemory])
async def test_a_sync_store_is_asked_in_threads(kind):
    store = kind()
    for texts in (words(1), words(2000)):
        await aembed(EmbeddingCache(store), texts, as_async(Model()))
        await aembed(EmbeddingCache(store), texts, as_async(Model()))
    assert store.threads.off_the_loop


async def test_an_async_store_is_asked_by_its_own_methods():
    class Native(AsyncDictStore):
        async def amget(self, keys):
            assert asyncio.get_running_loop() is loop
            return DictStore.mget(self, keys)

        async def amset(self, pairs):
            assert asyncio.get_running_loop() is loop
            DictStore.mset(self, pairs)

        def mget(self, keys):
            raise AssertionError("the sync method was called")

        mset = mget

    loop = asyncio.get_running_loop()
    store, model = Native(), Model()
    for _ in range(2):
        assert bits(await aembed(EmbeddingCache(store, batch_size=100), words(100), as_async(model))) == bits(
            model.rows(words(100))
        )
    assert len(model.calls) == 1


@pytest.mark.parametrize("texts", [words(500), ["x" * 100_000]], ids=["many texts", "a long text"])
async def test_hashing_many_or_long_texts_is_not_done_on_the_loop(place, texts):
    threads = Threads()

    def encoder(text):
        threads.here()
        return sha256(text)

    cache = place.cache(key_encoder=encoder)
    threads.seen.clear()
    for _ in range(2):
        await aembed(cache, texts, as_async(Model()))
    assert threads.off_the_loop


@pytest.mark.parametrize("kind", ["directory", "memory", "foreign", "foreign-async"])
async def test_opening_coding_and_saving_many_vectors_is_not_done_on_the_loop(tmp_path, monkeypatch, kind):
    """Whatever the store: what decodes, encodes, checks and gathers vectors runs in threads."""
    threads = {}

    def watch(where, name):
        original = getattr(where, name)
        seen = threads[f"{where.__name__}.{name}"] = Threads()

        def watched(*args, **options):
            seen.here()
            return original(*args, **options)

        monkeypatch.setattr(
            where, name, staticmethod(watched) if isinstance(where, type) and name in ("seal", "open") else watched
        )

    import embedonce.vectors.codecs
    from embedonce.stores.segments.store import SegmentStore

    if kind == "directory":
        for name in ("__init__", "get_rows_into", "put_rows"):
            watch(SegmentStore, name)
    else:
        watch(embedonce.vectors.envelope.Envelope, "seal")
        watch(embedonce.vectors.envelope.Envelope, "open")
    threads["answer"] = Threads()

    class Row:
        """A row of the answer, which says where it is turned into an array."""

        def __init__(self, row):
            self.row = row

        def __array__(self, dtype=None, copy=None):
            threads["answer"].here()
            return np.array(self.row, dtype)

        def __len__(self):
            return len(self.row)

    place = Place(kind, tmp_path / "cache")
    model = Model(answer=lambda matrix: list(map(Row, matrix)))
    for _ in range(2):
        await aembed(place.cache(batch_size=400), words(400) * 2, as_async(model))
    assert len(model.calls) == 1
    assert {name for name, seen in threads.items() if not seen.off_the_loop} == set()


async def test_cancelling_keeps_the_batches_that_were_finished(place):
    cache, model, reached = place.cache(batch_size=2), Model(), asyncio.Event()

    async def embed(texts):
        if "text 4" in texts:
            reached.set()
            await asyncio.sleep(LIMIT)
        return model(texts)

    task = asyncio.ensure_future(cache.aembed(words(8), embed, namespace=NAMESPACE))
    await asyncio.wait_for(reached.wait(), LIMIT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = Model()
    assert bits(await aembed(place.cache(), words(8), again)) == bits(model.rows(words(8)))
    assert again.calls == [words(4, start=4)]


async def test_a_failing_async_embedder_keeps_the_batches_that_were_finished(place):
    with pytest.raises(BoomError):
        await aembed(place.cache(batch_size=2), words(6), as_async(Model(fail_at=1)))
    model = Model()
    await aembed(place.cache(), words(6), model)
    assert model.calls == [words(4, start=2)]


async def test_many_calls_at_once_merge_by_position(place):
    """Completion order is not request order."""
    cache, model = place.cache(batch_size=3), Model()

    async def embed(texts):
        for _ in range(len(texts[0]) * 7 % 5):
            await asyncio.sleep(0)
        return model.rows(texts)

    asked = [[f"{i * j % 11}" for j in range(i % 7 + 1)] for i in range(40)]
    answers = await asyncio.gather(*(aembed(cache, texts, embed) for texts in asked))
    for texts, answer in zip(asked, answers, strict=True):
        assert bits(answer) == bits(model.rows(texts))


async def test_the_cache_is_an_async_context_manager(place):
    async with place.cache() as cache:
        await aembed(cache, ["a"], Model())
    assert cache.stats().stored == 1


def test_one_cache_serves_one_loop_after_another(place):
    cache, model = place.cache(), Model()
    for _ in range(3):
        assert bits(asyncio.run(aembed(cache, ["a"], as_async(model)))) == bits(model.rows(["a"]))
    assert bits(cache.embed(["a"], model, namespace=NAMESPACE)) == bits(model.rows(["a"]))
    assert model.calls == [["a"]]


def test_a_task_that_dies_with_its_loop_frees_what_it_had_claimed(place):
    cache, model = place.cache(), Model()
    loop = asyncio.new_event_loop()
    # A task that is destroyed while pending is what this is about; asyncio would log it.
    loop.set_exception_handler(lambda loop, context: None)

    async def start():
        started = asyncio.Event()

        async def never(texts):
            started.set()
            await asyncio.get_running_loop().create_future()

        task = asyncio.ensure_future(cache.aembed(["a"], never, namespace=NAMESPACE))
        await asyncio.wait_for(started.wait(), LIMIT)
        return task

    task = loop.run_until_complete(start())
    assert in_flight()
    loop.close()
    del task
    gc.collect()
    assert not in_flight()
    assert bits(asyncio.run(aembed(cache, ["a"], model))) == bits(model.rows(["a"]))
