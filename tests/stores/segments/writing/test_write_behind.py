"""Writing to a distant place: few rows wait for others, and none that was acknowledged is ever lost."""

from __future__ import annotations

import gc
import pickle
import threading

import numpy as np
import pytest
from core_support import until

from embedonce import StoreError
from embedonce.options import StoreOptions
from embedonce.runtime import background as flusher
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.writing import merger as merging
from embedonce.stores.segments.writing import writer as writing
from embedonce.vectors.envelope import Envelope, Row

NAMESPACE = "acme/e5@3"


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


def one_row(store, digest, vectors, number):
    store.put_rows([digest(number)], vectors(number + 1)[-1:])
    store.end_call()


def has(store, digest, *numbers):
    return store.get_rows([digest(number) for number in numbers])[1].tolist()


def test_few_rows_wait_and_are_seen_here_but_not_elsewhere(distant, open_store, puts, digest, vectors):
    store = open_store(distant)
    one_row(store, digest, vectors, 0)
    assert puts.segments == []
    assert store.backlog.pending == 1
    matrix, found = store.get_rows([digest(0), digest(1)])
    assert found.tolist() == [True, False]
    assert np.array_equal(matrix[0], vectors(1)[0])
    assert not any(has(open_store(distant), digest, 0))
    store.flush()
    assert len(puts.segments) == 1
    assert store.backlog.pending == 0
    assert has(open_store(distant), digest, 0) == [True]
    assert has(store, digest, 0, 1) == [True, False]


def test_all_that_waits_is_one_file(distant, open_store, puts, digest, vectors, sealed):
    store = open_store(distant)
    rows = vectors(30)
    for i in range(30):
        store.put_rows([digest(i)], rows[i : i + 1])
    store.mset([("a text", sealed(rows[0]))])
    store.flush()
    (name,) = puts.segments
    assert SegmentName.parse(name).rows == 31
    for reader in (store, open_store(distant)):
        matrix, found = reader.get_rows([digest(i) for i in range(30)])
        assert found.all()
        assert np.array_equal(matrix, rows)
        assert reader.mget(["a text"]) == [sealed(rows[0])]


def test_each_kind_of_rows_is_a_file_of_its_own(distant, open_store, puts, digest, vectors):
    store = open_store(distant)
    for i in range(3):
        store.put_rows([digest(i)], vectors(1, 8))
        store.put_rows([digest(10 + i)], vectors(1, 4))
        store.mset([(f"opaque {i}", b"x" * i)])
    store.flush()
    assert len(puts.segments) == 3
    reader = open_store(distant)
    assert reader.mget([f"opaque {i}" for i in range(3)]) == [b"", b"x", b"xx"]
    assert reader.get_rows([digest(i) for i in range(3)], 8)[1].all()
    assert reader.get_rows([digest(10 + i) for i in range(3)], 4)[1].all()


def test_the_newest_of_several_waiting_values_is_published(distant, open_store, puts):
    store = open_store(distant)
    for value in (b"1", b"2", b"3"):
        store.mset([("a", value), ("b", b"b")])
    assert store.mget(["a"]) == [b"3"]
    store.flush()
    assert open_store(distant).mget(["a", "b"]) == [b"3", b"b"]
    assert store.mget(["a", "b"]) == [b"3", b"b"]
    assert sum(SegmentName.parse(name).rows for name in puts.segments) == 2


@pytest.mark.parametrize(("rows", "dimensions", "published"), [(63, 8, 0), (64, 8, 1), (30, 8000, 0), (40, 8000, 1)])
def test_a_call_that_adds_much_is_published_when_it_returns(
    distant, open_store, puts, digest, vectors, rows, dimensions, published
):
    store = open_store(distant)
    store.put_rows([digest(i) for i in range(rows)], vectors(rows, dimensions))
    assert puts.segments == []
    store.end_call()
    assert len(puts.segments) == published


def test_what_waits_is_published_after_a_while(distant, open_store, puts, digest, vectors, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)
    store = open_store(distant)
    one_row(store, digest, vectors, 0)
    puts.wait_for(1)
    store.flush()
    assert len(puts.segments) == 1
    assert has(open_store(distant), digest, 0) == [True]


def test_what_waits_is_not_lost_with_a_store_that_is_forgotten(distant, open_store, puts, digest, vectors, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.2)
    store = open_store(distant)
    one_row(store, digest, vectors, 0)
    del store
    gc.collect()
    puts.wait_for(1)


def test_write_through_publishes_every_write(distant, open_store, puts, digest, vectors):
    store = open_store(distant, options=StoreOptions(durability="write_through"))
    for i in range(3):
        store.put_rows([digest(i)], vectors(1))
        assert len(puts.segments) == i + 1
        assert store.backlog.pending == 0


def test_a_local_path_is_always_written_at_once(tmp_path, open_store, digest, vectors, segments_in):
    store = open_store(tmp_path)
    store.put_rows([digest(0)], vectors(1))
    assert len(segments_in(tmp_path)) == 1


def test_a_failed_flush_keeps_everything_and_sends_the_same_bytes_again(distant, open_store, puts, digest, vectors):
    store = open_store(distant)
    for i in range(3):
        one_row(store, digest, vectors, i)
    puts.fault = OSError("503 slow down")
    for _ in range(2):
        with pytest.raises(StoreError, match="slow down"):
            store.flush()
    assert store.backlog.pending == 3
    assert has(store, digest, 0, 1, 2) == [True] * 3
    one_row(store, digest, vectors, 3)
    puts.fault = None
    store.flush()
    first, second, third, fourth = (put for put in puts if SegmentName.parse(put[0]))
    assert first == second == third
    assert SegmentName.parse(fourth[0]).rows == 1
    assert has(open_store(distant), digest, 0, 1, 2, 3) == [True] * 4


