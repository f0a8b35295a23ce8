from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the harness.
sys.path.insert(0, str(Path(__file__).parent))

from every_framework import APIS, FRAMEWORKS


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """No store of the machine the tests run on."""
    for name in list(os.environ):
        if name.startswith("EMBEDONCE"):
            monkeypatch.delenv(name)


@pytest.fixture
def place(tmp_path):
    """A directory that will be a cache."""
    return tmp_path / "cache"


@pytest.fixture(params=FRAMEWORKS, ids=str)
def framework(request):
    """Every framework."""
    return request.param


@pytest.fixture(params=APIS, ids=str)
def api(request):
    """The sync and the async methods of every framework."""
    return request.param


@pytest.fixture(autouse=True)
def _no_word_of_the_background(caplog):
    """Stores of other tests may still be at work when this one looks at what was logged."""

    def is_of_this_test(record):
        return not record.threadName.startswith("embedonce-")

    # The handler is that of all tests.
    caplog.handler.addFilter(is_of_this_test)
    yield
    caplog.handler.removeFilter(is_of_this_test)
