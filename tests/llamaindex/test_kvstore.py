"""The segment store as a key-value store of LlamaIndex."""

from __future__ import annotations

import copy
import datetime as dt
import json
import logging
import math
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.schema import Document, TextNode, TransformComponent
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore
from llama_index.core.storage.index_store.keyval_index_store import KVIndexStore
from llama_index.core.storage.kvstore import SimpleKVStore

from embedonce import Identity, IdentityError, StoreError
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from llama_index.embeddings.embedonce import FsspecKVStore

ODD_TEXTS = ["", "/", "a/b/../c", "a\0b", "\ud83d\ude00", "\U0001f600", "\ud800", "x" * 100_000, "\n", "é"]
SECRET = "s3cr3t-0123456789"


@pytest.fixture
def kv(tmp_path):
    with FsspecKVStore(tmp_path / "kv") as store:
        yield store


@pytest.fixture
def warnings_of(caplog):
    caplog.set_level(logging.WARNING, "embedonce")

    def taken():
        messages = [record.getMessage() for record in caplog.records if record.name == "embedonce"]
        caplog.clear()
        return messages

    return taken


# -- the methods of a key-value store ------------------------------------------------------------------------------


def test_put_get_and_delete(kv):
    assert kv.get("a") is None
    kv.put("a", {"x": 1})
    kv.put("a", {"x": 2}, collection="other")
    assert (kv.get("a"), kv.get("a", "other"), kv.get("a", "third")) == ({"x": 1}, {"x": 2}, None)
    kv.put("a", {"x": 3})
    assert kv.get("a") == {"x": 3}
    assert kv.get_all() == {"a": {"x": 3}}
    assert kv.delete("a") is True
    assert kv.delete("a") is False
    assert kv.get("a") is None
    assert kv.get_all() == {}
    assert kv.get_all("other") == {"a": {"x": 2}}


async def test_async_twins_answer_alike_and_never_on_the_event_loop(kv, monkeypatch):
    used = set()
    originals = {name: getattr(SegmentStore, name) for name in ("mget", "mset", "mdelete", "yield_keys")}
    for name, original in originals.items():

        def noting(self, *args, name=name, original=original, **kwargs):
            used.add((name, threading.get_ident()))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(SegmentStore, name, noting)
    await kv.aput("a", {"x": 1})
    await kv.aput_all([("b", {"x": 2}), ("c", {"x": 3})], collection="data", batch_size=1)
    assert await kv.aget("a") == {"x": 1}
    assert await kv.adelete("a") is True
    assert await kv.adelete("a") is False
    assert await kv.aget("a") is None
    assert await kv.aget_all() == {"b": {"x": 2}, "c": {"x": 3}}
    assert {name for name, _ in used} == {"mget", "mset", "mdelete", "yield_keys"}
    assert threading.get_ident() not in {thread for _, thread in used}


def test_what_comes_back_is_a_copy(kv):
    value = {"x": [1, {"y": 2}]}
    kv.put("a", value)
    value["x"][1]["y"] = 3
    kv.get("a")["x"].append(4)
    kv.get_all()["a"]["x"].append(5)
    assert kv.get("a") == {"x": [1, {"y": 2}]}


def test_any_text_is_a_key_and_a_collection(kv):
    for collection in ODD_TEXTS:
        kv.put_all([(key, {"is": [collection, key]}) for key in ODD_TEXTS], collection, batch_size=3)
    for collection in ODD_TEXTS:
        assert kv.get_all(collection) == {key: {"is": [collection, key]} for key in ODD_TEXTS}
    assert kv.get("\ud83d\ude00", "\ud800") == {"is": ["\ud800", "\ud83d\ude00"]}
    assert kv.delete("a\0b", "/") is True
    assert len(kv.get_all("/")) == len(ODD_TEXTS) - 1


