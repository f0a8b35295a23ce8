"""`CacheBackedEmbeddings` in the place of LangChain's class of that name."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import os
import pathlib
import pickle
import uuid
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_classic.embeddings import CacheBackedEmbeddings as TheirCache
from langchain_classic.storage import LocalFileStore
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings, FakeEmbeddings
from langchain_core.stores import InMemoryByteStore, InMemoryStore
from langchain_support import (
    LANES,
    Lane,
    Model,
    Plain,
    Scripted,
    Stranger,
    documents,
    is_plain,
    query,
    text_itself,
)

import embedonce
from embedonce import EmbeddingCache
from langchain_embedonce import CacheBackedEmbeddings, FsspecByteStore

ENCODERS = ("sha1", "sha256", "sha512", "blake2b", text_itself)
TEXTS = ["hello", "ünï", "two words", "a\nb", ""]
FILE_TEXTS = ["hello", "b-c", "d_e.f"]
"""What LangChain's store of files takes for a key as it is."""


def _name(encoder):
    return encoder if isinstance(encoder, str) else encoder.__name__


def texts_for(encoder):
    return FILE_TEXTS if callable(encoder) else TEXTS


def namespace_for(encoder):
    return "" if callable(encoder) else "ns"


@pytest.fixture
def _their_sha1_warning_was_given(monkeypatch):
    import langchain_classic.embeddings.cache as theirs

    monkeypatch.setattr(theirs, "_warned_about_sha1", True)


# -- the surface ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["__init__", "from_bytes_store", "embed_documents", "embed_query", "aembed_documents", "aembed_query"]
)
def test_signatures_are_those_of_langchain(name):
    """Methods that embed also take keyword arguments for the embedder."""

    def parameters(owner):
        listed = inspect.signature(getattr(owner, name)).parameters.values()
        return [(each.name, each.kind, each.default) for each in listed if each.kind is not each.VAR_KEYWORD]

    assert parameters(CacheBackedEmbeddings) == parameters(TheirCache)
    assert inspect.iscoroutinefunction(getattr(CacheBackedEmbeddings, name)) == name.startswith("a")


def test_public_attributes_are_those_of_langchain():
    model, store, queries = Model(), InMemoryStore(), InMemoryStore()
    cached = CacheBackedEmbeddings(model, store, batch_size=7, query_embedding_store=queries)
    theirs = TheirCache(model, store, batch_size=7, query_embedding_store=queries)
    assert vars(theirs).keys() == {name for name in vars(theirs) if hasattr(cached, name)}
    for name in vars(theirs):
        assert getattr(cached, name) is getattr(theirs, name)
    assert CacheBackedEmbeddings(model, store).query_embedding_store is None
    assert CacheBackedEmbeddings(model, store).batch_size is None


def test_it_is_an_embedder_of_langchain(lane):
    cached = lane.cached(Model())
    assert isinstance(cached, Embeddings)
    assert isinstance(cached, CacheBackedEmbeddings)


@pytest.mark.parametrize("encoder", ["sha1", "sha256", "sha512", "blake2b"])
@given(
    text=st.text(max_size=40),
    namespace=st.text(max_size=10).filter(lambda namespace: not namespace or namespace.strip()),
)
@settings(deadline=None, max_examples=60)
def test_keys_are_those_of_langchain(encoder, text, namespace):
    """For every text that LangChain itself can encode."""
    theirs, ours = InMemoryByteStore(), InMemoryByteStore()
    model = Model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        TheirCache.from_bytes_store(model, theirs, namespace=namespace, key_encoder=encoder).embed_documents([text])
    cached = CacheBackedEmbeddings.from_bytes_store(model, ours, namespace=namespace, key_encoder=encoder)
    cached.embed_documents([text])
    assert list(ours.yield_keys()) == list(theirs.yield_keys())
    assert list(cached.document_embedding_store.yield_keys()) == list(ours.yield_keys())


