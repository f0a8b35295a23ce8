"""A store that fails never costs a vector: faults are counted, logged once, and after a few the store is left alone."""

from __future__ import annotations

import logging
import pickle
from types import SimpleNamespace

import pytest
from core_support import BYTE_STORES, FOREIGN, NAMESPACE, Model, ask, bits, crossed, words

from embedonce import EmbeddingCache, FormatError, IdentityError, MemoryStore, StoreError

SECRET = "a text that is nobody's business"


def faulty(base):
    class Faulty(base):
        def __init__(self):
            super().__init__()
            self.reading = self.writing = None
            self.asked = []

        def mget(self, keys):
            self.asked.append("read")
            if self.reading is not None:
                return self.reading(super().mget(keys))
            return super().mget(keys)

        def mset(self, key_value_pairs):
            self.asked.append("write")
            if self.writing is not None:
                raise self.writing
            super().mset(key_value_pairs)

    return Faulty()


@pytest.fixture(params=FOREIGN)
def store(request):
    return faulty(BYTE_STORES[request.param])


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still until it is moved."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("embedonce.cache.health.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def down(values):
    raise ConnectionError("the store is down")


READ_FAULTS = {
    "raises": down,
    "too few": lambda values: values[:-1],
    "too many": lambda values: [*values, None],
    "none at all": lambda values: None,
    "a dict": lambda values: dict(enumerate(values)),
    "a string": lambda values: "x" * len(values),
    "a generator": lambda values: (value for value in values),
}


@crossed("fault", READ_FAULTS.values(), over=("store", "way"), ids=READ_FAULTS)
def test_a_store_that_cannot_be_read_is_bypassed(store, way, caplog, fault):
    model = Model()
    ask(way, EmbeddingCache(store), ["a"], model)
    store.reading = fault
    cache = EmbeddingCache(store)
    with caplog.at_level(logging.WARNING, "embedonce"):
        for texts in (["a", SECRET], [SECRET]):
            assert bits(ask(way, cache, texts, model)) == bits(model.rows(texts))
    stats = cache.stats()
    assert (stats.hits, stats.embedded, stats.stored, stats.write_errors) == (0, 3, 3, 0)
    assert stats.read_errors == 2
    assert len(caplog.records) == 1
    assert "stats()" in caplog.text
    assert SECRET not in caplog.text
    store.reading = None
    assert bits(ask(way, cache, ["a", SECRET], Model(fail_at=0))) == bits(model.rows(["a", SECRET]))


def test_a_store_that_cannot_be_written_costs_nothing_but_later_hits(store, way, caplog):
    store.writing = OSError(28, "No space left on device")
    cache, model = EmbeddingCache(store, batch_size=1), Model()
    with caplog.at_level(logging.WARNING, "embedonce"):
        assert bits(ask(way, cache, ["a", SECRET], model)) == bits(model.rows(["a", SECRET]))
    stats = cache.stats()
    assert (stats.embedded, stats.stored, stats.write_errors, stats.read_errors) == (2, 0, 2, 0)
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text
    assert SECRET not in caplog.text


def test_a_full_store_still_answers_and_is_not_written_for_ever(store, way, clock):
    """Reads go on and do not make good for the writes."""
    cache, model = EmbeddingCache(store), Model()
    ask(way, cache, ["stored"], model)
    store.writing = OSError("full")
    for i in range(6):
        ask(way, cache, [f"new {i}"], model)
        assert bits(ask(way, cache, ["stored"], Model(fail_at=0))) == bits(model.rows(["stored"]))
    assert cache.stats().write_errors == 3
    assert cache.stats().skipped == 3
    assert cache.stats().hits == 6
    store.writing = None
    clock.now += 29
    ask(way, cache, ["too early"], model)
    assert cache.stats().stored == 1
    clock.now += 2
    ask(way, cache, ["in time"], model)
    assert cache.stats().stored == 2
    ask(way, cache, ["too early"], model)
    assert cache.stats().stored == 3


