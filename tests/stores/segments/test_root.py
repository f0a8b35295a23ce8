"""All namespaces of a store together: which there are, and what goes first."""

from __future__ import annotations

import pytest

from embedonce.stores.locations.location import as_location
from embedonce.stores.segments import root
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory

DAY = 24 * 3600


def _numbers(report):
    return (report.segments_after, report.rows_after, report.bytes_after, report.deleted, report.rewritten)


def test_of_all_namespaces_together_the_oldest_segments_go_first(place, open_store, digest, vectors, later, files_of):
    stores = [open_store(place, name) for name in "abc"]
    rows = vectors(12, 500)
    for i in range(12):
        stores[i % 3].put_rows([digest(i)], rows[i : i + 1])
        later(DAY)
    size = max(SegmentName.parse(file).size for file in files_of(stores[0]))
    dry = root.evict(stores, max_bytes=7 * size, dry_run=True)
    done = root.evict(stores, max_bytes=7 * size)
    assert list(map(_numbers, dry)) == list(map(_numbers, done))
    found = [bool(open_store(place, "abc"[i % 3]).get_rows([digest(i)])[1].all()) for i in range(12)]
    assert found == [False] * 5 + [True] * 7
    root.evict(stores, max_bytes=7 * size, older_than=5.5 * DAY)
    found = [bool(open_store(place, "abc"[i % 3]).get_rows([digest(i)])[1].all()) for i in range(12)]
    assert found == [False] * 7 + [True] * 5


def test_all_namespaces_of_a_store_are_found(every_place, open_store, digest, vectors):
    location = as_location(every_place)
    assert root.namespaces_at(location).stores == []
    encoder = {"name": "mine", "version": "1", "check": "abc"}
    open_store(every_place, "plain").put_rows([digest(0)], vectors(1))
    open_store(every_place, "encoded", encoder).put_rows([digest(1)], vectors(1))
    spaces = root.namespaces_at(location)
    assert {store.namespace_directory for store in spaces.stores} == {
        NamespaceDirectory.of("plain"),
        NamespaceDirectory.of("encoded", encoder),
    }
    assert [store.usage().rows_live for store in spaces.stores] == [1, 1]
    (store,) = root.namespaces_at(location, "encoded").stores
    assert store.namespace_directory.namespace == "encoded"
    assert root.namespaces_at(location, "absent").stores == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "embedonce/1"}'])
def test_a_namespace_whose_description_is_damaged_is_left_alone(place, open_store, digest, vectors, content):
    location = as_location(place)
    store = open_store(place, "torn")
    store.put_rows([digest(0)], vectors(1))
    open_store(place, "whole").put_rows([digest(0)], vectors(1))
    store._directory.put("space.json", [content])
    spaces = root.namespaces_at(location)
    assert [store.namespace_directory.namespace for store in spaces.stores] == ["whole"]
    assert list(spaces.unreadable) == [NamespaceDirectory.of("torn").name]
    assert open_store(place, "torn").get_rows([digest(0)])[1].all()


def test_a_description_in_the_wrong_directory_is_left_alone(tmp_path, open_store, digest, vectors):
    store = open_store(tmp_path, "right")
    store.put_rows([digest(0)], vectors(1))
    store._directory.put("space.json", [NamespaceDirectory.of("another").to_bytes()])
    spaces = root.namespaces_at(as_location(tmp_path))
    assert spaces.stores == []
    assert "another" in spaces.unreadable[NamespaceDirectory.of("right").name]