def test_the_stores_show_vectors_by_text(named_lane):
    model = Model()
    cached = named_lane.cached(model)
    cached.embed_documents(["a", "b"])
    cached.embed_query("q")
    store, queries = cached.document_embedding_store, cached.query_embedding_store
    assert store.mget(["b", "absent", "a"]) == [model.document("b"), None, model.document("a")]
    assert queries.mget(["q", "a"]) == [model.query("q"), None]
    store.mset([("c", [1.0, 2.0, 3.0]), ("d", [1, 2, 3]), ("c", [4.0, 5.0, 6.0])])
    assert cached.embed_documents(["c", "d"]) == [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]
    assert is_plain(store.mget(["c", "d"]))
    store.mdelete(["a"])
    assert store.mget(["a"]) == [None]
    keys = sorted(store.yield_keys())
    assert len(keys) >= 3
    if named_lane.name != "two-stores":  # LangChain's store of files lists whole directories only.
        assert sorted(store.yield_keys(prefix=keys[0][:6])) == [key for key in keys if key.startswith(keys[0][:6])]
    with pytest.raises(embedonce.EmbedderContractError):
        store.mset([("e", [1.0]), ("f", [1.0, 2.0])])


async def test_the_stores_have_async_methods(named_lane):
    model = Model()
    cached = named_lane.cached(model)
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

    cached = embedonce.wrap(Model(), tmp_path, key_encoder=strict)
    cached.document_embedding_store.mset([("a", [1.0] * 3), ("\ud800", [2.0] * 3), ("b", [3.0] * 3)])
    assert cached.document_embedding_store.mget(["a", "\ud800", "b"]) == [[1.0] * 3, None, [3.0] * 3]


# -- SHA-1 ---------------------------------------------------------------------------------------------------------


def test_the_sha1_warning_comes_once_and_points_here(sha1_warning):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            line = inspect.currentframe().f_lineno + 1
            CacheBackedEmbeddings.from_bytes_store(Model(), InMemoryByteStore())
    assert [(each.filename, each.lineno, each.category) for each in caught] == [(__file__, line, UserWarning)]
    assert "SHA-1 is not collision-resistant" in str(caught[0].message)
    assert "sha256" in str(caught[0].message)


def test_the_sha1_warning_as_an_error_comes_once(sha1_warning):
    with pytest.raises(UserWarning, match="SHA-1"):
        CacheBackedEmbeddings.from_bytes_store(Model(), InMemoryByteStore())
    CacheBackedEmbeddings.from_bytes_store(Model(), InMemoryByteStore())


def test_there_is_no_sha1_warning_where_there_is_no_sha1(sha1_warning, tmp_path):
    for encoder in ("sha256", "sha512", "blake2b", text_itself):
        CacheBackedEmbeddings.from_bytes_store(Model(), InMemoryByteStore(), key_encoder=encoder)
    cached = CacheBackedEmbeddings.from_bytes_store(Model(), tmp_path)
    cached.embed_documents(["a"])
    assert {len(key) for key in cached.document_embedding_store.yield_keys()} == {64}, "SHA-256 on a path"


# -- caches that LangChain has written -----------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ENCODERS, ids=_name)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
async def test_documents_that_langchain_has_stored_are_hits(tmp_path, encoder, way):
    texts, options = texts_for(encoder), {"namespace": namespace_for(encoder), "key_encoder": encoder}
    model, silent = Model(), Model(fail_on=texts_for(encoder))
    TheirCache.from_bytes_store(model, LocalFileStore(tmp_path), **options).embed_documents(texts)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    cached = CacheBackedEmbeddings.from_bytes_store(silent, LocalFileStore(tmp_path), **options)
    assert await documents(way, cached, texts) == model.documents(texts)
    assert silent.calls == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files, "reading changes nothing"


@pytest.mark.parametrize("encoder", ENCODERS, ids=_name)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
async def test_queries_that_langchain_has_stored_apart_are_hits(tmp_path, encoder, way):
    texts = texts_for(encoder)
    model, silent = Model(), Model(fail_on=texts)

    def options():
        return {
            "namespace": namespace_for(encoder),
            "key_encoder": encoder,
            "query_embedding_cache": LocalFileStore(tmp_path / "queries"),
        }

    theirs = TheirCache.from_bytes_store(model, LocalFileStore(tmp_path / "documents"), **options())
    theirs.embed_documents(texts)
    for text in texts:
        theirs.embed_query(text)
    cached = CacheBackedEmbeddings.from_bytes_store(silent, LocalFileStore(tmp_path / "documents"), **options())
    for text in texts:
        assert await query(way, cached, text) == model.query(text)
    assert await documents(way, cached, texts) == model.documents(texts)
    assert silent.calls == []


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("encoder", ENCODERS, ids=_name)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
def test_a_store_that_langchain_has_shared_between_roles(tmp_path, encoder, symmetric):
    """Its values do not say their role: they are documents, and queries too if the model makes no difference."""
    texts = texts_for(encoder)
    model = Model(symmetric=symmetric)
    options = {
        "namespace": namespace_for(encoder),
        "key_encoder": encoder,
        "query_embedding_cache": True,
    }
    theirs = TheirCache.from_bytes_store(model, LocalFileStore(tmp_path), **options)
    theirs.embed_documents(texts)
    theirs.embed_query(texts[0])
    model.calls.clear()
    cached = CacheBackedEmbeddings.from_bytes_store(model, LocalFileStore(tmp_path), **options)
    assert cached.embed_documents(texts) == model.documents(texts)
    assert cached.embed_query(texts[0]) == model.query(texts[0])
    assert model.calls == ([] if symmetric else [[texts[0]]])


