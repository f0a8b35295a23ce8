"""The byte store contract: one body for every store that embedonce brings."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedonce import ByteStore, MemoryStore, SegmentStore, StoreError
from embedonce.stores import is_byte_store
from embedonce.stores.segments.format.keys import key_digest
from embedonce.vectors.envelope import Envelope, Row

LEGAL_KEYS = [
    "k",
    "\0",
    "a\0b",
    "🦜",
    "é",
    "e\u0301",
    "../../etc/passwd",
    "C:\\x",
    "x" * 1024,
    "🦜" * 256,
    "0" * 64,
    "A" * 64,
    "0" * 63,
    "0" * 64 + "\n",
    hashlib.sha256(b"x").hexdigest(),
    key_digest(b"k").hex(),
    " ",
    "\n",
]
ILLEGAL_KEYS = ["", "x" * 1025, "🦜" * 257, "\ud800", 7, None, b"bytes"]
VALUES = [b"", b"\0", b"v", bytes(range(256)) * 5, b"eov1", b"eov1:", b"eov1:AAAA", b"\xff" * 100_000]


def test_every_store_is_a_byte_store(any_store):
    assert isinstance(any_store, ByteStore)
    assert not hasattr(type(any_store), "__len__")
    assert not hasattr(type(any_store), "__bool__")
    assert any_store


def test_a_byte_store_is_recognised_by_its_methods():
    assert is_byte_store(MemoryStore())
    for other in (object(), MemoryStore, "path"):
        assert not is_byte_store(other)


def test_a_segment_store_is_opened_by_a_path_and_the_name_of_a_namespace(tmp_path):
    SegmentStore(tmp_path, "a", storage_options={"fsync": False}).mset([("key", b"value")])
    assert SegmentStore(str(tmp_path), "a", read_only=True).mget(["key"]) == [b"value"]
    assert SegmentStore(tmp_path, "b").mget(["key"]) == [None]
    with pytest.raises(StoreError, match="must be a path, a URL"):
        SegmentStore(7, "a")
    with pytest.raises(ValueError, match="read_only must be True or False; got 'false'"):
        SegmentStore(tmp_path, "c", read_only="false")


def test_legal_keys_are_told_apart(every_store):
    pairs = [(key, f"value {i}".encode()) for i, key in enumerate(LEGAL_KEYS)]
    every_store.mset(pairs)
    assert every_store.mget(LEGAL_KEYS) == [value for _, value in pairs]
    assert sorted(every_store.yield_keys()) == sorted(LEGAL_KEYS)
    every_store.mdelete(LEGAL_KEYS[::2])
    assert every_store.mget(LEGAL_KEYS) == [None if i % 2 == 0 else value for i, (_, value) in enumerate(pairs)]


def test_the_hash_of_a_text_key_is_another_key(any_store):
    text, alias = "k", key_digest(b"k").hex()
    any_store.mset([(text, b"text")])
    assert any_store.mget([alias]) == [None]
    any_store.mset([(alias, b"alia")])
    assert any_store.mget([text, alias]) == [b"text", b"alia"]
    any_store.mset([(text, b"newt"), (alias, b"newa")])
    assert any_store.mget([text, alias]) == [b"newt", b"newa"]
    any_store.mdelete([alias])
    assert any_store.mget([text, alias]) == [b"newt", None]
    any_store.mset([(alias, b"back")])
    any_store.mdelete([text])
    assert any_store.mget([text, alias]) == [None, b"back"]
    assert list(any_store.yield_keys()) == [alias]


def test_an_illegal_key_rejects_the_whole_call(every_store):
    every_store.mset([("kept", b"1")])
    for key in ILLEGAL_KEYS:
        with pytest.raises(ValueError):
            every_store.mget(["kept", key])
        with pytest.raises(ValueError):
            every_store.mset([("new", b"1"), (key, b"2")])
        with pytest.raises(ValueError):
            every_store.mdelete(["kept", key])
    assert every_store.mget(["kept", "new"]) == [b"1", None]


def test_one_str_is_not_a_list_of_keys(any_store):
    for call in (any_store.mget, any_store.mdelete):
        with pytest.raises(ValueError, match="list"):
            call("abc")


def test_a_value_that_is_not_bytes_rejects_the_whole_call(any_store):
    for value in (None, "text", 7, [1]):
        with pytest.raises(TypeError):
            any_store.mset([("new", b"1"), ("bad", value)])
    assert any_store.mget(["new", "bad"]) == [None, None]


def test_a_value_above_32_mib_rejects_the_whole_call(any_store):
    with pytest.raises(ValueError, match="33554432"):
        any_store.mset([("new", b"1"), ("large", bytes((32 << 20) + 1))])
    assert any_store.mget(["new"]) == [None]


def test_a_value_of_32_mib_is_kept(any_store):
    value = bytes(range(256)) * (1 << 17)
    any_store.mset([("large", value), ("small", b"s")])
    assert any_store.mget(["small", "large"]) == [b"s", value]


def test_values_of_every_length_come_back_as_bytes(every_store):
    pairs = {f"k{i}": value for i, value in enumerate(VALUES)}
    every_store.mset(list(pairs.items()))
    found = every_store.mget(list(pairs))
    assert found == list(pairs.values())
    assert {type(value) for value in found} == {bytes}


def test_any_bytes_like_value_is_stored_as_it_is_at_the_call(any_store):
    array = bytearray(b"abc")
    strided = memoryview(b"a-b-c-")[::2]
    words = memoryview(np.arange(3, dtype="<u4"))
    any_store.mset([("array", array), ("strided", strided), ("words", words)])
    array[:] = b"xyz"
    assert any_store.mget(["array", "strided", "words"]) == [b"abc", b"abc", bytes(words)]


def test_results_are_in_the_order_of_the_keys_and_repeat(any_store):
    any_store.mset([("a", b"1"), ("b", b"2")])
    assert any_store.mget(["b", "none", "a", "b", "b"]) == [b"2", None, b"1", b"2", b"2"]


def test_the_last_value_of_a_repeated_key_wins(any_store):
    any_store.mset([("a", b"1"), ("b", b"2"), ("a", b"three")])
    assert any_store.mget(["a", "b"]) == [b"three", b"2"]
    assert sorted(any_store.yield_keys()) == ["a", "b"]


def test_empty_calls_do_nothing(any_store):
    assert any_store.mget([]) == []
    any_store.mset([])
    any_store.mdelete([])
    assert list(any_store.yield_keys()) == []


def test_prefixes_are_plain_string_prefixes(any_store):
    any_store.mset([(key, b"v") for key in ("ab", "a/b", "a/c", "ä", "b")])
    assert sorted(any_store.yield_keys(prefix="a")) == ["a/b", "a/c", "ab"]
    assert sorted(any_store.yield_keys(prefix="a/")) == ["a/b", "a/c"]
    assert list(any_store.yield_keys(prefix="*")) == []
    assert len(list(any_store.yield_keys(prefix=""))) == len(list(any_store.yield_keys(prefix=None))) == 5


def test_keys_are_yielded_in_the_order_in_which_they_were_written(every_store):
    keys = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(50)]
    for start in range(0, 50, 10):
        every_store.mset([(key, b"same") for key in keys[start : start + 10]])
    assert list(every_store.yield_keys()) == keys


def test_writing_while_keys_are_yielded_changes_nothing_for_the_one_who_reads(any_store):
    any_store.mset([(f"k{i}", b"v") for i in range(5)])
    keys = any_store.yield_keys()
    first = next(keys)
    any_store.mset([("other", b"v")])
    any_store.mdelete(["k3"])
    assert {first, *keys} == {f"k{i}" for i in range(5)}


def test_absent_keys_may_be_deleted(any_store):
    any_store.mset([("a", b"1")])
    any_store.mdelete(["absent", "a", "a"])
    any_store.mdelete(["a"])
    assert any_store.mget(["a"]) == [None]


def test_set_delete_set_within_one_clock_tick(any_store, monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    for i in range(5):
        any_store.mset([("a", b"%d" % i)])
        assert any_store.mget(["a"]) == [b"%d" % i]
        any_store.mdelete(["a"])
        assert any_store.mget(["a"]) == [None]
    any_store.mset([("a", b"last")])
    assert any_store.mget(["a"]) == [b"last"]


def test_vectors_of_every_dtype_come_back_bit_by_bit(any_store, vectors, sealed):
    values = {}
    for dtype in ("<f4", "<f8", "<f2", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"):
        values.update({f"{dtype} {i}": sealed(row) for i, row in enumerate(vectors(3, 5, dtype))})
    any_store.mset(list(values.items()))
    assert any_store.mget(list(values)) == list(values.values())


def test_a_vector_in_base64_comes_back_in_base64(any_store):
    value = Envelope.seal(Row(np.dtype("<f4"), b"abcd"), text_safe=True)
    any_store.mset([("a", value)])
    assert any_store.mget(["a"]) == [value]


async def test_async_twins_do_the_same(every_store):
    await every_store.amset([("a", b"1"), ("b", b"2"), ("c", b"3")])
    assert await every_store.amget(["b", "a", "x"]) == [b"2", b"1", None]
    await every_store.amdelete(["b"])
    assert [key async for key in every_store.ayield_keys()] == ["a", "c"]
    assert [key async for key in every_store.ayield_keys(prefix="c")] == ["c"]
    with pytest.raises(ValueError):
        await every_store.amget([""])
    with pytest.raises(TypeError):
        await every_store.amset([("a", None)])


async def test_thousands_of_keys_are_yielded_asynchronously(any_store):
    any_store.mset([(f"k{i:04}", b"v") for i in range(2500)])
    assert [key async for key in any_store.ayield_keys()] == [f"k{i:04}" for i in range(2500)]


def test_a_pickled_copy_holds_the_same(every_store):
    every_store.mset([("a", b"1")])
    copy = pickle.loads(pickle.dumps(every_store))
    assert copy.mget(["a"]) == [b"1"]
    copy.mset([("b", b"2")])
    assert copy.mget(["a", "b"]) == [b"1", b"2"]


def test_a_reopened_store_holds_everything(every_place, open_store):
    store = open_store(every_place)
    store.mset([(key, key.encode()[:7]) for key in LEGAL_KEYS])
    store.mdelete(LEGAL_KEYS[:3])
    again = open_store(every_place)
    assert again.mget(LEGAL_KEYS) == [None] * 3 + [key.encode()[:7] for key in LEGAL_KEYS[3:]]
    assert list(again.yield_keys()) == list(store.yield_keys())


def test_namespaces_on_one_path_see_nothing_of_each_other(every_place, open_store):
    one, other = open_store(every_place, "one"), open_store(every_place, "other")
    one.mset([("a", b"1")])
    assert other.mget(["a"]) == [None]
    other.mdelete(["a"])
    assert one.mget(["a"]) == [b"1"]


def test_a_read_only_store_writes_nothing(every_place, open_store, tmp_path, segments_in):
    assert open_store(every_place, read_only=True).mget(["a"]) == [None]
    open_store(every_place).mset([("a", b"1")])
    reader = open_store(every_place, read_only=True)
    assert reader.mget(["a"]) == [b"1"]
    for write in (lambda: reader.mset([("b", b"2")]), lambda: reader.mdelete(["a"])):
        with pytest.raises(StoreError, match=r"acme/e5@3.*read-only.*mode=\"read_write\"") as caught:
            write()
        assert str(reader.location) in str(caught.value)
        assert caught.value.fault == "read_only"
    assert open_store(every_place).mget(["a", "b"]) == [b"1", None]


def test_rows_and_values_are_two_views_of_the_same(every_place, open_store, digest, vectors, sealed):
    store = open_store(every_place)
    rows = vectors(4)
    store.put_rows([digest(0), digest(1)], rows[:2])
    store.mset([(digest(2).hex(), sealed(rows[2])), (digest(3).hex(), sealed(rows[3])), ("text", b"opaque")])
    for look in (store, open_store(every_place)):
        assert look.mget([digest(i).hex() for i in range(4)]) == [sealed(row) for row in rows]
        matrix, found = look.get_rows([digest(i) for i in (3, 9, 0, 1, 2)])
        assert found.tolist() == [True, False, True, True, True]
        assert np.array_equal(matrix[found], rows[[3, 0, 1, 2]])
        assert look.dimensions == 8


def test_rows_of_another_length_are_not_found(place, open_store, digest, vectors):
    store = open_store(place)
    store.put_rows([digest(0)], vectors(1, 8))
    store.put_rows([digest(1)], vectors(1, 9))
    assert store.get_rows([digest(0), digest(1)])[1].tolist() == [True, False]
    assert store.get_rows([digest(0), digest(1)], 9)[1].tolist() == [False, True]
    assert store.get_rows([digest(1)])[1].tolist() == [False]


def test_a_returned_matrix_belongs_to_the_caller(place, open_store, digest, vectors):
    store = open_store(place)
    rows = vectors(3)
    store.put_rows([digest(i) for i in range(3)], rows)
    for keys in ([digest(0)], [digest(i) for i in range(3)]):
        matrix, _ = store.get_rows(keys)
        matrix[:] = 7.0
        assert np.array_equal(store.get_rows(keys)[0], rows[: len(keys)])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), st.binary()))
def test_any_text_is_a_key_and_any_bytes_are_a_value(any_store, pairs):
    any_store.mset(list(pairs.items()))
    assert any_store.mget(list(pairs)) == list(pairs.values())


def test_an_empty_store_that_is_read_only_says_which_namespace_is_not_there(place, open_store, caplog):
    store = open_store(place, read_only=True)
    (record,) = caplog.records
    assert f"the namespace 'acme/e5@3' of the store at {store.location} does not exist" in record.message
    assert 'mode="read_write"' in record.message


def test_a_namespace_that_disappears_is_an_outage_with_a_remedy(every_place, open_store):
    store = open_store(every_place)
    store.mset([("a", b"1")])
    store._directory.delete("space.json")
    with pytest.raises(
        StoreError, match=r"space\.json has disappeared.*acme/e5@3.*mount it again, or make a"
    ) as caught:
        list(store.yield_keys())
    assert str(store.location) in str(caught.value)
    assert caught.value.fault == "missing"
