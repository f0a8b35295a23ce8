"""Ctrl-C between any two instructions of writing and publishing locks nobody out, and loses nothing that was kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import os, sys, threading, time
import embedonce.runtime.background as background
import embedonce.stores.segments.writing.merger as merger
from embedonce import EmbeddingCache
from embedonce.stores.locations.remote_location import RemoteLocation
from interrupting import PACKAGE, Interrupt

place, what, begin, step = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
files = tuple(PACKAGE + part for part in ("stores" + os.sep, "runtime" + os.sep, "namespaces" + os.sep))
files += (threading.__file__, os.path.join(os.path.dirname(threading.__file__), "concurrent" + os.sep))
RemoteLocation.is_near = False
LIMIT = 60


def embed(texts):
    return [[float(len(text)), 2.0] for text in texts]


def in_thread(function):
    "Another thread must be able to do this, whatever this one was interrupted in."
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(function()), daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert outcome, "the other thread hangs or has failed"
    return outcome[0]


def write(cache, texts):
    return cache.embed(texts, embed, namespace="m").tolist()


def flushing(cache):
    "Two segments wait, and are joined."
    write(cache, ["a"])
    write(cache, ["bb"])
    return cache.flush


def merging(cache):
    merger._FAN_IN = 2
    for text in ("a", "bb"):
        write(cache, [text])
        cache.flush()

    def merge():
        write(cache, ["ccc"])
        cache.open("m").store.end_call()
        cache.flush()
        cache.open("m").store._writer.merge()

    return merge


def writing_few(cache):
    return lambda: write(cache, ["a", "bb"])


def writing_much(cache):
    write(cache, ["a", "bb"])
    return lambda: write(cache, [str(i) for i in range(100)])


class Rows:
    pending = 0

    def __init__(self):
        self.flushed = threading.Event()

    def flush_late(self):
        self.flushed.set()


def scheduling(cache):
    rows = Rows()
    return lambda: background.schedule(rows, 0)


def closing(cache):
    write(cache, ["a", "bb"])
    return cache.close


at = begin
runs = 0
while True:
    runs += 1
    url = os.path.join(place, str(at)) if place.startswith(os.sep) else f"{place}/{what}/{at}"
    background._flusher = background.Flusher()
    cache = EmbeddingCache(url)
    cache.open("m")
    act = globals()[what](cache)
    interrupt, kept = Interrupt(at, files), None
    sys.settrace(interrupt.trace)
    try:
        act()
    except KeyboardInterrupt as error:
        # As a REPL keeps it, with all frames.
        kept = error
    finally:
        sys.settrace(None)
    stored = cache.stats().stored
    pending = cache.stats().pending
    assert in_thread(lambda: write(cache, ["other", "a"])) == embed(["other", "a"]), interrupt.where
    in_thread(lambda: cache.flush() or True)
    assert cache.stats().pending == 0, interrupt.where
    assert cache.stats().lost == 0
    done = Rows()
    in_thread(lambda: background.schedule(done, 0) or True)
    assert done.flushed.wait(LIMIT), ("the background does not publish any more", interrupt.where)
    there = EmbeddingCache(url, mode="read_only")
    found = in_thread(lambda: write(there, ["a", "bb", "other"]))
    assert found == embed(["a", "bb", "other"])
    # What was kept before the interrupt is there.
    assert there.stats().hits >= min(3, stored), (interrupt.where, there.stats(), stored)
    # Nothing stays in memory for ever that was published.
    store = cache.open("m").store
    assert not store._catalog.pending, interrupt.where
    end = time.monotonic() + LIMIT
    while store._writer._merging is not None and time.monotonic() < end:
        # The background may be merging just now.
        time.sleep(0.001)
    assert store._writer._merging is None, ("nothing is ever merged any more", interrupt.where)
    assert len(store._catalog.files._pinned) == 0, interrupt.where
    if interrupt.where is None:
        break
    at += step
print(runs)
"""

WHATS = ["flushing", "merging", "writing_few", "writing_much", "scheduling", "closing"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="bytecode does not tell there what handles errors")
@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("kind", ["distant", "directory"])
def test_an_interrupt_at_any_instruction_locks_nobody_out(kind, what, step, tmp_path):
    where = "memory://interrupts" if kind == "distant" else str(tmp_path)
    command = [sys.executable, "-c", CHILD, where, what, "1", str(step)]
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1


SIGNALS = """
import os, random, signal, sys, threading, time
import embedonce.stores.segments.writing.writer as writer
from embedonce import EmbeddingCache
from embedonce.stores.locations.remote_location import RemoteLocation

RemoteLocation.is_near = False
writer.FLUSH_SECONDS = 0.05
random = random.Random(int(sys.argv[1]))
cache = EmbeddingCache("memory://signals")
cache.open("m")
stored, others, interrupts, is_armed, ends = [], [0, 0], 0, False, False


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


def work(number):
    while not ends:
        others[number] += 1
        cache.embed([f"{number}-{others[number]}"], embed, namespace="m")


def interrupt():
    while not ends:
        time.sleep(random.random() * 0.003)
        if is_armed:
            os.kill(os.getpid(), signal.SIGINT)


threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(2)]
for thread in (*threads, threading.Thread(target=interrupt, daemon=True)):
    thread.start()
while interrupts < 1000:
    try:
        is_armed = True
        texts = [f"{interrupts}-{len(stored)}-{i}-main" for i in range(random.choice([1, 3, 100]))]
        cache.embed(texts, embed, namespace="m")
        if random.random() < 0.2:
            cache.flush()
        is_armed = False
        stored += texts
    except KeyboardInterrupt:
        interrupts += 1
while not ends:
    try:
        ends = True
        time.sleep(0.01)
    except KeyboardInterrupt:
        pass
for thread in threads:
    thread.join(60)
    assert not thread.is_alive(), "another thread hangs"
cache.flush()
assert min(others) > 0
reader = EmbeddingCache("memory://signals", mode="replay")
assert reader.embed(stored, embed, namespace="m").tolist() == embed(stored)
"""


@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="the system sends no such signals")
@pytest.mark.parametrize("seed", range(3))
def test_signals_at_random_beside_threads_lock_nobody_out_and_lose_nothing(seed):
    command = [sys.executable, "-c", SIGNALS, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