texts = st.text(st.characters(), max_size=4) | st.sampled_from(["\0", "\0\0", "\0a"])
floats = st.floats(allow_nan=False, allow_infinity=False)
vectors = st.lists(floats, min_size=8, max_size=12) | st.lists(st.integers(), min_size=8, max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4) | vectors,
)
dicts = st.dictionaries(texts, values, max_size=3)
names = {"key": st.sampled_from(["a", "b"]), "collection": st.sampled_from(["c", "d"])}
steps = st.lists(
    st.one_of(
        st.fixed_dictionaries({"put": dicts, **names}),
        st.fixed_dictionaries({"delete": st.none(), **names}),
    ),
    max_size=8,
)


@given(steps=steps)
@settings(max_examples=40, deadline=None)
def test_it_does_what_the_simple_store_does(steps, tmp_path_factory):
    model = SimpleKVStore()
    with FsspecKVStore(tmp_path_factory.mktemp("kv")) as kv:
        for step in steps:
            where = {"key": step["key"], "collection": step["collection"]}
            if "put" in step:
                model.put(val=step["put"], **where)
                kv.put(val=step["put"], **where)
            else:
                assert kv.delete(**where) == model.delete(**where)
            assert repr(kv.get(**where)) == repr(model.get(**where))
        for collection in "cd":
            assert kv.get_all(collection) == model.get_all(collection)


def test_the_last_value_of_a_repeated_key_wins_and_many_are_one_write(kv, monkeypatch):
    written = []
    original = SegmentStore.mset
    monkeypatch.setattr(SegmentStore, "mset", lambda self, pairs: (written.append(len(pairs)), original(self, pairs)))
    kv.put_all(((f"k{i % 500}", {"i": i}) for i in range(1000)), batch_size=7)
    assert [count for count in written if count] == [500]
    assert kv.get_all() == {f"k{i}": {"i": i + 500} for i in range(500)}


def test_truth_and_length_are_not_a_stores(kv):
    """LlamaIndex tests a cache for truth."""
    assert kv
    with pytest.raises(TypeError):
        len(kv)


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [
        [0.5, -0.0, 1.0],
        [0.1, 1e308, 5e-324],
        [1, -2, 127],
        [200, -1],
        [2**63],
        [2**63 - 1, -(2**63)],
        [2**64],
        [1, 0.5],
        [True, False],
        [],
        [0.1] * 3072,
    ],
)
@pytest.mark.parametrize("times", [1, 10])
def test_vectors_come_back_exactly(kv, numbers, times):
    """Short ones are kept as JSON, long ones as numbers."""
    value = {"uuid": numbers * times}
    kv.put("text", value)
    assert repr(kv.get("text")) == repr(value)


@pytest.mark.parametrize("numbers", [np.array([0.1, 2], "<f4"), [np.float32(0.1), 0.1], np.arange(3), [np.int8(3)]])
def test_numbers_of_numpy_come_back_as_plain_ones(kv, numbers):
    kv.put("text", {"uuid": numbers})
    (found,) = kv.get("text").values()
    assert found == list(numbers)
    assert {type(number) for number in found} <= {int, float}


VECTOR = [i / 7 for i in range(20)]


@pytest.mark.parametrize(
    "value",
    [
        {"nodes": [{"embedding": VECTOR, "text": "a"}, {"embedding": None}, {"embedding": VECTOR[::-1]}]},
        {"\0": 0},
        {"\0": VECTOR},
        {"\0\0": {"\0": VECTOR, "a": {"\0a": "\0"}}},
        {"a": {"\0": 7}, "b": [[VECTOR, [1] * 9], []], "c": "\0"},
    ],
)
def test_vectors_anywhere_in_a_value(kv, value):
    """Whatever else looks like what stands for them."""
    kv.put("a", value)
    assert repr(kv.get("a")) == repr(value)


def test_tuples_come_back_as_lists(kv):
    kv.put("a", {"x": (1, (0.5,) * 20)})
    assert kv.get("a") == {"x": [1, [0.5] * 20]}


def test_a_vector_takes_no_more_than_its_numbers(kv, tmp_path):
    vector = np.random.default_rng(0).random(1536, "<f4").tolist()
    kv.put_all([(f"text {i}", {f"uuid {i}": vector}) for i in range(100)])
    stored = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert stored < 100 * (4 * 1536 + 400)
    assert kv.get("text 7") == {"uuid 7": vector}


