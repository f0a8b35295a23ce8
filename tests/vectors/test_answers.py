"""What an embedder may answer, what comes back, and what is kept of it."""

from __future__ import annotations

import decimal

import numpy as np
import pytest
from core_support import NAMESPACE, Model, ask, bits, crossed, words
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embedonce import EmbedderContractError, EmbeddingCache, Identity, MemoryStore


class Tensor:
    """Like a tensor of torch: neither list nor array, but it can become one."""

    def __init__(self, values, dtype="float32"):
        self._values = np.array(values, dtype)

    def __array__(self, dtype=None, copy=None):
        return self._values if dtype is None else self._values.astype(dtype)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, i):
        return Tensor(self._values[i], self._values.dtype)


class Strange:
    pass


def frozen(matrix):
    matrix.flags.writeable = False
    return matrix


BAD = {
    "one too few": [[1.0, 2.0]],
    "one too many": [[1.0, 2.0]] * 3,
    "none at all": [],
    "no answer": None,
    "only None": [None, None],
    "ragged": [[1.0, 2.0], [1.0]],
    "ragged arrays": [np.ones(2), np.ones(3)],
    "zero length": [[], []],
    "zero length array": np.empty((2, 0)),
    "strings": [["1", "2"], ["3", "4"]],
    "one string per text": ["ab", "cd"],
    "bytes": [b"ab", b"cd"],
    "a string": "ab",
    "a bytes": b"ab",
    "a dict": {"a": [1.0], "b": [2.0]},
    "dicts": [{"embedding": [1.0]}, {"embedding": [2.0]}],
    "a set": {(1.0, 2.0), (3.0, 4.0)},
    "a flat vector": np.ones(2),
    "a flat list": [0.5, 0.5],
    "a cube": np.ones((2, 1, 3)),
    "a number": 3.0,
    "a scalar array": np.float32(1),
    "complex": np.array([[1 + 2j, 0], [1, 2]]),
    "dates": np.array([["2020-01-01"], ["2020-01-02"]], "datetime64[D]"),
    "a generator of too few": (row for row in [[1.0, 2.0]]),
    "an object": Strange(),
}
BAD_IN_ONE_ROW = {
    "None among them": [[1.0, 2.0], None],
    "None inside": [[1.0, None], [1.0, 2.0]],
    "nan": [[1.0, float("nan")], [1.0, 2.0]],
    "inf": [[1.0, 2.0], [float("-inf"), 2.0]],
    "nan in float16": np.array([[1, np.nan], [1, 2]], np.float16),
    "objects": [[Strange(), 1.0], [1.0, 2.0]],
    "decimals": [[decimal.Decimal("0.1"), 1], [1, 2]],
    "integers beyond 64 bits": [[2**70, 1], [1, 2]],
    "a longdouble that no float64 holds": np.array([[np.longdouble(1) / 3, 1], [1, 2]]),
    "a longdouble beyond float64": np.array([[np.longdouble("1e400"), 1], [1, 2]]),
}
if np.dtype(np.longdouble).itemsize == 8:
    del BAD_IN_ONE_ROW["a longdouble that no float64 holds"]


@crossed("answer", BAD_IN_ONE_ROW.values(), ids=BAD_IN_ONE_ROW.keys())
def test_a_vector_that_cannot_be_used_is_an_error_and_the_other_is_stored(place, way, answer):
    cache = place.cache()
    with pytest.raises(EmbedderContractError, match="1 of the 2 vectors of its answer are kept"):
        ask(way, cache, ["a", "b"], lambda texts: answer)
    seen = []

    def embed(texts):
        seen.extend(texts)
        return [[1.0, 2.0]] * len(texts)

    ask(way, cache, ["a", "b"], embed)
    assert len(seen) == 1
    assert cache.stats().stored == 2


