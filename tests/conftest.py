"""Servers that stand for distant places, each started once; places and ways to ask; and pytest inside of tests."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path

import pytest

# Before Haystack is imported: tests send nothing anywhere.
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the servers.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "remote"))

from core_support import PLACES, WAYS, Place
from emulators import AzureServer, GcsServer
from servers import KINDS, S3Server, ServerProcess


@pytest.fixture(scope="session", autouse=True)
def _digests_of_models(tmp_path_factory):
    """Remembers digests of local models in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("digests")
        patch.setattr("embedonce.identification.settings.files._memory", lambda: folder)
        yield folder


@pytest.fixture(scope="session")
def _s3_server():
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def _gcs_server():
    with GcsServer() as server:
        yield server


@pytest.fixture
def _nothing_left_behind(monkeypatch):
    """Forgets what is not yet published when a test ends, instead of trying again beside later tests and at exit."""
    from embedonce.runtime import background as flusher

    own = flusher.Flusher()
    monkeypatch.setattr(flusher, "_flusher", own)
    yield
    own.end()
    if own._running.locked():
        own._inbox.put(own._due.clear)


@pytest.fixture
def _slow_answers_are_awaited(monkeypatch):
    """Lets drivers wait longer for the servers, which share the machine with other programs."""
    monkeypatch.setattr("embedonce.stores.drivers.drivers.READ_TIMEOUT", 120)
    monkeypatch.setattr("embedonce.stores.drivers.drivers.CONNECT_TIMEOUT", 60)


@pytest.fixture
def s3_server(_s3_server, _nothing_left_behind, _slow_answers_are_awaited):
    """The S3 server, which fails nothing and has recorded nothing yet."""
    _s3_server.fault, _s3_server.only = None, ""
    _s3_server.clear()
    yield _s3_server
    _s3_server.fault = None


@pytest.fixture
def gcs_server(_gcs_server, _nothing_left_behind, _slow_answers_are_awaited):
    """The GCS server, which has recorded nothing yet."""
    _gcs_server.only = ""
    _gcs_server.clear()
    return _gcs_server


@pytest.fixture(scope="session")
def azure_server():
    """The Azure server; only for tests marked `azure`."""
    with AzureServer() as server:
        yield server


@pytest.fixture(scope="session")
def s3_process():
    """An S3 server in a process of its own."""
    with ServerProcess() as server:
        yield server


class RemotePlace:
    """A new place on a server.

    Attributes:
        kind: One of `servers.KINDS`.
        url: For `EmbeddingCache` and `as_location`.
        storage_options: Their `storage_options`.
        server: What serves it.
    """

    def __init__(self, kind, server, cache_folder):
        self.kind = kind
        self.server = server
        self.bucket = server.make_bucket()
        self.url = server.url(self.bucket)
        self.storage_options = server.storage_options
        if kind == "simplecache::s3":
            self.url = f"simplecache::{self.url}"
            self.storage_options = {
                "s3": self.storage_options,
                "simplecache": {"cache_storage": str(cache_folder)},
            }
        if hasattr(server, "clear"):
            server.only = self.bucket
            server.clear()

    def location(self):
        """The place, as the store sees it."""
        from embedonce.stores.locations.location import as_location

        return as_location(self.url, self.storage_options)

    def store(self, namespace="acme/e5@3", **options):
        """A segment store there, opened anew by each call."""
        from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
        from embedonce.stores.segments.store import SegmentStore

        return SegmentStore(self.location(), NamespaceDirectory.of(namespace, None), **options)


_SERVERS = {"s3": "s3_server", "simplecache::s3": "s3_server", "gcs": "gcs_server", "azure": "azure_server"}


@pytest.fixture
def make_remote_place(request, tmp_path):
    """Kind to a new place on a server of that kind."""
    return lambda kind: RemotePlace(kind, request.getfixturevalue(_SERVERS[kind]), tmp_path / "copies")


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.azure if kind == "azure" else ()) for kind in KINDS])
def remote_place(request, make_remote_place):
    """A new place on every kind of server."""
    return make_remote_place(request.param)


@pytest.fixture
def s3_place(make_remote_place):
    """A new place on the S3 server."""
    return make_remote_place("s3")


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """Every kind of store, reopened by each `place.store()`."""
    return Place(request.param, tmp_path / "cache")


@pytest.fixture
def directory(tmp_path):
    """A directory, reopened by each `directory.store()`."""
    return Place("directory", tmp_path / "cache")


@pytest.fixture(params=WAYS)
def way(request):
    """Sync, async with a sync embedder, async with an async embedder."""
    return request.param


class Clock:
    """Seconds that each thread has waited: those that publish in the background have a time of their own."""

    def __init__(self):
        self._now = defaultdict(float)

    def __call__(self):
        return self._now[threading.get_ident()]

    def wait(self, seconds):
        self._now[threading.get_ident()] += seconds

    def reset(self):
        self._now.clear()


class Impatient:
    """What the driver of S3 knows as the module `asyncio`: its pauses after a fault take no time."""

    def __getattr__(self, name):
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds):
        await asyncio.sleep(0)


@pytest.fixture
def no_waiting(monkeypatch):
    """Pauses between attempts take no time, and are over as soon as they would have been."""
    from embedonce.stores.drivers import retrying as patience

    clock = Clock()
    monkeypatch.setattr(patience, "_clock", clock)
    monkeypatch.setattr(patience, "_sleep", clock.wait)
    monkeypatch.setattr("s3fs.core.asyncio", Impatient())
    return clock


class _Reports:
    """A plugin that counts what became of the tests of a run."""

    def __init__(self):
        self.outcomes = Counter()
        self.texts = []

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.outcomes["error" if report.failed and report.when != "call" else report.outcome] += 1
            self.texts.append(str(report.longrepr))


@pytest.fixture
def run_file(monkeypatch):
    """Run the tests of a file, or of one node in it, in a pytest of its own within this process.

    Returns a function from the file and the names of the node to how many tests passed, failed, were skipped and could
    not begin, and the reasons.
    """
    # The suites need no plugin of pytest.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run_file(file, *node):
        (file.parent / "pytest.ini").write_text("[pytest]\n")
        assert file.stem not in sys.modules, "pytest would take the module that has this name already"
        reports = _Reports()
        places = [f"--rootdir={file.parent}", f"--basetemp={file.parent / 'temporary'}", "--import-mode=importlib"]
        # Looking for unraisable errors collects garbage ten times, which takes seconds where frameworks are loaded.
        plugins = ["-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:unraisableexception"]
        code = pytest.main(["::".join([str(file), *node]), *places, *plugins, "-W", "error"], plugins=[reports])
        assert code in (0, 1), f"pytest ended with {code!r}"
        return dict(reports.outcomes), "\n".join(reports.texts)

    return run_file
