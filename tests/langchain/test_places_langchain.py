"""Caches that LangChain has written, its hash functions, and the places where caches may be."""

from __future__ import annotations

import inspect
import json
import os
import uuid
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from langchain_lanes import ENCODERS, LANES, TEXTS, WAYS, Lane, namespace_for, text_itself, texts_for
from lazily import lazily
from variants import over

import embedonce
from embedonce import EmbeddingCache

classic = lazily("langchain_classic.embeddings")
lc = lazily(
    "langchain_classic.storage",
    "langchain_core.embeddings",
    "langchain_core.stores",
    "langchain_support",
    "langchain_embedonce",
)

# -- SHA-1 ---------------------------------------------------------------------------------------------------------


def test_the_sha1_warning_comes_once_and_points_here(sha1_warning):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            line = inspect.currentframe().f_lineno + 1
            lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), lc.InMemoryByteStore())
    assert [(each.filename, each.lineno, each.category) for each in caught] == [(__file__, line, UserWarning)]
    assert "SHA-1 is not collision-resistant" in str(caught[0].message)
    assert "sha256" in str(caught[0].message)


def test_the_sha1_warning_as_an_error_comes_once(sha1_warning):
    with pytest.raises(UserWarning, match="SHA-1"):
        lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), lc.InMemoryByteStore())
    lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), lc.InMemoryByteStore())


def test_there_is_no_sha1_warning_where_there_is_no_sha1(sha1_warning, tmp_path):
    for encoder in ("sha256", "sha512", "blake2b", text_itself):
        lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), lc.InMemoryByteStore(), key_encoder=encoder)
    cached = lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), tmp_path)
    cached.embed_documents(["a"])
    assert {len(key) for key in cached.document_embedding_store.yield_keys()} == {64}, "SHA-256 on a path"


# -- caches that LangChain has written -----------------------------------------------------------------------------


@over(encoder=ENCODERS, way=WAYS)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
async def test_documents_that_langchain_has_stored_are_hits(tmp_path, encoder, way):
    texts, options = texts_for(encoder), {"namespace": namespace_for(encoder), "key_encoder": encoder}
    model, silent = lc.Model(), lc.Model(fail_on=texts_for(encoder))
    classic.CacheBackedEmbeddings.from_bytes_store(model, lc.LocalFileStore(tmp_path), **options).embed_documents(texts)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    cached = lc.CacheBackedEmbeddings.from_bytes_store(silent, lc.LocalFileStore(tmp_path), **options)
    assert await lc.documents(way, cached, texts) == model.documents(texts)
    assert silent.calls == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files, "reading changes nothing"


@over(encoder=ENCODERS, way=WAYS)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
async def test_queries_that_langchain_has_stored_apart_are_hits(tmp_path, encoder, way):
    texts = texts_for(encoder)
    model, silent = lc.Model(), lc.Model(fail_on=texts)

    def options():
        return {
            "namespace": namespace_for(encoder),
            "key_encoder": encoder,
            "query_embedding_cache": lc.LocalFileStore(tmp_path / "queries"),
        }

    files = lc.LocalFileStore(tmp_path / "documents")
    theirs = classic.CacheBackedEmbeddings.from_bytes_store(model, files, **options())
    theirs.embed_documents(texts)
    for text in texts:
        theirs.embed_query(text)
    cached = lc.CacheBackedEmbeddings.from_bytes_store(silent, lc.LocalFileStore(tmp_path / "documents"), **options())
    for text in texts:
        assert await lc.query(way, cached, text) == model.query(text)
    assert await lc.documents(way, cached, texts) == model.documents(texts)
    assert silent.calls == []


@over(symmetric=[True, False], encoder=ENCODERS)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
def test_a_store_that_langchain_has_shared_between_roles(tmp_path, encoder, symmetric):
    """Its values do not say their role: they are documents, and queries too if the model makes no difference."""
    texts = texts_for(encoder)
    model = lc.Model(symmetric=symmetric)
    options = {
        "namespace": namespace_for(encoder),
        "key_encoder": encoder,
        "query_embedding_cache": True,
    }
    theirs = classic.CacheBackedEmbeddings.from_bytes_store(model, lc.LocalFileStore(tmp_path), **options)
    theirs.embed_documents(texts)
    theirs.embed_query(texts[0])
    model.calls.clear()
    cached = lc.CacheBackedEmbeddings.from_bytes_store(model, lc.LocalFileStore(tmp_path), **options)
    assert cached.embed_documents(texts) == model.documents(texts)
    assert cached.embed_query(texts[0]) == model.query(texts[0])
    assert model.calls == ([] if symmetric else [[texts[0]]])


@over(encoder=ENCODERS)
@pytest.mark.usefixtures("_their_sha1_warning_was_given")
def test_new_values_are_kept_under_langchains_keys(tmp_path, encoder):
    texts, options = texts_for(encoder), {"namespace": namespace_for(encoder), "key_encoder": encoder}
    model = lc.Model()
    classic.CacheBackedEmbeddings.from_bytes_store(
        model, lc.LocalFileStore(tmp_path / "theirs"), **options
    ).embed_documents(texts)
    lc.CacheBackedEmbeddings.from_bytes_store(model, lc.LocalFileStore(tmp_path / "ours"), **options).embed_documents(
        texts
    )
    assert sorted(os.listdir(tmp_path / "ours")) == sorted(os.listdir(tmp_path / "theirs"))
    model.calls.clear()
    again = lc.CacheBackedEmbeddings.from_bytes_store(model, lc.LocalFileStore(tmp_path / "ours"), **options)
    assert again.embed_documents(texts) == model.documents(texts)
    assert model.calls == []


