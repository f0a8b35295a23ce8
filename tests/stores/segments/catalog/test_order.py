"""Several writers may store one key: the newest write wins, in every reader, in any order of arrival."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

KEYS = ["0" * 64, "text", "f" * 64]


class Clock:
    """A wall clock that is set by hand, in microseconds."""

    def __init__(self, now: int) -> None:
        self.now = now

    def time_ns(self) -> int:
        return self.now * 1000


@pytest.fixture
def clock(monkeypatch):
    made = Clock(1_700_000_000_000_000)
    monkeypatch.setattr("time.time_ns", made.time_ns)
    return made


def _read(store):
    store._catalog._recency.expire()
    return store.mget(KEYS)


def _orders_of_arrival(files, target, open_store, root):
    """Yield what a store says that saw the files appear one by one, for several orders, and once all at once."""
    orders = list(itertools.permutations(files)) if len(files) <= 4 else []
    orders += [random.Random(seed).sample(files, len(files)) for seed in range(20)] if not orders else []
    for order in orders:
        shutil.rmtree(target, ignore_errors=True)
        space = target / files[0].parent.name
        space.mkdir(parents=True)
        shutil.copy(files[0].parent / "space.json", space)
        watching = open_store(target)
        for file in order:
            shutil.copy(file, space)
            watching._catalog._stale = True
            _read(watching)
        yield _read(watching)
        yield _read(open_store(target))


def test_a_later_write_wins_in_every_order_of_arrival(tmp_path, open_store, segments_in):
    store, other = open_store(tmp_path / "a"), open_store(tmp_path / "a")
    for i in range(3):
        (store, other)[i % 2].mset([(key, b"value %d" % i) for key in KEYS])
    (store, other)[1].mset([(KEYS[1], b"final")])
    expected = [b"value 2", b"final", b"value 2"]
    files = segments_in(tmp_path / "a")
    assert len(files) >= 3
    for answer in _orders_of_arrival(files, tmp_path / "b", open_store, tmp_path):
        assert answer == expected


def test_equal_stamps_have_one_winner_in_every_reader(tmp_path, open_store, clock, segments_in):
    stores = [open_store(tmp_path / f"machine {i}") for i in range(4)]
    # Four machines that never saw each other write at the very same microsecond.
    for i, store in enumerate(stores):
        store.mset([(key, b"%d" % i) for key in KEYS])
    gathered = tmp_path / "gathered" / segments_in(tmp_path / "machine 0")[0].parent.name
    gathered.mkdir(parents=True)
    for i in range(4):
        for file in (segments_in(tmp_path / f"machine {i}")[0].parent).iterdir():
            shutil.copy(file, gathered)
    files = segments_in(tmp_path / "gathered")
    assert len(files) == 4
    answers = {tuple(answer) for answer in _orders_of_arrival(files, tmp_path / "b", open_store, tmp_path)}
    assert len(answers) == 1


def test_a_delete_wins_over_a_write_of_the_same_microsecond(tmp_path, open_store, clock, segments_in):
    open_store(tmp_path / "a").mset([(key, b"seen") for key in KEYS])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    store, other = open_store(tmp_path / "a"), open_store(tmp_path / "b")
    store.mset([(KEYS[0], b"same"), (KEYS[1], b"same")])
    other.mdelete(KEYS[:1])
    (space,) = (tmp_path / "a").iterdir()
    for file in segments_in(tmp_path / "b"):
        shutil.copy(file, space)
    stamps = [file.name[:14] for file in segments_in(tmp_path / "a")]
    assert len(stamps) > len(set(stamps))
    for reader in (store, open_store(tmp_path / "a")):
        assert _read(reader) == [None, b"same", b"seen"]


def test_a_merge_of_equal_stamps_keeps_the_winner(tmp_path, open_store, clock, segments_in, eager_merging):
    stores = [open_store(tmp_path / f"machine {i}") for i in range(3)]
    for i, store in enumerate(stores):
        for key in KEYS:
            store.mset([(key, hashlib.sha256(b"%d" % i + key.encode()).digest())])
    gathered = tmp_path / "gathered" / segments_in(tmp_path / "machine 0")[0].parent.name
    gathered.mkdir(parents=True)
    for i in range(3):
        for file in segments_in(tmp_path / f"machine {i}")[0].parent.iterdir():
            shutil.copy(file, gathered)
    before = _read(open_store(tmp_path / "gathered", read_only=True))
    sources = {file.name for file in segments_in(tmp_path / "gathered")}
    assert len({name[:14] for name in sources}) < len(sources)
    writer = open_store(tmp_path / "gathered")
    writer.mset([("other", b"1" * 32)])
    left = {file.name for file in segments_in(tmp_path / "gathered")}
    assert not sources & left
    assert _read(writer) == _read(open_store(tmp_path / "gathered")) == before


def test_merging_never_changes_the_winner(tmp_path, open_store, clock, segments_in, eager_merging):
    # Writers with wildly different clocks, who see each other only now and then.
    dice = random.Random(3)
    stores = [open_store(tmp_path / "a") for _ in range(3)]
    for i in range(60):
        clock.now = 1_700_000_000_000_000 + dice.randrange(1000)
        store = dice.choice(stores)
        if dice.random() < 0.2:
            store.mdelete([dice.choice(KEYS)])
        else:
            store.mset([(dice.choice(KEYS), b"%03d" % i)])
        if dice.random() < 0.3:
            _read(dice.choice(stores))
    answers = {tuple(_read(store)) for store in [*stores, open_store(tmp_path / "a"), open_store(tmp_path / "a")]}
    assert len(answers) == 1
    assert len(segments_in(tmp_path / "a")) < 40


def test_a_write_that_saw_another_one_is_newer_by_any_clock(tmp_path, open_store, clock):
    store, other = open_store(tmp_path), open_store(tmp_path)
    clock.now += 10_000_000
    store.mset([(key, b"from a clock that is ten seconds ahead") for key in KEYS])
    clock.now -= 3_610_000_000
    assert None not in _read(other)
    other.mset([(key, b"later") for key in KEYS])
    assert _read(other) == _read(store) == _read(open_store(tmp_path)) == [b"later"] * 3


def test_a_clock_that_jumps_backwards_changes_nothing_within_a_store(tmp_path, open_store, clock):
    store = open_store(tmp_path)
    for i in range(5):
        clock.now -= 3_600_000_000
        store.mset([("text", b"%d" % i)])
        assert store.mget(["text"]) == [b"%d" % i]
    assert open_store(tmp_path).mget(["text"]) == [b"4"]


def test_a_delete_outlives_every_merge(tmp_path, open_store, digest, vectors, eager_merging):
    store, other = open_store(tmp_path), open_store(tmp_path)
    store.put_rows([digest(i) for i in range(4)], vectors(4))
    other.mdelete([digest(0).hex(), digest(2).hex()])
    for i in range(4, 40):
        store.put_rows([digest(i)], vectors(1))
        if i % 4 == 0:
            other.mdelete([digest(i).hex()])
    expected = [i not in {0, 2, *range(4, 40, 4)} for i in range(40)]
    for reader in (store, other, open_store(tmp_path)):
        reader._catalog._recency.expire()
        assert reader.get_rows([digest(i) for i in range(40)])[1].tolist() == expected


def test_a_merge_that_has_not_seen_a_tombstone_brings_nothing_back(tmp_path, open_store, eager_merging, monkeypatch):
    store, other = open_store(tmp_path), open_store(tmp_path)
    store.mset([("a", b"1")])
    from embedonce.stores.places.local import LocalDirectory

    put, state = LocalDirectory.put, {"deleted": False}

    def put_after_a_delete(io, name, parts):
        if not state["deleted"] and len(store._writer.merger._replaced) == 0 and "replaces" in str(bytes(parts[0])):
            state["deleted"] = True
            other.mdelete(["a"])
        put(io, name, parts)

    monkeypatch.setattr(LocalDirectory, "put", put_after_a_delete)
    for i in range(8):
        store.mset([(f"k{i}", b"1")])
    assert state["deleted"]
    for reader in (other, open_store(tmp_path), store):
        reader._catalog._recency.expire()
        assert reader.mget(["a", "k0", "k7"]) == [None, b"1", b"1"]


def test_a_slow_writer_does_not_hide_what_was_written_after_its_stamp(tmp_path, open_store, monkeypatch):
    """A thread takes its stamp, is held up, and publishes after a delete or a later write of another thread."""
    store = open_store(tmp_path)
    store.mset([("a", b"0"), ("b", b"0")])
    put = store._directory.put

    def held_up(name, parts):
        monkeypatch.setattr(store._directory, "put", put)
        store.mdelete(["a"])
        store.mset([("b", b"newer")])
        list(store.yield_keys())
        put(name, parts)

    monkeypatch.setattr(store._directory, "put", held_up)
    store.mset([("a", b"old"), ("b", b"old")])
    fresh = open_store(tmp_path)
    assert fresh.mget(["a", "b"]) == [None, b"newer"]
    assert store.mget(["a", "b"]) == [None, b"newer"]


def test_threads_of_one_store_agree_with_a_fresh_store(tmp_path, open_store, monkeypatch, eager_merging):
    monkeypatch.setattr("embedonce.stores.segments.catalog.catalog._OVERLAY", 7)
    store = open_store(tmp_path)
    keys = [f"k{i}" for i in range(6)]

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for i in range(60):
            some = dice.sample(keys, 2)
            if dice.random() < 0.2:
                store.mdelete(some)
            elif dice.random() < 0.5:
                store.mset([(key, b"%d %d" % (seed, i)) for key in some])
            else:
                store.mget(keys)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, seed) for seed in range(4)]:
            done.result()
    assert store.mget(keys) == open_store(tmp_path).mget(keys)


def test_stamps_far_in_the_future_are_warned_about_once_and_keep_their_order(tmp_path, open_store, clock, caplog):
    clock.now += 10 * 365 * 86_400_000_000
    store = open_store(tmp_path)
    store.mset([("a", b"future")])
    clock.now -= 10 * 365 * 86_400_000_000
    other = open_store(tmp_path)
    for i in range(5):
        other.mset([("a", b"later %d" % i)])
        _read(other)
    assert open_store(tmp_path).mget(["a"]) == other.mget(["a"]) == [b"later 4"]
    warnings = [record for record in caplog.records if "ahead of this machine's clock" in record.message]
    assert len(warnings) == 2  # one per store object that saw it on opening or refreshing


def test_the_largest_possible_stamp_does_not_stop_writers(tmp_path, open_store, segments_in):
    store = open_store(tmp_path)
    store.mset([("a", b"1")])
    (file,) = segments_in(tmp_path)
    os.rename(file, file.with_name("f" * 14 + file.name[14:]))
    other = open_store(tmp_path)
    other.mset([("b", b"2")])
    other.mset([("c", b"3")])
    assert open_store(tmp_path).mget(["a", "b", "c"]) == [b"1", b"2", b"3"]


def test_rows_with_equal_prefixes_are_told_apart(place, open_store, vectors):
    prefix = b"same 8 b"
    keys = [prefix + bytes([i // 256, i % 256]) + bytes(22) for i in range(300)]
    rows = vectors(300)
    store = open_store(place)
    order = list(range(300))
    random.Random(1).shuffle(order)
    for start in range(0, 300, 60):
        store.put_rows([keys[i] for i in order[start : start + 60]], rows[order[start : start + 60]])
    store.put_rows([keys[7]], rows[8:9])
    store.mdelete([keys[9].hex()])
    for look in (store, open_store(place)):
        matrix, found = look.get_rows(keys)
        assert found.tolist() == [i != 9 for i in range(300)]
        expected = rows.copy()
        expected[7] = rows[8]
        assert np.array_equal(matrix[found], expected[found])
        for i in (0, 7, 9, 150, 299):
            one, there = look.get_rows([keys[i]])
            assert there[0] == (i != 9)
            assert i == 9 or np.array_equal(one[0], expected[i])
        absent = [prefix + bytes([200, 0]) + bytes(22), prefix + bytes(23) + b"\1"]
        assert not look.get_rows(absent)[1].any()


def test_looking_up_one_of_many_equal_prefixes_opens_few_segments(tmp_path, open_store, vectors, monkeypatch):
    store = open_store(tmp_path)
    keys = [bytes(8) + i.to_bytes(24, "big") for i in range(5000)]
    rows = vectors(5000)
    store.put_rows(keys, rows)
    store = open_store(tmp_path)
    looks = []
    files = store._catalog.files
    opened = files.open
    monkeypatch.setattr(files, "open", lambda segment: looks.append(segment) or opened(segment))
    matrix, found = store.get_rows(keys[4321:4323])
    assert found.all()
    assert np.array_equal(matrix, rows[4321:4323])
    assert len(looks) < 200


def test_the_view_of_a_path_does_not_depend_on_how_it_is_written(tmp_path, open_store):
    open_store(tmp_path).mset([("a", b"1")])
    assert open_store(f"file://{tmp_path}").mget(["a"]) == [b"1"]
    assert open_store(Path(os.path.relpath(tmp_path))).mget(["a"]) == [b"1"]
