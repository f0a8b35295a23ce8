"""LangChain, for the tests that all frameworks share."""

from __future__ import annotations

import hashlib

from frameworks_support import FrameworkSuite
from langchain_core.embeddings import Embeddings


class Stranger(Embeddings):
    """Asks a model, and nobody can tell which."""

    def __init__(self, behind):
        self.behind = behind

    def embed_documents(self, texts):
        return self.behind.answer("document", texts)

    def embed_query(self, text):
        return self.behind.answer_one("query", text)

    async def aembed_documents(self, texts):
        return await self.behind.aanswer("document", texts)

    async def aembed_query(self, text):
        return await self.behind.aanswer_one("query", text)


class Known(Stranger):
    """Asks a model, and says which."""

    @property
    def embedonce_identity(self):
        return self.behind.identity


class Plain(Embeddings):
    """Nothing but fields."""

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def embed_query(self, text):
        return [float(byte) for byte in hashlib.sha256(f"{sorted(vars(self).items())}{text}".encode()).digest()[:3]]

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


class LangChain(FrameworkSuite):
    plugin = "langchain"
    kind = Embeddings

    def embedder(self, model):
        return Known(model) if model.is_known else Stranger(model)

    def embedder_of_fields(self, **fields):
        return Plain(**fields)

    def insides(self, wrapped):
        return [wrapped.underlying_embeddings]

    def embed_documents(self, wrapped, texts):
        return wrapped.embed_documents(texts)

    def embed_query(self, wrapped, text):
        return wrapped.embed_query(text)

    async def aembed_documents(self, wrapped, texts):
        return await wrapped.aembed_documents(texts)

    async def aembed_query(self, wrapped, text):
        return await wrapped.aembed_query(text)
