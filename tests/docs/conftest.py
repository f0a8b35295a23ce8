from __future__ import annotations

import sys
from pathlib import Path

import pytest

import embedonce.plugins

# With --import-mode=importlib the directory of a test is on no path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _plugins_of_each_test(monkeypatch):
    """What a page registers is gone after it, and no switch of the machine is set."""
    monkeypatch.setattr(embedonce.plugins, "_loaded", embedonce.plugins._Loaded())
    for variable in ("EMBEDONCE_PLUGINS", "EMBEDONCE_PLUGINS_DISABLED", "EMBEDONCE_KEY_SECRET"):
        monkeypatch.delenv(variable, raising=False)