@pytest.mark.parametrize("encoder", ENCODERS, ids=_name)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
def test_new_values_are_kept_under_langchains_keys(tmp_path, encoder):
    texts, options = texts_for(encoder), {"namespace": namespace_for(encoder), "key_encoder": encoder}
    model = Model()
    TheirCache.from_bytes_store(model, LocalFileStore(tmp_path / "theirs"), **options).embed_documents(texts)
    CacheBackedEmbeddings.from_bytes_store(model, LocalFileStore(tmp_path / "ours"), **options).embed_documents(texts)
    assert sorted(os.listdir(tmp_path / "ours")) == sorted(os.listdir(tmp_path / "theirs"))
    model.calls.clear()
    again = CacheBackedEmbeddings.from_bytes_store(model, LocalFileStore(tmp_path / "ours"), **options)
    assert again.embed_documents(texts) == model.documents(texts)
    assert model.calls == []


async def test_a_store_of_lists_that_langchain_has_filled_is_read(way):
    model = Model()
    store, queries = InMemoryStore(), InMemoryStore()
    theirs = TheirCache(model, store, query_embedding_store=queries)
    theirs.embed_documents(TEXTS)
    theirs.embed_query("hello")
    model.calls.clear()
    cached = CacheBackedEmbeddings(model, store, query_embedding_store=queries)
    assert await documents(way, cached, TEXTS) == model.documents(TEXTS)
    assert await query(way, cached, "hello") == model.query("hello")
    assert model.calls == []
    await documents(way, cached, ["new"])
    assert theirs.embed_documents(["new"]) == [model.document("new")], "and LangChain reads what is new"
    assert model.calls == [["new"]]


@pytest.mark.parametrize("numbers", [[1, 2, 3], [0.1, 1e-300, -0.0], [1, 2.5, 3], [2**53 + 1, 0, 1]], ids=str)
def test_json_values_are_read_exactly(numbers):
    store = InMemoryByteStore()
    store.mset([("a", json.dumps(numbers).encode())])
    cached = CacheBackedEmbeddings.from_bytes_store(Stranger(None), store, key_encoder=text_itself)
    assert cached.embed_documents(["a"]) == [numbers]


# -- a model that changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"model": "other"}, {"dimensions": 5}])
async def test_a_model_that_is_changed_never_gets_the_former_ones_vectors(lane, change, way):
    model = Model()
    cached = lane.cached(model)
    assert await documents(way, cached, ["a"]) == [model.document("a")]
    assert await query(way, cached, "a") == model.query("a")
    vars(model).update(change)
    for _ in range(2):
        assert await documents(way, cached, ["a", "b"]) == model.documents(["a", "b"])
        assert await query(way, cached, "a") == model.query("a")


def test_another_model_in_its_place_never_gets_the_former_ones_vectors(lane):
    cached = lane.cached(Model())
    cached.embed_documents(["a"])
    cached.underlying_embeddings = other = Model("other")
    assert cached.embed_documents(["a"]) == [other.document("a")]


def test_a_changed_model_gets_no_values_that_do_not_say_whose_they_are():
    model, store, lists = Model(), InMemoryByteStore(), InMemoryStore()
    store.mset([("a", b"[7.0, 7.0, 7.0]")])
    lists.mset([("a", [7.0, 7.0, 7.0])])
    for cached in (
        CacheBackedEmbeddings.from_bytes_store(model, store, key_encoder=text_itself),
        CacheBackedEmbeddings(model, lists),
        pickle.loads(pickle.dumps(CacheBackedEmbeddings(model, lists))),
    ):
        inner = cached.underlying_embeddings
        assert cached.embed_documents(["a"]) == [[7.0, 7.0, 7.0]]
        inner.model = "other"
        assert cached.embed_documents(["a"]) == [inner.document("a")]
        inner.model = "m"
    assert lists.mget(["a"]) == [[7.0, 7.0, 7.0]], "and does not put its own beside them"


