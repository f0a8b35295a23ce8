"""Damage is a miss: never a wrong value, never an exception out of `embed`, and it is counted."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from forking import forked, may_fork, needs_fork

from embedonce import EmbeddingCache

TEXTS = ["one", "two", "three"]
NAMESPACE = "acme/e5@3"


def _vector(text: str) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(text.encode()).digest()[:12], "<u4").astype("<f4")


class Embedder:
    """Embeds into three dimensions, and counts the texts."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts):
        self.texts += texts
        return np.array([_vector(text) for text in texts])


def blake(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@pytest.fixture(params=["digest keys", "text keys"])
def filled(request, tmp_path):
    """A directory with one segment of three vectors, and the options to open it."""
    root = tmp_path / "filled"
    options = {} if request.param == "digest keys" else {"key_encoder": blake}
    EmbeddingCache(root, **options).embed(TEXTS, Embedder(), namespace=NAMESPACE)
    return root, options


def _check(root, options, cache=None):
    """Ask a damaged cache for all texts; return (texts embedded anew, damage counted)."""
    embedder = Embedder()
    cache = cache or EmbeddingCache(root, mode="read_only", on_store_error="raise", **options)
    before = cache.stats().damaged
    answer = cache.embed(TEXTS, embedder, namespace=NAMESPACE)
    assert np.array_equal(answer, np.array([_vector(text) for text in TEXTS]))
    damaged = cache.stats().damaged - before
    # One text alone takes another way.
    alone = Embedder()
    for text in TEXTS:
        assert np.array_equal(cache.embed([text], alone, namespace=NAMESPACE)[0], _vector(text))
    assert sorted(alone.texts) == sorted(embedder.texts)
    return embedder.texts, damaged


def _damages(content: bytes, *, every: bool, json_end: int = 0):
    """Yield flipped bits, cuts and zeroed tails, with their names.

    Args:
        content: What is damaged.
        every: False for one bit of each byte, or of each fourth one in JSON, and for a few lengths.
        json_end: Where JSON ends.
    """
    for byte in range(len(content)):
        for bit in range(8) if every else [(byte ^ byte >> 3) % 8] if byte >= json_end or byte % 4 == 0 else []:
            changed = bytearray(content)
            changed[byte] ^= 1 << bit
            yield f"bit {bit} of byte {byte}", bytes(changed)
    for end in range(len(content)):
        if every or end % 16 < 2 or end > len(content) - 4:
            yield f"cut at {end}", content[:end]
            if any(content[end:]):
                yield f"zeroes from {end}", content[:end] + bytes(len(content) - end)


def _some(file, *, every: bool):
    """Yield the damages of a segment, but few of those in the padding of its header, which is like any other byte.

    Nothing reads what fills the gap between index and rows.
    """
    content = file.read_bytes()
    padding = range(content.index(b"  ") + 8, 4090)
    index_end = int(file.name.split("-")[4], 16)
    gap = range(index_end, -(-index_end // 64) * 64) if len(content) > index_end else ()
    for name, changed in _damages(content, every=every, json_end=4096):
        at = int(name.rpartition(" ")[2])
        if (at not in padding or at % 512 == 0) and not (name.startswith("bit") and at in gap):
            yield name, changed


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.soak)], ids=["some", "every"])
def every(request):
    """True to flip every bit and to cut at every length."""
    return request.param


def test_every_damage_of_a_segment_is_a_counted_miss(every, filled, segments_in):
    root, options = filled
    (file,) = segments_in(root)
    content = file.read_bytes()
    assert _check(root, options) == ([], 0)
    for name, changed in _some(file, every=every):
        file.write_bytes(changed)
        embedded, damaged = _check(root, options)
        assert embedded, name
        assert damaged, name
    file.write_bytes(content)
    assert _check(root, options) == ([], 0)


def test_every_damage_of_values_of_differing_length_is_a_miss(every, tmp_path, open_store, segments_in):
    pairs = {"a": b"1", "0" * 64: b"", "🦜": b"some more", "d": b"xyz", "e": b"ab", "f": b"abcd"}
    open_store(tmp_path).mset(list(pairs.items()))
    file = next(file for file in segments_in(tmp_path) if "-vark-" in file.name)
    for name, changed in _some(file, every=every):
        file.write_bytes(changed)
        store = open_store(tmp_path, read_only=True)
        found = store.mget(list(pairs))
        assert None in found, name
        assert all(value in (None, pairs[key]) for key, value in zip(pairs, found, strict=True)), name
        assert store.counts.damaged_rows + store.counts.damaged_segments, name
        assert set(store.yield_keys()) <= set(pairs), name


