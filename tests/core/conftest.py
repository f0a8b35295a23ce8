from __future__ import annotations

import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the helpers.
sys.path.insert(0, str(Path(__file__).parent))

from core_support import PLACES, WAYS, Place


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    """Every kind of store, reopened by each `place.store()`."""
    return Place(request.param, tmp_path / "cache")


@pytest.fixture
def directory(tmp_path):
    return Place("directory", tmp_path / "cache")


@pytest.fixture(params=WAYS)
def way(request):
    """Sync, async with a sync embedder, async with an async embedder."""
    return request.param
