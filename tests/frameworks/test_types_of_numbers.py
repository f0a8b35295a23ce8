"""Numbers have the type that a class itself gives them, although classes that share entries give different ones."""

from __future__ import annotations

import itertools
from typing import Any

import haystack_known
import langchain_makers
import llamaindex_known
import pytest
from haystack import Document

import embedonce

cohere = pytest.importorskip("cohere")
TEXTS = ["a", "bc"]


def answer(*_: Any, texts: list[str], **__: Any) -> Any:
    rows = [[len(text), -1, 7] for text in texts]
    embeddings = cohere.EmbedByTypeResponseEmbeddings(int8=rows)
    return cohere.EmbedByTypeResponse(id="x", embeddings=embeddings, texts=texts)


@pytest.fixture(autouse=True)
def _answering(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (cohere.Client, cohere.ClientV2):
        monkeypatch.setattr(kind, "embed", answer)


def of_langchain(store: Any) -> list[list[float]]:
    made = langchain_makers.cohere(model="embed-english-v3.0", embedding_types=["int8"])
    return (made if store is None else embedonce.wrap(made, store)).embed_documents(TEXTS)


def of_llamaindex(store: Any) -> list[list[float]]:
    made = llamaindex_known.KNOWN["cohere"].make(embedding_type="int8")
    return (made if store is None else embedonce.wrap(made, store)).get_text_embedding_batch(TEXTS)


def of_haystack(store: Any) -> list[list[float]]:
    from haystack_integrations.components.embedders.cohere.embedding_types import EmbeddingTypes

    made = haystack_known.KNOWN["cohere-Document"].make(model="embed-english-v3.0", embedding_type=EmbeddingTypes.INT8)
    found = (made if store is None else embedonce.wrap(made, store)).run([Document(content=text) for text in TEXTS])
    return [each.embedding for each in found["documents"]]


DOORS = {"langchain": of_langchain, "llamaindex": of_llamaindex, "haystack": of_haystack}


@pytest.mark.parametrize("order", list(itertools.permutations(DOORS)), ids=" ".join)
def test_integers_are_what_the_class_itself_gives(order: tuple[str, ...]) -> None:
    store = embedonce.MemoryStore()
    for _ in range(2):
        for door in order:
            assert repr(DOORS[door](store)) == repr(DOORS[door](None)), door
