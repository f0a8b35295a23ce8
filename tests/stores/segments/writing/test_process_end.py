"""A process that ends, forks or is killed while a few vectors wait for a distant place."""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import servers
from covering import each_once
from forking import forked, may_fork, needs_fork

from embedonce import EmbeddingCache

NAMESPACE = "acme/e5@3"


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


BEGIN = """
import asyncio, atexit, json, os, sys, threading, time, types
from concurrent.futures import ThreadPoolExecutor
import embedonce.runtime.background as flusher
import embedonce.stores.places.remote as remote
from embedonce import EmbeddingCache

url, options = sys.argv[1], json.loads(sys.argv[2])
cache = EmbeddingCache(url, storage_options=options)
put = remote.RemoteDirectory.put

def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]

def ask(*texts, namespace="acme/e5@3"):
    cache.embed(list(texts), embed, namespace=namespace)

def when_main_has_ended(text):
    threading.main_thread().join()
    ask(text)
"""


class Distant:
    """A place that outlives processes, and is treated as one far away."""

    def __init__(self, url, storage_options):
        self.url, self.storage_options = url, storage_options

    def cache(self, **options):
        return EmbeddingCache(self.url, storage_options=self.storage_options, **options)

    def run(self, script):
        """Run a script in a new process."""
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", BEGIN + textwrap.dedent(script), self.url,
             json.dumps(self.storage_options)],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=240,
        )  # fmt: skip

    def hits(self, *texts, namespace=NAMESPACE):
        """How many of these texts are stored, with the right vectors."""
        cache = self.cache(mode="read_only")
        assert cache.embed(texts, embed, namespace=namespace).tolist() == embed(texts)
        return cache.stats().hits


@pytest.fixture
def make(tmp_path, request):
    """Kind to a new place."""

    def make(kind):
        if kind == "file":
            return Distant(f"dir::file://{tmp_path}/cache", {})
        place = request.getfixturevalue("s3_place")
        return Distant(place.url, place.storage_options)

    return make


@pytest.fixture
def files(make):
    """A place in a directory."""
    return make("file")


ENDS = {
    "falling off the end": ("ask('a', 'bc'); assert not cache.store.location.is_near", 0),
    "sys.exit": ("ask('a', 'bc'); assert cache.stats().pending == 2; sys.exit(3)", 3),
    "an exception": ("ask('a', 'bc'); raise RuntimeError('end')", 1),
    "a thread that goes on": ("ask('a', 'bc'); threading.Thread(target=time.sleep, args=(0.2,)).start()", 0),
    "a forgotten cache": ("ask('a', 'bc'); del cache", 0),
    "after asyncio": ("ask('a'); asyncio.run(cache.aembed(['bc'], embed, namespace='acme/e5@3'))", 0),
    "a thread": ("threading.Thread(target=when_main_has_ended, args=('bc',)).start()", 0),
    "a thread after main": ("ask('a'); threading.Thread(target=when_main_has_ended, args=('bc',)).start()", 0),
    "an exit handler": ("atexit.register(ask, 'bc')", 0),
    "an exit handler after main": ("ask('a'); atexit.register(ask, 'bc')", 0),
    "a thread pool": (
        """
        pool, drained = ThreadPoolExecutor(1), threading.Event()
        drain = flusher.Flusher.drain
        def draining(self):
            drain(self)
            drained.set()
        flusher.Flusher.drain = draining
        ask('a')
        pool.submit(lambda: (drained.wait(60), ask('bc')))
        """,
        0,
    ),
}


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        *(("file", end) for end in ENDS),
        ("s3", "falling off the end"),
        # No driver of S3 can connect for the first time once the main thread has ended.
        *(pytest.param("s3", end, marks=pytest.mark.soak) for end in [*ENDS][1:] if "ask('a'" in ENDS[end][0]),
    ],
)
def test_what_waits_is_stored_when_the_process_ends(make, kind, end):
    place, (script, code) = make(kind), ENDS[end]
    done = place.run(script)
    assert done.returncode == code, done.stderr
    assert ("Traceback" in done.stderr) == (code == 1)
    assert kind == "s3" or code == 1 or done.stderr == ""
    assert place.hits("bc") == 1
    assert place.hits("a") == ("ask('a'" in script)


