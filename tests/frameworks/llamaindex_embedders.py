"""Embedding models of LlamaIndex in front of one model, for the tests that all frameworks share."""

from __future__ import annotations

import hashlib
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding


class Stranger(BaseEmbedding):
    """Asks a model, and which cannot be told."""

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
