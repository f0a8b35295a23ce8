"""What the tests of the key-value store share."""

from __future__ import annotations

from lazily import lazily

li = lazily(
    "llama_index.core.base.embeddings.base",
    "llama_index.core.ingestion",
    "llama_index.core.schema",
    "llama_index.core.storage.docstore.keyval_docstore",
    "llama_index.core.storage.index_store.keyval_index_store",
    "llama_index.core.storage.kvstore",
    "llama_index.embeddings.embedonce",
    "llamaindex_support",
)

ODD_TEXTS = ["", "/", "a/b/../c", "a\0b", "\ud83d\ude00", "\U0001f600", "\ud800", "x" * 100_000, "\n", "é"]
SECRET = "s3cr3t-0123456789"
