"""LangChain's embedders and stores on URLs."""

from __future__ import annotations

import pickle

import pytest
from lazily import lazily

import embedonce
from embedonce import EmbeddingCache

classic = lazily("langchain_classic.embeddings")
lc = lazily("langchain_support", "langchain_core.embeddings", "langchain_embedonce")

TEXTS = [f"text {i}" for i in range(100)]


@pytest.fixture(autouse=True)
def _nothing_embedded():
    lc.EMBEDDED.clear()


@pytest.fixture
def embedder():
    return lc.Counting(size=16)


def test_a_wrapped_embedder_is_shared_through_a_bucket(remote_place, embedder):
    expected = lc.DeterministicFakeEmbedding(size=16).embed_documents(TEXTS)
    options = {"storage_options": remote_place.storage_options, "namespace": "fake/16"}
    first = embedonce.wrap(embedder, remote_place.url, **options)
    assert first.embed_documents(TEXTS) == expected
    assert lc.EMBEDDED == TEXTS
    second = embedonce.wrap(embedder, remote_place.url, **options)
    assert second.embed_documents(TEXTS) == expected
    assert lc.EMBEDDED == TEXTS
    second.embed_query("a question")
    second.cache.flush()
    third = embedonce.wrap(embedder, remote_place.url, mode="replay", **options)
    assert third.embed_query("a question") == embedder.embed_query("a question")


async def test_async_methods_and_from_bytes_store_on_a_bucket(s3_place, embedder):
    options = {"namespace": "fake/16", "query_embedding_cache": True}
    async with EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options) as cache:
        wrapped = lc.CacheBackedEmbeddings.from_bytes_store(embedder, cache, **options)
        given = await wrapped.aembed_documents(TEXTS)
        assert await wrapped.aembed_query("a question") == embedder.embed_query("a question")
    replay = EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options, mode="replay")
    wrapped = lc.CacheBackedEmbeddings.from_bytes_store(embedder, replay, **options)
    assert wrapped.embed_documents(TEXTS) == given
    assert wrapped.embed_query("a question") == embedder.embed_query("a question")


def test_langchains_own_cache_on_a_bucket(s3_place, embedder, monkeypatch):
    # However slow the machine is, nothing is published by itself.
    monkeypatch.setattr("embedonce.stores.segments.writing.writer.FLUSH_SECONDS", 3600.0)

    def store():
        return lc.FsspecByteStore(s3_place.url, storage_options=s3_place.storage_options)

    def embed(store, namespace, texts):
        options = {"namespace": namespace, "key_encoder": "sha256"}
        classic.CacheBackedEmbeddings.from_bytes_store(embedder, store, **options).embed_documents(texts)

    with_few, with_many = store(), store()
    embed(with_few, "few", TEXTS[:5])
    embed(with_many, "many", TEXTS)
    assert with_few.backlog.pending == 5
    assert with_many.backlog.pending == 0
    with with_few:
        with_few.mset([("one more", b"1")])
    assert store().mget(["one more"]) == [b"1"]
    lc.EMBEDDED.clear()
    embed(store(), "few", TEXTS[:5])
    embed(store(), "many", TEXTS)
    assert lc.EMBEDDED == []


def test_a_pickled_wrapper_holds_no_credentials(s3_place, embedder):
    wrapped = embedonce.wrap(embedder, s3_place.url, storage_options=s3_place.storage_options, namespace="fake/16")
    wrapped.embed_documents(TEXTS)
    pickled = pickle.dumps(wrapped)
    for name in ("key", "secret"):
        assert s3_place.storage_options[name].encode() not in pickled
    lc.EMBEDDED.clear()
    pickle.loads(pickled).embed_documents(TEXTS)
    assert lc.EMBEDDED == []
