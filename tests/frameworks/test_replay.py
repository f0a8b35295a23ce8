"""In mode replay nothing reaches the embedder, whatever is asked of a wrapper."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from haystack import component
from langchain_core.embeddings import Embeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding

from embedonce import CacheMissError, EmbeddingCache, MemoryStore, wrap
from langchain_embedonce import CacheBackedEmbeddings

ASKED: list[str] = []
"""What has reached a model."""


def reached(what: str) -> list[float]:
    ASKED.append(what)
    return [1.0, 2.0]


class OfLangChain(Embeddings):
    def __init__(self) -> None:
        self.model = "m"
        self.vectorise = reached

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [reached(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return reached(text)

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_documents(uris)

    async def aembed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_documents(uris)

    @property
    def dimension(self) -> int:
        return len(self.embed_query("probe"))

    @property
    def batch_size(self) -> int:
        return len(self.embed_query("how many"))


class OfLlamaIndex(BaseEmbedding):
    model: str = "m"

    def _get_query_embedding(self, query: str) -> list[float]:
        return reached(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return reached(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return reached(text)

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        return [reached(uri) for uri in uris]

    async def aembed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_image(uris)

    def vectorise(self, text: str) -> list[float]:
        return reached(text)

    def similarity(self, *vectors: Any) -> float:
        return reached(str(vectors))[0]

    @property
    def dimension(self) -> int:
        return len(self._get_text_embedding("probe"))


@component
class OfHaystack:
    def __init__(self) -> None:
        self.model = "m"

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: Any) -> dict[str, Any]:
        return {"embedding": reached(str(text)), "meta": {}}

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        return [reached(uri) for uri in uris]

    async def aembed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_image(uris)

    def vectorise(self, text: str) -> list[float]:
        return reached(text)

    @property
    def dimension(self) -> int:
        return len(self.run("probe")["embedding"])


@pytest.mark.parametrize("kind", [OfLangChain, OfLlamaIndex, OfHaystack])
def test_nothing_that_a_wrapper_passes_on_reaches_the_model(kind: Any) -> None:
    ASKED.clear()
    wrapped = wrap(kind(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    for method, given in (("embed_image", ["a.png"]), ("vectorise", "a")):
        with pytest.raises(CacheMissError, match=f"{method} is not called in mode 'replay'"):
            getattr(wrapped, method)(given)
    with pytest.raises(CacheMissError):
        asyncio.run(wrapped.aembed_image(["a.png"]))
    with pytest.raises(CacheMissError, match="dimension is not asked"):
        _ = wrapped.dimension
    assert not hasattr(wrapped, "dimension")
    assert wrapped.model == "m"
    assert ASKED == []


def test_the_size_of_requests_is_not_asked_for_in_replay() -> None:
    ASKED.clear()
    wrapped = wrap(OfLangChain(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    with pytest.raises(CacheMissError):
        wrapped.embed_documents([str(number) for number in range(3000)])
    assert wrapped.batch_size is None
    assert ASKED == []


def test_vectors_are_compared_by_the_framework_but_not_by_a_model_in_replay() -> None:
    ASKED.clear()
    cache = EmbeddingCache(MemoryStore(), mode="replay")
    with pytest.raises(CacheMissError, match="similarity is not called"):
        wrap(OfLlamaIndex(), cache, namespace="m").similarity([1.0, 0.0], [1.0, 0.0])
    assert ASKED == []
    assert wrap(MockEmbedding(embed_dim=2), cache, namespace="m").similarity([1.0, 0.0], [1.0, 0.0]) == 1.0


def test_queries_that_are_not_cached_are_not_asked_in_replay() -> None:
    ASKED.clear()
    cache = EmbeddingCache(MemoryStore(), mode="replay")
    wrapped = CacheBackedEmbeddings.from_bytes_store(OfLangChain(), cache, namespace="m")
    with pytest.raises(CacheMissError, match="its queries are not cached"):
        wrapped.embed_query("a")
    with pytest.raises(CacheMissError, match="its queries are not cached"):
        asyncio.run(wrapped.aembed_query("a"))
    assert ASKED == []


@pytest.mark.parametrize("text", [None, 1, ["a"]])
def test_inputs_that_only_the_model_could_refuse_are_not_passed_on_in_replay(text: Any) -> None:
    ASKED.clear()
    wrapped = wrap(OfHaystack(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    for asked in (lambda: wrapped.run(text=text), lambda: asyncio.run(wrapped.run_async(text=text))):
        with pytest.raises(CacheMissError, match="cannot be replayed"):
            asked()
    assert ASKED == []


def test_setting_an_attribute_asks_for_none() -> None:
    ASKED.clear()
    wrapped = wrap(OfHaystack(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    wrapped.model = "other"
    assert wrapped.embedder.model == "other"
    with pytest.raises(AttributeError, match="dimension"):
        wrapped.dimension = 3
    assert ASKED == []


def test_a_hit_does_not_ask_for_the_name_of_the_model() -> None:
    class Probing(OfHaystack):
        """Asks a server for what its model is."""

        def __init__(self) -> None:
            pass

        @property
        def model(self) -> str:
            return str(reached("probe"))

    ASKED.clear()
    store = MemoryStore()
    wrap(OfHaystack(), store, namespace="m").run(text="a")
    ASKED.clear()
    answer = wrap(Probing(), EmbeddingCache(store, mode="replay"), namespace="m").run(text="a")
    assert answer["embedding"] == [1.0, 2.0]
    assert ASKED == []
