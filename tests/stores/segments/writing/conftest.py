"""What the tests of writing share."""

from __future__ import annotations

import threading

import pytest

from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.names import SegmentName


class Puts(list):
    """The names and bytes of all files that were published, and a fault for those to come."""

    def __init__(self):
        super().__init__()
        self.fault = None
        self.is_applied_nevertheless = False
        self.happened = threading.Condition()

    @property
    def segments(self):
        return [name for name, _ in self if SegmentName.parse(name)]

    def wait_for(self, count):
        with self.happened:
            assert self.happened.wait_for(lambda: len(self.segments) >= count, 60)


@pytest.fixture
def puts(monkeypatch, distant):
    """Counts what is published at the distant place."""
    counted, put = Puts(), RemoteDirectory.put

    def counting(io, name, parts):
        if not str(io).startswith(distant.removeprefix("memory:/")):
            # Left by another test, and published late.
            return put(io, name, parts)
        with counted.happened:
            counted.append((name, b"".join(parts)))
            counted.happened.notify_all()
        if counted.fault is not None:
            if counted.is_applied_nevertheless:
                put(io, name, parts)
            raise counted.fault
        return put(io, name, parts)

    monkeypatch.setattr(RemoteDirectory, "put", counting)
    return counted