def test_values_longer_than_the_store_takes(kv, tmp_path):
    """An ingestion cache holds all nodes of a run in one value."""
    value = {"nodes": [f"{i}" * 1_000_000 for i in range(10, 30)]}
    kv.put("large", value)
    kv.put("small", {"x": 1})
    assert FsspecKVStore(tmp_path / "kv").get("large") == value
    assert kv.get_all() == {"large": value, "small": {"x": 1}}
    kv.put("large", {"nodes": []})
    assert kv.get_all() == {"large": {"nodes": []}, "small": {"x": 1}}
    kv.put("large", value)
    kv.delete("large")
    assert kv.get_all() == {"small": {"x": 1}}
    assert len(list(SegmentStore(as_location(tmp_path / "kv"), NamespaceDirectory.of("kvstore")).yield_keys())) == 1


_own: dict[str, Any] = {}
_own["itself"] = _own


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": math.nan}, "not JSON compliant"),
        ({"a": {"b": [1, math.inf]}}, "not JSON compliant"),
        ({"a": {"b": [0.5, math.nan] * 9}}, r"val\['a'\]\['b'\] holds a number that is not finite"),
        ({"a": np.array([np.inf])}, "not finite"),
        ({"a": dt.date(2026, 1, 1)}, "date is not JSON"),
        ({"a": b"x"}, "bytes is not JSON"),
        ({"a": np.ones((2, 2))}, "ndarray is not JSON"),
        ({1: "x"}, "val has a key of type int"),
        ({"a": [{"b": {None: 1}}]}, r"val\['a'\]\[0\]\['b'\] has a key of type NoneType"),
        (_own, "nested too deeply"),
        (["a"], "must be a dict, got list"),
        (None, "must be a dict, got NoneType"),
    ],
)
def test_what_json_cannot_hold_is_refused_before_anything_is_written(kv, value, message):
    with pytest.raises(ValueError, match=message):
        kv.put_all([("good", {"x": 1}), ("bad", value)])
    assert kv.get_all() == {}


@pytest.mark.parametrize("name", [None, 3, b"a", ["a"]])
def test_names_that_are_no_text_are_refused(kv, name):
    for call in (kv.get, kv.delete, kv.get_all, lambda key: kv.put(key, {}), lambda key: kv.get("a", key)):
        with pytest.raises(ValueError, match=f"must be str, got {type(name).__name__}"):
            call(name)


# -- damage --------------------------------------------------------------------------------------------------------


def _damages(value: bytes, other: bytes):
    yield from (b"junk", value[:3], value[:11], value[:-1], value + b"x", other)
    yield from (bytes([*value[:at], value[at] ^ 1, *value[at + 1 :]]) for at in range(0, len(value), 5))


@pytest.mark.parametrize("value", [{"x": {"y": "z"}}, {"uuid": [0.5] * 9}, {"long": "x" * (17 << 20)}])
def test_a_damaged_or_foreign_value_is_absent_and_logged_once(tmp_path, warnings_of, value):
    kv = FsspecKVStore(tmp_path)
    kv.put_all([("a", value), ("b", {"fine": 1})])
    raw = SegmentStore(as_location(tmp_path), NamespaceDirectory.of("kvstore"))
    stored = {key: raw.mget([key])[0] for key in raw.yield_keys()}
    for key, content in stored.items():
        if len(content) > 1000:
            damages = [b"junk", content[:-1], content[:-1] + b"?"]
        else:
            damages = list(_damages(content, next(other for name, other in stored.items() if name != key)))
        for damaged in damages:
            raw.mset([(key, damaged)])
            fresh = FsspecKVStore(tmp_path)
            assert len(fresh.get_all()) == 1
            assert [fresh.get("a"), fresh.get("b")].count(None) == 1
            messages = warnings_of()
            assert len(messages) == 1
            assert "damaged or not its own" in messages[0]
            assert "'a'" not in messages[0]
        raw.mset([(key, content)])
    assert FsspecKVStore(tmp_path).get_all() == {"a": value, "b": {"fine": 1}}


