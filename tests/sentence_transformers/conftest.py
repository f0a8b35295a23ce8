"""Small models with random weights, in folders as the hub's library leaves them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Read when the packages are imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"
# Threads that wait for each other take much longer than these small models.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "identities"))
sys.path.insert(0, str(Path(__file__).parents[1] / "remote"))
sys.path.insert(0, str(Path(__file__).parents[1] / "frameworks"))

import pytest
from lazily import lazily

st = lazily("st_support")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Where the models of all tests are; nothing is written to them."""
    return st.Folders(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, folders):
    """No store of the machine, and no models of it."""
    monkeypatch.delenv("EMBEDONCE_STORE", raising=False)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(folders.hub))


@pytest.fixture
def model(folders):
    """A model without prompts."""
    return st.load(folders.plain)


@pytest.fixture
def asked(model):
    """The texts that have reached `model`."""
    return st.counted(model)
