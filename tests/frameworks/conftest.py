from __future__ import annotations

import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the harness.
sys.path.insert(0, str(Path(__file__).parents[1] / "haystack"))
sys.path.insert(0, str(Path(__file__).parents[1] / "llamaindex"))
sys.path.insert(0, str(Path(__file__).parents[1] / "langchain"))
sys.path.insert(0, str(Path(__file__).parent))

import surroundings
from every_framework import APIS, FRAMEWORKS
from lazily import lazily

openai_service = lazily("openai_service")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    surroundings.clean(monkeypatch)


@pytest.fixture
def place(tmp_path):
    """A directory that will be a cache."""
    return tmp_path / "cache"


@pytest.fixture
def service():
    """A service with the protocol of OpenAI that notes what it is asked for."""
    return openai_service.Service()


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
    with surroundings.without_the_background(caplog):
        yield
