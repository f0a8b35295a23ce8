"""What the tests of distant places share."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

import pytest


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


@pytest.fixture(autouse=True)
def _tests_do_not_meet(_nothing_left_behind):
    """What a test has not published it does not publish beside another one."""
