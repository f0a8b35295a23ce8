"""Callbacks, events, spans and token counts tell of exactly what was embedded; what is set later reaches the model."""

from __future__ import annotations

import asyncio

import pytest
from lazily import lazily

import embedonce

li = lazily(
    "llama_index.core",
    "llama_index.core.callbacks",
    "llama_index.core.embeddings",
    "llama_index.embeddings.openai",
    "llamaindex_support",
)

TEXTS = [f"one two {number}" for number in range(25)]


@pytest.fixture
def wrapper(tmp_path):
    return embedonce.wrap(li.Model(), tmp_path / "cache")


@pytest.fixture
def watch():
    watch = li.Watch()
    yield watch
    watch.stop()


@pytest.fixture
def settings(monkeypatch):
    """The settings of LlamaIndex, as nobody has touched them."""
    monkeypatch.setattr(li.Settings, "_embed_model", None)
    monkeypatch.setattr(li.Settings, "_callback_manager", None)
    return li.Settings


def embed(wrapper, way, *, texts=TEXTS, text="alone", query="asked"):
    if way == "sync":
        wrapper.get_text_embedding_batch(texts)
        wrapper.get_text_embedding(text)
        wrapper.get_query_embedding(query)
        return

    async def all_three():
        await wrapper.aget_text_embedding_batch(texts)
        await wrapper.aget_text_embedding(text)
        await wrapper.aget_query_embedding(query)

    asyncio.run(all_three())


@pytest.mark.parametrize("way", ["sync", "async"])
def test_tokens_are_counted_for_misses_once_and_for_hits_never(wrapper, way):
    manager, tokens, recorder = li.counting()
    wrapper.callback_manager = manager
    embed(wrapper, way)
    assert tokens.total_embedding_token_count == 3 * len(TEXTS) + 2
    assert recorder.chunks == [*TEXTS, "alone", "asked"]
    assert len(recorder.started) == len(recorder.ended) == 5
    embed(wrapper, way)
    assert tokens.total_embedding_token_count == 3 * len(TEXTS) + 2
    assert len(recorder.started) == len(recorder.ended) == 5
    # Two misses among hits, one of them twice.
    embed(wrapper, way, texts=["new", *TEXTS, "newer", "new"])
    assert recorder.chunks[len(TEXTS) + 2 :] == ["new", "newer"]
    assert tokens.total_embedding_token_count == 3 * len(TEXTS) + 4


@pytest.mark.parametrize("way", ["sync", "async"])
def test_events_are_those_of_the_model_and_only_for_misses(wrapper, watch, way):
    embed(wrapper, way)
    ends = [event for event in watch.events.seen if type(event).__name__ == "EmbeddingEndEvent"]
    assert [chunk for event in ends for chunk in event.chunks] == [*TEXTS, "alone", "asked"]
    assert ends[0].embeddings == wrapper.inner.vectors(TEXTS[:10])
    assert sorted(watch.events.names()) == ["EmbeddingEndEvent"] * 5 + ["EmbeddingStartEvent"] * 5
    embed(wrapper, way)
    assert len(watch.events.seen) == 10


@pytest.mark.parametrize("way", ["sync", "async"])
def test_each_call_is_a_span_with_that_of_the_model_inside(wrapper, watch, way):
    verb = "get_text_embedding_batch" if way == "sync" else "aget_text_embedding_batch"
    for cold in (True, False):
        watch.spans.completed_spans.clear()
        embed(wrapper, way)
        outer = [span for span in watch.spans.completed_spans if span.id_.startswith(f"CachedEmbedding.{verb}-")]
        inner = [span for span in watch.spans.completed_spans if span.id_.startswith(f"BaseEmbedding.{verb}-")]
        inner += [span for span in watch.spans.completed_spans if span.id_.startswith(f"Model.{verb}-")]
        assert len(outer) == 1
        assert [span.parent_id for span in inner] == ([outer[0].id_] if cold else [])
    assert watch.spans.open_spans == {}


def test_nothing_that_is_told_holds_a_key(tmp_path, watch):
    class Offline(li.OpenAIEmbedding):
        def _get_text_embeddings(self, texts):
            return [[1.0, 2.0] for _ in texts]

    manager, _, recorder = li.counting()
    model = Offline(api_key=li.SECRET, callback_manager=manager, default_headers={"Authorization": li.SECRET})
    wrapper = embedonce.wrap(model, tmp_path / "cache", namespace="offline")
    for _ in range(2):
        wrapper.get_text_embedding_batch(["a", "b"])
    told = f"{watch.events.seen} {recorder.started} {recorder.ended} {wrapper.to_payload()} {watch.spans}"
    assert "Offline" in told or "OpenAIEmbedding" in told
    assert li.SECRET not in told
    assert set(wrapper.to_payload()) == {"class_name", "model_name", "embed_batch_size"}


def test_what_is_set_on_the_wrapper_is_set_on_the_model(wrapper):
    manager, limiter = li.CallbackManager([]), li.Limiter()
    for name, value in {
        "callback_manager": manager,
        "rate_limiter": limiter,
        "num_workers": 3,
        "embed_batch_size": 4,
        "model_name": "other",
    }.items():
        setattr(wrapper, name, value)
        assert getattr(wrapper, name) is getattr(wrapper.inner, name) is value
    assert wrapper.to_payload() == {"class_name": "CachedEmbedding", "model_name": "other", "embed_batch_size": 4}


def test_settings_take_the_wrapper_as_any_model(wrapper, settings):
    settings.embed_model = wrapper
    assert settings.embed_model is wrapper
    own = li.CallbackManager([])
    assert li.resolve_embed_model(wrapper, callback_manager=own) is wrapper
    assert wrapper.inner.callback_manager is own
    manager, tokens, _ = li.counting()
    settings.callback_manager = manager
    embed(settings.embed_model, "sync")
    embed(settings.embed_model, "sync")
    assert wrapper.inner.callback_manager is manager
    assert tokens.total_embedding_token_count == 3 * len(TEXTS) + 2