def test_an_outage_is_asked_three_times_and_then_after_a_while(store, way, clock):
    cache, model = EmbeddingCache(store), Model()
    ask(way, cache, ["a"], model)
    store.reading, store.writing = down, ConnectionError("down")
    for i in range(20):
        ask(way, cache, ["a", str(i)], model)
    assert store.asked[2:] == ["read", "write"] * 3
    stats = cache.stats()
    assert (stats.read_errors, stats.write_errors, stats.skipped) == (3, 3, 34)
    clock.now += 31
    for _ in range(5):
        ask(way, cache, ["a", "b"], model)
    assert store.asked[8:] == ["read", "write"], "one fault is enough while it has not answered since"
    clock.now += 31
    store.reading = store.writing = None
    assert bits(ask(way, cache, ["a"], Model(fail_at=0))) == bits(model.rows(["a"]))
    store.reading = down
    for _ in range(2):
        ask(way, cache, ["a"], model)
    assert store.asked[-4:] == ["read", "write"] * 2, "a success makes it whole again"


def test_faults_that_are_not_in_a_row_break_nothing(store, way, clock):
    cache, model = EmbeddingCache(store), Model()
    ask(way, cache, ["a"], model)
    for _ in range(10):
        store.reading = down
        ask(way, cache, ["a"], model)
        store.reading = None
        ask(way, cache, ["a"], Model(fail_at=0))
    assert cache.stats().read_errors == 10
    assert cache.stats().skipped == 0


def test_a_store_that_cannot_be_opened_is_left_alone_too(directory, way, clock, monkeypatch, caplog):
    cache, model = directory.cache(), Model()
    opened = type(cache.store).open
    tries = []

    def broken(*args, **options):
        tries.append(args)
        raise StoreError("not mounted")

    monkeypatch.setattr(type(cache.store), "open", broken)
    texts = [str(i) for i in range(10)]
    for text in texts:
        for _ in range(2):
            assert bits(ask(way, cache, [text], model)) == bits(model.rows([text]))
    assert len(tries) == 3
    stats = cache.stats()
    assert (stats.read_errors, stats.write_errors, stats.embedded, stats.hits) == (3, 0, 10, 10)
    assert (stats.stored, stats.pending) == (10, 10), "in memory, until it can be opened"
    assert stats.skipped == 17, "each opening after the third"
    assert len(caplog.records) == 1
    monkeypatch.setattr(type(cache.store), "open", opened)
    clock.now += 31
    ask(way, cache, texts, Model(fail_at=0))
    assert cache.stats().pending == 0
    ask(way, pickle.loads(pickle.dumps(cache)), texts, Model(fail_at=0))


def test_each_fault_is_raised_if_exceptions_are_wanted(store, way, clock):
    model = Model()
    cache = EmbeddingCache(store, on_store_error="raise", batch_size=1)
    ask(way, cache, ["a"], model)
    store.reading = down
    for _ in range(5):
        with pytest.raises(StoreError, match="the store is down"):
            ask(way, cache, ["a"], Model(fail_at=0))
    store.reading, store.writing = None, OSError("full")
    for _ in range(5):
        with pytest.raises(StoreError, match="full"):
            ask(way, cache, ["a", "b"], model)
    store.writing = None
    ask(way, cache, ["b"], model)
    assert cache.stats().skipped == 0
    assert (cache.stats().read_errors, cache.stats().write_errors) == (5, 5)


@crossed(
    "value",
    [b"", b"x", b'{"x": 1}', b"[1, 2, 3]", b"eov1", b"eov1:", b"eov1:!!!", "text", 7, [0.5], {"a": 1}, bytearray(30)],
    over=("store", "way"),
)
def test_a_damaged_or_foreign_value_is_a_miss_and_overwritten(store, way, value):
    model = Model()
    ask(way, EmbeddingCache(store), ["a", "b"], model)
    damaged = next(iter(store.values))
    store.values[damaged] = value
    cache = EmbeddingCache(store)
    assert bits(ask(way, cache, ["a", "b"], model)) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a", "b"], ["a"]]
    assert cache.stats().damaged == 1
    assert cache.stats().read_errors == 0
    fresh = EmbeddingCache(store)
    assert bits(ask(way, fresh, ["a", "b"], Model(fail_at=0))) == bits(model.rows(["a", "b"]))
    assert fresh.stats().damaged == 0


