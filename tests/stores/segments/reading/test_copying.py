"""Rows are copied out of maps one by one: from any position, with a slow disk or a fast one, and never a wrong one."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedonce import EmbeddingCache
from embedonce.stores.segments.format.layout import crc32
from embedonce.stores.segments.reading import copying

NAMESPACE = "acme/e5@3"
ROWS = 700


def vectors(numbers) -> np.ndarray:
    return np.array([[number, number + 0.5, -number] * 100 for number in numbers], "<f4")


def digests(numbers) -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in numbers]


@pytest.fixture
def store(tmp_path):
    """A store of three mapped segments."""
    cache = EmbeddingCache(tmp_path / "cache")
    store = cache.open(NAMESPACE).store
    for numbers in (range(200), range(200, 600), range(600, ROWS)):
        store.put_rows(digests(numbers), vectors(numbers))
    return EmbeddingCache(tmp_path / "cache", mode="read_only").open(NAMESPACE).store


@pytest.fixture(params=["a warm disk", "a cold disk", "a disk that is warm at first"])
def disk(request, monkeypatch):
    """What the operating system says of waiting for the disk."""
    waits = {
        "a warm disk": itertools.repeat(0),
        "a cold disk": itertools.count(),
        "a disk that is warm at first": itertools.chain([0, 0], itertools.repeat(1)),
    }[request.param]
    monkeypatch.setattr(copying, "_disk_waits", lambda: next(waits))


@pytest.mark.usefixtures("disk")
def test_rows_of_several_segments_come_in_the_order_of_the_keys(store):
    numbers = np.random.default_rng(0).permutation(ROWS).tolist()
    matrix, found = store.get_rows(digests(numbers))
    assert found.all()
    assert np.array_equal(matrix, vectors(numbers))


@pytest.mark.usefixtures("disk")
def test_segments_that_are_asked_for_nothing_more_when_the_disk_is_waited_for(store):
    numbers = [600, *range(50), *range(ROWS, ROWS + 20)]
    matrix, found = store.get_rows(digests(numbers))
    assert found.tolist() == [number < ROWS for number in numbers]
    assert np.array_equal(matrix[found], vectors(numbers[:51]))


def test_one_row_is_that_of_a_batch(store):
    for number in (0, 333, ROWS - 1):
        assert np.array_equal(store.get_row(digests([number])[0]), vectors([number]))
        assert np.array_equal(store.get_row(digests([number])[0], 300), vectors([number]))
    assert store.get_row(digests([ROWS])[0]) is None
    assert store.get_row(digests([0])[0], 299) is None


def test_one_row_belongs_to_the_caller(store):
    row = store.get_row(digests([5])[0])
    row[:] = 0
    assert np.array_equal(store.get_row(digests([5])[0]), vectors([5]))


def test_a_damaged_row_is_not_found_alone_nor_in_a_batch(store, tmp_path):
    (path,) = [path for path in (tmp_path / "cache").rglob("*.safetensors") if "-190-" in path.name]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    damaged = 599
    assert store.get_row(digests([damaged])[0]) is None
    matrix, found = store.get_rows(digests(range(ROWS)))
    assert np.flatnonzero(~found).tolist() == [damaged]
    assert np.array_equal(matrix[found], vectors(number for number in range(ROWS) if number != damaged))
    assert store.counts.damaged_rows == 1


def test_what_could_not_be_copied_does_not_decide_the_numbers_of_an_answer(tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["one"], lambda _: np.full((1, 4096), 0.5), namespace=NAMESPACE)
    (path,) = (tmp_path / "cache").rglob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    cache = EmbeddingCache(tmp_path / "cache")
    answer = cache.embed(["one", "two"], lambda texts: [[1] * 4096] * len(texts), namespace=NAMESPACE)
    assert answer.dtype == np.int64
    assert cache.stats().damaged == 1


def test_rows_of_different_dtypes_meet_in_one_matrix(tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    store = cache.open(NAMESPACE).store
    store.put_rows(digests(range(20)), vectors(range(20)))
    store.put_rows(digests(range(20, 40)), np.full((20, 300), 2**24 + 1, "<i4"))
    matrix, found = store.get_rows(digests(range(40)))
    assert found.all()
    assert np.array_equal(matrix[:20], vectors(range(20)))
    assert (matrix[20:] == 2**24 + 1).all()


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_checksums_are_those_of_zlib(data, start):
    assert crc32(data, start) == zlib.crc32(data, start)


def test_a_cache_is_read_and_written_with_and_without_the_faster_checksums(tmp_path):
    code = (
        "import sys\n"
        "if sys.argv[1] == 'without': sys.modules['zlib_ng'] = None\n"
        "import embedonce\n"
        "cache = embedonce.EmbeddingCache(sys.argv[2])\n"
        "texts = [f'text {i}' for i in range(40)] + [f'{sys.argv[1]} {i}' for i in range(40)]\n"
        "cache.embed(texts, lambda asked: [[float(len(text)), 0.1] for text in asked], namespace='n')\n"
        "assert ('zlib_ng.zlib_ng' in sys.modules) == (sys.argv[1] == 'with')\n"
        "print(cache.stats().hits)"
    )
    hits = [
        subprocess.run(
            [sys.executable, "-c", code, how, str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
        for how in ("with", "without", "with")
    ]
    assert [int(each) for each in hits] == [0, 40, 80]
