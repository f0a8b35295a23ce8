"""What leaves the local tier, when it is full and when segments are gone, and what never does."""

from __future__ import annotations

import os
import time

import pytest

from embedonce.stores.segments.format.names import SegmentName


def test_segments_that_are_gone_leave_the_tier(written, open_tiered, directory, distant, open_store, check, files_in):
    keys, matrix = written()
    written(100, first=9000)
    store = open_tiered()
    check(store, keys, matrix)
    assert len(files_in(directory)) == 2
    io = open_store(distant)._directory
    for name in store._catalog.listed:
        if SegmentName.parse(name) and SegmentName.parse(name).rows == 5000:
            io.delete(name)
    store._catalog.refresh(force=True)
    assert [SegmentName.parse(file.name).rows for file in files_in(directory)] == [100]
    assert len(files_in(directory, ".have")) == 1


def test_segments_that_went_while_nobody_looked_leave_the_tier_at_opening(
    written, open_tiered, directory, distant, open_store, check, files_in
):
    keys, matrix = written()
    written(100, first=9000)
    check(open_tiered(), keys, matrix)
    (mirrored, _) = files_in(directory)
    folder, elsewhere = mirrored.parent, directory / "acme-e5-3-0123456789abcdef"
    elsewhere.mkdir()
    for path in (folder / "no segment", elsewhere / mirrored.name):
        path.write_bytes(b"somebody else's")
    open_store(distant).purge([keys[0].hex()])
    reader = open_tiered()
    assert {file.name for file in folder.glob("*.safetensors")} <= reader._catalog.listed.keys()
    assert not mirrored.exists()
    assert (folder / "no segment").exists()
    assert (elsewhere / mirrored.name).exists()
    check(reader, keys[1:], matrix[1:])


def _blocks(directory):
    return sum(512 * file.stat().st_blocks for file in directory.glob("*/*.safetensors*"))


@pytest.mark.skipif(os.name == "nt", reason="holes cannot be seen")
def test_what_was_used_longest_ago_goes_first_over_all_spaces(written, open_tiered, directory, check, files_in):
    spaces = [f"acme/{i}" for i in range(6)]
    batches = [written(5000, 16, namespace=namespace) for namespace in spaces]
    for namespace, batch in zip(spaces, batches, strict=True):
        check(open_tiered(namespace=namespace), *batch)
    size = _blocks(directory) // 6
    now = time.time()
    for file in directory.glob("*/*.safetensors*"):
        used = now - 1000 * int(file.parent.name.split("-")[1])
        os.utime(file, (used, used))
    # The last one is used again.
    check(open_tiered(namespace="acme/5"), *batches[5], range(10))
    limit = 4 * size
    open_tiered(limit)
    assert 0 < _blocks(directory) <= 0.9 * limit
    assert {file.parent.name.rpartition("-")[0] for file in files_in(directory)} == {"acme-0", "acme-1", "acme-5"}
    for namespace, batch in zip(spaces, batches, strict=True):
        check(open_tiered(limit, namespace), *batch)


@pytest.mark.skipif(os.name == "nt", reason="holes cannot be seen")
def test_a_process_that_reads_much_keeps_the_limit_too(written, open_tiered, directory, check):
    batches = [written(5000, 16, first=5000 * i) for i in range(8)]
    store, limit, largest = open_tiered(1_500_000), 1_500_000, 700_000
    for batch in batches:
        check(store, *batch)
        assert _blocks(directory) <= limit + limit // 8 + largest
    for batch in batches:
        check(store, *batch)


def test_other_files_in_the_tier_are_never_touched(written, open_tiered, directory, check, files_in):
    keys, matrix = written()
    check(open_tiered(), keys, matrix)
    space = files_in(directory)[0].parent
    strangers = [
        directory / "note.txt",
        directory / "other" / files_in(directory)[0].name,
        space / "mine.safetensors",
        space / "x.have",
        space / "space.json",
    ]
    for stranger in strangers:
        stranger.parent.mkdir(exist_ok=True)
        stranger.write_bytes(b"x" * 100_000)
    open_tiered(1)
    assert set(files_in(directory)) == {space / "mine.safetensors", strangers[1]}
    assert all(stranger.read_bytes() == b"x" * 100_000 for stranger in strangers)
    check(open_tiered(), keys, matrix)


def test_use_is_noted_at_most_once_a_minute(written, open_tiered, directory, monkeypatch, check, files_in):
    keys, matrix = written()
    store = open_tiered()
    check(store, keys, matrix)
    check(store, keys, matrix)
    (file,) = files_in(directory)
    now = [time.monotonic() + 1]
    monkeypatch.setattr("embedonce.stores.segments.files.tier.time.monotonic", lambda: now[0])
    os.utime(file, (1, 1))
    check(store, keys, matrix)
    assert file.stat().st_mtime == 1
    now[0] += 61
    check(store, keys, matrix)
    assert file.stat().st_mtime > 1


def test_many_segments_need_few_descriptors(written, open_tiered, monkeypatch, check):
    monkeypatch.setattr("embedonce.stores.places.remote.RemoteDirectory.descriptors", lambda io: 4)
    batches = [written(2500, first=2500 * i) for i in range(10)]
    store = open_tiered()
    for _ in range(2):
        for keys, matrix in batches:
            check(store, keys, matrix)
    held = [opened for opened in store._catalog.files._open.values() if opened.is_mapped]
    assert len(held) <= 4
