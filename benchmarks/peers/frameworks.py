"""The frameworks' own caches."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.peers.peer import Answers

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class LangChainFiles:
    """LangChain's `CacheBackedEmbeddings` on its `LocalFileStore`."""

    name: ClassVar[str] = "LangChain, LocalFileStore"
    package: ClassVar[str] = "langchain-classic"
    gives_lists: ClassVar[bool] = True
    is_slow: ClassVar[bool] = True

    def __init__(self, folder: Path, dimensions: int) -> None:
        from langchain_classic.embeddings import CacheBackedEmbeddings
        from langchain_core.embeddings import Embeddings

        class Given(Answers, Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return self.lists(texts)

            def embed_query(self, text: str) -> list[float]:
                return self.lists([text])[0]

        self._model = Given()
        self._cached = CacheBackedEmbeddings.from_bytes_store(
            self._model, self._store(folder), namespace="benchmarks", key_encoder="sha256"
        )

    def _store(self, folder: Path) -> Any:
        from langchain_classic.storage import LocalFileStore

        return LocalFileStore(folder)

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        self._model.give(texts, matrix)
        self._cached.embed_documents(texts)
        self._model.forget()

    def get(self, texts: list[str]) -> list[list[float]]:
        """See `Peer`."""
        return self._cached.embed_documents(texts)

    def close(self) -> None:
        """See `Peer`."""


class LangChainMemory(LangChainFiles):
    """The same on its `InMemoryByteStore`."""

    name: ClassVar[str] = "LangChain, InMemoryByteStore"

    def _store(self, folder: Path) -> Any:
        from langchain_core.stores import InMemoryByteStore

        return InMemoryByteStore()


class LlamaIndexOwn:
    """LlamaIndex' `embeddings_cache` on its `SimpleKVStore`."""

    name: ClassVar[str] = "LlamaIndex, embeddings_cache"
    package: ClassVar[str] = "llama-index-core"
    gives_lists: ClassVar[bool] = True
    is_slow: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        with warnings.catch_warnings():
            # What a dependency of LlamaIndex does when it is imported is not measured here.
            warnings.simplefilter("ignore")
            from llama_index.core.base.embeddings.base import BaseEmbedding
            from llama_index.core.storage.kvstore import SimpleKVStore

        answers = Answers()

        class Given(BaseEmbedding):
            def _get_query_embedding(self, query: str) -> list[float]:
                return answers.lists([query])[0]

            def _get_text_embedding(self, text: str) -> list[float]:
                return answers.lists([text])[0]

            def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
                return answers.lists(texts)

            async def _aget_query_embedding(self, query: str) -> list[float]:
                return self._get_query_embedding(query)

        self._answers = answers
        self._file = str(folder / "store.json")
        self._store = SimpleKVStore()
        self._cached = Given(embeddings_cache=self._store, embed_batch_size=2048)

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        self._answers.give(texts, matrix)
        self._cached.get_text_embedding_batch(texts)
        self._store.persist(self._file)
        self._answers.forget()

    def get(self, texts: list[str]) -> list[list[float]]:
        """See `Peer`."""
        return self._cached.get_text_embedding_batch(texts)

    def close(self) -> None:
        """See `Peer`."""