def test_an_unknown_class_that_is_changed_is_another_model(tmp_path):
    plain = Plain("m", prefix="p: ")
    cached = embedonce.wrap(plain, tmp_path)
    before = cached.embed_documents(["a"])
    plain.prefix = "q: "
    assert cached.embed_documents(["a"]) == plain.embed_documents(["a"]) != before


# -- batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "sizes"), [(None, [8]), (3, [3, 3, 2]), (1, [1] * 8), (100, [8])])
async def test_only_misses_are_batched(lane, batch_size, sizes, way):
    model = Model()
    lane.cached(model).embed_documents(["hit 1", "hit 2"])
    model.calls.clear()
    texts = ["hit 1", *"abcd", "hit 2", *"efgh"]
    cached = lane.cached(model, batch_size=batch_size)
    assert cached.batch_size == batch_size
    assert await documents(way, cached, texts) == model.documents(texts)
    assert [len(call) for call in model.calls] == sizes


def test_one_call_by_default_as_in_langchain(tmp_path):
    model = Model()
    texts = [str(number) for number in range(3000)]
    for place in (InMemoryByteStore(), tmp_path):
        model.calls.clear()
        cached = CacheBackedEmbeddings.from_bytes_store(model, place)
        assert cached.batch_size is None
        cached.embed_documents(texts)
        assert model.calls == [texts]


def test_wrap_writes_as_it_goes_in_multiples_of_the_requests_size(tmp_path):
    model = Model()
    model.chunk_size = 300
    assert embedonce.wrap(model, tmp_path).batch_size == 900
    cached = embedonce.wrap(Model(), tmp_path)
    assert cached.batch_size == 1024
    cached.embed_documents([str(number) for number in range(2500)])
    assert [len(call) for call in cached.underlying_embeddings.calls] == [1024, 1024, 452]


async def test_no_texts_ask_nobody(lane, way):
    model = Model()
    assert await documents(way, lane.cached(model), []) == []
    assert model.calls == []


@pytest.mark.parametrize("make", [tuple, iter, dict.fromkeys])
def test_texts_may_come_in_any_iterable(lane, make):
    model = Model()
    assert lane.cached(model).embed_documents(make(["a", "b"])) == model.documents(["a", "b"])


@pytest.mark.parametrize("texts", ["abc", b"abc", [1], ["a", None]], ids=repr)
def test_what_is_no_list_of_texts_is_refused(lane, texts):
    """LangChain embeds the letters of a string."""
    model = Model()
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
    model, lane = Model(), Lane(name, pathlib.Path())
    lane.cached(model).embed_documents(cached_texts)
    for texts in calls:
        cached = lane.cached(model, batch_size=batch_size)
        answer = asyncio.run(cached.aembed_documents(texts)) if is_async else cached.embed_documents(texts)
        assert answer == model.documents(texts)
    assert len(model.asked) == len(set(cached_texts).union(*calls))


# -- attributes, copies, wrappers ----------------------------------------------------------------------------------


def test_attributes_are_those_of_the_embeddings_inside(lane):
    class WithImages(Model):
        def embed_image(self, uris):
            return [[1.0] for _ in uris]

    cached = lane.cached(Model("e5"))
    assert (cached.model, cached.dimensions) == ("e5", 3)
    assert not hasattr(cached, "embed_image")
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = cached.nothing_like_it
    cached.underlying_embeddings.__wrapped__ = print
    assert not hasattr(cached, "__wrapped__"), "protocols of Python are asked of the wrapper itself"
    assert lane.cached(WithImages()).embed_image(["x"]) == [[1.0]]
    assert lane.cached(openai()).model == "text-embedding-3-small"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda cached: pickle.loads(pickle.dumps(cached))])
def test_copies_work_and_leave_the_original_alone(lane, duplicate):
    model = Model()
    cached = lane.cached(model)
    cached.embed_documents(["a"])
    copied = duplicate(cached)
    assert copied.embed_documents(["a", "b"]) == model.documents(["a", "b"])
    assert copied.embed_query("a") == model.query("a")
    assert cached.embed_documents(["a", "c"]) == model.documents(["a", "c"])
    assert (copied.namespace, copied.batch_size) == (cached.namespace, cached.batch_size)


