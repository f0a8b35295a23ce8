"""The frameworks' own caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.models import langchain_model, llamaindex_model
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

        self.answers = Answers()
        self._cached = CacheBackedEmbeddings.from_bytes_store(
            langchain_model(self.answers), self._store(folder), namespace="benchmarks", key_encoder="sha256"
        )

    def _store(self, folder: Path) -> Any:
        from langchain_classic.storage import LocalFileStore

        return LocalFileStore(folder)

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        with self.answers.given(texts, matrix):
            self._cached.embed_documents(texts)

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
    """LlamaIndex' `embeddings_cache` on its `SimpleKVStore`, which is one file of JSON and all in memory."""

    name: ClassVar[str] = "LlamaIndex, embeddings_cache"
    package: ClassVar[str] = "llama-index-core"
    gives_lists: ClassVar[bool] = True
    is_slow: ClassVar[bool] = False

    def __init__(self, folder: Path, dimensions: int) -> None:
        self.answers = Answers()
        model = llamaindex_model(self.answers)
        from llama_index.core.storage.kvstore import SimpleKVStore

        self._file = str(folder / "store.json")
        self._store = SimpleKVStore()
        self._cached = model.model_copy(update={"embeddings_cache": self._store})

    def put(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        """See `Peer`."""
        with self.answers.given(texts, matrix):
            self._cached.get_text_embedding_batch(texts)
        self._store.persist(self._file)

    def get(self, texts: list[str]) -> list[list[float]]:
        """See `Peer`."""
        answer: list[list[float]] = self._cached.get_text_embedding_batch(texts)
        return answer

    def close(self) -> None:
        """See `Peer`."""
