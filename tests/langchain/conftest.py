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


@pytest.fixture(autouse=True)
def _sha1_was_warned_of(monkeypatch, request):
    """The warning comes once in a process, and which test it would hit is chance."""
    if "sha1_warning" not in request.fixturenames:
        monkeypatch.setattr("langchain_embedonce.embeddings._warned_about_sha1", True)


@pytest.fixture
def sha1_warning(monkeypatch):
    """A process that has not warned of SHA-1 yet."""
    monkeypatch.setattr("langchain_embedonce.embeddings._warned_about_sha1", False)


@pytest.fixture(params=["sync", "async"])
def way(request):
    """Whether the sync or the async methods are called."""
    return request.param


@pytest.fixture
def _their_sha1_warning_was_given(monkeypatch):
    import langchain_classic.embeddings.cache as theirs

    monkeypatch.setattr(theirs, "_warned_about_sha1", True)
