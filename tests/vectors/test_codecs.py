"""Codecs: what a lossy one gives back is the same on a miss and on a hit, and lives under a name of its own."""

from __future__ import annotations

import asyncio
import itertools
import pickle

import numpy as np
import pytest
from core_support import NAMESPACE, BoomError, Model, ask, bits, crossed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import embedonce.plugins.host
from embedonce import (
    Codec,
    EmbedderContractError,
    EmbeddingCache,
    Identity,
    MemoryStore,
    PluginError,
    StoreError,
    hookimpl,
    register_plugin,
    wrap,
)
from embedonce.vectors.answers import checked_answer
from embedonce.vectors.codecs import BUILT_IN, EXACT

LOSSY = ("float16", "int8")
TEXTS = ["a", "b", "a", "c"]


def nothing_is_stored(place):
    return not [name for name in place.contents() if not name.endswith("space.json")]


def unit_rows(texts, width=8):
    matrix = np.array([np.random.default_rng(list(text.encode())).standard_normal(width) for text in texts])
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype("<f4")


@crossed("codec", [*LOSSY, "exact"])
def test_a_miss_returns_what_a_hit_will_return(place, way, codec):
    first = ask(way, place.cache(codec=codec), TEXTS, unit_rows)
    again = ask(way, place.cache(codec=codec), TEXTS[::-1], Model(fail_at=0))
    assert bits(first) == bits(again[::-1].copy())
    assert first.dtype == np.float32
    error = np.abs(first - unit_rows(TEXTS)).max()
    assert error <= {"exact": 0, "float16": 2**-11, "int8": 2**-7}[codec]
    assert (error > 0) == (codec != "exact")


@pytest.mark.parametrize("codec", LOSSY)
def test_those_who_wait_get_what_is_kept(codec):
    cache = EmbeddingCache(MemoryStore(), codec=codec)

    async def embed(texts):
        await asyncio.sleep(0.01)
        return unit_rows(texts)

    async def crowd():
        return await asyncio.gather(*[cache.aembed(["a"], embed, namespace=NAMESPACE) for _ in range(5)])

    assert len({bits(each) for each in asyncio.run(crowd())}) == 1
    assert cache.stats().embedded == 1


def test_each_codec_has_entries_of_its_own(place):
    exact = place.cache().embed(["a"], unit_rows, namespace=NAMESPACE)
    for codec in LOSSY:
        with pytest.raises(BoomError):
            place.cache(codec=codec).embed(["a"], Model(fail_at=0), namespace=NAMESPACE)
        place.cache(codec=codec).embed(["a"], unit_rows, namespace=NAMESPACE)
    assert bits(place.cache().embed(["a"], Model(fail_at=0), namespace=NAMESPACE)) == bits(exact)


def test_the_codec_is_a_parameter_of_the_namespace_that_is_kept(directory):
    cache = directory.cache(codec="int8")
    wrapped = wrap(unit_rows, cache, namespace=NAMESPACE)
    wrapped(TEXTS)
    # What is embedded is the same, however it is written.
    assert wrapped.namespace == NAMESPACE
    assert [each.namespace for each in cache.usage()] == [f'{NAMESPACE}?codec="int8"']
    assert [each.rows_live for each in cache.usage(NAMESPACE)] == [3]
    assert [each.rows for each in cache.verify(NAMESPACE)] == [3]
    cache.delete(["a"], namespace=NAMESPACE)
    assert [each.rows_live for each in cache.usage(NAMESPACE)] == [2]
    cache.clear(NAMESPACE)
    assert cache.embed(["b"], unit_rows, namespace=NAMESPACE).shape == (1, 8)
    assert cache.stats().embedded == 4


@pytest.mark.parametrize(("codec", "width"), [("exact", 4 * 256), ("float16", 2 * 256), ("int8", 256 + 1)])
def test_what_a_vector_takes(directory, codec, width):
    directory.cache(codec=codec).embed(["a"], lambda texts: unit_rows(texts, 256), namespace=NAMESPACE)
    (segment,) = directory.path.glob("*/*.safetensors")
    assert int(segment.name.split("-")[3], 16) == width


