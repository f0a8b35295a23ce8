from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))
sys.path.insert(0, str(Path(__file__).parent))

import surroundings
from lazily import lazily

openai_service = lazily("openai_service")
providers_service = lazily("providers_service")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    surroundings.clean(monkeypatch)


@pytest.fixture
def place(tmp_path):
    """A directory that will be a cache."""
    return tmp_path / "cache"


@pytest.fixture
def service():
    return openai_service.Service()


@pytest.fixture
def url(service):
    """Where the service listens."""
    with openai_service.serving(service) as url:
        yield url


@pytest.fixture
def providers():
    """The services of providers whose clients have tests in common."""
    return providers_service.Service()


@pytest.fixture
def providers_url(providers):
    """Where they listen."""
    with providers_service.serving(providers) as url:
        yield url
