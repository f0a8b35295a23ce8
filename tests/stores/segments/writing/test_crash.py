"""Killed writers and failing disks: a write is there as a whole or not at all, and what was acknowledged stays."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import random
import signal
import threading
import time
import traceback
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from covering import each_once
from forking import end_of, may_fork, needs_fork, start

from embedonce import EmbeddingCache, StoreError
from embedonce.stores.locations.location import LocalLocation, as_location
from embedonce.stores.places import local
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.stores.segments.writing import merger as merging


class HalfWritten:
    """A file that takes half of what it is given."""

    def __init__(self, write) -> None:
        self.write = lambda part: write(part[: max(1, len(part) // 2)])


def _write_until_killed(root, rows: int, step: int, moment: str, log: int) -> None:
    """Write rows and merge them; die at one of the calls of the operating system, before or after it."""
    merging._FAN_IN = 2
    local.LocalDirectory.grace = -1.0
    store = SegmentStore(LocalLocation(root, options={"fsync": True}), NamespaceDirectory.of("n"))
    calls = itertools.count(1)

    def killing(function):
        def call(*arguments, **options):
            is_last = next(calls) == step
            if is_last and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = function(*arguments, **options)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call

    for name in ("open", "replace", "unlink"):
        setattr(os, name, killing(getattr(os, name)))
    # What a killed process has written is there without it too, and disks are slow.
    os.fsync = killing(lambda descriptor: None)
    write_all = local._write_all
    local._write_all = lambda file, part: write_all(HalfWritten(killing(file.write)), part)
    for i in range(rows):
        store.put_rows([bytes([i]) * 32], np.full((1, 4), i, "<f4"))
        os.write(log, b"%d\n" % i)


def _killed_at(root, rows: int, step: int, moment: str) -> tuple[bool, list[int]]:
    """Let a forked child write until it is killed; return whether it came to its end, and what it had finished."""
    reading, writing = os.pipe()
    child = start(lambda: _write_until_killed(root, rows, step, moment, writing))
    os.close(writing)
    with open(reading, "rb") as log:
        finished = [int(line) for line in log.read().split()]
    code = end_of(child)
    assert code in (0, -signal.SIGKILL)
    return code == 0, finished


@needs_fork
@may_fork
@pytest.mark.parametrize(
    ("rows", "moment"),
    [
        (3, "before"),
        pytest.param(5, "before", marks=pytest.mark.soak),
        pytest.param(5, "after", marks=pytest.mark.soak),
    ],
)
def test_a_writer_killed_at_any_step_leaves_whole_segments(rows, moment, tmp_path, open_store):
    for step in range(1, 1000):
        root = tmp_path / f"{step}"
        is_over, acknowledged = _killed_at(root, rows, step, moment)
        store = open_store(root, "n")
        matrix, found = store.get_rows([bytes([i]) * 32 for i in range(rows)], 4)
        assert found[acknowledged].all()
        assert all(set(matrix[i]) == {float(i)} for i in np.flatnonzero(found))
        assert store.counts.damaged_rows + store.counts.damaged_segments == 0
        # The next writer goes on as if nothing had happened.
        store.put_rows([b"x" * 32], np.full((1, 4), 7, "<f4"))
        assert open_store(root, "n").get_rows([b"x" * 32], 4)[1].all()
        if is_over:
            break
    assert is_over
    assert step > 12 * rows
    assert acknowledged == list(range(rows))


def test_temporary_files_are_deleted_after_an_hour(tmp_path, open_store, segments_in):
    store = open_store(tmp_path)
    store.mset([("a", b"1")])
    space = segments_in(tmp_path)[0].parent
    old, young = space / ".tmp-0123456789abcdef", space / ".tmp-fedcba9876543210"
    for file in (old, young):
        file.write_bytes(b"torn")
    os.utime(old, (time.time() - 3700,) * 2)
    os.utime(young, (time.time() - 3500,) * 2)
    reader = open_store(tmp_path, read_only=True)
    assert old.exists()
    assert reader.mget(["a"]) == [b"1"]
    assert open_store(tmp_path).mget(["a"]) == [b"1"]
    assert not old.exists()
    assert young.exists()


FAULTS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EMFILE]


def _failing(code):
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    return fail


@each_once(code=FAULTS, call=["open", "replace", "fsync", "write"])
def test_a_failing_disk_is_an_error_and_leaves_nothing_half_visible(
    tmp_path, open_store, monkeypatch, segments_in, code, call
):
    store = SegmentStore(as_location(str(tmp_path), {"fsync": True}), NamespaceDirectory.of("n"))
    store.mset([("a", b"1")])
    before = sorted(path for path in tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr("embedonce.stores.places.local._write_all", _failing(code))
        else:
            patch.setattr(os, call, _failing(code))
        with pytest.raises(StoreError):
            store.mset([("a", b"2"), ("b", b"2")])
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert store.mget(["a", "b"]) == open_store(tmp_path, "n").mget(["a", "b"]) == [b"1", None]
    store.mset([("b", b"3")])
    assert open_store(tmp_path, "n").mget(["a", "b"]) == [b"1", b"3"]


def test_short_writes_are_completed(tmp_path, open_store, monkeypatch):
    class Slow:
        def __init__(self, file):
            self.file = file

        def write(self, part):
            return self.file.write(part[:1000])

    write_all = local._write_all
    monkeypatch.setattr(local, "_write_all", lambda file, part: write_all(Slow(file), part))
    value = random.Random(1).randbytes(100_000)
    open_store(tmp_path).mset([("a", value)])
    assert open_store(tmp_path).mget(["a"]) == [value]


@each_once(code=[errno.EIO, errno.EACCES, errno.ESTALE], call=["scandir", "stat", "open"])
def test_a_place_that_cannot_be_read_is_an_outage_and_not_a_miss(tmp_path, open_store, monkeypatch, code, call):
    writer, reader = open_store(tmp_path), open_store(tmp_path)
    writer.mset([("a", b"1" * 20_000)])
    # So old that nothing but the failure itself makes the reader look again.
    os.utime(writer._directory.path, (1_500_000_000, 1_500_000_000.5))
    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr("embedonce.stores.places.local.open", _failing(code), raising=False)
        else:
            patch.setattr(os, call, _failing(code))
        for _ in range(2):
            with pytest.raises(StoreError):
                reader.mget(["a"])
    # The listing that was cut short must not pass for a known one afterwards.
    assert reader.mget(["a"]) == [b"1" * 20_000]


def test_vectors_are_returned_when_the_disk_is_full(tmp_path, monkeypatch):
    cache = EmbeddingCache(tmp_path)
    embed = lambda texts: np.array([[float(len(text)), 1] for text in texts])  # noqa: E731
    monkeypatch.setattr("embedonce.stores.places.local._write_all", _failing(errno.ENOSPC))
    assert cache.embed(["a", "bb"], embed, namespace="n").tolist() == [[1, 1], [2, 1]]
    assert cache.stats().write_errors == 1


def _row(key: bytes) -> np.ndarray:
    return np.frombuffer(hashlib.sha512(key).digest() * 4, "<u4").astype("<f4")


def _write(root, seed: int, rounds: int, merge: str, log: Path) -> None:
    """Write and read with two threads; note each key in the log once its row is written."""
    noted = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if merge == "merge":
        merging._FAN_IN, merging._ADOPT, local.LocalDirectory.grace = 4, 8, -1.0
    store, failures = SegmentStore(as_location(root), NamespaceDirectory.of("n")), []

    def work(thread: int) -> None:
        dice, mine = random.Random(seed * 100 + thread), []
        for i in range(rounds):
            count = dice.choice([1, 1, 1, 20])
            keys = [hashlib.sha256(b"%d %d %d %d" % (seed, thread, i, j)).digest() for j in range(count)]
            # Some keys are written by everybody.
            keys += [hashlib.sha256(b"%d" % dice.randrange(500)).digest()]
            store.put_rows(keys, np.array([_row(key) for key in keys]))
            os.write(noted, b"".join(key.hex().encode() + b"\n" for key in keys))
            mine += keys
            if i % 3 == 0:
                some = list(dict.fromkeys(dice.sample(mine, min(8, len(mine)))))
                matrix, found = store.get_rows(some)
                assert found.all(), "lost"
                assert all((matrix[k] == _row(key)).all() for k, key in enumerate(some)), "wrong"

    def trying(thread: int) -> None:
        try:
            work(thread)
        except BaseException:
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=trying, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures, failures[0]
    assert store.counts.damaged_rows + store.counts.damaged_segments == 0


def _write_and_kill(tmp_path, open_store, *, processes: int, rounds: int, merge: str, seconds: float, waves: int):
    root, dice = tmp_path / "cache", random.Random(7)
    acknowledged: set[bytes] = set()
    for wave in range(waves):
        logs = [tmp_path / f"{wave}-{n}.log" for n in range(processes)]
        # Every other one is killed, and must not have ended before.
        running = [
            start(partial(_write, root, wave * processes + n, rounds * (9999, 1)[n % 2], merge, log), seconds=240)
            for n, log in enumerate(logs)
        ]
        try:
            # Once all of them have written something.
            end = time.monotonic() + 120
            while not all(log.exists() and log.stat().st_size for log in logs):
                assert time.monotonic() < end, "a writer has not written anything"
                time.sleep(0.005)
            for child in running[::2]:
                time.sleep(dice.random() * seconds / len(running[::2]))
                os.kill(child, signal.SIGKILL)
            codes = [end_of(running.pop(0)) for _ in logs]
        finally:
            for child in running:
                os.kill(child, signal.SIGKILL)
                end_of(child)
        assert codes == [-signal.SIGKILL, 0] * (processes // 2)
        for log in logs:
            lines = log.read_bytes().split(b"\n")[:-1]
            acknowledged.update(bytes.fromhex(line.decode()) for line in lines if len(line) == 64)
            assert lines
    keys = sorted(acknowledged)
    store = open_store(root, "n")
    matrix, found = store.get_rows(keys)
    assert found.all(), f"{(~found).sum()} of {len(keys)} acknowledged rows are lost"
    for i, key in enumerate(keys):
        assert np.array_equal(matrix[i], _row(key))
    assert store.counts.damaged_rows + store.counts.damaged_segments == 0
    for key in store.yield_keys():
        assert np.array_equal(store.get_rows([bytes.fromhex(key)])[0][0], _row(bytes.fromhex(key)))


@needs_fork
@may_fork
def test_eight_processes_with_two_writers_half_of_them_killed(tmp_path, open_store):
    _write_and_kill(tmp_path, open_store, processes=8, rounds=15, merge="calm", seconds=0.1, waves=1)


@needs_fork
@may_fork
def test_merging_writers_half_of_them_killed(tmp_path, open_store):
    _write_and_kill(tmp_path, open_store, processes=4, rounds=40, merge="merge", seconds=0.1, waves=1)


@needs_fork
@may_fork
@pytest.mark.soak
@pytest.mark.parametrize("merge", ["calm", "merge"])
def test_waves_of_writers_half_of_them_killed(tmp_path, open_store, merge):
    _write_and_kill(tmp_path, open_store, processes=8, rounds=150, merge=merge, seconds=3.0, waves=3)
