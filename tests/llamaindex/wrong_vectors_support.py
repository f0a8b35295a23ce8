"""What the tests of wrong vectors and of lost work share."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from lazily import lazily

li = lazily(
    "langchain_core.embeddings",
    "llama_index.core",
    "llama_index.core.embeddings",
    "llama_index.core.ingestion",
    "llama_index.core.ingestion.pipeline",
    "llama_index.core.schema",
    "llama_index.core.storage.kvstore",
    "llama_index.embeddings.embedonce",
    "llama_index.embeddings.langchain",
    "llama_index.embeddings.openai",
    "llamaindex_support",
    "pydantic",
)

TEXTS = [f"text {number}" for number in range(100)]


def theirs(wrong):
    """What the version of LlamaIndex does that was looked at; others may do better."""
    assert wrong or version("llama-index-core") != "0.14.25"


def key(transformation, texts=("a",)):
    return li.get_transformation_hash([li.TextNode(text=text) for text in texts], transformation)


def documents(*texts):
    return [li.Document(text=text, id_=f"id of {text}") for text in texts]


class Sized:
    """A byte store that counts as false as long as it is empty, and says who is asking."""

    def __init__(self):
        self.values = {}
        self.on_loop = []

    def __len__(self):
        return len(self.values)

    def _look(self):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.on_loop.append(False)
        else:
            self.on_loop.append(True)

    def mget(self, keys):
        self._look()
        return [self.values.get(key) for key in keys]

    def mset(self, key_value_pairs):
        self._look()
        self.values.update(key_value_pairs)

    def mdelete(self, keys):
        for key in keys:
            self.values.pop(key, None)

    def yield_keys(self, *, prefix=None):
        yield from [key for key in self.values if key.startswith(prefix or "")]
