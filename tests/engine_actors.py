"""What tests of the engine let happen: loops that stop, stores that fail, interrupts; and which vectors are right."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from embedonce import EmbeddingCache, MemoryStore
from embedonce.testing import FaultyStore

LIMIT = 30.0
"""Seconds after which a call that should have ended counts as one that hangs."""
WRITING = ("read_write", "refresh")
FIGURES: Counter[str] = Counter()


class AsyncFaultyStore(FaultyStore):
    """A faulty store with async methods of its own, which take some turns of the event loop."""

    async def amget(self, keys):
        await asyncio.sleep(0)
        return self.mget(keys)

    async def amset(self, key_value_pairs):
        for _ in range(3):
            await asyncio.sleep(0)
        self.mset(key_value_pairs)
        await asyncio.sleep(0)


STORES = {"memory": MemoryStore, "foreign": FaultyStore, "foreign-async": AsyncFaultyStore}


class Call:
    """One call of a cache.

    Attributes:
        cache: Number of the cache.
        answered: True from the moment its embedder has answered.
        owed: What the embedder has answered it and has to be in the store afterwards.
        may_fail: True if a fault of the store excuses that.
        ended: Set when it has returned or raised.
    """

    def __init__(self, cache, texts, target, *, is_immediate=False, outer=None):
        self.cache, self.texts, self.target, self.is_immediate = cache, texts, target, is_immediate
        # The call whose embedder makes this one; what befalls that one befalls this one, too.
        self.outer = outer
        self.owed: set[tuple[str, str, str]] = set()
        self.answered = self.may_fail = self.may_be_cancelled = self.may_be_interrupted = self.is_racing = (
            self.has_left
        ) = False
        self.ended = threading.Event()
        self.result = self.error = self.thread = self.task = self.loop = None

    def __repr__(self):
        return f"Call({self.cache}, {self.texts}, {self.target}, ended={self.ended.is_set()}, error={self.error!r})"

    def may(self, what):
        return getattr(self, what) or (self.outer is not None and self.outer.may(what))

    @property
    def is_dead(self):
        return self.loop is not None and self.loop.loop.is_closed()

    def end(self, result=None, error=None):
        self.result, self.error = result, error
        self.ended.set()


class Question:
    """What an embedder was asked by a call; it waits until it is told how to answer."""

    def __init__(self, call, texts):
        self.call, self.texts, self.how = call, texts, "right"
        # An event's lock does not survive an interrupt.
        self.is_released = False
        self.future = None

    def release(self, how):
        self.how = how
        self.is_released = True
        if self.future is not None and not self.call.loop.loop.is_closed():
            self.call.loop.soon(lambda: self.future.done() or self.future.set_result(None))


class Loop:
    """An event loop in a thread of its own, which can stop, run again, and close with tasks unfinished."""

    def __init__(self, make, workers):
        self.loop = make()
        # Tasks that are destroyed while pending are what this is about.
        self.loop.set_exception_handler(lambda loop, context: None)
        self.pool = ThreadPoolExecutor(workers)
        self.loop.set_default_executor(self.pool)
        self.thread: threading.Thread | None = None
        self.busy: list[threading.Event] = []

    @property
    def is_running(self):
        return self.thread is not None and self.thread.is_alive()

    def soon(self, function):
        self.loop.call_soon_threadsafe(function)

    def run(self):
        if not (self.is_running or self.loop.is_closed()):
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def _run(self):
        try:
            self.loop.run_forever()
        except KeyboardInterrupt:
            # The embedder of a task was interrupted: the loop stands.
            FIGURES["loops interrupted"] += 1

    def stop(self, seconds=0.2):
        if self.is_running:
            self.soon(self.loop.stop)
            self.thread.join(seconds)

    def close(self):
        self.stop()
        if not (self.is_running or self.loop.is_closed()):
            # What is scheduled already, for instance a stop, happens; unfinished tasks stay unfinished.
            self.loop.close()
            self.pool.shutdown(wait=False)

    def after(self, turns, function):
        """Call a function after some turns of the loop."""
        self.soon(function if not turns else lambda: self.after(turns - 1, function))

    def block(self, workers):
        """Keep all threads of the pool busy until `free`."""
        if not self.loop.is_closed():
            end = threading.Event()
            self.busy.append(end)
            for _ in range(workers):
                self.pool.submit(end.wait, LIMIT)

    def free(self):
        for end in self.busy:
            end.set()
        self.busy.clear()


class Place:
    """Where the vectors are kept: a directory that can be away for a while, or a byte store that can fail."""

    def __init__(self, kind, path):
        self.path, self.away = Path(path) / "cache", Path(path) / "away"
        self.store = str(self.path) if kind == "directory" else STORES[kind]()
        self.is_faulty = False
        self.held: list[threading.Event] = []

    def cache(self, **options):
        return EmbeddingCache(self.store, **options)

    def hold(self, verb):
        if isinstance(self.store, FaultyStore) and not isinstance(self.store, AsyncFaultyStore):
            event = threading.Event()
            self.held.append(event)
            self.store.hold(verb, until=event, times=1)

    def let_go(self):
        for event in self.held:
            event.set()
        self.held.clear()

    def fail(self, verb, times):
        if isinstance(self.store, FaultyStore):
            self.store.fail(verb, times=times, error=OSError)
            self.is_faulty = True
        elif self.path.exists():
            self.path.rename(self.away)
            # Nothing can be made there meanwhile.
            self.path.touch()
            self.is_faulty = True

    def heal(self):
        if isinstance(self.store, FaultyStore):
            self.store.heal()
        elif self.away.exists():
            self.path.unlink()
            self.away.rename(self.path)
        self.is_faulty = False


class Vectors:
    """What is a right vector: it names its namespace, role and text, and the answer that it comes from.

    All of its numbers are whole ones below 128, the first one at least 64, so that every codec keeps them.
    """

    def __init__(self, namespaces, roles, texts):
        self._targets = [(namespace, role) for namespace in namespaces for role in roles]
        self._texts = list(texts)
        self._lock = threading.Lock()
        self._version = 0
        self.issued: dict[tuple[str, str, str], set[int]] = {}
        self.zeroed: set[tuple[str, str, str]] = set()

    def new(self, target, texts):
        """Return a row for each text, which no other answer gives."""
        with self._lock:
            self._version += 1
            for text in texts:
                self.issued.setdefault((*target, text), set()).add(self._version)
            version = self._version
        return np.array([self._row(target, text, version) for text in texts], np.float32)

    def _row(self, target, text, version):
        place = self._targets.index(target), self._texts.index(text)
        return [64 + place[0], place[1], version // 4096, version // 64 % 64, version % 64]

    def check(self, target, texts, matrix):
        """Compare what a call has returned with what embedders have answered for its texts."""
        assert len(matrix) == len(texts), (len(matrix), texts)
        for text, row in zip(texts, matrix.tolist(), strict=True):
            key = (*target, text)
            if not any(row):
                assert key in self.zeroed, f"WRONG: {key} has a vector of zeros that nobody has answered"
                continue
            version = int(row[2] * 4096 + row[3] * 64 + row[4])
            assert row == self._row(target, text, version), f"WRONG: {key} has {row}"
            assert version in self.issued.get(key, ()), f"WRONG: {key} has {row}, which nobody has answered"
