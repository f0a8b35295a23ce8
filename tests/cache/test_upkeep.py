"""Looking after what is stored: through the cache, on every kind of store."""

from __future__ import annotations

from datetime import timedelta

import fsspec
import pytest

from embedonce import EmbeddingCache, Identity, MemoryStore, StoreError
from embedonce.testing import FaultyStore

E5, ADA = "acme/e5@3", Identity.of("openai", "ada", symmetric=True)


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


def nobody(texts):
    raise AssertionError(texts)


@pytest.fixture(params=["local", "memory URL", "byte store"])
def cache(request, tmp_path):
    place = {"local": tmp_path / "cache", "memory URL": f"memory://{tmp_path}", "byte store": MemoryStore()}
    return EmbeddingCache(place[request.param])


@pytest.fixture(params=["local", "memory URL"])
def place(request, tmp_path):
    return {"local": str(tmp_path / "cache"), "memory URL": f"memory://{tmp_path}"}[request.param]


def misses(cache, texts, namespace=E5, role="document"):
    """Return the texts that are embedded when all of them are asked for, without storing them."""
    embedded = []
    mode, cache.mode = cache.mode, "read_only"
    cache.embed(texts, lambda some: embedded.extend(some) or embed(some), namespace=namespace, role=role)
    cache.mode = mode
    return embedded


def test_deleted_texts_are_embedded_again_and_nothing_else_is(cache):
    for role in ("document", "query"):
        cache.embed(["a", "b", "c"], embed, namespace=E5, role=role)
    cache.embed(["a"], embed, namespace=ADA)
    cache.delete(["a", "absent", "a"], namespace=E5, role="query")
    assert misses(cache, ["a", "b", "c"], role="query") == ["a"]
    assert misses(cache, ["a", "b", "c"]) == []
    cache.delete(["b"], namespace=E5)
    assert misses(cache, ["a", "b", "c"]) == ["b"]
    assert misses(cache, ["a", "b", "c"], role="query") == ["a", "b"]
    assert misses(cache, ["a"], ADA) == []
    cache.delete(iter(["a"]), namespace=ADA, role="query")
    assert misses(cache, ["a"], ADA) == ["a"]


def test_purged_texts_are_gone(cache):
    cache.embed(["a", "b"], embed, namespace=E5)
    cache.purge(["a"], namespace=E5)
    assert misses(cache, ["a", "b"]) == ["a"]


def test_clearing_takes_one_namespace(cache):
    cache.embed(["a", "b"], embed, namespace=E5)
    cache.embed(["a"], embed, namespace=ADA)
    cache.clear(E5)
    assert misses(cache, ["a", "b"]) == ["a", "b"]
    assert misses(cache, ["a"], ADA) == []
    cache.embed(["a"], embed, namespace=E5)
    assert misses(cache, ["a", "b"]) == ["b"]


def test_a_byte_store_cannot_be_evicted_from():
    cache = EmbeddingCache(MemoryStore())
    for action in (cache.compact, cache.usage, cache.verify, lambda: cache.evict(max_bytes=1)):
        with pytest.raises(StoreError, match="MemoryStore"):
            action()


def test_upkeep_spans_all_namespaces_open_or_not(place):
    other = EmbeddingCache(place)
    for namespace in (E5, "other/model"):
        other.embed([f"text {i}" for i in range(10)], embed, namespace=namespace)
    cache = EmbeddingCache(place)
    cache.embed(["one more"], embed, namespace=E5)
    usage = {each.namespace: each for each in cache.usage()}
    assert {name: each.rows_live for name, each in usage.items()} == {E5: 11, "other/model": 10}
    assert [each.namespace for each in cache.usage(E5)] == [E5]
    assert cache.usage("nobody's") == []
    assert [(each.rows, each.damaged_rows) for each in cache.verify()] == [(11, 0), (10, 0)]
    assert {each.namespace: each.segments_after for each in cache.compact()} == {E5: 1, "other/model": 1}


def test_eviction_says_what_it_would_do_and_then_does_it(place):
    cache = EmbeddingCache(place)
    cache.embed(["a", "b"], embed, namespace=E5)
    cache.embed(["a"], embed, namespace=ADA)
    planned = cache.evict(older_than=0, dry_run=True)
    assert {report.rows_after for report in planned} == {0}
    assert all(report.dry_run for report in planned)
    assert misses(cache, ["a", "b"]) == []
    assert [report.rows_after for report in cache.evict(older_than=timedelta(days=1))] == [2, 1]
    done = cache.evict(older_than=0)
    assert [(report.rows_before, report.rows_after) for report in done] == [
        (report.rows_before, report.rows_after) for report in planned
    ]
    assert misses(cache, ["a", "b"]) == ["a", "b"]