def test_a_bare_object_can_be_probed():
    """Copying and unpickling look for methods before there is any attribute."""
    bare = CacheBackedEmbeddings.__new__(CacheBackedEmbeddings)
    with pytest.raises(AttributeError):
        _ = bare.model


def openai(**options):
    from langchain_openai import OpenAIEmbeddings

    return OpenAIEmbeddings(**{"model": "text-embedding-3-small", "api_key": SECRET, **options})


SECRET = "s3cr3t-0123456789"


def test_nothing_shown_holds_a_secret(lane):
    embedder = openai(default_headers={"Authorization": SECRET}, base_url=f"https://user:{SECRET}@host/v1")
    cached = lane.cached(embedder)
    shown = f"{cached!r} {cached} {cached.cache!r} {cached.namespace} {cached.identity!r} {cached.cache.store}"
    assert SECRET not in shown
    assert "OpenAIEmbeddings" in repr(cached)


def test_wrapping_a_wrapper_gives_it_back(tmp_path):
    cached = embedonce.wrap(Model(), tmp_path / "one")
    assert embedonce.wrap(cached) is cached
    assert embedonce.wrap(cached, tmp_path / "one") is cached
    for options in ({"store": tmp_path / "other"}, {"namespace": "other"}, {"version": 2}, {"mode": "replay"}):
        with pytest.raises(ValueError, match="wrapped already"):
            embedonce.wrap(cached, **{"store": tmp_path / "one", **options})


def test_a_cache_behind_a_cache(tmp_path):
    model = Model()
    inner = CacheBackedEmbeddings.from_bytes_store(model, InMemoryByteStore(), key_encoder="sha256")
    outer = CacheBackedEmbeddings.from_bytes_store(inner, tmp_path, query_embedding_cache=True)
    for _ in range(2):
        assert outer.embed_documents(["a", "b"]) == model.documents(["a", "b"])
        assert outer.embed_query("a") == model.query("a")
    assert outer.identity == inner.embedonce_identity == model.embedonce_identity
    model.model = "other"
    assert outer.embed_documents(["a"]) == [model.document("a")]


def test_langchains_cache_behind_ours(tmp_path):
    model = Model()
    theirs = TheirCache.from_bytes_store(model, InMemoryByteStore(), key_encoder="sha256")
    cached = embedonce.wrap(theirs, tmp_path)
    assert cached.embed_documents(["a"]) == [model.document("a")]
    assert cached.identity == model.embedonce_identity


async def test_an_object_that_only_looks_like_embeddings(tmp_path, way):
    class Duck:
        embedonce_identity = embedonce.Identity.of("tests", "duck")

        def embed_documents(self, texts):
            return [[float(len(text))] for text in texts]

        def embed_query(self, text):
            return [-1.0]

    cached = embedonce.wrap(Duck(), tmp_path)
    assert isinstance(cached, Embeddings)
    assert await documents(way, cached, ["ab"]) == [[2.0]]
    assert await query(way, cached, "ab") == [-1.0]


async def test_embeddings_without_async_methods_of_their_own(tmp_path, way):
    cached = embedonce.wrap(Scripted([[1.0]], [2.0]), tmp_path)
    assert await documents(way, cached, ["a"]) == [[1.0]]
    assert await query(way, cached, "a") == [2.0]


def test_random_embeddings_are_passed_through_with_one_warning(lane, caplog):
    cached = lane.cached(FakeEmbeddings(size=3))
    assert cached.embed_documents(["a"]) != cached.embed_documents(["a"])
    assert cached.embed_query("a") != cached.embed_query("a")
    assert len(caplog.records) == 1
    assert "random" in caplog.text


async def test_a_store_without_async_methods(way):
    class Verbs:
        def __init__(self):
            self.held = {}

        def mget(self, keys):
            return [self.held.get(key) for key in keys]

        def mset(self, pairs):
            self.held.update(pairs)

    for build in (CacheBackedEmbeddings, CacheBackedEmbeddings.from_bytes_store, embedonce.wrap):
        model, store = Model(), Verbs()
        for _ in range(2):
            assert await documents(way, build(model, store), ["a"]) == [model.document("a")]
        assert len(model.calls) == 1


# -- places --------------------------------------------------------------------------------------------------------


def _on_memory(_):
    from fsspec.implementations.memory import MemoryFileSystem

    return (MemoryFileSystem(), f"/{uuid.uuid4()}")


def _universal_path(_):
    """What embedonce asks of a `UPath`."""
    fs, path = _on_memory(_)
    return SimpleNamespace(fs=fs, path=path, protocol="memory")


