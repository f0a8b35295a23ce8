"""LangChain's own standard suites: the wrapper is an embedder, and `FsspecByteStore` is a byte store."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import uuid

import pytest
from langchain_lanes import from_bytes_store
from lazily import lazily
from variants import over

import embedonce

lc = lazily(
    "langchain_embedonce",
    "langchain_classic.storage",
    "langchain_core.embeddings",
    "langchain_core.stores",
    "langchain_tests.integration_tests",
    "langchain_tests.unit_tests",
)
NUMBERS = itertools.count()


def passes_standard_tests(suite, **fixtures):
    """Run all tests of a suite as pytest does; each gets what the functions make that stand for its fixtures."""
    # The wrapper is set up by arguments alone.
    tests = [name for name in dir(suite) if name.startswith("test_") and name != "test_init_from_env"]
    for name in tests:
        test = getattr(suite(), name)
        arguments = {each: fixtures[each]() for each in inspect.signature(test).parameters}
        try:
            if inspect.iscoroutinefunction(test):
                asyncio.run(test(**arguments))
            else:
                test(**arguments)
        except Exception as error:
            msg = f"{name}: {error!r}"
            raise AssertionError(msg) from error
    return len(tests)


def wrapped(size, store):
    return embedonce.wrap(lc.DeterministicFakeEmbedding(size=size), store)


def built(size, store):
    embedder = lc.DeterministicFakeEmbedding(size=size)
    return from_bytes_store(embedder, store, namespace="fake", query_embedding_cache=True)


def files(directory):
    return lc.LocalFileStore(directory)


def memory(_):
    return f"memory://{uuid.uuid4()}"


def in_bytes(_):
    return lc.InMemoryByteStore()


EMBEDDINGS = {
    "wrap on a path": (wrapped, lambda directory: directory),
    "wrap on a URL": (wrapped, memory),
    "from_bytes_store on a path": (built, lambda directory: directory),
    "from_bytes_store on files": (built, files),
    "from_bytes_store on bytes": (built, in_bytes),
}


@over(how=EMBEDDINGS, kind=["EmbeddingsUnitTests", "EmbeddingsIntegrationTests"])
def test_wrappers_are_embeddings(tmp_path, how, kind):
    build, place = how

    class Suite(getattr(lc, kind)):
        # The suites ask for no more than a callable and its arguments.
        embeddings_class = property(lambda self: build)
        embedding_model_params = property(lambda self: {"size": 6, "store": place(tmp_path / f"{next(NUMBERS)}")})

    assert passes_standard_tests(Suite, model=lambda: build(**Suite().embedding_model_params)) >= 2


@over(place=[lambda directory: directory, memory], kind=["BaseStoreSyncTests", "BaseStoreAsyncTests"])
def test_the_segment_store_is_a_byte_store(tmp_path, place, kind):
    class Suite(getattr(lc, kind)):
        pass

    count = passes_standard_tests(
        Suite,
        kv_store=lambda: lc.FsspecByteStore(place(tmp_path / f"{next(NUMBERS)}")),
        three_values=lambda: (b"foo", b"bar", b"\x00\xff not UTF-8"),
    )
    assert count >= 12


def test_two_namespaces_on_one_path_see_nothing_of_each_other(tmp_path):
    one, other = lc.FsspecByteStore(tmp_path, namespace="one"), lc.FsspecByteStore(tmp_path, namespace="other")
    one.mset([("key", b"1")])
    assert other.mget(["key"]) == [None]
    other.mset([("key", b"2")])
    assert one.mget(["key"]) == [b"1"]
    assert list(lc.FsspecByteStore(tmp_path, namespace="one").yield_keys()) == ["key"]


def test_a_read_only_store_refuses_to_write(tmp_path):
    lc.FsspecByteStore(tmp_path).mset([("key", b"1")])
    store = lc.FsspecByteStore(tmp_path, read_only=True)
    assert store.mget(["key"]) == [b"1"]
    with pytest.raises(embedonce.StoreError, match="read-only"):
        store.mset([("key", b"2")])