def test_eviction_by_size_takes_the_oldest_of_all_namespaces(place):
    cache = EmbeddingCache(place)
    cache.embed(["old"], embed, namespace=E5)
    cache.embed(["middle"], embed, namespace=ADA)
    cache.embed(["new"], embed, namespace=E5)
    size = sum(usage.bytes for usage in cache.usage())
    cache.evict(max_bytes=size - 1)
    assert misses(cache, ["old", "new"]) == ["old"]
    assert misses(cache, ["middle"], ADA) == []
    cache.evict(max_bytes=size // 2)
    assert misses(cache, ["old", "new"]) == ["old"]
    assert misses(cache, ["middle"], ADA) == ["middle"]


@pytest.mark.parametrize(
    "limits",
    [{}, {"max_bytes": -1}, {"max_bytes": 1.5}, {"older_than": -1}, {"older_than": "30d"}, {"max_bytes": True}],
)
def test_an_invalid_limit_is_refused(place, limits):
    cache = EmbeddingCache(place)
    cache.embed(["a"], embed, namespace=E5)
    with pytest.raises(ValueError, match=r"max_bytes|older_than"):
        cache.evict(**limits)
    assert misses(cache, ["a"]) == []


@pytest.mark.parametrize("mode", ["read_only", "replay"])
def test_a_cache_that_only_reads_changes_nothing(place, mode):
    EmbeddingCache(place).embed(["a"], embed, namespace=E5)
    cache = EmbeddingCache(place, mode=mode)
    for action in (
        cache.compact,
        lambda: cache.evict(older_than=0),
        lambda: cache.delete(["a"], namespace=E5),
        lambda: cache.purge(["a"], namespace=E5),
        lambda: cache.clear(E5),
    ):
        with pytest.raises(StoreError, match=r"read-only.*mode=\"read_write\"") as caught:
            action()
        assert str(cache.store) in str(caught.value)
        assert caught.value.fault == "read_only"
    assert cache.usage(E5)[0].rows_live == 1
    assert cache.evict(older_than=0, dry_run=True)[0].rows_after == 0
    assert cache.embed(["a"], nobody, namespace=E5).tolist() == [[1.0, 1.0]]


def test_what_is_not_a_list_of_texts_is_refused(cache):
    with pytest.raises(TypeError, match="list"):
        cache.delete("a", namespace=E5)
    with pytest.raises(ValueError, match="role"):
        cache.delete(["a"], namespace=E5, role="title")


def test_a_damaged_namespace_does_not_keep_the_others_from_being_tidied(tmp_path, caplog):
    cache = EmbeddingCache(tmp_path)
    for namespace in (E5, ADA):
        cache.embed(["a"], embed, namespace=namespace)
    (broken,) = tmp_path.glob("acme*/space.json")
    broken.write_text("{")
    fresh = EmbeddingCache(tmp_path)
    assert [usage.namespace for usage in fresh.usage()] == [ADA.namespace]
    assert str(broken.parent.name) in caplog.text


KINDS = {
    "local": lambda path: str(path / "cache"),
    "pair": lambda path: (fsspec.filesystem("memory"), f"/read-only{path}"),
    "memory": lambda _: MemoryStore(),
    "foreign": lambda _: FaultyStore(),
}


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("mode", ["read_only", "replay", "off"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_store_loses_anything_in_a_mode_that_only_reads(kind, mode, is_open, tmp_path):
    store = KINDS[kind](tmp_path)
    EmbeddingCache(store).embed(["a", "b"], embed, namespace=E5)
    cache = EmbeddingCache(store, mode="read_write" if is_open else mode)
    if is_open:
        cache.embed(["a"], nobody, namespace=E5)
        cache.mode = mode
    for action in (
        cache.compact,
        lambda: cache.evict(older_than=0),
        lambda: cache.evict(max_bytes=0, namespace=E5),
        lambda: cache.delete(["a"], namespace=E5),
        lambda: cache.delete(["a"], namespace="never written"),
        lambda: cache.purge(["a"], namespace=E5),
        lambda: cache.clear(E5),
    ):
        with pytest.raises(StoreError, match=r"opened read-only \(mode=.*open it with mode=\"read_write\"") as caught:
            action()
        assert caught.value.fault == "read_only"
        assert str(cache.store) in str(caught.value)
    assert EmbeddingCache(store, mode="replay").embed(["a", "b"], nobody, namespace=E5).tolist() == embed(["a", "b"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_that_was_opened_for_reading_deletes_nothing_either(kind, tmp_path):
    store = KINDS[kind](tmp_path)
    EmbeddingCache(store).embed(["a"], embed, namespace=E5)
    opened = EmbeddingCache(store, mode="read_only").open(E5)
    (key,) = opened.keys("document", ["a"])
    for action in (lambda: opened.delete([key]), lambda: opened.purge([key]), opened.clear):
        with pytest.raises(StoreError, match="read-only"):
            action()
    assert EmbeddingCache(store, mode="replay").embed(["a"], nobody, namespace=E5).tolist() == embed(["a"])


@pytest.mark.parametrize("before", ["read_only", "replay"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_whose_mode_is_changed_writes_and_deletes_from_then_on(kind, before, tmp_path):
    store = KINDS[kind](tmp_path)
    EmbeddingCache(store).embed(["a", "b"], embed, namespace=E5)
    cache = EmbeddingCache(store, mode=before)
    cache.embed(["a"], nobody, namespace=E5)
    cache.mode = "read_write"
    cache.embed(["a", "new"], embed, namespace=E5)
    cache.delete(["b"], namespace=E5)
    assert (cache.stats().stored, cache.stats().write_errors, cache.stats().hits) == (1, 0, 2)
    assert misses(EmbeddingCache(store), ["a", "b", "new"]) == ["b"]
