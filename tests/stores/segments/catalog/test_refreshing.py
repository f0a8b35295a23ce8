"""When a store looks for what others have written: often where that is free, seldom where it is a request."""

from __future__ import annotations

import threading

import pytest

from embedonce import StoreError
from embedonce.options import StoreOptions
from embedonce.runtime.locks import ForkLock
from embedonce.stores.places.remote import RemoteDirectory


@pytest.fixture
def requests(monkeypatch):
    """The names of all requests to file systems."""
    counted = []

    def count(verb, cost=lambda arguments: 1):
        method = getattr(RemoteDirectory, verb)

        def counting(io, *arguments):
            counted.extend([verb] * cost(arguments))
            return method(io, *arguments)

        monkeypatch.setattr(RemoteDirectory, verb, counting)

    count("listing")
    count("put")
    count("delete")
    count("get_ranges", lambda arguments: len(arguments[0]))
    return counted


def write(store, digest, vectors, *numbers):
    rows = vectors(1000)
    store.put_rows([digest(number) for number in numbers], rows[list(numbers)])
    store.flush()


def found(store, digest, *numbers):
    return store.get_rows([digest(number) for number in numbers])[1].tolist()


def test_opening_and_reading_everything_is_one_listing_and_two_reads_a_segment(
    distant, open_store, digest, vectors, requests
):
    writer = open_store(distant)
    for start in range(0, 300, 100):
        write(writer, digest, vectors, *range(start, start + 100))
    requests.clear()
    reader = open_store(distant)
    assert all(found(reader, digest, *range(300)))
    assert requests.count("listing") == 1
    assert requests.count("get_ranges") <= 6
    assert len(requests) <= 7


def test_known_misses_ask_nothing_until_the_next_refresh(distant, open_store, digest, vectors, requests, monotonic):
    store = open_store(distant)
    write(store, digest, vectors, 0)
    monotonic[0] += 40
    assert found(store, digest, 0, 1) == [True, False]
    requests.clear()
    for _ in range(10):
        monotonic[0] += 2.9
        assert found(store, digest, 0, 1, 2, 3) == [True, False, False, False]
    assert requests == []
    monotonic[0] += 1.1
    assert found(store, digest, 1) == [False]
    assert requests == ["listing"]


def test_many_misses_are_worth_a_request_but_one_a_second(distant, open_store, digest, vectors, requests, monotonic):
    store, other = open_store(distant), open_store(distant)
    write(other, digest, vectors, *range(100))
    requests.clear()
    assert not any(found(store, digest, *range(64)))
    assert requests == []
    monotonic[0] += 1
    assert not any(found(store, digest, *range(63)))
    assert requests == []
    assert all(found(store, digest, *range(64)))
    assert requests.count("listing") == 1


def test_hits_look_for_deletions_every_five_minutes(distant, open_store, digest, vectors, requests, monotonic):
    writer, reader = open_store(distant), open_store(distant)
    write(writer, digest, vectors, 0)
    monotonic[0] += 31
    assert found(reader, digest, 0) == [True]
    writer.mdelete([digest(0).hex()])
    requests.clear()
    monotonic[0] += 299
    assert found(reader, digest, 0) == [True]
    assert "listing" not in requests
    monotonic[0] += 2
    assert found(reader, digest, 0) == [False]


def test_the_interval_can_be_set(distant, open_store, digest, vectors, requests, monotonic):
    eager = open_store(distant, options=StoreOptions(refresh_interval=0))
    lazy = open_store(distant, options=StoreOptions(refresh_interval=1000))
    write(open_store(distant), digest, vectors, 0)
    assert found(eager, digest, 0) == [True]
    monotonic[0] += 999
    assert found(lazy, digest, 0) == [False]
    monotonic[0] += 2
    assert found(lazy, digest, 0) == [True]


def test_a_refresh_that_failed_is_tried_at_the_next_miss(distant, open_store, digest, vectors, monkeypatch, monotonic):
    store, other = open_store(distant), open_store(distant)
    write(other, digest, vectors, 0)
    monotonic[0] += 31
    listing = RemoteDirectory.listing

    def failing(io):
        raise OSError("503 slow down")

    monkeypatch.setattr(RemoteDirectory, "listing", failing)
    for _ in range(2):
        with pytest.raises(StoreError, match="slow down"):
            found(store, digest, 0)
    monkeypatch.setattr(RemoteDirectory, "listing", listing)
    assert found(store, digest, 0) == [True]


@pytest.mark.parametrize("fails", [False, True])
def test_threads_that_ask_meanwhile_share_the_answer(
    distant, open_store, digest, vectors, monkeypatch, monotonic, fails
):
    store, other = open_store(distant), open_store(distant)
    write(other, digest, vectors, 0)
    monotonic[0] += 31
    listing, asked, goes_on = RemoteDirectory.listing, [], threading.Event()

    def slow(io):
        asked.append(io)
        assert goes_on.wait(60)
        if fails:
            raise OSError("503 slow down")
        return listing(io)

    monkeypatch.setattr(RemoteDirectory, "listing", slow)
    answers, entered = [], []

    class CountingLock(ForkLock):
        def __enter__(self):
            entered.append(None)
            super().__enter__()

    store._catalog._attempt.lock = CountingLock()

    def look():
        try:
            answers.append(found(store, digest, 0))
        except StoreError as error:
            answers.append(str(error))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(entered) < 8:
        threads[0].join(0.001)
    goes_on.set()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    if fails:
        assert all("slow down" in answer for answer in answers)
    else:
        assert answers == [[True]] * 8
    assert len(asked) == 1


def test_a_refresh_under_way_does_not_take_away_what_is_published_meanwhile(
    distant, open_store, digest, vectors, monkeypatch, monotonic
):
    store = open_store(distant)
    write(store, digest, vectors, 0)
    monotonic[0] += 31
    listing = RemoteDirectory.listing

    def listing_then_writing(io):
        monkeypatch.setattr(RemoteDirectory, "listing", listing)
        listed = listing(io)
        # In another thread, as the lock of the refresh is held by this one.
        thread = threading.Thread(target=write, args=(store, digest, vectors, 1))
        thread.start()
        thread.join()
        return listed

    monkeypatch.setattr(RemoteDirectory, "listing", listing_then_writing)
    assert found(store, digest, 2) == [False]
    assert found(store, digest, 0, 1) == [True, True]
    monotonic[0] += 31
    assert found(store, digest, 0, 1, 2) == [True, True, False]


def test_an_own_file_that_others_have_merged_is_closed(distant, open_store, digest, vectors, monotonic):
    store = open_store(distant)
    write(store, digest, vectors, 0)
    (own,) = (segment.file for segment in store._catalog.view.segments)
    io = store._directory
    io.delete(own)
    monotonic[0] += 31
    assert found(store, digest, 1) == [False]
    assert store._catalog.view.segments == ()
    assert found(store, digest, 0) == [False]


def test_opening_for_writing_makes_sure_that_writing_is_possible(distant, open_store, monkeypatch):
    def refused(io, name, parts):
        raise PermissionError("403")

    monkeypatch.setattr(RemoteDirectory, "put", refused)
    with pytest.raises(StoreError):
        open_store(distant)
    open_store(distant, read_only=True)


def test_opening_what_is_there_writes_nothing(distant, open_store, digest, vectors, requests):
    write(open_store(distant), digest, vectors, 0)
    requests.clear()
    open_store(distant)
    assert "put" not in requests
