"""Every argument of a store is checked when the store is made, and every limit before anything is deleted."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest

from embedonce import EmbeddingCache, MemoryStore, StoreError
from embedonce.options import StoreOptions
from embedonce.stores.locations.location import LocalLocation, as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments.root import evict
from embedonce.stores.segments.store import SegmentStore


class BytesPath:
    def __fspath__(self):
        return b"tier"

    def __repr__(self):
        # All processes that run tests collect it under one name.
        return "BytesPath()"


LOCAL = {
    "file_mode": ["600", -1, 0o10000, True, 384.0, None, 600, 0, 0o200],
    "dir_mode": ["700", -1, 0o10000, True, 448.0, None, 700, 0, 0o600],
    "fsync": ["false", "no", 0, 1, None],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in LOCAL.items() for value in values])
def test_an_option_of_a_path_is_refused_when_the_store_is_made(name, value, tmp_path):
    makers = (
        lambda: EmbeddingCache(tmp_path / "cache", storage_options={name: value}),
        lambda: SegmentStore(tmp_path / "cache", "n", storage_options={name: value}),
        lambda: as_location(tmp_path / "cache", {name: value}),
        lambda: as_location((fsspec.filesystem("file"), str(tmp_path / "cache")), {name: value}),
        lambda: LocalLocation(tmp_path / "cache", options={name: value}),
        lambda: LocalDirectory(tmp_path / "cache", **{name: value}),
    )
    for make in makers:
        with pytest.raises(ValueError, match=name):
            make()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("given", [{"fsnyc": True}, {"token": "secret"}, {3: 4}, {"file_mode": 0o600, "mode": 0o600}])
def test_an_unknown_option_of_a_path_is_refused_when_the_store_is_made(given, tmp_path):
    makers = (
        lambda: EmbeddingCache(tmp_path / "cache", storage_options=given),
        lambda: SegmentStore(tmp_path / "cache", "n", storage_options=given),
        lambda: as_location(tmp_path / "cache", given),
    )
    for make in makers:
        with pytest.raises(
            ValueError, match=r"unknown storage_options .*; known: fsync, file_mode, dir_mode"
        ) as caught:
            make()
        assert isinstance(caught.value, StoreError)
    assert not (tmp_path / "cache").exists()


def test_a_decimal_mode_is_shown_in_octal_notation():
    with pytest.raises(ValueError, match=r"file_mode.*0o600 \(384\).*600 \(in octal notation 0o1130\)"):
        LocalDirectory("cache", file_mode=600)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o666, 0o2640])
def test_a_mode_with_which_the_owner_can_read_is_taken(mode, tmp_path):
    store = SegmentStore(tmp_path / "cache", "n", storage_options={"file_mode": mode, "dir_mode": 0o700})
    store.mset([("a", b"1")])
    assert SegmentStore(tmp_path / "cache", "n").mget(["a"]) == [b"1"]


@pytest.mark.parametrize(
    "given",
    [
        {"refresh_interval": math.inf},
        {"refresh_interval": math.nan},
        {"refresh_interval": -1},
        {"refresh_interval": 10**400},
        {"refresh_interval": True},
        {"refresh_interval": "30"},
        {"local_tier": ""},
        {"local_tier": " "},
        {"local_tier": "a\0b"},
        {"local_tier": BytesPath()},
        {"local_tier": 1},
        {"local_tier": "s3://bucket"},
        {"local_tier_bytes": 0},
        {"local_tier_bytes": 1e9},
        {"local_tier_bytes": True},
        {"local_tier_bytes": math.nan},
        {"durability": "never"},
        {"durability": None},
    ],
    ids=str,
)
def test_an_option_of_a_distant_place_is_refused(given):
    (name,) = given
    with pytest.raises(ValueError, match=name):
        StoreOptions(**given)
    with pytest.raises(ValueError, match=name):
        EmbeddingCache("memory://arguments", **given)


def test_arguments_of_a_segment_store_are_refused(tmp_path):
    for given in ({"read_only": "false"}, {"read_only": 1}, {"options": {"durability": "write_through"}}):
        with pytest.raises(ValueError, match=next(iter(given))):
            SegmentStore(tmp_path / "cache", "n", **given)
    for namespace in (None, 3, b"n", Path("n")):
        with pytest.raises(ValueError, match="namespace"):
            SegmentStore(tmp_path / "cache", namespace)
    for path in (None, 3, b"path"):
        with pytest.raises(StoreError, match=r"\(fs, path\) pair must be a str"):
            SegmentStore((fsspec.filesystem("memory"), path), "n")
    assert not (tmp_path / "cache").exists()


AGES = [
    math.inf,
    math.nan,
    -math.inf,
    -1,
    True,
    "30d",
    1e300,
    10**400,
    timedelta.max,
    timedelta.min,
    timedelta(seconds=-1),
]
SIZES = [1e9, math.inf, math.nan, -1, True, "10GB"]
LIMITS = [{"older_than": age} for age in AGES] + [{"max_bytes": size} for size in SIZES]


@pytest.mark.parametrize("limits", [*LIMITS, {"older_than": 1, "dry_run": "false"}], ids=str)
def test_a_limit_that_means_nothing_deletes_nothing(limits, tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["a"], lambda _: [[1.0]], namespace="n")
    store = cache.open("n").store
    for call in (cache.evict, store.evict, lambda **given: evict([store], **given)):
        for more in ({}, {"older_than": 10} if "max_bytes" in limits else {"max_bytes": 10**9}):
            with pytest.raises(ValueError, match="dry_run" if "dry_run" in limits else next(iter(limits))):
                call(**{**more, **limits})
    assert cache.usage()[0].rows_live == 1


@pytest.mark.parametrize("now", [math.nan, math.inf, -1, "now", True, 10**400], ids=str)
def test_a_moment_that_is_none_deletes_nothing(now, tmp_path):
    store = SegmentStore(tmp_path / "cache", "n")
    store.mset([("a", b"1")])
    for call in (store.evict, lambda **given: evict([store], **given)):
        with pytest.raises(ValueError, match="now must be"):
            call(older_than=0, now=now)
    assert store.mget(["a"]) == [b"1"]


@pytest.mark.parametrize("age", [1e10, 10**10, timedelta(days=365 * 250)], ids=str)
def test_nothing_is_older_than_any_store(age, tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    cache.embed(["a"], lambda _: [[1.0]], namespace="n")
    for more in ({}, {"max_bytes": 10**9}, {"max_bytes": 10**400}):
        assert cache.evict(older_than=age, **more)[0].rows_after == 1


def test_a_byte_store_says_what_it_cannot_do(tmp_path):
    cache = EmbeddingCache(MemoryStore())
    for upkeep in (cache.compact, cache.usage, cache.verify, lambda: cache.evict(max_bytes=0)):
        with pytest.raises(StoreError, match="byte store"):
            upkeep()