@crossed("answer", BAD.values(), ids=BAD.keys())
def test_a_broken_answer_is_an_error_and_nothing_of_it_is_stored(place, way, answer):
    if hasattr(answer, "gi_frame"):
        answer = list(answer)
        embed = lambda texts: (row for row in answer)  # noqa: E731
    else:
        embed = lambda texts: answer  # noqa: E731
    cache = place.cache()
    before = place.contents()
    with pytest.raises(EmbedderContractError, match="nothing of this answer was stored"):
        ask(way, cache, ["a", "b"], embed)
    assert {name for name in place.contents() if not name.endswith("space.json")} == before.keys()
    model = Model()
    assert bits(ask(way, cache, ["a", "b"], model)) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a", "b"]]
    assert cache.stats().stored == 2


def test_batches_before_and_after_a_broken_one_are_kept(place, way):
    texts = words(9)
    cache = place.cache(batch_size=3)

    def broken_in_the_middle(some):
        return Model().rows(some)[: 2 if "text 4" in some else None]

    with pytest.raises(EmbedderContractError):
        ask(way, cache, texts, broken_in_the_middle)
    model = Model()
    ask(way, cache, texts, model)
    assert model.calls == [texts[3:6], texts[6:]]


def test_another_dimension_within_a_namespace_is_refused(place, way):
    cache = place.cache()
    ask(way, cache, ["a"], Model(width=3))
    with pytest.raises(EmbedderContractError, match=r"namespace= or version="):
        ask(way, cache, ["b"], Model(width=4))
    with pytest.raises(EmbedderContractError, match=r"namespace= or version="):
        ask(way, cache, ["a", "c"], Model(width=4))
    assert ask(way, cache, ["d"], Model(width=4), namespace="another").shape == (1, 4)
    assert bits(ask(way, cache, ["a"], Model(width=4))) == bits(Model(width=3).rows(["a"]))


def test_batches_of_one_call_must_have_one_dimension(place, way):
    with pytest.raises(EmbedderContractError, match="length 4 where this namespace holds vectors of length 3"):
        ask(way, place.cache(batch_size=1), ["a", "b"], lambda texts: Model(width=3 if texts == ["a"] else 4)(texts))


def test_a_declared_dimension_counts_from_the_first_answer_on(place, way):
    identity = Identity.of("acme", "m", dimensions=4)
    with pytest.raises(EmbedderContractError, match="length 4"):
        ask(way, place.cache(), ["a"], Model(width=3), namespace=identity)
    assert ask(way, place.cache(), ["a"], Model(width=4), namespace=identity).shape == (1, 4)


def test_large_integers_and_fractions_cannot_share_a_namespace(way):
    """No dtype holds both: an error, rather than rounded numbers or an embedder that is paid again and again."""
    calls = []

    def embed(texts):
        calls.append(texts)
        return np.array([[2**53 + 1, 0]]) if texts == ["large"] else np.array([[0.5, 0]])

    for texts in (["large", "half"], ["half", "large"]):
        calls.clear()
        with pytest.raises(EmbedderContractError, match="two models share it"):
            ask(way, EmbeddingCache(MemoryStore(), batch_size=1), texts, embed)
        assert len(calls) == 2
    small = EmbeddingCache(MemoryStore(), batch_size=1)
    answers = {"one": np.array([[2**53, 1]]), "half": np.array([[0.5, 0.25]])}
    answer = ask(way, small, ["one", "half"], lambda texts: answers[texts[0]])
    assert answer.tolist() == [[2**53, 1], [0.5, 0.25]]


@pytest.mark.parametrize("extreme", [2**63 - 1, -(2**63)])
def test_extreme_integers_beside_fractions_warn_about_nothing(extreme):
    answers = {"extreme": np.array([[extreme]]), "half": np.array([[0.5]])}
    for texts in (["extreme", "half"], ["half", "extreme"]):
        with pytest.raises(EmbedderContractError):
            EmbeddingCache(MemoryStore(), batch_size=1).embed(texts, lambda some: answers[some[0]], namespace="n")


