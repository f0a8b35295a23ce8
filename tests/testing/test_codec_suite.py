"""The suite of codecs: sound ones pass all of it, and each kind of broken one fails where it is meant to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from embedonce import Codec
from embedonce.testing import CodecSuite
from embedonce.vectors.codecs import BUILT_IN


class TestExact(CodecSuite):
    codec = BUILT_IN["exact"]
    is_exact = True


class TestFloat16(CodecSuite):
    codec = BUILT_IN["float16"]
    tolerance = 2**-11


class TestInt8(CodecSuite):
    codec = BUILT_IN["int8"]
    tolerance = 0.03
    vectors = (np.eye(9, dtype="<f4"), np.full((3, 5), 127 / 128, "<f4"))


def to_bytes(matrix):
    """Number of bytes of a number in front, then first bytes first, as packers like it."""
    kinds = {"f4": 0, "f8": 1, "i1": 2, "u1": 3, "i8": 4}
    kind = np.full((len(matrix), 1), kinds[matrix.dtype.str[1:]], "u1")
    planes = np.ascontiguousarray(matrix).view("u1").reshape(*matrix.shape, -1)
    return np.concatenate([kind, planes.transpose(0, 2, 1).reshape(len(matrix), -1)], axis=1)


def from_bytes(rows):
    dtype = np.dtype(("f4", "f8", "i1", "u1", "i8")[rows[0, 0]])
    planes = rows[:, 1:].reshape(len(rows), dtype.itemsize, -1).transpose(0, 2, 1)
    return np.ascontiguousarray(planes).view(dtype)[:, :, 0]


class TestLossless(CodecSuite):
    """One of a user that changes the form of vectors and no bit of them."""

    codec = Codec("planes", "1", to_bytes, from_bytes)
    is_exact = True


def signs(matrix):
    if matrix.dtype.kind != "f":
        raise ValueError("for floats only")
    return np.where(matrix < 0, -1, 1).astype("i1")


class TestSigns(CodecSuite):
    """One that keeps hardly anything is sound as well: nothing is said of tolerance."""

    codec = Codec("signs", "1", signs, lambda rows: rows.astype("f4"))


def _only(matrix, dtype):
    if matrix.dtype != dtype:
        raise ValueError("for others")
    return matrix.copy()


# -- Broken ones ---------------------------------------------------------------------------------------------------

_BUFFER = np.zeros((4096, 2048), "f4")
_COUNT = itertools.count()
same = BUILT_IN["exact"].encode
to_int8, from_int8 = BUILT_IN["int8"].encode, BUILT_IN["int8"].decode


def of_batch(matrix):
    """One scale for all vectors of a call."""
    scale = np.float32(2.0 ** np.ceil(np.log2(np.abs(matrix).max())) / 64)
    return np.rint(matrix / scale).astype("i1")


def centered(matrix):
    return matrix - matrix.mean(axis=0)


def by_largest(matrix):
    """The usual int8: the largest number becomes 127, followed by a scale that is not a power of two."""
    scale = np.abs(matrix).max(axis=1, keepdims=True) / 127
    return np.concatenate([np.rint(matrix / scale), scale], axis=1).astype("f4")


def from_largest(rows):
    return (rows[:, :-1] * rows[:, -1:] * np.float32(1.0001)).astype("f4")


def overflowing(matrix):
    with np.errstate(over="ignore"):
        return matrix.astype("f2")


def in_place(matrix):
    np.multiply(matrix, 2, out=matrix, casting="unsafe")
    return matrix.astype("f4")


def in_place_of_rows(rows):
    vectors = rows.copy()
    rows[:] = 0
    return vectors


def in_buffer(matrix):
    rows = _BUFFER[: matrix.shape[0], : matrix.shape[1]]
    rows[:] = matrix
    return rows


def in_order_of_calls(matrix):
    return np.concatenate([matrix, np.full((len(matrix), 1), next(_COUNT))], axis=1).astype("f4")


def first(columns):
    return lambda rows: rows[:, :columns]


def drop_sign_of_zero(matrix):
    return matrix + np.zeros(1, matrix.dtype)


def endless_as_zero(rows):
    return np.where(np.isinf(rows), 0, rows).astype("f4")


def as_float32(rows):
    return rows.astype("f4")


EXTREME = "test_extreme_numbers_are_treated_like_others"
BROKEN = [
    (Codec("", "1", same, same), "test_it_can_be_registered"),
    (Codec("x", None, same, same), "test_it_can_be_registered"),
    (Codec("x", "1", lambda matrix: _only(matrix, "f8"), same), "test_unit_vectors_are_held"),
    (Codec("x", "1", lambda matrix: matrix[0], same), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", lambda matrix: matrix[:, :0], same), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", lambda matrix: matrix.T, lambda rows: rows.T), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", lambda matrix: matrix > 0, as_float32), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", lambda matrix: matrix.tolist(), np.array), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", same, lambda rows: rows.astype("c8")), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", first(3), same), "test_shapes_and_types_fit_the_format"),
    (Codec("x", "1", of_batch, as_float32), "test_rows_depend_on_their_own_vector_only"),
    (Codec("x", "1", centered, same), "test_rows_depend_on_their_own_vector_only"),
    (Codec("x", "1", same, centered), "test_rows_depend_on_their_own_vector_only"),
    (Codec("x", "1", by_largest, from_largest), "test_a_decoded_vector_becomes_the_row_it_came_from"),
    (Codec("x", "1", lambda matrix: matrix / 2, same), "test_a_decoded_vector_becomes_the_row_it_came_from"),
    (Codec("x", "1", by_largest, from_largest), "test_a_cache_gives_a_miss_and_a_hit_the_same_vectors"),
    (Codec("x", "1", signs, as_float32), "test_numbers_come_back_as_near_as_promised"),
    (Codec("x", "1", by_largest, from_largest), f"{EXTREME}[zeros]"),
    (Codec("x", "1", overflowing, endless_as_zero), f"{EXTREME}[the largest numbers of float32]"),
    (
        Codec("x", "1", overflowing, endless_as_zero),
        "test_a_cache_holds_extreme_numbers_or_refuses_them[the largest numbers of float32]",
    ),
    (Codec("x", "1", in_place, same), "test_arguments_stay_as_they_are"),
    (Codec("x", "1", same, in_place_of_rows), "test_arguments_stay_as_they_are"),
    (Codec("x", "1", in_buffer, same), "test_results_stay_as_they_are"),
    (Codec("x", "1", same, in_buffer), "test_results_stay_as_they_are"),
    (Codec("x", "1", in_order_of_calls, first(-1)), "test_results_stay_as_they_are"),
    (Codec("exact", "1", to_int8, lambda rows: from_int8(rows) * 2), "test_a_cache_keeps_codecs_apart"),
]


@pytest.mark.soak
@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_a_broken_codec_fails_where_it_is_meant_to(fails, broken, test):
    assert fails(_on(broken, tolerance=0.1), test)


def test_one_that_is_said_to_be_exact_has_to_keep_every_bit(fails):
    assert fails(_on(Codec("x", "1", same, drop_sign_of_zero), is_exact=True), f"{EXTREME}[negative zeros]")
    for test in ("test_numbers_come_back_as_near_as_promised", "test_a_cache_gives_a_miss_and_a_hit_the_same_vectors"):
        assert fails(_on(BUILT_IN["float16"], is_exact=True), test)


def test_further_vectors_are_tested(fails):
    vectors = [np.full((2, 3), 1e6, "f4")]
    assert not fails(_on(Codec("x", "1", small_only, as_float32)), "test_unit_vectors_are_held")
    assert fails(_on(Codec("x", "1", small_only, as_float32), vectors=vectors), "test_unit_vectors_are_held")


def small_only(matrix):
    if np.abs(matrix).max() > 60_000:
        raise ValueError("too large")
    return matrix.astype("f2")


def _on(codec, **attributes):
    return type("TestBroken", (CodecSuite,), {"codec": codec, **attributes})
