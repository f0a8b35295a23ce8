"""What the tests of upkeep share."""

from __future__ import annotations

import pytest


class Watched:
    """An IO whose calls are counted, and which does something before or instead of one of them."""

    def __init__(self, io) -> None:
        self.io = io
        self.calls: list[str] = []
        self.before = lambda call, arguments: None

    def __getattr__(self, name):
        attribute = getattr(self.io, name)
        if name not in ("listing", "put", "delete", "get_ranges"):
            return attribute

        def call(*arguments):
            self.calls.append(name)
            self.before(name, arguments)
            return attribute(*arguments)

        return call

    def __str__(self) -> str:
        return str(self.io)


@pytest.fixture
def watched():
    """Watch the IO of a store."""

    def watched(store) -> Watched:
        io = Watched(store._directory)
        store._directory = store._catalog.directory = store._writer._directory = store._writer.merger._directory = io
        store._writer.merger.rewriter._directory = io
        return io

    return watched
