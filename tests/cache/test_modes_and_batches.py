"""Modes, sub-batches, and what is refused at construction."""

from __future__ import annotations

import re

import numpy as np
import pytest
from core_support import NAMESPACE, BoomError, DictStore, Model, Place, ask, bits, crossed, words

from embedonce import CacheMissError, EmbeddingCache, MemoryStore, StoreError
from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical
from embedonce.options import MODES


def test_read_only_reads_and_changes_nothing(place, way):
    model = Model()
    ask(way, place.cache(), ["a"], model)
    before = place.contents()
    cache = place.cache(mode="read_only")
    for _ in range(2):
        assert bits(ask(way, cache, ["a", "b"], model)) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a"], ["b"], ["b"]]
    assert place.contents() == before
    assert cache.stats().stored == 0


def test_read_only_of_a_new_place_leaves_it_empty(place, way):
    ask(way, place.cache(mode="read_only"), ["a"], Model())
    assert place.contents() == {}
    if place.kind == "directory":
        assert not place.path.exists() or list(place.path.iterdir()) == []


def test_refresh_embeds_all_and_overwrites(place, way):
    old, new = Model(salt="old"), Model(salt="new")
    reader = place.cache()
    ask(way, reader, ["a", "b"], old)
    refresher = place.cache(mode="refresh")
    assert bits(ask(way, refresher, ["a", "c", "a"], new)) == bits(new.rows(["a", "c", "a"]))
    assert new.calls == [["a", "c"]]
    # A reader that was there before looks for newer rows of its hits about once a second, and when it opens again.
    reader.close()
    for cache in (reader, place.cache()):
        answer = ask(way, cache, ["a", "b", "c"], old)
        assert bits(answer[:1]) == bits(new.rows(["a"])), "the newest wins"
        assert bits(answer[1:2]) == bits(old.rows(["b"]))
        assert bits(answer[2:]) == bits(new.rows(["c"]))
    assert old.calls == [["a", "b"]]


def test_refresh_that_fails_keeps_what_was_there(place, way):
    old = Model(salt="old")
    ask(way, place.cache(), ["a", "b"], old)
    with pytest.raises(BoomError):
        ask(way, place.cache(mode="refresh", batch_size=1), ["a", "b"], Model(salt="new", fail_at=1))
    answer = ask(way, place.cache(), ["a", "b"], Model(fail_at=0))
    assert bits(answer) == bits(np.concatenate([Model(salt="new").rows(["a"]), old.rows(["b"])]))


def test_replay_answers_hits_and_never_embeds(place, way):
    model = Model()
    ask(way, place.cache(), ["a", "b"], model)
    before = place.contents()
    cache = place.cache(mode="replay")
    assert bits(ask(way, cache, ["b", "a", "b"], Model(fail_at=0))) == bits(model.rows(["b", "a", "b"]))
    with pytest.raises(CacheMissError) as caught:
        ask(way, cache, ["a", "secret text", "other"], Model(fail_at=0))
    message = str(caught.value)
    assert sha256(canonical("document", "secret text"))[:16] in message
    assert "2 of 3 texts" in message
    assert NAMESPACE in message
    assert "read_write" in message
    assert "secret text" not in message, "texts are nobody's business"
    assert isinstance(caught.value, KeyError)
    assert place.contents() == before


def test_an_outage_in_replay_is_not_a_miss(way):
    class Down(DictStore):
        def mget(self, keys):
            raise TimeoutError("down")

    for on_store_error in ("warn", "raise"):
        cache = EmbeddingCache(Down(), mode="replay", on_store_error=on_store_error)
        for _ in range(5):
            with pytest.raises(StoreError, match="down"):
                ask(way, cache, ["a"], Model(fail_at=0))


def test_a_store_that_cannot_be_opened_in_replay_is_not_a_miss(way, directory, monkeypatch):
    cache = directory.cache(mode="replay")

    def broken(*args, **options):
        raise StoreError("unmounted")

    monkeypatch.setattr(type(cache.store), "open", broken)
    for _ in range(5):
        with pytest.raises(StoreError, match="unmounted"):
            ask(way, cache, ["a"], Model(fail_at=0))


