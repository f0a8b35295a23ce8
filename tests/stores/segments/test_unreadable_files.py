"""Files that cannot be read while others can: their rows are misses until they heal, and nothing else is."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from core_support import NAMESPACE, Model, words

from embedonce import EmbeddingCache, StoreError
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments.format import layout
from embedonce.stores.segments.format.names import SegmentName

BATCHES = [words(20), words(20, 20), words(20, 40)]
ALL = words(60)


def segments(path):
    return sorted((file for file in path.rglob("*") if SegmentName.parse(file.name)), key=lambda file: file.name)


@pytest.fixture
def path(tmp_path):
    for batch in BATCHES:
        EmbeddingCache(tmp_path, batch_size=None).embed(batch, Model(width=300), namespace=NAMESPACE)
    return tmp_path


@pytest.fixture
def unreadable(monkeypatch):
    """Names of files that another user has written for nobody else."""
    names = set()
    view, get_ranges = LocalDirectory.view, LocalDirectory.get_ranges

    def refused(name):
        if name in names:
            raise PermissionError(13, "Permission denied", name)

    def ranges(self, asked, starts, ends):
        refusal = PermissionError(13, "Permission denied")
        answers = get_ranges(self, asked, starts, ends)
        return [refusal if name in names else answer for name, answer in zip(asked, answers, strict=True)]

    monkeypatch.setattr(LocalDirectory, "view", lambda self, name: refused(name) or view(self, name))
    monkeypatch.setattr(LocalDirectory, "get_ranges", ranges)
    return names


def ask(cache, texts):
    """Return which texts the model was given."""
    model = Model(width=300)
    assert np.array_equal(
        cache.embed(texts, model, namespace=NAMESPACE, batch_size=None), model.rows(texts), equal_nan=True
    )
    return model.seen


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_only_the_rows_of_an_unreadable_file_are_paid_for_and_once(path, unreadable, bad, caplog):
    file = segments(path)[bad]
    unreadable.add(file.name)
    cache = EmbeddingCache(path)
    with caplog.at_level(logging.WARNING, "embedonce"):
        assert ask(cache, ALL) == BATCHES[bad]
    assert [file.name in record.getMessage() for record in caplog.records].count(True) >= 1
    assert (cache.stats().read_errors, cache.stats().stored) == (1, 20)
    assert ask(cache, ALL) == ask(EmbeddingCache(path), ALL) == []
    assert len(segments(path)) == 4


def test_what_heals_is_found_again(path, unreadable):
    unreadable.update(file.name for file in segments(path)[:2])
    cache = EmbeddingCache(path, mode="read_only")
    assert ask(cache, ALL) == BATCHES[0] + BATCHES[1]
    unreadable.clear()
    assert ask(cache, ALL) == []


def test_an_unreadable_file_pauses_nothing(path, unreadable):
    unreadable.add(segments(path)[0].name)
    cache = EmbeddingCache(path, mode="read_only")
    for number in range(6):
        ask(cache, [f"new {number}"])
    assert ask(cache, BATCHES[1]) == []
    assert (cache.stats().read_errors, cache.stats().skipped) == (6, 0)


def test_in_replay_a_text_that_may_be_in_an_unreadable_file_is_no_miss(path, unreadable):
    file = segments(path)[0]
    unreadable.add(file.name)
    cache = EmbeddingCache(path, mode="replay")
    assert ask(cache, BATCHES[1]) == []
    with pytest.raises(StoreError, match=f"{file.name}: PermissionError"):
        ask(cache, BATCHES[0])


def test_upkeep_works_on_what_can_be_read_and_names_the_rest(path, unreadable):
    file = segments(path)[0]
    unreadable.add(file.name)
    cache = EmbeddingCache(path)
    assert [one.damaged_segments for one in cache.verify()] == [(file.name,)]
    assert [one.rows for one in cache.verify()] == [40]
    (report,) = cache.compact()
    assert report.damaged_segments == (file.name,)
    assert report.segments_after == 1
    assert file.exists()
    unreadable.clear()
    assert ask(EmbeddingCache(path), ALL) == []


def test_an_unreadable_space_file_costs_nothing_where_there_are_segments(path, unreadable):
    unreadable.add("space.json")
    assert ask(EmbeddingCache(path), [*ALL, "new"]) == ["new"]
    assert ask(EmbeddingCache(path), [*ALL, "new"]) == []


def test_a_caller_deep_in_the_stack_takes_no_file_for_damaged(path, monkeypatch):
    """It may be a handler of a signal, or a callback of the garbage collector."""
    cache = EmbeddingCache(path, mode="read_only")
    with monkeypatch.context() as patch:
        patch.setattr(layout, "json", SimpleNamespace(loads=Mock(side_effect=RecursionError)))
        assert ask(cache, ALL[:1]) == ALL[:1]
    assert ask(cache, ALL) == []
    assert (cache.stats().damaged, cache.stats().read_errors) == (0, 1)
