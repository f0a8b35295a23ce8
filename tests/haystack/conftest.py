from __future__ import annotations

import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the helpers.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))

import surroundings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    surroundings.clean(monkeypatch)
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")


@pytest.fixture(autouse=True)
def _no_word_of_the_background(caplog):
    with surroundings.without_the_background(caplog):
        yield
