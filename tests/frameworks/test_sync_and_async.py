"""Async methods that send something other than the sync ones store nothing of it."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import langchain_makers
import pytest

import embedonce


class Bedrock:
    """A client of Bedrock whose vectors depend on the model, the text and what it is said to be."""

    def __init__(self, real: Any) -> None:
        self.meta = real.meta
        self.asked: list[dict[str, Any]] = []

    def invoke_model(self, *, body: str, **_: Any) -> dict[str, Any]:
        asked = json.loads(body)
        self.asked.append(asked)
        kind = float(asked.get("input_type") == "search_query")
        rows = [[float(len(text)), kind] for text in asked.get("texts", [asked.get("inputText")])]
        answer = {"embeddings": rows} if "texts" in asked else {"embedding": rows[0]}
        return {"body": io.BytesIO(json.dumps(answer).encode())}


async def _as_before_1_9(self: Any, texts: list[str]) -> list[list[float]]:
    return list(await asyncio.gather(*[self.aembed_query(text) for text in texts]))


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make LangChain's class for Bedrock as it was before langchain-aws 1.9."""
    module = pytest.importorskip("langchain_aws")
    monkeypatch.setattr(module.BedrockEmbeddings, "aembed_documents", _as_before_1_9)

    def make(model: str) -> Any:
        made = langchain_makers.bedrock(model_id=model)
        made.client = Bedrock(made.client)
        return made

    return make


TEXTS = ["a", "bc", "def"]
DOCUMENTS = [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]


@pytest.mark.parametrize("model", ["cohere.embed-english-v3", "amazon.titan-embed-text-v2:0"])
@pytest.mark.parametrize("options", [{}, {"namespace": "acme/x@1"}])
def test_documents_of_langchain_are_documents_in_async_calls_too(bedrock: Any, model: str, options: Any) -> None:
    store = embedonce.MemoryStore()
    wrapped = embedonce.wrap(bedrock(model), store, **options)
    assert asyncio.run(wrapped.aembed_documents(TEXTS)) == DOCUMENTS
    later = embedonce.wrap(bedrock(model), store, **options)
    assert later.embed_documents(TEXTS) == DOCUMENTS
    assert later.cache.stats().hits == len(TEXTS)
    if model.startswith("cohere"):
        assert [each["input_type"] for each in wrapped.client.asked] == ["search_document"]


def test_documents_of_langchain_inside_llamaindex_are_documents_in_async_calls_too(bedrock: Any) -> None:
    module = pytest.importorskip("llama_index.embeddings.langchain")
    inner = bedrock("cohere.embed-english-v3")
    wrapped = embedonce.wrap(module.LangchainEmbedding(inner), embedonce.MemoryStore())
    assert asyncio.run(wrapped.aget_text_embedding("a")) == DOCUMENTS[0]
    assert asyncio.run(wrapped.aget_text_embedding_batch(TEXTS)) == DOCUMENTS
    assert {each["input_type"] for each in inner.client.asked} == {"search_document"}
