"""Compacting changes what a store takes and nothing else, whoever else is at work, and wherever it is stopped."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from dataclasses import replace

import fsspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from embedonce import StoreError
from embedonce.stores.locations.location import as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.keys import key_digest
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.stores.segments.upkeep import compacting
from embedonce.stores.segments.writing import merger as merging

DAY = 24 * 3600
_NUMBER = itertools.count()


class Watched:
    """An IO whose calls are counted, and which does something before or instead of one of them."""

    def __init__(self, io) -> None:
        self.io = io
        self.calls: list[str] = []
        self.before = lambda call, arguments: None

    def __getattr__(self, name):
        attribute = getattr(self.io, name)
        if name not in ("listing", "put", "delete", "get_ranges"):
            return attribute

        def call(*arguments):
            self.calls.append(name)
            self.before(name, arguments)
            return attribute(*arguments)

        return call

    def __str__(self) -> str:
        return str(self.io)


@pytest.fixture
def watched():
    """Watch the IO of a store."""

    def watched(store) -> Watched:
        io = Watched(store._io)
        store._io = store._catalog.io = store._writer._io = store._writer.merger._io = io
        store._writer.merger.rewriter._io = io
        return io

    return watched


@pytest.fixture
def later(monkeypatch):
    """Let time pass for everybody."""
    now = [0.0]
    clock, ns, monotonic = time.time, time.time_ns, time.monotonic
    monkeypatch.setattr("time.time", lambda: clock() + now[0])
    monkeypatch.setattr("time.time_ns", lambda: ns() + int(now[0] * 1e9))
    monkeypatch.setattr("time.monotonic", lambda: monotonic() + now[0])

    def later(seconds):
        now[0] += seconds

    return later


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
        patch.setattr(type(store._io), "grace", 2.0 * DAY)
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


def test_tombstones_that_are_merged_again_and_again_grow_old_all_the_same(
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


@pytest.mark.parametrize("twins", [False, True])
def test_copies_that_two_compactors_made_are_merged(place, open_store, digest, vectors, no_grace, files_of, twins):
    store, rows = open_store(place), vectors(9)
    _fill(store, digest, rows)
    other = open_store(place)
    put, inside = type(store._io).put, []

    def overtaken(io, name, parts):
        if not inside and io is store._io:
            inside.append(True)
            other.compact() if twins else other.put_rows([digest(8)], rows[:1])
        put(io, name, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store._io), "put", overtaken)
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
        if not state["inside"] and io is store._io:
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
        put = type(store._io).put

        def late(io, name, parts):
            if io is store._io:
                meanwhile()
            put(io, name, parts)

        monkeypatch.setattr(type(store._io), "put", late)
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
            blob = store._io.get_ranges([file], [0], [1 << 30])[0]
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


def test_nothing_is_tidied_through_a_store_that_is_read_only(place, open_store, digest, vectors):
    open_store(place).put_rows([digest(0)], vectors(1))
    reader = open_store(place, read_only=True)
    for action in (reader.compact, reader.clear, lambda: reader.evict(max_bytes=0), lambda: reader.purge(["a"])):
        with pytest.raises(StoreError, match="read-only"):
            action()
    assert reader.evict(max_bytes=0, dry_run=True).deleted == 1
    assert reader.usage().rows_live == 1


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


@pytest.mark.parametrize("grace", [-1.0, 1000.0])
@pytest.mark.parametrize("action", ["compact", "evict", "purge", "clear"])
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


# Digest keys that share their first bytes, one that is the hash of a text key, and text keys.
KEYS = [f"{i:064x}" for i in range(1, 5)] + [key_digest(b"t0").hex(), "t0", "t1"]


class Tidied(RuleBasedStateMachine):
    """Two stores that are tidied all the time against a dict."""

    url = ""

    @initialize(grace=st.sampled_from([-1.0, 1000.0]))
    def start(self, grace) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(merging, "_FAN_IN", 2)
        self.patch.setattr(LocalDirectory, "grace", grace)
        self.patch.setattr(RemoteDirectory, "grace", grace)
        self.patch.setattr(compacting, "_SMALL", 4400)
        self.patch.setattr(compacting, "TARGET", 9000)
        self.offset = 0.0
        clock, ns = time.time, time.time_ns
        self.patch.setattr("time.time", lambda: clock() + self.offset)
        self.patch.setattr("time.time_ns", lambda: ns() + int(self.offset * 1e9))
        self.root = f"/tidied-{next(_NUMBER)}" if self.url else tempfile.mkdtemp()
        self.model: dict[str, bytes] = {}
        self.stores = [self._open(), self._open()]

    def _open(self) -> SegmentStore:
        return SegmentStore(as_location(f"{self.url}{self.root}"), NamespaceDirectory.of("n"))

    @rule(
        which=st.integers(0, 1),
        pairs=st.lists(st.tuples(st.sampled_from(KEYS), st.binary(min_size=1, max_size=200)), min_size=1, max_size=4),
    )
    def write(self, which, pairs):
        self.stores[which].mset(pairs)
        self.model.update(pairs)

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    def delete(self, which, keys):
        self.stores[which].mdelete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(which=st.integers(0, 1))
    def compact(self, which):
        self.stores[which].compact()

    @rule(which=st.integers(0, 1))
    def compact_twice(self, which):
        self.stores[which].compact()
        files = set(self.stores[which]._io.listing())
        report = self.stores[which].compact()
        assert report.rewritten == 0
        assert set(self.stores[which]._io.listing()) <= files

    @rule(which=st.integers(0, 1), size=st.integers(0, 30_000))
    def evict(self, which, size):
        store = self.stores[which]
        dry, done = store.evict(max_bytes=size, dry_run=True), store.evict(max_bytes=size)
        assert replace(dry, dry_run=False) == done
        self._take_evicted()

    @rule(which=st.integers(0, 1), age=st.sampled_from([0, 3600, 2 * DAY]))
    def evict_old(self, which, age):
        self.stores[which].evict(older_than=age)
        self._take_evicted()
        if age == 0:
            assert not self.model

    def _take_evicted(self):
        values = self._open().mget(KEYS)
        for key, value in zip(KEYS, values, strict=True):
            assert value in (None, self.model.get(key))
            if value is None:
                self.model.pop(key, None)

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=2))
    def purge(self, which, keys):
        self.stores[which].purge(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(which=st.integers(0, 1))
    def clear(self, which):
        self.stores[which].clear()
        self.model.clear()

    @rule(which=st.integers(0, 1))
    def reopen(self, which):
        self.stores[which] = self._open()

    @rule(hours=st.integers(1, 30))
    def wait(self, hours):
        self.offset += 3600 * hours

    @invariant()
    def holds_the_same(self):
        for store in self.stores:
            store._catalog.refresh(force=True)
            assert store.mget(KEYS) == [self.model.get(key) for key in KEYS]
        assert self._open().verify().damaged_segments == ()

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            if self.url:
                fs = fsspec.filesystem("memory")
                if fs.exists(self.root):
                    fs.rm(self.root, recursive=True)
            else:
                shutil.rmtree(self.root)


class TidiedRemotely(Tidied):
    url = "memory:/"


TestTidiedLocally = Tidied.TestCase
TestTidiedLocally.settings = settings(max_examples=20, stateful_step_count=20)
TestTidiedRemotely = TidiedRemotely.TestCase
TestTidiedRemotely.settings = settings(max_examples=10, stateful_step_count=20)


@pytest.mark.soak
class TestTidiedLocallyForLong(Tidied.TestCase):
    settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.soak
class TestTidiedRemotelyForLong(TidiedRemotely.TestCase):
    settings = settings(max_examples=100, stateful_step_count=40)


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
    store._io.delete(middle)
    usage = open_store(tmp_path).usage()
    assert (usage.segments, usage.rows_live, usage.rows_dead) == (1, 4, 0)