@crossed("codec, bad", itertools.product(LOSSY, [[[1.0, 3.402823e38]], [[1e60, 0.0]], [[-1e60, 1.0]], [[1, 2]]]))
def test_vectors_that_cannot_be_held_are_refused_and_nothing_is_stored(place, way, codec, bad):
    cache = place.cache(codec=codec)
    with pytest.raises(EmbedderContractError, match=f"codec '{codec}' cannot hold"):
        ask(way, cache, ["a"], lambda texts: np.array(bad))
    assert nothing_is_stored(place)


def test_another_dimension_within_a_namespace_is_refused(place, way):
    cache = place.cache(codec="int8")
    ask(way, cache, ["a"], unit_rows)
    with pytest.raises(EmbedderContractError, match="another model answers under the same namespace"):
        ask(way, cache, ["b"], lambda texts: unit_rows(texts, 9))


def test_a_declared_dimension_is_that_of_the_vectors(place):
    identity = Identity.of("acme", "e5", dimensions=8)
    first = place.cache(codec="int8").embed(["a"], unit_rows, namespace=identity)
    assert bits(place.cache(codec="int8").embed(["a"], Model(fail_at=0), namespace=identity)) == bits(first)


def test_what_waits_for_a_store_that_does_not_open_is_handed_over(tmp_path):
    root = tmp_path / "cache"
    cache = EmbeddingCache(root, codec="int8")
    root.rmdir()
    root.write_text("in the way")
    first = cache.embed(["a"], unit_rows, namespace=NAMESPACE)
    assert bits(cache.embed(["a"], Model(fail_at=0), namespace=NAMESPACE)) == bits(first)
    root.unlink()
    cache.flush()
    again = EmbeddingCache(root, codec="int8").embed(["a"], Model(fail_at=0), namespace=NAMESPACE)
    assert bits(again) == bits(first)


def test_the_mode_off_goes_past_the_codec_too():
    cache = EmbeddingCache(MemoryStore(), codec="int8", mode="off")
    assert bits(cache.embed(["a"], unit_rows, namespace=NAMESPACE)) == bits(unit_rows(["a"]))


@pytest.mark.parametrize("codec", LOSSY)
def test_a_pickled_cache_finds_its_entries(directory, codec):
    cache = directory.cache(codec=codec)
    first = cache.embed(["a"], unit_rows, namespace=NAMESPACE)
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.agrees_with(cache)
    assert bits(copy.embed(["a"], Model(fail_at=0), namespace=NAMESPACE)) == bits(first)


FLOATS = st.sampled_from(["<f4", "<f8"]).flatmap(
    lambda dtype: arrays.arrays(
        dtype, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements={"allow_nan": False, "allow_infinity": False}
    )
)


@pytest.mark.parametrize("codec", LOSSY)
@given(matrix=FLOATS)
def test_any_vectors_are_kept_steadily_row_by_row_or_refused(codec, matrix):
    built_in = BUILT_IN[codec]
    try:
        kept = built_in.kept(matrix)
    except EmbedderContractError:
        return
    assert np.isfinite(kept).all()
    assert bits(built_in.kept(kept)) == bits(kept)
    for row, of_row in zip(matrix, kept, strict=True):
        assert built_in.kept(row[np.newaxis]).tobytes() == of_row.tobytes()
    largest = np.abs(matrix).max(axis=1, keepdims=True).astype("<f8")
    # The largest number is at least 63.75 steps of `int8`: with 127.5 of half as large ones it would not fit.
    step = largest * {"float16": 2**-11, "int8": 1 / 127.5}[codec] + {"float16": 2.0**-25, "int8": 2.0**-129}[codec]
    assert (np.abs(kept.astype("<f8") - matrix) <= step).all()


HELD = [0.5, -0.25]
REFUSED = {
    "float16": {"too large": [65520.0, 1.0], "too small": [1e-9, -1e-9]},
    "int8": {"too large": [1e60, 1.0], "too small": [1e-60, 0.0]},
}


