"""What is kept of an answer in which some vectors cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from core_support import bits

from embedonce import EmbedderContractError
from embedonce.vectors.answers import checked_answer, vectors_of

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