GOOD = {
    "a list of lists": lambda m: m.tolist(),
    "tuples": lambda m: tuple(map(tuple, m)),
    "a list of arrays": list,
    "a generator": lambda m: (row for row in m),
    "an iterator of lists": lambda m: iter(m.tolist()),
    "a tensor": Tensor,
    "a list of tensors": lambda m: [Tensor(row) for row in m],
    "fortran order": np.asfortranarray,
    "every second row": lambda m: np.repeat(m, 2, axis=0)[::2],
    "backwards": lambda m: m[::-1].copy()[::-1],
    "every second column": lambda m: np.repeat(m, 2, axis=1)[:, ::2],
    "big endian": lambda m: m.astype(">f4"),
    "read-only": frozen,
    "a subclass": lambda m: m.view(type("Sub", (np.ndarray,), {})),
    "float64": lambda m: m.astype(np.float64),
    "longdouble": lambda m: m.astype(np.longdouble),
    "numpy scalars": lambda m: [list(row) for row in m],
}


@crossed("answer", GOOD.values(), ids=GOOD.keys())
def test_anything_that_can_become_a_matrix_comes_back_exactly_cold_and_warm(place, way, answer):
    model = Model(width=5, answer=answer)
    cold = ask(way, place.cache(), words(4), model)
    warm = ask(way, place.cache(), words(4), model)
    assert bits(cold) == bits(warm) == bits(model.rows(words(4)))
    assert type(cold) is type(warm) is np.ndarray
    assert len(model.calls) == 1


DTYPES = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@crossed("dtype", DTYPES)
def test_every_dtype_comes_back_as_it_was(place, way, dtype):
    for order in "<>":
        model = Model(width=7, dtype=np.dtype(dtype).newbyteorder("<"), salt=order)
        asked = Model(
            width=7, dtype=dtype, salt=order, answer=lambda m, order=order: m.astype(m.dtype.newbyteorder(order))
        )
        cold = ask(way, place.cache(), words(3), asked, namespace=f"n{order}")
        warm = ask(way, place.cache(), words(3), asked, namespace=f"n{order}")
        assert bits(cold) == bits(warm) == bits(model.rows(words(3)))
        assert len(asked.calls) == 1


def test_float16_widens_and_booleans_become_numbers(place, way):
    halves = np.array([[0.1, -0.0, 6e-8]], np.float16)
    flags = np.array([[True, False]])
    for texts, answer, expected in (
        (["h"], halves, halves.astype(np.float32)),
        (["f"], flags, flags.astype(np.uint8)),
    ):
        for _ in range(2):
            assert bits(ask(way, place.cache(), texts, lambda _, a=answer: a, namespace=texts[0])) == bits(expected)


@settings(deadline=None, max_examples=150)
@given(
    matrix=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, np.uint64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    )
)
def test_any_finite_matrix_comes_back_and_any_other_is_refused(matrix):
    texts = words(len(matrix))
    store = MemoryStore()
    cache = EmbeddingCache(store)
    if not np.isfinite(matrix).all():
        with pytest.raises(EmbedderContractError, match="not finite"):
            cache.embed(texts, lambda _: matrix, namespace="n")
        good = np.isfinite(matrix).all(axis=1) & matrix.any(axis=1)
        assert len(list(store.yield_keys())) == (good.sum() if np.isfinite(matrix).all(axis=1).any() else 0)
        return
    cold = cache.embed(texts, lambda _: matrix, namespace="n", batch_size=None)
    zero = [text for text, row in zip(texts, matrix, strict=True) if not row.any()]
    warm = cache.embed(texts, lambda some: matrix[[texts.index(text) for text in some]], namespace="n")
    assert bits(cold) == bits(warm)
    assert (cache.stats().zero, cache.stats().stored) == (2 * len(zero), len(texts) - len(zero))
    # Narrowing and widening lose nothing, not even the sign of zero.
    assert bits(cold.astype(matrix.dtype)) == bits(matrix)


