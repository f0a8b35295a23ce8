"""What is kept of an answer in which some vectors cannot be used."""

from __future__ import annotations

import math

import numpy as np
import pytest
from core_support import bits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embedonce import EmbedderContractError
from embedonce.vectors.answers import MAX_DIMENSIONS, checked_answer, vectors_of

GOOD = [[0.5, 2.0], [0.25, -1.0]]
NAN = float("nan")

BAD_VECTORS = {
    "None": (None, "is None"),
    "nan": ([NAN, 1.0], "not finite"),
    "inf": (np.array([np.inf, 1.0]), "not finite"),
    "None inside": ([1.0, None], "other than real numbers"),
    "strings": (["a", "b"], "other than real numbers"),
    "a string": ("text", "of type str"),
    "a number": (1.0, "of type float"),
    "objects": ([object(), 1.0], "other than real numbers"),
    "complex": ([1j, 1.0], "other than real numbers"),
    "dates": (np.array(["2020-01-01"] * 2, "datetime64[D]"), "other than real numbers"),
    "nested": ([[1.0, 2.0]], "has the shape"),
    "ragged inside": ([[1.0], [1.0, 2.0]], "is not a vector of numbers"),
    "empty": ([], "is empty"),
    "an integer beyond 64 bits": ([2**70, 1], "other than real numbers"),
    "an integer that loses digits": ([2**53 + 1, 1], "integer that does not fit"),
    "an integer that loses digits beside its fraction": ([2**53 + 1, 0.5], "integer that does not fit"),
    "masked": (np.ma.array([1.0, 2.0], mask=[True, False]), "masked"),
}
if np.dtype(np.longdouble).itemsize > 8:
    BAD_VECTORS["a longdouble"] = (np.array([np.longdouble(1) / 3, 1]), "do not fit into float64")


@pytest.mark.parametrize(("vector", "reason"), BAD_VECTORS.values(), ids=BAD_VECTORS.keys())
def test_a_vector_that_cannot_be_used_costs_no_other(vector, reason):
    expected = np.array([GOOD[0], [0, 0], GOOD[1]], np.float32)
    for rows in ([GOOD[0], vector, GOOD[1]], [np.array(GOOD[0], np.float32), vector, GOOD[1]]):
        for answer in (rows, tuple(rows), iter(rows)):
            checked = checked_answer(answer, 3)
            assert bits(checked.matrix) == bits(expected)
            assert list(checked.bad) == [1]
            assert checked.zero == []
            assert reason in checked.bad[1]
            assert checked.reason == f"its vector {checked.bad[1]}"
        with pytest.raises(EmbedderContractError, match=f"vector 1 .*{reason}"):
            vectors_of(rows, 3)


ARRAYS = {
    "a masked array": np.ma.array([[0.5, 2.0], [9.0, 9.0]], mask=[[False, False], [True, False]]),
    "an array of objects": np.array([[0.5, 2.0], [None, 9.0]], dtype=object),
    "an array of rows": np.array([[0.5, 2.0], None], dtype=object),
}


def tables():
    import pandas as pd
    import pyarrow as pa

    return {
        "a frame": pd.DataFrame({"x": pd.array([0.5, None], dtype="Float64"), "y": [2.0, 9.0]}),
        "a frame with text": pd.DataFrame({"x": [0.5, "9"], "y": [2.0, 9.0]}),
        "a series": pd.Series([[0.5, 2.0], None], index=[7, 3]),
        "a series of masked arrays": pd.Series([[0.5, 2.0], np.ma.masked_all(2)]),
        "a list with a missing value of pandas": [[0.5, 2.0], [pd.NA, 9.0]],
        "an array of Arrow": pa.array([[0.5, 2.0], None]),
        "an array of Arrow with a null inside": pa.array([[0.5, 2.0], [None, 9.0]]),
        "chunks of Arrow": pa.chunked_array([[[0.5, 2.0]], [None]]),
    }


class Unreadable:
    """A vector that cannot be read, for instance since it is on another device."""

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


@pytest.mark.parametrize(
    "error", [RuntimeError("on a device"), AttributeError("cpu"), NotImplementedError(), KeyError(1)]
)
def test_a_vector_that_cannot_be_read_costs_no_other(error):
    checked = checked_answer([GOOD[0], Unreadable(error)], 2)
    assert checked.matrix.tolist() == [GOOD[0], [0, 0]]
    assert str(error) in checked.bad[1]
    with pytest.raises(EmbedderContractError, match="is not a matrix of numbers"):
        checked_answer(Unreadable(error), 1)


class UnsizedIterator:
    """An iterator that has a length only sometimes, as that of a progress bar."""

    def __init__(self, rows):
        self.rows = iter(rows)

    def __iter__(self):
        return self.rows

    def __len__(self):
        raise TypeError


def test_a_length_that_is_not_known_need_not_be():
    assert vectors_of(UnsizedIterator(GOOD), 2).tolist() == GOOD
    with pytest.raises(EmbedderContractError, match="1 vectors for 2 texts"):
        vectors_of(UnsizedIterator(GOOD[:1]), 2)


