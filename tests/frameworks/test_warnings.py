"""The warning about SHA-1 points at the user's own line, whichever framework lies between."""

from __future__ import annotations

import inspect
import warnings

import pytest
from lazily import lazily

import embedonce

hs = lazily("haystack.components.embedders", "haystack_integrations.components.embedders.embedonce")
lc = lazily("langchain_core.embeddings")
li = lazily("llama_index.core", "llama_index.embeddings.embedonce")

WAYS = {
    "LangChain, wrap": lambda place: embedonce.wrap(
        lc.DeterministicFakeEmbedding(size=2), place, namespace="m", key_encoder="sha1"
    ),
    "LlamaIndex, wrap": lambda place: embedonce.wrap(li.MockEmbedding(2), place, namespace="m", key_encoder="sha1"),
    "LlamaIndex": lambda place: li.CachedEmbedding(li.MockEmbedding(2), place, namespace="m", key_encoder="sha1"),
    "Haystack, wrap": lambda place: embedonce.wrap(hs.MockTextEmbedder(), place, key_encoder="sha1"),
    "Haystack, texts": lambda place: hs.CachedTextEmbedder(hs.MockTextEmbedder(), place, key_encoder="sha1"),
    "Haystack, documents": lambda place: hs.CachedDocumentEmbedder(
        hs.MockDocumentEmbedder(), place, key_encoder="sha1"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_warning_points_at_the_users_line(way, tmp_path):
    make = WAYS[way]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make(tmp_path)
    lines, first = inspect.getsourcelines(make)
    (found,) = [each for each in caught if "sha1" in str(each.message)]
    assert found.filename == __file__
    assert found.lineno in range(first, first + len(lines))
