"""CachedEmbedding: every method asks the cache, and misses reach the model through its own public methods."""

from __future__ import annotations

import asyncio
import logging
from io import BytesIO

import fsspec
import pytest
from lazily import lazily

import embedonce
from embedonce import CacheMissError, EmbeddingCache, IdentityError

li = lazily(
    "llama_index.core",
    "llama_index.core.base.embeddings.base_sparse",
    "llama_index.core.embeddings",
    "llama_index.core.embeddings.multi_modal_base",
    "llama_index.core.schema",
    "llama_index.core.storage.kvstore",
    "llamaindex_support",
    "llama_index.embeddings.embedonce",
)

TEXTS = [f"text {number}" for number in range(100)]


@pytest.fixture
def model():
    return li.Model()


@pytest.fixture
def wrapper(model, place):
    return embedonce.wrap(model, place)


def ask(way, function, *arguments, **options):
    """Call a method, or run a coroutine function to its end."""
    answer = function(*arguments, **options)
    return asyncio.run(answer) if way == "async" else answer


def named(wrapper, way, name):
    return getattr(wrapper, name if way == "sync" else f"a{name}")


def nodes():
    texts = ["b", "a", "b", "c"]
    made = [li.TextNode(text=text, metadata={"topic": "x", "mtime": number}) for number, text in enumerate(texts)]
    for node in made:
        node.excluded_embed_metadata_keys = ["mtime"]
    return made


# -- the methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "argument", "method"),
    [
        ("get_text_embedding", "a", "text"),
        ("get_query_embedding", "a", "query"),
        ("get_text_embedding_batch", ["b", "a"], "texts"),
        ("_get_text_embedding", "a", "text"),
        ("_get_query_embedding", "a", "query"),
        ("_get_text_embeddings", ["b", "a"], "texts"),
    ],
)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_each_method_asks_the_cache_and_then_the_matching_one_of_the_model(model, wrapper, way, name, argument, method):
    name = name if way == "sync" else name.replace("get", "aget")
    asked = getattr(wrapper, name)
    expected = model.vectors(argument) if isinstance(argument, list) else model.vector(argument, method)
    if method == "text":
        expected = model.vector(argument)
    for _ in range(2):
        assert ask(way, asked, argument) == expected
    assert model.methods == [method if way == "sync" else f"a{method}"]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_transformation_embeds_what_nodes_show_for_embedding(model, wrapper, way):
    transform = wrapper if way == "sync" else wrapper.acall
    given = nodes()
    answer = ask(way, transform, given)
    contents = [node.get_content(metadata_mode=li.MetadataMode.EMBED) for node in given]
    assert [node is other for node, other in zip(answer, given, strict=True)] == [True] * 4
    assert [node.embedding for node in given] == model.vectors(contents)
    assert "mtime" not in contents[0]
    assert model.asked == [*dict.fromkeys(contents)]
    assert given[0].embedding is not given[2].embedding
    again = nodes()
    ask(way, transform, again, show_progress=False)
    assert [node.embedding for node in again] == model.vectors(contents)
    assert len(model.calls) == 1


@pytest.mark.parametrize("way", ["sync", "async"])
def test_queries_are_aggregated_from_the_cache(model, wrapper, way):
    asked = named(wrapper, way, "get_agg_embedding_from_queries")
    first, second = model.vector("a", "query"), model.vector("b", "query")
    assert ask(way, asked, ["a", "b"]) == [(x + y) / 2 for x, y in zip(first, second, strict=True)]
    assert ask(way, asked, ["b", "a"], agg_fn=max) == max(first, second)
    assert model.asked == ["a", "b"]


def test_similarity_is_that_of_the_model(place):
    class Opposite(li.Model):
        def similarity(self, embedding1, embedding2, mode=None):
            return -1.0

    wrapper = embedonce.wrap(Opposite(), place)
    assert wrapper.similarity([1.0], [1.0]) == -1.0
    assert embedonce.wrap(li.Model(), place).similarity([1.0, 0.0], [1.0, 0.0]) == 1.0


def test_attributes_are_those_of_the_model(place):
    model = li.Model(dimensions=5)
    wrapper = embedonce.wrap(model, place)
    assert isinstance(wrapper, li.BaseEmbedding)
    assert wrapper.dimensions == 5
    assert wrapper.model_name == "m"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = wrapper.no_such_thing
    with pytest.raises(ValueError, match="dimensions"):
        wrapper.dimensions = 4
    wrapper.model_name = "n"
    assert model.model_name == "n"
    assert wrapper.get_text_embedding("a") == li.Model(model_name="n", dimensions=5).vector("a")


