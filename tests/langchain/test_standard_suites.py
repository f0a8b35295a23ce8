"""LangChain's own standard suites: the wrapper is an embedder, and `FsspecByteStore` is a byte store."""

from __future__ import annotations

import uuid

import pytest
from langchain_classic.storage import LocalFileStore
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.stores import InMemoryByteStore
from langchain_tests.integration_tests import (
    BaseStoreAsyncTests,
    BaseStoreSyncTests,
    EmbeddingsIntegrationTests,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests

import embedonce
from langchain_embedonce import CacheBackedEmbeddings, FsspecByteStore


def wrapped(size, store):
    return embedonce.wrap(DeterministicFakeEmbedding(size=size), store)


def from_bytes_store(size, store):
    return CacheBackedEmbeddings.from_bytes_store(
        DeterministicFakeEmbedding(size=size), store, namespace="fake", key_encoder="sha256", query_embedding_cache=True
    )


class Parameters:
    """The suites ask for no more than a callable and its arguments."""

    build = staticmethod(wrapped)
    kind = "directory"

    @pytest.fixture(autouse=True)
    def _store(self, tmp_path):
        stores = {
            "directory": lambda: tmp_path / "cache",
            "memory": lambda: f"memory://{uuid.uuid4()}",
            "files": lambda: LocalFileStore(tmp_path / "files"),
            "bytes": InMemoryByteStore,
        }
        self.store = stores[self.kind]()

    @property
    def embeddings_class(self):
        return self.build

    @property
    def embedding_model_params(self):
        return {"size": 6, "store": self.store}


class TestWrapUnit(Parameters, EmbeddingsUnitTests):
    pass


class TestWrapIntegration(Parameters, EmbeddingsIntegrationTests):
    pass


class TestWrapRemoteIntegration(Parameters, EmbeddingsIntegrationTests):
    kind = "memory"


class TestFromBytesStoreUnit(Parameters, EmbeddingsUnitTests):
    build = staticmethod(from_bytes_store)
    kind = "bytes"


class TestFromBytesStoreIntegration(Parameters, EmbeddingsIntegrationTests):
    build = staticmethod(from_bytes_store)
    kind = "files"


class TestFromBytesStoreOnAPathIntegration(Parameters, EmbeddingsIntegrationTests):
    build = staticmethod(from_bytes_store)


class Stores:
    @pytest.fixture
    def kv_store(self, tmp_path):
        return FsspecByteStore(self.place(tmp_path))

    @pytest.fixture
    def three_values(self):
        return (b"foo", b"bar", b"\x00\xff not UTF-8")


class TestLocalStore(Stores, BaseStoreSyncTests[bytes]):
    def place(self, tmp_path):
        return tmp_path / "store"


class TestLocalStoreAsync(Stores, BaseStoreAsyncTests):
    def place(self, tmp_path):
        return tmp_path / "store"


class TestMemoryStore(Stores, BaseStoreSyncTests[bytes]):
    def place(self, tmp_path):
        return f"memory://{uuid.uuid4()}"


class TestMemoryStoreAsync(Stores, BaseStoreAsyncTests):
    def place(self, tmp_path):
        return f"memory://{uuid.uuid4()}"


def test_two_namespaces_on_one_path_see_nothing_of_each_other(tmp_path):
    one, other = FsspecByteStore(tmp_path, namespace="one"), FsspecByteStore(tmp_path, namespace="other")
    one.mset([("key", b"1")])
    assert other.mget(["key"]) == [None]
    other.mset([("key", b"2")])
    assert one.mget(["key"]) == [b"1"]
    assert list(FsspecByteStore(tmp_path, namespace="one").yield_keys()) == ["key"]


def test_a_read_only_store_refuses_to_write(tmp_path):
    FsspecByteStore(tmp_path).mset([("key", b"1")])
    store = FsspecByteStore(tmp_path, read_only=True)
    assert store.mget(["key"]) == [b"1"]
    with pytest.raises(embedonce.StoreError, match="read-only"):
        store.mset([("key", b"2")])
