"""Vectors as the lists of floats that frameworks want."""

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
        assert as_lists(matrix) == matrix.tolist()


@pytest.mark.parametrize(("numbers", "kind"), [([1, 2], float), ([2**60, 1], float), ([2**63 - 1, 1], int)])
def test_integers_become_floats_where_these_hold_them(numbers, kind):
    (row,) = as_lists(np.array([numbers]))
    assert row == numbers
    assert {type(number) for number in row} == {kind}
