"""A cache before a distant place: what waits is published, and counted until then."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from embedonce import EmbeddingCache, StoreError
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.writing import writer as writing

NAMESPACE = "acme/e5@3"


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


def test_a_bulk_call_is_published_by_size_and_not_by_batch(distant, puts, nothing_late, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_BYTES", 2 << 20)
    numbers = np.arange(10_000 * 64, dtype="<f4").reshape(10_000, 64)
    cache = EmbeddingCache(distant, batch_size=100)
    texts = [str(i) for i in range(10_000)]
    given = cache.embed(texts, lambda some: numbers[[int(text) for text in some]], namespace=NAMESPACE)
    assert np.array_equal(given, numbers)
    # 2.56 MB of vectors and 0.48 MB of index: two files, none above the limit.
    assert len(puts.segments) == 2
    assert all(SegmentName.parse(name).size <= 2 << 20 for name in puts.segments)
    assert cache.stats().pending == 0
    again = EmbeddingCache(distant, mode="replay").embed(texts, embed, namespace=NAMESPACE)
    assert np.array_equal(again, numbers)


def test_ten_thousand_vectors_are_three_requests(distant, puts, nothing_late):
    numbers = np.zeros((10_000, 1536), "<f4")
    numbers[:, 0] = np.arange(10_000)
    cache = EmbeddingCache(distant)
    cache.embed(
        [str(i) for i in range(10_000)], lambda some: numbers[[int(text) for text in some]], namespace=NAMESPACE
    )
    assert len(puts) == 3
    assert len(puts.segments) == 2


def test_a_fault_in_the_background_is_counted_and_tried_again(
    distant, open_store, puts, digest, vectors, monkeypatch, caplog
):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)
    puts.fault = None
    cache = EmbeddingCache(distant)
    cache.open(NAMESPACE)
    puts.fault = OSError("503 slow down")
    cache.embed(["a"], embed, namespace=NAMESPACE)
    puts.wait_for(3)
    assert cache.stats().pending == 1
    # A fault is counted after the request that had it.
    end = time.monotonic() + 60
    while cache.stats().write_errors < 2:
        assert time.monotonic() < end, "faults are not counted"
        time.sleep(0.01)
    puts.fault = None
    cache.flush()
    assert cache.stats().pending == 0
    assert [record.message for record in caplog.records if "slow down" in record.message and "wait" in record.message]


def test_a_query_waits_and_leaving_the_cache_publishes_it(distant, puts):
    with EmbeddingCache(distant) as cache:
        cache.embed(["a"], embed, namespace=NAMESPACE, role="query")
        assert puts.segments == []
        assert cache.stats().pending == 1
    assert len(puts.segments) == 1
    assert EmbeddingCache(distant, mode="replay").embed(["a"], embed, namespace=NAMESPACE, role="query").tolist() == [
        [1.0, 1.0]
    ]


async def test_leaving_an_async_cache_publishes_what_waits(distant, puts):
    async with EmbeddingCache(distant) as cache:
        await cache.aembed(["a"], embed, namespace=NAMESPACE)
        await cache.aembed([str(i) for i in range(100)], embed, namespace=NAMESPACE)
        assert len(puts.segments) == 1
        await cache.aembed(["b"], embed, namespace=NAMESPACE)
    assert len(puts.segments) == 2


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_embedder_that_fails_costs_nothing_that_was_paid(distant, puts, is_async):
    cache = EmbeddingCache(distant, batch_size=10)

    def failing(texts):
        if "35" in texts:
            raise RuntimeError("quota")
        return embed(texts)

    texts = [str(i) for i in range(40)]
    with pytest.raises(RuntimeError, match="quota"):
        if is_async:
            asyncio.run(cache.aembed(texts, failing, namespace=NAMESPACE))
        else:
            cache.embed(texts, failing, namespace=NAMESPACE)
    puts.wait_for(1)
    cache.flush()
    assert EmbeddingCache(distant, mode="replay").embed(texts[:30], embed, namespace=NAMESPACE).shape == (30, 2)


def test_flush_reports_a_fault_under_any_policy(distant, puts):
    cache = EmbeddingCache(distant, on_store_error="warn")
    cache.embed(["a"], embed, namespace=NAMESPACE)
    puts.fault = OSError("500")
    with pytest.raises(StoreError):
        cache.flush()


def test_closing_a_cache_whose_store_fails_warns_and_goes_on_trying(distant, puts, caplog, monkeypatch):
    cache = EmbeddingCache(distant)
    cache.embed(["a"], embed, namespace=NAMESPACE)
    puts.fault = OSError("503 slow down")
    cache.close()
    assert cache.stats().write_errors == 1
    assert cache.stats().pending == 1
    assert "slow down" in caplog.text
    strict = EmbeddingCache(distant, on_store_error="raise")
    puts.fault = None
    strict.open(NAMESPACE)
    strict.embed(["b"], embed, namespace=NAMESPACE)
    puts.fault = OSError("503 slow down")
    with pytest.raises(StoreError, match="slow down"):
        strict.close()
    puts.fault = None
    cache.close()
    strict.close()
    assert cache.stats().pending == 0
    assert EmbeddingCache(distant, mode="replay").embed(["a", "b"], embed, namespace=NAMESPACE).shape == (2, 2)


def test_an_outage_while_embedding_much_loses_nothing(distant, puts, monotonic, nothing_late):
    cache = EmbeddingCache(distant, batch_size=100)
    cache.open(NAMESPACE)
    puts.fault = OSError("503 slow down")
    texts = [str(i) for i in range(1000)]
    for start in range(0, 1000, 200):
        cache.embed(texts[start : start + 200], embed, namespace=NAMESPACE)
        monotonic[0] += 11
    assert cache.stats().write_errors == 5
    assert cache.stats().pending == 1000
    puts.fault = None
    cache.embed([f"more {i}" for i in range(64)], embed, namespace=NAMESPACE)
    assert cache.stats().pending == 0
    assert EmbeddingCache(distant, mode="replay").embed(texts, embed, namespace=NAMESPACE).shape == (1000, 2)


@pytest.mark.parametrize("durability", ["write_behind", "write_through"])
def test_what_was_embedded_before_the_store_could_be_opened_is_stored_then(
    distant, puts, nothing_late, monkeypatch, durability
):
    monkeypatch.setattr("embedonce.namespaces.detached.schedule", lambda late, seconds: None)
    listing = RemoteDirectory.listing

    def refused(io):
        raise PermissionError("403")

    monkeypatch.setattr(RemoteDirectory, "listing", refused)
    cache = EmbeddingCache(distant, durability=durability)
    cache.embed(["a", "b"], embed, namespace=NAMESPACE)
    cache.embed(["q"], embed, namespace=NAMESPACE, role="query")
    stats = cache.stats()
    assert (stats.stored, stats.pending, stats.lost) == (3, 3, 0)
    with pytest.raises(StoreError, match="denied"):
        cache.flush()
    paid = cache.stats().embedded
    assert cache.embed(["a", "b"], embed, namespace=NAMESPACE).shape == (2, 2)
    assert cache.stats().embedded == paid
    monkeypatch.setattr(RemoteDirectory, "listing", listing)
    cache.flush()
    assert cache.stats().pending == 0
    replay = EmbeddingCache(distant, mode="replay")
    assert replay.embed(["a", "b"], embed, namespace=NAMESPACE).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert replay.embed(["q"], embed, namespace=NAMESPACE, role="query").tolist() == [[1.0, 1.0]]


def test_leaving_a_cache_that_never_opened_says_so_and_goes_on_trying(distant, monkeypatch, caplog):
    listing, refuses = RemoteDirectory.listing, [True]

    def refused(io):
        if refuses:
            raise PermissionError("403")
        return listing(io)

    monkeypatch.setattr(RemoteDirectory, "listing", refused)
    monkeypatch.setattr("embedonce.namespaces.detached._SECONDS", 0.01)
    with EmbeddingCache(distant) as cache:
        cache.embed(["a"], embed, namespace=NAMESPACE)
    assert cache.stats().write_errors >= 1
    assert "denied" in caplog.text
    with pytest.raises(StoreError, match="denied"), EmbeddingCache(distant, on_store_error="raise") as strict:
        strict.embed(["a"], embed, namespace=NAMESPACE)
    refuses.clear()
    while cache.stats().pending:
        threading.Event().wait(0.01)
    cache.flush()
    assert EmbeddingCache(distant, mode="replay").embed(["a"], embed, namespace=NAMESPACE).shape == (1, 2)


def test_write_through_keeps_what_the_store_does_not_take(distant, puts, monotonic, nothing_late):
    cache = EmbeddingCache(distant, durability="write_through")
    cache.open(NAMESPACE)
    puts.fault = OSError("503 slow down")
    for text in ("a", "b", "c", "d"):
        cache.embed([text], embed, namespace=NAMESPACE)
    assert len(set(puts.segments)) == 1
    assert cache.stats().pending == 4
    assert cache.stats().write_errors == 4
    puts.fault = None
    monotonic[0] += 10
    cache.embed(["e"], embed, namespace=NAMESPACE)
    assert cache.stats().pending == 0
    assert EmbeddingCache(distant, mode="replay").embed(list("abcde"), embed, namespace=NAMESPACE).shape == (5, 2)


def test_nothing_is_pending_after_a_cache_was_closed(distant, puts, nothing_late):
    cache = EmbeddingCache(distant)
    cache.embed(["a", "b"], embed, namespace=NAMESPACE)
    assert cache.stats().pending == 2
    for _ in range(2):
        cache.close()
        assert (cache.stats().pending, cache.stats().stored, cache.stats().lost) == (0, 2, 0)
    cache.embed(["c"], embed, namespace=NAMESPACE)
    assert cache.stats().pending == 1
    cache.close()
    assert (cache.stats().pending, cache.stats().stored) == (0, 3)


def test_what_a_closed_cache_could_not_store_stays_pending(distant, puts, nothing_late):
    cache = EmbeddingCache(distant)
    cache.embed(["a"], embed, namespace=NAMESPACE)
    puts.fault = OSError("503 slow down")
    cache.close()
    assert (cache.stats().pending, cache.stats().write_errors) == (1, 1)
    puts.fault = None
    cache.close()
    assert cache.stats().pending == 0
    replayed = EmbeddingCache(distant, mode="replay").embed(["a"], embed, namespace=NAMESPACE)
    assert replayed.tolist() == embed(["a"])


def test_flushing_from_many_threads_beside_the_background_publishes_once(distant, puts, monkeypatch):
    cache, gate, reached = EmbeddingCache(distant), threading.Event(), threading.Event()
    put = RemoteDirectory.put

    def held(directory, name, parts):
        if SegmentName.parse(name):
            reached.set()
            assert gate.wait(60)
        put(directory, name, parts)

    cache.open(NAMESPACE)
    monkeypatch.setattr(RemoteDirectory, "put", held)
    cache.embed(["a", "b"], embed, namespace=NAMESPACE)
    cache.open(NAMESPACE).flush_soon()
    assert reached.wait(60)
    threads = [threading.Thread(target=cache.flush) for _ in range(8)]
    for thread in threads:
        thread.start()
    cache.embed(["c"], embed, namespace=NAMESPACE)
    gate.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(puts.segments) == len(set(puts.segments)) == 2
    assert cache.stats().pending == 0
    assert EmbeddingCache(distant, mode="replay").embed(["a", "b", "c"], embed, namespace=NAMESPACE).shape == (3, 2)