def test_values_may_come_back_as_any_kind_of_bytes(store, way):
    model = Model()
    ask(way, EmbeddingCache(store), words(3), model)
    for kind in (bytearray, memoryview):
        store.values = {key: kind(value) for key, value in store.values.items()}
        assert bits(ask(way, EmbeddingCache(store), words(3), Model(fail_at=0))) == bits(model.rows(words(3)))


def test_a_text_store_may_give_back_str(store, way):
    model = Model()
    ask(way, EmbeddingCache(store, text_safe=True), words(3), model)
    store.values = {key: value.decode() for key, value in store.values.items()}
    assert bits(ask(way, EmbeddingCache(store), words(3), Model(fail_at=0))) == bits(model.rows(words(3)))


def test_rows_of_differing_length_in_a_store_are_not_mixed(store, way):
    """Two models wrote under one name: neither is served where it is not clear which is meant."""
    ask(way, EmbeddingCache(store), ["a"], Model(width=3))
    ask(way, EmbeddingCache(store), ["b"], Model(width=4))
    model = Model(width=4, salt="now")
    assert bits(ask(way, EmbeddingCache(store), ["a", "b"], model)) == bits(model.rows(["a", "b"]))


def test_a_read_that_fails_halfway_keeps_the_embedders_answer_whole(store, way):
    calls = []

    def flaky(values):
        calls.append(len(values))
        if len(calls) == 1:
            raise ConnectionError
        return values

    model = Model()
    ask(way, EmbeddingCache(store), ["a", "b"], model)
    store.reading = flaky
    cache = EmbeddingCache(store)
    assert bits(ask(way, cache, ["a", "c", "b"], model)) == bits(model.rows(["a", "c", "b"]))
    assert bits(ask(way, cache, ["a", "c", "b"], Model(fail_at=0))) == bits(model.rows(["a", "c", "b"]))


def test_a_newer_format_is_an_error_whatever_the_policy(directory, way, monkeypatch):
    """No outage: going on would pay for texts that are there, and never store them."""

    def newer(*args, **options):
        raise FormatError("of a newer format; upgrade embedonce")

    for on_store_error in ("warn", "raise"):
        cache, model = directory.cache(on_store_error=on_store_error), Model()
        monkeypatch.setattr(type(cache.store), "open", newer)
        for _ in range(4):
            with pytest.raises(FormatError, match="upgrade embedonce"):
                ask(way, cache, ["a"], model)
        with pytest.raises(FormatError):
            cache.wrap(model, namespace=NAMESPACE)
        assert model.calls == []


def test_errors_of_the_embedder_are_its_own(store, way):
    """Nothing that an embedder raises is taken for a fault of the store, not even if it looks like one."""
    for error in (OSError("network"), StoreError("odd"), ValueError("bad"), ConnectionError()):

        def embed(texts, error=error):
            raise error

        cache = EmbeddingCache(store)
        with pytest.raises(type(error)) as caught:
            ask(way, cache, ["a"], embed)
        assert caught.value is error
        assert cache.stats().read_errors == cache.stats().write_errors == 0


def test_an_error_of_ours_raised_by_a_users_store_is_a_fault_of_that_store():
    """Whatever a store raises, texts are embedded and vectors returned."""

    class Odd(MemoryStore):
        def mget(self, keys):
            raise IdentityError("odd")

        def mset(self, key_value_pairs):
            raise IdentityError("odd")

    cache = EmbeddingCache(Odd())
    assert cache.embed(["a"], lambda _: [[1.0]], namespace="n").tolist() == [[1.0]]
    assert (cache.stats().read_errors, cache.stats().write_errors) == (1, 1)
