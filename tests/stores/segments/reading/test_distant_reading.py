"""Reading a distant place: few requests, and what arrives damaged is asked for once more before it is a miss."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from core_support import until
from covering import each_once
from hypothesis import given
from hypothesis import strategies as st

from embedonce import StoreError
from embedonce.stores.places import ranges
from embedonce.stores.segments.format.layout import SegmentRows, build_segment
from embedonce.stores.segments.format.names import SegmentName
from embedonce.vectors.envelope import Envelope

DIMENSIONS = 1536


def ranges_of(asked):
    """What was asked for of segments, by segment."""
    by_segment = {}
    for name, start, end in asked:
        if SegmentName.parse(name):
            by_segment.setdefault(name, []).append((start, end))
    return by_segment


@pytest.fixture
def written(distant, open_store, digest, vectors):
    """Write vectors, one segment per call; return them and their keys."""
    store = open_store(distant)

    def written(count, dimensions=8, first=0):
        keys, matrix = [digest(first + i) for i in range(count)], vectors(count, dimensions)
        store.put_rows(keys, matrix)
        store.flush()
        return keys, matrix

    return written


def found(store, keys, matrix):
    """True if a store has all of these vectors; False if it has none of them, never another one."""
    got, there = store.get_rows(keys)
    assert got is None or np.array_equal(got[there], matrix[there])
    assert there.all() or not there.any()
    return bool(there.all())


def found_now(store, keys, matrix):
    """The same, where what was out of order may still be left alone."""
    try:
        return found(store, keys, matrix)
    except StoreError:
        return False


def test_ten_thousand_vectors_are_one_listing_and_two_reads_per_segment(distant, open_store, asked, digest, vectors):
    keys, matrix = [digest(i) for i in range(10_000)], vectors(10_000, DIMENSIONS)
    writer = open_store(distant)
    writer.put_rows(keys, matrix)
    writer.flush()
    asked.clear()
    reader = open_store(distant, read_only=True)
    assert found(reader, keys, matrix)
    assert asked.listings == 1
    segments = ranges_of(asked)
    assert len(segments) == 2
    for name, spans in segments.items():
        index_end = SegmentName.parse(name).index_end
        assert len(spans) == 2
        assert spans[0] == (0, index_end)


def test_a_small_segment_is_read_once(written, distant, open_store, asked):
    keys, matrix = written(100)
    asked.clear()
    reader = open_store(distant, read_only=True)
    for _ in range(2):
        assert found(reader, keys, matrix)
        assert found(reader, keys[:1], matrix[:1])
    assert [len(spans) for spans in ranges_of(asked).values()] == [1]


def test_rows_near_each_other_share_a_request_and_distant_ones_do_not(written, distant, open_store, asked, monkeypatch):
    monkeypatch.setattr(ranges, "GAP", 4096)
    keys, matrix = written(5000, 64)
    reader = open_store(distant, read_only=True)
    asked.clear()
    # In any order: rows 0, 3 and 4 are near each other, 4000 is not.
    some = [4000, 4, 0, 3]
    got, there = reader.get_rows([keys[i] for i in some])
    assert there.all()
    assert np.array_equal(got, matrix[some])
    assert sorted(end - start for _, start, end in asked) == [256, 5 * 256]


def test_long_reads_are_cut_and_never_too_many_bytes_are_in_flight(written, distant, open_store, monkeypatch):
    monkeypatch.setattr(ranges, "LARGEST", 100_000)
    monkeypatch.setattr(ranges, "_IN_FLIGHT", 250_000)
    keys, matrix = written(5000, 64)
    reader = open_store(distant, read_only=True)
    calls = []
    get_ranges = type(reader._directory).get_ranges

    def recorded(io, names, starts, ends):
        calls.append([end - start for start, end in zip(starts, ends, strict=True)])
        return get_ranges(io, names, starts, ends)

    monkeypatch.setattr(type(reader._directory), "get_ranges", recorded)
    assert found(reader, keys, matrix)
    assert sum(map(sum, calls)) == matrix.nbytes
    assert max(map(max, calls)) <= 100_000
    assert max(map(sum, calls)) <= 250_000


@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 200_000)), min_size=1, max_size=40),
    st.sampled_from([0, 1000, 1 << 40]),
    st.sampled_from([1, 50_000, 1 << 40]),
)
def test_every_span_is_in_one_run_with_any_limits(gaps_and_sizes, gap, largest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "GAP", gap)
        patch.setattr(ranges, "LARGEST", largest)
        starts, ends, at = [], [], 0
        for distance, size in gaps_and_sizes:
            starts.append(at + distance)
            at = starts[-1] + size
            ends.append(at)
        runs = ranges.joined(np.array(starts), np.array(ends))
    assert [number for run in runs for number in range(*run)] == list(range(len(starts)))
    for first, last in runs:
        assert last - first == 1 or ends[last - 1] - starts[first] <= largest
        assert all(starts[i + 1] - ends[i] <= gap for i in range(first, last - 1))


# Damage. Segments of 100 rows are read whole; those of 5000 rows by index and range.


class Once:
    """Does something to the first answers of a range, or to all of them."""

    def __init__(self, change, is_meant, times):
        self.change, self.is_meant, self.left = change, is_meant, times

    def __call__(self, name, start, end, blob):
        if SegmentName.parse(name) and self.is_meant(SegmentName.parse(name), start, end) and self.left > 0:
            self.left -= 1
            return self.change(blob)
        return blob


def flipped(blob):
    return blob[:-3] + bytes([blob[-3] ^ 4]) + blob[-2:]


def cut(blob):
    return blob[: len(blob) // 2]


class ClientError(Exception):
    """What the driver of S3 meets, and hides in an `OSError`."""

    def __init__(self, code, status):
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


def of_s3(code, status):
    error = OSError(errno.EINVAL, code)
    error.__cause__ = ClientError(code, status)
    return error


def refused(_):
    return of_s3("InvalidRange", 416)


def is_index(name, start, end):
    return (start, end) == (0, name.index_end)


def is_rows(name, start, _):
    return start >= name.index_end


ONE = 1
ALWAYS = 1000


@each_once(change=[flipped, cut, refused], is_meant=[is_index, is_rows], count=[1, 2, 5000])
def test_damage_on_the_way_is_not_a_miss(change, is_meant, count, written, distant, open_store, asked):
    keys, matrix = written(5000)
    asked.answer = Once(change, is_meant, ONE)
    reader = open_store(distant, read_only=True)
    assert found(reader, keys[:count], matrix[:count])
    assert asked.answer.left == 0
    assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (0, 0)


@pytest.mark.parametrize("change", [flipped, cut, refused])
def test_damage_of_a_whole_small_segment_on_the_way_is_not_a_miss(change, written, distant, open_store, asked):
    keys, matrix = written(100)
    asked.answer = Once(change, lambda name, start, end: end == name.size, ONE)
    reader = open_store(distant, read_only=True)
    assert found(reader, keys, matrix)
    assert asked.answer.left == 0
    asked.clear()
    for _ in range(3):
        assert found(reader, keys, matrix)
    assert len(asked) <= 1
    assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (0, 0)


@pytest.mark.parametrize("change", [flipped, cut, refused])
def test_damage_on_the_way_is_not_a_miss_for_values_either(change, distant, open_store, asked):
    pairs = [(f"{i}", b"%d" % i * (i % 700)) for i in range(300)]
    open_store(distant).mset(pairs)
    for is_meant in (is_index, is_rows):
        reader = open_store(distant, read_only=True) if is_meant is is_rows else None
        asked.answer = Once(change, is_meant, ONE)
        reader = reader or open_store(distant, read_only=True)
        assert reader.mget([key for key, _ in pairs]) == [value for _, value in pairs]
        assert asked.answer.left == 0
        assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (0, 0)


@pytest.mark.parametrize("change", [flipped, cut, refused])
def test_damage_on_the_way_is_not_a_miss_when_a_segment_is_opened_again(change, written, distant, open_store, asked):
    keys, matrix = written(5000)
    reader = open_store(distant, read_only=True)
    reader.close()
    asked.answer = Once(change, is_index, ONE)
    assert found(reader, keys, matrix)
    assert asked.answer.left == 0
    assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (0, 0)


@pytest.mark.parametrize("change", [flipped, cut, refused])
@pytest.mark.parametrize("is_meant", [is_index, is_rows])
def test_what_a_damaged_merge_had_replaced_is_read_instead(change, is_meant, written, distant, open_store, asked):
    keys, matrix = written(5000)
    writer = open_store(distant)
    source = next(name for name in writer._catalog.listed if SegmentName.parse(name))
    rows = SegmentRows("f32", b"".join(keys), None, np.full(5000, 9, "<u8"), matrix, [source])
    name, parts = build_segment(rows, writer.namespace_directory.metadata())
    writer._directory.put(str(name), parts)
    asked.answer = lambda file, start, end, blob: (
        change(blob) if file == str(name) and is_meant(name, start, end) else blob
    )
    reader = open_store(distant, read_only=True)
    for _ in range(2):
        got, there = reader.get_rows(keys)
        assert np.array_equal(got[there], matrix[there])
        # Of a whole segment only if it is known to be damaged as a whole.
        assert there.all() or (is_meant is is_rows and change is flipped and there.sum() == 4999)
    assert reader.mget([keys[0].hex()]) != [None] or (is_meant is is_rows and change is flipped)


@pytest.mark.parametrize("count", [3, 5000])
def test_the_newest_row_is_the_answer(count, written, distant, open_store):
    written(count)
    keys, matrix = written(count, 9)
    reader = open_store(distant, read_only=True)
    some = range(0, count, 50)
    values = [Envelope.open(value).vector() for value in reader.mget([keys[i].hex() for i in some])]
    assert np.array_equal(values, matrix[some])
    got, there = reader.get_rows([keys[i] for i in some], 9)
    assert there.all()
    assert np.array_equal(got, matrix[some])


def test_only_what_failed_is_asked_for_again(written, distant, open_store, asked):
    keys, matrix = written(5000, 64)
    reader = open_store(distant, read_only=True)
    asked.clear()
    asked.answer = Once(flipped, is_rows, ONE)
    assert found(reader, keys, matrix)
    assert [end - start for _, start, end in asked] == [5000 * 256, 256]


@pytest.mark.parametrize("change", [flipped, cut, refused])
def test_rows_that_stay_damaged_are_counted_misses_and_others_are_found(change, written, distant, open_store, asked):
    keys, matrix = written(5000)
    others, more = written(5000, first=5000)
    reader = open_store(distant, read_only=True)
    bad = min(reader._catalog.listed, key=lambda name: name if SegmentName.parse(name) else "~")
    asked.answer = lambda name, start, end, blob: (
        change(blob) if name == bad and start >= SegmentName.parse(name).index_end else blob
    )
    got, there = reader.get_rows([*keys, *others])
    assert np.array_equal(got[there], np.concatenate([matrix, more])[there])
    assert there[5000:].all()
    if change is flipped:
        # One byte of each answer is wrong: all rows but the last.
        assert there[:4999].all()
        assert not there[4999]
        assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (1, 0)
    else:
        assert not there[:5000].any()
        assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (0, 1)
    asked.answer = lambda name, start, end, blob: blob
    assert reader.mget([keys[0].hex()]) != [None] or change is not flipped


@pytest.mark.parametrize("change", [flipped, cut, refused])
def test_a_segment_whose_index_stays_damaged_is_left_out(change, written, distant, open_store, asked):
    keys, matrix = written(5000)
    others, more = written(5000, first=5000)
    bad = min(name for name in open_store(distant)._catalog.listed if SegmentName.parse(name))
    asked.answer = lambda name, start, end, blob: (
        change(blob) if name == bad and is_index(SegmentName.parse(name), start, end) else blob
    )
    reader = open_store(distant, read_only=True)
    assert not found(reader, keys, matrix)
    assert found(reader, others, more)
    assert reader.counts.damaged_segments == 1


@pytest.mark.parametrize(
    "fault",
    [
        PermissionError(13, "no"),
        TimeoutError(),
        OSError(121, "remote"),
        ConnectionResetError(),
        RuntimeError(),
        of_s3("ExpiredToken", 400),
    ],
)
def test_an_outage_is_never_a_miss(fault, written, distant, open_store, asked):
    keys, matrix = written(5000)
    reader = open_store(distant, read_only=True)
    asked.answer = lambda name, start, end, blob: fault
    for some in (1, 5000):
        with pytest.raises(StoreError):
            reader.get_rows(keys[:some])
        with pytest.raises(StoreError):
            reader.mget([key.hex() for key in keys[:some]])
    asked.answer = lambda name, start, end, blob: blob
    until(lambda: found_now(reader, keys, matrix))
    assert (reader.counts.damaged_rows, reader.counts.damaged_segments) == (0, 0)


def test_an_outage_of_one_segment_keeps_what_the_others_had(written, distant, open_store, asked):
    keys, matrix = written(5000)
    others, more = written(5000, first=5000)
    reader = open_store(distant, read_only=True)
    bad = min(name for name in reader._catalog.listed if SegmentName.parse(name))
    asked.answer = lambda name, start, end, blob: TimeoutError() if name == bad else blob
    with pytest.raises(StoreError):
        reader.get_rows([*keys, *others])
    assert found(reader, others, more)
    asked.answer = lambda name, start, end, blob: blob
    until(lambda: found_now(reader, keys, matrix))


def test_values_without_bytes_need_no_request(distant, open_store, asked):
    pairs = [("empty", b""), ("other", b"x" * 100_000), ("last", b"")]
    writer = open_store(distant)
    writer.mset(pairs)
    writer.flush()
    reader = open_store(distant, read_only=True)
    asked.clear()
    assert reader.mget(["empty", "last"]) == [b"", b""]
    assert not ranges_of(asked)


# What this process has written itself


def test_what_was_just_published_is_not_read_back_to_look_it_up(distant, open_store, asked, digest, vectors):
    keys, matrix = [digest(i) for i in range(5000)], vectors(5000)
    store = open_store(distant)
    store.put_rows(keys, matrix)
    store.flush()
    asked.clear()
    assert found(store, keys, matrix)
    # Its rows by one range, its index not at all.
    (((start, _),),) = ranges_of(asked).values()
    assert start > 0


def test_a_pinned_segment_outlives_everything_but_its_end(written, distant, open_store, monkeypatch, digest, vectors):
    monkeypatch.setattr("embedonce.stores.segments.files.files._KEPT_IN_MEMORY", 2)
    store = open_store(distant)
    keys, matrix = [digest(-1)], vectors(1)
    store.put_rows(keys, matrix)
    assert store.backlog.pending == 1
    for i in range(5):
        written(20, first=100 * i)
    reader = open_store(distant)
    store._catalog.refresh(force=True)
    assert not found(reader, keys, matrix)
    assert found(store, [digest(i) for i in range(20)], vectors(20))
    store._catalog.files.close()
    store._catalog.files.forget(*store._catalog.pending)
    assert store.backlog.pending == 1
    assert found(store, keys, matrix)
    store.flush()
    assert found(store, keys, matrix)
