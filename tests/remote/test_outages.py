"""A store that fails in every way a server can: no wrong vector, nothing acknowledged is lost, embedding goes on."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest
import servers
from covering import each_once

from embedonce import EmbeddingCache, StoreError

NAMESPACE = "acme/e5@3"

FAULTS = {
    "latency": servers.latency(0.02),
    "503 slow down": servers.slow_down,
    "500": servers.server_error,
    "500 after it was applied": servers.server_error_after,
    "truncated": servers.truncated,
    "one bit flipped": servers.flipped(),
    "one bit of the header flipped": servers.flipped(900),
    "404 for what is listed": servers.no_such_key,
    "403": servers.denied,
    "expired token": servers.expired_token,
    "no such bucket": servers.no_such_bucket,
    "connection reset": servers.reset,
    "connection reset after it was applied": servers.reset_after,
}


def vector(text):
    return [float(number) for number in np.frombuffer(text.encode().ljust(24, b"\0"), "u1")]


def embed(texts):
    return [vector(text) for text in texts]


def check(matrix, texts):
    assert matrix.tolist() == embed(texts)


def every(count, action, kinds):
    """Let every so many requests of some kinds fail."""
    numbers = itertools.count(1)
    return lambda request: action if request.kind in kinds and next(numbers) % count == 0 else None


def opened(place, **options):
    return EmbeddingCache(place.url, storage_options=place.storage_options, **options)


@each_once(fault=list(FAULTS), kinds=["GET PUT LIST DELETE", "GET", "PUT", "LIST"])
def test_some_requests_fail(s3_place, no_waiting, fault, kinds):
    server, acknowledged = s3_place.server, set()
    cache = opened(s3_place, batch_size=7, refresh_interval=0)
    cache.open(NAMESPACE)
    server.fault = every(3, FAULTS[fault], kinds.split())
    for turn in range(6):
        texts = [f"text {(turn * 13 + i * 5) % 97}" for i in range(20)]
        check(cache.embed(texts, embed, namespace=NAMESPACE), texts)
        try:
            cache.flush()
        except StoreError:
            continue
        if cache.stats().pending == 0 and cache.stats().skipped == 0:
            acknowledged.update(texts)
        other = opened(s3_place, refresh_interval=0)
        check(other.embed(texts[:5], embed, namespace=NAMESPACE), texts[:5])
        other.close()
    server.fault = None
    cache.flush()
    known = sorted(acknowledged)
    if known:
        check(opened(s3_place, mode="replay").embed(known, embed, namespace=NAMESPACE), known)
    assert cache.stats().lost == 0


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "latency"])
def test_every_request_fails(s3_place, no_waiting, fault):
    """Reads as a total outage; embedding goes on, and it is over when the outage is."""
    texts = [f"text {i}" for i in range(100)]
    with opened(s3_place) as cache:
        cache.embed(texts, embed, namespace=NAMESPACE)
    s3_place.server.fault = lambda request: FAULTS[fault]
    cache, new = opened(s3_place), [f"new {i}" for i in range(100)]
    check(cache.embed(texts, embed, namespace=NAMESPACE), texts)
    check(asyncio.run(cache.aembed(new, embed, namespace=NAMESPACE)), new)
    stats = cache.stats()
    assert stats.hits == 0
    assert stats.read_errors + stats.write_errors + stats.skipped + stats.damaged > 0
    s3_place.server.fault = None
    cache.close()
    check(opened(s3_place, mode="replay").embed(texts, embed, namespace=NAMESPACE), texts)


OUTAGES = {
    "503 slow down": "busy",
    "500": "unavailable",
    "403": "denied",
    "expired token": "denied",
    "no such bucket": "missing",
    "connection reset": "unavailable",
}


@pytest.mark.parametrize("fault", OUTAGES)
def test_an_outage_is_told_from_a_miss(s3_place, no_waiting, fault):
    with opened(s3_place) as cache:
        cache.embed(["a"], embed, namespace=NAMESPACE)
    strict = opened(s3_place, on_store_error="raise", refresh_interval=0)
    replay = opened(s3_place, mode="replay", refresh_interval=0)
    for each in (strict, replay):
        each.open(NAMESPACE)
    s3_place.server.fault = lambda request: FAULTS[fault]
    for each in (strict, replay):
        with pytest.raises(StoreError) as raised:
            each.embed(["a", "b"], embed, namespace=NAMESPACE)
        assert raised.value.fault == OUTAGES[fault]
    with pytest.raises(StoreError) as raised:
        opened(s3_place, on_store_error="raise").open(NAMESPACE)
    assert raised.value.fault == OUTAGES[fault]
    assert s3_place.storage_options["secret"] not in str(raised.value)


def test_a_missing_bucket_is_reported_at_once(s3_server, no_waiting, caplog):
    url, options = s3_server.url("no-such-bucket-anywhere"), s3_server.storage_options
    with pytest.raises(StoreError, match="bucket") as raised:
        EmbeddingCache(url, storage_options=options, on_store_error="raise").open(NAMESPACE)
    assert raised.value.fault == "missing"
    for mode in ("read_only", "replay"):
        with pytest.raises(StoreError, match="bucket"):
            EmbeddingCache(url, storage_options=options, on_store_error="raise", mode=mode).open(NAMESPACE)
    cache = EmbeddingCache(url, storage_options=options)
    check(cache.embed(["a"], embed, namespace=NAMESPACE), ["a"])
    assert "bucket" in caplog.text
    assert cache.stats().pending == 1
    with pytest.raises(StoreError, match="bucket"):
        cache.flush()
    servers.make_s3_bucket(s3_server.endpoint, "no-such-bucket-anywhere")
    cache.flush()
    check(EmbeddingCache(url, storage_options=options, mode="replay").embed(["a"], embed, namespace=NAMESPACE), ["a"])


def test_repeated_faults_leave_the_store_alone(s3_place, no_waiting):
    cache = opened(s3_place, refresh_interval=0)
    cache.open(NAMESPACE)
    s3_place.server.fault = lambda request: servers.denied
    for i in range(3):
        cache.embed([f"{i}"], embed, namespace=NAMESPACE)
    s3_place.server.clear()
    for i in range(10):
        cache.embed([f"more {i}"], embed, namespace=NAMESPACE)
    assert s3_place.server.counts["LIST"] == 0
    assert cache.stats().read_errors == 3
    s3_place.server.fault = None
    cache.close()
    assert cache.stats().pending == 0


def test_a_flipped_bit_in_a_range_is_read_again(s3_place):
    texts = [f"text {i}" for i in range(2000)]
    with opened(s3_place) as cache:
        cache.embed(texts, embed, namespace=NAMESPACE)
    reader = opened(s3_place, mode="replay")
    reader.open(NAMESPACE)
    s3_place.server.clear()
    s3_place.server.fault = servers.fault(servers.flipped(), kinds="GET", times=1)
    check(reader.embed(texts, embed, namespace=NAMESPACE), texts)
    assert s3_place.server.counts == {"GET": 2}
    assert reader.stats().damaged == 0


def test_a_row_that_is_damaged_in_the_store_is_a_counted_miss(s3_place):
    texts = [f"text {i}" for i in range(2000)]
    with opened(s3_place) as cache:
        cache.embed(texts, embed, namespace=NAMESPACE)
    reader = opened(s3_place, mode="read_only")
    reader.open(NAMESPACE)
    s3_place.server.fault = lambda request: servers.flipped() if request.kind == "GET" else None
    embedded = []
    matrix = reader.embed(texts, lambda some: embedded.extend(some) or embed(some), namespace=NAMESPACE)
    check(matrix, texts)
    assert len(embedded) == 1
    assert reader.stats().damaged >= 1
