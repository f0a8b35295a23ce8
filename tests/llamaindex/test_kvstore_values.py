"""What values the key-value store of LlamaIndex takes, and what becomes of damaged ones."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest
from kvstore_support import li
from variants import over

from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore

# -- values --------------------------------------------------------------------------------------------------------


@over(
    numbers=[
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
    times=[1, 10],
)
def test_vectors_come_back_exactly(kv, numbers, times):
    """Short ones are kept as JSON, long ones as numbers."""
    value = {"uuid": numbers * times}
    kv.put("text", value)
    assert repr(kv.get("text")) == repr(value)


@over(numbers=[np.array([0.1, 2], "<f4"), [np.float32(0.1), 0.1], np.arange(3), [np.int8(3)]])
def test_numbers_of_numpy_come_back_as_plain_ones(kv, numbers):
    kv.put("text", {"uuid": numbers})
    (found,) = kv.get("text").values()
    assert found == list(numbers)
    assert {type(number) for number in found} <= {int, float}


VECTOR = [i / 7 for i in range(20)]


@over(
    value=[
        {"nodes": [{"embedding": VECTOR, "text": "a"}, {"embedding": None}, {"embedding": VECTOR[::-1]}]},
        {"\0": 0},
        {"\0": VECTOR},
        {"\0\0": {"\0": VECTOR, "a": {"\0a": "\0"}}},
        {"a": {"\0": 7}, "b": [[VECTOR, [1] * 9], []], "c": "\0"},
    ]
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
    assert li.FsspecKVStore(tmp_path / "kv").get("large") == value
    assert kv.get_all() == {"large": value, "small": {"x": 1}}
    kv.put("large", {"nodes": []})
    assert kv.get_all() == {"large": {"nodes": []}, "small": {"x": 1}}
    kv.put("large", value)
    kv.delete("large")
    assert kv.get_all() == {"small": {"x": 1}}
    assert len(list(SegmentStore(as_location(tmp_path / "kv"), NamespaceDirectory.of("kvstore")).yield_keys())) == 1


_own: dict[str, Any] = {}
_own["itself"] = _own


REFUSED = [
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
]


@over(case=REFUSED)
def test_what_json_cannot_hold_is_refused_before_anything_is_written(kv, case):
    value, message = case
    with pytest.raises(ValueError, match=message):
        kv.put_all([("good", {"x": 1}), ("bad", value)])
    assert kv.get_all() == {}


@over(name=[None, 3, b"a", ["a"]])
def test_names_that_are_not_texts_are_refused(kv, name):
    for call in (kv.get, kv.delete, kv.get_all, lambda key: kv.put(key, {}), lambda key: kv.get("a", key)):
        with pytest.raises(ValueError, match=f"must be str, got {type(name).__name__}"):
            call(name)


# -- damage --------------------------------------------------------------------------------------------------------


def _damages(value: bytes, other: bytes):
    yield from (b"junk", value[:3], value[:11], value[:-1], value + b"x", other)
    yield from (bytes([*value[:at], value[at] ^ 1, *value[at + 1 :]]) for at in range(0, len(value), 5))


@over(value={"short": {"x": {"y": "z"}}, "vector": {"uuid": [0.5] * 9}, "in parts": {"long": "x" * 3000}})
def test_a_damaged_or_foreign_value_is_absent_and_logged_once(tmp_path, warnings_of, monkeypatch, value):
    # As of 16 MiB, which would take seconds.
    monkeypatch.setattr("llama_index.embeddings.embedonce.kv_values.PART_BYTES", 2000)
    kv = li.FsspecKVStore(tmp_path)
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
            fresh = li.FsspecKVStore(tmp_path)
            assert len(fresh.get_all()) == 1
            assert [fresh.get("a"), fresh.get("b")].count(None) == 1
            messages = warnings_of()
            assert len(messages) == 1
            assert "damaged or not its own" in messages[0]
            assert "'a'" not in messages[0]
        raw.mset([(key, content)])
    assert li.FsspecKVStore(tmp_path).get_all() == {"a": value, "b": {"fine": 1}}


def test_a_damaged_value_can_be_replaced_and_deleted(tmp_path):
    kv = li.FsspecKVStore(tmp_path)
    kv.put_all([("a", {"x": 1}), ("b", {"x": 2})])
    raw = SegmentStore(as_location(tmp_path), NamespaceDirectory.of("kvstore"))
    raw.mset([(key, b"junk") for key in raw.yield_keys()])
    kv.put("a", {"x": 3})
    assert kv.get_all() == {"a": {"x": 3}}
    assert kv.delete("b") is True
    assert list(raw.yield_keys(prefix="")) != []
    assert kv.delete("b") is False


def test_a_flipped_bit_in_a_file_is_a_miss(tmp_path, warnings_of):
    li.FsspecKVStore(tmp_path).put("a", {"uuid": [0.5] * 64})
    file = max((file for file in tmp_path.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    assert li.FsspecKVStore(tmp_path).get("a") is None
    assert len(warnings_of()) == 1