def test_a_damaged_value_can_be_replaced_and_deleted(tmp_path):
    kv = FsspecKVStore(tmp_path)
    kv.put_all([("a", {"x": 1}), ("b", {"x": 2})])
    raw = SegmentStore(as_location(tmp_path), NamespaceDirectory.of("kvstore"))
    raw.mset([(key, b"junk") for key in raw.yield_keys()])
    kv.put("a", {"x": 3})
    assert kv.get_all() == {"a": {"x": 3}}
    assert kv.delete("b") is True
    assert list(raw.yield_keys(prefix="")) != []
    assert kv.delete("b") is False


def test_a_flipped_bit_in_a_file_is_a_miss(tmp_path, warnings_of):
    FsspecKVStore(tmp_path).put("a", {"uuid": [0.5] * 64})
    file = max((file for file in tmp_path.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    assert FsspecKVStore(tmp_path).get("a") is None
    assert len(warnings_of()) == 1


# -- opening, processes, pickles -----------------------------------------------------------------------------------

READ = """
import json, sys
from llama_index.embeddings.embedonce import FsspecKVStore
print(json.dumps(FsspecKVStore(sys.argv[1]).get_all("c")))
"""


def test_a_new_process_reads_what_was_put(kv, tmp_path):
    kv.put_all([("a", {"uuid": [0.1, 0.2]}), ("b/ü", {"x": None})], "c")
    answer = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "kv")], capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout) == kv.get_all("c")


def test_two_spawned_processes_write_through_pickles(kv):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(kv.put_all, [(f"{i}-{j}", {"x": j}) for j in range(20)]) for i in range(6)]
        for each in waiting:
            each.result()
        assert pool.submit(kv.delete, "0-0").result() is True
    assert kv.get_all() == {f"{i}-{j}": {"x": j} for i in range(6) for j in range(20) if (i, j) != (0, 0)}


def test_pickled_and_deep_copies_open_the_same_place(kv):
    kv.put("a", {"x": 1})
    for twin in (pickle.loads(pickle.dumps(kv)), copy.deepcopy(kv)):
        assert twin.get("a") == {"x": 1}
        assert str(twin) == str(kv)


def test_places_as_llamaindex_names_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FsspecKVStore("./storage/cache").put("a", {"x": 1})
    local = fsspec.filesystem("file")
    for path in (tmp_path / "storage" / "cache", "storage/cache", f"file://{tmp_path}/storage/cache"):
        assert FsspecKVStore(path, fs=local).get("a") == {"x": 1}
    with pytest.raises(ValueError, match="path is a URL of 's3', and fs is a LocalFileSystem"):
        FsspecKVStore("s3://bucket/x", fs=local)
    with pytest.raises(ValueError, match="there is no path"):
        FsspecKVStore(fs=local)
    with pytest.raises(StoreError, match="storage_options beside an instance"):
        FsspecKVStore("bucket/x", fs=fsspec.filesystem("memory"), storage_options={"token": SECRET})
    with pytest.raises(IdentityError, match="non-empty"):
        FsspecKVStore("storage/cache", namespace="")


def test_namespaces_are_apart_and_a_read_only_store_writes_nothing(kv, tmp_path):
    kv.put("a", {"x": 1})
    assert FsspecKVStore(tmp_path / "kv", namespace="other").get("a") is None
    reader = FsspecKVStore(tmp_path / "kv", read_only=True)
    assert reader.get("a") == {"x": 1}
    for call in (lambda: reader.put("b", {}), lambda: reader.delete("a")):
        with pytest.raises(StoreError, match="read-only"):
            call()
    assert kv.get_all() == {"a": {"x": 1}}


# -- on S3 ---------------------------------------------------------------------------------------------------------


def test_thousands_of_entries_on_s3_are_a_few_requests(s3_place):
    def store():
        return FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options)

    entries = {f"text {i}": {f"uuid {i}": [i + 0.5] * 64} for i in range(2000)}
    s3_place.server.clear()
    store().put_all(list(entries.items()), "embeddings")
    assert s3_place.server.counts["PUT"] <= 3
    s3_place.server.clear()
    assert store().get_all("embeddings") == entries
    assert sum(s3_place.server.counts.values()) <= 6


