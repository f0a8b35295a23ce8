"""The byte store that misbehaves on demand: what it does when told, to how many calls, and that it is healed again."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embedonce import ByteStore, EmbeddingCache, MemoryStore, StoreError
from embedonce.testing import FaultyStore
from embedonce.testing.stores import flipped, torn

CALLS = {
    "mget": lambda store: store.mget(["a"]),
    "mset": lambda store: store.mset([("b", b"2")]),
    "mdelete": lambda store: store.mdelete(["a"]),
    "yield_keys": lambda store: list(store.yield_keys()),
}


@pytest.fixture
def store():
    store = FaultyStore()
    store.store.mset([("a", b"value")])
    return store


def test_it_passes_everything_on(store):
    assert isinstance(store, ByteStore)
    store.mset([("ab", b"2")])
    assert store.mget(["ab", "x", "a"]) == [b"2", None, b"value"]
    assert list(store.yield_keys(prefix="ab")) == ["ab"]
    store.mdelete(["a"])
    assert list(store.store.yield_keys()) == ["ab"]
    assert store.calls == {"mget": 1, "mset": 1, "mdelete": 1, "yield_keys": 1}


def test_it_stands_in_front_of_the_store_it_is_given():
    inner = MemoryStore()
    FaultyStore(inner).mset([("a", b"1")])
    assert inner.mget(["a"]) == [b"1"]


@pytest.mark.parametrize("verb", CALLS)
def test_the_named_method_fails_and_no_other(store, verb):
    store.fail(verb, error=TimeoutError)
    for name, call in CALLS.items():
        if name == verb:
            with pytest.raises(TimeoutError, match="FaultyStore fails as requested"):
                call(store)
        else:
            call(store)
    assert store.calls[verb] == 1, "a failed call counts"


def test_a_call_that_fails_does_nothing(store):
    store.fail()
    for call in CALLS.values():
        with pytest.raises(ConnectionError):
            call(store)
    assert list(store.store.yield_keys()) == ["a"]


def test_so_many_calls_fail_and_no_more(store):
    store.fail("mget", times=2)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            store.mget(["a"])
    assert store.mget(["a"]) == [b"value"]


def test_an_error_may_be_made_by_a_function(store):
    store.fail("mset", error=lambda message: UnicodeDecodeError("utf-8", b"\xff", 0, 1, message))
    with pytest.raises(UnicodeDecodeError, match="fails as requested"):
        store.mset([("a", b"\xff")])


def test_lost_writes_are_reported_as_written(store):
    store.lose_writes(times=1)
    store.mset([("b", b"lost")])
    store.mset([("c", b"kept")])
    assert store.mget(["a", "b", "c"]) == [b"value", None, b"kept"]


def test_values_are_changed_on_their_way_only(store):
    store.falsify(torn, times=1)
    assert store.mget(["x", "a"]) == [None, b"va"]
    store.falsify(flipped, times=1)
    assert store.mget(["a"]) == [b"valud"]
    assert store.mget(["a"]) == [b"value"]
    assert (torn(b""), flipped(b"")) == (b"", b"")


@pytest.mark.parametrize(("by", "answer"), [(-1, [b"value"]), (-2, []), (1, [b"value", None, None])])
def test_answers_have_a_wrong_length(store, by, answer):
    store.miscount(by, times=1)
    assert store.mget(["a", "x"]) == answer
    assert store.mget(["a", "x"]) == [b"value", None]


def test_faults_add_up_until_it_is_healed(store):
    store.falsify(torn)
    store.miscount(1)
    assert store.mget(["a"]) == [b"va", None]
    store.fail("mget")
    with pytest.raises(ConnectionError):
        store.mget(["a"])
    store.heal()
    assert store.mget(["a"]) == [b"value"]


def test_a_held_call_says_that_it_waits_and_goes_on_when_it_may(store):
    go = threading.Event()
    waiting = store.hold("mset", until=go, times=1)
    assert not waiting.is_set()
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(store.mset, [("b", b"2")])
        try:
            assert waiting.wait(60)
            assert store.mget(["b"]) == [None], "others are not held"
            assert not write.done()
        finally:
            go.set()
        write.result()
    assert store.mget(["b"]) == [b"2"]


def test_a_call_that_nobody_lets_go_fails(store, monkeypatch):
    monkeypatch.setattr("embedonce.testing.stores._LIMIT", 0.0)
    store.hold("mget", until=threading.Event())
    with pytest.raises(TimeoutError, match="waits for was not set"):
        store.mget(["a"])


def test_threads_lose_no_count(store):
    store.fail("mget", times=100)
    start = threading.Barrier(8)

    def ask(_):
        start.wait()
        failed = 0
        for _ in range(500):
            try:
                store.mget(["a"])
            except ConnectionError:
                failed += 1
        return failed

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 100
    assert store.calls["mget"] == 4000


def test_a_pickled_copy_goes_its_own_way(store):
    copy = pickle.loads(pickle.dumps(store))
    store.fail("mget")
    assert copy.mget(["a"]) == [b"value"]


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        (lambda store: store.fail("get"), r"no method 'get'.*mget, mset, mdelete, yield_keys"),
        (lambda store: store.hold("set", until=threading.Event()), "no method 'set'"),
        (lambda store: store.fail("mget", times=0), "times must be a whole number of at least 1.*got 0"),
        (lambda store: store.lose_writes(times=True), "times must be"),
        (lambda store: store.falsify(torn, times=1.5), "times must be"),
        (lambda store: store.miscount(0), "by must be"),
    ],
)
def test_what_cannot_be_done_is_refused(store, tell, message):
    with pytest.raises(ValueError, match=message):
        tell(store)
    assert store.mget(["a"]) == [b"value"]


def test_a_cache_meets_what_it_was_told(store):
    """Torn values are misses, a wrong number of them is a fault, and so is an error."""
    calls = []

    def embed(texts):
        calls.append(texts)
        return [[float(len(text))] for text in texts]

    def ask(**options):
        cache = EmbeddingCache(store, **options)
        assert cache.embed(["text"], embed, namespace="n").tolist() == [[4.0]]
        return cache.stats()

    ask()
    store.falsify(torn, times=1)
    assert ask().damaged == 1
    store.miscount()
    assert ask().read_errors == 1
    with pytest.raises(StoreError, match="answered 1 keys with 0 values"):
        ask(on_store_error="raise")
    store.heal()
    store.fail("mget", "mset")
    stats = ask()
    assert (stats.read_errors, stats.write_errors) == (1, 1)
    store.heal()
    assert ask().hits == 1
    assert len(calls) == 4
