"""What the tests of distant places share."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_waiting(monkeypatch):
    """Pauses between attempts take no time, and are over as soon as they would have been."""
    from embedonce.stores.segments import patience

    now = [0.0]
    monkeypatch.setattr(patience, "_clock", lambda: now[0])
    monkeypatch.setattr(patience, "_sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now
