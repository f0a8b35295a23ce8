"""Publishing rows that wait in memory: in the background, and one last time when the process ends."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import Protocol

from embedonce.runtime.forking import in_child

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
    """

    def __init__(self) -> None:
        # By the `id` of each object, since objects may compare equal.
        self._due: dict[int, tuple[float, Flushable]] = {}
        self._at_work: dict[int, Flushable] = {}
        # Not tried again, since the process ends.
        self._failed: dict[int, Flushable] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._last: threading.Thread | None = None
        self._ends = False

    def schedule(self, flushable: Flushable, seconds: float) -> None:
        """Publish the rows of an object in so many seconds; an earlier due time that is already set stays."""
        due = time.monotonic() + seconds
        with self._changed:
            known = self._due.get(id(flushable))
            if known is None or due < known[0]:
                self._due[id(flushable)] = (due, flushable)
            self._changed.notify_all()
            if self._start():
                return
            del self._due[id(flushable)]
        flushable.flush_late()

    def _start(self) -> bool:
        """Start the threads that are needed; False if that is not possible any more."""
        try:
            if self._ends:
                if threading.current_thread() is threading.main_thread():
                    # This is an exit handler: nothing waits for another thread any more.
                    return False
                if self._last is None or not self._last.is_alive():
                    self._last = _started(threading.Thread(target=self._stay, name="embedonce-last", daemon=False))
            if self._thread is None:
                self._thread = _started(threading.Thread(target=self._run, name="embedonce-flush", daemon=True))
        except RuntimeError:
            return False
        return True

    def _run(self) -> None:
        while (ready := self._wait()) is not None:
            for flushable in ready:
                try:
                    _started(threading.Thread(target=self._work, args=(flushable,), name="embedonce-put", daemon=True))
                except RuntimeError:
                    self._work(flushable)

    def _wait(self) -> list[Flushable] | None:
        """Return the objects that are due; None when none is scheduled, after which the thread must end."""
        with self._changed:
            while self._due:
                now = time.monotonic()
                waiting = [(due, each) for key, (due, each) in self._due.items() if key not in self._at_work]
                ready = [flushable for due, flushable in waiting if due <= now]
                if ready:
                    for flushable in ready:
                        del self._due[id(flushable)]
                        self._at_work[id(flushable)] = flushable
                    return ready
                self._changed.wait(min(due for due, _ in waiting) - now if waiting else None)
            self._thread = None
            return None

    def _work(self, flushable: Flushable) -> None:
        try:
            again = flushable.flush_late()
            if again is not None:
                if self._ends:
                    self._failed[id(flushable)] = flushable
                else:
                    self.schedule(flushable, again)
        finally:
            with self._changed:
                del self._at_work[id(flushable)]
                self._changed.notify_all()

    def end(self) -> None:
        """Record that the process is ending: what fails from now on is not tried again."""
        with self._changed:
            self._ends = True

    def drain(self) -> None:
        """Publish everything now, at the end of the process; log how many rows are lost."""
        until = time.monotonic() + EXIT_PATIENCE
        with self._changed:
            self._ends = True
            self._due = {key: (time.monotonic(), flushable) for key, (_, flushable) in self._due.items()}
            self._changed.notify_all()
            while (self._due or self._at_work) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            waiting = {**self._failed, **self._at_work, **{key: each for key, (_, each) in self._due.items()}}
            self._failed.clear()
        if lost := sum(flushable.pending for flushable in waiting.values()):
            what, they = ("vector", "it") if lost == 1 else ("vectors", "they")
            logger.warning(
                "%d %s could not be stored before the process ended: %s will be embedded again", lost, what, they
            )

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
        _at_exit_in = os.getpid()
        try:
            # `threading._register_atexit` runs before the thread pools end, `atexit` after it: connecting anew may
            # need a pool. The function is private, hence the fallback.
            getattr(threading, "_register_atexit", atexit.register)(_drain, os.getpid())
        except RuntimeError:
            # The main thread has ended, and others go on.
            _flusher.end()
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
