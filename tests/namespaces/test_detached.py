"""While a store cannot be opened, vectors wait in memory: the newest of each text, the oldest are given up first."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from core_support import LIMIT, NAMESPACE, Model, bits, sync, until

from embedonce import EmbeddingCache, MemoryStore, StoreError
from embedonce.keys.specification import canonical
from embedonce.namespaces import detached
from embedonce.namespaces.detached import DetachedNamespace


class Mount:
    """A store that can be opened when it is mounted."""

    def __init__(self, cache, monkeypatch):
        self.is_mounted = False
        opened = type(cache.store).open

        def opening(*arguments, **options):
            if not self.is_mounted:
                raise StoreError("not mounted")
            return opened(*arguments, **options)

        monkeypatch.setattr(type(cache.store), "open", opening)


@pytest.fixture(params=["byte store", "path"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "byte store" else str(tmp_path / "cache")


@pytest.fixture
def cache(store, _nothing_left_behind):
    return EmbeddingCache(store)


@pytest.fixture
def mount(cache, monkeypatch):
    return Mount(cache, monkeypatch)


def test_the_newest_vector_of_a_text_is_the_one_that_is_found_and_stored(cache, mount, store):
    old, new = Model(salt="old"), Model(salt="new")
    sync(cache, ["a", "b"], old)
    cache.mode = "refresh"
    sync(cache, ["a"], new)
    cache.mode = "read_write"
    assert cache.stats().pending == 2
    right = bits(np.concatenate([new.rows(["a"]), old.rows(["b"])]))
    assert bits(sync(cache, ["a", "b"], Model(fail_at=0))) == right
    mount.is_mounted = True
    cache.flush()
    assert (cache.stats().pending, cache.stats().lost) == (0, 0)
    assert bits(sync(EmbeddingCache(store), ["a", "b"], Model(fail_at=0))) == right


def test_when_there_is_no_room_the_oldest_are_given_up_and_counted(cache, mount, store, monkeypatch):
    model = Model(width=8)
    monkeypatch.setattr(detached, "_MOST_BYTES", 4 * (8 * 4 + len(canonical("document", "text 0"))))
    for number in range(4):
        sync(cache, [f"text {number}"], model)
    # Written anew, the first one is the youngest.
    cache.mode = "refresh"
    sync(cache, ["text 0"], model)
    cache.mode = "read_write"
    assert (cache.stats().pending, cache.stats().lost) == (4, 0)
    sync(cache, ["text 4", "text 5"], model)
    assert (cache.stats().pending, cache.stats().lost) == (4, 2)
    mount.is_mounted = True
    cache.flush()
    assert (cache.stats().pending, cache.stats().lost) == (0, 2)
    kept, paid = [f"text {number}" for number in (0, 3, 4, 5)], Model(width=8)
    sync(EmbeddingCache(store, mode="read_only"), [f"text {number}" for number in range(6)], paid)
    assert paid.calls == [["text 1", "text 2"]]
    assert bits(sync(EmbeddingCache(store), kept, Model(fail_at=0))) == bits(model.rows(kept))


class Saving:
    """A namespace whose saving is held."""

    def __init__(self):
        self.saved, self.reached, self.gate = [], threading.Event(), threading.Event()

    def keys(self, role, texts):
        return list(texts)

    def save(self, role, keys, matrix):
        self.reached.set()
        assert self.gate.wait(LIMIT)
        self.saved.append({key: row.tolist() for key, row in zip(keys, matrix, strict=True)})

    def flush(self):
        pass


@pytest.fixture
def held(_nothing_left_behind):
    """A detached namespace, and the one that it hands its rows over to."""
    opened = Saving()
    identity = EmbeddingCache(MemoryStore()).kept_identity(NAMESPACE)
    encoder = EmbeddingCache(MemoryStore())._key_encoder
    yield DetachedNamespace("somewhere", identity, encoder, lambda: opened), opened
    opened.gate.set()


def row(*numbers):
    return np.array([numbers], np.float32)


def test_what_is_saved_while_rows_are_handed_over_neither_waits_for_that_nor_is_lost(held, monkeypatch):
    namespace, opened = held
    namespace.save("document", namespace.keys("document", ["a"]), row(1, 2))
    thread = threading.Thread(target=namespace.flush)
    thread.start()
    assert opened.reached.wait(LIMIT)
    # An event loop may do this.
    namespace.save("document", namespace.keys("document", ["a"]), row(3, 4))
    namespace.save("document", namespace.keys("document", ["b"]), row(5, 6))
    monkeypatch.setattr(detached, "_MOST_BYTES", 2 * (2 * 4 + len(canonical("document", "a"))))
    namespace.save("document", namespace.keys("document", ["c"]), row(7, 8))
    assert namespace.backlog.pending == 2
    opened.gate.set()
    thread.join(LIMIT)
    assert opened.saved[0] == {"a": [1, 2]}
    stored = {key: numbers for some in opened.saved for key, numbers in some.items()}
    assert stored["c"] == [7, 8]
    assert (namespace.backlog.pending, namespace.backlog.lost) == (0, 1)


def test_rows_are_handed_over_once_however_many_flush(held):
    namespace, opened = held
    namespace.save("document", namespace.keys("document", ["a", "b"]), np.eye(2, dtype=np.float32))
    threads = [threading.Thread(target=namespace.flush) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert opened.reached.wait(LIMIT)
    opened.gate.set()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert opened.saved == [{"a": [1, 0], "b": [0, 1]}]
    until(lambda: namespace.backlog.pending == 0)


@pytest.mark.parametrize("encoder", ["sha256", "blake2b", str.upper])
def test_what_waits_is_found_and_deleted_under_the_names_of_the_store(store, monkeypatch, encoder):
    cache, model = EmbeddingCache(store, key_encoder=encoder), Model()
    mount = Mount(cache, monkeypatch)
    for role in ("document", "query"):
        cache.embed(["a", "b"], model, namespace=NAMESPACE, role=role)
    waiting = cache.open(NAMESPACE)
    mount.is_mounted = True
    waiting.delete([*waiting.keys("document", ["a"]), *waiting.keys("query", ["b"])])
    found, paid = EmbeddingCache(store, key_encoder=encoder, mode="read_only"), Model()
    for role in ("document", "query"):
        found.embed(["a", "b"], paid, namespace=NAMESPACE, role=role)
    assert paid.calls == [["a"], ["b"]]
    waiting.clear()
    assert list(found.open(NAMESPACE).stored_keys()) == []


def test_what_is_opened_while_a_cache_is_closed_is_closed_too(cache, mount):
    sync(cache, ["a"], Model())
    mount.is_mounted = True
    cache.close()
    assert cache.opened() == []
    assert cache.stats().pending == 0