@pytest.mark.parametrize(
    ("codec", "vector"), [(codec, vector) for codec, cases in REFUSED.items() for vector in cases.values()]
)
def test_a_vector_that_a_codec_cannot_hold_costs_no_other(codec, vector):
    given = checked_answer([HELD, vector, [0.0, 0.0], None, HELD], 5)
    checked = BUILT_IN[codec].checked(given)
    assert checked.matrix.tolist() == [HELD, [0, 0], [0, 0], [0, 0], HELD]
    assert (list(checked.bad), checked.zero) == ([1, 3], [2])
    assert f"codec '{codec}'" in checked.bad[1]
    with pytest.raises(EmbedderContractError, match=f"codec '{codec}' cannot hold"):
        BUILT_IN[codec].checked(checked_answer([vector, None], 2))


@pytest.mark.parametrize("codec", LOSSY)
@given(matrix=FLOATS, is_none=st.booleans())
def test_each_vector_is_held_or_bad_whatever_is_beside_it(codec, matrix, is_none):
    built_in = BUILT_IN[codec]

    def alone(row):
        try:
            kept = built_in.kept(row[np.newaxis])[0]
        except EmbedderContractError:
            return None
        return kept if kept.any() == row.any() else None

    given_answer = checked_answer([None] * is_none + list(matrix), len(matrix) + is_none)
    expected = [None] * is_none + [alone(row) for row in given_answer.matrix[int(is_none) :]]
    try:
        checked = built_in.checked(given_answer)
    except EmbedderContractError:
        assert expected == [None] * len(expected)
        return
    assert list(checked.bad) == [i for i, row in enumerate(expected) if row is None]
    assert checked.zero == given_answer.zero
    for taken, row in zip(checked.matrix, expected, strict=True):
        assert taken.tolist() == ([0] * len(taken) if row is None else row.tolist())


def test_vectors_of_zeros_do_not_pass_through_a_codec():
    def normalized(matrix):
        if not matrix.any(axis=1).all():
            msg = "a vector has no direction"
            raise ValueError(msg)
        return np.sign(matrix).astype("i1")

    signs = Codec("signs", "1", normalized, doubled)
    checked = signs.checked(checked_answer([[3.0, -2.0], [0.0, 0.0], None], 3))
    assert checked.matrix.tolist() == [[1, -1], [0, 0], [0, 0]]
    assert (checked.bad, checked.zero) == ({2: "is None"}, [1])
    assert signs.checked(checked_answer([[0.0, -0.0]], 1)).zero == [0]


def test_a_codec_that_refuses_zeros_keeps_the_vectors_beside_them(place, way):
    def encode(matrix):
        if not matrix.any(axis=1).all():
            msg = "a vector has no direction"
            raise ValueError(msg)
        return np.sign(matrix).astype("i1")

    cache = place.cache(codec=Codec("signs", "1", encode, doubled))
    ask(way, cache, ["first"], lambda texts: [[1.0, 1.0]])
    with pytest.raises(EmbedderContractError):
        ask(way, cache, ["none", "zero", "good"], lambda texts: [None, [0.0, 0.0], [3.0, -2.0]])
    assert ask(way, cache, ["good"], Model(fail_at=0)).tolist() == [[1, -1]]


# -- codecs of others ----------------------------------------------------------------------------------------------


def halved(matrix):
    """Lossy and steady: keeps whole numbers."""
    return np.rint(matrix).astype("<i2")


def doubled(rows):
    return rows.astype("<f4")


@pytest.fixture
def _fresh_plugins(monkeypatch):
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())


class CodecPlugin:
    @hookimpl
    def embedonce_register_codecs(self, register):
        register("acme-whole", halved, doubled, version="2")


@pytest.mark.usefixtures("_fresh_plugins")
def test_a_codec_of_a_plugin_is_found_by_its_name(directory):
    with pytest.raises(ValueError, match="unknown codec 'acme-whole'; available: exact, float16, int8, or pass"):
        directory.cache(codec="acme-whole")
    register_plugin(CodecPlugin(), "acme")
    cache = directory.cache(codec="acme-whole")
    first = cache.embed(["a"], lambda texts: [[1.4, -2.6]], namespace=NAMESPACE)
    assert first.tolist() == [[1.0, -3.0]]
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.embed(["a"], Model(fail_at=0), namespace=NAMESPACE).tolist() == first.tolist()
    (usage,) = cache.usage()
    assert usage.namespace.startswith(f'{NAMESPACE}?codec="acme-whole@2~')


