"""Huge segments of a distant place: a few keys are found by interpolation, and the answers are those of the index."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pytest
from covering import each_once
from hypothesis import given, settings
from hypothesis import strategies as st

from embedonce.options import StoreOptions
from embedonce.runtime.locks import ForkLock
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.layout import SegmentRows, build_segment
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.lookup import sparse_index as partial
from embedonce.stores.segments.store import SegmentStore
from embedonce.vectors.rows import RowBuffer

SPACE = NamespaceDirectory.of("acme/e5@3")
_NUMBER = itertools.count()


def publish(place, keys, matrix, *, stamps=1, replaces=(), layout="f32"):
    """Put a segment of rows of given stamps to a place."""
    io = as_location(place).open(SPACE.name, create=True)
    rows = SegmentRows(layout, keys.tobytes(), None, np.broadcast_to(np.uint64(stamps), len(keys)), matrix, replaces)
    name, parts = build_segment(rows, SPACE.metadata())
    io.put("space.json", [SPACE.to_bytes()])
    io.put(str(name), parts)
    return name


def random_keys(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32), np.uint8)


def numbered(count, dimensions=8):
    """Vectors that say which row they are."""
    return np.repeat(np.arange(count, dtype="<f4"), dimensions).reshape(count, dimensions)


def digests(keys):
    return [key.tobytes() for key in keys]


@pytest.fixture
def small_windows(monkeypatch):
    """Treat every segment of more than some KiB as huge."""
    monkeypatch.setattr(partial, "HUGE", 8192)
    monkeypatch.setattr("embedonce.stores.segments.files.opening.SMALL", 0)


@pytest.fixture(scope="module")
def million():
    """A place with one segment of a million rows, its keys and its vectors."""
    place = "memory://a-million"
    keys, matrix = random_keys(1_000_000), numbered(1_000_000)
    publish(place, keys, matrix)
    yield place, keys, matrix
    fsspec.filesystem("memory").rm("/a-million", recursive=True)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_cold_lookup_among_a_million_rows_reads_less_than_a_megabyte(read_only, million, open_store, asked):
    place, keys, matrix = million
    for row in (0, 123_456, 999_999):
        asked.clear()
        store = open_store(place, read_only=read_only)
        got, there = store.get_rows(digests(keys[[row]]))
        assert there.all()
        assert np.array_equal(got, matrix[[row]])
        assert asked.bytes < 200_000
        assert len(asked) <= 5
        assert store.counts.damaged_rows == 0


def test_absent_keys_among_a_million_rows_are_known_to_be_absent_from_a_window(million, open_store, asked):
    store = open_store(million[0], read_only=True)
    absent = digests(random_keys(10, 1))
    asked.clear()
    assert not store.get_rows(absent)[1].any()
    assert asked.bytes < 10 * 200_000
    asked.clear()
    assert not store.get_rows(absent)[1].any()
    assert len(asked) == 0


def test_what_is_known_of_a_huge_segment_is_not_asked_for_again(million, open_store, asked):
    place, keys, _ = million
    store = open_store(place, read_only=True)
    some = digests(keys[:10])
    assert store.get_rows(some)[1].all()
    asked.clear()
    assert store.get_rows(some)[1].all()
    # The rows alone.
    assert asked.bytes <= 10 * 32
    assert len(store._catalog.view.key_index.prefixes) == 10


@pytest.mark.usefixtures("small_windows")
def test_the_ends_of_a_window_are_known_too(distant, open_store, asked):
    keys = np.unique(random_keys(3000), axis=0)
    publish(distant, keys, numbered(3000))
    store = open_store(distant, read_only=True)
    asked.clear()
    assert store.get_rows(digests(keys[[1500]]))[1].all()
    first, last = sorted((start - 4096) // 48 for span in asked[:1] for start in span[1:])
    asked.clear()
    assert store.get_rows(digests(keys[[first, last - 1]]))[1].all()
    # The rows alone.
    assert all(start >= SegmentName.parse(name).index_end for name, start, _ in asked)


def test_a_large_batch_loads_the_whole_index_once(million, open_store, asked):
    place, keys, matrix = million
    store = open_store(place, read_only=True)
    # Known by a window before.
    assert store.get_rows(digests(keys[:3]))[1].all()
    asked.clear()
    got, there = store.get_rows(digests(keys[:5000]))
    assert there.all()
    assert np.array_equal(got, matrix[:5000])
    assert len(asked) == 2
    asked.clear()
    assert len(store._catalog.view.key_index.prefixes) == len(keys)
    assert store.get_rows(digests(keys[-20:]))[1].all()
    assert not any(start == 0 for _, start, _ in asked)
    assert store.get_rows(digests(random_keys(1, 1)))[1].sum() == 0


def test_a_huge_segment_whose_index_was_loaded_is_mirrored(million, open_store, distant, asked, tmp_path):
    _, keys, matrix = million
    publish(distant, keys[:300_000], matrix[:300_000])

    def look(rows):
        store = open_store(distant, read_only=True, options=StoreOptions(local_tier=tmp_path))
        got, there = store.get_rows(digests(keys[rows]))
        assert there.all()
        assert np.array_equal(got, matrix[rows])

    look(slice(0, 5))
    look(slice(0, 100))
    asked.clear()
    look(slice(0, 100))
    look(slice(0, 5))
    assert asked == []


KEYS = {
    "random": random_keys,
    "in one half": lambda count: random_keys(count) | np.array([128] + [0] * 31, np.uint8),
    "counters": lambda count: np.frombuffer(b"".join(i.to_bytes(32, "big") for i in range(count)), np.uint8).reshape(
        count, 32
    ),
    "at both ends": lambda count: np.where(
        np.arange(count)[:, None] % 2 == 0, random_keys(count) // 128, 255 - random_keys(count) // 128
    ).astype(np.uint8),
}


@pytest.mark.usefixtures("small_windows")
@each_once(kind=list(KEYS), batch=[1, 7, 16, 17])
def test_keys_are_found_wherever_they_lie(kind, batch, distant, open_store):
    keys, matrix = np.unique(KEYS[kind](3000), axis=0), numbered(3000)
    matrix = matrix[: len(keys)]
    publish(distant, keys, matrix)
    store = open_store(distant, read_only=True)
    known = set(digests(keys))
    random = np.random.default_rng(1)
    for _ in range(20):
        rows = random.choice(len(keys), batch, replace=False)
        # Some of them absent: neighbours of those that are there.
        asked_for = keys[rows].copy()
        asked_for[::3, 31] ^= 1
        wanted = digests(asked_for)
        got, there = store.get_rows(wanted)
        assert there.tolist() == [key in known for key in wanted]
        if there.any():
            expected = dict(zip(digests(keys), matrix, strict=True))
            assert all(np.array_equal(got[i], expected[wanted[i]]) for i in np.flatnonzero(there))
        values = store.mget([key.hex() for key in wanted])
        assert [value is not None for value in values] == there.tolist()
    assert (store.counts.damaged_rows, store.counts.damaged_segments) == (0, 0)


_KEYS = random_keys(1200, 7)


@settings(max_examples=25)
@given(st.data())
def test_partial_answers_are_the_full_answers(data):
    """Huge and other segments, rows of any stamps, tombstones; the same questions to an index in part and in full."""
    place = f"memory://partial-{next(_NUMBER)}"
    numbers = itertools.count()
    for _ in range(data.draw(st.integers(1, 4), "segments")):
        size = data.draw(st.sampled_from([3, 200, 900]), "rows")
        start = data.draw(st.integers(0, len(_KEYS) - size), "first")
        keys = _KEYS[start : start + size]
        stamps = data.draw(st.integers(1, 9), "stamp") + np.arange(size) % data.draw(st.integers(1, 3), "stamps")
        kind = data.draw(st.sampled_from(["f32", "f32", "raw", "del"]), "kind")
        matrix = None
        if kind != "del":
            matrix = numbered(size) + 10_000 * next(numbers)
            if kind == "raw":
                matrix = matrix.view(np.uint8)
        publish(place, keys, matrix, stamps=stamps, layout=kind)
    picked = st.lists(st.integers(0, len(_KEYS) - 1), min_size=1, max_size=12, unique=True)
    questions = data.draw(st.lists(picked, min_size=1, max_size=6), "questions")

    def answers():
        store = SegmentStore(as_location(place), SPACE, read_only=True)
        is_partial = bool(store._catalog.files.sparse_indexes)
        all_of_them = []
        for numbers in questions:
            wanted = digests(_KEYS[numbers])
            matrix, there = store.get_rows(wanted)
            all_of_them.append([matrix[i].tobytes() if ok else None for i, ok in enumerate(there)])
            all_of_them.append(store.mget([key.hex() for key in wanted]))
        all_of_them.append(sorted(store.yield_keys()))
        all_of_them.append(store.mget([key.hex() for key in digests(_KEYS)]))
        assert (store.counts.damaged_rows, store.counts.damaged_segments) == (0, 0)
        return is_partial, all_of_them

    full, expected = answers()
    assert not full
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial, "HUGE", 20_000)
        patch.setattr("embedonce.stores.segments.files.opening.SMALL", 0)
        _, got = answers()
    assert got == expected


@pytest.mark.usefixtures("small_windows")
def test_a_newer_row_elsewhere_wins_without_a_look_into_the_huge_segment(distant, open_store, asked):
    keys, matrix = random_keys(3000), numbered(3000)
    publish(distant, keys, matrix, stamps=5)
    publish(distant, keys[:20], matrix[:20] + 0.5, stamps=9)
    publish(distant, keys[20:40], matrix[20:40] + 0.5, stamps=3)
    store = open_store(distant, read_only=True)
    asked.clear()
    assert np.array_equal(store.get_rows(digests(keys[:10]))[0], matrix[:10] + 0.5)
    assert all(SegmentName.parse(name).rows == 20 for name, *_ in asked)
    assert np.array_equal(store.get_rows(digests(keys[20:30]))[0], matrix[20:30])


@pytest.mark.usefixtures("small_windows")
def test_writing_deleting_and_listing_go_on_beside_a_huge_segment(distant, open_store):
    keys, matrix = random_keys(3000), numbered(3000)
    publish(distant, keys, matrix)
    store = open_store(distant)
    assert store.get_rows(digests(keys[:2]))[1].all()
    store.mdelete([key.tobytes().hex() for key in keys[1:3]])
    new = digests(random_keys(1, 3))
    store.put_rows(new, matrix[:1] + 0.5)
    store.flush()
    for each in (store, open_store(distant)):
        assert each.get_rows(digests(keys[:4]))[1].tolist() == [True, False, False, True]
        assert each.get_rows(new)[0][0, 0] == 0.5
        listed = list(each.yield_keys())
        assert len(listed) == 2999
        assert set(listed) == {key.hex() for key in [*digests(keys[:1]), *digests(keys[3:]), *new]}


@pytest.mark.usefixtures("small_windows")
def test_a_huge_segment_that_is_closed_forgotten_or_replaced_is_still_right(distant, open_store):
    keys, matrix = random_keys(3000), numbered(3000)
    name = publish(distant, keys, matrix)
    store = open_store(distant, read_only=True, namespace="acme/e5@3")
    assert store.get_rows(digests(keys[:2]))[1].all()
    store.close()
    assert np.array_equal(store.get_rows(digests(keys[1:3]))[0], matrix[1:3])
    # Merged with another one, by another process.
    more = random_keys(100, 5)
    publish(distant, np.concatenate([keys, more]), np.concatenate([matrix, matrix[:100]]), replaces=[str(name)])
    as_location(distant).open(SPACE.name, create=False).delete(str(name))
    assert np.array_equal(store.get_rows(digests(keys[3:5]))[0], matrix[3:5])
    assert np.array_equal(store.get_rows(digests(more[:5]))[0], matrix[:5])
    assert store._catalog.files.sparse_indexes
    assert len(list(store.yield_keys())) == 3100


@pytest.mark.usefixtures("small_windows")
def test_a_huge_segment_that_disappears_during_a_lookup_is_not_a_miss(distant, open_store, asked):
    keys, matrix = random_keys(3000), numbered(3000)
    name = str(publish(distant, keys, matrix))
    store = open_store(distant, read_only=True)
    io = as_location(distant).open(SPACE.name, create=False)
    publish(distant, keys, matrix, replaces=[name])
    io.delete(name)
    looked, is_asking = [], threading.Event()

    class TellingLock(ForkLock):
        def __enter__(self):
            if looked:
                is_asking.set()
            super().__enter__()

    store._catalog._attempt.lock = TellingLock()

    def look_too(file, start, end, blob):
        # Another thread asks in the middle of the refresh.
        if file != name and not looked:
            looked.append(None)
            looked[0] = pool.submit(store.get_rows, digests(keys[5:8]))
            assert is_asking.wait(60)
        return blob

    asked.answer = look_too
    with ThreadPoolExecutor() as pool:
        assert np.array_equal(store.get_rows(digests(keys[:3]))[0], matrix[:3])
        got, there = looked[0].result()
    assert there.all()
    assert np.array_equal(got, matrix[5:8])


@pytest.mark.usefixtures("small_windows")
def test_a_huge_segment_comes_back_when_what_replaced_it_is_damaged(distant, open_store, asked):
    keys, matrix = random_keys(3000), numbered(3000)
    source = publish(distant, keys, matrix)
    store = open_store(distant, read_only=True)
    assert store.get_rows(digests(keys[:2]))[1].all()
    merged = publish(distant, keys, matrix, replaces=[str(source)])
    store._catalog.refresh(force=True)
    assert store.get_rows(digests(keys[2:4]))[1].all()
    asked.answer = lambda name, start, end, blob: blob[:-1] if name == str(merged) else blob
    for rows in (slice(4, 6), slice(100, 200)):
        got, there = store.get_rows(digests(keys[rows]))
        assert there.all()
        assert np.array_equal(got, matrix[rows])
    assert store.counts.damaged_segments == 1


def swapped(window):
    return window[-48:] + window[48:-48] + window[:48]


def of_the_future(window):
    return window[:38] + b"\1" + window[39:]


def of_no_row(window):
    return window[:42] + b"\1" + window[43:]


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("wrong", [swapped, of_the_future, of_no_row])
def test_a_window_that_cannot_be_right_is_replaced_by_the_checked_index(wrong, distant, open_store, asked):
    keys, matrix = random_keys(3000), numbered(3000)
    publish(distant, keys, matrix)
    store = open_store(distant, read_only=True)
    asked.answer = lambda name, start, end, blob: (
        wrong(blob) if start >= 4096 and end <= SegmentName.parse(name).index_end else blob
    )
    got, there = store.get_rows(digests(keys[:3]))
    assert there.all()
    assert np.array_equal(got, matrix[:3])
    assert not store._catalog.files.sparse_indexes


@pytest.mark.usefixtures("small_windows")
def test_every_flipped_byte_of_a_window_gives_the_right_vector_or_none(distant, open_store, asked):
    keys, matrix = random_keys(300), numbered(300)
    publish(distant, keys, matrix)
    for at in range(0, 48 * 60, 7):

        def flipped(name, start, end, blob, at=at):
            if start < 4096 or end > SegmentName.parse(name).index_end or at >= len(blob):
                return blob
            return blob[:at] + bytes([blob[at] ^ 16]) + blob[at + 1 :]

        asked.answer = flipped
        store = open_store(distant, read_only=True)
        for batch in (1, 9):
            got, there = store.get_rows(digests(keys[:batch]))
            assert got is None or np.array_equal(got[there], matrix[:batch][there])


@pytest.mark.usefixtures("small_windows")
def test_a_damaged_header_of_a_huge_segment_is_read_once_more(distant, open_store, asked):
    keys, matrix = random_keys(3000), numbered(3000)
    publish(distant, keys, matrix)
    left = [1]

    def cut(name, start, end, blob):
        if SegmentName.parse(name) and start == 0 and left[0]:
            left[0] = 0
            return blob[:100]
        return blob

    asked.answer = cut
    store = open_store(distant, read_only=True)
    assert not left[0]
    assert np.array_equal(store.get_rows(digests(keys[:3]))[0], matrix[:3])
    assert store.counts.damaged_segments == 0


@pytest.mark.usefixtures("small_windows")
def test_threads_share_what_they_find_in_a_huge_segment(distant, open_store):
    keys, matrix = random_keys(3000), numbered(3000)
    publish(distant, keys, matrix)
    store = open_store(distant, read_only=True)
    wrong = []

    def look(first):
        for start in range(first, 3000, 160):
            size = 40 if start % 3 == 0 and start > 1500 else 4
            got, there = store.get_rows(digests(keys[start : start + size]))
            if not there.all() or not np.array_equal(got, matrix[start : start + size]):
                wrong.append(start)

    threads = [threading.Thread(target=look, args=(first,)) for first in (0, 1, 40, 80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def at_hand(store, keys):
    """Return the first numbers of the rows that are found without a request, None where one would be needed."""
    into = RowBuffer(len(keys), None)
    assert store.get_rows_into(digests(keys), into, at_hand=True) is False
    return [float(into.matrix[i, 0]) if into.found[i] else None for i in range(len(keys))]


@pytest.mark.usefixtures("small_windows")
def test_no_old_row_is_at_hand_where_a_huge_segment_may_have_a_newer_one(distant, open_store, tmp_path, asked):
    keys, options = random_keys(2000), StoreOptions(local_tier=str(tmp_path))
    twice, other = keys[:6], random_keys(6, seed=1)
    publish(distant, np.concatenate([twice, other]), -numbered(12) - 1)
    assert open_store(distant, options=options).get_rows(digests(np.concatenate([twice, other])))[1].all()
    publish(distant, keys, numbered(2000), stamps=2)
    store = open_store(distant, options=options)
    before = len(asked)
    assert at_hand(store, twice) == [None] * 6
    assert len(asked) == before
    # The index of the huge segment tells now that these are not in it.
    assert store.get_rows(digests(other))[1].all()
    assert at_hand(store, other) == [-7, -8, -9, -10, -11, -12]
    assert store.get_rows(digests(twice[:3]))[0][:, 0].tolist() == [0, 1, 2]
    before = len(asked)
    # Nothing is mirrored of a segment whose index is not loaded.
    assert at_hand(store, twice) == [None] * 6
    assert at_hand(store, np.concatenate([other[:1], twice[:1]])) == [-7, None]
    assert len(asked) == before
