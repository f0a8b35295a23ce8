"""Two stores that are written to and tidied in any order against a dict."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from two_stores import TwoStores

from embedonce.stores.segments.format.keys import key_digest
from embedonce.stores.segments.upkeep import compacting

DAY = 24 * 3600
# Digest keys that share their first bytes, one that is the hash of a text key, and text keys.
KEYS = [f"{i:064x}" for i in range(1, 5)] + [key_digest(b"t0").hex(), "t0", "t1"]


class Tidied(TwoStores):
    """Two stores that are tidied all the time against a dict."""

    @initialize(grace=st.sampled_from([-1.0, 1000.0]))
    def start(self, grace) -> None:
        self.begin(grace=grace)
        self.patch.setattr(compacting, "_SMALL", 4400)
        self.patch.setattr(compacting, "TARGET", 9000)
        self.offset = 0.0
        clock, ns = time.time, time.time_ns
        self.patch.setattr("time.time", lambda: clock() + self.offset)
        self.patch.setattr("time.time_ns", lambda: ns() + int(self.offset * 1e9))

    @rule(
        which=st.integers(0, 1),
        pairs=st.lists(st.tuples(st.sampled_from(KEYS), st.binary(min_size=1, max_size=200)), min_size=1, max_size=4),
    )
    def write(self, which, pairs):
        self.stores[which].mset(pairs)
        self.model.update(pairs)

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    def delete(self, which, keys):
        self.stores[which].mdelete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(which=st.integers(0, 1))
    def compact(self, which):
        self.stores[which].compact()

    @rule(which=st.integers(0, 1))
    def compact_until_nothing_is_left_to_do(self, which):
        # A merge can make room for another one: with a target of two headers, what two merges leave may fit together.
        for _ in range(4):
            files = set(self.stores[which]._directory.listing())
            if self.stores[which].compact().rewritten == 0:
                break
        else:
            pytest.fail("compacting goes on for ever")
        assert set(self.stores[which]._directory.listing()) <= files

    @rule(which=st.integers(0, 1), size=st.integers(0, 30_000))
    def evict(self, which, size):
        store = self.stores[which]
        dry, done = store.evict(max_bytes=size, dry_run=True), store.evict(max_bytes=size)
        assert replace(dry, dry_run=False) == done
        self._take_evicted()

    @rule(which=st.integers(0, 1), age=st.sampled_from([0, 3600, 2 * DAY]))
    def evict_old(self, which, age):
        self.stores[which].evict(older_than=age)
        self._take_evicted()
        if age == 0:
            assert not self.model

    def _take_evicted(self):
        values = self.opened().mget(KEYS)
        for key, value in zip(KEYS, values, strict=True):
            assert value in (None, self.model.get(key))
            if value is None:
                self.model.pop(key, None)

    @rule(which=st.integers(0, 1), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=2))
    def purge(self, which, keys):
        self.stores[which].purge(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(which=st.integers(0, 1))
    def clear(self, which):
        self.stores[which].clear()
        self.model.clear()

    @rule(hours=st.integers(1, 30))
    def wait(self, hours):
        self.offset += 3600 * hours

    @invariant()
    def holds_the_same(self):
        for store in self.stores:
            store._catalog.refresh(force=True)
            assert store.mget(KEYS) == [self.model.get(key) for key in KEYS]
        assert self.opened().verify().damaged_segments == ()


class TidiedRemotely(Tidied):
    url = "memory:/"


TestTidiedLocally = Tidied.TestCase
TestTidiedLocally.settings = settings(max_examples=20, stateful_step_count=20)
TestTidiedRemotely = TidiedRemotely.TestCase
TestTidiedRemotely.settings = settings(max_examples=10, stateful_step_count=20)


@pytest.mark.soak
class TestTidiedLocallyForLong(Tidied.TestCase):
    settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.soak
class TestTidiedRemotelyForLong(TidiedRemotely.TestCase):
    settings = settings(max_examples=100, stateful_step_count=40)