def test_what_only_the_class_of_the_model_allows_is_allowed(place):
    wrapper = embedonce.wrap(li.Roomy(), place)
    assert (wrapper.model_name, wrapper.embed_batch_size) == (None, 5000)
    wrapper.get_text_embedding_batch([str(number) for number in range(3000)])
    assert [len(call) for call in wrapper.inner.calls] == [3000]


def test_another_model_may_be_put_inside(model, place, caplog):
    wrapper = embedonce.wrap(model, place)
    wrapper.inner = other = li.Model(model_name="other", embed_batch_size=3)
    assert (wrapper.model_name, wrapper.embed_batch_size) == ("other", 3)
    assert wrapper.get_text_embedding("a") == other.vector("a")
    assert wrapper.namespace == other.embedonce_identity.namespace
    assert model.calls == []
    for nonsense in (wrapper, "text-embedding-3-small", li.Model(embeddings_cache=li.SimpleKVStore())):
        with pytest.raises((TypeError, ValueError)):
            wrapper.inner = nonsense
    assert wrapper.inner is other


# -- misses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("set_on", ["the model", "the wrapper"])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_batches_of_the_model_are_kept_whole(model, wrapper, way, set_on):
    (model if set_on == "the model" else wrapper).embed_batch_size = 7
    many = [str(number) for number in range(1100)]
    assert ask(way, named(wrapper, way, "get_text_embedding_batch"), many) == model.vectors(many)
    assert [len(call) for call in model.calls] == [7] * 157 + [1]


def test_a_batch_size_of_the_user_is_how_often_vectors_are_stored(model, place):
    wrapper = embedonce.wrap(model, place, batch_size=20)
    wrapper.get_text_embedding_batch(TEXTS[:50])
    assert [len(call) for call in model.calls] == [10] * 5
    other = embedonce.wrap(li.Model(), place.with_name("other"), batch_size=5)
    other.get_text_embedding_batch(TEXTS[:10])
    assert [len(call) for call in other.inner.calls] == [5, 5]


@pytest.mark.parametrize("workers", [2, 4])
async def test_async_batches_run_as_many_at_once_as_there_are_workers(place, workers):
    model = li.Crowded(expected=workers)
    wrapper = embedonce.wrap(model, place)
    wrapper.num_workers = workers
    assert await wrapper.aget_text_embedding_batch(TEXTS) == model.vectors(TEXTS)
    assert (len(model.calls), model._most) == (10, workers)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.usefixtures("_rate_limiters")
def test_only_misses_wait_for_the_rate_limiter(wrapper, way):
    wrapper.rate_limiter = limiter = li.Limiter()
    batch, text, query = (
        named(wrapper, way, f"get_{name}") for name in ("text_embedding_batch", "text_embedding", "query_embedding")
    )
    for cold in (True, False):
        before = len(limiter.acquired)
        ask(way, batch, TEXTS[:25])
        ask(way, text, "a")
        ask(way, query, "a")
        assert limiter.acquired[before:] == ([way] * 5 if cold else [])


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_bar_shows_the_misses(wrapper, way, workers, capsys):
    wrapper.num_workers = workers
    batch = named(wrapper, way, "get_text_embedding_batch")
    ask(way, batch, TEXTS[:10])
    assert capsys.readouterr().err == ""
    ask(way, batch, TEXTS[:40], show_progress=True)
    total = "30/30" if way == "sync" else "3/3"
    shown = capsys.readouterr().err
    assert "Generating embeddings" in shown
    assert total in shown
    ask(way, batch, TEXTS[:40], True)
    assert capsys.readouterr().err == ""


def test_what_the_model_tries_again_is_not_seen_outside(place):
    class Shaky(li.Model):
        def _get_text_embeddings(self, texts):
            self._observe("texts", texts)
            return self.vectors(texts) if len(self.calls) > 1 else self._get_text_embeddings(texts)

    wrapper = embedonce.wrap(Shaky(), place)
    assert wrapper.get_text_embedding_batch(["a"]) == wrapper.inner.vectors(["a"])
    assert wrapper.inner.calls == [["a"], ["a"]]
    assert wrapper.cache.stats().embedded == 1