def test_an_ingestion_cache_on_s3(s3_place):
    def run():
        with FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options) as kv:
            pipeline = IngestionPipeline(transformations=[Upper(), Model()], cache=IngestionCache(cache=kv))
            nodes = pipeline.run(documents=[Document(text=f"text {i}", id_=f"{i}") for i in range(5)])
        return [(node.get_content(), node.embedding) for node in nodes]

    first = run()
    assert run() == first
    assert len(EMBEDDED) == 10


def test_what_waits_is_seen_here_and_stored_by_flush(s3_place):
    path = s3_place.url.partition("://")[2]
    fs = fsspec.filesystem("s3", **s3_place.storage_options)
    kv, other = (FsspecKVStore(path, fs=fs) for _ in range(2))
    kv.put("a", {"x": 1})
    assert kv.get("a") == {"x": 1}
    assert other.get("a") is None
    kv.flush()
    assert other.get("a") is None, "a listing is believed for a while"
    assert other.delete("a") is True, "but not by who deletes"
    assert FsspecKVStore(path, fs=fs, read_only=True).get_all() in ({}, {"a": {"x": 1}})
    other.close()
    assert FsspecKVStore(path, fs=fs).get_all() == {}


def test_nothing_shows_credentials(s3_place):
    kv = FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options)
    for name in ("key", "secret"):
        assert s3_place.storage_options[name].encode() not in pickle.dumps(kv)
        assert s3_place.storage_options[name] not in f"{kv} {kv!r}"


def test_an_outage_is_no_miss(s3_place):
    from servers import fault, s3_error

    kv = FsspecKVStore(s3_place.url, storage_options=s3_place.storage_options, refresh_interval=0)
    s3_place.server.fault = fault(s3_error(403, "AccessDenied"))
    for call in (lambda: kv.get("a"), kv.get_all, lambda: kv.delete("a")):
        with pytest.raises(StoreError):
            call()


# -- in LlamaIndex -------------------------------------------------------------------------------------------------


class Model(BaseEmbedding):
    """Counts the texts that it embeds."""

    embedonce_identity: Any = Identity.of("acme", "e5", symmetric=True)

    def _vector(self, text):
        EMBEDDED.append(text)
        return [len(text) / 3, 0.1, 1.0]

    def _get_text_embedding(self, text):
        return self._vector(text)

    def _get_query_embedding(self, query):
        return self._vector(query)

    async def _aget_query_embedding(self, query):
        return self._vector(query)


EMBEDDED: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_embedded():
    EMBEDDED.clear()


class Upper(TransformComponent):
    """Counts its nodes."""

    def __call__(self, nodes, **kwargs):
        EMBEDDED.extend(node.get_content() for node in nodes)
        return [TextNode(text=node.get_content().upper(), metadata={"a": [1, {"b": None}]}) for node in nodes]


@pytest.mark.parametrize("way", ["run", "arun"])
async def test_an_ingestion_cache(kv, tmp_path, way, capsys):
    async def run(cache):
        pipeline = IngestionPipeline(transformations=[Upper(), Model()], cache=IngestionCache(cache=cache))
        documents = [Document(text=f"text {i}", id_=f"{i}") for i in range(5)]
        nodes = pipeline.run(documents=documents) if way == "run" else await pipeline.arun(documents=documents)
        return [(node.get_content(), node.embedding, node.metadata, node.relationships) for node in nodes]

    first = await run(kv)
    assert len(EMBEDDED) == 10
    assert await run(FsspecKVStore(tmp_path / "kv")) == first
    assert len(EMBEDDED) == 10
    cache = IngestionCache(cache=kv)
    cache.persist(str(tmp_path / "elsewhere"))
    assert "skipping persist" in capsys.readouterr().out
    cache.clear()
    assert kv.get_all(cache.collection) == {}
    assert await run(kv) == first
    assert len(EMBEDDED) == 20


