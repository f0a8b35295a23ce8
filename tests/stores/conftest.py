"""What the store tests share: places, stores on them, and keys."""

from __future__ import annotations

import hashlib
import itertools
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from servers import KINDS

from embedonce import MemoryStore
from embedonce.options import StoreOptions
from embedonce.stores.locations.location import RemoteLocation, as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.stores.segments.writing import merger as merging
from embedonce.stores.segments.writing import writer as writing
from embedonce.vectors.envelope import Envelope, Row

# With --import-mode=importlib the directory of a test is on no path.
sys.path.insert(0, str(Path(__file__).parent))

_NUMBER = itertools.count()

# No example takes too long: other programs may keep the machine busy.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _tests_do_not_meet(_nothing_left_behind):
    """What a test has not published it does not publish beside another one."""


def pytest_generate_tests(metafunc):
    """Run tests of `place` and `any_store` on every kind of place: on servers only under `soak`.

    Those of `every_place` and `every_store` do not need `soak`: together they use each operation on each server.
    """
    near = {
        "place": ["local", "fsspec"],
        "every_place": ["local", "fsspec"],
        "any_store": ["local", "fsspec", "memory"],
        "every_store": ["local", "fsspec", "memory"],
    }
    for name in (name for name in near if name in metafunc.fixturenames):
        marks = () if name.startswith("every") else pytest.mark.soak
        on_servers = [pytest.param(kind, marks=pytest.mark.azure if kind == "azure" else marks) for kind in KINDS]
        metafunc.parametrize(name, [*near[name], *on_servers], indirect=True)


@pytest.fixture
def place_of(request, tmp_path, monkeypatch):
    """Kind to a new place for segment stores: a directory, or a URL that needs no options."""
    roots = []

    def place_of(kind):
        if kind == "local":
            return str(tmp_path / "cache")
        if kind == "fsspec":
            roots.append(f"/segments-{next(_NUMBER)}")
            return f"memory:/{roots[-1]}"
        remote = request.getfixturevalue("make_remote_place")(kind)
        options = remote.storage_options if "::" in kind else {remote.server.scheme: remote.storage_options}
        for scheme, configured in options.items():
            monkeypatch.setitem(fsspec.config.conf, scheme, configured)
        return remote.url

    yield place_of
    fs = fsspec.filesystem("memory")
    for root in roots:
        if fs.exists(root):
            fs.rm(root, recursive=True)


@pytest.fixture
def place(request, place_of):
    """A place for segment stores of each kind; on servers under `soak`."""
    return place_of(request.param)


@pytest.fixture
def every_place(request, place_of):
    """A place for segment stores of each kind."""
    return place_of(request.param)


@pytest.fixture
def distant(monkeypatch):
    """A path on a file system in memory that is treated as one far away."""
    monkeypatch.setattr(RemoteLocation, "is_near", False)
    root = f"/distant-{next(_NUMBER)}"
    yield f"memory:/{root}"
    fs = fsspec.filesystem("memory")
    if fs.exists(root):
        fs.rm(root, recursive=True)


class Asked(list):
    """The ranges (name, start, end) that a distant place was asked for.

    Attributes:
        listings: How often it was listed.
        answer: What becomes of each answer: given name, start, end and bytes, returns bytes or an exception.
    """

    def __init__(self):
        super().__init__()
        self.listings = 0
        self.answer = lambda name, start, end, blob: blob

    @property
    def bytes(self):
        """How many bytes were asked for."""
        return sum(end - start for _, start, end in self)

    def clear(self):
        super().clear()
        self.listings = 0


@pytest.fixture
def asked(monkeypatch):
    """Records what is read of distant places, and falsifies it on demand."""
    asked, get_ranges, listing = Asked(), RemoteDirectory.get_ranges, RemoteDirectory.listing

    def recorded(io, names, starts, ends):
        asked.extend(zip(names, starts, ends, strict=True))
        blobs = get_ranges(io, names, starts, ends)
        return [asked.answer(*each) for each in zip(names, starts, ends, blobs, strict=True)]

    def counted(io):
        asked.listings += 1
        return listing(io)

    monkeypatch.setattr(RemoteDirectory, "get_ranges", recorded)
    monkeypatch.setattr(RemoteDirectory, "listing", counted)
    return asked


@pytest.fixture
def monotonic(monkeypatch):
    """The clock of refreshes and retries, set by hand."""
    now = [1000.0]
    monkeypatch.setattr("embedonce.stores.segments.catalog.catalog.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def open_store():
    """Open a segment store at a place."""

    def open_store(place, namespace="acme/e5@3", key_encoder=None, **options) -> SegmentStore:
        if str(place).startswith(("s3:", "gs:", "abfs:", "simplecache:")):
            # What the promises of all stores are about: what was written is there, and seen by others at once.
            options.setdefault("options", StoreOptions("write_through", refresh_interval=0))
        return SegmentStore(as_location(place), NamespaceDirectory.of(namespace, key_encoder), **options)

    return open_store


@pytest.fixture
def any_store(request, place_of, open_store):
    """A store of each kind; on servers under `soak`."""
    return MemoryStore() if request.param == "memory" else open_store(place_of(request.param))


@pytest.fixture
def every_store(request, place_of, open_store):
    """A store of each kind."""
    return MemoryStore() if request.param == "memory" else open_store(place_of(request.param))


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
def files_of():
    """Names of the segments that are there."""
    return lambda store: {file for file in store._directory.listing() if SegmentName.parse(file)}


@pytest.fixture
def no_grace(monkeypatch):
    """Delete what was replaced at the next opportunity."""
    monkeypatch.setattr(LocalDirectory, "grace", -1.0)
    monkeypatch.setattr(RemoteDirectory, "grace", -1.0)


@pytest.fixture
def nothing_late(monkeypatch):
    """Leaves publishing to the calls themselves."""
    monkeypatch.setattr(writing, "schedule", lambda late, seconds: None)


@pytest.fixture
def eager_merging(monkeypatch):
    """Merge a few files at once, and delete what was merged at the next write."""
    monkeypatch.setattr(merging, "_FAN_IN", 3)
    monkeypatch.setattr(merging, "_ADOPT", 6)
    monkeypatch.setattr("embedonce.stores.places.local.LocalDirectory.grace", -1.0)
    monkeypatch.setattr("embedonce.stores.places.remote.RemoteDirectory.grace", -1.0)


@pytest.fixture
def later(monkeypatch):
    """Let time pass for everybody."""
    now = [0.0]
    clock, ns, monotonic = time.time, time.time_ns, time.monotonic
    monkeypatch.setattr("time.time", lambda: clock() + now[0])
    monkeypatch.setattr("time.time_ns", lambda: ns() + int(now[0] * 1e9))
    monkeypatch.setattr("time.monotonic", lambda: monotonic() + now[0])

    def later(seconds):
        now[0] += seconds

    return later
