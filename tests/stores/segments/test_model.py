"""Two stores on one path against a dict, with merging after every few writes."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile

import fsspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from embedonce.stores.locations.location import as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.catalog import catalog
from embedonce.stores.segments.format.keys import key_digest
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.stores.segments.writing import merger as merging
from embedonce.vectors.envelope import Envelope, Row

_NUMBER = itertools.count()
# Digest keys, one of them the alias of a text key and two with a common prefix; text keys.
DIGESTS = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(5)]
KEYS = [*DIGESTS, DIGESTS[0][:16] + "0" * 48, DIGESTS[0][:16] + "1" * 48, key_digest(b"t0").hex(), "t0", "t1", "🦜\0"]


def _vector(number: int, dimensions: int, dtype: str) -> bytes:
    row = np.full(dimensions, number).astype(dtype)
    return Envelope.seal(Row(row.dtype, row.tobytes()))


VALUES = st.one_of(
    st.binary(max_size=6),
    st.builds(_vector, st.integers(0, 120), st.sampled_from([3, 4]), st.sampled_from(["<f4", "<f8", "|i1"])),
)
PAIRS = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=8)


class Stores(RuleBasedStateMachine):
    url = ""

    @initialize()
    def start(self) -> None:
        self.constants = (
            merging._FAN_IN,
            merging._ADOPT,
            LocalDirectory.grace,
            RemoteDirectory.grace,
            catalog._OVERLAY,
        )
        merging._FAN_IN, merging._ADOPT, LocalDirectory.grace, RemoteDirectory.grace, catalog._OVERLAY = (
            2,
            4,
            -1.0,
            -1.0,
            5,
        )
        self.root = f"/model-{next(_NUMBER)}" if self.url else tempfile.mkdtemp()
        self.model: dict[str, bytes] = {}
        self.stores = [self._open(), self._open()]

    def _open(self) -> SegmentStore:
        return SegmentStore(as_location(f"{self.url}{self.root}"), NamespaceDirectory.of("n"))

    # A store stamps above everything that it has seen; two stores of one process share the clock, which counts
    # microseconds, so a later write is always newer here.
    @rule(which=st.integers(0, 1), pairs=PAIRS)
    def write(self, which, pairs):
        self.stores[which].mset(pairs)
        self.model.update(pairs)

    @rule(which=st.integers(0, 1), numbers=st.sets(st.integers(0, 6), min_size=1), value=st.integers(0, 99))
    def put_rows(self, which, numbers, value):
        keys = [KEYS[number] for number in sorted(numbers)]
        matrix = np.full((len(keys), 3), value, "<f4")
        self.stores[which].put_rows([bytes.fromhex(key) for key in keys], matrix)
        self.model.update({key: Envelope.seal(Row(matrix.dtype, matrix[0].tobytes())) for key in keys})

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def delete(self, which, keys):
        self.stores[which].mdelete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(which=st.integers(0, 1))
    def reopen(self, which):
        self.stores[which] = self._open()

    @rule(which=st.integers(0, 1))
    def close(self, which):
        self.stores[which].close()

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1))
    def read(self, which, keys):
        store = self.stores[which]
        # What a store has seen it may answer for a second without looking at the directory again.
        store._catalog._recency.expire()
        assert store.mget(keys) == [self.model.get(key) for key in keys]

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS[:8]), min_size=1, unique=True))
    def read_rows(self, which, keys):
        store = self.stores[which]
        store._catalog._recency.expire()
        matrix, found = store.get_rows([bytes.fromhex(key) for key in keys], 3)
        for i, key in enumerate(keys):
            row = Envelope.open(self.model[key]) if key in self.model else None
            is_vector = row is not None and len(row.vector()) == 3
            assert found[i] == is_vector
            if is_vector:
                assert np.array_equal(matrix[i], row.vector())

    @invariant()
    def holds_the_same_keys(self):
        for store in self.stores:
            assert sorted(store.yield_keys()) == sorted(self.model)

    def teardown(self) -> None:
        if hasattr(self, "constants"):
            merging._FAN_IN, merging._ADOPT, LocalDirectory.grace, RemoteDirectory.grace, catalog._OVERLAY = (
                self.constants
            )
            fresh = self._open()
            assert fresh.mget(KEYS) == [self.model.get(key) for key in KEYS]
            if self.url:
                fsspec.filesystem("memory").rm(self.root, recursive=True) if self.model else None
            else:
                shutil.rmtree(self.root)


class RemoteStores(Stores):
    url = "memory:/"


TestLocalStores = Stores.TestCase
TestLocalStores.settings = settings(max_examples=20, stateful_step_count=25)
TestRemoteStores = RemoteStores.TestCase
TestRemoteStores.settings = settings(max_examples=15, stateful_step_count=25)


@pytest.mark.soak
class TestLocalStoresForLong(Stores.TestCase):
    settings = settings(max_examples=300, stateful_step_count=60)


@pytest.mark.soak
class TestRemoteStoresForLong(RemoteStores.TestCase):
    settings = settings(max_examples=150, stateful_step_count=50)
