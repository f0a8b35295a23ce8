"""Collecting rows into one matrix: each where it belongs, and none of them changed."""

from __future__ import annotations

import numpy as np
import pytest
from core_support import bits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embedonce.vectors.envelope import Row
from embedonce.vectors.rows import RowBuffer

DTYPES = st.sampled_from(["<f2", "<f4", "<f8", "|i1", "|u1", "<i4", "<u4", "<i8", "<u8"])


def numbers(dtype):
    if np.dtype(dtype).kind == "f":
        return {"allow_nan": False, "allow_infinity": False}
    ends = np.iinfo(dtype)
    return st.sampled_from([ends.min, ends.max, 0, 1, min(ends.max, 2**53), min(ends.max, 2**53 + 1)])


@st.composite
def puts(draw):
    """Some blocks of rows for the places of one call: no place twice, in any order."""
    count = draw(st.integers(1, 6))
    left = draw(st.permutations(range(count)))
    blocks = []
    while left:
        size = draw(st.integers(1, len(left)))
        positions, left = left[:size], left[size:]
        if draw(st.booleans()):
            positions = sorted(positions)
        dtype, width = draw(DTYPES), draw(st.sampled_from([2, 2, 2, 1]))
        block = draw(hnp.arrays(dtype, (size, width), elements=numbers(dtype)))
        block.flags.writeable = draw(st.booleans())
        blocks.append((np.array(positions), block))
    return count, blocks


@settings(deadline=None, max_examples=400)
@given(puts())
def test_every_row_is_where_it_belongs_and_none_is_changed(case):
    count, blocks = case
    rows = RowBuffer(count, None)
    given_rows = {}
    for positions, block in blocks:
        had = rows.found.copy()
        rows.put(positions, block.copy() if block.flags.writeable else block)
        given_rows |= dict(zip(positions.tolist(), block.tolist(), strict=True))
        assert (rows.found >= had).all(), "what was found stays found"
        assert rows.matrix.flags.writeable, "the caller may change it"
        for position in np.flatnonzero(rows.found).tolist():
            assert rows.matrix[position].tolist() == given_rows[position]
        same_width = had.any() and block.shape[1] == rows.matrix.shape[1]
        if not had.any() or (same_width and {block.dtype.kind, rows.matrix.dtype.kind} == {"f"}):
            assert rows.found[positions].all(), "nothing speaks against them"
    assert rows.missing == [i for i in range(count) if not rows.found[i]]


def test_a_row_of_another_length_is_not_found():
    """Numpy would spread a single number over a whole row."""
    rows = RowBuffer(2, None)
    rows.put(np.array([0]), np.array([[1.0, 2.0]]))
    rows.put(np.array([1]), np.array([[9.0]]))
    assert rows.missing == [1]


def test_what_could_not_be_read_does_not_decide_the_type():
    rows = RowBuffer(2, 2)
    assert rows.has_room_for(np.dtype("<f8"))
    with pytest.raises(OSError, match="gone"):
        rows.filled(np.array([0, 1]), unreadable)
    assert rows.missing == [0, 1]
    block = np.array([[0.5, 1.0], [1.5, 2.0]], np.float32)
    for positions in ([0, 1], [1, 0]):
        some = RowBuffer(2, 2)
        some.has_room_for(np.dtype("<f8"))
        some.put(np.array(positions), block.copy())
        assert bits(some.matrix) == bits(block[positions])


def unreadable(matrix):
    matrix[:] = 9
    msg = "gone"
    raise OSError(msg)


@given(st.permutations(range(5)))
def test_the_order_of_positions_does_not_matter(order):
    block = np.arange(10, dtype=np.float32).reshape(5, 2)
    rows = RowBuffer(5, None)
    rows.put(np.array(order), block.copy())
    assert rows.matrix[order].tolist() == block.tolist()


def row(*values, dtype="<f4"):
    return Row(np.dtype(dtype), np.array(values, dtype).tobytes())


def test_stored_rows_that_contradict_each_other_are_not_found():
    rows = RowBuffer(3, None)
    rows.put_rows([row(1, 2), row(3), None])
    assert (rows.missing, rows.dimensions) == ([0, 1, 2], None)
    known = RowBuffer(3, 2)
    known.put_rows([row(1, 2), row(3), row(4, 5, dtype="<f8")])
    assert (known.missing, known.matrix[[0, 2]].tolist()) == ([1], [[1, 2], [4, 5]])


def test_the_embedder_has_the_last_word_over_rows_that_do_not_name_it():
    loose = RowBuffer(3, None)
    loose.put_loose_rows([row(1, 2), None, row(3, 4)])
    assert loose.missing == [1]
    assert loose.settle(3) == 2
    assert (loose.missing, loose.dimensions) == ([0, 1, 2], 3)
    agreed = RowBuffer(2, None)
    agreed.put_loose_rows([row(1, 2), None])
    assert agreed.settle(2) == 0
    assert agreed.missing == [1]
    # Those that do name it are not in doubt.
    owned = RowBuffer(2, None)
    owned.put_rows([row(1, 2), None])
    assert owned.settle(3) == 0
    assert owned.missing == [1]
