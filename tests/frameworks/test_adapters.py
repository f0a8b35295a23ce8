"""Our own adapters keep what the suite for adapters asks of anybody's."""

from __future__ import annotations

import haystack_framework
import langchain_framework
import llamaindex_framework


class TestLangChain(langchain_framework.LangChain):
    """The adapter of LangChain."""


class TestLlamaIndex(llamaindex_framework.LlamaIndex):
    """The adapter of LlamaIndex."""


class TestHaystack(haystack_framework.Haystack):
    """The adapter of Haystack."""