def test_a_write_that_was_applied_but_answered_with_an_error_is_there_once(distant, open_store, puts, digest, vectors):
    store = open_store(distant)
    one_row(store, digest, vectors, 0)
    puts.fault, puts.is_applied_nevertheless = OSError("500"), True
    with pytest.raises(StoreError):
        store.flush()
    reader = open_store(distant)
    assert has(reader, digest, 0) == [True]
    puts.fault = None
    store.flush()
    assert len(set(puts.segments)) == 1
    assert list(reader.yield_keys()) == [digest(0).hex()]


def test_after_a_fault_calls_do_not_try_again_at_once(
    distant, open_store, puts, digest, vectors, monotonic, nothing_late
):
    store = open_store(distant)
    puts.fault = OSError("500")
    store.put_rows([digest(i) for i in range(64)], vectors(64))
    with pytest.raises(StoreError):
        store.end_call()
    one_row(store, digest, vectors, 100)
    assert len(puts.segments) == 1
    monotonic[0] += 10
    with pytest.raises(StoreError):
        store.end_call()
    assert len(puts.segments) == 2
    puts.fault = None
    monotonic[0] += 10
    store.end_call()
    assert store.backlog.pending == 0
    assert has(open_store(distant), digest, 0, 63, 100) == [True] * 3


def test_a_place_that_takes_nothing_for_long_costs_the_oldest(
    distant, open_store, puts, digest, vectors, monkeypatch, caplog
):
    monkeypatch.setattr(writing, "FLUSH_BYTES", 40_000)
    monkeypatch.setattr(writing, "_MOST_BYTES", 60_000)
    store = open_store(distant)
    puts.fault = OSError("500")
    faults = 0
    for i in range(10):
        try:
            store.put_rows([digest(i)], vectors(1, 2000))
        except StoreError:
            faults += 1
    assert faults == 1
    backlog = store.backlog
    assert backlog.pending + backlog.lost == 10
    assert 0 < backlog.lost < 10
    kept = has(store, digest, *range(10))
    assert kept == sorted(kept)
    assert sum(kept) == backlog.pending
    assert [record.message for record in caplog.records if "dropped" in record.message]
    puts.fault = None
    store.flush()
    assert has(open_store(distant), digest, *range(10)) == kept


def test_deleting_what_waits_deletes_it_everywhere(distant, open_store, puts):
    store = open_store(distant)
    store.mset([("a", b"1"), ("b", b"2")])
    store.mdelete(["a"])
    assert store.mget(["a", "b"]) == [None, b"2"]
    store.flush()
    assert open_store(distant).mget(["a", "b"]) == [None, b"2"]
    assert list(store.yield_keys()) == ["b"]


def test_a_refresh_does_not_take_away_what_waits(distant, open_store, digest, vectors, monotonic, nothing_late):
    store, other = open_store(distant), open_store(distant)
    one_row(store, digest, vectors, 0)
    one_row(other, digest, vectors, 1)
    other.flush()
    monotonic[0] += 1000
    assert has(store, digest, 0, 1) == [True, True]
    assert store.backlog.pending == 1
    store.flush()
    monotonic[0] += 1000
    assert has(store, digest, 0, 1) == [True, True]


def test_many_flushes_are_merged(distant, open_store, puts, digest, vectors, monkeypatch):
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    monkeypatch.setattr(RemoteDirectory, "grace", -1.0)
    store = open_store(distant)
    for i in range(40):
        store.put_rows([digest(i)], vectors(i + 1)[-1:])
        store.flush()
        store._writer.merge()
    assert len(store._directory.listing()) < 15
    assert has(open_store(distant), digest, *range(40)) == [True] * 40


def test_threads_write_read_and_flush_at_once(distant, open_store, digest, vectors):
    store = open_store(distant)
    rows = vectors(400)
    failures = []

    def work(first):
        try:
            for i in range(first, 400, 4):
                store.put_rows([digest(i)], rows[i : i + 1])
                matrix, found = store.get_rows([digest(i)])
                assert found.all()
                assert np.array_equal(matrix[0], rows[i])
                if i % 10 == 0:
                    store.flush()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    store.flush()
    matrix, found = open_store(distant).get_rows([digest(i) for i in range(400)])
    assert found.all()
    assert np.array_equal(matrix, rows)


def test_a_copy_starts_with_nothing_waiting(distant, open_store, puts, digest, vectors):
    store = open_store(distant)
    one_row(store, digest, vectors, 0)
    copy = pickle.loads(pickle.dumps(store))
    assert copy.backlog.pending == 0
    copy.flush()
    assert puts.segments == []
    store.flush()
    assert len(puts.segments) == 1


def test_the_thread_ends_when_nothing_waits(distant, open_store, puts, digest, vectors, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)
    mine = flusher.Flusher()
    monkeypatch.setattr(flusher, "_flusher", mine)
    store = open_store(distant)
    one_row(store, digest, vectors, 0)
    puts.wait_for(1)
    until(lambda: not mine._running.locked())
    one_row(store, digest, vectors, 1)
    puts.wait_for(2)


def test_values_that_look_like_vectors_come_back_byte_by_byte(distant, open_store):
    vector = np.arange(4, dtype="<f4")
    value = Envelope.seal(Row(vector.dtype, vector.tobytes()))
    store = open_store(distant)
    store.mset([("a", value)])
    store.flush()
    assert open_store(distant).mget(["a"]) == [value]
