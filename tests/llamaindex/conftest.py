from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the helpers.
sys.path.insert(0, str(Path(__file__).parent))

_PREFIXES = (
    *("ATLAS", "AWS", "AZURE", "CO_", "EMBEDONCE", "FIREWORKS", "GOOGLE", "HF_", "JINA", "LANGCHAIN", "LANGSMITH"),
    *("LLAMA_INDEX", "MISTRAL", "NOMIC", "NVIDIA", "OLLAMA", "OPENAI", "UPSTAGE", "VOYAGE"),
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path_factory):
    """No endpoint, no key, no store and no model of the machine the tests run on."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    # Neither a configuration in the home directory nor the address of a machine in the cloud.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("LLAMA_INDEX_CACHE_DIR", str(tmp_path_factory.mktemp("llama-index")))


@pytest.fixture(autouse=True)
def _no_word_of_the_background(caplog):
    """Stores of other tests may still be at work when this one looks at what was logged."""

    def is_of_this_test(record):
        return not record.threadName.startswith("embedonce-")

    # The handler is that of all tests.
    caplog.handler.addFilter(is_of_this_test)
    yield
    caplog.handler.removeFilter(is_of_this_test)