@over(way=WAYS)
async def test_a_store_of_lists_that_langchain_has_filled_is_read(way):
    model = lc.Model()
    store, queries = lc.InMemoryStore(), lc.InMemoryStore()
    theirs = classic.CacheBackedEmbeddings(model, store, query_embedding_store=queries)
    theirs.embed_documents(TEXTS)
    theirs.embed_query("hello")
    model.calls.clear()
    cached = lc.CacheBackedEmbeddings(model, store, query_embedding_store=queries)
    assert await lc.documents(way, cached, TEXTS) == model.documents(TEXTS)
    assert await lc.query(way, cached, "hello") == model.query("hello")
    assert model.calls == []
    await lc.documents(way, cached, ["new"])
    assert theirs.embed_documents(["new"]) == [model.document("new")], "and LangChain reads what is new"
    assert model.calls == [["new"]]


@over(numbers=[[1, 2, 3], [0.1, 1e-300, -0.0], [1, 2.5, 3], [2**53 + 1, 0, 1]])
def test_json_values_are_read_exactly(numbers):
    store = lc.InMemoryByteStore()
    store.mset([("a", json.dumps(numbers).encode())])
    cached = lc.CacheBackedEmbeddings.from_bytes_store(lc.Stranger(None), store, key_encoder=text_itself)
    assert cached.embed_documents(["a"]) == [numbers]


# -- places --------------------------------------------------------------------------------------------------------


def _store(path):
    return lc.FsspecByteStore(path)


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
    "store": _store,
}


@over(kind=PLACES, queries=["same", "another", "none"], way=WAYS)
async def test_every_kind_of_place(tmp_path, kind, queries, way):
    place = kind(tmp_path / "documents")
    elsewhere = {"same": True, "another": kind(tmp_path / "queries"), "none": None}[queries]
    model = lc.Model()
    for _ in range(2):
        cached = lc.CacheBackedEmbeddings.from_bytes_store(model, place, query_embedding_cache=elsewhere)
        assert await lc.documents(way, cached, ["a", "b"]) == model.documents(["a", "b"])
        assert await lc.query(way, cached, "a") == model.query("a")
    assert len(model.calls) == (3 if queries == "none" else 2)


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), "./dir").embed_documents(["a"])
    assert (tmp_path / "dir").is_dir()
    model = lc.Model()
    assert embedonce.wrap(model, tmp_path / "dir").embed_documents(["a"]) == [model.document("a")]
    assert model.calls == [], "wrap and from_bytes_store name the same model alike"


def test_queries_elsewhere_than_a_byte_store(tmp_path):
    model = lc.Model()
    for _ in range(2):
        cached = lc.CacheBackedEmbeddings.from_bytes_store(
            model, lc.InMemoryByteStore(), key_encoder="sha256", query_embedding_cache=tmp_path
        )
        assert cached.embed_query("a") == model.query("a")
    assert len(model.calls) == 1


def test_a_namespace_keeps_caches_of_one_model_on_one_path_apart(tmp_path):
    model = lc.Model()
    spaces = {
        lc.CacheBackedEmbeddings.from_bytes_store(model, tmp_path, namespace=namespace).namespace
        for namespace in ("", "one", "other")
    }
    assert len(spaces) == 3


def test_a_cache_has_its_own_encoder(tmp_path):
    with pytest.raises(ValueError, match="EmbeddingCache itself"):
        lc.CacheBackedEmbeddings.from_bytes_store(lc.Model(), EmbeddingCache(tmp_path), key_encoder="sha512")


@over(name=[name for name in LANES if name not in ("wrap", "wrap-memory", "path")])
def test_nothing_but_vectors_is_written_to_the_users_store(tmp_path, name):
    lane = Lane(name, tmp_path)
    cached = lane.cached(lc.Model())
    cached.embed_documents(["a secret text"])
    cached.embed_query("a secret text")
    for value in lane.bytes.store.values():
        assert b"secret" not in value


def test_numpy_from_the_embedder_is_not_kept(tmp_path):
    """What the embedder does to its array later does not reach the cache."""
    array = np.ones((1, 2))
    model = lc.Scripted(array)
    cached = embedonce.wrap(model, tmp_path)
    first = cached.embed_documents(["a"])
    array[:] = 7
    assert first == cached.embed_documents(["a"]) == [[1.0, 1.0]]


def test_langchains_own_example(tmp_path):
    """That of the docstring of LangChain's class, with nothing changed but the import."""
    store = lc.LocalFileStore(tmp_path / "my_cache")
    underlying = lc.DeterministicFakeEmbedding(size=4)
    embedder = lc.CacheBackedEmbeddings.from_bytes_store(underlying, store, namespace="fake")
    assert embedder.embed_documents(["hello", "goodbye"]) == underlying.embed_documents(["hello", "goodbye"])
    assert embedder.embed_documents(["hello", "goodbye"]) == underlying.embed_documents(["hello", "goodbye"])
    assert len(os.listdir(tmp_path / "my_cache")) == 2


@over(answer=[None, "text", iter(())])
def test_a_store_of_lists_that_answers_nonsense_costs_nothing(answer: object) -> None:
    """What is not a list of values is a fault of the store: counted, and the texts are embedded."""

    class Odd(lc.InMemoryStore):
        def mget(self, keys):
            return answer

    embedder = lc.DeterministicFakeEmbedding(size=4)
    wrapped = lc.CacheBackedEmbeddings(embedder, Odd())
    assert wrapped.embed_documents(["a", "b"]) == [list(map(float, v)) for v in embedder.embed_documents(["a", "b"])]
    assert wrapped.cache.stats().read_errors == 1