def test_every_damage_of_a_tombstone_leaves_other_values_right(every, tmp_path, open_store, segments_in):
    store = open_store(tmp_path)
    store.mset([("a", b"1"), ("b", b"2")])
    store.mdelete(["a"])
    file = segments_in(tmp_path)[-1]
    for name, changed in _some(file, every=every):
        file.write_bytes(changed)
        store = open_store(tmp_path, read_only=True)
        # With its tombstone the deletion is lost, but nothing is made up.
        assert store.mget(["a", "b"]) in ([b"1", b"2"], [None, b"2"]), name
        assert store.counts.damaged_segments, name


def test_every_damage_of_space_json_is_survived_counted_and_repaired(every, filled):
    root, options = filled
    (file,) = root.glob("*/space.json")
    content = file.read_bytes()
    for name, changed in _damages(content, every=every, json_end=len(content)):
        if changed == content[:-1]:
            continue  # only its final newline is missing
        file.write_bytes(changed)
        embedded, damaged = _check(root, options)
        # Segments say by themselves where they belong.
        assert (embedded, damaged > 0) == ([], True), name
    file.write_bytes(content[:-30])
    EmbeddingCache(root, **options).embed(["new"], Embedder(), namespace=NAMESPACE)
    assert file.read_bytes() == content
    assert _check(root, options) == ([], 0)


@pytest.fixture
def large(tmp_path):
    """An open cache over a mapped segment: rows of 12 bytes and enough of them."""
    root = tmp_path / "large"
    texts = [*TEXTS, *(f"text {i}" for i in range(2000))]
    EmbeddingCache(root, batch_size=None).embed(texts, Embedder(), namespace=NAMESPACE)
    cache = EmbeddingCache(root, mode="read_only", on_store_error="raise")
    assert _check(root, {}, cache) == ([], 0)
    return root, cache