def test_a_codec_that_answers_differently_or_has_another_version_never_meets_old_rows(directory):
    def cache(version="1", encode=halved, decode=doubled):
        return directory.cache(codec=Codec("mine", version, encode, decode))

    cache().embed(["a"], lambda texts: [[1.4, -2.6]], namespace=NAMESPACE)
    assert cache().embed(["a"], Model(fail_at=0), namespace=NAMESPACE).tolist() == [[1.0, -3.0]]
    for other in (cache("2"), cache(encode=np.floor), cache(decode=lambda rows: rows.astype("<f8") * 1)):
        with pytest.raises(BoomError):
            other.embed(["a"], Model(fail_at=0), namespace=NAMESPACE)


def scale_of_all(matrix):
    return (matrix / np.abs(matrix).max() * 100).astype("<i2")


BROKEN = {
    "another number of rows": (lambda matrix: halved(matrix)[:-1], doubled, "turned vectors of shape"),
    "no rows": (lambda matrix: [], doubled, "turned vectors of shape"),
    "strings": (lambda matrix: matrix.astype(str), doubled, "turned vectors of shape"),
    "complex numbers": (lambda matrix: matrix.astype(complex), doubled, "turned vectors of shape"),
    "another width comes back": (halved, lambda rows: rows[:, :-1].astype("<f4"), "turned vectors of shape"),
    "another number comes back": (halved, lambda rows: rows[:-1].astype("<f4"), "decoded rows of shape"),
    "it drifts": (halved, lambda rows: (rows + 1).astype("<f4"), "does not give a vector that it has decoded"),
    "it fails": (lambda matrix: {}["x"], doubled, "failed: KeyError"),
    "it fails at decoding": (halved, lambda rows: {}["x"], "failed at decoding: KeyError"),
}


@pytest.mark.parametrize(("encode", "decode", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_codec_is_named_at_construction(encode, decode, message):
    with pytest.raises(PluginError, match=f"codec 'mine' .*{message}"):
        EmbeddingCache(MemoryStore(), codec=Codec("mine", "1", encode, decode))


def test_a_codec_that_breaks_its_contract_later_is_named_and_nothing_is_stored(place):
    drifting = Codec("mine", "1", halved, lambda rows: (rows + (np.abs(rows) > 100)).astype("<f4"))
    with pytest.raises(PluginError, match="does not give a vector that it has decoded the row that it came from"):
        place.cache(codec=drifting).embed(["a"], lambda texts: [[1000.0]], namespace=NAMESPACE)
    assert nothing_is_stored(place)


def test_rows_that_a_codec_cannot_read_are_an_outage_and_not_a_miss(place):
    is_gone = []

    def decode(rows):
        return {}["gone"] if is_gone else doubled(rows)

    codec = Codec("mine", "1", halved, decode)
    place.cache(codec=codec).embed(["a"], lambda texts: [[1.0, 2.0]], namespace=NAMESPACE)
    cache = place.cache(codec=codec, mode="replay")
    is_gone.append(True)
    with pytest.raises(StoreError, match=r"cannot read what is stored: codec 'mine' .*failed at decoding: KeyError"):
        cache.embed(["a"], Model(), namespace=NAMESPACE)


def test_a_codec_that_says_what_it_cannot_hold_is_believed(place):
    """One for vectors of one length cannot be tried out beforehand."""

    def picky(matrix):
        if matrix.shape[1] != 2:
            msg = "only two numbers"
            raise ValueError(msg)
        return halved(matrix)

    cache = place.cache(codec=Codec("mine", "1", picky, doubled))
    with pytest.raises(EmbedderContractError, match="codec 'mine' cannot hold these vectors: only two numbers"):
        cache.embed(["a"], lambda texts: [[1.0]], namespace=NAMESPACE)
    assert cache.embed(["a"], lambda texts: [[1.0, 2.0]], namespace=NAMESPACE).tolist() == [[1.0, 2.0]]


def test_exact_is_exact():
    assert EXACT.is_exact
    assert not any(BUILT_IN[name].is_exact for name in LOSSY)
    matrix = unit_rows(TEXTS)
    assert EXACT.kept(matrix) is matrix
