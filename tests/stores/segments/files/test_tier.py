"""The local tier: what was read once is not read from the distant place again, and no fault of the disk matters."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import stat
import threading
from functools import partial

import numpy as np
import pytest
from covering import each_once
from forking import forked, may_fork, needs_fork

from embedonce.stores.segments.files import tier
from embedonce.stores.segments.format.names import SegmentName


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_a_second_process_reads_nothing_of_the_distant_place(count, written, open_tiered, asked, check):
    keys, matrix = written(count)
    check(open_tiered(), keys, matrix)
    asked.clear()
    check(open_tiered(), keys, matrix)
    assert asked == []
    assert asked.listings == 1


def test_what_this_process_wrote_need_not_be_read_by_anybody(open_tiered, asked, digest, vectors):
    writer = open_tiered(read_only=False)
    for count in (50, 1000):
        writer.put_rows([digest(i) for i in range(count)], vectors(count, count))
        writer.flush()
    asked.clear()
    for store in (open_tiered(), writer):
        got, there = store.get_rows([digest(i) for i in range(1000)], 1000)
        assert there.all()
        assert np.array_equal(got, vectors(1000, 1000))
    assert asked == []


@needs_fork
@may_fork
def test_a_forked_child_reads_and_adds_to_what_is_there(written, open_tiered, asked, check):
    keys, matrix = written()
    store = open_tiered()
    check(store, keys, matrix, range(100))
    asked.clear()

    def read():
        check(store, keys, matrix, range(100))
        assert asked == []
        check(store, keys, matrix, range(4000, 4200))

    assert forked(read) == 0
    # What the child has read is there for its parent.
    check(store, keys, matrix, range(4000, 4200))
    assert asked == []


@needs_fork
@may_fork
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_at_any_step_leaves_nothing_wrong(moment, written, open_tiered, directory, check):
    keys, matrix = written()
    small, more = written(10, first=5000)
    write = tier._write

    def read_until_killed(step):
        calls = itertools.count(1)

        def killing(file, pieces):
            is_last = next(calls) == step
            if is_last and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            write(file, pieces)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)

        tier._write = killing
        store = open_tiered()
        check(store, keys, matrix, range(1000))
        check(store, small, more)

    for step in itertools.count(1):
        shutil.rmtree(directory, ignore_errors=True)
        code = forked(partial(read_until_killed, step))
        assert code in (0, -signal.SIGKILL)
        for _ in range(2):
            store = open_tiered()
            check(store, keys, matrix, range(1000))
            check(store, small, more)
        if code == 0:
            break
    assert step > 5


def test_only_rows_that_are_not_there_are_read(written, open_tiered, asked, monkeypatch, check):
    monkeypatch.setattr("embedonce.stores.places.ranges.GAP", 0)
    keys, matrix = written()
    check(open_tiered(), keys, matrix, range(100, 200))
    asked.clear()
    store = open_tiered()
    check(store, keys, matrix, range(150, 250))
    assert [end - start for _, start, end in asked] == [50 * 32]
    check(store, keys, matrix, [*range(4000, 4010), *range(100, 250)])
    assert [end - start for _, start, end in asked] == [50 * 32, 10 * 32]


def test_what_one_process_reads_is_there_for_others_that_are_running(written, open_tiered, asked, check):
    keys, matrix = written()
    first, second = open_tiered(), open_tiered()
    check(first, keys, matrix, range(10))
    check(second, keys, matrix, range(1000, 1010))
    asked.clear()
    check(first, keys, matrix, range(1000, 1010))
    check(second, keys, matrix, range(10))
    assert asked == []


def test_a_complete_segment_is_read_like_a_local_one(written, open_tiered, check):
    keys, matrix = written()
    store = open_tiered()
    check(store, keys, matrix)
    check(store, keys, matrix)
    (opened,) = store._catalog.files._open.values()
    assert opened.values is not None
    assert not isinstance(opened.view.obj, bytes)


@pytest.mark.parametrize("kind", ["raw", "var", "keyed", "typed"])
def test_values_of_every_kind_are_mirrored(kind, distant, open_store, open_tiered, asked, sealed, vectors):
    pairs = {
        "raw": [(f"{i:064x}", b"%05d" % i * 3) for i in range(2000)],
        "var": [(f"{i:064x}", b"%d" % i * (i % 9)) for i in range(2000)],
        "keyed": [(f"key {i}", b"%05d" % i * 3) for i in range(2000)],
        "typed": [(f"{i:064x}", sealed(vector)) for i, vector in enumerate(vectors(2000))],
    }[kind]
    open_store(distant).mset(pairs)
    keys, values = zip(*pairs, strict=True)
    some = slice(100, 200)
    assert open_tiered().mget(keys[some]) == list(values[some])
    asked.clear()
    store = open_tiered()
    assert store.mget(keys[some]) == list(values[some])
    assert asked == []
    assert store.mget(keys) == list(values)
    asked.clear()
    assert open_tiered().mget(keys) == list(values)
    assert asked == []


@each_once(what=["index", "rows", "have", "zeroes", "no have", "short", "long", "no file"], complete=[True, False])
def test_no_damage_of_the_disk_is_a_miss_and_all_of_it_is_repaired(
    what, complete, written, open_tiered, directory, asked, check, files_in
):
    keys, matrix = written()
    some = range(5000) if complete else range(1000, 3000)
    check(open_tiered(), keys, matrix, some)
    (file,) = files_in(directory)
    (have,) = files_in(directory, ".have")
    name = SegmentName.parse(file.name)
    content = bytearray(file.read_bytes())
    if what == "index":
        content[4096 + 48 * 2000] ^= 1
    elif what == "rows":
        for row in range(1000, 3000, 7):
            content[name.values_start + 32 * row] ^= 1
    elif what == "zeroes":
        content[:] = bytes(len(content))
    elif what == "long":
        content += b"x"
    elif what == "short":
        del content[len(content) // 2 :]
    file.write_bytes(content)
    if what == "have":
        have.write_bytes(bytes([1, 2, 0, 255, 1]) * 1000 + b"\1")
    elif what == "no have":
        have.unlink()
    elif what == "no file":
        file.unlink()
    asked.clear()
    store = open_tiered()
    check(store, keys, matrix, some)
    # Bytes beyond the last row are not looked at.
    assert bool(asked) == (what != "long")
    check(store, keys, matrix, some)
    check(open_tiered(), keys, matrix, some)
    asked.clear()
    check(open_tiered(), keys, matrix, some)
    assert asked == []


def test_damage_under_an_open_store_is_repaired_too(written, open_tiered, directory, asked, check, files_in):
    keys, matrix = written()
    store = open_tiered()
    check(store, keys, matrix)
    check(store, keys, matrix)
    (file,) = files_in(directory)
    start = SegmentName.parse(file.name).values_start
    with open(file, "r+b") as opened:
        opened.seek(start)
        opened.write(bytes(5000 * 32))
    asked.clear()
    check(store, keys, matrix)
    assert asked
    asked.clear()
    check(store, keys, matrix)
    check(open_tiered(), keys, matrix)
    assert asked == []


def test_a_file_that_is_cut_under_an_open_store_is_left_alone(written, open_tiered, directory, check, files_in):
    keys, matrix = written()
    for some in (range(5000), range(100)):
        store = open_tiered()
        check(store, keys, matrix, some)
        check(store, keys, matrix, some)
        (file,) = files_in(directory)
        os.truncate(file, 4096)
        check(store, keys, matrix, some)
        check(store, keys, matrix)


def test_files_that_are_deleted_under_an_open_store_are_made_again(written, open_tiered, directory, asked, check):
    keys, matrix = written()
    store = open_tiered()
    check(store, keys, matrix, range(100))
    for file in directory.glob("*/*"):
        file.unlink()
    check(store, keys, matrix, range(100))
    check(store, keys, matrix, range(1000, 1100))
    check(store, keys, matrix, range(2000, 2100))
    asked.clear()
    check(open_tiered(), keys, matrix, range(2000, 2100))
    assert asked == []


def test_files_that_others_made_again_are_taken_up(written, open_tiered, directory, asked, check):
    keys, matrix = written()
    store = open_tiered()
    check(store, keys, matrix, range(100))
    for file in directory.glob("*/*"):
        file.unlink()
    check(open_tiered(), keys, matrix, range(1000, 1100))
    check(store, keys, matrix, range(2000, 2100))
    check(store, keys, matrix, range(3000, 3100))
    asked.clear()
    check(store, keys, matrix, range(1000, 1100))
    check(store, keys, matrix, range(3000, 3100))
    check(open_tiered(), keys, matrix, range(3000, 3100))
    assert asked == []


def _failing(monkeypatch, name, code):
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tier, name, fail)


@each_once(
    what=["_open_for_writing", "_read", "_entries", "_delete", "_write"],
    code=[errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO],
)
def test_a_disk_that_fails_costs_a_warning_and_nothing_else(
    what, code, written, open_tiered, monkeypatch, caplog, directory, check
):
    keys, matrix = written()
    small, more = written(10, first=5000)
    _failing(monkeypatch, what, code)
    store = open_tiered()
    for _ in range(2):
        check(store, keys, matrix, range(100))
        check(store, small, more)
    check(store, keys, matrix)
    store._catalog.files.forget(*store._catalog.listed)
    check(store, keys, matrix)
    warned = [record for record in caplog.records if "local tier" in record.message]
    assert len(warned) == 1
    assert str(directory) in warned[0].message


def test_a_tier_that_is_a_file_is_as_good_as_none(written, open_tiered, directory, caplog, check):
    keys, matrix = written()
    directory.write_text("not ours")
    check(open_tiered(), keys, matrix)
    assert "local tier" in caplog.text
    assert directory.read_text() == "not ours"


@pytest.mark.skipif(os.name == "nt", reason="permission bits do not exist")
def test_the_tier_is_private(written, open_tiered, directory, check):
    keys, matrix = written()
    check(open_tiered(), keys, matrix)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_threads_share_a_tier(written, open_tiered, asked, check):
    keys, matrix = written(5000)
    store, wrong = open_tiered(), []

    def look(first):
        for start in range(first, 5000, 200):
            got, there = store.get_rows(keys[start : start + 120])
            if not there.all() or not np.array_equal(got, matrix[start : start + 120]):
                wrong.append(start)

    threads = [threading.Thread(target=look, args=(first,)) for first in (0, 0, 100, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    check(store, keys, matrix)
    asked.clear()
    check(open_tiered(), keys, matrix)
    assert asked == []
