"""Keys that collide, vectors that do not fit their texts, and values that are damaged: rows 18 to 42."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from langchain_lanes import SECRET, WAYS, from_bytes_store, in_lanes, lc, openai, text_itself
from variants import over

import embedonce
from embedonce import EmbedderContractError, KeyEncoderError

# -- B. Keys -------------------------------------------------------------------------------------------------------


def test_row_18_keys_that_a_users_encoder_lets_collide_are_misses_at_worst():
    """The key of a query or of a call with arguments ends in a suffix, which a text may end in as well."""
    model = lc.Model()
    cached = from_bytes_store(model, lc.InMemoryByteStore(), key_encoder=text_itself, query_embedding_cache=True)
    call = hashlib.sha256(b'{"task":"t"}').hexdigest()[:16]
    texts = ["x", "x-query", f"x-{call}", f"x-{call}-query"]
    for _ in range(3):
        for text in texts:
            assert cached.embed_query(text) == model.query(text)
            assert cached.embed_documents([text], task="t") == model.documents([text], task="t")
            assert cached.embed_query(text, task="t") == model.query(text, task="t")
            assert cached.embed_documents([text]) == [model.document(text)]
        assert cached.embed_documents(texts) == model.documents(texts)


def test_row_18_their_document_whose_key_is_that_of_a_query_of_ours():
    """Its value does not say its role, so only a document may have it."""
    model, store = lc.Model(), lc.InMemoryByteStore()
    store.mset([("x-query", json.dumps(model.document("x-query")).encode())])
    cached = from_bytes_store(model, store, key_encoder=text_itself, query_embedding_cache=True)
    assert cached.embed_query("x") == model.query("x")
    assert cached.embed_documents(["x-query"]) == [model.document("x-query")]


def test_row_18_texts_that_look_like_our_marks_in_a_store_of_lists():
    model = lc.Model()
    store = lc.InMemoryStore()
    cached = lc.CacheBackedEmbeddings(model, store, query_embedding_store=store)
    texts = ["x", "\0embedonce:query\0x", "\0embedonce:document\0x", '\0embedonce:document:{"task":"t"}\0x']
    for _ in range(2):
        for text in texts:
            assert cached.embed_query(text) == model.query(text)
            assert cached.embed_documents([text], task="t") == model.documents([text], task="t")
        assert cached.embed_documents(texts) == model.documents(texts)


@over(answer=[None, 5, b"key", ["key"]])
def test_row_18_an_encoder_that_answers_with_no_key_is_refused(answer):
    """A function without `return` would give all texts one key."""
    with pytest.raises(KeyEncoderError, match="must be a str"):
        from_bytes_store(lc.Model(), lc.InMemoryByteStore(), key_encoder=lambda text: answer)


def test_row_18_an_encoder_that_answers_with_no_key_later_on_is_refused_then():
    model = lc.Model()
    cached = from_bytes_store(model, lc.InMemoryByteStore(), key_encoder=lambda text: None if text == "a" else text)
    with pytest.raises(KeyEncoderError, match="must be a str"):
        cached.embed_documents(["a", "b"])
    assert model.calls == []


@in_lanes()
def test_row_18_texts_are_not_normalised(lane):
    model = lc.Model()
    texts = ["\u00e9", "e\u0301", "\u00c9", " \u00e9", "\u00e9 "]
    assert lane.cached(model).embed_documents(texts) == model.documents(texts)
    assert lane.cached(model).embed_documents(texts) == model.documents(texts)
    assert model.asked == texts


def test_row_23_operational_settings_and_secrets_do_not_count(tmp_path):
    plain = embedonce.wrap(openai(), tmp_path)
    other = openai(api_key="another", chunk_size=7, max_retries=9, timeout=3, organization="o", show_progress_bar=True)
    assert embedonce.wrap(other, tmp_path).namespace == plain.namespace
    assert SECRET not in plain.namespace + repr(plain)


@in_lanes(way=WAYS)
async def test_row_23_operational_call_arguments_do_not_count_and_are_passed_on(lane, way):
    class Chunked(lc.Model):
        def documents(self, texts, chunk_size=None):
            seen.append(chunk_size)
            return super().documents(texts)

    seen = []
    model = Chunked()
    cached = lane.cached(model)
    for size in (5, 7, None):
        assert await lc.documents(way, cached, ["a"], chunk_size=size) == [model.document("a")]
    assert seen == [5]


@pytest.mark.parametrize(
    ("encoder", "key"),
    [
        ("sha1", "nse885db5b-c0bd-5fbc-88b1-4d1da6020aa5"),
        ("sha256", "ns2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        ("sha512", f"ns{hashlib.sha512(b'hello').hexdigest()}"),
        ("blake2b", f"ns{hashlib.blake2b(b'hello').hexdigest()}"),
    ],
)
def test_row_24_keys_are_the_published_ones(encoder, key):
    store = lc.InMemoryByteStore()
    from_bytes_store(lc.Model(), store, namespace="ns", key_encoder=encoder).embed_documents(["hello"])
    assert list(store.yield_keys()) == [key]


def test_row_24_settings_that_are_unset_do_not_count(tmp_path):
    assert embedonce.wrap(openai(), tmp_path).namespace == embedonce.wrap(openai(dimensions=None), tmp_path).namespace
    assert embedonce.wrap(openai(), tmp_path).namespace == "openai/text-embedding-3-small"


@in_lanes(way=WAYS)
async def test_row_25_a_lone_surrogate_costs_nothing_else(lane, way):
    model = lc.Model()
    texts = ["a", "\ud800", "b"]
    for _ in range(2):
        assert await lc.documents(way, lane.cached(model), texts) == model.documents(texts)
    assert model.asked.count("a") == model.asked.count("b") == 1


def test_row_25_a_text_that_the_users_encoder_refuses_is_embedded_and_not_stored():
    def strict(text):
        return text.encode("utf-8").hex()

    model, store = lc.Model(), lc.InMemoryByteStore()
    cached = from_bytes_store(model, store, key_encoder=strict)
    texts = ["a", "\ud800", "b"]
    for _ in range(2):
        assert cached.embed_documents(texts) == model.documents(texts)
    assert model.calls == [texts, ["\ud800"]]
    assert len(list(store.yield_keys())) == 2


# -- C. Alignment --------------------------------------------------------------------------------------------------


MISFITS = {
    "row 26, the last is missing": [[1.0], [2.0]],
    "row 26, all are missing": [],
    "row 26, nothing": None,
    "row 27, one for all": [[6.0]],
    "row 28, one too many": [[1.0], [2.0], [3.0], [4.0]],
    "row 37, empty": [[], [], []],
    "row 37, three dimensions": [[1.0], [1.0, 2.0], [3.0, 1.0, 2.0]],
    "row 37, numbers": [1.0, 2.0, 3.0],
    "row 37, texts": [["1"], ["2"], ["3"]],
}


BAD_VECTORS = {
    "row 26, nothing": None,
    "row 29, not a number": [float("nan")],
    "row 29, infinite": [float("inf")],
}


@in_lanes(bad=BAD_VECTORS, way=WAYS)
async def test_rows_26_29_a_bad_vector_is_refused_and_the_others_are_kept(lane, bad, way):
    model = lc.Scripted([[1.0], bad, [3.0]], [[2.0]])
    with pytest.raises(EmbedderContractError):
        await lc.documents(way, lane.cached(model), ["a", "b", "c"])
    assert await lc.documents(way, lane.cached(model), ["a", "b", "c"]) == [[1.0], [2.0], [3.0]]
    assert model.calls == [["a", "b", "c"], ["b"]]


@in_lanes(answer=MISFITS, way=WAYS)
async def test_rows_26_27_28_37_an_answer_that_does_not_fit_is_refused_and_not_stored(lane, answer, way):
    right = [[1.0], [2.0], [3.0]]
    model = lc.Scripted(answer, right)
    with pytest.raises(EmbedderContractError):
        await lc.documents(way, lane.cached(model), ["a", "b", "c"])
    assert await lc.documents(way, lane.cached(model), ["a", "b", "c"]) == right
    assert model.calls == [["a", "b", "c"]] * 2, "nothing of the first answer was kept"
    assert lane.cached(model).embed_documents(["b"]) == [[2.0]]


@in_lanes(answer=[[], [float("nan")], None, [[1.0]], "vector"], way=WAYS)
async def test_row_37_a_query_is_checked_as_well(lane, answer, way):
    model = lc.Scripted(answer, [1.0, 2.0])
    with pytest.raises(EmbedderContractError):
        await lc.query(way, lane.cached(model), "a")
    assert await lc.query(way, lane.cached(model), "a") == [1.0, 2.0]
    assert await lc.query(way, lane.cached(model), "a") == [1.0, 2.0]
    assert len(model.calls) == 2


# -- D. Values -----------------------------------------------------------------------------------------------------


@in_lanes(way=WAYS)
async def test_row_38_every_list_is_the_callers_own(lane, way):
    model = lc.Model()
    cached = lane.cached(model)
    for _ in range(3):
        vectors = await lc.documents(way, cached, ["a", "b", "a"])
        assert vectors == model.documents(["a", "b", "a"])
        vectors[0][0] = vectors[1][0] = 99.0
        assert vectors[2] == model.document("a"), "duplicates share nothing"
        vectors.clear()
        vector = await lc.query(way, cached, "a")
        assert vector == model.query("a")
        vector[:] = [99.0]


SHAPES = {
    "float64 lists": lambda rows: rows,
    "tuples": lambda rows: tuple(map(tuple, rows)),
    "float64 array": np.array,
    "float32 array": lambda rows: np.array(rows, np.float32),
    "float16 array": lambda rows: np.array(rows, np.float16),
    "float32 scalars": lambda rows: [[np.float32(number) for number in row] for row in rows],
    "float64 scalars": lambda rows: [list(np.array(row)) for row in rows],
    "list of arrays": lambda rows: [np.array(row) for row in rows],
    "integers": lambda rows: [[int(100 * number) for number in row] for row in rows],
    "int8 array": lambda rows: np.array([[int(40 * number) for number in row] for row in rows], np.int8),
    "whole floats": lambda rows: [[float(round(number)) + 1 for number in row] for row in rows],
    "extremes": lambda rows: [[-0.0, 5e-324, 1.7976931348623157e308] for _ in rows],
}


@in_lanes(shape=SHAPES, way=WAYS)
async def test_row_39_hit_and_miss_are_the_same_plain_numbers(lane, shape, way):
    model = lc.Model(shape=shape)
    expected = np.asarray(shape(model.documents(["a", "b"]))).tolist()
    expected_query = np.asarray(shape([model.query("a")])).tolist()
    for _ in range(2):
        cached = lane.cached(model)
        vectors = await lc.documents(way, cached, ["a", "b"])
        assert lc.is_plain(vectors)
        assert repr(vectors) == repr(expected), "the sign of zero included"
        vector = await lc.query(way, cached, "a")
        assert lc.is_plain([vector])
        assert repr([vector]) == repr(expected_query)
    assert len(model.calls) == 2


DAMAGE = {
    "empty": b"",
    "truncated": b"[1.0, 2.",
    "binary": b"\xff\xfe\x00",
    "another JSON": b'{"x": 1}',
    "a string": b'"str"',
    "a number": b"3",
    "null": b"null",
    "nothing in it": b"[]",
    "nested": b"[[1.0, 2.0, 3.0]]",
    "nested for ever": b"[" * 200_000,
    "a hole": b"[1.0, null, 3.0]",
    "NaN": b"[1.0, NaN, 3.0]",
    "too large": b"[1.0, 1e999, 3.0]",
    "another dimension": b"[1.0, 2.0]",
    "the head of a value of ours": b"eov1",
    "zeros behind our magic": b"eov1" + bytes(36),
}


@over(damage=DAMAGE, has_json=[False, True], way=WAYS)
async def test_row_41_a_damaged_value_is_a_miss_and_costs_nothing_else(damage, has_json, way):
    model, store = lc.Model(), lc.InMemoryByteStore()
    texts = ["a", "b", "c"]
    if has_json:
        store.mset([(text, json.dumps(model.document(text)).encode()) for text in texts])
    else:
        from_bytes_store(model, store, key_encoder=text_itself).embed_documents(texts)
        model.calls.clear()
    store.mset([("b", damage)])
    cached = from_bytes_store(model, store, key_encoder=text_itself)
    assert await lc.documents(way, cached, texts) == model.documents(texts)
    assert model.calls == [["b"]]
    again = from_bytes_store(model, store, key_encoder=text_itself)
    assert await lc.documents(way, again, texts) == model.documents(texts)
    assert model.calls == [["b"]], "it was written anew"


@over(damage=[[], [1.0, float("nan"), 2.0], "str", {"x": 1}, 3, [1.0], [None] * 3, object()], way=WAYS)
async def test_row_41_a_damaged_list_is_a_miss_and_costs_nothing_else(damage, way):
    model, store = lc.Model(), lc.InMemoryStore()
    store.mset([("a", model.document("a")), ("b", damage), ("c", model.document("c"))])
    cached = lc.CacheBackedEmbeddings(model, store)
    assert await lc.documents(way, cached, ["d"]) == [model.document("d")]
    assert await lc.documents(way, cached, ["a", "b", "c"]) == model.documents(["a", "b", "c"])
    assert model.calls == [["d"], ["b"]]
    assert store.mget(["b"]) == [model.document("b")]


@over(lists=[False, True], way=WAYS)
async def test_row_41_old_values_of_another_dimension_give_way_to_the_embedder(lists, way):
    """Nobody knows the dimension beforehand: neither the stranger's identity nor the first values that are read."""
    stranger = lc.Stranger(lambda text: [1.0, 2.0, float(len(text))])
    if lists:
        store = lc.InMemoryStore()
        store.mset([("old", [0.5, 0.5]), ("kept", [9.0, 9.0, 9.0])])
        cached = lc.CacheBackedEmbeddings(stranger, store)
    else:
        store = lc.InMemoryByteStore()
        store.mset([("old", b"[0.5, 0.5]"), ("kept", b"[9.0, 9.0, 9.0]")])
        cached = from_bytes_store(stranger, store, key_encoder=text_itself)
    assert await lc.documents(way, cached, ["old", "new"]) == [[1.0, 2.0, 3.0]] * 2
    stats = cached.cache.stats()
    assert (stats.hits, stats.embedded) == (0, 2), "what was found first is no hit after all"
    assert await lc.documents(way, cached, ["old", "new", "kept"]) == [[1.0, 2.0, 3.0]] * 2 + [[9.0, 9.0, 9.0]]
    assert stranger.calls == [["new"], ["old"]]
    store.mset([("old", [0.5, 0.5] if lists else b"[0.5, 0.5]")])
    assert await lc.documents(way, cached, ["old"]) == [[1.0, 2.0, 3.0]], "by now the dimension is known"


