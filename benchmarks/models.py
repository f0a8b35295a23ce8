"""Embedders of each framework, in front of answers that are given beforehand."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.peers.peer import Answers

EMBED_BATCH_SIZE = 2048
"""The largest that LlamaIndex takes: fewer pieces are less work for its own cache."""


def langchain_model(answers: Answers) -> Any:
    """Return LangChain `Embeddings`."""
    from langchain_core.embeddings import Embeddings

    class Given(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return answers.lists(texts)

        def embed_query(self, text: str) -> list[float]:
            return answers.lists([text])[0]

    return Given()


def llamaindex_model(answers: Answers, **fields: Any) -> Any:
    """Return a LlamaIndex `BaseEmbedding`."""
    with warnings.catch_warnings():
        # What dependencies of LlamaIndex say when they are imported.
        warnings.simplefilter("ignore")
        from llama_index.core.base.embeddings.base import BaseEmbedding

    class Given(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return answers.lists([query])[0]

        def _get_text_embedding(self, text: str) -> list[float]:
            return answers.lists([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return answers.lists(texts)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    return Given(embed_batch_size=EMBED_BATCH_SIZE, **fields)


def haystack_model(answers: Answers) -> Any:
    """Return a Haystack component that embeds documents."""
    from haystack import Document, component

    class Given:
        def run(self, documents: list[Document]) -> dict[str, list[Document]]:
            vectors = answers.lists([document.content or "" for document in documents])
            return {"documents": [replace(one, embedding=each) for one, each in zip(documents, vectors, strict=True)]}

    Given.run.__annotations__ = {"documents": list[Document], "return": dict[str, list[Document]]}
    Given.run = component.output_types(documents=list[Document])(Given.run)  # type: ignore[method-assign]
    return component(Given)()
