"""Processes and pickles, what is deleted, and options that are refused: rows 61 to 70."""

from __future__ import annotations

import multiprocessing
import pickle
import sys

import pytest
from langchain_lanes import NAMED, WAYS, Lane, from_bytes_store, in_lanes, lc, text_itself
from variants import over

import embedonce
from embedonce import EmbeddingCache, IdentityError, KeyEncoderError, StoreError


def _embed_in_a_process(pickled):
    cached = pickle.loads(pickled)
    return cached.embed_documents(["a", "b"]), cached.embed_query("q"), len(cached.underlying_embeddings.calls)


def test_row_61_what_a_spawned_worker_writes_is_there_for_all(tmp_path):
    """In one worker for all lanes, because starting it takes a second."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for name in ("wrap", "path", "segments", "two-stores"):
            lane, model = Lane(name, tmp_path / name), lc.Model()
            cached = lane.cached(model)
            answers = pool.apply(_embed_in_a_process, (pickle.dumps(cached),))
            assert answers == (model.documents(["a", "b"]), model.query("q"), 2), name
            assert cached.embed_documents(["a", "b"]) == model.documents(["a", "b"]), name
            assert cached.embed_query("q") == model.query("q"), name
            assert model.calls == [], name


@in_lanes(protocol=range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_row_62_pickling_leaves_the_original_as_it_is(lane, protocol):
    model = lc.Model()
    cached = lane.cached(model)
    cached.embed_documents(["a"])
    before = dict(vars(cached))
    copied = pickle.loads(pickle.dumps(cached, protocol))
    assert vars(cached) == before
    for embeddings in (copied, cached):
        assert embeddings.embed_documents(["a"]) == [model.document("a")]
        assert embeddings.embed_query("a") == model.query("a")
    assert cached.namespace == copied.namespace
    assert (copied.query_cache is copied.cache) == (cached.query_cache is cached.cache)
    assert len(copied.underlying_embeddings.calls) == 2


@in_lanes(NAMED)
def test_row_66_deleting_takes_what_was_named_and_nothing_else(lane):
    one, other = lc.Model("one"), lc.Model("other")
    for model in (one, other):
        lane.cached(model).embed_documents(["a", "b"])
        lane.cached(model).embed_query("a")
    lane.cached(one).document_embedding_store.mdelete(["a", "absent"])
    one.calls.clear()
    assert lane.cached(one).embed_documents(["a", "b"]) == one.documents(["a", "b"])
    assert lane.cached(one).embed_query("a") == one.query("a")
    # With keys that do not name the model, only one model's values fit into a store at a time.
    if lane.name not in ("bytes", "segments", "two-stores", "identity-keys"):
        assert one.calls == [["a"]]
        other.calls.clear()
        assert lane.cached(other).embed_documents(["a", "b"]) == other.documents(["a", "b"])
        assert other.calls == []


def test_row_68_a_models_name_is_legal_everywhere_on_a_path(tmp_path):
    for name in ("nomic-embed-text:latest", "arn:aws:bedrock:eu::m/v2:0", "../../etc", "ü" * 300, "CON", "a/b\\c\n"):
        for build in (embedonce.wrap, from_bytes_store):
            model = lc.Model(name)
            place = tmp_path / build.__name__
            assert build(model, place).embed_documents(["a"]) == [model.document("a")]
            assert build(model, place).embed_documents(["a"]) == [model.document("a")]
            assert len(model.calls) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"wrap", "from_bytes_store"}


@over(namespace=["nomic-embed-text:latest", "a b", "m@3", "ü", "x" * 200])
def test_row_68_a_namespace_that_a_local_file_store_refuses_is_refused_at_once(tmp_path, namespace):
    with pytest.raises(ValueError, match="pass the path of a new directory"):
        from_bytes_store(lc.Model(), lc.LocalFileStore(tmp_path), namespace=namespace)
    with pytest.raises(ValueError, match="LocalFileStore refuses"):
        from_bytes_store(
            lc.Model(), lc.InMemoryByteStore(), query_embedding_cache=lc.LocalFileStore(tmp_path), namespace=namespace
        )
    from_bytes_store(lc.Model(), lc.LocalFileStore(tmp_path), namespace="BAAI/bge-small-en-v1.5").embed_documents(["a"])


@over(way=WAYS)
async def test_row_69_one_write_holds_each_key_once(way):
    model, store = lc.Model(), lc.OnlyUnique()
    cached = from_bytes_store(model, store, key_encoder=lambda text: text.lower())
    texts = ["a", "a", "A", "b"]
    assert await lc.documents(way, cached, texts) == [model.document(text) for text in ("a", "a", "a", "b")]
    assert cached.cache.stats().write_errors == 0
    assert sorted(store.yield_keys()) == ["a", "b"]


@in_lanes(batch_size=[0, -1, 2.5, "3", True])
def test_row_70_a_bad_batch_size_is_refused_at_construction(lane, batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        lane.cached(lc.Model(), batch_size=batch_size)


@over(encoder=["md5", "SHA256", "", None, 5, b"sha256", ["sha256"]])
def test_row_70_a_bad_encoder_is_refused_at_construction(tmp_path, encoder):
    for place in (lc.InMemoryByteStore(), tmp_path, EmbeddingCache(tmp_path)):
        with pytest.raises(ValueError, match=r"key.encoder"):
            from_bytes_store(lc.Model(), place, namespace="", key_encoder=encoder)


def test_row_70_an_encoder_that_always_fails_is_refused_at_construction():
    """It would look like a cache that never hits."""
    for encoder in (lambda: "key", lambda text: text.nothing, lambda text: 1 / 0):
        with pytest.raises(KeyEncoderError):
            from_bytes_store(lc.Model(), lc.InMemoryByteStore(), key_encoder=encoder)


def test_row_70_an_encoder_whose_package_is_missing_is_refused_at_construction(monkeypatch):
    monkeypatch.setitem(sys.modules, "blake3", None)
    with pytest.raises(KeyEncoderError, match="pip install blake3"):
        from_bytes_store(lc.Model(), lc.InMemoryByteStore(), key_encoder="blake3")


@pytest.mark.parametrize("namespace", [b"", 0, [], " ", b"m"])
def test_row_70_a_namespace_that_is_not_a_name_is_refused_at_construction(tmp_path, namespace):
    for store in (lc.InMemoryByteStore(), tmp_path):
        with pytest.raises(IdentityError, match="a namespace must be a non-empty string"):
            from_bytes_store(lc.Model(), store, namespace=namespace)


def test_row_70_a_namespace_beside_a_callable_is_refused_as_in_langchain():
    with pytest.raises(ValueError, match="namespace"):
        from_bytes_store(lc.Model(), lc.InMemoryByteStore(), namespace="n", key_encoder=text_itself)


def test_row_70_a_store_that_cannot_hold_lists_is_refused_at_construction():
    for store in ("./cache", None, 5, lc.LocalFileStore("x"), lc.InMemoryByteStore(), lc.Sized()):
        with pytest.raises(TypeError, match="from_bytes_store"):
            lc.CacheBackedEmbeddings(lc.Model(), store)
        if store is not None:
            with pytest.raises(TypeError, match="from_bytes_store"):
                lc.CacheBackedEmbeddings(lc.Model(), lc.InMemoryStore(), query_embedding_store=store)


@over(place=["", 5, "nowhere://x", object()])
def test_row_70_what_is_not_a_place_is_refused_at_construction(place, tmp_path):
    with pytest.raises(StoreError):
        from_bytes_store(lc.Model(), place)
    for documents_at in (tmp_path, lc.InMemoryByteStore()):
        with pytest.raises(StoreError):
            from_bytes_store(lc.Model(), documents_at, query_embedding_cache=place)


def test_row_70_another_encoder_than_that_of_the_stored_vectors_is_refused_at_construction(tmp_path):
    from_bytes_store(lc.Model(), tmp_path, key_encoder="sha512").embed_documents(["a"])
    with pytest.raises(KeyEncoderError, match="sha512"):
        from_bytes_store(lc.Model(), tmp_path)
    with pytest.raises(KeyEncoderError, match="sha512"):
        from_bytes_store(lc.Model(), tmp_path / ".." / "elsewhere", query_embedding_cache=tmp_path)


def test_row_70_the_directory_of_a_local_file_store_is_not_a_path_of_ours(tmp_path):
    lc.LocalFileStore(tmp_path).mset([("nse885db5b-c0bd-5fbc-88b1-4d1da6020aa5", b"[1.0]")])
    for build in (embedonce.wrap, from_bytes_store):
        with pytest.raises(StoreError, match="passing the LocalFileStore itself"):
            build(lc.DeterministicFakeEmbedding(size=3), tmp_path)
