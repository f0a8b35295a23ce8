"""Embeddings of LangChain in front of one model, for the tests that all frameworks share."""

from __future__ import annotations

import hashlib

from langchain_core.embeddings import Embeddings


class Stranger(Embeddings):
    """Asks a model, and which cannot be told."""

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
