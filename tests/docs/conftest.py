from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import embedonce.plugins.host

# With --import-mode=importlib the directory of a test is on no path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _nothing_of_a_page_stays(monkeypatch):
    """Neither what it registers nor what it puts into the environment; and no switch of the machine is set."""
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    before = dict(os.environ)
    for name in before:
        if name.startswith("EMBEDONCE"):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)
