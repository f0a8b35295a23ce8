"""What the store tests share: places, stores on them, and keys."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import fsspec
import numpy as np
import pytest

from embedonce import MemoryStore
from embedonce.codecs import Envelope, Row
from embedonce.stores.locations import as_location
from embedonce.stores.segments import merging
from embedonce.stores.segments.space import Space
from embedonce.stores.segments.store import SegmentStore

_NUMBER = itertools.count()


def pytest_generate_tests(metafunc):
    if "any_store" in metafunc.fixturenames:
        metafunc.parametrize("any_store", ["local", "fsspec", "memory"], indirect=True)
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["local", "fsspec"], indirect=True)


@pytest.fixture
def place(request, tmp_path):
    """A place for segment stores: a directory, or a path on an fsspec file system."""
    if request.param == "local":
        yield str(tmp_path / "cache")
        return
    root = f"/segments-{next(_NUMBER)}"
    yield f"memory:/{root}"
    fs = fsspec.filesystem("memory")
    if fs.exists(root):
        fs.rm(root, recursive=True)


@pytest.fixture
def open_store():
    """Open a segment store at a place."""

    def open_store(place, namespace="acme/e5@3", key_encoder=None, **options) -> SegmentStore:
        return SegmentStore(as_location(place), Space.of(namespace, key_encoder), **options)

    return open_store


@pytest.fixture
def any_store(request, tmp_path, open_store):
    """A store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "local":
        yield open_store(tmp_path / "cache")
    else:
        root = f"/segments-{next(_NUMBER)}"
        yield open_store(f"memory:/{root}")
        fs = fsspec.filesystem("memory")
        if fs.exists(root):
            fs.rm(root, recursive=True)


@pytest.fixture
def digest():
    """Number to digest key."""
    return lambda number: hashlib.sha256(b"%d" % number).digest()


@pytest.fixture
def vectors():
    """Random vectors, the same every time."""

    def vectors(count, dimensions=8, dtype="<f4"):
        random = np.random.default_rng(count * 1000 + dimensions)
        if np.dtype(dtype).kind == "f":
            return random.standard_normal((count, dimensions)).astype(dtype)
        info = np.iinfo(dtype)
        return random.integers(info.min, info.max, (count, dimensions), dtype, endpoint=True)

    return vectors


@pytest.fixture
def sealed():
    """A vector as a value of a byte store."""
    return lambda vector: Envelope.seal(Row(vector.dtype, vector.tobytes()))


@pytest.fixture
def segments_in():
    """Paths of the segments below a local root."""
    return lambda root: sorted(Path(root).glob("*/*.safetensors"))


@pytest.fixture
def eager_merging(monkeypatch):
    """Merge a few files at once, and delete what was merged at the next write."""
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    monkeypatch.setattr(merging, "_ADOPT", 6)
    monkeypatch.setattr("embedonce.stores.segments.local.LocalIO.grace", -1.0)
    monkeypatch.setattr("embedonce.stores.segments.remote.FsspecIO.grace", -1.0)
