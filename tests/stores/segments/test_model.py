"""Two stores on one path against a dict, with merging after every few writes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from two_stores import TwoStores

from embedonce.stores.segments.catalog import catalog
from embedonce.stores.segments.format.keys import key_digest
from embedonce.stores.segments.writing import merger
from embedonce.vectors.envelope import Envelope, Row

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


class Stores(TwoStores):
    @initialize()
    def start(self) -> None:
        self.begin(grace=-1.0)
        self.patch.setattr(merger, "_ADOPT", 4)
        self.patch.setattr(catalog, "_OVERLAY", 5)

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
        if hasattr(self, "stores"):
            assert self.opened().mget(KEYS) == [self.model.get(key) for key in KEYS]
        super().teardown()


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