def test_row_41_old_values_of_another_dimension_give_way_however_often_they_are_read():
    """The store is asked a second time, because somebody else has embedded something in between."""

    class Interrupted(lc.InMemoryByteStore):
        interrupt = None

        def mget(self, keys):
            interrupt, self.interrupt = self.interrupt, None
            if interrupt is not None:
                interrupt()
            return super().mget(keys)

    store, stranger = Interrupted(), lc.Stranger(lambda text: [1.0, 2.0, 3.0])
    store.mset([("old", b"[0.5, 0.5]")])
    cached, other = (from_bytes_store(stranger, store, key_encoder=text_itself) for _ in range(2))
    store.interrupt = lambda: other.embed_documents(["other"])
    assert cached.embed_documents(["old", "new"]) == [[1.0, 2.0, 3.0]] * 2
    assert stranger.calls == [["other"], ["new"], ["old"]]


@over(build=[from_bytes_store, embedonce.wrap], way=WAYS)
async def test_row_42_a_store_that_decodes_what_it_keeps(build, way, caplog):
    model, store = lc.Model(), lc.Decoding()
    for text in ("a", "b"):
        for _ in range(2):
            assert await lc.documents(way, build(model, store), [text]) == [model.document(text)]
    cached = build(model, store)
    assert await lc.documents(way, cached, ["a", "b", "c"]) == model.documents(["a", "b", "c"])
    assert model.asked == ["a", "b", "c"]
    assert not caplog.records
    assert cached.cache.stats().write_errors == 0
