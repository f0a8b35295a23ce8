"""LlamaIndex, for the tests that all frameworks share."""

from __future__ import annotations

import hashlib
from typing import Any

from frameworks_support import FrameworkSuite
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import ValidationError

from embedonce import EmbedderContractError


class Stranger(BaseEmbedding):
    """Asks a model, and nobody can tell which."""

    behind: Any
    # So that it cuts no call of the wrapper into further ones.
    embed_batch_size: int = 2048

    def _get_query_embedding(self, query):
        return self.behind.answer_one("query", query)

    def _get_text_embedding(self, text):
        return self.behind.answer_one("document", text)

    def _get_text_embeddings(self, texts):
        return self.behind.answer("document", texts)

    async def _aget_query_embedding(self, query):
        return await self.behind.aanswer_one("query", query)

    async def _aget_text_embedding(self, text):
        return await self.behind.aanswer_one("document", text)

    async def _aget_text_embeddings(self, texts):
        return await self.behind.aanswer("document", texts)


class Known(Stranger):
    """Asks a model, and says which."""

    @property
    def embedonce_identity(self):
        return self.behind.identity


class Plain(BaseEmbedding):
    """Nothing but fields."""

    api_key: str = ""
    base_url: str = ""
    prefix: str = ""

    def _get_query_embedding(self, query):
        fields = f"{self.model_name}\0{self.api_key}\0{self.base_url}\0{self.prefix}\0{query}"
        return [float(byte) for byte in hashlib.sha256(fields.encode()).digest()[:3]]

    def _get_text_embedding(self, text):
        return self._get_query_embedding(text)

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


class LlamaIndex(FrameworkSuite):
    plugin = "llamaindex"
    kind = BaseEmbedding
    # Events of LlamaIndex refuse None before it arrives.
    refusals = (EmbedderContractError, ValidationError)

    def embedder(self, model):
        return Known(behind=model) if model.is_known else Stranger(behind=model)

    def embedder_of_fields(self, **fields):
        return Plain(**fields)

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
