"""What the tests of LlamaIndex's identities share."""

from __future__ import annotations

from functools import partial

from known_class import namespace_of
from lazily import lazily

from llama_index.embeddings.embedonce.identities import describer

li = lazily(
    "llamaindex_classes",
    "langchain_core.embeddings",
    "llama_index.core",
    "llama_index.core.embeddings",
    "llama_index.core.storage.kvstore",
    "llama_index.embeddings.langchain",
)

describe, fingerprint, sub_batch = describer.describe, describer.fingerprint, describer.sub_batch
namespace = partial(namespace_of, describer)
