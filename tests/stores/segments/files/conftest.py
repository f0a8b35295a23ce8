"""What the tests of the local tier share."""

from __future__ import annotations

import numpy as np
import pytest

from embedonce.options import StoreOptions


@pytest.fixture
def directory(tmp_path):
    """Where the tier is."""
    return tmp_path / "tier"


@pytest.fixture
def open_tiered(distant, open_store, directory):
    """Open a store at the distant place with a local tier."""

    def open_tiered(size=1 << 30, namespace="acme/e5@3", **options):
        options.setdefault("read_only", True)
        chosen = StoreOptions(local_tier=directory, local_tier_bytes=size)
        return open_store(distant, namespace, options=chosen, **options)

    return open_tiered


@pytest.fixture
def written(distant, open_store, digest, vectors):
    """Write vectors without a tier, one segment per call; return their keys and them."""

    def written(count=5000, dimensions=8, first=0, namespace="acme/e5@3"):
        keys, matrix = [digest(first + i) for i in range(count)], vectors(count, dimensions)
        store = open_store(distant, namespace)
        store.put_rows(keys, matrix)
        store.flush()
        return keys, matrix

    return written


@pytest.fixture
def files_in():
    """Paths of the files below a tier that end so."""
    return lambda directory, suffix=".safetensors": sorted(directory.glob(f"*/*{suffix}"))


@pytest.fixture
def check():
    """Compare what a store has with what was written, all at once and one by one."""

    def check(store, keys, matrix, rows=None):
        rows = range(len(keys)) if rows is None else rows
        got, there = store.get_rows([keys[i] for i in rows])
        assert there.all()
        assert np.array_equal(got, matrix[list(rows)])
        for i in list(rows)[:3]:
            assert np.array_equal(store.get_rows([keys[i]])[0], matrix[[i]])
        assert (store.counts.damaged_rows, store.counts.damaged_segments) == (0, 0)

    return check
