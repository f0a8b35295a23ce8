"""Embedding models as users write them; in a module, because only a class that can be imported has an identity."""

from __future__ import annotations

from typing import Any

from langchain_core.embeddings import Embeddings
from llama_index.core import MockEmbedding
from llama_index.core.embeddings import BaseEmbedding
from llama_index.embeddings.langchain import LangchainEmbedding
from pydantic import PrivateAttr


class Custom(BaseEmbedding):
    """A model of a user's own, which nobody knows."""

    model_name: str = "acme-1"
    pooling: str = "cls"
    _scale: float = PrivateAttr(default=1.0)

    def _get_text_embedding(self, text):
        return [float(len(text)), self._scale, 0.5]

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


class Nameless(BaseEmbedding):
    """A model of which nothing says which one it is."""

    size: int = 3

    def _get_text_embedding(self, text):
        return [float(len(text))] * self.size

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_text_embedding(query)


class NamedOtherwise(Nameless):
    """A model that LlamaIndex's own field does not name."""

    model: str = "acme-1"


class Shifted(MockEmbedding):
    """A subclass of a known class, with a setting of its own."""

    shift: float = 0.0

    def _get_query_embedding(self, query):
        return [self.shift] * self.embed_dim


class OfLangChain(Embeddings):
    """An embedder for LangChain of a user's own."""

    def __init__(self, model: str, **settings: Any) -> None:
        self.model = model
        self.__dict__.update(settings)

    def embed_documents(self, texts):
        return [[float(len(text)), 1.0] for text in texts]

    def embed_query(self, text):
        return [float(len(text)), 2.0]


class Outer(OfLangChain):
    """An embedder that holds another one."""


class Prefixed(LangchainEmbedding):
    """It may do anything with its texts."""
