"""Frameworks, clouds and command-line tools are loaded by whoever brings one of their objects, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

FOREIGN = {
    *("langchain_core", "langchain_classic", "llama_index.core", "haystack"),
    *("cohere", "fastembed", "google.genai", "litellm", "mistralai", "model2vec", "ollama", "openai", "voyageai"),
    *("sentence_transformers", "torch", "transformers"),
    *("s3fs", "gcsfs", "adlfs", "botocore", "boto3", "azure"),
    *("typer", "click", "rich"),
}
OPENAI = """
import httpx, openai
answer = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
e = openai.OpenAI(api_key="k", http_client=httpx.Client(transport=transport))
e.embeddings
"""
STORE = "import embedonce; store = embedonce.MemoryStore(); embed = lambda texts: [[1.0] for _ in texts]; "


def loaded_by(code: str, before: str = "pass") -> set[str]:
    """Return the foreign packages that code loads in a fresh interpreter, not counting those that are loaded before."""
    report = f"print('loaded:', *sorted({FOREIGN!r} & (sys.modules.keys() - was)))"
    code = f"{before}\nimport sys\nwas = set(sys.modules)\n{code}\n{report}"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=240)
    return set(run.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import embedonce",
        "import embedonce.testing",
        "import langchain_embedonce",
        "import llama_index.embeddings.embedonce",
        "import sdks_embedonce",
        "import sentence_transformers_embedonce",
        "from embedonce.plugins.host import plugins; assert not plugins().failed, plugins().failed",
        "from embedonce.plugins.host import plugins; assert len(plugins().demos()) == 3",
        STORE + "embedonce.EmbeddingCache(store).embed(['a'], embed, namespace='n')",
        STORE + "embedonce.wrap(embed, store, namespace='n')(['a'])",
    ],
)
def test_nothing_foreign_is_loaded(code: str) -> None:
    """Importing, loading every plugin and wrapping a function load no framework, cloud package or command-line tool."""
    assert loaded_by(code) == set()


@pytest.mark.parametrize(
    ("package", "embedder", "ask"),
    [
        (
            "langchain_core",
            "from langchain_core.embeddings import DeterministicFakeEmbedding as E; e = E(size=2)",
            "embed_query('a')",
        ),
        (
            "llama_index.core",
            "from llama_index.core import MockEmbedding as E; e = E(embed_dim=2)",
            "get_text_embedding('a')",
        ),
        (
            "openai",
            OPENAI,
            "embeddings.create(input='a', model='m')",
        ),
    ],
)
def test_wrapping_loads_only_the_framework_of_the_embedder(package: str, embedder: str, ask: str) -> None:
    """An embedder loads the adapter of its framework, nothing of the others."""
    wrapping = f"import embedonce; embedonce.wrap(e, embedonce.MemoryStore()).{ask}"
    assert loaded_by(f"{wrapping}; assert {package!r} in sys.modules", before=embedder) == set()