@pytest.mark.parametrize("way", ["sync", "async"])
def test_arguments_that_the_model_ignores_change_nothing(model, wrapper, way):
    batch = named(wrapper, way, "get_text_embedding_batch")
    ask(way, batch, ["a"], task="x", things=[object()])
    assert ask(way, batch, ["a"]) == model.vectors(["a"])
    assert model.asked == ["a"]


def test_arguments_that_the_model_may_heed_are_part_of_the_identity(place, caplog):
    wrapper = embedonce.wrap(li.Batches(), place)
    inner = wrapper.inner
    plain, asked = wrapper.get_text_embedding_batch(["a"]), wrapper.get_text_embedding_batch(["a"], task="x")
    assert (plain[0][-1], asked[0][-1]) == (0.0, 1.0)
    assert wrapper.get_text_embedding_batch(["a"], task="x", show_progress=True) == asked
    wrapper.get_text_embedding_batch(["a"], task="y")
    assert inner.methods == ["batch []", "batch [('task', 'x')]", "batch [('task', 'y')]"]
    assert caplog.messages == []
    for _ in range(2):
        wrapper.get_text_embedding_batch(["a"], things=["x"])
    assert inner.methods[3:] == ["batch [('things', ['x'])]"] * 2
    assert len([message for message in caplog.messages if "bypass the cache" in message]) == 1


# -- images --------------------------------------------------------------------------------------------------------


def test_images_are_passed_through_and_texts_are_cached(place):
    model = li.MultiModalModel(embed_batch_size=2)
    wrapper = embedonce.wrap(model, place)
    assert isinstance(wrapper, li.CachedMultiModalEmbedding)
    assert isinstance(wrapper, li.MultiModalEmbedding)
    image = BytesIO(b"a picture")
    for _ in range(2):
        assert wrapper.get_image_embedding(image) == [1.0, 2.0]
        assert wrapper.get_image_embedding_batch([image, "b.png"]) == [[1.0, 2.0]] * 2
        assert asyncio.run(wrapper.aget_image_embedding("b.png")) == [1.0, 2.0]
        assert asyncio.run(wrapper.aget_image_embedding_batch([image, "b.png", "c.png"], True)) == [[1.0, 2.0]] * 3
        assert wrapper._get_image_embeddings([image]) == [[1.0, 2.0]]
        assert asyncio.run(wrapper._aget_image_embedding(image)) == [1.0, 2.0]
        assert wrapper.get_text_embedding_batch(["a", "b"]) == model.vectors(["a", "b"])
        assert asyncio.run(wrapper.aget_query_embedding("a")) == model.vector("a", "query")
    assert [model.methods.count(name) for name in ("image", "aimage", "texts", "aquery")] == [8, 10, 1, 1]
    assert wrapper.cache.stats().texts == 6
    assert image.tell() == 0


def test_a_wrapper_of_images_takes_only_a_model_of_images(place):
    with pytest.raises(TypeError, match="MultiModalEmbedding"):
        li.CachedMultiModalEmbedding(li.Model(), place)
    assert not isinstance(embedonce.wrap(li.Model(), place), li.MultiModalEmbedding)
    assert embedonce.wrap(li.MultiModalModel(), place).class_name() == "CachedMultiModalEmbedding"


def test_the_mock_of_llamaindex_for_texts_and_images(place):
    if not hasattr(li.embeddings, "MockMultiModalEmbedding"):
        pytest.skip("this LlamaIndex has none")
    mock = embedonce.wrap(li.embeddings.MockMultiModalEmbedding(embed_dim=4), place)
    assert isinstance(mock, li.CachedMultiModalEmbedding)
    assert mock.get_image_embedding("a.png") == mock.get_text_embedding("a") == [0.5] * 4


# -- refusals ------------------------------------------------------------------------------------------------------


def test_what_is_not_an_embedding_model_is_refused(place):
    for inner in (None, "text-embedding-3-small", li.MockEmbedding, object()):
        with pytest.raises(TypeError, match="must be an embedding model of LlamaIndex"):
            li.CachedEmbedding(inner, place)


def test_what_is_wrapped_already_is_refused(wrapper, place):
    with pytest.raises(ValueError, match="wrapped already"):
        li.CachedEmbedding(wrapper, place)
    assert embedonce.wrap(wrapper) is wrapper


