from __future__ import annotations

import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path.
sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))
sys.path.insert(0, str(Path(__file__).parents[1] / "remote"))
sys.path.insert(0, str(Path(__file__).parent))

import surroundings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    surroundings.clean(monkeypatch)
