"""Embedders that write into one buffer again and again: their vectors are copied before the next one is asked for."""

from __future__ import annotations

import array
from collections.abc import Sequence

import numpy as np
import pytest
from core_support import NAMESPACE, Model, ask, bits, crossed, words

from embedonce.vectors.answers import checked_answer, vectors_of

ROWS = np.array([[0.5, 1.0], [1.5, -2.0], [2.5, 3.0]], np.float32)


class AsArray:
    """Like a tensor of torch: its memory is that of an array."""

    def __init__(self, buffer):
        self.buffer = buffer

    def __array__(self, dtype=None, copy=None):
        return self.buffer

    def __len__(self):
        return len(self.buffer)


class MadeWhenRead:
    """Fills the buffer of all vectors as soon as it is read."""

    def __init__(self, buffer, row):
        self.buffer, self.row = buffer, row

    def __array__(self, dtype=None, copy=None):
        self.buffer[:] = self.row
        return self.buffer


class Items:
    def __init__(self, rows, item):
        self.rows, self.item = rows, item

    def __getitem__(self, i):
        if i >= len(self.rows):
            raise IndexError(i)
        return self.item(self.rows[i])


class SizedItems(Items):
    def __len__(self):
        return len(self.rows)


class SequenceOfItems(SizedItems, Sequence):
    pass


class UncheckedItems(Items):
    """Does not notice that an index is too large: it has no end for whoever does not ask for its length."""

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.item(self.rows[i % len(self.rows)])


class Hinted:
    """An iterator that says how much is left."""

    def __init__(self, rows, item):
        self.left, self.item = list(rows), item

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.item(self.left.pop(0))

    def __length_hint__(self):
        return len(self.left)


class SizedIterator(Hinted):
    def __len__(self):
        return len(self.left)


def into_array(buffer=None):
    buffer = np.zeros(2, np.float32) if buffer is None else buffer

    def fill(row):
        buffer[:] = row
        return buffer

    return fill


def into_list():
    buffer = []

    def fill(row):
        buffer[:] = row.tolist()
        return buffer

    return fill


def into(kind):
    """Fill one array, and return something that shows its memory."""
    buffer = np.zeros(2, np.float32)
    fill, shown = into_array(buffer), kind(buffer)

    def fill_and_show(row):
        fill(row)
        return shown

    return fill_and_show


def into_c_array():
    buffer = array.array("f", [0, 0])

    def fill(row):
        buffer[:] = array.array("f", row.tobytes())
        return buffer

    return fill


BUFFERS = {
    "an array": into_array,
    "a list": into_list,
    "a view": lambda: into(lambda buffer: buffer[:]),
    "a read-only view": lambda: into(lambda buffer: np.broadcast_to(buffer, (2,))),
    "a memoryview": lambda: into(memoryview),
    "a tensor": lambda: into(AsArray),
    "an array.array": into_c_array,
    "numbers that are views": lambda: into(lambda buffer: [buffer[0:1].reshape(()), buffer[1:2].reshape(())]),
}
LAZY = {
    "a generator": lambda rows, item: (item(row) for row in rows),
    "map": lambda rows, item: map(item, rows),
    "an iterator with a hint": Hinted,
    "an iterator with a length": SizedIterator,
    "items": Items,
    "items and a length": SizedItems,
    "items without an end": UncheckedItems,
    "a sequence": SequenceOfItems,
}


@pytest.mark.parametrize("lazy", LAZY.values(), ids=LAZY.keys())
@pytest.mark.parametrize("buffer", BUFFERS.values(), ids=BUFFERS.keys())
def test_vectors_are_copied_as_they_come(lazy, buffer):
    assert bits(vectors_of(lazy(ROWS, buffer()), len(ROWS))) == bits(ROWS)


@crossed("buffer", [into_array, into_list])
def test_a_generator_that_yields_one_buffer_is_stored_as_what_it_yielded(place, way, buffer):
    model = Model(width=5)

    def embed(texts):
        fill = into_array(np.zeros(5, np.float32)) if buffer is into_array else buffer()
        return (fill(row) for row in model(texts))

    expected = Model(width=5).rows(words(4))
    assert bits(ask(way, place.cache(), words(4), embed)) == bits(expected)
    assert bits(place.cache(mode="replay").embed(words(4), embed, namespace=NAMESPACE)) == bits(expected)


def test_vectors_that_are_made_when_they_are_read_are_copied_one_by_one():
    buffer = np.zeros(2, np.float32)
    for container in (list, tuple, iter):
        answer = container([MadeWhenRead(buffer, row) for row in ROWS])
        assert bits(vectors_of(answer, len(ROWS))) == bits(ROWS)


def test_one_vector_in_a_list_many_times_is_many_equal_vectors():
    vector = np.array([0.5, 1.0], np.float32)
    assert vectors_of([vector] * 3, 3).tolist() == [[0.5, 1.0]] * 3


def test_an_answer_without_an_end_is_refused():
    def endless():
        while True:
            yield [1.0, 2.0]

    with pytest.raises(ValueError, match="more than 3 vectors for 3 texts"):
        checked_answer(endless(), 3)


def contiguous(matrix, tmp_path):
    return matrix


def mapped(matrix, tmp_path):
    shown = np.memmap(tmp_path / "mapped", matrix.dtype, "w+", shape=matrix.shape)
    shown[:] = matrix
    return shown


def read_only(matrix, tmp_path):
    shown = matrix[:]
    shown.flags.writeable = False
    return shown


OWNERS = {
    "contiguous": contiguous,
    "in columns": lambda matrix, _: np.asfortranarray(matrix),
    "every second row": lambda matrix, _: np.repeat(matrix, 2, axis=0)[::2],
    "backwards": lambda matrix, _: matrix[::-1],
    "one row for all": lambda matrix, _: np.broadcast_to(matrix[0], matrix.shape),
    "read-only": read_only,
    "a mapped file": mapped,
    "a subclass": lambda matrix, _: matrix.view(type("Sub", (np.ndarray,), {})),
    "masked": lambda matrix, _: np.ma.array(matrix, copy=False),
    "a tensor": lambda matrix, _: AsArray(matrix),
    "a memoryview": lambda matrix, _: memoryview(matrix),
    "rows": lambda matrix, _: list(matrix),
    "one row": lambda matrix, _: [matrix[0]] * len(matrix),
}


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<f2", "g", "<i8", "|i1", "|b1"])
@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS.keys())
def test_the_matrix_is_writable_contiguous_and_in_memory_of_its_own(owner, dtype, tmp_path):
    matrix = ROWS.astype(dtype)
    answer = owner(matrix, tmp_path)
    taken = vectors_of(answer, len(ROWS))
    kept = taken.copy()
    # The embedder uses its memory for the next batch.
    memory = answer if isinstance(answer, np.memmap) else matrix
    assert not np.shares_memory(taken, memory)
    memory[:] = 0
    assert bits(taken) == bits(kept)
    assert type(taken) is np.ndarray
    assert taken.flags.writeable
    assert taken.flags.c_contiguous
    assert taken.flags.owndata
