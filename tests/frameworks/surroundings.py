"""What no test of a framework may see of the machine it runs on."""

from __future__ import annotations

import contextlib
import os
import ssl

import pytest

PREFIXES = (
    *("ATLAS", "AWS", "AZURE", "CO_", "COHERE", "EMBEDONCE", "FASTEMBED", "FIREWORKS", "GEMINI", "GOOGLE", "HAYSTACK"),
    *("HF_", "JINA", "LANGCHAIN", "LANGSMITH", "LITELLM", "LLAMA_INDEX", "MISTRAL", "NOMIC", "NVIDIA", "OLLAMA"),
    *("DATABRICKS", "HOSTED_VLLM", "OPENAI", "TOGETHER", "UPSTAGE", "USE_LITELLM_PROXY", "VERTEX", "VLLM", "VOYAGE"),
)


def clean(monkeypatch):
    """Take endpoints, keys, stores and models of the machine out of the environment; clients read no certificates."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    # Neither a configuration in the home directory nor the address of a machine in the cloud.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    # LiteLLM asks for a list of prices on the internet when it is imported.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    # Clients of providers read a file of them when they are built, which takes longer than all else; none is used.
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)


LITELLM = [
    pytest.mark.filterwarnings("ignore:Items? '.* on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
"""Of LiteLLM's own making: at its import, of texts as embeddings, and of clients that it closes after their loop."""


def without_loops_of_litellm(monkeypatch):
    """Let LiteLLM run no event loop in a sync call, after which pytest-asyncio would not find its own any more."""
    monkeypatch.setattr("litellm._service_logger.ServiceLogging._dispatch_from_sync", lambda *_: None)


@contextlib.contextmanager
def without_the_background(caplog):
    """Keep what other threads log out of `caplog`: stores of other tests may still be at work."""

    def is_of_this_test(record):
        # Those of the pool are waited for by the calls that have started them.
        name = record.threadName
        return name.startswith("embedonce-async") or not name.startswith("embedonce-")

    # The handler is that of all tests.
    caplog.handler.addFilter(is_of_this_test)
    yield
    caplog.handler.removeFilter(is_of_this_test)
