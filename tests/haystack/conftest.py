from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path, and spawned processes have to find the helpers.
sys.path.insert(0, str(Path(__file__).parent))

_PREFIXES = (
    *("AWS", "AZURE", "CO_", "COHERE", "EMBEDONCE", "FASTEMBED", "GEMINI", "GOOGLE", "HAYSTACK", "HF_", "JINA"),
    *("LANGCHAIN", "LANGSMITH", "LLAMA_INDEX", "MISTRAL", "NVIDIA", "OLLAMA", "OPENAI", "VLLM", "VOYAGE"),
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """No endpoint, no key and no store of the machine the tests run on, and nothing is told to anybody."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    # Neither a configuration in the home directory nor the address of a machine in the cloud.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture(autouse=True)
def _no_word_of_the_background(caplog):
    """Stores of other tests may still be at work when this one looks at what was logged."""

    def is_of_this_test(record):
        return not record.threadName.startswith("embedonce-")

    # The handler is that of all tests.
    caplog.handler.addFilter(is_of_this_test)
    yield
    caplog.handler.removeFilter(is_of_this_test)
