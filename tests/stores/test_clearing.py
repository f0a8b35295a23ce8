"""The keys of one namespace are deleted from a byte store."""

from __future__ import annotations

import pytest

from embedonce import MemoryStore, StoreError
from embedonce.namespaces.foreign.byte_stores import clear_keys


def test_the_keys_of_one_namespace_are_deleted_from_a_byte_store():
    class Odd(MemoryStore):
        def yield_keys(self, *, prefix=None):
            assert prefix is None
            yield from super().yield_keys()

    store = Odd()
    store.mset([(f"ab-{i}", b"1") for i in range(2500)] + [("abc", b"2")])
    assert clear_keys(store, "ab-") == 2500
    assert list(store.yield_keys()) == ["abc"]
    with pytest.raises(ValueError, match="prefix"):
        clear_keys(store, "")


def test_a_byte_store_that_fails_while_it_is_cleared_is_an_outage():
    class Failing(MemoryStore):
        def mdelete(self, keys):
            raise RuntimeError("no")

    store = Failing()
    store.mset([("ab-1", b"1")])
    with pytest.raises(StoreError, match="clear Failing"):
        clear_keys(store, "ab-")
