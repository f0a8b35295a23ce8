"""What things cost on a real S3 API, in requests and bytes."""

from __future__ import annotations

import numpy as np
import pytest

from embedonce import EmbeddingCache

NAMESPACE = "acme/e5@3"
COUNT, DIMENSIONS = 10_000, 1536


@pytest.fixture(autouse=True)
def _nothing_becomes_due(monkeypatch):
    """However long a test takes, what waits is published by calls and at the end alone."""
    monkeypatch.setattr("embedonce.stores.segments.writing.writer.FLUSH_SECONDS", 3600.0)


def texts(count=COUNT):
    return [f"text {i}" for i in range(count)]


def vectors(some):
    return np.array([[int(text.split()[1])] for text in some], "<f4") + np.arange(DIMENSIONS, dtype="<f4")


def nobody(some):
    raise AssertionError(some[:3])


def test_what_ten_thousand_vectors_cost(s3_place, tmp_path):
    def cache(**options):
        return EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options, **options)

    server = s3_place.server
    cache().embed(texts(), vectors, namespace=NAMESPACE)
    written = server.counts
    assert written["PUT"] == 3
    assert written["GET"] == 0
    assert written["HEAD"] == 0
    segments = 2

    server.clear()
    reader = cache(mode="replay")
    assert np.array_equal(reader.embed(texts(), nobody, namespace=NAMESPACE), vectors(texts()))
    read = server.counts
    assert read["LIST"] == 1
    assert read["GET"] <= 2 * segments
    assert set(read) == {"LIST", "GET"}

    server.clear()
    missing = cache(mode="read_only")
    missing.open(NAMESPACE)
    server.clear()
    for _ in range(5):
        missing.embed(
            [f"other {i}" for i in range(60)], lambda some: np.zeros((len(some), DIMENSIONS)), namespace=NAMESPACE
        )
    assert server.counts == {}

    server.clear()
    first = cache(mode="replay", local_tier=tmp_path / "tier")
    first.embed(texts(), nobody, namespace=NAMESPACE)
    server.clear()
    first.embed(texts(), nobody, namespace=NAMESPACE)
    assert server.counts == {}
    second = cache(mode="replay", local_tier=tmp_path / "tier")
    assert np.array_equal(second.embed(texts(), nobody, namespace=NAMESPACE), vectors(texts()))
    assert server.counts == {"LIST": 1}


def test_a_thousand_hits_out_of_many_are_few_ranges(s3_place):
    def cache():
        return EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options)

    cache().embed(texts(3000), vectors, namespace=NAMESPACE)
    reader = cache()
    reader.open(NAMESPACE)
    s3_place.server.clear()
    reader.embed(texts(3000)[1000:2000], nobody, namespace=NAMESPACE)
    assert s3_place.server.counts == {"GET": 1}
    assert s3_place.server.sent < 1000 * DIMENSIONS * 4 + 10_000


@pytest.mark.parametrize("durability", ["write_behind", "write_through"])
def test_what_queries_cost(s3_place, durability):
    with EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options, durability=durability) as cache:
        cache.open(NAMESPACE)
        s3_place.server.clear()
        for text in texts(20):
            cache.embed([text], vectors, namespace=NAMESPACE, role="query")
    assert s3_place.server.counts == {"PUT": 1 if durability == "write_behind" else 20}