PLACES = {
    "str": str,
    "path": lambda path: path,
    "file URL": lambda path: f"file://{path}",
    "memory URL": lambda path: f"memory://{uuid.uuid4()}",
    "pair": _on_memory,
    "UPath": _universal_path,
    "cache": EmbeddingCache,
    "store": FsspecByteStore,
}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("queries", ["same", "another", "none"])
async def test_every_kind_of_place(tmp_path, kind, queries, way):
    place = PLACES[kind](tmp_path / "documents")
    elsewhere = {"same": True, "another": PLACES[kind](tmp_path / "queries"), "none": None}[queries]
    model = Model()
    for _ in range(2):
        cached = CacheBackedEmbeddings.from_bytes_store(model, place, query_embedding_cache=elsewhere)
        assert await documents(way, cached, ["a", "b"]) == model.documents(["a", "b"])
        assert await query(way, cached, "a") == model.query("a")
    assert len(model.calls) == (3 if queries == "none" else 2)


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CacheBackedEmbeddings.from_bytes_store(Model(), "./dir").embed_documents(["a"])
    assert (tmp_path / "dir").is_dir()
    model = Model()
    assert embedonce.wrap(model, tmp_path / "dir").embed_documents(["a"]) == [model.document("a")]
    assert model.calls == [], "wrap and from_bytes_store name the same model alike"


def test_queries_elsewhere_than_a_byte_store(tmp_path):
    model = Model()
    for _ in range(2):
        cached = CacheBackedEmbeddings.from_bytes_store(
            model, InMemoryByteStore(), key_encoder="sha256", query_embedding_cache=tmp_path
        )
        assert cached.embed_query("a") == model.query("a")
    assert len(model.calls) == 1


def test_a_namespace_keeps_caches_of_one_model_on_one_path_apart(tmp_path):
    model = Model()
    spaces = {
        CacheBackedEmbeddings.from_bytes_store(model, tmp_path, namespace=namespace).namespace
        for namespace in ("", "one", "other")
    }
    assert len(spaces) == 3


def test_a_cache_has_its_own_encoder(tmp_path):
    with pytest.raises(ValueError, match="EmbeddingCache itself"):
        CacheBackedEmbeddings.from_bytes_store(Model(), EmbeddingCache(tmp_path), key_encoder="sha512")


@pytest.mark.parametrize("name", [name for name in LANES if name not in ("wrap", "wrap-memory", "path")])
def test_nothing_but_vectors_is_written_to_the_users_store(tmp_path, name):
    lane = Lane(name, tmp_path)
    cached = lane.cached(Model())
    cached.embed_documents(["a secret text"])
    cached.embed_query("a secret text")
    for value in lane.bytes.store.values():
        assert b"secret" not in value


def test_numpy_from_the_embedder_is_not_kept(tmp_path):
    """What the embedder does to its array later does not reach the cache."""
    array = np.ones((1, 2))
    model = Scripted(array)
    cached = embedonce.wrap(model, tmp_path)
    first = cached.embed_documents(["a"])
    array[:] = 7
    assert first == cached.embed_documents(["a"]) == [[1.0, 1.0]]


def test_langchains_own_example(tmp_path):
    """That of the docstring of LangChain's class, with nothing changed but the import."""
    store = LocalFileStore(tmp_path / "my_cache")
    underlying = DeterministicFakeEmbedding(size=4)
    embedder = CacheBackedEmbeddings.from_bytes_store(underlying, store, namespace="fake")
    assert embedder.embed_documents(["hello", "goodbye"]) == underlying.embed_documents(["hello", "goodbye"])
    assert embedder.embed_documents(["hello", "goodbye"]) == underlying.embed_documents(["hello", "goodbye"])
    assert len(os.listdir(tmp_path / "my_cache")) == 2


@pytest.mark.parametrize("answer", [None, "text", iter(())], ids=["None", "str", "iterator"])
def test_a_store_of_lists_that_answers_nonsense_costs_nothing(answer: object) -> None:
    """What is no list of values is a fault of the store: counted, and the texts are embedded."""

    class Odd(InMemoryStore):
        def mget(self, keys):
            return answer

    embedder = DeterministicFakeEmbedding(size=4)
    wrapped = CacheBackedEmbeddings(embedder, Odd())
    assert wrapped.embed_documents(["a", "b"]) == [list(map(float, v)) for v in embedder.embed_documents(["a", "b"])]
    assert wrapped.cache.stats().read_errors == 1
