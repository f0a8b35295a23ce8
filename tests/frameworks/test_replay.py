"""In mode replay nothing reaches the embedder, whatever is asked of a wrapper."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lazily import lazily

from embedonce import CacheMissError, EmbeddingCache, MemoryStore, wrap

models = lazily("asked_models")


@pytest.mark.parametrize("kind", ["OfLangChain", "OfLlamaIndex", "OfHaystack"])
def test_nothing_that_a_wrapper_passes_on_reaches_the_model(kind: str) -> None:
    models.ASKED.clear()
    wrapped = wrap(getattr(models, kind)(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    for method, given in (("embed_image", ["a.png"]), ("vectorise", "a")):
        with pytest.raises(CacheMissError, match=f"{method} is not called in mode 'replay'"):
            getattr(wrapped, method)(given)
    with pytest.raises(CacheMissError):
        asyncio.run(wrapped.aembed_image(["a.png"]))
    with pytest.raises(CacheMissError, match="dimension is not asked"):
        _ = wrapped.dimension
    assert not hasattr(wrapped, "dimension")
    assert wrapped.model == "m"
    assert models.ASKED == []


def test_the_size_of_requests_is_not_asked_for_in_replay() -> None:
    models.ASKED.clear()
    wrapped = wrap(models.OfLangChain(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    with pytest.raises(CacheMissError):
        wrapped.embed_documents([str(number) for number in range(3000)])
    assert wrapped.batch_size is None
    assert models.ASKED == []


def test_vectors_are_compared_by_the_framework_but_not_by_a_model_in_replay() -> None:
    models.ASKED.clear()
    cache = EmbeddingCache(MemoryStore(), mode="replay")
    with pytest.raises(CacheMissError, match="similarity is not called"):
        wrap(models.OfLlamaIndex(), cache, namespace="m").similarity([1.0, 0.0], [1.0, 0.0])
    assert models.ASKED == []
    assert wrap(models.MockEmbedding(embed_dim=2), cache, namespace="m").similarity([1.0, 0.0], [1.0, 0.0]) == 1.0


def test_queries_that_are_not_cached_are_not_asked_in_replay() -> None:
    models.ASKED.clear()
    cache = EmbeddingCache(MemoryStore(), mode="replay")
    wrapped = models.CacheBackedEmbeddings.from_bytes_store(models.OfLangChain(), cache, namespace="m")
    with pytest.raises(CacheMissError, match="its queries are not cached"):
        wrapped.embed_query("a")
    with pytest.raises(CacheMissError, match="its queries are not cached"):
        asyncio.run(wrapped.aembed_query("a"))
    assert models.ASKED == []


@pytest.mark.parametrize("text", [None, 1, ["a"]])
def test_inputs_that_only_the_model_could_refuse_are_not_passed_on_in_replay(text: Any) -> None:
    models.ASKED.clear()
    wrapped = wrap(models.OfHaystack(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    for asked in (lambda: wrapped.run(text=text), lambda: asyncio.run(wrapped.run_async(text=text))):
        with pytest.raises(CacheMissError, match="cannot be replayed"):
            asked()
    assert models.ASKED == []


def test_setting_an_attribute_asks_for_none() -> None:
    models.ASKED.clear()
    wrapped = wrap(models.OfHaystack(), EmbeddingCache(MemoryStore(), mode="replay"), namespace="m")
    wrapped.model = "other"
    assert wrapped.embedder.model == "other"
    with pytest.raises(AttributeError, match="dimension"):
        wrapped.dimension = 3
    assert models.ASKED == []


def test_a_hit_does_not_ask_for_the_name_of_the_model() -> None:
    class Probing(models.OfHaystack):
        """Asks a server for what its model is."""

        def __init__(self) -> None:
            pass

        @property
        def model(self) -> str:
            return str(models.reached("probe"))

    models.ASKED.clear()
    store = MemoryStore()
    wrap(models.OfHaystack(), store, namespace="m").run(text="a")
    models.ASKED.clear()
    answer = wrap(Probing(), EmbeddingCache(store, mode="replay"), namespace="m").run(text="a")
    assert answer["embedding"] == [1.0, 2.0]
    assert models.ASKED == []
