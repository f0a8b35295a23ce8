"""Locks in forked children."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import warnings

import pytest
from core_support import (
    LIMIT,
    NAMESPACE,
    Model,
    Worker,
)

from embedonce.runtime import locks


def test_locks_held_by_other_threads_are_free_in_a_forked_child(place):
    if not hasattr(os, "fork"):
        pytest.skip("the system has no fork")
    cache, entered, release = place.cache(), threading.Event(), threading.Event()

    def hold():
        with contextlib.ExitStack() as stack:
            # Every lock that there is, those of the cache among them.
            for lock in list(locks._LOCKS):
                stack.enter_context(lock)
            entered.set()
            release.wait(LIMIT)

    holder = Worker(hold)
    assert entered.wait(LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(LIMIT))
            cache.embed(["a"], Model(), namespace=NAMESPACE)
            status = 0 if cache.stats().stored == 1 else 3
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    release.set()
    holder.result()
    assert status == 0
