"""The classes of all frameworks that hold a SentenceTransformer, each with the model that it has loaded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sentence_transformers import SentenceTransformer

import embedonce


class Door(NamedTuple):
    """An embedder of some framework.

    Attributes:
        embedder: The embedder, not wrapped.
        model: The model that it has loaded.
        ask: Embeds texts with the embedder or what it was wrapped in, and returns an array.
    """

    embedder: object
    model: SentenceTransformer
    ask: object

    def wrapped(self, store):
        return embedonce.wrap(self.embedder, store)


def _langchain(folder):
    from langchain_huggingface import HuggingFaceEmbeddings

    embedder = HuggingFaceEmbeddings(model_name=str(folder), model_kwargs={"device": "cpu"})
    return Door(embedder, embedder._client, lambda each, texts: each.embed_documents(texts))


def _llamaindex(folder):
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    embedder = HuggingFaceEmbedding(model_name=str(folder), device="cpu")
    return Door(embedder, embedder._model, lambda each, texts: each.get_text_embedding_batch(texts))


def _haystack(folder):
    from haystack import Document

    embedder = haystack_component(folder)
    embedder.warm_up()

    def ask(each, texts):
        return [document.embedding for document in each.run([Document(content=text) for text in texts])["documents"]]

    return Door(embedder, embedder.embedding_backend.model, ask)


def haystack_component(folder, **settings):
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder
    from haystack_integrations.components.embedders.sentence_transformers.embedding_backend import backend

    # Components share what they have loaded.
    backend._SentenceTransformersEmbeddingBackendFactory._instances.clear()
    return SentenceTransformersDocumentEmbedder(
        model=str(folder), device=ComponentDevice.from_str("cpu"), progress_bar=False, **settings
    )


def _sentence_transformers(folder):
    model = SentenceTransformer(str(folder), device="cpu")
    return Door(model, model, lambda each, texts: each.encode(texts))


DOORS = {
    "langchain": _langchain,
    "llamaindex": _llamaindex,
    "haystack": _haystack,
    "sentence-transformers": _sentence_transformers,
}


def vectors(door, each, texts):
    return np.asarray(door.ask(each, texts), dtype=np.float32)