@each_once(kind=["file", "s3"], how=["fails", "hangs"])
def test_a_process_whose_store_fails_or_hangs_at_the_end_ends_with_a_warning(make, s3_server, kind, how):
    place, goes_on = make(kind), threading.Event()
    if kind == "s3":
        action = servers.denied if how == "fails" else servers.held(goes_on)
        s3_server.fault = servers.fault(action, kinds="PUT", key="-f32-")
    try:
        done = place.run(
            f"""
            ask("a", "bc")
            flusher.EXIT_PATIENCE = 0.5 if {how == "hangs"} else 60
            def failing(*arguments):
                if {how == "hangs"}:
                    threading.Event().wait()
                raise OSError("503 slow down")
            if {kind == "file"}:
                remote.RemoteDirectory.put = failing
            """
        )
    finally:
        goes_on.set()
    assert done.returncode == 0, done.stderr
    assert "2 vectors could not be stored before the process ended: they will" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 2), reason="no thread can be started there once the main one has ended"
)
def test_a_store_that_hangs_at_the_end_does_not_cost_what_waits_for_another_one(files):
    done = files.run(
        """
        for number in range(5):
            ask("a", namespace=f"acme/e5@{number}")
        hangs, left, offset = str(cache.open("acme/e5@0").store._directory), [None] * 4, [0]
        def hanging(io, name, parts):
            if str(io) == hangs:
                threading.Event().wait()
            put(io, name, parts)
            left.pop()
            if not left:
                # Patience is over once all others are done.
                offset[0] = 1000
        remote.RemoteDirectory.put = hanging
        flusher.EXIT_PATIENCE = 300
        flusher.time = types.SimpleNamespace(monotonic=lambda: time.monotonic() + offset[0])
        """
    )
    assert done.returncode == 0
    assert "1 vector could not be stored before the process ended: it will" in done.stderr
    assert [files.hits("a", namespace=f"acme/e5@{number}") for number in range(5)] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("kind", ["file", pytest.param("s3", marks=pytest.mark.soak)])
def test_what_waits_is_lost_with_a_process_that_is_killed_and_nothing_else_is(make, kind):
    place = make(kind)
    done = place.run("ask('a', 'bc'); cache.flush(); ask('lost'); os.kill(os.getpid(), 9)")
    assert done.returncode == -signal.SIGKILL
    assert place.hits("a", "bc", "lost") == 2


# Child processes


def _ask_more(cache, answer):
    answer.put((cache.stats().pending, cache.embed(["a", "child"], embed, namespace=NAMESPACE).tolist()))


@may_fork
@pytest.mark.parametrize(("kind", "method"), [("file", "fork"), ("file", "spawn"), ("s3", "fork")])
def test_a_child_process_publishes_its_own_and_leaves_the_parents_alone(make, kind, method):
    place = make(kind)
    cache = place.cache()
    cache.embed(["a"], embed, namespace=NAMESPACE)
    context = multiprocessing.get_context(method)
    answer = context.Queue()
    process = context.Process(target=_ask_more, args=(cache, answer))
    process.start()
    try:
        assert answer.get(timeout=240) == (0, [[1.0, 1.0], [5.0, 1.0]])
    finally:
        process.join()
    assert process.exitcode == 0
    assert cache.stats().pending == 1
    assert place.hits("a", "child") == 2
    cache.close()
    assert place.hits("a", "child") == 2
    (usage,) = place.cache().usage()
    assert (usage.rows_live, usage.rows_dead) == (2, 1)


def _write_after_main(cache):
    cache.embed(["early"], embed, namespace=NAMESPACE)
    main = threading.main_thread()

    def late():
        main.join()
        cache.embed(["late"], embed, namespace=NAMESPACE)

    threading.Thread(target=late).start()


@may_fork
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.soak)])
def test_a_child_process_publishes_what_its_threads_write_at_its_end(files, method):
    process = multiprocessing.get_context(method).Process(target=_write_after_main, args=(files.cache(),))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert files.hits("early", "late") == 2


@needs_fork
@may_fork
def test_a_child_forked_while_others_flush_does_not_hang(files):
    cache, ends = files.cache(), threading.Event()

    def work():
        number = 0
        while not ends.is_set():
            number += 1
            cache.embed([str(number)], embed, namespace=NAMESPACE)
            cache.flush()

    def write(text):
        cache.embed([text], embed, namespace=NAMESPACE)
        cache.flush()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        codes = [forked(lambda: write("first")), forked(lambda: write("second")), forked(lambda: write("third"))]
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    assert codes == [0, 0, 0]
    assert files.hits("first", "second", "third") == 3
