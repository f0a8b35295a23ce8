"""Every peer and every floor gives the right vectors; one that is not installed says so."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from benchmarks.corpus import Corpus
from benchmarks.floors import Floor, written
from benchmarks.ours import filled, hits
from benchmarks.peers.objects import ObjectPerKey
from benchmarks.peers.plain import Lmdb
from benchmarks.peers.registry import PEERS, versions, why_missing
from benchmarks.run import Run
from benchmarks.scales import TOY

ROWS, DIMENSIONS = 30, 8


# What these packages do when they are imported and let go of is theirs.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_peer_gives_back_what_was_put(kind, tmp_path):
    if why := why_missing(kind):
        pytest.skip(why)
    corpus, numbers = Corpus(DIMENSIONS), np.arange(ROWS)
    peer = kind(tmp_path, DIMENSIONS)
    peer.put(corpus.texts(numbers), corpus.vectors(numbers))
    for sample in (corpus.any_of(ROWS, ROWS, 1), corpus.any_of(ROWS, 1, 2)):
        answer = peer.get(sample.texts)
        assert isinstance(answer, list) is kind.gives_lists
        assert np.array_equal(np.asarray(answer), corpus.vectors(sample.numbers))
    peer.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_peer_answers_nothing_for_what_was_not_put(kind, tmp_path):
    if why := why_missing(kind):
        pytest.skip(why)
    corpus = Corpus(DIMENSIONS)
    peer = kind(tmp_path, DIMENSIONS)
    peer.put(corpus.texts([1]), corpus.vectors([1]))
    with pytest.raises((AssertionError, KeyError, OSError, TypeError)):
        peer.get(corpus.texts([2]))
    peer.close()


def test_a_peer_that_is_not_installed_says_so_and_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert why_missing(Lmdb).startswith("not installed: ")
    monkeypatch.setattr("benchmarks.run.PEERS", (Lmdb,))
    run = Run(TOY)
    assert run.peers == []
    assert run.missing[Lmdb.name].startswith("not installed: ")


def test_versions_name_what_is_measured():
    found = versions(PEERS)
    assert found["numpy"] == np.__version__
    assert {"embedonce", "lmdb", "litellm"} <= set(found)


def test_the_floor_and_embedonce_give_the_truth(tmp_path):
    corpus = Corpus(DIMENSIONS)
    floor, sample = Floor(tmp_path, corpus, ROWS), corpus.any_of(ROWS, 20, 0)
    truth = corpus.vectors(sample.numbers)
    assert np.array_equal(floor.verified(sample), truth)
    assert floor.verified_lists(sample) == truth.tolist()
    with filled(tmp_path / "ours", corpus, ROWS) as cache:
        assert np.array_equal(hits(cache, sample), truth)
        with pytest.raises(AssertionError, match="1 texts were not in the cache"):
            hits(cache, corpus.sample(np.array([ROWS])))


def test_the_floor_of_writing_writes_the_numbers(tmp_path):
    matrix = Corpus(DIMENSIONS).vectors([1, 2])
    written(tmp_path / "file", matrix.tolist())
    assert (tmp_path / "file").read_bytes() == matrix.tobytes()


def test_an_object_per_vector_is_one_file_for_each():
    from fsspec.implementations.memory import MemoryFileSystem

    corpus, files = Corpus(DIMENSIONS), MemoryFileSystem()
    peer = ObjectPerKey(files, "/benchmarks/objects", DIMENSIONS)
    try:
        peer.put(corpus.texts(range(5)), corpus.vectors(range(5)))
        assert len(files.ls("/benchmarks/objects")) == 5
        assert np.array_equal(peer.get(corpus.texts([3, 1])), corpus.vectors([3, 1]))
        assert np.array_equal(peer.get(corpus.texts([2])), corpus.vectors([2]))
    finally:
        files.rm("/benchmarks", recursive=True)
