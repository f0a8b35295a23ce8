"""LangChain's embedders and stores on URLs."""

from __future__ import annotations

import pickle

import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings as LangChainsOwn
from langchain_core.embeddings import DeterministicFakeEmbedding

import embedonce
from embedonce import EmbeddingCache
from langchain_embedonce import CacheBackedEmbeddings, FsspecByteStore

TEXTS = [f"text {i}" for i in range(100)]


class Counting(DeterministicFakeEmbedding):
    """Counts the texts that it embeds."""

    def embed_documents(self, texts):
        EMBEDDED.extend(texts)
        return super().embed_documents(texts)


EMBEDDED: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_embedded():
    EMBEDDED.clear()


@pytest.fixture
def embedder():
    return Counting(size=16)


def test_a_wrapped_embedder_is_shared_through_a_bucket(remote_place, embedder):
    expected = DeterministicFakeEmbedding(size=16).embed_documents(TEXTS)
    options = {"storage_options": remote_place.storage_options, "namespace": "fake/16"}
    first = embedonce.wrap(embedder, remote_place.url, **options)
    assert first.embed_documents(TEXTS) == expected
    assert EMBEDDED == TEXTS
    second = embedonce.wrap(embedder, remote_place.url, **options)
    assert second.embed_documents(TEXTS) == expected
    assert EMBEDDED == TEXTS
    second.embed_query("a question")
    second.cache.flush()
    third = embedonce.wrap(embedder, remote_place.url, mode="replay", **options)
    assert third.embed_query("a question") == embedder.embed_query("a question")


async def test_async_methods_and_from_bytes_store_on_a_bucket(s3_place, embedder):
    options = {"namespace": "fake/16", "query_embedding_cache": True}
    async with EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options) as cache:
        wrapped = CacheBackedEmbeddings.from_bytes_store(embedder, cache, **options)
        given = await wrapped.aembed_documents(TEXTS)
        assert await wrapped.aembed_query("a question") == embedder.embed_query("a question")
    replay = EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options, mode="replay")
    wrapped = CacheBackedEmbeddings.from_bytes_store(embedder, replay, **options)
    assert wrapped.embed_documents(TEXTS) == given
    assert wrapped.embed_query("a question") == embedder.embed_query("a question")


def test_langchains_own_cache_on_a_bucket(s3_place, embedder):
    def store():
        return FsspecByteStore(s3_place.url, storage_options=s3_place.storage_options)

    with_few, with_many = store(), store()
    LangChainsOwn.from_bytes_store(embedder, with_few, namespace="few", key_encoder="sha256").embed_documents(TEXTS[:5])
    LangChainsOwn.from_bytes_store(embedder, with_many, namespace="many", key_encoder="sha256").embed_documents(TEXTS)
    assert with_few.backlog.pending == 5
    assert with_many.backlog.pending == 0
    with with_few:
        with_few.mset([("one more", b"1")])
    assert store().mget(["one more"]) == [b"1"]
    EMBEDDED.clear()
    LangChainsOwn.from_bytes_store(embedder, store(), namespace="few", key_encoder="sha256").embed_documents(TEXTS[:5])
    LangChainsOwn.from_bytes_store(embedder, store(), namespace="many", key_encoder="sha256").embed_documents(TEXTS)
    assert EMBEDDED == []


def test_a_pickled_wrapper_holds_no_credentials(s3_place, embedder):
    wrapped = embedonce.wrap(embedder, s3_place.url, storage_options=s3_place.storage_options, namespace="fake/16")
    wrapped.embed_documents(TEXTS)
    pickled = pickle.dumps(wrapped)
    for name in ("key", "secret"):
        assert s3_place.storage_options[name].encode() not in pickled
    EMBEDDED.clear()
    pickle.loads(pickled).embed_documents(TEXTS)
    assert EMBEDDED == []
