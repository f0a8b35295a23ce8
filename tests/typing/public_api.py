"""Never executed: mypy checks here that the public names have the types that users rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import assert_type

import embedonce
from embedonce import ByteStore, EmbeddingCache, Identity, MemoryStore, Report, Stats, Usage, Verification
from embedonce.hookspecs import Cache

if TYPE_CHECKING:
    from haystack.components.embedders.types import DocumentEmbedder, TextEmbedder
    from langchain_core.embeddings import Embeddings
    from langchain_core.stores import ByteStore as LangChainByteStore
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.storage.kvstore.types import BaseKVStore
    from numpy.typing import NDArray


def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0] for _ in texts]


async def embed_async(texts: list[str]) -> NDArray[np.float32]:
    return np.ones((len(texts), 1), np.float32)


def framework_neutral() -> None:
    with EmbeddingCache("./cache", mode="read_only", batch_size=None) as cache:
        assert_type(cache.embed(["a"], embed, namespace="n"), "NDArray[Any]")
        assert_type(cache.embed(iter(["a"]), embed, namespace=Identity.of("acme", "e5"), role="query"), "NDArray[Any]")
        assert_type(cache.stats(), Stats)
        assert_type(cache.stats().hits, int)
        assert_type(cache.evict(max_bytes=1), list[Report])
        assert_type(cache.usage(), list[Usage])
        assert_type(cache.verify(), list[Verification])
    store: ByteStore = MemoryStore()
    embedonce.wrap(embed, store, namespace="n", key_encoder=str.lower, mode="replay")


def plugins(cache: EmbeddingCache) -> None:
    asked: Cache = cache
    _: Any = asked


async def asynchronous(cache: EmbeddingCache) -> None:
    assert_type(await cache.aembed(["a"], embed, namespace="n"), "NDArray[Any]")
    assert_type(await cache.aembed(["a"], embed_async, namespace="n"), "NDArray[Any]")


def langchain(inner: Embeddings, store: LangChainByteStore) -> None:
    from langchain_embedonce import CacheBackedEmbeddings, FsspecByteStore

    ours: Embeddings = CacheBackedEmbeddings.from_bytes_store(inner, store, namespace="n", query_embedding_cache=True)
    assert_type(ours.embed_documents(["a"]), list[list[float]])
    bytes_store: LangChainByteStore = FsspecByteStore("./bytes")
    bytes_store.mset([("a", b"b")])
    neutral: ByteStore = bytes_store
    EmbeddingCache(neutral)
    _: Any = ours


def llamaindex(inner: BaseEmbedding) -> None:
    from llama_index.embeddings.embedonce import CachedEmbedding, FsspecKVStore

    ours: BaseEmbedding = CachedEmbedding(inner, persist_path="./embeddings", namespace="n", mode="read_only")
    assert_type(ours.get_text_embedding_batch(["a"]), list[list[float]])
    store: BaseKVStore = FsspecKVStore("./values")
    _: Any = store


def haystack() -> None:
    from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder

    from haystack_integrations.components.embedders.embedonce import CachedDocumentEmbedder, CachedTextEmbedder

    text: TextEmbedder = CachedTextEmbedder(MockTextEmbedder(), "./embeddings", namespace="n")
    documents: DocumentEmbedder = CachedDocumentEmbedder(MockDocumentEmbedder(), "./embeddings", namespace="n")
    assert_type(text.run("a"), dict[str, Any])
    assert_type(documents.run([]), dict[str, Any])
