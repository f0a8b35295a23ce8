"""Models of each framework that note what reaches them, in whatever way."""

from __future__ import annotations

from typing import Any

from haystack import component
from langchain_core.embeddings import Embeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding

from langchain_embedonce import CacheBackedEmbeddings

__all__ = ["ASKED", "CacheBackedEmbeddings", "MockEmbedding", "OfHaystack", "OfLangChain", "OfLlamaIndex", "reached"]

ASKED: list[str] = []
"""What has reached a model."""


def reached(what: str) -> list[float]:
    ASKED.append(what)
    return [1.0, 2.0]


class OfLangChain(Embeddings):
    def __init__(self) -> None:
        self.model = "m"
        self.vectorise = reached

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [reached(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return reached(text)

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_documents(uris)

    async def aembed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_documents(uris)

    @property
    def dimension(self) -> int:
        return len(self.embed_query("probe"))

    @property
    def batch_size(self) -> int:
        return len(self.embed_query("how many"))


class OfLlamaIndex(BaseEmbedding):
    model: str = "m"

    def _get_query_embedding(self, query: str) -> list[float]:
        return reached(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return reached(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return reached(text)

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        return [reached(uri) for uri in uris]

    async def aembed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_image(uris)

    def vectorise(self, text: str) -> list[float]:
        return reached(text)

    def similarity(self, *vectors: Any) -> float:
        return reached(str(vectors))[0]

    @property
    def dimension(self) -> int:
        return len(self._get_text_embedding("probe"))


@component
class OfHaystack:
    def __init__(self) -> None:
        self.model = "m"

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: Any) -> dict[str, Any]:
        return {"embedding": reached(str(text)), "meta": {}}

    def embed_image(self, uris: list[str]) -> list[list[float]]:
        return [reached(uri) for uri in uris]

    async def aembed_image(self, uris: list[str]) -> list[list[float]]:
        return self.embed_image(uris)

    def vectorise(self, text: str) -> list[float]:
        return reached(text)

    @property
    def dimension(self) -> int:
        return len(self.run("probe")["embedding"])
