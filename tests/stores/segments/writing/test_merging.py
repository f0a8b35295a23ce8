"""Merging keeps the number of files bounded and changes nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.writing import merger as merging


def test_thousands_of_single_writes_leave_few_files(tmp_path, open_store, digest, vectors, segments_in, monkeypatch):
    monkeypatch.setattr(LocalDirectory, "grace", 0.0)
    store = open_store(tmp_path)
    rows = vectors(2000, 16)
    most = 0
    for i in range(2000):
        store.put_rows([digest(i)], rows[i : i + 1])
        if i % 100 == 0:
            most = max(most, len(segments_in(tmp_path)))
    assert most <= 200
    for look in (store, open_store(tmp_path)):
        matrix, found = look.get_rows([digest(i) for i in range(2000)])
        assert found.all()
        assert np.array_equal(matrix, rows)
        assert list(look.yield_keys()) == [digest(i).hex() for i in range(2000)]


def test_deletes_and_mixed_values_leave_few_files_too(tmp_path, open_store, segments_in, eager_merging):
    store = open_store(tmp_path)
    for i in range(200):
        store.mset([(f"k{i}", b"x" * (i % 7))])
        if i % 2:
            store.mdelete([f"k{i}"])
    assert len(segments_in(tmp_path)) < 30
    expected = [None if i % 2 else b"x" * (i % 7) for i in range(200)]
    for look in (store, open_store(tmp_path)):
        assert look.mget([f"k{i}" for i in range(200)]) == expected


def test_a_row_is_rewritten_few_times(tmp_path, open_store, digest, vectors, monkeypatch):
    monkeypatch.setattr(LocalDirectory, "grace", 0.0)
    monkeypatch.setattr(merging, "_FAN_IN", 4)
    written = []
    put = LocalDirectory.put

    def counted(io, name, parts):
        parsed = SegmentName.parse(name)
        written.append(parsed.rows if parsed else 0)
        put(io, name, parts)

    monkeypatch.setattr(LocalDirectory, "put", counted)
    store = open_store(tmp_path)
    row = vectors(1, 64)
    for i in range(600):
        store.put_rows([digest(i)], row)
    # Five files with 5^t rows each make one of 5^(t+1).
    assert sum(written) <= 5 * 600


def test_processes_that_write_little_are_tidied_up_after(
    tmp_path, open_store, digest, vectors, segments_in, monkeypatch
):
    monkeypatch.setattr(LocalDirectory, "grace", 0.0)
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    monkeypatch.setattr(merging, "_ADOPT", 12)
    rows = vectors(60)
    for i in range(60):
        open_store(tmp_path).put_rows([digest(i)], rows[i : i + 1])
    assert len(segments_in(tmp_path)) < 25
    matrix, found = open_store(tmp_path).get_rows([digest(i) for i in range(60)])
    assert found.all()
    assert np.array_equal(matrix, rows)


def test_two_stores_may_merge_the_same_segments(tmp_path, open_store, digest, vectors, eager_merging):
    rows = vectors(40)
    first = open_store(tmp_path)
    for i in range(3):
        first.put_rows([digest(i)], rows[i : i + 1])
    second = open_store(tmp_path)
    second._writer.merger._waiting = {kind: list(waiting) for kind, waiting in first._writer.merger._waiting.items()}
    for i in range(3, 40):
        (first, second)[i % 2].put_rows([digest(i)], rows[i : i + 1])
    for look in (first, second, open_store(tmp_path)):
        look._catalog._recency.expire()
        matrix, found = look.get_rows([digest(i) for i in range(40)])
        assert found.all()
        assert np.array_equal(matrix, rows)
        assert len(list(look.yield_keys())) == 40


def test_a_reader_with_an_old_view_survives_the_end_of_its_files(
    place, open_store, digest, vectors, eager_merging, monkeypatch
):
    writer = open_store(place)
    rows = vectors(20, 4000)  # large enough to be mapped
    for i in range(3):
        writer.put_rows([digest(i)], rows[i : i + 1])
    reader = open_store(place, read_only=True)
    reader.close()
    monkeypatch.setattr("time.monotonic", lambda: 1.0)  # hits alone do not refresh any more
    reader._catalog._recency.listed()
    for i in range(3, 20):
        writer.put_rows([digest(i)], rows[i : i + 1])
    listed = writer._directory.listing()
    assert not any(segment.file in listed for segment in reader._catalog.view.segments)
    assert reader.mget([digest(1).hex()])[0] is not None
    reader.close()
    matrix, found = reader.get_rows([digest(i) for i in range(20)])
    assert found.all()
    assert np.array_equal(matrix, rows)


def test_writing_alone_survives_that_another_store_merges(tmp_path, open_store, digest, vectors, monkeypatch):
    """A store that only writes never lists the directory, and its own segments are merged away under it."""
    monkeypatch.setattr(LocalDirectory, "grace", 0.0)
    monkeypatch.setattr("embedonce.stores.segments.catalog.catalog._OVERLAY", 20)
    writer = open_store(tmp_path)
    rows = vectors(60)
    for i in range(20):
        writer.put_rows([digest(i)], rows[i : i + 1])
    monkeypatch.setattr(merging, "_FAN_IN", 2)
    monkeypatch.setattr(merging, "_ADOPT", 4)
    other = open_store(tmp_path)
    other.put_rows([digest(1000)], rows[:1])
    monkeypatch.setattr(merging, "_FAN_IN", 64)
    writer.close()
    for i in range(20, 60):
        writer.put_rows([digest(i)], rows[i : i + 1])
    matrix, found = writer.get_rows([digest(i) for i in range(60)])
    assert found.all()
    assert np.array_equal(matrix, rows)


def test_sources_are_deleted_after_the_grace_only(tmp_path, open_store, digest, vectors, segments_in, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    store = open_store(tmp_path)
    for i in range(4):
        store.put_rows([digest(i)], vectors(1))
    assert len(segments_in(tmp_path)) == 5
    now[0] += LocalDirectory.grace / 2
    store.put_rows([digest(4)], vectors(1))
    assert len(segments_in(tmp_path)) == 6
    now[0] += LocalDirectory.grace
    store.put_rows([digest(5)], vectors(1))
    assert len(segments_in(tmp_path)) == 3


def test_an_unfinished_merge_is_finished_by_the_next_opener(
    tmp_path, open_store, digest, vectors, segments_in, monkeypatch
):
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    store = open_store(tmp_path)
    rows = vectors(4)
    for i in range(4):
        store.put_rows([digest(i)], rows[i : i + 1])
    assert len(segments_in(tmp_path)) == 5
    del store  # as if it had been killed between publishing and deleting
    open_store(tmp_path)
    assert len(segments_in(tmp_path)) == 5  # the grace counts from when the merge was written
    monkeypatch.setattr(LocalDirectory, "grace", 0.0)
    reader = open_store(tmp_path)
    assert len(segments_in(tmp_path)) == 1
    assert np.array_equal(reader.get_rows([digest(i) for i in range(4)])[0], rows)


def test_nothing_is_deleted_for_a_merge_whose_rows_are_damaged(
    tmp_path, open_store, digest, vectors, segments_in, monkeypatch
):
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    store = open_store(tmp_path)
    rows = vectors(4)
    for i in range(4):
        store.put_rows([digest(i)], rows[i : i + 1])
    merged = next(f for f in segments_in(tmp_path) if b"replaces" in f.read_bytes()[:4096])
    merged.write_bytes(merged.read_bytes()[:-40] + bytes(40))
    monkeypatch.setattr(LocalDirectory, "grace", 0.0)
    open_store(tmp_path).put_rows([digest(9)], rows[:1])
    assert len(segments_in(tmp_path)) == 6
    os.unlink(merged)
    assert np.array_equal(open_store(tmp_path).get_rows([digest(i) for i in range(4)])[0], rows)


def test_a_merge_that_cannot_be_written_costs_nothing(
    tmp_path, open_store, digest, vectors, eager_merging, monkeypatch, caplog
):
    put = LocalDirectory.put

    def full(io, name, parts):
        if b"replaces" in bytes(parts[0]):
            raise OSError(28, "No space left on device")
        put(io, name, parts)

    monkeypatch.setattr(LocalDirectory, "put", full)
    store = open_store(tmp_path)
    rows = vectors(30)
    for i in range(30):
        store.put_rows([digest(i)], rows[i : i + 1])
    assert np.array_equal(store.get_rows([digest(i) for i in range(30)])[0], rows)
    assert len([record for record in caplog.records if "merge small segments" in record.message]) == 1


def test_a_merge_that_cannot_be_read_back_is_taken_away(
    tmp_path, open_store, digest, vectors, eager_merging, monkeypatch
):
    put = LocalDirectory.put

    def torn(io, name, parts):
        merged = b"replaces" in bytes(parts[0])
        put(io, name, [*parts[:-1], bytes(len(parts[-1]))] if merged else parts)

    monkeypatch.setattr(LocalDirectory, "put", torn)
    store = open_store(tmp_path)
    rows = vectors(10)
    for i in range(10):
        store.put_rows([digest(i)], rows[i : i + 1])
    for look in (store, open_store(tmp_path)):
        assert np.array_equal(look.get_rows([digest(i) for i in range(10)])[0], rows)


def test_merging_is_left_to_one_thread_at_a_time(tmp_path, open_store, digest, vectors, eager_merging, monkeypatch):
    store = open_store(tmp_path)
    rows = vectors(40)
    run, inside = store._writer.merger.run, []

    def nested(*arguments):
        assert not inside
        inside.append(True)
        # Somebody writes while a merge is going on: it must neither wait for it nor merge itself.
        store.put_rows([digest(100 + len(store._catalog.view.segments))], rows[:1])
        inside.pop()
        return run(*arguments)

    monkeypatch.setattr(store._writer.merger, "run", nested)
    for i in range(10):
        store.put_rows([digest(i)], rows[i : i + 1])
    assert np.array_equal(store.get_rows([digest(i) for i in range(10)])[0], rows[:10])


MANY = """
import hashlib, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
import numpy as np
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.writing import merger as merging
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
merging._FAN_IN = 10_000
merging._ADOPT = 10_000
stores = [SegmentStore(as_location(sys.argv[1]), NamespaceDirectory.of(name)) for name in ("a", "b", "c")]
digests = [hashlib.sha256(b"%d" % i).digest() for i in range(350)]
rows = np.arange(350, dtype="<f4")[:, None] * np.ones(5000, "<f4")
for store in stores:
    for i in range(350):
        store.put_rows([digests[i]], rows[i:i + 1])
for again in range(2):
    for store in stores:
        matrix, found = store.get_rows(digests)
        assert found.all() and (matrix == rows).all()
        for i in range(0, 350, 7):
            assert (store.get_rows([digests[i]])[0] == rows[i]).all()
    stores = [SegmentStore(as_location(sys.argv[1]), store.namespace_directory) for store in stores]
files = [open("/dev/null") for _ in range(150)]
print("fine")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="such a limit does not exist")
def test_a_thousand_mapped_segments_leave_most_descriptors_to_others(tmp_path):
    done = subprocess.run([sys.executable, "-c", MANY, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "fine"), done.stderr
