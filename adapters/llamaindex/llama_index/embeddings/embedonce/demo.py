"""LlamaIndex in `embedonce demo`: the embedder of the demo as an embedding model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.hookspecs import Demo

if TYPE_CHECKING:
    from embedonce import Identity


def _model(embedder: Any) -> Any:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class DemoEmbedding(BaseEmbedding):
        """An embedding model that asks the embedder of the demo."""

        @property
        def embedonce_identity(self) -> Identity:
            identity: Identity = embedder.embedonce_identity
            return identity

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = embedder.embed_documents(texts)
            return vectors

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embeddings([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return DemoEmbedding(embed_batch_size=64)


DEMO = Demo(
    framework="LlamaIndex",
    package="llama_index.core",
    requirement="embedonce[llamaindex]",
    model=_model,
    embed=lambda cached, texts: cached.get_text_embedding_batch(texts),
)