def test_off_bypasses_the_cache(place, way):
    ask(way, place.cache(), ["a"], Model(salt="stored"))
    before = place.contents()
    model, cache = Model(), place.cache(mode="off", batch_size=1)
    assert bits(ask(way, cache, ["a", "b", "a"], model)) == bits(model.rows(["a", "b", "a"]))
    assert model.calls == [["a", "b", "a"]]
    assert place.contents() == before
    stats = cache.stats()
    assert (stats.texts, stats.embedded, stats.hits, stats.stored) == (3, 3, 0, 0)


# Sub-batches


def test_by_default_batches_start_small_and_grow_with_what_is_stored(way):
    store, model = MemoryStore(), Model()
    seen = []

    def embed(texts):
        seen.append((len(texts), len(list(store.yield_keys()))))
        return model(texts)

    texts = words(2500)
    assert bits(ask(way, EmbeddingCache(store), texts, embed)) == bits(model.rows(texts))
    sizes = [size for size, _ in seen]
    assert sizes[:2] == [16, 16]
    assert all(stored == sum(sizes[:i]) for i, (_, stored) in enumerate(seen)), "each batch is stored before the next"
    assert all(size <= max(16, stored // 8) for size, stored in seen)
    assert len(seen) < 50
    assert max(sizes) > 100


@crossed(
    "of_cache, of_call, sizes",
    [
        ("auto", "auto", [7]),
        (3, "auto", [3, 3, 1]),
        (np.int64(3), "auto", [3, 3, 1]),
        (None, "auto", [7]),
        (3, 5, [5, 2]),
        (3, None, [7]),
        ("auto", 1, [1] * 7),
        (2**70, "auto", [7]),
    ],
)
def test_batches_have_the_size_that_was_asked_for(place, way, of_cache, of_call, sizes):
    model = Model()
    texts = [text for text in words(7) for _ in range(2)]
    ask(way, place.cache(batch_size=of_cache), texts, model, batch_size=of_call)
    assert list(map(len, model.calls)) == sizes
    assert model.seen == words(7)


@crossed("batch_size", [0, -1, 2.5, 2.0, "3", True, False, [1], "all"], over=("way",))
def test_a_bad_batch_size_is_refused_at_once(way, batch_size):
    message = "batch_size must be a whole number of at least 1"
    with pytest.raises(ValueError, match=message):
        EmbeddingCache(MemoryStore(), batch_size=batch_size)
    cache = EmbeddingCache(MemoryStore())
    with pytest.raises(ValueError, match=message):
        cache.wrap(Model(), namespace=NAMESPACE, batch_size=batch_size)
    ask(way, cache, ["a"], Model())
    for texts in (["a"], [], ["b"]):
        model = Model()
        with pytest.raises(ValueError, match=message):
            ask(way, cache, texts, model, batch_size=batch_size)
        assert model.calls == []


def test_a_crash_keeps_what_was_finished(place, way):
    texts = words(10)
    with pytest.raises(BoomError):
        ask(way, place.cache(batch_size=3), texts, Model(fail_at=2))
    model = Model()
    assert bits(ask(way, place.cache(batch_size=3), texts, model)) == bits(model.rows(texts))
    assert model.calls == [texts[6:9], texts[9:]]


def test_misses_are_put_together_before_they_are_cut(place, way):
    """Ten misses of a hundred texts are one call, wherever they stand."""
    texts = words(100)
    ask(way, place.cache(), [text for i, text in enumerate(texts) if i % 10], Model())
    model = Model()
    ask(way, place.cache(batch_size=10), texts, model)
    assert model.calls == [texts[::10]]


# Refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "readonly"}, "mode must be one of 'read_write', 'read_only', 'refresh', 'replay', 'off'"),
        ({"mode": None}, "mode must be one of"),
        ({"mode": ["off"]}, "mode must be one of"),
        ({"codec": "pickle"}, "unknown codec 'pickle'; available: exact"),
        ({"codec": None}, "unknown codec None"),
        ({"on_store_error": "ignore"}, "on_store_error must be one of 'warn', 'raise'"),
        ({"on_store_error": None}, "on_store_error must be one of"),
    ],
)
def test_an_unknown_option_is_refused_at_construction(tmp_path, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        EmbeddingCache(tmp_path / "cache", **options)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("store", [7, 3.5, object(), b"\xff", {"a": 1}, MemoryStore, EmbeddingCache])
def test_what_is_not_a_store_is_refused_at_construction(store):
    with pytest.raises(StoreError):
        EmbeddingCache(store if not isinstance(store, bytes) else "")


def test_a_cache_is_not_a_store():
    with pytest.raises(StoreError):
        EmbeddingCache(EmbeddingCache(MemoryStore()))


def test_options_of_a_file_system_are_refused_where_there_is_none():
    """They would be ignored without a word."""
    with pytest.raises(StoreError, match="MemoryStore itself"):
        EmbeddingCache(MemoryStore(), storage_options={"anon": True})


@crossed(
    "texts, message",
    [
        ("one text", "texts must be a list of str, got one str; put it into a list"),
        (b"bytes", "texts must be a list of str, got one bytes"),
        (None, "texts must be a list of str, got NoneType"),
        (["a", None], r"texts\[1\] is NoneType"),
        ([b"a"], r"texts\[0\] is bytes"),
        (["a", ["b"]], r"texts\[1\] is list"),
        ([1], r"texts\[0\] is int"),
    ],
    over=("way",),
)
def test_what_is_not_a_list_of_texts_is_refused_before_anything_is_paid(way, texts, message):
    for mode in MODES:
        model = Model()
        with pytest.raises(TypeError, match=message):
            ask(way, EmbeddingCache(MemoryStore(), mode=mode), texts, model)
        assert model.calls == []


class Loud(str):
    """A str that overrides what could decide its key."""

    __slots__ = ()

    def __str__(self):
        return "loud"

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return True

    def encode(self, *args):
        return b"loud"


@crossed(
    "texts_of",
    [
        iter,
        tuple,
        lambda texts: (text for text in texts),
        lambda texts: dict(enumerate(texts)).values(),
        np.array,
        lambda texts: np.array(texts, object),
        lambda texts: list(map(Loud, texts)),
        lambda texts: [np.str_(texts[0]), texts[1], Loud(texts[2])],
    ],
    over=("way",),
    ids=["iterator", "tuple", "generator", "values", "array", "object array", "subclass", "mixed"],
)
def test_any_iterable_of_any_str_is_read_once(way, texts_of):
    model, cache = Model(), EmbeddingCache(MemoryStore())
    assert bits(ask(way, cache, texts_of(["a", "b", "a"]), model)) == bits(model.rows(["a", "b", "a"]))
    assert model.calls == [["a", "b"]]
    assert all(type(text) is str for text in model.seen), "embedders get plain str"
    assert bits(ask(way, cache, ["a"], Model(fail_at=0))) == bits(model.rows(["a"]))


def test_stats_say_what_was_done(tmp_path, way):
    cache = Place("directory", tmp_path / "cache").cache(batch_size=2)
    ask(way, cache, ["a", "b", "a", "c"], Model())
    ask(way, cache, ["a", "d", "d"], Model())
    ask(way, cache, [], Model())
    stats = cache.stats()
    assert (stats.calls, stats.texts, stats.duplicates) == (3, 7, 2)
    assert (stats.hits, stats.embedded, stats.stored, stats.joined) == (1, 4, 4, 0)
    stats.hits = 99
    assert cache.stats().hits == 1


def test_a_closed_cache_opens_again_and_remembers_what_it_counted(place, way):
    model = Model()
    with place.cache() as cache:
        ask(way, cache, ["a"], model)
        if place.kind != "directory":
            store = place.store()
            store.mset([(key, b"damaged") for key in place.contents()])
            ask(way, cache, ["a"], model)
    stats = cache.stats()
    assert stats.damaged == (place.kind != "directory")
    ask(way, cache, ["a"], Model(fail_at=0))
    assert cache.stats().hits == stats.hits + 1
    cache.flush()
    cache.close()
    cache.close()


@crossed("mode", ["read_write", "read_only", "refresh", "off"])
def test_an_embedder_may_use_up_the_list_it_is_given(place, way, mode):
    def embed(texts):
        rows = Model().rows(texts)
        texts.clear()
        return rows

    texts = ["a", "b", "a"]
    for _ in range(2):
        assert bits(ask(way, place.cache(mode=mode), texts, embed)) == bits(Model().rows(["a", "b", "a"]))
    assert texts == ["a", "b", "a"]
