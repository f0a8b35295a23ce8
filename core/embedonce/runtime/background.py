"""Publishing rows that wait in memory: in the background, and one last time when the process ends."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from embedonce.runtime.forking import in_child
from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("embedonce")

EXIT_PATIENCE = 30.0
"""Seconds for which the end of the process waits for the last flush."""


class Flushable(Protocol):
    """An object that has rows which are not published yet."""

    @property
    def pending(self) -> int:
        """How many rows wait."""

    def flush_late(self) -> float | None:
        """Publish the rows, without raising; return in how many seconds to try again, None if all are published."""


class Flusher:
    """Calls `flush_late` of scheduled objects when they are due.

    One thread waits for the next due time. It starts with the first scheduled object and ends when none is left.
    While an object is scheduled, the flusher keeps it alive, so that no row is lost with an object that the program
    has dropped. Each call runs in a thread of its own: a place that does not answer must not delay the rows for
    another place.

    Those who schedule only put something into a queue, in one step that a Ctrl-C cannot cut in half. Nothing that they
    could leave locked is needed by the threads.
    """

    def __init__(self) -> None:
        # What the one thread that holds `_running` has to do; nobody else touches the dictionaries.
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._running = threading.Lock()
        # By the `id` of each object, since objects may compare equal.
        self._due: dict[int, tuple[float, Flushable]] = {}
        self._at_work: dict[int, Flushable] = {}
        # Not tried again, since the process ends.
        self._failed: dict[int, Flushable] = {}
        # Those who wait until nothing is left.
        self._drains: list[SimpleQueue[None]] = []
        self._ends = False
        self._last: threading.Thread | None = None
        self._last_lock = ForkLock()

    def schedule(self, flushable: Flushable, seconds: float) -> None:
        """Publish the rows of an object in so many seconds; an earlier due time that is already set stays."""
        is_main = threading.current_thread() is threading.main_thread()
        if self._ends and is_main:
            # This is an exit handler: nothing waits for another thread any more.
            flushable.flush_late()
            return
        self._inbox.put(partial(self._plan, flushable, time.monotonic() + seconds))
        try:
            if self._ends:
                self._outlive()
            self._start()
        except RuntimeError:
            # There are no threads any more.
            flushable.flush_late()

    def _start(self) -> None:
        """Start the thread unless it runs; if two are started by accident, one of them ends at once."""
        if not self._running.locked():
            _started(threading.Thread(target=self._run, name="embedonce-flush", daemon=True))

    def _run(self) -> None:
        # What is put into the inbox while this one ends is seen either here or by the thread that is then started.
        while not self._inbox.empty() and self._running.acquire(blocking=False):
            try:
                self._serve()
            finally:
                self._running.release()

    def _serve(self) -> None:
        """Do what is put into the inbox and begin what is due, until nothing is left."""
        while self._due or self._at_work or not self._inbox.empty():
            waiting = [due for key, (due, _) in self._due.items() if key not in self._at_work]
            with suppress(Empty):
                self._inbox.get(timeout=max(0.0, min(waiting) - time.monotonic()) if waiting else None)()
            self._begin()
        while self._drains:
            self._drains.pop().put(None)

    def _begin(self) -> None:
        """Begin to publish what is due."""
        now = time.monotonic()
        for key, (due, flushable) in list(self._due.items()):
            if due <= now and key not in self._at_work:
                del self._due[key]
                self._at_work[key] = flushable
                try:
                    _started(threading.Thread(target=self._work, args=(flushable,), name="embedonce-put", daemon=True))
                except RuntimeError:
                    self._work(flushable)

    def _work(self, flushable: Flushable) -> None:
        again: float | None = None
        try:
            again = flushable.flush_late()
        finally:
            self._inbox.put(partial(self._done, flushable, again))

    def _plan(self, flushable: Flushable, due: float) -> None:
        known = self._due.get(id(flushable))
        if known is None or due < known[0]:
            self._due[id(flushable)] = (due, flushable)

    def _done(self, flushable: Flushable, again: float | None) -> None:
        del self._at_work[id(flushable)]
        if again is not None and self._ends:
            self._failed[id(flushable)] = flushable
        elif again is not None:
            self._plan(flushable, time.monotonic() + again)

    def _hurry(self, drain: SimpleQueue[None]) -> None:
        self._drains.append(drain)
        self._due = {key: (time.monotonic(), flushable) for key, (_, flushable) in self._due.items()}

    def end(self) -> None:
        """Record that the process is ending: what fails from now on is not tried again."""
        self._ends = True

    def drain(self) -> None:
        """Publish everything now, at the end of the process; log how many rows are lost."""
        self._ends = True
        drain: SimpleQueue[None] = SimpleQueue()
        self._inbox.put(partial(self._hurry, drain))
        try:
            self._start()
        except RuntimeError:
            self._run()
        until, is_drained = time.monotonic() + EXIT_PATIENCE, False
        while not is_drained and (left := until - time.monotonic()) > 0:
            with suppress(Empty):
                drain.get(timeout=min(left, 0.5))
                is_drained = True
        waiting = {**self._failed, **self._at_work, **{key: each for key, (_, each) in list(self._due.items())}}
        self._failed.clear()
        if lost := sum(flushable.pending for flushable in waiting.values()):
            what, they = ("vector", "it") if lost == 1 else ("vectors", "they")
            logger.warning(
                "%d %s could not be stored before the process ended: %s will be embedded again", lost, what, they
            )

    def _outlive(self) -> None:
        """Start the thread for which the process waits; only threads that outlive the main one call this."""
        with self._last_lock:
            if self._last is None or not self._last.is_alive():
                self._last = _started(threading.Thread(target=self._stay, name="embedonce-last", daemon=False))

    def _stay(self) -> None:
        """Outlive the threads that the process still waits for after its end has begun; publish what they leave."""
        exempt = (threading.main_thread(), threading.current_thread())
        while others := [each for each in threading.enumerate() if not each.daemon and each not in exempt]:
            for thread in others:
                thread.join()
        self.drain()


def _started(thread: threading.Thread) -> threading.Thread:
    thread.start()
    return thread


_flusher = Flusher()
_at_exit_in: int | None = None


def schedule(flushable: Flushable, seconds: float) -> None:
    """Publish the rows of an object in so many seconds, and at the end of the process at the latest."""
    global _at_exit_in
    if _at_exit_in != os.getpid():
        try:
            # `threading._register_atexit` runs before the thread pools end, `atexit` after it: connecting anew may
            # need a pool. The function is private, hence the fallback.
            getattr(threading, "_register_atexit", atexit.register)(_drain, os.getpid())
        except RuntimeError:
            # The main thread has ended, and others go on.
            _flusher.end()
        # Last: a Ctrl-C before costs no more than a second registration.
        _at_exit_in = os.getpid()
    _flusher.schedule(flushable, seconds)


def _drain(process: int) -> None:
    # A forked child inherits what its parent has registered.
    if process == os.getpid():
        _flusher.drain()


def _after_fork() -> None:
    # Rows that wait belong to the parent, and so do the threads.
    global _flusher
    _flusher = Flusher()


in_child(_after_fork)