def test_missing_values_of_arrays_and_tables_are_bad():
    for what, answer in {**ARRAYS, **tables()}.items():
        checked = checked_answer(answer, 2)
        assert bits(checked.matrix) == bits(np.array([[0.5, 2.0], [0, 0]], np.float32)), what
        assert list(checked.bad) == [1], what


def test_bfloat16_widens():
    import ml_dtypes

    matrix = np.array([[0.1, -0.0], [np.nan, 1.0]], ml_dtypes.bfloat16)
    for answer in (matrix, list(matrix), iter(matrix)):
        checked = checked_answer(answer, 2)
        assert bits(checked.matrix[:1]) == bits(matrix[:1].astype(np.float32))
        assert list(checked.bad) == [1]


def test_what_is_bad_does_not_decide_the_type_of_the_others():
    """A vector in float64, or of fractions, would widen them; so would what float64 does not hold."""
    for bad in (None, [NAN, 0.1], np.array([0.1, np.inf]), [2**70, 0.1]):
        assert checked_answer([[1, 2], bad], 2).matrix.dtype == np.int64
        assert checked_answer([np.array([0.5, 2], np.float32), bad], 2).matrix.dtype == np.float32
        assert checked_answer([np.array([1, 2], np.int8), bad], 2).matrix.dtype == np.int8
    assert checked_answer(np.array([[0.1, 2], [NAN, 1]]), 2).matrix.dtype == np.float64
    large = [2**53 + 1, 3]
    assert checked_answer([large, [NAN, 1.0]], 2).matrix.tolist() == [large, [0, 0]]


def test_a_vector_of_another_length_is_bad_where_the_length_is_known():
    answer = [GOOD[0], [1.0], GOOD[1], [1.0, 2.0, 3.0], []]
    checked = checked_answer(answer, 5, 2)
    assert checked.matrix.tolist() == [GOOD[0], [0, 0], GOOD[1], [0, 0], [0, 0]]
    assert checked.bad == {1: "has length 1 instead of 2", 3: "has length 3 instead of 2", 4: "is empty"}
    for known in (None, 4):
        with pytest.raises(EmbedderContractError, match=r"differing lengths \[1, 2, 3\]"):
            checked_answer(answer, 5, known)
    # What most of them have is the length, if it is not known.
    assert checked_answer([*answer, GOOD[0], GOOD[0]], 7).bad == checked.bad
    # What is bad anyway says nothing about the length.
    assert list(checked_answer([GOOD[0], [NAN]], 2).bad) == [1]


def test_another_length_than_the_declared_one_is_told_from_that_of_stored_vectors():
    with pytest.raises(EmbedderContractError, match="length 2 where this namespace holds vectors of length 8"):
        checked_answer(GOOD, 2, 8)
    with pytest.raises(EmbedderContractError, match=r"length 2 where .* is declared to return vectors of length 8"):
        checked_answer(GOOD, 2, 8, declared=True)


def test_an_answer_without_a_single_good_vector_is_refused_as_a_whole():
    with pytest.raises(EmbedderContractError, match="vector 0 is None, and 1 more of 2 vectors cannot be used"):
        checked_answer([None, [NAN]], 2)


def test_vectors_of_zeros_are_named():
    for dtype in ("<f4", "<f8", "<i8", "|u1", "|b1"):
        matrix = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype)
        assert checked_answer(matrix, 4).zero == [0, 3]
    checked = checked_answer([[-0.0, 0.0], None, [0.0, 1e-300]], 3)
    assert (checked.zero, list(checked.bad)) == ([0], [1])


@pytest.mark.parametrize(
    "answer",
    [
        {(1.0, 2.0), (3.0, 4.0)},
        {(1.0, 2.0): 1, (3.0, 4.0): 2}.keys(),
        np.zeros(2, "f4,f4"),
        np.zeros((2, 2, 2), object),
    ],
    ids=["a set", "keys", "a structured array", "a cube of objects"],
)
def test_what_has_no_order_or_no_rows_is_refused(answer):
    with pytest.raises(EmbedderContractError, match="nothing of this answer was stored"):
        checked_answer(answer, 2)


async def a_generator():
    yield [1.0, 2.0]


def test_what_is_async_is_not_taken_for_vectors():
    class Pending:
        def __await__(self):
            raise AssertionError

    with pytest.raises(EmbedderContractError, match="it is async"):
        checked_answer(Pending(), 1)
    with pytest.raises(EmbedderContractError, match="async_generator instead of 1 vectors"):
        checked_answer(a_generator(), 1)


def objects(rows):
    """An array of objects with one vector in each."""
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


