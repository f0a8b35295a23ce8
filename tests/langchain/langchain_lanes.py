"""The ways to put a cache before embeddings of LangChain; importing this imports nothing of LangChain."""

from __future__ import annotations

import functools
import uuid

from lazily import lazily
from variants import InDirectory, over

import embedonce

lc = lazily(
    "langchain_support",
    "langchain_classic.storage",
    "langchain_core.embeddings",
    "langchain_core.stores",
    "langchain_openai",
    "langchain_embedonce",
)

SECRET = "s3cr3t-0123456789"
TEXTS = ["a", "b", "", "ünï\ncode", "a\x00b", "-query", "a-query", "x" * 300]

WAYS = ("sync", "async")
LANES = ("wrap", "wrap-bytes", "wrap-memory", "path", "bytes", "segments", "two-stores", "identity-keys", "lists")
NAMED = tuple(name for name in LANES if name != "lists")
"""Every lane but LangChain's constructor, whose stores do not name the model."""


def openai(**settings):
    return lc.OpenAIEmbeddings(**{"model": "text-embedding-3-small", "api_key": SECRET, **settings})


class Lane:
    """One way to put a cache before embeddings; each `cached` is a new wrapper on the same store.

    `wrap*` is `embedonce.wrap`, `path` is `from_bytes_store` on a path, `lists` is the constructor, and the others are
    `from_bytes_store` on a byte store. Documents and queries share the store in all of them.
    """

    def __init__(self, name, tmp_path):
        self.name = name
        self.directory = tmp_path / "cache"
        self.url = f"memory://{uuid.uuid4()}"
        self.bytes = lc.InMemoryByteStore()
        self.lists = lc.InMemoryStore()

    def cached(self, embedder, **options):
        if self.name == "wrap":
            return embedonce.wrap(embedder, self.directory, **options)
        if self.name == "wrap-bytes":
            return embedonce.wrap(embedder, self.bytes, **options)
        if self.name == "wrap-memory":
            return embedonce.wrap(embedder, self.url, **options)
        if self.name == "lists":
            return lc.CacheBackedEmbeddings(embedder, self.lists, query_embedding_store=self.lists, **options)
        options = {"query_embedding_cache": True, "key_encoder": "sha256", **options}
        store = self.bytes
        if self.name == "path":
            store = self.directory
        elif self.name == "segments":
            store = lc.FsspecByteStore(self.directory)
        elif self.name == "two-stores":
            store = lc.LocalFileStore(self.directory)
            options["query_embedding_cache"] = lc.LocalFileStore(str(self.directory))
        elif self.name == "identity-keys":
            options["key_encoder"] = text_itself
        return lc.CacheBackedEmbeddings.from_bytes_store(embedder, store, **options)


def text_itself(text):
    """A key encoder that leaves everything to the store."""
    return text


def in_lanes(names=LANES, **further):
    """Run a test with a `lane` of each name, and for each combination of further arguments: see `over`."""
    return over(lane={name: InDirectory(functools.partial(Lane, name)) for name in names}, **further)


def from_bytes_store(embedder, store, **options):
    """LangChain's other constructor, with SHA-256 unless something else is asked for."""
    return lc.CacheBackedEmbeddings.from_bytes_store(embedder, store, **{"key_encoder": "sha256", **options})


ENCODERS = ("sha1", "sha256", "sha512", "blake2b", text_itself)
TEXTS = ["hello", "ünï", "two words", "a\nb", ""]
FILE_TEXTS = ["hello", "b-c", "d_e.f"]
"""What LangChain's store of files takes for a key as it is."""


def name_of(encoder):
    return encoder if isinstance(encoder, str) else encoder.__name__


def texts_for(encoder):
    return FILE_TEXTS if callable(encoder) else TEXTS


def namespace_for(encoder):
    return "" if callable(encoder) else "ns"
