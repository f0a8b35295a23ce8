"""Writing to a distant place when it is slow, hangs or fails, when others are at it, and when everything ends."""

from __future__ import annotations

import inspect
import threading

import numpy as np
import pytest

from embedonce import EmbeddingCache, StoreError
from embedonce.runtime.locks import ForkLock
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.writing import merger as merging
from embedonce.stores.segments.writing import writer as writing
from embedonce.stores.segments.writing.rewriter import Rewriter

NAMESPACE, OTHER = "acme/e5@3", "acme/e5@4"


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


@pytest.fixture
def before_put(monkeypatch, distant):
    """What happens before a segment is published: a list of one function of its place and rows."""
    hook, put = [lambda place, rows: None], RemoteDirectory.put

    def hooked(io, name, parts):
        parsed = SegmentName.parse(name)
        # Others may be left by another test, and published late.
        if parsed is not None and str(io).startswith(distant.removeprefix("memory:/")):
            hook[0](str(io), parsed.rows)
        return put(io, name, parts)

    monkeypatch.setattr(RemoteDirectory, "put", hooked)
    return hook


def fail(place, rows):
    raise OSError("503 slow down")


class Gate:
    """Stops everyone who comes until it is opened."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, place, rows):
        self.reached.set()
        assert self.opened.wait(60)


def one_row(store, digest, vectors, number, size=8):
    store.put_rows([digest(number)], vectors(1, size))
    store.end_call(1, 4 * size)


def has(store, digest, *numbers, dimensions=None):
    return store.get_rows([digest(number) for number in numbers], dimensions)[1].tolist()


# Others at it


def test_a_small_write_does_not_wait_for_the_upload_of_others(
    distant, open_store, digest, vectors, before_put, nothing_late
):
    store = open_store(distant)
    before_put[0] = gate = Gate()
    store.put_rows([digest(i) for i in range(100)], vectors(100))
    bulk = threading.Thread(target=store.end_call)
    bulk.start()
    try:
        assert gate.reached.wait(60)
        one_row(store, digest, vectors, 100)
        assert has(store, digest, 0, 100) == [True, True]
        assert store.backlog.pending == 101
    finally:
        gate.opened.set()
        bulk.join()
    assert store.backlog.pending == 1
    store.flush()
    assert has(open_store(distant), digest, 0, 99, 100) == [True] * 3


def test_a_small_call_leaves_the_publishing_of_much_to_the_background(distant, open_store, digest, vectors, before_put):
    store, published_by = open_store(distant), []
    happened = threading.Event()

    def note(place, rows):
        published_by.append(threading.current_thread())
        happened.set()

    before_put[0] = note
    store.put_rows([digest(i) for i in range(100)], vectors(100))
    one_row(store, digest, vectors, 100)
    assert happened.wait(60)
    assert threading.main_thread() not in published_by


def test_writers_that_are_faster_than_the_place_lose_nothing(distant, open_store, digest, vectors, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_BYTES", 100_000)
    monkeypatch.setattr(writing, "_MOST_BYTES", 120_000)
    monkeypatch.setattr(writing, "_BULK_BYTES", 10_000)
    store, rows, faults = open_store(distant), vectors(160, 8000), []

    def work(first):
        try:
            for i in range(first, 160, 8):
                store.put_rows([digest(i)], rows[i : i + 1])
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.flush()
    assert not faults
    assert store.backlog.lost == 0
    matrix, found = open_store(distant).get_rows([digest(i) for i in range(160)])
    assert found.all()
    assert np.array_equal(matrix, rows)


def test_what_is_just_being_sent_is_not_given_up(
    distant, open_store, digest, vectors, before_put, monkeypatch, nothing_late
):
    monkeypatch.setattr(writing, "FLUSH_BYTES", 40_000)
    monkeypatch.setattr(writing, "_MOST_BYTES", 60_000)
    store = open_store(distant)
    before_put[0] = fail
    one_row(store, digest, vectors, 0, 2000)
    with pytest.raises(StoreError):
        store.flush()
    before_put[0] = gate = Gate()
    again = threading.Thread(target=store.flush)
    again.start()
    try:
        assert gate.reached.wait(60)
        for i in range(1, 10):
            one_row(store, digest, vectors, i, 2000)
    finally:
        gate.opened.set()
        again.join()
    store.flush()
    kept = has(store, digest, *range(10))
    assert kept[0]
    assert store.backlog.pending == 0
    assert store.backlog.lost == 10 - sum(kept) > 0
    assert has(open_store(distant), digest, *range(10)) == kept


def test_what_came_in_an_outage_is_published_in_few_files(distant, open_store, digest, vectors, before_put):
    store, published = open_store(distant), []
    before_put[0] = fail
    for i in range(20):
        one_row(store, digest, vectors, i)
        with pytest.raises(StoreError):
            store.flush()
    before_put[0] = lambda place, rows: published.append(rows)
    store.flush()
    assert published == [1, 19]
    assert has(open_store(distant), digest, *range(20)) == [True] * 20


def test_all_namespaces_are_flushed_and_closed_even_if_the_first_one_fails(distant, before_put):
    for leave in (EmbeddingCache.flush, EmbeddingCache.close):
        cache = EmbeddingCache(distant, on_store_error="raise")
        for namespace in (NAMESPACE, OTHER):
            cache.embed([leave.__name__], embed, namespace=namespace)
        first = cache.open(NAMESPACE).store._directory

        def fail_first(place, rows, first=str(first)):
            if place == first:
                raise OSError("503 slow down")

        before_put[0] = fail_first
        with pytest.raises(StoreError, match="slow down"):
            leave(cache)
        assert cache.stats().pending == 1
        before_put[0] = lambda place, rows: None
        cache.close()
        found = EmbeddingCache(distant, mode="replay").embed([leave.__name__], embed, namespace=OTHER)
        assert found.tolist() == embed([leave.__name__])


def test_what_a_call_saves_after_the_cache_was_closed_does_not_wait(distant, before_put):
    cache = EmbeddingCache(distant)

    def closing(texts):
        cache.close()
        return embed(texts)

    cache.embed(["a"], closing, namespace=NAMESPACE)
    assert EmbeddingCache(distant, mode="read_only").embed(["a"], embed, namespace=NAMESPACE).shape == (1, 2)
    reader = EmbeddingCache(distant, mode="replay")
    assert reader.embed(["a"], embed, namespace=NAMESPACE).tolist() == [[1.0, 1.0]]


def test_statistics_are_available_while_a_namespace_is_being_opened(distant, monkeypatch):
    gate, listing = Gate(), RemoteDirectory.listing

    def slow(io):
        gate(None, None)
        return listing(io)

    cache = EmbeddingCache(distant)
    monkeypatch.setattr(RemoteDirectory, "listing", slow)
    opening = threading.Thread(target=cache.open, args=(NAMESPACE,))
    opening.start()
    told = threading.Thread(target=cache.stats)
    try:
        assert gate.reached.wait(60)
        told.start()
        told.join(60)
        assert not told.is_alive()
    finally:
        gate.opened.set()
        opening.join()
        told.join()


def test_what_waits_is_found_however_long_the_place_is_out_of_order(
    distant, open_store, digest, vectors, before_put, monkeypatch, monotonic, nothing_late, caplog
):
    store, listing = open_store(distant), RemoteDirectory.listing
    one_row(store, digest, vectors, 0)

    def failing(io):
        raise OSError("503 slow down")

    monkeypatch.setattr(RemoteDirectory, "listing", failing)
    for _ in range(5):
        monotonic[0] += 301
        assert has(store, digest, 0) == [True]
    assert "its last listing is used" in caplog.text
    with pytest.raises(StoreError, match="slow down"):
        has(store, digest, 1)
    monkeypatch.setattr(RemoteDirectory, "listing", listing)
    assert has(store, digest, 0, 1) == [True, False]


# The background


def test_a_store_that_hangs_does_not_keep_the_rows_of_another_one_waiting(
    distant, open_store, digest, vectors, before_put, monkeypatch
):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)
    hanging, healthy, gate = open_store(distant), open_store(distant, OTHER), Gate()
    arrived = threading.Event()

    def put(place, rows):
        if place == str(hanging._directory):
            gate(place, rows)
        else:
            arrived.set()

    before_put[0] = put
    try:
        one_row(hanging, digest, vectors, 0)
        assert gate.reached.wait(60)
        one_row(healthy, digest, vectors, 0)
        assert arrived.wait(60)
    finally:
        gate.opened.set()


def test_a_merge_that_goes_wrong_does_not_end_publishing(distant, open_store, digest, vectors, before_put, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)

    def wrong(merger, metadata):
        raise RuntimeError("what drivers raise")

    monkeypatch.setattr(merging.Merger, "is_due", True)
    monkeypatch.setattr(merging.Merger, "run", wrong)
    store = open_store(distant)
    for i in range(3):
        arrived = threading.Event()
        before_put[0] = lambda place, rows, arrived=arrived: arrived.set()
        one_row(store, digest, vectors, i)
        assert arrived.wait(60)
    store.put_rows([digest(i) for i in range(100)], vectors(100))
    store.end_call()


# Ctrl-C


@pytest.mark.parametrize("where", ["put", "joining", "showing"])
def test_an_interrupt_while_publishing_loses_and_doubles_nothing(
    distant, open_store, digest, vectors, before_put, monkeypatch, where
):
    store = open_store(distant)
    for i in range(3):
        one_row(store, digest, vectors, i)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where == "put":
            before_put[0] = interrupt
        elif where == "joining":
            patch.setattr(Rewriter, "merged", interrupt)
        else:
            patch.setattr(store._catalog, "_show", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.flush()
    before_put[0] = lambda place, rows: None
    assert store.backlog.pending == 3
    assert has(store, digest, 0, 1, 2) == [True] * 3
    store.flush()
    assert store.backlog.pending == 0
    assert len(list(store.yield_keys())) == 3
    assert has(open_store(distant), digest, 0, 1, 2) == [True] * 3


def test_no_interrupt_comes_between_taking_a_lock_and_holding_it():
    # Python code of its own would be a place for that.
    assert not inspect.isfunction(ForkLock.__enter__)
    assert not inspect.isfunction(ForkLock.__exit__)
