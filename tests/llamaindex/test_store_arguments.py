"""LlamaIndex's way to name storage: a plain path beside a ready file system."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from lazily import lazily
from variants import over

from embedonce import EmbeddingCache, StoreError
from embedonce.stores.locations.location import LocalLocation, as_location
from embedonce.stores.memory import MemoryStore

li = lazily("upath", "llama_index.embeddings.embedonce.store_arguments")

LOCAL = fsspec.filesystem("file")
MEMORY = fsspec.filesystem("memory")


@over(given=["./storage", Path("storage"), "s3://bucket/x", (MEMORY, "/x"), None])
def test_without_a_file_system_a_place_stays_as_it_is(given):
    assert li.place_of(given, None, None) is given
    if not isinstance(given, tuple):
        assert li.place_of(None, given, None) is given


PATHS = [("bucket/storage", "bucket/storage"), (Path("/a/b"), "/a/b"), ("memory://a/b", "/a/b"), ("C:/a", "C:/a")]


@over(name=["store", "persist_path"], case=PATHS)
def test_a_path_on_a_file_system(name, case):
    given, path = case
    assert li.place_of(**{"store": None, "persist_path": None, "fs": MEMORY, name: given}) == (MEMORY, path)


@over(given=["./storage", Path("storage"), "file:{}/storage", "local://{}/storage", "{}/storage"])
def test_the_local_file_system_is_a_local_path(given, tmp_path, monkeypatch):
    """With the guarantees of one: no waiting rows, and the options of a path."""
    monkeypatch.chdir(tmp_path)
    given = given.format(tmp_path) if isinstance(given, str) else given
    location = as_location(li.place_of(None, given, LOCAL), {"fsync": True})
    assert location == LocalLocation(tmp_path / "storage", options={"fsync": True})
    assert location == as_location(str(tmp_path / "storage"), {"fsync": True})


def test_a_upath_knows_its_file_system():
    place = li.UPath("memory://a/b")
    assert li.place_of(None, place, None) is place
    with pytest.raises(TypeError, match="store is a MemoryPath, which knows its place; leave fs out"):
        li.place_of(place, None, MEMORY)


def test_a_cache_on_a_file_system_is_the_one_on_the_url():
    MemoryFileSystem.store.clear()
    with EmbeddingCache(li.place_of(None, "place/of", MEMORY)) as cache:
        cache.embed(["a"], lambda texts: [[1.0, 2.0]], namespace="n")
    replay = EmbeddingCache("memory://place/of", mode="replay")
    assert replay.embed(["a"], lambda texts: [], namespace="n").tolist() == [[1.0, 2.0]]
    MemoryFileSystem.store.clear()


UNFIT = [
    ("a", "b", None, ValueError, "store and persist_path both name"),
    (None, None, MEMORY, ValueError, "fs is a MemoryFileSystem, but there is no path on it"),
    (None, " ", MEMORY, ValueError, "persist_path is empty"),
    (
        None,
        "s3://k:hush@bucket/x",
        MEMORY,
        ValueError,
        "persist_path is a URL of 's3', and fs is a MemoryFileSystem",
    ),
    ("s3://bucket/x", None, LOCAL, ValueError, "store is a URL of 's3'.*give the URL without fs, or a plain path"),
    (None, Path("s3://k:hush@bucket/x"), MEMORY, ValueError, "persist_path is a URL of 's3'"),
    (None, Path("memory://a"), MEMORY, ValueError, "'memory:/', which is neither a path nor a URL"),
    (None, "simplecache::memory://a", MEMORY, ValueError, "persist_path is a URL of 'simplecache'"),
    (None, "memory::file://a", MEMORY, ValueError, "give the URL without fs"),
    (None, "a", "s3", TypeError, r"fs must be an fsspec file system, got str.*filesystem\("),
    (None, 3, None, TypeError, "persist_path must be a path or a URL, got int"),
    (None, (MEMORY, "a"), None, TypeError, "persist_path must be a path or a URL, got tuple.*given as store"),
    ((MEMORY, "a"), None, MEMORY, TypeError, "store is a tuple"),
    (MemoryStore(), None, MEMORY, TypeError, "store is a MemoryStore, which knows its place"),
]
"""Store, path and file system, and the error that names what is wrong with them."""


@over(case=UNFIT)
def test_what_does_not_fit_together_is_said(case):
    store, persist_path, fs, error, message = case
    with pytest.raises(error, match=message) as caught:
        li.place_of(store, persist_path, fs)
    assert "hush" not in str(caught.value)


def test_storage_options_beside_a_file_system_are_refused():
    with pytest.raises(StoreError, match="storage_options beside an instance"):
        as_location(li.place_of(None, "a/b", MEMORY), {"token": "hush"})


def test_bytes_of_a_path_like_are_decoded(tmp_path):
    class Odd(os.PathLike):
        def __fspath__(self):
            return b"a/b"

    assert li.place_of(None, Odd(), MEMORY) == (MEMORY, "a/b")