def _positions(content: bytes, index_end: int, wanted: int):
    """Offsets of a mapped segment: all of the index records and rows that belong to the texts asked for."""
    keys = [hashlib.sha256(f"embedonce:1:document:{text}".encode()).digest() for text in TEXTS]
    for key in keys:
        record = content.index(key, 4096, index_end)
        yield from range(record, record + 48)
        row = int.from_bytes(content[record + 40 : record + 44], "little")
        start = -(-index_end // 64) * 64 + 12 * row
        yield from range(start, start + 12)
    yield from range(0, 4096, wanted)


def test_a_file_that_is_changed_under_a_map_is_never_believed(large, segments_in):
    root, cache = large
    (file,) = segments_in(root)
    content = file.read_bytes()
    index_end = int(file.name.split("-")[4], 16)
    for at in _positions(content, index_end, 97):
        for bit in (0, 3, 7):
            with open(file, "r+b") as opened:
                opened.seek(at)
                opened.write(bytes([content[at] ^ 1 << bit]))
            embedded, damaged = _check(root, {}, cache)
            is_row = at >= index_end
            assert bool(embedded) == bool(damaged) or not is_row
            assert embedded or not is_row
            with open(file, "r+b") as opened:
                opened.seek(at)
                opened.write(content[at : at + 1])
    assert _check(root, {}, cache)[0] == []
    for _name, start in (("rows", index_end), ("records", 4096), ("all", 0)):
        with open(file, "r+b") as opened:
            opened.seek(start)
            opened.write(bytes(len(content) - start))
        assert sorted(_check(root, {}, cache)[0]) == sorted(TEXTS)
    assert cache.stats().damaged > 0


MANY = [f"text {i}" for i in range(6000)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A directory with one large segment."""
    root = tmp_path_factory.mktemp("many") / "cache"
    EmbeddingCache(root, batch_size=None).embed(MANY, Embedder(), namespace=NAMESPACE)
    return root


@needs_fork
@may_fork
@pytest.mark.parametrize("size", [0, 100, 4096, 150_000, 360_000])
def test_a_large_file_that_is_cut_under_its_map_does_not_kill_the_process(many, tmp_path, segments_in, size):
    root = tmp_path / "cache"
    shutil.copytree(many, root)
    (file,) = segments_in(root)
    assert file.stat().st_size > 360_000

    def survive():
        cache, embedder = EmbeddingCache(root, on_store_error="raise"), Embedder()
        expected = np.array([_vector(text) for text in MANY])
        assert np.array_equal(cache.embed(MANY, None, namespace=NAMESPACE), expected)
        os.truncate(file, size)
        for some in (slice(1), slice(-1, None), slice(2000, 2100), slice(None)):
            assert np.array_equal(cache.embed(MANY[some], embedder, namespace=NAMESPACE), expected[some])
        assert sorted(embedder.texts) == sorted(MANY)
        assert cache.stats().damaged > 0
        assert len(list(cache.open(NAMESPACE).store.yield_keys())) == len(MANY)

    assert forked(survive) == 0


def test_what_a_damaged_merge_had_replaced_is_used_again(tmp_path, open_store, segments_in, eager_merging, monkeypatch):
    monkeypatch.setattr("embedonce.stores.places.local.LocalDirectory.grace", 3600.0)
    store = open_store(tmp_path)
    for i in range(4):
        store.mset([(f"k{i}", b"%d" % i)])
    (merged,) = [file for file in segments_in(tmp_path) if b"replaces" in file.read_bytes()[:4096]]
    merged.write_bytes(merged.read_bytes()[:-1])
    assert open_store(tmp_path).mget([f"k{i}" for i in range(4)]) == [b"0", b"1", b"2", b"3"]


def test_a_merge_takes_no_damaged_row_along_and_loses_no_other(tmp_path, open_store, segments_in, eager_merging):
    store = open_store(tmp_path)
    store.mset([("a", b"good")])
    store.mset([("b", b"flip")])
    file = next(file for file in segments_in(tmp_path) if file.read_bytes().endswith(b"flip"))
    file.write_bytes(file.read_bytes()[:-1] + b"q")
    store = open_store(tmp_path)
    for i in range(12):
        store.mset([(f"k{i}", b"more")])
    keys = ["a", "b", *(f"k{i}" for i in range(12))]
    for reader in (store, open_store(tmp_path)):
        assert reader.mget(keys) == [b"good", None, *[b"more"] * 12]


def test_a_damaged_newest_row_gives_way_to_an_older_one_of_the_same_key(tmp_path, open_store, segments_in):
    store = open_store(tmp_path)
    store.mset([("a", b"old")])
    store.mset([("a", b"new")])
    file = segments_in(tmp_path)[-1]
    file.write_bytes(file.read_bytes()[:-1] + b"q")
    store = open_store(tmp_path)
    assert store.mget(["a"]) == [b"old"]
    assert store.counts.damaged_rows == 1


def test_a_half_copied_segment_is_read_once_it_is_complete(every_place, open_store):
    source = open_store(every_place)
    source.mset([("a", b"1" * 100)])
    io = source._directory
    (name,) = [name for name in io.listing() if name.endswith(".safetensors")]
    (content,) = io.get_ranges([name], [0], [1 << 20])
    io.delete(name)
    reader = open_store(every_place)
    for part in (content[:10], content[:4200], content[:-1]):
        io.put(name, [part])
        reader._catalog._recency.expire()
        assert reader.mget(["a"]) == [None]
    io.put(name, [content])
    reader._catalog._recency.expire()
    assert reader.mget(["a"]) == [b"1" * 100]


def test_damage_is_warned_about_once_per_segment(tmp_path, open_store, segments_in, caplog, digest, vectors):
    open_store(tmp_path).put_rows([digest(i) for i in range(9)], vectors(9))
    (file,) = segments_in(tmp_path)
    file.write_bytes(file.read_bytes()[:-30] + bytes(30))
    store = open_store(tmp_path)
    for _ in range(3):
        assert store.get_rows([digest(i) for i in range(9)])[1].tolist() == [True] * 8 + [False]
    assert len([record for record in caplog.records if "damaged" in record.message]) == 1
    assert store.counts.damaged_rows == 3


@pytest.mark.parametrize("name", ["space.json", "segment"])
def test_a_directory_in_place_of_a_file_does_not_break_embedding(tmp_path, name, segments_in):
    """An odd directory below a cache is reported or left out, and vectors are returned anyway."""
    embedder = Embedder()
    EmbeddingCache(tmp_path).embed(TEXTS, embedder, namespace=NAMESPACE)
    (file,) = segments_in(tmp_path) if name == "segment" else list(tmp_path.glob("*/space.json"))
    kept = Path(f"{file}.kept")
    shutil.move(file, kept)
    os.mkdir(file)
    cache = EmbeddingCache(tmp_path)
    assert np.array_equal(
        cache.embed(TEXTS, embedder, namespace=NAMESPACE), np.array([_vector(text) for text in TEXTS])
    )
    stats = cache.stats()
    assert stats.damaged + stats.read_errors > 0