def test_nobody_can_change_what_is_stored_or_what_others_got(place, way):
    kept = {}

    def embed(texts):
        kept["answer"] = Model().rows(texts)
        return kept["answer"]

    expected = bits(Model().rows(["a", "b", "a"]))
    cache = place.cache()
    cold = ask(way, cache, ["a", "b", "a"], embed)
    first, second = ask(way, cache, ["a", "b", "a"], embed), ask(way, cache, ["a", "b", "a"], embed)
    for matrix in (kept["answer"], cold, first):
        assert matrix.flags.writeable
        matrix[:] = matrix + 1
    assert cold[0].tolist() == cold[2].tolist(), "duplicates are copies, so each was changed once"
    assert bits(second) == expected
    assert bits(ask(way, cache, ["a", "b", "a"], embed)) == expected
    assert bits(ask(way, place.cache(), ["a", "b", "a"], embed)) == expected


@crossed("dtype", ["float32", "float64", "int8"])
def test_an_answer_shares_no_memory_with_that_of_the_embedder(place, way, dtype):
    """An embedder may use its buffer again."""
    own = Model(dtype=dtype).rows(["a", "b"])
    for mode in ("read_write", "off"):
        answer = ask(way, place.cache(mode=mode), ["a", "b"], lambda texts: own)
        assert not np.may_share_memory(answer, own)


def test_no_texts_are_no_rows(place, way):
    model = Model()
    assert ask(way, place.cache(), [], model).shape[0] == 0
    assert model.calls == []


def test_an_async_embedder_in_a_sync_call_is_named(place):
    async def embed(texts):
        raise AssertionError(texts)

    for mode in ("read_write", "off"):
        with pytest.raises(EmbedderContractError, match="aembed"):
            place.cache(mode=mode).embed(["a"], embed, namespace=NAMESPACE)


def test_a_large_integer_among_fractions_is_refused_rather_than_rounded():
    """Numpy would round it silently, and the cache would give back another number than the embedder."""
    cache = EmbeddingCache(MemoryStore())
    with pytest.raises(EmbedderContractError, match="does not fit into float64"):
        cache.embed(["a"], lambda _: [[2**53 + 1, 0.5]], namespace="n")
    fine = [[2**53, 0.5, 1e300, -(2**60)]]
    assert cache.embed(["a"], lambda _: fine, namespace="m").tolist() == fine


@pytest.mark.parametrize("answered", [0, 1, 2, 3])
def test_what_a_generator_has_yielded_before_it_raised_is_kept(answered, place, way):
    """A function that embeds text by text, and meets a quota."""
    texts, seen = ["a", "bb", "ccc"], []

    def embed(some):
        for text in some:
            if len(seen) == answered:
                raise RuntimeError("429")
            seen.append(text)
            yield [float(len(text)), 1.0]

    cache = place.cache()
    if answered < len(texts):
        with pytest.raises(RuntimeError, match="429"):
            ask(way, cache, texts, embed)
    else:
        ask(way, cache, texts, embed)
    assert cache.stats().stored == answered
    again = []

    def rest(some):
        again.extend(some)
        return [[float(len(text)), 1.0] for text in some]

    assert ask(way, cache, texts, rest).tolist() == [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]
    assert again == texts[answered:]


@pytest.mark.parametrize("answered", [1, 2])
def test_what_a_generator_has_yielded_before_an_interrupt_is_kept(answered, place):
    texts, model = ["a", "bb", "ccc"], Model()

    def embed(some):
        for text in some[:answered]:
            yield model([text])[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.cache().embed(texts, embed, namespace=NAMESPACE)
    assert place.cache().embed(texts, model, namespace=NAMESPACE).tolist() == model.rows(texts).tolist()
    assert model.seen == texts
