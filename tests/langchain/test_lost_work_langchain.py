"""Caches that never hit, and failures that cost what was paid for: rows 45 to 59."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import ClassVar

import pytest
from langchain_lanes import WAYS, from_bytes_store, in_lanes, lc, text_itself
from variants import over

import embedonce
from embedonce import StoreError
from embedonce.vectors.envelope import Envelope

# -- E. Caches that never hit --------------------------------------------------------------------------------------


@over(way=WAYS)
async def test_row_45_queries_are_cached_by_wrap(tmp_path, way):
    model = lc.Model()
    cached = embedonce.wrap(model, tmp_path)
    assert await lc.query(way, cached, "a") == await lc.query(way, cached, "a") == model.query("a")
    assert len(model.calls) == 1


@over(off=[{}, {"query_embedding_cache": False}, {"query_embedding_cache": None}], way=WAYS)
async def test_row_45_queries_are_cached_by_from_bytes_store_when_that_is_asked_for(tmp_path, way, off):
    for place in (lc.InMemoryByteStore(), tmp_path):
        model = lc.Model()
        cached = from_bytes_store(model, place, **off)
        assert cached.query_embedding_store is None
        assert await lc.query(way, cached, "a") == await lc.query(way, cached, "a") == model.query("a")
        assert len(model.calls) == 2


@over(way=WAYS)
async def test_row_46_an_empty_store_is_a_store(way):
    model, store, queries = lc.Model(), lc.Sized(), lc.Sized()
    assert not store
    cached = from_bytes_store(model, store, query_embedding_cache=queries)
    await lc.documents(way, cached, ["a"])
    await lc.query(way, cached, "a")
    assert (len(store), len(queries)) == (1, 1)
    lists, query_lists = lc.SizedLists(), lc.SizedLists()
    cached = lc.CacheBackedEmbeddings(model, lists, query_embedding_store=query_lists)
    await lc.query(way, cached, "a")
    await lc.documents(way, cached, ["a"])
    assert (len(lists), len(query_lists)) == (1, 1)
    assert cached.query_embedding_store is query_lists


@in_lanes(reader=["sync", "async"], way=WAYS)
async def test_row_47_every_method_hits_what_every_method_wrote(lane, way, reader):
    model = lc.Model()
    await lc.documents(way, lane.cached(model), ["a", "b"])
    await lc.query(way, lane.cached(model), "a")
    model.calls.clear()
    assert await lc.documents(reader, lane.cached(model), ["b", "a"]) == model.documents(["b", "a"])
    assert await lc.query(reader, lane.cached(model), "a") == model.query("a")
    assert model.calls == []


@in_lanes(way=WAYS)
async def test_row_48_only_what_is_new_is_embedded(lane, way):
    model = lc.Model()
    texts = [f"text {number}" for number in range(50)]
    await lc.documents(way, lane.cached(model), texts)
    changed = [*reversed(texts[:20]), "new", *texts[20:]]
    assert await lc.documents(way, lane.cached(model), changed) == model.documents(changed)
    assert model.asked == [*texts, "new"]


@in_lanes(batch_size=[None, 1, 2], way=WAYS)
async def test_row_49_duplicates_are_paid_once(lane, way, batch_size):
    model = lc.Model()
    texts = ["a", "a", "b", "a", "c", "b"]
    cached = lane.cached(model, batch_size=batch_size)
    assert await lc.documents(way, cached, texts) == model.documents(texts)
    assert model.asked == ["a", "b", "c"]


@in_lanes()
async def test_row_50_concurrent_misses_of_one_text_are_paid_once(lane):
    model = lc.Held()
    cached = lane.cached(model)
    crowd = [lc.Worker(cached.embed_documents, ["a"]) for _ in range(64)]
    tasks = [asyncio.create_task(cached.aembed_documents(["a"])) for _ in range(64)]
    await asyncio.to_thread(model.started.wait, lc.LIMIT)
    model.release.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks), lc.LIMIT)
    answers += [await asyncio.to_thread(worker.result) for worker in crowd]
    assert answers == [[model.document("a")]] * 128
    assert model.calls == [["a"]]


# -- F. Lost work and crashes --------------------------------------------------------------------------------------


async def test_row_55_coding_is_done_off_the_event_loop(monkeypatch):
    """Hundreds of vectors are hashed, written, read and converted in other threads than that of the loop."""
    import embedonce.vectors.lists as lists
    import langchain_embedonce.legacy as legacy

    threads = {}

    def watched(owner, name):
        original = getattr(owner, name)

        def watching(*arguments, **options):
            threads.setdefault(name, set()).add(threading.get_ident())
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, watching)

    watched(Envelope, "seal")
    watched(Envelope, "open")
    watched(legacy, "json_row")
    watched(legacy, "_pairs")
    watched(legacy, "list_row")
    watched(lists, "as_lists")
    watched(legacy.LangChainKey, "__call__")
    texts = [f"text {number}" for number in range(400)]
    model = lc.Model(dimensions=256)
    store, theirs, lists = lc.InMemoryByteStore(), lc.InMemoryByteStore(), lc.InMemoryStore()
    theirs.mset([(text, json.dumps(model.document(text)).encode()) for text in texts])
    for _ in range(2):
        await from_bytes_store(model, store).aembed_documents(texts)
        await lc.CacheBackedEmbeddings(model, lists).aembed_documents(texts)
    await from_bytes_store(model, theirs, key_encoder=text_itself).aembed_documents(texts)
    assert threads.keys() == {"seal", "open", "json_row", "_pairs", "list_row", "as_lists", "__call__"}
    here = threading.get_ident()
    assert {name for name, where in threads.items() if here in where} == set()


@in_lanes(way=WAYS)
async def test_row_56_what_was_paid_before_a_failure_is_kept(lane, way):
    model = lc.Model(fail_on={"e"})
    texts = list("abcdefgh")
    with pytest.raises(lc.BoomError):
        await lc.documents(way, lane.cached(model, batch_size=2), texts)
    model.fail_on = ()
    assert await lc.documents(way, lane.cached(model, batch_size=2), texts) == model.documents(texts)
    assert model.calls == [["a", "b"], ["c", "d"], ["e", "f"], ["e", "f"], ["g", "h"]]


@in_lanes()
async def test_row_56_what_was_paid_before_a_cancellation_is_kept(lane):
    class Stuck(lc.Model):
        async def aembed_documents(self, texts):
            if "c" in texts and not release.is_set():
                started.set()
                await asyncio.Event().wait()
            return self.embed_documents(texts)

    started, release = asyncio.Event(), asyncio.Event()
    model = Stuck()
    task = asyncio.create_task(lane.cached(model, batch_size=2).aembed_documents(list("abcd")))
    await asyncio.wait_for(started.wait(), lc.LIMIT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    assert await lane.cached(model, batch_size=2).aembed_documents(list("abcd")) == model.documents("abcd")
    assert model.calls == [["a", "b"], ["c", "d"]]


@over(build=[from_bytes_store, embedonce.wrap], fault=["read", "write"], way=WAYS)
async def test_row_57_a_store_that_fails_costs_no_vector(build, fault, way, caplog):
    model = lc.Model()
    cached = build(model, lc.Faulty(**{fault: True}))
    for _ in range(5):
        assert await lc.documents(way, cached, ["a", "b"]) == model.documents(["a", "b"])
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "once"
    stats = cached.cache.stats()
    assert (stats.read_errors if fault == "read" else stats.write_errors) > 0


@over(way=WAYS)
async def test_row_57_a_store_of_lists_that_fails_costs_no_vector(way, caplog):
    class FaultyLists(lc.InMemoryStore):
        def mget(self, keys):
            raise lc.BoomError

        async def amget(self, keys):
            raise lc.BoomError

    model = lc.Model()
    cached = lc.CacheBackedEmbeddings(model, FaultyLists())
    assert await lc.documents(way, cached, ["a"]) == [model.document("a")]
    assert len(caplog.records) == 1


def test_row_57_a_store_that_answers_with_too_few_values_is_not_an_answer(caplog):
    class Short(lc.InMemoryByteStore):
        def mget(self, keys):
            return super().mget(keys)[1:]

    model, store = lc.Model(), Short()
    store.mset([("b", json.dumps(model.document("b")).encode())])
    assert from_bytes_store(model, store, key_encoder=text_itself).embed_documents(["a", "b"]) == model.documents("ab")
    assert "answered 2 keys with 1 values" in caplog.text


def test_row_57_errors_can_be_asked_for():
    cached = embedonce.wrap(lc.Model(), lc.Faulty(write=True), on_store_error="raise")
    with pytest.raises(StoreError, match="BoomError"):
        cached.embed_documents(["a"])


@in_lanes()
def test_row_57_errors_of_the_embedder_arrive_as_they_are(lane):
    model = lc.Model(fail_on={"a"})
    error = lc.BoomError()

    def fail(texts):
        raise error

    model.shape = fail
    with pytest.raises(lc.BoomError) as caught:
        lane.cached(model).embed_documents(["b"])
    assert caught.value is error


@over(ours=[True, False])
def test_row_58_a_torn_file_is_a_miss_at_every_length(tmp_path, ours):
    model, store = lc.Model(dimensions=2), lc.LocalFileStore(tmp_path)
    if ours:
        from_bytes_store(model, store, key_encoder=text_itself).embed_documents(["a"])
    else:
        store.mset([("a", json.dumps(model.document("a")).encode())])
    whole = (tmp_path / "a").read_bytes()
    cached = from_bytes_store(model, store, key_encoder=text_itself)
    for length in range(len(whole) + 1):
        (tmp_path / "a").write_bytes(whole[:length])
        model.calls.clear()
        assert cached.embed_documents(["a"]) == [model.document("a")]
        assert len(model.calls) == (length < len(whole))


def test_row_59_a_file_that_vanishes_costs_no_vector(tmp_path, monkeypatch):
    """LangChain's store asks whether a file exists and then opens it."""
    from pathlib import Path

    model, store = lc.Model(), lc.LocalFileStore(tmp_path)
    cached = from_bytes_store(model, store)
    cached.embed_documents(["a"])
    read = Path.read_bytes

    def vanished(path):
        path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanished)
    assert cached.embed_documents(["a"]) == [model.document("a")]


async def test_a_model_without_async_methods_of_its_own_is_paid_once_though_its_task_is_cancelled(tmp_path):
    """LangChain calls its sync method in a thread, which goes on."""
    started, end = threading.Event(), threading.Event()

    class Slow(lc.Embeddings):
        calls: ClassVar[list[list[str]]] = []

        def embed_documents(self, texts):
            self.calls.append(texts)
            started.set()
            assert end.wait(60)
            return [[float(len(text)), 1.0] for text in texts]

        def embed_query(self, text):
            raise NotImplementedError

    wrapped = embedonce.wrap(Slow(), tmp_path, namespace="m")
    call = asyncio.ensure_future(wrapped.aembed_documents(["a", "bb"]))
    await asyncio.to_thread(started.wait, 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    end.set()
    assert await wrapped.aembed_documents(["a", "bb"]) == [[1.0, 1.0], [2.0, 1.0]]
    assert Slow.calls == [["a", "bb"]]
