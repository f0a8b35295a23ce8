"""LangChain, for the tests that all frameworks share."""

from __future__ import annotations

from frameworks_support import FrameworkSuite
from lazily import lazily

lc = lazily("langchain_embedders", "langchain_core.embeddings")


class LangChain(FrameworkSuite):
    plugin = "langchain"

    @property
    def kind(self):
        return lc.Embeddings

    def embedder(self, model):
        return lc.Known(model) if model.is_known else lc.Stranger(model)

    def embedder_of_fields(self, **fields):
        return lc.Plain(**fields)

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
