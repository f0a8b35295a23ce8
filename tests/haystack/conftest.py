from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the helpers.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))

import surroundings
from lazily import lazily

hs = lazily("haystack_support", "haystack.utils", "openai_service")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    surroundings.clean(monkeypatch)
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")


@pytest.fixture(autouse=True)
def _no_word_of_the_background(caplog):
    with surroundings.without_the_background(caplog):
        yield


@pytest.fixture
def service():
    return hs.Service()


@pytest.fixture
def openai(service):
    """Both components of OpenAI in front of a local server."""

    def make(kind, **options):
        return kind(api_key=hs.Secret.from_token(hs.SECRET), api_base_url=url, **options)

    with hs.serving(service) as url:
        yield make


@pytest.fixture(params=["sync", "async"])
def run(request):
    """Whether a component is asked by its sync or its async method."""
    if request.param == "sync":
        return lambda wrapper, *given, **inputs: wrapper.run(*given, **inputs)
    return lambda wrapper, *given, **inputs: asyncio.run(wrapper.run_async(*given, **inputs))


@pytest.fixture
def place(tmp_path):
    """A directory that will be a cache."""
    return tmp_path / "cache"
