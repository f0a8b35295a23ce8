"""A place that fails is left alone for a while; what is in memory, open files or the local tier is used anyway."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
from core_support import NAMESPACE, Model, ask, bits, words

from embedonce import CacheMissError, EmbeddingCache, MemoryStore, StoreError
from embedonce.stores.locations.remote_location import RemoteLocation
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.writing import writer as writing

TEXTS = words(100)
_NUMBER = itertools.count()


class Place:
    """A path whose requests can be made to fail, and are counted.

    Attributes:
        location: What a cache is given.
        options: Further options of a cache.
        requests: How often it was asked for something.
        is_down: True to answer with an error from now on.
    """

    def __init__(self, kind, tmp_path, monkeypatch):
        self.requests, self.is_down = 0, False
        self.options = {}
        if kind == "local":
            self.location, directory = str(tmp_path / "cache"), LocalDirectory
            verbs = ("changed", "listing", "view", "get_ranges", "put")
        else:
            monkeypatch.setattr(RemoteLocation, "is_near", False)
            self.location, directory = f"memory://at-hand-{next(_NUMBER)}", RemoteDirectory
            verbs = ("listing", "get_ranges", "put")
        if kind == "tier":
            self.options = {"local_tier": str(tmp_path / "tier")}
        for verb in verbs:
            monkeypatch.setattr(directory, verb, self._asked(getattr(directory, verb)))

    def _asked(self, method):
        def asked(directory, *arguments):
            self.requests += 1
            if self.is_down:
                raise OSError(5, "down as requested")
            return method(directory, *arguments)

        return asked

    def cache(self, **options):
        return EmbeddingCache(self.location, **{"refresh_interval": 0, **self.options, **options})


@pytest.fixture(params=["local", "distant", "tier"])
def failing(request, tmp_path, monkeypatch, _nothing_left_behind):
    yield (place := Place(request.param, tmp_path, monkeypatch))
    place.is_down = False
    fs = fsspec.filesystem("memory")
    if fs.exists(place.location):
        fs.rm(place.location, recursive=True)


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still until it is moved, for the pauses of a store that has failed."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("embedonce.cache.health.time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def small(**options):
    """Return a model whose vectors every codec can hold."""
    return Model(answer=lambda matrix: np.clip(matrix, -1, 1), **options)


def filled(place, **options):
    """Return a cache that has read all texts from the place, so that they are at hand."""
    place.cache(**options).embed(TEXTS, small(), namespace=NAMESPACE)
    cache = place.cache(**options)
    cache.embed(TEXTS, Model(fail_at=0), namespace=NAMESPACE)
    return cache


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("codec", ["exact", "float16"])
def test_what_is_at_hand_is_found_while_the_place_is_left_alone(failing, way, codec):
    cache = filled(failing, codec=codec)
    right = bits(ask(way, cache, TEXTS, Model(fail_at=0)))
    failing.is_down = True
    for number in range(4):
        ask(way, cache, [f"new {number}"], small())
    asked, before = failing.requests, cache.stats()
    assert before.read_errors == 3
    assert bits(ask(way, cache, TEXTS, Model(fail_at=0))) == right
    for text in TEXTS[:5]:
        ask(way, cache, [text], Model(fail_at=0))
    stats = cache.stats()
    assert stats.hits - before.hits == len(TEXTS) + 5
    assert (stats.read_errors, stats.skipped) == (3, before.skipped), "nothing was left out that was needed"
    assert failing.requests == asked


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failing", ["distant", "tier"], indirect=True)
def test_rows_that_wait_are_found_while_the_place_is_left_alone(failing, way, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 600.0)
    cache, model = failing.cache(), Model()
    cache.open(NAMESPACE)
    failing.is_down = True
    for number in range(6):
        ask(way, cache, [f"new {number}"], model)
    assert cache.stats().pending == 6
    for number in range(6):
        assert bits(ask(way, cache, [f"new {number}"], Model(fail_at=0))) == bits(model.rows([f"new {number}"]))
    failing.is_down = False
    cache.close()


@pytest.mark.usefixtures("clock")
def test_what_is_found_in_memory_makes_no_fault_good(failing, way):
    """Otherwise 20 misses among hits are 20 requests, each of which may take seconds to fail."""
    cache = filled(failing)
    failing.is_down = True
    for number in range(20):
        ask(way, cache, [f"new {number}"], Model())
        ask(way, cache, TEXTS[:1], Model(fail_at=0))
        ask(way, cache, TEXTS[:3], Model(fail_at=0))
    stats = cache.stats()
    assert stats.read_errors == 3
    assert stats.skipped >= 17


@pytest.mark.usefixtures("clock")
def test_an_answer_of_the_place_makes_faults_good(failing, way):
    cache = filled(failing)
    for number in range(8):
        failing.is_down = True
        ask(way, cache, [f"new {number}"], Model())
        failing.is_down = False
        ask(way, cache, [f"newer {number}"], Model())
    stats = cache.stats()
    assert (stats.read_errors, stats.skipped) == (8, 0)


@pytest.mark.usefixtures("clock")
def test_opening_another_namespace_makes_faults_good_if_the_place_was_asked(failing, way):
    cache = filled(failing)
    for number in range(6):
        failing.is_down = True
        ask(way, cache, [f"new {number}"], Model())
        failing.is_down = False
        ask(way, cache, TEXTS, Model(), namespace=f"other-{number}")
    assert cache.stats().skipped == 0


@pytest.mark.parametrize("codec", ["exact", "float16"])
def test_what_was_found_before_a_fault_is_kept(failing, way, codec):
    cache = filled(failing, codec=codec)
    failing.is_down = True
    model = small()
    texts = ["new 1", *TEXTS[:50], "new 2", *TEXTS[50:]]
    answer = ask(way, cache, texts, model)
    assert model.calls == [["new 1", "new 2"]]
    assert cache.stats().read_errors == 1
    failing.is_down = False
    assert bits(ask(way, failing.cache(codec=codec), texts, small())) == bits(answer)


def test_a_recording_is_replayed_from_what_is_at_hand(failing, way, clock):
    cache = filled(failing, mode="read_write")
    cache.mode = "replay"
    failing.is_down = True
    for _ in range(5):
        ask(way, cache, TEXTS, Model(fail_at=0))
    for number in range(5):
        with pytest.raises(StoreError, match="down as requested"):
            ask(way, cache, [*TEXTS, f"new {number}"], Model(fail_at=0))
    failing.is_down = False
    with pytest.raises(CacheMissError):
        ask(way, cache, ["new"], Model(fail_at=0))


def test_a_replay_never_takes_a_store_that_is_left_alone_for_one_without_the_text(failing, way, clock):
    """The breaker was opened in another mode."""
    cache = filled(failing)
    failing.is_down = True
    for number in range(4):
        ask(way, cache, [f"new {number}"], Model())
    cache.mode = "replay"
    for namespace in (NAMESPACE, "not open yet"):
        with pytest.raises(StoreError, match="down as requested"):
            ask(way, cache, ["other"], Model(fail_at=0), namespace=namespace)


@pytest.mark.usefixtures("clock", "_nothing_left_behind")
def test_rows_that_are_kept_in_memory_make_no_fault_of_writing_good(way, monkeypatch):
    """A store that cannot be opened keeps rows in memory: that is not an answer of the place."""

    class Full(MemoryStore):
        def mset(self, key_value_pairs):
            writes.append(len(key_value_pairs))
            raise OSError(28, "full")

    def not_mounted(*_, **__):
        raise StoreError("not mounted")

    writes = []
    cache = EmbeddingCache(Full())
    cache.open(NAMESPACE)
    opened = type(cache.store).open
    for number in range(8):
        ask(way, cache, [f"a {number}"], Model())
        with monkeypatch.context() as context:
            context.setattr(
                type(cache.store), "open", lambda *_, **__: (_ for _ in ()).throw(StoreError("not mounted"))
            )
            ask(way, cache, [f"b {number}"], Model(), namespace=f"closed {number}")
    assert type(cache.store).open is opened
    assert len(writes) == 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    "error",
    [RuntimeError("cannot schedule new futures after shutdown"), MemoryError(), RecursionError("too deep")],
    ids=["pool", "memory", "stack"],
)
def test_an_error_of_the_process_does_not_switch_the_store_off(way, error):
    class Store(MemoryStore):
        is_down = False

        def mget(self, keys):
            if self.is_down:
                raise error
            return super().mget(keys)

    store = Store()
    cache, model = EmbeddingCache(store), Model()
    ask(way, cache, ["a"], model)
    store.is_down = True
    for _ in range(5):
        assert bits(ask(way, cache, ["a"], Model())) == bits(model.rows(["a"]))
    store.is_down = False
    ask(way, cache, ["a"], Model(fail_at=0))
    stats = cache.stats()
    assert (stats.read_errors, stats.skipped) == (5, 0)


def test_a_pool_that_was_shut_down_costs_nothing(failing):
    """The loop may have lost its pool, for instance at the end of a program: a hit must not be paid for again."""
    cache = filled(failing)

    async def ask_without_pool():
        await asyncio.get_running_loop().shutdown_default_executor()
        return [await cache.aembed(TEXTS, Model(fail_at=0), namespace=NAMESPACE) for _ in range(5)]

    answers = asyncio.run(ask_without_pool())
    assert {bits(answer) for answer in answers} == {bits(small()(TEXTS))}
    assert cache.stats().read_errors == 0


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("failing", ["distant"], indirect=True)
def test_a_place_that_cannot_be_listed_is_asked_once_in_a_call(failing, way):
    """A request to a place that is down may take seconds to fail."""
    cache = filled(failing)
    cache.open(NAMESPACE).store._catalog._recency.expire()
    failing.is_down, before = True, failing.requests
    ask(way, cache, [*TEXTS, "new"], Model(), batch_size=None)
    assert cache.stats().read_errors == 1
    listed = failing.requests - before
    assert listed == 1
