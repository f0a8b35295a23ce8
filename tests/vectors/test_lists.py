"""Vectors as the lists of numbers that frameworks want."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embedonce.vectors.lists import as_lists


@given(
    hnp.arrays(
        st.sampled_from(["<i8", "<u8", "|i1", "<f4", "<f8"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=4),
        elements={"allow_nan": False},
    )
    | hnp.arrays("<i8", (1, 2), elements=st.sampled_from([2**63 - 1, -(2**63), 2**53, 2**53 + 1, 2**60]))
)
def test_lists_hold_the_same_numbers(matrix):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for numbers in (None, int, float):
            assert as_lists(matrix, numbers) == matrix.tolist()
        assert repr(as_lists(matrix)) == repr(matrix.tolist())


@pytest.mark.parametrize(
    ("numbers", "asked", "kind"),
    [
        ([1, 2], None, int),
        ([1.0, 2.0], None, float),
        ([1, 2], float, float),
        ([2**60, 1], float, float),
        ([2**63 - 1, 1], float, int),
        ([1.0, -2.0], int, int),
        ([1.5, 2.0], int, float),
        ([1e300, 2.0], int, float),
    ],
)
def test_numbers_have_the_type_that_is_asked_for_where_it_holds_them(numbers, asked, kind):
    (row,) = as_lists(np.array([numbers]), asked)
    assert row == numbers
    assert {type(number) for number in row} == {kind}
