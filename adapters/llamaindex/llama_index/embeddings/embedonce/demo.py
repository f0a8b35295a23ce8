"""LlamaIndex in `embedonce demo`: the embedder of the demo as an embedding model."""

from typing import Any, ClassVar

from embedonce.hookspecs import Demo


def _model(embedder: Any) -> Any:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    class DemoEmbedding(BaseEmbedding):
        """An embedding model that asks the embedder of the demo."""

        embedonce_identity: ClassVar[Any] = embedder.embedonce_identity

        def _get_text_embedding(self, text: str) -> list[float]:
            vector: list[float] = embedder.embed_documents([text])[0]
            return vector

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

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