def test_sparse_vectors_are_refused(place):
    class Sparse(li.BaseSparseEmbedding):
        def _get_text_embedding(self, text):
            return {0: 1.0}

        _get_query_embedding = _get_text_embedding

        async def _aget_text_embedding(self, text):
            return {0: 1.0}

        _aget_query_embedding = _aget_text_embedding

    with pytest.raises(TypeError, match="sparse"):
        embedonce.wrap(Sparse(), place)
    with pytest.raises(TypeError, match="got Sparse"):
        li.CachedEmbedding(Sparse(), place)


def test_a_model_with_a_cache_of_its_own_is_refused(model, wrapper, place):
    with pytest.raises(ValueError, match="embeddings_cache must be None"):
        embedonce.wrap(li.Model(embeddings_cache=li.SimpleKVStore()), place)
    with pytest.raises(ValueError, match="embeddings_cache must be None"):
        wrapper.embeddings_cache = li.SimpleKVStore()
    wrapper.embeddings_cache = None
    with pytest.raises(TypeError, match="embeddings_cache"):
        li.CachedEmbedding(model, place, embeddings_cache=li.SimpleKVStore())


def test_a_cache_that_the_model_gets_later_is_not_hidden_behind_ours(model, wrapper, place, caplog):
    model.embeddings_cache = li.SimpleKVStore()
    for _ in range(2):
        for way in ("sync", "async"):
            assert ask(way, named(wrapper, way, "get_text_embedding_batch"), ["a", "b"]) == model.vectors(["a", "b"])
            assert ask(way, named(wrapper, way, "get_text_embedding"), "c") == model.vector("c")
            assert ask(way, named(wrapper, way, "get_query_embedding"), "d") == model.vector("d", "query")
    assert wrapper.embedonce_identity is None
    assert wrapper.cache.stats().texts == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "`embeddings_cache` is set" in caplog.text
    with pytest.raises(IdentityError, match="embeddings_cache"):
        _ = wrapper.namespace
    model.embeddings_cache = None
    wrapper.get_text_embedding("a")
    assert wrapper.cache.stats().texts == 1
    replaying = embedonce.wrap(model, place, mode="replay")
    model.embeddings_cache = li.SimpleKVStore()
    for method, asked in (
        ("get_text_embedding", "a"),
        ("get_query_embedding", "a"),
        ("get_text_embedding_batch", ["a"]),
    ):
        with pytest.raises(CacheMissError, match="cannot be replayed"):
            getattr(replaying, method)(asked)


def test_a_model_that_cannot_be_named_needs_a_namespace(place):
    with pytest.raises(IdentityError, match="namespace="):
        li.CachedEmbedding(li.Plain(extra=object()), place)
    with pytest.raises(IdentityError, match="namespace=") as error:
        li.CachedEmbedding(li.Plain(model_name="unknown"), place)
    assert li.SECRET not in str(error.value)
    assert li.CachedEmbedding(li.Plain(extra=object()), place, namespace="acme/e5@3").namespace == "acme/e5@3"


# -- the constructor -----------------------------------------------------------------------------------------------


def test_a_place_may_be_named_as_llamaindex_does(model, place):
    li.CachedEmbedding(model, place).get_text_embedding_batch(TEXTS)
    local = fsspec.filesystem("file")
    for arguments in (
        {"persist_path": str(place)},
        {"persist_path": place.as_uri()},
        {"persist_path": str(place), "fs": local},
        {"store": str(place), "fs": local},
        {"store": EmbeddingCache(place)},
    ):
        assert li.CachedEmbedding(model, **arguments).get_text_embedding_batch(TEXTS) == model.vectors(TEXTS)
    assert len(model.asked) == len(TEXTS)
    with pytest.raises(ValueError, match="both name the place"):
        li.CachedEmbedding(model, place, persist_path=str(place))


def test_options_are_those_of_wrap(model, place):
    wrapper = li.CachedEmbedding(model, place, version=2, symmetric=True, mode="read_only")
    assert wrapper.cache.mode == "read_only"
    assert "version" in wrapper.namespace
    assert wrapper.identity.symmetric
    assert wrapper.wrap_options.version == 2
    with pytest.raises(TypeError, match="no_such_option"):
        li.CachedEmbedding(model, place, no_such_option=1)
    with pytest.raises(ValueError, match="give these options to the EmbeddingCache"):
        li.CachedEmbedding(model, EmbeddingCache(place), mode="read_only")