CONTAINERS = {
    "a list": list,
    "a tuple": tuple,
    "an iterator": iter,
    "an array of objects": objects,
    "a list of lists": lambda rows: [row.tolist() if isinstance(row, np.ndarray) else row for row in rows],
    "an iterator of lists": lambda rows: (row.tolist() if isinstance(row, np.ndarray) else row for row in rows),
    "values": lambda rows: dict(enumerate(rows)).values(),
}
DTYPES = st.sampled_from(["<f2", "<f4", "<f8", ">f8", "|i1", "|u1", "<i4", "<i8", "|b1"])
WIDTHS = st.shared(st.integers(1, 4), key="width")
GOOD_VECTORS = DTYPES.flatmap(
    lambda dtype: (
        st.lists(
            WIDTHS.flatmap(
                lambda width: hnp.arrays(dtype, width, elements={"allow_nan": False, "allow_infinity": False})
            ),
            min_size=1,
            max_size=5,
        )
        if np.dtype(dtype).kind == "f"
        else st.lists(WIDTHS.flatmap(lambda width: hnp.arrays(dtype, width)), min_size=1, max_size=5)
    )
)
BAD_ROWS = st.one_of(
    st.none(),
    st.sampled_from(["text", b"bytes", 1.0, [], {}, object(), [[1.0]]]),
    WIDTHS.map(lambda width: [NAN] * width),
    WIDTHS.map(lambda width: [0.1] * (width - 1) + [math.inf]),
    WIDTHS.map(lambda width: [None] * width),
    WIDTHS.map(lambda width: [2**64] * width),
    WIDTHS.map(lambda width: ["1"] * width),
    WIDTHS.map(lambda width: [1j] * width),
    WIDTHS.map(np.ma.masked_all),
)


@settings(deadline=None, max_examples=300)
@given(
    good=GOOD_VECTORS, bad=st.lists(BAD_ROWS, max_size=4), container=st.sampled_from(sorted(CONTAINERS)), data=st.data()
)
def test_good_vectors_among_bad_ones_are_taken_bit_by_bit(good, bad, container, data):
    make = CONTAINERS[container]
    order = data.draw(st.permutations([True] * len(good) + [False] * len(bad)))
    left = {True: list(good), False: list(bad)}
    rows = [left[is_good].pop(0) for is_good in order]
    checked = checked_answer(make(rows), len(rows))
    alone = checked_answer(make(good), len(good))
    assert alone.bad == {}
    where = np.flatnonzero(order)
    assert bits(checked.matrix[where]) == bits(alone.matrix)
    for taken, vector in zip(alone.matrix, good, strict=True):
        assert bits(taken.astype(vector.dtype)) == bits(vector)
    assert list(checked.bad) == np.flatnonzero(np.logical_not(order)).tolist()
    assert not checked.matrix[list(checked.bad)].any()
    assert checked.zero == [int(where[i]) for i in alone.zero]


@settings(deadline=None, max_examples=300)
@given(
    matrix=hnp.arrays(
        st.sampled_from(["<f2", "<f4", "<f8", ">f4", "g"]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)
    )
)
def test_numbers_that_are_not_finite_in_an_array_cost_their_own_vector(matrix):
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.any():
        with pytest.raises(EmbedderContractError, match="not finite"):
            checked_answer(matrix, len(matrix))
        return
    checked = checked_answer(matrix, len(matrix))
    assert list(checked.bad) == np.flatnonzero(~finite).tolist()
    assert bits(checked.matrix[finite]) == bits(vectors_of(matrix[finite], int(finite.sum())))


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]),
    st.floats(),
    st.floats(width=32),
)


@settings(deadline=None, max_examples=500)
@given(rows=st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=4), is_lazy=st.booleans())
def test_no_number_is_ever_changed_silently(rows, is_lazy):
    """Integers of any size beside fractions: each vector comes back as it is, or is bad."""
    try:
        checked = checked_answer(iter(rows) if is_lazy else rows, len(rows))
    except EmbedderContractError:
        checked = None
    for i, row in enumerate(rows):
        is_plain = all(isinstance(number, float) and math.isfinite(number) for number in row)
        if checked is None or i in checked.bad:
            assert not is_plain, "vectors of fractions never fail for what is beside them"
        else:
            taken = checked.matrix[i].tolist()
            assert taken == row
            assert [math.copysign(1, number) for number in taken] == [math.copysign(1, number) for number in row]


@pytest.mark.parametrize("bad", [math.inf, -math.inf, NAN])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_each_vector_of_a_large_array_is_looked_at(dtype, bad):
    for position in (0, 63, 64, 65, 199):
        matrix = np.ones((200, 2), dtype)
        matrix[position, 1] = bad
        checked = checked_answer(matrix, 200)
        assert list(checked.bad) == [position]
        assert checked.matrix.sum() == 2 * 199


def test_bad_vectors_are_named_in_their_order_whatever_is_wrong():
    answer = [[2**53 + 1, 1], None, [1.0], [0.5, 1.0], [NAN, 1.0]]
    assert list(checked_answer(answer, 5, 2).bad) == [0, 1, 2, 4]


def test_vectors_that_are_longer_than_any_models_are_refused():
    assert vectors_of(np.ones((1, MAX_DIMENSIONS), np.int8), 1).shape == (1, MAX_DIMENSIONS)
    with pytest.raises(EmbedderContractError, match="vectors of length"):
        vectors_of(np.ones((1, MAX_DIMENSIONS + 1), np.int8), 1)
