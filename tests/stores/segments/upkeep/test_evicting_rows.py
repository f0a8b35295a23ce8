"""Of large segments the oldest rows go, and no more of them than needed."""

from __future__ import annotations

import pytest

from embedonce import StoreError
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.segments import root
from embedonce.stores.segments.format.names import SegmentName

DAY = 24 * 3600


def _numbers(report):
    return (report.segments_after, report.rows_after, report.bytes_after, report.deleted, report.rewritten)


ROW_BYTES = 8000


@pytest.fixture
def compacted(open_store, digest, vectors, later, files_of, no_grace):
    """A store with one large segment of 300 rows of three days."""

    def compacted(place, namespace="acme/e5@3"):
        store = open_store(place, namespace)
        for day in range(3):
            store.put_rows([digest(i) for i in range(100 * day, 100 * day + 100)], vectors(100, ROW_BYTES // 4))
            later(DAY)
        store.compact()
        store.compact()
        (file,) = files_of(store)
        assert SegmentName.parse(file).size > 2 << 20
        return store

    return compacted


def _found(store, digest, count=300):
    return store.get_rows([digest(i) for i in range(count)])[1].tolist()


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_of_a_large_segment_the_oldest_rows_go_and_no_more_than_needed(
    place, open_store, digest, compacted, files_of, share
):
    store = compacted(place)
    limit = int(share * store.usage().bytes)
    before = files_of(store)
    dry = store.evict(max_bytes=limit, dry_run=True)
    assert files_of(store) == before
    report = store.evict(max_bytes=limit)
    assert _numbers(dry) == _numbers(report)
    assert limit - 2 * ROW_BYTES < report.bytes_after <= limit
    left = report.rows_after
    assert 0 < left < 300
    for look in (store, open_store(place)):
        # Rows of one stamp by their order in the segment.
        assert _found(look, digest) == [False] * (300 - left) + [True] * left
    assert store.usage().bytes == report.bytes_after
    again = store.evict(max_bytes=limit)
    assert (again.rewritten, again.rows_after) == (0, left)


@pytest.mark.parametrize("step", [0, 1])
def test_large_segments_of_values_with_text_keys_are_cut_too(tmp_path, open_store, no_grace, step):
    store = open_store(tmp_path)
    # Of one length or of many, of which three get a segment of their own; with keys of many lengths.
    keys = [f"{i:03}" + "x" * i for i in range(300)]
    store.mset([(key, bytes(7700 + step * i)) for i, key in enumerate(keys)])
    limit = store.usage().bytes // 2
    report = store.evict(max_bytes=limit)
    assert limit - 2 * 8000 - 4096 < report.bytes_after <= limit
    found = [value is not None for value in store.mget(keys[3:])]
    assert found == sorted(found)
    assert 100 < sum(found) < 200


def test_a_limit_below_one_row_empties_a_large_segment(tmp_path, compacted, files_of):
    store = compacted(tmp_path)
    dry = store.evict(max_bytes=ROW_BYTES // 2, dry_run=True)
    report = store.evict(max_bytes=ROW_BYTES // 2)
    assert _numbers(dry) == _numbers(report)
    assert (report.rows_after, report.bytes_after, files_of(store)) == (0, 0, set())


def test_age_and_size_together_cut_a_large_segment_once(tmp_path, digest, compacted):
    store = compacted(tmp_path)
    limit = store.usage().bytes // 6
    dry = store.evict(max_bytes=limit, older_than=2.5 * DAY, dry_run=True)
    report = store.evict(max_bytes=limit, older_than=2.5 * DAY)
    assert _numbers(dry) == _numbers(report)
    assert report.rewritten == 1
    assert limit - 2 * ROW_BYTES < report.bytes_after <= limit
    assert _found(store, digest) == [False] * (300 - report.rows_after) + [True] * report.rows_after


def test_dead_rows_do_not_take_room_from_others(tmp_path, open_store, digest, vectors, later, no_grace):
    store = open_store(tmp_path)
    store.put_rows([digest(i) for i in range(300)], vectors(300, ROW_BYTES // 4))
    later(DAY)
    store.put_rows([digest(i) for i in range(250, 300)], vectors(50, ROW_BYTES // 4))
    usage = store.usage()
    assert usage.rows_dead == 50
    report = store.evict(max_bytes=usage.bytes - 51 * ROW_BYTES)
    assert report.rows_after in (298, 299)
    assert _found(store, digest) == [False] * (300 - report.rows_after) + [True] * report.rows_after


def test_of_several_namespaces_the_one_that_crosses_the_limit_is_cut(place, digest, compacted):
    stores = [compacted(place, name) for name in "abc"]
    total = sum(store.usage().bytes for store in stores)
    limit = total // 2
    dry = root.evict(stores, max_bytes=limit, dry_run=True)
    done = root.evict(stores, max_bytes=limit)
    assert list(map(_numbers, dry)) == list(map(_numbers, done))
    rows = [report.rows_after for report in done]
    assert (rows[0], rows[2]) == (0, 300)
    assert 0 < rows[1] < 300
    assert limit - 2 * ROW_BYTES < sum(report.bytes_after for report in done) <= limit
    assert _found(stores[1], digest) == [False] * (300 - rows[1]) + [True] * rows[1]


def test_a_full_disk_does_not_keep_old_segments_from_being_deleted(
    tmp_path, digest, vectors, later, compacted, files_of, monkeypatch
):
    store = compacted(tmp_path)
    store.put_rows([digest(i) for i in range(300, 600)], vectors(300, ROW_BYTES // 4))
    new = max(files_of(store))
    limit = SegmentName.parse(new).size // 2

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalDirectory, "put", full)
        with pytest.raises(StoreError) as caught:
            store.evict(max_bytes=limit)
    assert caught.value.fault == "full"
    assert files_of(store) == {new}
    assert 0 < store.evict(max_bytes=limit).bytes_after <= limit
