"""Lost work and data, worker processes, pickles and places: rows 58 to 67 of `test_wrong_vectors_llamaindex.py`."""

from __future__ import annotations

import asyncio
import pickle
import threading
from pathlib import Path

import pytest
from wrong_vectors_support import TEXTS, documents, li, theirs

import embedonce

# -- F. Lost work and data -----------------------------------------------------------------------------------------


def test_row_58_a_write_that_fails(place, tmp_path, their_kv):
    class Boom(li.Model):
        def _get_text_embeddings(self, texts):
            if "1050" in texts:
                raise ConnectionError("429")
            return super()._get_text_embeddings(texts)

    many = [str(number) for number in range(1100)]
    wrapper = embedonce.wrap(Boom(), place)
    with pytest.raises(ConnectionError):
        wrapper.get_text_embedding_batch(many)
    again = embedonce.wrap(li.Model(), place, mode="replay")
    assert again.get_text_embedding_batch(many[:960]) == li.Model().vectors(many[:960])
    file = tmp_path / "theirs.json"
    their_kv.persist(str(file))
    their_kv.put("b", {"": object()}, "embeddings")
    with pytest.raises(TypeError):
        their_kv.persist(str(file))
    theirs(file.read_text() == "")


async def test_after_a_request_has_failed_no_further_one_is_sent(place):
    """Of those that are under way, the answers are waited for."""

    class Limited(li.Model):
        async def _aget_text_embeddings(self, texts):
            vectors = await super()._aget_text_embeddings(texts)
            if "30" in texts:
                raise ConnectionError("429")
            return vectors

    many = [str(number) for number in range(200)]
    wrapper = embedonce.wrap(Limited(embed_batch_size=1, num_workers=2), place)
    with pytest.raises(ConnectionError, match="429"):
        await wrapper.aget_text_embedding_batch(many)
    assert set(many[:31]) <= set(wrapper.inner.asked) <= set(many[:32])


async def test_an_answer_with_a_vector_too_many_beside_one_with_a_vector_too_few(place):
    """Together they have the right number, and it is unknown which vector is whose."""

    class Careless(li.Model):
        async def _aget_text_embeddings(self, texts):
            vectors = await super()._aget_text_embeddings(texts)
            return [*vectors, vectors[0]] if "30" in texts else vectors[1:] if "50" in texts else vectors

    many = [str(number) for number in range(200)]
    wrapper = embedonce.wrap(Careless(embed_batch_size=2), place)
    with pytest.raises(embedonce.EmbedderContractError, match=r"(3|1) vectors for 2 texts"):
        await wrapper.aget_text_embedding_batch(many)
    assert wrapper.cache.stats().stored == 0


@pytest.mark.parametrize("workers", [None, 2])
async def test_only_a_refused_text_fails_if_refused_requests_are_split(place, workers):
    """And what other requests of the same call have answered is not asked for again."""

    class Refusing(li.Model):
        async def _aget_text_embeddings(self, texts):
            if "30" in texts:
                raise ValueError("too long")
            return await super()._aget_text_embeddings(texts)

    many = [str(number) for number in range(200)]
    model = Refusing(embed_batch_size=5, num_workers=workers)
    wrapper = embedonce.wrap(model, place, split_on_error=True)
    with pytest.raises(ValueError, match="too long"):
        await wrapper.aget_text_embedding_batch(many)
    assert wrapper.cache.stats().stored == len(many) - 1
    assert sorted(model.asked) == sorted({*many} - {"30"})


def test_row_60_two_writers(place, tmp_path):
    wrappers = [embedonce.wrap(li.Model(), place) for _ in range(2)]
    for wrapper, text in zip(wrappers, "ab", strict=True):
        wrapper.get_text_embedding(text)
    files = {path: path.read_bytes() for path in place.rglob("*") if path.suffix not in ("", ".lock")}
    wrappers[0].get_text_embedding("c")
    reader = embedonce.wrap(li.Model(), place, mode="replay")
    assert reader.get_text_embedding_batch(["a", "b", "c"]) == li.Model().vectors(["a", "b", "c"])
    # What is there is not written again.
    assert files
    assert all(path.read_bytes().startswith(before) for path, before in files.items() if path.exists())
    file = str(tmp_path / "theirs.json")
    stores = [li.SimpleKVStore(), li.SimpleKVStore()]
    for store, text in zip(stores, "ab", strict=True):
        store.put(text, {"": [1.0]}, "embeddings")
        store.persist(file)
    theirs(li.SimpleKVStore.from_persist_path(file).get("a", "embeddings") is None)


def test_row_61_worker_processes(place, tmp_path, their_kv):
    log = str(tmp_path / "log")
    wrapper = embedonce.wrap(li.Model(log=log), place)
    # Both in one run, because starting processes takes seconds.
    pipeline = li.IngestionPipeline(transformations=[wrapper, li.Model(embeddings_cache=their_kv)], disable_cache=True)
    pipeline.run(documents=documents(*TEXTS[:8]), num_workers=2)
    assert len(li.lines(log)) == 8
    assert wrapper.get_text_embedding_batch(TEXTS[:8]) == li.Model().vectors(TEXTS[:8])
    assert wrapper.inner.calls == []
    theirs(len(their_kv.get_all("embeddings")) == 1)


def test_row_62_pickling(place):
    manager, _, recorder = li.counting()
    wrapper, alone = embedonce.wrap(li.Model(), place), li.Model()
    wrapper.callback_manager = alone.callback_manager = manager
    for embedder in (wrapper, alone):
        pickle.dumps(embedder)
    wrapper.get_text_embedding("a")
    assert wrapper.callback_manager is wrapper.inner.callback_manager is manager
    assert recorder.chunks == ["a"]
    theirs("callback_manager" not in alone.__dict__)


def test_row_67_a_url_is_not_a_path(tmp_path, monkeypatch, their_kv):
    monkeypatch.chdir(tmp_path)
    for arguments in ({"persist_path": "memory://row67/c"}, {"store": "memory://row67/c"}):
        wrapper = li.CachedEmbedding(li.Model(), **arguments)
        assert wrapper.get_text_embedding("a") == li.Model().vector("a")
    assert wrapper.inner.calls == []
    assert list(tmp_path.iterdir()) == []
    their_kv.persist("memory://bucket/c.json")
    theirs(Path("memory:").is_dir())


async def test_a_model_without_async_methods_of_its_own_is_paid_once_though_its_task_is_cancelled(place):
    started, end, calls = threading.Event(), threading.Event(), []

    class Slow(li.BaseEmbedding):
        def _get_text_embedding(self, text):
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts):
            calls.append(texts)
            started.set()
            assert end.wait(60)
            return [[float(len(text)), 1.0] for text in texts]

        _get_query_embedding = _get_text_embedding

        async def _aget_query_embedding(self, query):
            return self._get_query_embedding(query)

    wrapper = embedonce.wrap(Slow(), place, namespace="m")
    call = asyncio.ensure_future(wrapper.aget_text_embedding_batch(["a", "bb"]))
    await asyncio.to_thread(started.wait, 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    end.set()
    assert await wrapper.aget_text_embedding_batch(["a", "bb"]) == [[1.0, 1.0], [2.0, 1.0]]
    assert await wrapper.aget_text_embedding("bb") == [2.0, 1.0]
    assert calls == [["a", "bb"]]
