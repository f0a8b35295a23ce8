"""Compacting changes what a store takes and nothing else, while others work too, and if it is stopped at any point."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from embedonce import StoreError
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.upkeep import compacting

DAY = 24 * 3600
_NUMBER = itertools.count()


def _fill(store, digest, rows, first=0):
    for i in range(len(rows)):
        store.put_rows([digest(first + i)], rows[i : i + 1])


def test_small_segments_become_one_and_the_second_run_does_nothing(
    every_place, open_store, digest, vectors, files_of, watched, later
):
    store, rows = open_store(every_place), vectors(6)
    _fill(store, digest, rows)
    report = store.compact()
    assert (report.segments_before, report.segments_after) == (6, 1)
    assert (report.rows_before, report.rows_after, report.rewritten, report.waiting) == (6, 6, 6, 6)
    assert report.bytes_after < report.bytes_before
    assert len(files_of(store)) == 7  # the sources wait for readers
    later(RemoteDirectory.grace + 1)
    report = store.compact()
    assert (report.deleted, report.waiting, report.rewritten) == (6, 0, 0)
    io = watched(store)
    report = store.compact()
    assert io.calls == ["listing"]
    assert (report.segments_before, report.segments_after, report.rewritten, report.deleted) == (1, 1, 0, 0)
    for look in (store, open_store(every_place)):
        assert np.array_equal(look.get_rows([digest(i) for i in range(6)])[0], rows)
        assert list(look.yield_keys()) == [digest(i).hex() for i in range(6)]


def test_rows_of_different_kinds_stay_apart(place, open_store, digest, vectors, sealed, no_grace):
    store = open_store(place)
    expected = {}
    for i in range(12):
        value = (sealed(vectors(1, 4)[0]), sealed(vectors(1, 5)[0]), b"x" * i, b"yy")[i % 4]
        for key in (digest(i).hex(), f"text {i}"):
            store.mset([(key, value)])
            expected[key] = value
    store.compact()
    assert store.compact().segments_after == 3
    for look in (store, open_store(place)):
        assert look.mget(list(expected)) == list(expected.values())


def test_what_was_written_anew_or_deleted_is_dropped_for_good(
    every_place, open_store, digest, vectors, no_grace, files_of
):
    store, rows = open_store(every_place), vectors(10)
    digests = [digest(i) for i in range(10)]
    store.put_rows(digests, rows)
    store.put_rows(digests[:3], rows[5:8])
    store.mdelete([digests[9].hex()])
    report = store.compact()
    assert (report.rows_before, report.rows_after) == (13, 9)
    store.compact()
    assert len(files_of(store)) == 2  # the tombstone stays for a day
    expected = np.concatenate([rows[5:8], rows[3:9]])
    for look in (store, open_store(every_place)):
        matrix, found = look.get_rows(digests)
        assert found.tolist() == [True] * 9 + [False]
        assert np.array_equal(matrix[:9], expected)
    usage = store.usage()
    assert (usage.rows_live, usage.rows_dead, usage.segments) == (9, 0, 2)


def test_a_large_segment_is_written_anew_only_if_more_than_a_fifth_of_it_is_dead(
    tmp_path, open_store, digest, vectors, no_grace, monkeypatch
):
    monkeypatch.setattr(compacting, "_SMALL", 5000)
    store, rows = open_store(tmp_path), vectors(100)
    digests = [digest(i) for i in range(100)]
    store.put_rows(digests, rows)
    store.put_rows(digests[:20], rows[:20])
    assert store.compact().rewritten == 0
    store.put_rows(digests[20:21], rows[20:21])
    assert store.compact().rows_after == 100
    assert np.array_equal(store.get_rows(digests)[0], rows)


def test_merges_hold_at_most_so_much(tmp_path, open_store, digest, vectors, no_grace, monkeypatch):
    monkeypatch.setattr(compacting, "TARGET", 60_000)
    monkeypatch.setattr(compacting, "_SMALL", 15_000)
    store, rows = open_store(tmp_path), vectors(40, 256)
    _fill(store, digest, rows)
    assert store.compact().segments_after == 4
    assert store.compact().rewritten == 0
    assert np.array_equal(store.get_rows([digest(i) for i in range(40)])[0], rows)


def test_a_tombstone_goes_after_a_day_if_nothing_is_left_of_its_key(
    place, open_store, digest, vectors, files_of, later, monkeypatch
):
    store, rows = open_store(place), vectors(4)
    store.put_rows([digest(i) for i in range(4)], rows)
    store.mdelete([digest(0).hex(), digest(1).hex()])
    store.compact()
    assert any("-del-" in file for file in files_of(store))
    later(DAY + 60)
    # The replaced segment still holds the deleted rows: nothing has collected it yet.
    with monkeypatch.context() as patch:
        patch.setattr(type(store._directory), "grace", 2.0 * DAY)
        store.compact()
    assert any("-del-" in file for file in files_of(store))
    store.compact()
    report = store.compact()
    assert not any("-del-" in file for file in files_of(store))
    assert (report.segments_after, report.rows_after) == (1, 2)
    assert open_store(place).get_rows([digest(i) for i in range(4)])[1].tolist() == [False, False, True, True]


def test_an_old_tombstone_stays_while_an_older_row_is_somewhere(
    tmp_path, open_store, digest, vectors, files_of, later, monkeypatch
):
    monkeypatch.setattr(compacting, "_SMALL", 4200)
    store, rows = open_store(tmp_path), vectors(100)
    store.put_rows([digest(i) for i in range(100)], rows)
    store.mdelete([digest(7).hex()])
    later(DAY + 60)
    store.compact()
    assert any("-del-" in file for file in files_of(store))
    assert not store.get_rows([digest(7)])[1].any()


def test_tombstones_that_are_merged_again_and_again_still_grow_old(
    tmp_path, open_store, digest, vectors, files_of, later, no_grace
):
    store, rows = open_store(tmp_path), vectors(100)
    store.put_rows([digest(i) for i in range(100)], rows)
    for hour in range(60):
        store.mdelete([digest(hour).hex()])
        store.compact()
        later(3600)
        assert len(files_of(store)) < 40
    alive = sum(SegmentName.parse(file).rows for file in files_of(store) if "-del-" in file)
    assert alive <= 50


def test_damaged_rows_are_dropped_and_give_way_to_older_ones(
    tmp_path, open_store, digest, vectors, segments_in, no_grace
):
    store, rows = open_store(tmp_path), vectors(6)
    store.put_rows([digest(0), digest(1)], rows[:2])
    store.put_rows([digest(0), digest(2)], rows[2:4])
    newest = segments_in(tmp_path)[-1]
    content = bytearray(newest.read_bytes())
    content[-64] ^= 1  # the first of two rows of 32 bytes
    newest.write_bytes(content)
    store = open_store(tmp_path)
    report = store.compact()
    assert (report.damaged_rows, report.rows_after) == (1, 3)
    assert store.verify().damaged_rows == 1  # in the source, until it is collected
    store.compact()
    matrix, found = open_store(tmp_path).get_rows([digest(i) for i in range(3)])
    assert found.all()
    assert np.array_equal(matrix, rows[[0, 1, 3]])
    assert open_store(tmp_path).verify().damaged_segments == ()


def test_a_damaged_segment_is_left_alone_and_reported(tmp_path, open_store, digest, vectors, segments_in, no_grace):
    store, rows = open_store(tmp_path), vectors(3)
    _fill(store, digest, rows)
    damaged = segments_in(tmp_path)[1]
    content = bytearray(damaged.read_bytes())
    content[4100] ^= 1
    damaged.write_bytes(content)
    store = open_store(tmp_path)
    report = store.compact()
    assert report.damaged_segments == (damaged.name,)
    assert store.verify().damaged_segments == (damaged.name,)
    store.compact()
    assert damaged in segments_in(tmp_path)
    assert open_store(tmp_path).get_rows([digest(i) for i in range(3)])[1].tolist() == [True, False, True]


def test_a_segment_that_is_damaged_while_it_is_open_is_not_carried_over(
    tmp_path, open_store, digest, vectors, segments_in
):
    store, rows = open_store(tmp_path), vectors(3, 8000)
    _fill(store, digest, rows)
    store.get_rows([digest(i) for i in range(3)])
    damaged = segments_in(tmp_path)[1]
    with damaged.open("r+b") as file:
        file.seek(4097)
        file.write(b"\0\1\2")
    report = store.compact()
    assert (report.rewritten, report.damaged_segments) == (2, (damaged.name,))
    assert open_store(tmp_path).get_rows([digest(i) for i in range(3)])[1].tolist() == [True, False, True]


def test_nothing_is_tidied_through_a_store_that_is_read_only(place, open_store, digest, vectors):
    open_store(place).put_rows([digest(0)], vectors(1))
    reader = open_store(place, read_only=True)
    for action in (reader.compact, reader.clear, lambda: reader.evict(max_bytes=0), lambda: reader.purge(["a"])):
        with pytest.raises(StoreError, match="read-only"):
            action()
    assert reader.evict(max_bytes=0, dry_run=True).deleted == 1
    assert reader.usage().rows_live == 1


def test_a_row_that_waits_in_memory_does_not_outdate_one_that_is_safe(
    distant, open_store, digest, vectors, monkeypatch
):
    store, rows = open_store(distant), vectors(3)
    store.put_rows([digest(0)], rows[:1])
    store.flush()
    store.put_rows([digest(1)], rows[1:2])
    store.flush()
    monkeypatch.setattr(type(store._writer), "flush", lambda writer: None)  # as if another thread wrote just now
    store.put_rows([digest(0)], rows[2:])
    assert store.compact().rows_after == 2
    assert np.array_equal(open_store(distant).get_rows([digest(0), digest(1)])[0], rows[:2])
    assert np.array_equal(store.get_rows([digest(0), digest(1)])[0], rows[[2, 1]])


def test_what_waits_is_published_before_it_is_compacted(distant, open_store, digest, vectors):
    store, rows = open_store(distant), vectors(3)
    for i in range(3):
        store.put_rows([digest(i)], rows[i : i + 1])
    assert store.compact().rows_after == 3
    assert np.array_equal(open_store(distant).get_rows([digest(i) for i in range(3)])[0], rows)


@pytest.mark.parametrize("fault", ["index", "size", "gone"])
def test_sources_stay_while_a_distant_merge_is_not_what_was_written(
    distant, open_store, digest, vectors, files_of, monkeypatch, fault, later
):
    store, rows = open_store(distant), vectors(4)
    for i in range(4):
        store.put_rows([digest(i)], rows[i : i + 1])
        store.flush()
    before = files_of(store)
    put = RemoteDirectory.put

    def damaged(io, name, parts):
        content = bytearray(b"".join(parts))
        if fault == "index":
            content[4100] ^= 1
        elif fault == "size":
            content = content[:-1]
        if fault != "gone":
            put(io, name, [bytes(content)])

    with monkeypatch.context() as patch:
        patch.setattr(RemoteDirectory, "put", damaged)
        store.compact()
    later(RemoteDirectory.grace + 1)
    store._writer.merger.collect()
    assert before <= files_of(store)
    assert np.array_equal(open_store(distant).get_rows([digest(i) for i in range(4)])[0], rows)


def test_what_a_source_had_replaced_stays_replaced_when_that_source_goes_first(
    tmp_path, open_store, digest, vectors, files_of, monkeypatch
):
    monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
    store, rows = open_store(tmp_path), vectors(4)
    _fill(store, digest, rows[:3])
    store.compact()
    (middle,) = (segment.file for segment in store._catalog.view.segments)
    _fill(store, digest, rows[3:], first=3)
    store.compact()
    store._directory.delete(middle)
    usage = open_store(tmp_path).usage()
    assert (usage.segments, usage.rows_live, usage.rows_dead) == (1, 4, 0)
