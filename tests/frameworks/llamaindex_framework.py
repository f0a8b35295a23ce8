"""LlamaIndex, for the tests that all frameworks share."""

from __future__ import annotations

from frameworks_support import FrameworkSuite
from lazily import lazily

from embedonce import EmbedderContractError

li = lazily("llamaindex_embedders", "llama_index.core.base.embeddings.base", "pydantic")


class LlamaIndex(FrameworkSuite):
    plugin = "llamaindex"

    @property
    def kind(self):
        return li.BaseEmbedding

    @property
    def refusals(self):
        # Events of LlamaIndex refuse None before it arrives.
        return (EmbedderContractError, li.ValidationError)

    def embedder(self, model):
        return li.Known(behind=model) if model.is_known else li.Stranger(behind=model)

    def embedder_of_fields(self, **fields):
        return li.Plain(**fields)

    def insides(self, wrapped):
        return [wrapped.inner]

    def shown(self, wrapped):
        return f"{super().shown(wrapped)} {wrapped.to_dict()} {wrapped.to_payload()} {wrapped.model_dump_json()}"

    def embed_documents(self, wrapped, texts):
        return wrapped.get_text_embedding_batch(texts)

    def embed_document(self, wrapped, text):
        return wrapped.get_text_embedding(text)

    def embed_query(self, wrapped, text):
        return wrapped.get_query_embedding(text)

    async def aembed_documents(self, wrapped, texts):
        return await wrapped.aget_text_embedding_batch(texts)

    async def aembed_document(self, wrapped, text):
        return await wrapped.aget_text_embedding(text)

    async def aembed_query(self, wrapped, text):
        return await wrapped.aget_query_embedding(text)
