"""`CacheBackedEmbeddings` in the place of LangChain's class of that name."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pathlib
import pickle
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_lanes import NAMED, WAYS, Lane, in_lanes, text_itself
from lazily import lazily
from variants import over

import embedonce

classic = lazily("langchain_classic.embeddings")
lc = lazily(
    "langchain_classic.storage",
    "langchain_core.embeddings",
    "langchain_core.stores",
    "langchain_support",
    "langchain_embedonce",
)

# -- the surface ---------------------------------------------------------------------------------------------------


@over(name=["__init__", "from_bytes_store", "embed_documents", "embed_query", "aembed_documents", "aembed_query"])
def test_signatures_are_those_of_langchain(name):
    """Methods that embed also take keyword arguments for the embedder."""

    def parameters(owner):
        listed = inspect.signature(getattr(owner, name)).parameters.values()
        return [(each.name, each.kind, each.default) for each in listed if each.kind is not each.VAR_KEYWORD]

    assert parameters(lc.CacheBackedEmbeddings) == parameters(classic.CacheBackedEmbeddings)
    assert inspect.iscoroutinefunction(getattr(lc.CacheBackedEmbeddings, name)) == name.startswith("a")


def test_public_attributes_are_those_of_langchain():
    model, store, queries = lc.Model(), lc.InMemoryStore(), lc.InMemoryStore()
    cached = lc.CacheBackedEmbeddings(model, store, batch_size=7, query_embedding_store=queries)
    theirs = classic.CacheBackedEmbeddings(model, store, batch_size=7, query_embedding_store=queries)
    assert vars(theirs).keys() == {name for name in vars(theirs) if hasattr(cached, name)}
    for name in vars(theirs):
        assert getattr(cached, name) is getattr(theirs, name)
    assert lc.CacheBackedEmbeddings(model, store).query_embedding_store is None
    assert lc.CacheBackedEmbeddings(model, store).batch_size is None


@in_lanes()
def test_it_is_an_embedder_of_langchain(lane):
    cached = lane.cached(lc.Model())
    assert isinstance(cached, lc.Embeddings)
    assert isinstance(cached, lc.CacheBackedEmbeddings)


@over(encoder=["sha1", "sha256", "sha512", "blake2b"])
@given(
    text=st.text(max_size=40),
    namespace=st.text(max_size=10).filter(lambda namespace: not namespace or namespace.strip()),
)
@settings(deadline=None, max_examples=60)
def test_keys_are_those_of_langchain(encoder, text, namespace):
    """For every text that LangChain itself can encode."""
    theirs, ours = lc.InMemoryByteStore(), lc.InMemoryByteStore()
    model = lc.Model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classic.CacheBackedEmbeddings.from_bytes_store(
            model, theirs, namespace=namespace, key_encoder=encoder
        ).embed_documents([text])
    cached = lc.CacheBackedEmbeddings.from_bytes_store(model, ours, namespace=namespace, key_encoder=encoder)
    cached.embed_documents([text])
    assert list(ours.yield_keys()) == list(theirs.yield_keys())
    assert list(cached.document_embedding_store.yield_keys()) == list(ours.yield_keys())


@in_lanes(NAMED)
def test_the_stores_show_vectors_by_text(lane):
    model = lc.Model()
    cached = lane.cached(model)
    cached.embed_documents(["a", "b"])
    cached.embed_query("q")
    store, queries = cached.document_embedding_store, cached.query_embedding_store
    assert store.mget(["b", "absent", "a"]) == [model.document("b"), None, model.document("a")]
    assert queries.mget(["q", "a"]) == [model.query("q"), None]
    store.mset([("c", [1.0, 2.0, 3.0]), ("d", [1, 2, 3]), ("c", [4.0, 5.0, 6.0])])
    assert cached.embed_documents(["c", "d"]) == [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]
    assert lc.is_plain(store.mget(["c", "d"]))
    store.mdelete(["a"])
    assert store.mget(["a"]) == [None]
    keys = sorted(store.yield_keys())
    assert len(keys) >= 3
    if lane.name != "two-stores":  # LangChain's store of files lists whole directories only.
        assert sorted(store.yield_keys(prefix=keys[0][:6])) == [key for key in keys if key.startswith(keys[0][:6])]
    with pytest.raises(embedonce.EmbedderContractError):
        store.mset([("e", [1.0]), ("f", [1.0, 2.0])])


@in_lanes(NAMED)
async def test_the_stores_have_async_methods(lane):
    model = lc.Model()
    cached = lane.cached(model)
    await cached.aembed_documents(["a"])
    store = cached.document_embedding_store
    assert await store.amget(["a", "b"]) == [model.document("a"), None]
    await store.amset([("b", [1.0, 2.0, 3.0])])
    assert len([key async for key in store.ayield_keys()]) == 2
    await store.amdelete(["a"])
    assert await store.amget(["a", "b"]) == [None, [1.0, 2.0, 3.0]]


def test_a_store_by_text_leaves_out_what_has_no_key(tmp_path):
    """The vectors of the others stay with their own texts."""

    def strict(text):
        return text.encode("utf-8").hex() or "-"

    cached = embedonce.wrap(lc.Model(), tmp_path, key_encoder=strict)
    cached.document_embedding_store.mset([("a", [1.0] * 3), ("\ud800", [2.0] * 3), ("b", [3.0] * 3)])
    assert cached.document_embedding_store.mget(["a", "\ud800", "b"]) == [[1.0] * 3, None, [3.0] * 3]


# -- a model that changes ------------------------------------------------------------------------------------------


@in_lanes(change=[{"model": "other"}, {"dimensions": 5}], way=WAYS)
async def test_a_model_that_is_changed_never_gets_the_former_ones_vectors(lane, change, way):
    model = lc.Model()
    cached = lane.cached(model)
    assert await lc.documents(way, cached, ["a"]) == [model.document("a")]
    assert await lc.query(way, cached, "a") == model.query("a")
    vars(model).update(change)
    for _ in range(2):
        assert await lc.documents(way, cached, ["a", "b"]) == model.documents(["a", "b"])
        assert await lc.query(way, cached, "a") == model.query("a")


@in_lanes()
def test_another_model_in_its_place_never_gets_the_former_ones_vectors(lane):
    cached = lane.cached(lc.Model())
    cached.embed_documents(["a"])
    cached.underlying_embeddings = other = lc.Model("other")
    assert cached.embed_documents(["a"]) == [other.document("a")]


def test_a_changed_model_gets_no_values_that_do_not_say_whose_they_are():
    model, store, lists = lc.Model(), lc.InMemoryByteStore(), lc.InMemoryStore()
    store.mset([("a", b"[7.0, 7.0, 7.0]")])
    lists.mset([("a", [7.0, 7.0, 7.0])])
    for cached in (
        lc.CacheBackedEmbeddings.from_bytes_store(model, store, key_encoder=text_itself),
        lc.CacheBackedEmbeddings(model, lists),
        pickle.loads(pickle.dumps(lc.CacheBackedEmbeddings(model, lists))),
    ):
        inner = cached.underlying_embeddings
        assert cached.embed_documents(["a"]) == [[7.0, 7.0, 7.0]]
        inner.model = "other"
        assert cached.embed_documents(["a"]) == [inner.document("a")]
        inner.model = "m"
    assert lists.mget(["a"]) == [[7.0, 7.0, 7.0]], "and does not put its own beside them"


def test_an_unknown_class_that_is_changed_is_another_model(tmp_path):
    plain = lc.Plain("m", prefix="p: ")
    cached = embedonce.wrap(plain, tmp_path)
    before = cached.embed_documents(["a"])
    plain.prefix = "q: "
    assert cached.embed_documents(["a"]) == plain.embed_documents(["a"]) != before


# -- batches -------------------------------------------------------------------------------------------------------


SIZES = {None: [8], 3: [3, 3, 2], 1: [1] * 8, 100: [8]}
"""How long the calls for eight misses are, by the size of a batch."""


@in_lanes(batch_size=SIZES.keys(), way=WAYS)
async def test_only_misses_are_batched(lane, batch_size, way):
    model = lc.Model()
    lane.cached(model).embed_documents(["hit 1", "hit 2"])
    model.calls.clear()
    texts = ["hit 1", *"abcd", "hit 2", *"efgh"]
    cached = lane.cached(model, batch_size=batch_size)
    assert cached.batch_size == batch_size
    assert await lc.documents(way, cached, texts) == model.documents(texts)
    assert [len(call) for call in model.calls] == SIZES[batch_size]


def test_one_call_by_default_as_in_langchain(tmp_path):
    model = lc.Model()
    texts = [str(number) for number in range(3000)]
    for place in (lc.InMemoryByteStore(), tmp_path):
        model.calls.clear()
        cached = lc.CacheBackedEmbeddings.from_bytes_store(model, place)
        assert cached.batch_size is None
        cached.embed_documents(texts)
        assert model.calls == [texts]


def test_wrap_writes_after_eight_requests(tmp_path):
    model = lc.Model()
    texts = [str(number) for number in range(2500)]
    cached = embedonce.wrap(model, tmp_path)
    assert cached.batch_size == "auto"
    model.chunk_size = 100
    assert cached.batch_size == 800
    cached.embed_documents(texts)
    assert [len(call) for call in model.calls] == [800, 800, 800, 100]
    # For another call, a user may ask for another size.
    cached.batch_size = None
    cached.embed_documents([f"{text}!" for text in texts])
    assert len(model.calls[-1]) == 2500
    assert cached.wrap_options.batch_size is None


@in_lanes(way=WAYS)
async def test_an_empty_list_embeds_nothing(lane, way):
    model = lc.Model()
    assert await lc.documents(way, lane.cached(model), []) == []
    assert model.calls == []


@in_lanes(make=[tuple, iter, dict.fromkeys])
def test_texts_may_come_in_any_iterable(lane, make):
    model = lc.Model()
    assert lane.cached(model).embed_documents(make(["a", "b"])) == model.documents(["a", "b"])


@in_lanes(texts=["abc", b"abc", [1], ["a", None]])
def test_what_is_not_a_list_of_texts_is_refused(lane, texts):
    """LangChain embeds the letters of a string."""
    model = lc.Model()
    with pytest.raises(TypeError, match="texts"):
        lane.cached(model).embed_documents(texts)
    assert model.calls == []


@given(
    cached_texts=st.lists(st.sampled_from("abcdefgh"), max_size=8),
    calls=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=4),
    batch_size=st.sampled_from([None, 1, 2, 3]),
    name=st.sampled_from(["wrap-bytes", "bytes", "identity-keys", "lists"]),
    is_async=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_any_mixture_of_hits_and_duplicates_comes_back_in_order(cached_texts, calls, batch_size, name, is_async):
    model, lane = lc.Model(), Lane(name, pathlib.Path())
    lane.cached(model).embed_documents(cached_texts)
    for texts in calls:
        cached = lane.cached(model, batch_size=batch_size)
        answer = asyncio.run(cached.aembed_documents(texts)) if is_async else cached.embed_documents(texts)
        assert answer == model.documents(texts)
    assert len(model.asked) == len(set(cached_texts).union(*calls))


# -- attributes, copies, wrappers ----------------------------------------------------------------------------------


@in_lanes()
def test_attributes_are_those_of_the_embeddings_inside(lane):
    class WithImages(lc.Model):
        def embed_image(self, uris):
            return [[1.0] for _ in uris]

    cached = lane.cached(lc.Model("e5"))
    assert (cached.model, cached.dimensions) == ("e5", 3)
    assert not hasattr(cached, "embed_image")
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = cached.nothing_like_it
    cached.underlying_embeddings.__wrapped__ = print
    assert not hasattr(cached, "__wrapped__"), "protocols of Python are asked of the wrapper itself"
    assert lane.cached(WithImages()).embed_image(["x"]) == [[1.0]]
    assert lane.cached(openai()).model == "text-embedding-3-small"


@in_lanes(duplicate=[copy.copy, copy.deepcopy, lambda cached: pickle.loads(pickle.dumps(cached))])
def test_copies_work_and_leave_the_original_alone(lane, duplicate):
    model = lc.Model()
    cached = lane.cached(model)
    cached.embed_documents(["a"])
    copied = duplicate(cached)
    assert copied.embed_documents(["a", "b"]) == model.documents(["a", "b"])
    assert copied.embed_query("a") == model.query("a")
    assert cached.embed_documents(["a", "c"]) == model.documents(["a", "c"])
    assert (copied.namespace, copied.batch_size) == (cached.namespace, cached.batch_size)


def test_a_bare_object_can_be_probed():
    """Copying and unpickling look for methods before there is any attribute."""
    bare = lc.CacheBackedEmbeddings.__new__(lc.CacheBackedEmbeddings)
    with pytest.raises(AttributeError):
        _ = bare.model


def openai(**options):
    from langchain_openai import OpenAIEmbeddings

    return OpenAIEmbeddings(**{"model": "text-embedding-3-small", "api_key": SECRET, **options})


SECRET = "s3cr3t-0123456789"


@in_lanes()
def test_nothing_shown_holds_a_secret(lane):
    embedder = openai(default_headers={"Authorization": SECRET}, base_url=f"https://user:{SECRET}@host/v1")
    cached = lane.cached(embedder)
    shown = f"{cached!r} {cached} {cached.cache!r} {cached.namespace} {cached.identity!r} {cached.cache.store}"
    assert SECRET not in shown
    assert "OpenAIEmbeddings" in repr(cached)


def test_wrapping_a_wrapper_gives_it_back(tmp_path):
    cached = embedonce.wrap(lc.Model(), tmp_path / "one")
    assert embedonce.wrap(cached) is cached
    assert embedonce.wrap(cached, tmp_path / "one") is cached
    for options in ({"store": tmp_path / "other"}, {"namespace": "other"}, {"version": 2}, {"mode": "replay"}):
        with pytest.raises(ValueError, match="wrapped already"):
            embedonce.wrap(cached, **{"store": tmp_path / "one", **options})


def test_a_cache_behind_a_cache(tmp_path):
    model = lc.Model()
    inner = lc.CacheBackedEmbeddings.from_bytes_store(model, lc.InMemoryByteStore(), key_encoder="sha256")
    outer = lc.CacheBackedEmbeddings.from_bytes_store(inner, tmp_path, query_embedding_cache=True)
    for _ in range(2):
        assert outer.embed_documents(["a", "b"]) == model.documents(["a", "b"])
        assert outer.embed_query("a") == model.query("a")
    assert outer.identity == inner.embedonce_identity == model.embedonce_identity
    model.model = "other"
    assert outer.embed_documents(["a"]) == [model.document("a")]


@over(way=WAYS)
async def test_an_object_that_only_looks_like_embeddings(tmp_path, way):
    class Duck:
        embedonce_identity = embedonce.Identity.of("tests", "duck")

        def embed_documents(self, texts):
            return [[float(len(text))] for text in texts]

        def embed_query(self, text):
            return [-1.0]

    cached = embedonce.wrap(Duck(), tmp_path)
    assert isinstance(cached, lc.Embeddings)
    assert await lc.documents(way, cached, ["ab"]) == [[2.0]]
    assert await lc.query(way, cached, "ab") == [-1.0]


@over(way=WAYS)
async def test_embeddings_without_async_methods_of_their_own(tmp_path, way):
    cached = embedonce.wrap(lc.Scripted([[1.0]], [2.0]), tmp_path)
    assert await lc.documents(way, cached, ["a"]) == [[1.0]]
    assert await lc.query(way, cached, "a") == [2.0]


@in_lanes()
def test_random_embeddings_are_passed_through_with_one_warning(lane, caplog):
    cached = lane.cached(lc.FakeEmbeddings(size=3))
    assert cached.embed_documents(["a"]) != cached.embed_documents(["a"])
    assert cached.embed_query("a") != cached.embed_query("a")
    assert len(caplog.records) == 1
    assert "random" in caplog.text


@over(way=WAYS)
async def test_a_store_without_async_methods(way):
    class Verbs:
        def __init__(self):
            self.held = {}

        def mget(self, keys):
            return [self.held.get(key) for key in keys]

        def mset(self, pairs):
            self.held.update(pairs)

    for build in (lc.CacheBackedEmbeddings, lc.CacheBackedEmbeddings.from_bytes_store, embedonce.wrap):
        model, store = lc.Model(), Verbs()
        for _ in range(2):
            assert await lc.documents(way, build(model, store), ["a"]) == [model.document("a")]
        assert len(model.calls) == 1
