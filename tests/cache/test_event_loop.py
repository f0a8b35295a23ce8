"""An event loop looks at no directory and opens no file, whatever is asked and wherever it is kept."""

from __future__ import annotations

import asyncio
import itertools
import os

import fsspec
import pytest
from blockbuster import BlockingError
from blocking import no_blocking_calls
from core_support import NAMESPACE, Model, as_async, bits, words

from embedonce import EmbeddingCache, MemoryStore, StoreError
from embedonce.stores.locations.remote_location import RemoteLocation

MANY = words(300)
_NUMBER = itertools.count()


@pytest.fixture(params=["local", "memory", "distant", "tier"])
def make(request, tmp_path, monkeypatch, _nothing_left_behind):
    """Makes caches in one place."""
    options = {}
    store = {"local": str(tmp_path / "cache"), "memory": MemoryStore()}.get(request.param)
    if store is None:
        monkeypatch.setattr(RemoteLocation, "is_near", False)
        store, options = f"memory://event-loop-{next(_NUMBER)}", {"refresh_interval": 0}
    if request.param == "tier":
        options["local_tier"] = str(tmp_path / "tier")
    yield lambda **more: EmbeddingCache(store, **options, **more)
    fs = fsspec.filesystem("memory")
    if isinstance(store, str) and store.startswith("memory:") and fs.exists(store):
        fs.rm(store, recursive=True)


@pytest.mark.parametrize("codec", ["exact", "int8"])
@pytest.mark.parametrize("is_async", [False, True])
def test_hits_and_misses_hold_up_no_event_loop(make, codec, is_async, monkeypatch):
    model = Model(answer=lambda matrix: abs(matrix) % 1)
    embed = as_async(model) if is_async else model

    async def calls(cache):
        for texts in (["a"], ["a"], ["b"], ["a", "b", "c"], ["a", "b", "c"], MANY, MANY, ["a"]):
            await cache.aembed(texts, embed, namespace=NAMESPACE)
        await asyncio.gather(*(cache.aembed(["d", *MANY], embed, namespace=NAMESPACE) for _ in range(3)))
        # As after a second, when hits alone are reason enough for a look at the place.
        for namespace in cache.opened():
            if hasattr(namespace, "store") and hasattr(namespace.store, "_catalog"):
                namespace.store._catalog._recency.expire()
        await cache.aembed(["a"], embed, namespace=NAMESPACE)
        with pytest.raises(ZeroDivisionError):
            await cache.aembed(["e"], lambda _: 1 / 0, namespace=NAMESPACE)

    first, second = make(codec=codec), make(codec=codec)
    with no_blocking_calls():
        asyncio.run(calls(first))
    first.close()
    with no_blocking_calls():
        asyncio.run(calls(second))
    assert sorted(itertools.chain(*model.calls)) == sorted({"a", "b", "c", "d", *MANY})
    for stats in (first.stats(), second.stats()):
        assert (stats.read_errors, stats.write_errors, stats.skipped) == (0, 0, 0)


def test_a_store_that_cannot_be_opened_holds_up_no_event_loop(make, monkeypatch):
    cache, model = make(), Model()
    opened = type(cache.store).open

    def not_mounted(*_, **__):
        raise StoreError("not mounted")

    async def calls():
        for _ in range(5):
            await cache.aembed(["a"], model, namespace=NAMESPACE)
            await cache.aembed(MANY, model, namespace=NAMESPACE)

    with monkeypatch.context() as context, no_blocking_calls():
        context.setattr(type(cache.store), "open", not_mounted)
        asyncio.run(calls())
    assert type(cache.store).open is opened
    assert sorted(model.seen) == sorted(["a", *MANY])


def test_the_guard_of_these_tests_sees_a_file_that_is_opened():
    async def opens():
        os.close(os.open(os.devnull, os.O_RDONLY))

    with pytest.raises(AssertionError), no_blocking_calls():
        asyncio.run(opens())


def test_a_store_that_blocks_the_loop_is_not_switched_off():
    """A guard against blocking calls refuses them: no fault of the place, which may be asked from a thread."""

    class Blocking(MemoryStore):
        async def amget(self, keys):
            os.stat(os.devnull)
            return self.mget(keys)

    cache, model = EmbeddingCache(Blocking()), Model()
    cache.embed(["a"], model, namespace=NAMESPACE)

    async def calls():
        for _ in range(5):
            assert bits(await cache.aembed(["a"], Model(), namespace=NAMESPACE)) == bits(model.rows(["a"]))

    with no_blocking_calls():
        asyncio.run(calls())
    assert cache.embed(["a"], Model(fail_at=0), namespace=NAMESPACE) is not None
    assert (cache.stats().read_errors, cache.stats().skipped) == (5, 0)
    cache.mode = "replay"
    with no_blocking_calls(), pytest.raises(StoreError, match=BlockingError.__name__) as caught:
        asyncio.run(cache.aembed(["a"], model, namespace=NAMESPACE))
    assert caught.value.fault == "process"
