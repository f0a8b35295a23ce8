"""Evicting, erasing and clearing delete what they should, report it, and bring nothing back."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from embedonce import StoreError
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments import root
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.upkeep.reports import Usage

DAY = 24 * 3600


def _daily(store, digest, rows, later, each=2):
    """Write some rows a day."""
    for i in range(0, len(rows), each):
        store.put_rows([digest(j) for j in range(i, i + each)], rows[i : i + each])
        later(DAY)


def _numbers(report):
    return (report.segments_after, report.rows_after, report.bytes_after, report.deleted, report.rewritten)


def test_rows_go_by_age_and_segments_with_old_and_new_ones_are_written_anew(
    every_place, open_store, digest, vectors, later, files_of, no_grace
):
    store, rows = open_store(every_place), vectors(10)
    _daily(store, digest, rows, later)
    store.compact()
    store.compact()
    assert len(files_of(store)) == 1
    _daily(store, digest, vectors(2), later)  # the first two again
    dry = store.evict(older_than=timedelta(days=3.5), dry_run=True)
    assert store.get_rows([digest(i) for i in range(10)])[1].all()
    report = store.evict(older_than=3.5 * DAY)
    assert _numbers(dry) == _numbers(report)
    assert (report.rows_before, report.rows_after, report.rewritten) == (12, 6, 1)
    for look in (store, open_store(every_place)):
        matrix, found = look.get_rows([digest(i) for i in range(10)])
        assert found.tolist() == [True] * 2 + [False] * 4 + [True] * 4
        assert np.array_equal(matrix[:2], vectors(2))
        assert np.array_equal(matrix[6:], rows[6:])
    again = store.evict(older_than=3.5 * DAY)
    assert (again.rewritten, again.rows_before, again.rows_after) == (0, 6, 6)


def test_the_oldest_segments_go_until_few_bytes_are_left(every_place, open_store, digest, vectors, later, files_of):
    store, rows = open_store(every_place), vectors(10, 500)
    _daily(store, digest, rows, later)
    size = max(SegmentName.parse(file).size for file in files_of(store))
    dry = store.evict(max_bytes=2 * size, dry_run=True)
    assert len(files_of(store)) == 5
    report = store.evict(max_bytes=2 * size)
    assert _numbers(dry) == _numbers(report) == (2, 4, 2 * size, 3, 0)
    assert open_store(every_place).get_rows([digest(i) for i in range(10)])[1].tolist() == [False] * 6 + [True] * 4
    assert store.evict(max_bytes=2 * size).deleted == 0
    assert store.evict(max_bytes=0).segments_after == 0
    assert not store.get_rows([digest(9)])[1].any()


def test_an_older_row_does_not_come_back_when_its_successor_goes(
    tmp_path, open_store, digest, vectors, later, no_grace, files_of
):
    store, rows = open_store(tmp_path), vectors(3)
    store.put_rows([digest(0)], rows[:1])
    later(DAY)
    store.put_rows([digest(0)], rows[1:2])
    # Merged with a newer one, the older row is in a segment that is younger than that of its successor.
    oldest = store._resolver.whole().segments[0]
    later(DAY)
    store.put_rows([digest(1)], rows[2:])
    newest = store._resolver.whole().segments[-1]
    store._writer.merger._merge([oldest, newest], store._writer.metadata)
    store = open_store(tmp_path)
    assert np.array_equal(store.get_rows([digest(0)])[0], rows[1:2])
    total = sum(segment.name.size for segment in store._catalog.view.segments)
    dry = store.evict(max_bytes=total - 1, dry_run=True)
    report = store.evict(max_bytes=total - 1)
    assert _numbers(dry) == _numbers(report)
    for look in (store, open_store(tmp_path)):
        assert look.get_rows([digest(0), digest(1)])[1].tolist() == [False, True]
    # Its tombstone is as old as the row was, but another process may have begun to merge that row just now.
    for _ in range(4):
        store.compact()
    assert any("-del-" in file for file in files_of(store))
    # What is written later is not touched by what was evicted.
    store.put_rows([digest(0)], rows[:1])
    later(2 * DAY)
    for _ in range(4):
        store.compact()
    assert open_store(tmp_path).get_rows([digest(0), digest(1)])[1].all()
    assert not any("-del-" in file for file in files_of(store))


def test_replaced_segments_do_not_come_to_light_again(place, open_store, digest, vectors, files_of, monkeypatch):
    monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
    store, rows = open_store(place), vectors(6)
    for i in range(6):
        store.put_rows([digest(i)], rows[i : i + 1])
    store.compact()
    assert len(files_of(store)) == 7
    gone = []
    delete = type(store._directory).delete

    def watched(io, name):
        delete(io, name)
        gone.append(name)
        found = open_store(place, read_only=True).get_rows([digest(i) for i in range(6)])[1]
        assert found.all() or (not found.any() and len(gone) == 7)

    monkeypatch.setattr(type(store._directory), "delete", watched)
    report = store.evict(max_bytes=0)
    assert (report.deleted, report.waiting, report.segments_after) == (7, 0, 0)
    assert files_of(store) == set()


def test_tombstones_are_not_evicted(tmp_path, open_store, digest, vectors, later, files_of):
    store, rows = open_store(tmp_path), vectors(10)
    store.put_rows([digest(i) for i in range(10)], rows)
    store.mdelete([digest(3).hex()])
    later(10 * DAY)
    reader = open_store(tmp_path)
    store.put_rows([digest(50)], rows[:1])
    assert store.evict(older_than=DAY).rows_after == 1
    assert any("-del-" in file for file in files_of(store))
    assert not reader.get_rows([digest(3)])[1].any()


def test_what_is_purged_is_no_longer_in_any_file(every_place, open_store, digest, vectors, files_of, monkeypatch):
    monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
    store, rows = open_store(every_place), vectors(8)
    for i in range(6):
        store.put_rows([digest(i)], rows[i : i + 1])
    store.compact()  # the replaced ones are still there
    store.put_rows([digest(2), digest(7)], rows[6:8])
    store.mset([("a text", b"secret value"), (digest(2).hex()[:16] + "0" * 48, b"a neighbour")])
    report = store.purge([digest(2).hex(), "a text", "absent"])
    assert report.rows_before - report.rows_after == 3
    content = b"".join(store._directory.get_ranges([file], [0], [1 << 30])[0] for file in files_of(store))
    for gone in (rows[2].tobytes(), rows[6].tobytes(), b"secret value"):
        assert gone not in content
    for look in (store, open_store(every_place)):
        matrix, found = look.get_rows([digest(i) for i in range(8)])
        assert found.tolist() == [True, True, False, True, True, True, False, True]
        assert np.array_equal(matrix[found], rows[[0, 1, 3, 4, 5, 7]])
        assert look.mget(["a text", digest(2).hex()[:16] + "0" * 48]) == [None, b"a neighbour"]
    # It may be written again.
    store.put_rows([digest(2)], rows[:1])
    assert open_store(every_place).get_rows([digest(2)])[1].all()


def test_a_purge_that_others_undo_again_and_again_says_so(place, open_store, digest, vectors, monkeypatch, files_of):
    store, rows = open_store(place), vectors(2)
    store.put_rows([digest(0), digest(1)], rows)
    (file,) = files_of(store)
    content = store._directory.get_ranges([file], [0], [1 << 30])[0]
    delete = type(store._directory).delete

    def undone(io, name):
        delete(io, name)
        if name == file:
            io.put(name, [content])

    monkeypatch.setattr(type(store._directory), "delete", undone)
    with pytest.raises(StoreError, match=file):
        store.purge([digest(0).hex()])
    assert open_store(place).get_rows([digest(0), digest(1)])[1].tolist() == [False, True]
    monkeypatch.undo()
    store.purge([digest(0).hex()])
    assert file not in files_of(store)


def test_a_damaged_segment_might_hold_what_is_to_be_purged(tmp_path, open_store, digest, vectors, segments_in):
    store, rows = open_store(tmp_path), vectors(2)
    store.put_rows([digest(0)], rows[:1])
    store.put_rows([digest(1)], rows[1:])
    damaged = segments_in(tmp_path)[0]
    content = bytearray(damaged.read_bytes())
    content[4100] ^= 1
    damaged.write_bytes(content)
    store = open_store(tmp_path)
    with pytest.raises(StoreError, match="damaged; delete these files"):
        store.purge([digest(1).hex()])
    assert not any(rows[1].tobytes() in path.read_bytes() for path in segments_in(tmp_path))
    damaged.unlink()
    store.purge([digest(0).hex()])


def test_a_purge_refuses_illegal_keys_and_needs_none(tmp_path, open_store):
    store = open_store(tmp_path)
    with pytest.raises(ValueError, match="key"):
        store.purge([""])
    assert store.purge([]).deleted == 0
    assert store.purge(["absent"]).segments_after == 0


def test_clearing_leaves_nothing_but_what_is_not_ours(tmp_path, open_store, digest, vectors, files_of, monkeypatch):
    monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
    store, rows = open_store(tmp_path), vectors(5)
    others = open_store(tmp_path, "somebody else")
    others.put_rows([digest(0)], rows[:1])
    for i in range(4):
        store.put_rows([digest(i)], rows[i : i + 1])
    store.compact()
    store.mdelete([digest(0).hex()])
    store.put_rows([digest(4)], rows[4:])
    directory = Path(store._directory.path)
    strange = directory / "notes.txt", directory / "x.safetensors", directory / ".tmp-0123456789abcdef"
    for path in strange:
        path.write_text("mine")
    reader = open_store(tmp_path, read_only=True)
    report = store.clear()
    assert (report.segments_after, report.rows_after, report.bytes_after) == (0, 0, 0)
    assert report.deleted == 7
    assert sorted(path.name for path in directory.iterdir()) == sorted(["space.json", *(path.name for path in strange)])
    reader._catalog.refresh(force=True)
    assert not reader.get_rows([digest(i) for i in range(5)])[1].any()
    assert others.get_rows([digest(0)])[1].all()
    store.put_rows([digest(0)], rows[:1])
    reader._catalog.refresh(force=True)
    assert reader.get_rows([digest(0)])[1].all()


def test_usage_counts_what_can_be_found_and_what_cannot(place, open_store, digest, vectors, later, files_of):
    store, rows = open_store(place), vectors(4)
    assert store.usage() == Usage("acme/e5@3", 0, 0, 0, 0, None, None)
    before = time.time_ns() // 1000
    store.put_rows([digest(i) for i in range(4)], rows)
    later(DAY)
    store.put_rows([digest(0)], rows[1:2])
    store.mdelete([digest(1).hex()])
    usage = store.usage()
    assert (usage.rows_live, usage.rows_dead, usage.segments) == (3, 2, 3)
    assert usage.bytes == sum(SegmentName.parse(file).size for file in files_of(store))
    assert before <= usage.oldest < before + 60e6
    assert before + DAY * 1e6 <= usage.newest < before + (DAY + 60) * 1e6


def test_verifying_finds_every_flipped_bit(tmp_path, open_store, digest, vectors, segments_in):
    store, rows = open_store(tmp_path), vectors(3, 4)
    store.put_rows([digest(i) for i in range(3)], rows)
    store.mset([("a", b"1"), ("b", b"22"), ("c", b"")])
    store.mdelete(["a"])
    sound = store.verify()
    assert (sound.segments, sound.rows, sound.damaged_rows, sound.damaged_segments) == (5, 7, 0, ())
    for path in segments_in(tmp_path):
        content = path.read_bytes()
        for at in (0, 9, 4096, 4100, 4140, len(content) - 1):
            flipped = bytearray(content)
            flipped[at] ^= 4
            path.write_bytes(flipped)
            assert store.verify().damaged_segments == (path.name,)
        path.write_bytes(content[:-1])
        assert store.verify().damaged_segments == (path.name,)
        path.write_bytes(content)
    assert store.verify() == sound


@pytest.mark.parametrize(
    "limits",
    [{"max_bytes": -1}, {"max_bytes": 1.5}, {"max_bytes": True}, {"older_than": -1}, {"older_than": float("nan")}],
)
def test_limits_that_make_no_sense_are_refused(tmp_path, open_store, limits):
    store = open_store(tmp_path)
    for evict in (store.evict, lambda **limits: root.evict([store], **limits)):
        with pytest.raises(ValueError, match=next(iter(limits))):
            evict(**limits)


def test_a_row_of_which_a_copy_stays_is_not_evicted(tmp_path, open_store, digest, vectors, monkeypatch):
    monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
    store, rows = open_store(tmp_path), vectors(5)
    for number, row in ((0, 0), (0, 1), (1, 2), (2, 3), (3, 4)):
        store.put_rows([digest(number)], rows[row : row + 1])
    older, newer, *others = store._resolver.whole().segments
    # Three processes merge at once: two copies of the newer row of a key, and the older one in the youngest segment.
    processes = [open_store(tmp_path) for _ in range(3)]
    for process, rest in zip(processes, others, strict=True):
        merged = [older if process is processes[-1] else newer, rest]
        process._writer.merger._merge(merged, store._writer.metadata)
    total = sum(size for _, size in store.ages()[0])
    assert store.evict(max_bytes=total - 1).rows_after == 4
    matrix, found = open_store(tmp_path).get_rows([digest(i) for i in range(4)])
    assert found.tolist() == [True, False, True, True]
    assert np.array_equal(matrix[found], rows[[1, 3, 4]])
