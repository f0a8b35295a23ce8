"""The segment store as a key-value store of LlamaIndex."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kvstore_support import ODD_TEXTS, SECRET, li

from embedonce import IdentityError, StoreError
from embedonce.stores.segments.store import SegmentStore

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
    model = li.SimpleKVStore()
    with li.FsspecKVStore(tmp_path_factory.mktemp("kv")) as kv:
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


@pytest.mark.soak
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
    li.FsspecKVStore("./storage/cache").put("a", {"x": 1})
    local = fsspec.filesystem("file")
    for path in (tmp_path / "storage" / "cache", "storage/cache", f"file://{tmp_path}/storage/cache"):
        assert li.FsspecKVStore(path, fs=local).get("a") == {"x": 1}
    with pytest.raises(ValueError, match="path is a URL of 's3', and fs is a LocalFileSystem"):
        li.FsspecKVStore("s3://bucket/x", fs=local)
    with pytest.raises(ValueError, match="there is no path"):
        li.FsspecKVStore(fs=local)
    with pytest.raises(StoreError, match="storage_options beside an instance"):
        li.FsspecKVStore("bucket/x", fs=fsspec.filesystem("memory"), storage_options={"token": SECRET})
    with pytest.raises(IdentityError, match="non-empty"):
        li.FsspecKVStore("storage/cache", namespace="")


def test_namespaces_are_apart_and_a_read_only_store_writes_nothing(kv, tmp_path):
    kv.put("a", {"x": 1})
    assert li.FsspecKVStore(tmp_path / "kv", namespace="other").get("a") is None
    reader = li.FsspecKVStore(tmp_path / "kv", read_only=True)
    assert reader.get("a") == {"x": 1}
    for call in (lambda: reader.put("b", {}), lambda: reader.delete("a")):
        with pytest.raises(StoreError, match="read-only"):
            call()
    assert kv.get_all() == {"a": {"x": 1}}
