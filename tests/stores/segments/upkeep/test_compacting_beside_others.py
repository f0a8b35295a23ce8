"""Compacting beside others who write, delete and compact, and after it was stopped anywhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from covering import each_once

from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments.upkeep import compacting
from embedonce.stores.segments.writing import merger as merging

DAY = 24 * 3600


def _fill(store, digest, rows, first=0):
    for i in range(len(rows)):
        store.put_rows([digest(first + i)], rows[i : i + 1])


@pytest.mark.parametrize("twins", [False, True])
def test_copies_that_two_compactors_made_are_merged(place, open_store, digest, vectors, no_grace, files_of, twins):
    store, rows = open_store(place), vectors(9)
    _fill(store, digest, rows)
    other = open_store(place)
    put, inside = type(store._directory).put, []

    def overtaken(io, name, parts):
        if not inside and io is store._directory:
            inside.append(True)
            other.compact() if twins else other.put_rows([digest(8)], rows[:1])
        put(io, name, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store._directory), "put", overtaken)
        store.compact()
    expected = rows.copy()
    if not twins:
        expected[8] = rows[0]
    for look in (store, other, open_store(place)):
        look._catalog.refresh(force=True)
        assert np.array_equal(look.get_rows([digest(i) for i in range(9)])[0], expected)
    store.compact()
    assert store.compact().rows_after == 9
    assert len(files_of(store)) == 1
    assert np.array_equal(open_store(place).get_rows([digest(i) for i in range(9)])[0], expected)


def test_two_compactors_that_each_rely_on_the_others_copy_lose_nothing(
    tmp_path, open_store, digest, vectors, no_grace, monkeypatch
):
    """Each of two large segments holds a copy of the same rows; each is written anew while the other one is."""
    store, rows = open_store(tmp_path), vectors(9)
    _fill(store, digest, rows)
    other = open_store(tmp_path)
    put = LocalDirectory.put
    state = {"inside": False}

    def overtaken(io, name, parts):
        if not state["inside"] and io is store._directory:
            state["inside"] = True
            other.compact()
        put(io, name, parts)

    with monkeypatch.context() as patch:
        patch.setattr(LocalDirectory, "put", overtaken)
        monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
        store.compact()
        monkeypatch.setattr(LocalDirectory, "grace", -1.0)
    monkeypatch.setattr(compacting, "_SMALL", 0)
    monkeypatch.setattr(compacting, "TARGET", 100)  # nothing fits together any more
    for look in (store, other, open_store(tmp_path), open_store(tmp_path)):
        # Dropping the copy in one merge because of that in another is what could lose both.
        assert look.compact().rows_after == 18
        matrix, found = look.get_rows([digest(i) for i in range(9)])
        assert found.all()
        assert np.array_equal(matrix, rows)


@pytest.mark.parametrize("what", ["delete", "purge", "evict", "clear", "write"])
@pytest.mark.parametrize("moment", ["get_ranges", "put"])
def test_a_compactor_that_is_paused_brings_nothing_back(
    place, open_store, digest, vectors, no_grace, monkeypatch, what, moment, files_of
):
    store, rows = open_store(place), vectors(6)
    digests = [digest(i) for i in range(6)]
    _fill(store, digest, rows)
    other = open_store(place)
    paused = []

    def meanwhile(*_):
        if paused:
            return
        paused.append(True)
        if what == "delete":
            other.mdelete([digests[0].hex()])
        elif what == "purge":
            other.purge([digests[0].hex()])
        elif what == "evict":
            other.evict(older_than=0)
        elif what == "clear":
            other.clear()
        else:
            other.put_rows(digests[:1], rows[5:])

    rewriter = type(store._writer.merger.rewriter)
    if moment == "put":
        put = type(store._directory).put

        def late(io, name, parts):
            if io is store._directory:
                meanwhile()
            put(io, name, parts)

        monkeypatch.setattr(type(store._directory), "put", late)
    else:
        values = rewriter._values

        def slow(self, picked):
            answer = values(self, picked)
            meanwhile()
            return answer

        monkeypatch.setattr(rewriter, "_values", slow)
    store.compact()
    assert paused
    for look in (store, other, open_store(place)):
        look._catalog.refresh(force=True)
        matrix, found = look.get_rows(digests)
        if what == "write":
            assert found.all()
            assert np.array_equal(matrix, np.concatenate([rows[5:], rows[1:]]))
        elif what in ("delete", "purge"):
            assert found.tolist() == [False] + [True] * 5
            assert np.array_equal(matrix[1:], rows[1:])
        elif moment == "get_ranges":
            assert not found.any()
    if what == "purge":
        for file in files_of(store):
            blob = store._directory.get_ranges([file], [0], [1 << 30])[0]
            assert rows[0].tobytes() not in blob


def test_a_merge_does_not_carry_over_what_is_only_open_here(
    tmp_path, open_store, digest, vectors, no_grace, monkeypatch, later
):
    """The segments of a process that writes little may be deleted elsewhere, and their tombstones forgotten."""
    monkeypatch.setattr(merging, "_FAN_IN", 4)
    writer, rows = open_store(tmp_path), vectors(10)
    _fill(writer, digest, rows[:3])
    other = open_store(tmp_path)
    other.mdelete([digest(i).hex() for i in range(3)])
    for _ in range(3):
        other.compact()
        later(DAY + 1)
    assert other.usage().segments == 0
    _fill(writer, digest, rows[3:], first=3)
    assert sorted(writer.yield_keys()) == sorted(digest(i).hex() for i in range(3, 10))
    assert writer.usage().segments == 2


def test_a_merge_that_took_half_a_day_is_given_up(place, open_store, digest, vectors, later, monkeypatch, files_of):
    store, rows = open_store(place), vectors(3)
    _fill(store, digest, rows)
    before = files_of(store)
    rewriter = type(store._writer.merger.rewriter)
    values = rewriter._values

    def asleep(self, picked):
        later(DAY)
        return values(self, picked)

    monkeypatch.setattr(rewriter, "_values", asleep)
    assert store.compact().rewritten == 0
    assert files_of(store) == before


def test_a_reader_with_an_old_view_reads_on(every_place, open_store, digest, vectors, no_grace):
    store, rows = open_store(every_place), vectors(8, 5000)
    _fill(store, digest, rows)
    reader = open_store(every_place, read_only=True)
    reader.close()
    store.compact()
    store.compact()
    assert np.array_equal(reader.get_rows([digest(i) for i in range(8)])[0], rows)


def _build(open_store, place, digest, rows):
    """A store with dead rows, tombstones, replaced segments and small ones; returns what it holds."""
    store = open_store(place)
    digests = [digest(i) for i in range(8)]
    _fill(store, digest, rows[:4])
    store.compact()
    _fill(store, digest, rows[4:8], first=4)
    store.put_rows(digests[:2], rows[6:8])
    store.mdelete([digests[3].hex()])
    return digests, np.concatenate([rows[6:8], rows[2:3], rows[4:8]])


@each_once(action=["compact", "evict", "purge", "clear"], grace=[-1.0, 1000.0])
def test_stopped_anywhere_nothing_is_lost_or_brought_back_and_the_next_run_finishes_it(
    tmp_path, open_store, digest, vectors, monkeypatch, watched, action, grace
):
    rows = vectors(8)
    for step in itertools.count(1):
        place = tmp_path / str(step)
        monkeypatch.setattr(LocalDirectory, "grace", 1000.0)
        digests, expected = _build(open_store, place, digest, rows)
        monkeypatch.setattr(LocalDirectory, "grace", grace)
        store = open_store(place)
        io = watched(store)
        left = itertools.count(1)

        def stop(call, arguments, left=left, step=step):
            if next(left) == step:
                raise KeyboardInterrupt

        io.before = stop
        run = {
            "compact": lambda s: s.compact(),
            "evict": lambda s: s.evict(max_bytes=9000),
            "purge": lambda s: s.purge([digest(5).hex()]),
            "clear": lambda s: s.clear(),
        }[action]
        try:
            run(store)
            was_stopped = False
        except KeyboardInterrupt:
            was_stopped = True
        del store
        for again in range(3):
            look = open_store(place)
            matrix, found = look.get_rows(digests)
            assert not found[3]
            keep = [0, 1, 2, 4, 5, 6, 7]
            for at, i in enumerate(keep):
                if found[i]:
                    assert np.array_equal(matrix[i], expected[at])
                elif action == "compact" or (action == "purge" and i != 5):
                    pytest.fail(f"row {i} is lost")
            assert look.counts.damaged_rows + look.counts.damaged_segments == 0
            if again:
                if action == "purge":
                    assert not found[5]
                if action == "clear":
                    assert not found.any()
            run(look)
        if not was_stopped:
            break
    assert step > 4