async def test_an_embeddings_cache(tmp_path):
    texts = [f"text {i}" for i in range(25)]
    model = Model()
    model.embeddings_cache = FsspecKVStore.for_model(Model(), tmp_path)
    given = model.get_text_embedding_batch(texts)
    query = model.get_query_embedding("a question")
    assert [*texts, "a question"] == EMBEDDED
    again = Model(embeddings_cache=FsspecKVStore.for_model(Model(), tmp_path))
    assert again.get_text_embedding_batch(texts) == given
    assert await again.aget_text_embedding_batch(texts) == given
    assert await again.aget_query_embedding("a question") == query
    assert len(EMBEDDED) == 26


def test_a_pipeline_does_not_mind_where_the_embeddings_are_cached(tmp_path):
    """The path would be part of what the pipeline hashes, as long as it showed in the `repr`."""
    kv = FsspecKVStore(tmp_path / "ingestion")
    for place in ("one", "two"):
        model = Model(embeddings_cache=FsspecKVStore.for_model(Model(), tmp_path / place))
        IngestionPipeline(transformations=[model], cache=IngestionCache(cache=kv)).run(nodes=[TextNode(text="a")])
    assert EMBEDDED == ["a"]


async def test_document_and_index_stores(kv, tmp_path):
    nodes = [TextNode(text=f"text {i}", id_=f"node {i}", metadata={"i": i}) for i in range(30)]
    KVDocumentStore(kv).add_documents(nodes)
    docstore = KVDocumentStore(FsspecKVStore(tmp_path / "kv"))
    assert docstore.docs == {node.node_id: node for node in nodes}
    assert docstore.get_document("node 3") == nodes[3]
    assert docstore.get_all_document_hashes() == {node.hash: node.node_id for node in nodes}
    docstore.delete_document("node 3")
    await docstore.adelete_document("node 4")
    assert docstore.get_document("node 3", raise_error=False) is None
    assert len(KVDocumentStore(kv).docs) == 28

    from llama_index.core.data_structs import IndexDict

    index = IndexDict(index_id="i", nodes_dict={"v": "node 1"})
    KVIndexStore(kv).add_index_struct(index)
    assert KVIndexStore(FsspecKVStore(tmp_path / "kv")).get_index_struct("i") == index


# -- bound to one model --------------------------------------------------------------------------------------------


def test_models_never_share_a_store(tmp_path):
    one = FsspecKVStore.for_model(Model(), tmp_path)
    one.put("text", {"uuid": [1.0]}, "embeddings")
    other = Model(embedonce_identity=Identity.of("acme", "e6", symmetric=True))
    assert FsspecKVStore.for_model(other, tmp_path).get("text", "embeddings") is None
    assert FsspecKVStore.for_model(Model(), tmp_path, version=2).get("text", "embeddings") is None
    assert FsspecKVStore.for_model(Model(), tmp_path).get("text", "embeddings") == {"uuid": [1.0]}
    assert FsspecKVStore(tmp_path, namespace=one.namespace).get("text", "embeddings") == {"uuid": [1.0]}
    assert "acme/e5" in one.namespace


def test_a_model_that_may_tell_queries_from_texts_is_refused(tmp_path):
    model = Model(embedonce_identity=Identity.of("acme", "e5"))
    with pytest.raises(IdentityError, match=r"embedonce\.wrap\(embed_model, path\), which keeps them apart"):
        FsspecKVStore.for_model(model, tmp_path)
    with pytest.raises(IdentityError, match=r"embedonce\.wrap"):
        FsspecKVStore.for_model(model, tmp_path, namespace="acme/e5@3")
    assert not list(tmp_path.iterdir())
    named = FsspecKVStore.for_model(model, tmp_path, namespace="acme/e5@3", symmetric=True)
    assert "acme/e5@3" in named.namespace


def test_models_that_cannot_be_told_apart_are_refused(tmp_path):
    class Local(Model):
        embedonce_identity: Any = "no identity"

    with pytest.raises(IdentityError, match="cannot tell the vectors"):
        FsspecKVStore.for_model(Local(), tmp_path)
    with pytest.raises(IdentityError, match="embeddings_cache"):
        FsspecKVStore.for_model(Model(embeddings_cache=SimpleKVStore()), tmp_path)
    with pytest.raises(TypeError, match="embedding model of LlamaIndex, got str"):
        FsspecKVStore.for_model("text-embedding-3-small", tmp_path)
