"""Threads, forks, other processes, and how soon one store sees what another one has written."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
from functools import partial

import fsspec
import numpy as np
import pytest
from covering import each_once
from forking import end_of, forked, may_fork, needs_fork, start
from servers import KINDS

from embedonce import EmbeddingCache, StoreError
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments.lookup.view import View


@pytest.fixture
def listings(monkeypatch):
    """Counts the listings of local directories."""
    counted = []
    listing = LocalDirectory.listing
    monkeypatch.setattr(LocalDirectory, "listing", lambda io: counted.append(io) or listing(io))
    return counted


def test_what_another_store_wrote_is_seen_at_the_next_miss(every_place, open_store, digest, vectors):
    one, other = open_store(every_place), open_store(every_place)
    rows = vectors(6)
    for i in range(6):
        (one, other)[i % 2].put_rows([digest(i)], rows[i : i + 1])
        matrix, found = (other, one)[i % 2].get_rows([digest(i)])
        assert found.all()
        assert np.array_equal(matrix[0], rows[i])
    one.mset([("a", b"1")])
    assert other.mget(["a"]) == [b"1"]


def test_hits_alone_look_for_news_at_most_once_a_second(tmp_path, open_store, listings, monotonic):
    writer, reader = open_store(tmp_path), open_store(tmp_path)
    writer.mset([("a", b"1")])
    assert reader.mget(["a"]) == [b"1"]
    writer.mset([("a", b"2")])
    listings.clear()
    monotonic[0] += 0.9
    assert reader.mget(["a"]) == [b"1"]
    assert not listings
    monotonic[0] += 0.2
    assert reader.mget(["a"]) == [b"2"]
    assert listings
    writer.mdelete(["a"])
    monotonic[0] += 1.1
    assert reader.mget(["a"]) == [None]


def test_misses_list_a_directory_only_if_it_has_changed(tmp_path, open_store, listings, monotonic):
    writer, reader = open_store(tmp_path), open_store(tmp_path)
    writer.mset([("a", b"1")])
    space = writer._directory.path
    os.utime(space, ns=(10**18 + 7, 10**18 + 7))
    assert reader.mget(["a", "x"]) == [b"1", None]
    listings.clear()
    for _ in range(5):
        assert reader.mget(["x"]) == [None]
    assert not listings
    writer.mset([("x", b"2")])
    assert reader.mget(["x"]) == [b"2"]


def test_a_directory_changed_within_the_same_clock_tick_is_looked_at_again(tmp_path, open_store):
    writer, reader = open_store(tmp_path), open_store(tmp_path)
    writer.mset([("a", b"1")])
    space = writer._directory.path
    modified = os.stat(space).st_mtime_ns
    assert reader.mget(["b"]) == [None]
    writer.mset([("b", b"2")])
    os.utime(space, ns=(modified, modified))
    assert reader.mget(["b"]) == [b"2"]


def test_a_directory_that_is_deleted_while_open_is_an_outage_and_not_a_miss(every_place, open_store, monotonic):
    store = open_store(every_place)
    store.mset([("a", b"1")])
    fs, path = fsspec.url_to_fs(every_place)
    fs.rm(path, recursive=True)
    monotonic[0] += 5
    for _ in range(2):
        with pytest.raises(StoreError):
            store.mget(["a", "b"])
        with pytest.raises(StoreError):
            store.mdelete(["a"])
        with pytest.raises(StoreError):
            list(store.yield_keys())


def test_a_cache_whose_directory_is_deleted_goes_on_embedding(tmp_path, monotonic):
    cache = EmbeddingCache(tmp_path / "cache")
    embed = lambda texts: [[1.0, float(len(text))] for text in texts]  # noqa: E731
    cache.embed(["a"], embed, namespace="n")
    shutil.rmtree(tmp_path / "cache")
    monotonic[0] += 5
    assert cache.embed(["a", "bb"], embed, namespace="n").tolist() == [[1, 1], [1, 2]]
    assert cache.stats().read_errors == 1


def test_no_garbage_collection_is_needed_to_close_files(tmp_path, open_store, digest, vectors):
    import gc
    import weakref

    store = open_store(tmp_path)
    store.put_rows([digest(0)], vectors(1, 10_000))
    store.get_rows([digest(0)])
    (opened,) = store._catalog.files._open.values()
    mapped = weakref.ref(opened.view.obj)
    gc.disable()
    try:
        del store, opened
        assert mapped() is None
    finally:
        gc.enable()


def test_close_lets_go_of_maps_and_the_store_can_still_be_used(tmp_path, open_store, digest, vectors):
    store = open_store(tmp_path)
    rows = vectors(1, 10_000)
    store.put_rows([digest(0)], rows)
    store.get_rows([digest(0)])
    store.close()
    assert not store._catalog.files._open
    assert np.array_equal(store.get_rows([digest(0)])[0], rows)


def _use(store, rows, key, new):
    """What a child process does with a store of its parent."""
    matrix, found = store.get_rows([key])
    assert found.all()
    assert np.array_equal(matrix, rows)
    store.put_rows([new], rows)
    for i in range(10):
        store.mset([(f"child {i}", b"1")])
    assert store.get_rows([new])[1].all()
    assert None not in store.mget([f"child {i}" for i in range(10)])


@needs_fork
@may_fork
@each_once(kind=["local", "fsspec", *KINDS], lock=["catalog", "refreshing", "writer", "files", "merger", "maps"])
def test_a_forked_child_works_while_a_thread_of_the_parent_holds_any_lock(
    place_of, open_store, digest, vectors, eager_merging, kind, lock
):
    from embedonce.stores.segments.files import files

    store = open_store(place_of(kind))
    rows = vectors(1, 6000)
    store.put_rows([digest(0)], rows)
    locks = {
        "catalog": store._catalog.lock,
        "refreshing": store._catalog._attempt.lock,
        "writer": store._writer._lock,
        "files": store._catalog.files._lock,
        "merger": store._writer.merger._lock,
        "maps": files._MAPS_LOCK,
    }
    held, release = threading.Event(), threading.Event()

    def hold():
        with locks[lock]:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert forked(lambda: _use(store, rows, digest(0), digest(1))) == 0
    finally:
        release.set()
        thread.join()
    if kind != "fsspec":
        assert store.get_rows([digest(1)])[1].all()
    store.put_rows([digest(2)], rows)
    assert store.get_rows([digest(0), digest(2)])[1].all()


@needs_fork
@may_fork
def test_a_child_forked_in_the_middle_of_a_refresh_or_a_merge_sees_everything(
    tmp_path, open_store, digest, vectors, eager_merging, monkeypatch
):
    store, other = open_store(tmp_path), open_store(tmp_path)
    rows = vectors(1)
    other.put_rows([digest(0)], rows)
    codes = []

    def fork_here(take):
        def taking(listed, known):
            if not codes:
                # Half-way: the listing is known, the view is the old one.
                store._catalog.listed = listed
                store._writer._merging = object()
                codes.append(None)
                codes[0] = forked(lambda: _use(store, rows, digest(0), digest(1)))
                store._writer._merging = None
            return take(listed, known)

        return taking

    monkeypatch.setattr(store._catalog, "_take", fork_here(store._catalog._take))
    assert store.get_rows([digest(0)])[1].all()
    assert codes == [0]


@needs_fork
@may_fork
def test_a_child_forked_in_the_middle_of_a_write_sees_what_was_published(
    tmp_path, open_store, digest, vectors, monkeypatch
):
    store = open_store(tmp_path)
    rows = vectors(1)
    overlaid, codes = View.overlaid, []

    def fork_half_way(view, segment, *arguments):
        if not codes:
            codes.append(None)
            view.newest.append(segment)
            codes[0] = forked(lambda: _use(store, rows, digest(0), digest(1)))
            view.newest.pop()
        overlaid(view, segment, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(View, "overlaid", fork_half_way)
        store.put_rows([digest(0)], rows)
    assert codes == [0]


@needs_fork
@may_fork
def test_a_child_merges_what_it_writes_and_not_what_its_parent_has_written(
    tmp_path, open_store, digest, vectors, eager_merging, segments_in
):
    store = open_store(tmp_path)
    rows = vectors(1)
    for i in range(3):
        store.put_rows([digest(i)], rows)
    store._writer._merging = object()  # as if a thread of the parent were at it

    def write():
        for i in range(3, 20):
            store.put_rows([digest(i)], rows)

    assert forked(write) == 0
    names = {file.name for file in segments_in(tmp_path)}
    assert len(names) < 12
    assert {segment.file for segment in store._catalog.view.segments} <= names


def test_a_store_can_be_sent_to_a_spawned_process(tmp_path, open_store, digest, vectors):
    store = open_store(tmp_path / "cache")
    rows = vectors(1)
    store.put_rows([digest(0)], rows)
    (tmp_path / "sent").write_bytes(pickle.dumps(store))
    code = (
        "import pickle, sys\n"
        "store = pickle.load(open(sys.argv[1], 'rb'))\n"
        "matrix, found = store.get_rows([bytes.fromhex(sys.argv[2])])\n"
        "assert matrix.tobytes().hex() == sys.argv[3]\n"
        "store.mset([('child', b'1')])\n"
    )
    arguments = [str(tmp_path / "sent"), digest(0).hex(), rows.tobytes().hex()]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    assert store.mget(["child"]) == [b"1"]


@needs_fork
@may_fork
def test_forked_children_and_their_parent_write_at_once(tmp_path, open_store, digest, vectors, eager_merging):
    store = open_store(tmp_path)
    rows = vectors(8)
    store.put_rows([digest(0)], rows[:1])
    children = [start(partial(_write_many, store, digest, rows, number)) for number in range(1, 5)]
    _write_many(store, digest, rows, 5)
    assert [end_of(child) for child in children] == [0] * 4
    keys = [digest(100 * number + i) for number in range(1, 6) for i in range(30)]
    for look in (store, open_store(tmp_path)):
        matrix, found = look.get_rows(keys)
        assert found.all()
        for at in range(len(keys)):
            assert np.array_equal(matrix[at], rows[at // 30 + 1])


def _write_many(store, digest, rows, number):
    for i in range(30):
        store.put_rows([digest(100 * number + i)], rows[number : number + 1])
        assert store.get_rows([digest(100 * number + i)])[1].all()


def test_threads_read_while_others_write_and_merge(tmp_path, open_store, digest, vectors, eager_merging):
    store = open_store(tmp_path)
    rows = vectors(60)
    written = [0]
    failures = []

    def write():
        try:
            for i in range(60):
                store.put_rows([digest(i)], rows[i : i + 1])
                written[0] = i + 1
        except BaseException as error:
            failures.append(error)

    def read(seed):
        random = np.random.default_rng(seed)
        try:
            while written[0] < 60 and not failures:
                if not written[0]:
                    continue
                numbers = random.choice(written[0], min(written[0], 1 + seed * 9), replace=False)
                matrix, found = store.get_rows([digest(int(i)) for i in numbers])
                assert found.all()
                assert np.array_equal(matrix, rows[numbers])
                assert len(list(store.yield_keys())) >= len(numbers)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(seed,)) for seed in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.counts.damaged_rows + store.counts.damaged_segments == 0
