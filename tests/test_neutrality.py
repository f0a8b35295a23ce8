"""Frameworks, clouds and command-line tools are loaded by whoever brings one of their objects, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

FOREIGN = {
    *("langchain_core", "langchain_classic", "llama_index", "haystack"),
    *("s3fs", "gcsfs", "adlfs", "botocore", "boto3", "azure"),
    *("typer", "click", "rich"),
}
STORE = "import embedonce; store = embedonce.MemoryStore(); embed = lambda texts: [[1.0] for _ in texts]; "


def loaded_after(code: str) -> set[str]:
    """Return the foreign packages that are loaded after running code in a fresh interpreter."""
    report = f"import sys; print('loaded:', *sorted({FOREIGN!r} & sys.modules.keys()))".replace("[", "{").replace(
        "]", "}"
    )
    run = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], check=True, capture_output=True, text=True)
    return set(run.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import embedonce",
        "import embedonce.testing",
        "import langchain_embedonce",
        "from embedonce.plugins import plugins; assert not plugins().failed, plugins().failed",
        STORE + "embedonce.EmbeddingCache(store).embed(['a'], embed, namespace='n')",
        STORE + "embedonce.wrap(embed, store, namespace='n')(['a'])",
    ],
)
def test_nothing_foreign_is_loaded(code: str) -> None:
    """Importing, loading every plugin and wrapping a function load no framework, cloud package or command-line tool."""
    assert loaded_after(code) == set()


def test_wrapping_loads_only_the_framework_of_the_embedder() -> None:
    """A LangChain embedder loads LangChain's adapter, nothing of the others."""
    code = (
        "import embedonce\n"
        "from langchain_core.embeddings import DeterministicFakeEmbedding\n"
        "embedonce.wrap(DeterministicFakeEmbedding(size=2), embedonce.MemoryStore()).embed_query('a')"
    )
    assert loaded_after(code) == {"langchain_core"}
