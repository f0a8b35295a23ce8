"""Pipelines that are loaded from YAML, run and run again: the second time nobody is asked for a vector."""

from __future__ import annotations

import asyncio
import json

import pytest
from haystack import Document, Pipeline
from haystack.components.embedders import (
    MockDocumentEmbedder,
    MockTextEmbedder,
    OpenAIDocumentEmbedder,
    OpenAITextEmbedder,
)
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers import (
    InMemoryBM25Retriever,
    InMemoryEmbeddingRetriever,
    MultiQueryEmbeddingRetriever,
)
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack.tools import ComponentTool
from haystack_support import SECRET, Queries, documents, in_new_process, vectors_of, watch
from openai_service import Service, serving

import embedonce

QUERIES = ["Which stars are hot?", "What do cats eat?"]
CORPUS = [
    {"content": "Stars are hot. The sun is a star.", "meta": {"title": "Stars"}},
    {"content": "Cats eat fish. Dogs eat bones.", "meta": {"title": "Pets"}},
    {"content": "Stars are hot. The sun is a star.", "meta": {"title": "Copy"}},
]


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


def indexing(embedder):
    pipeline = Pipeline()
    pipeline.add_component("splitter", DocumentSplitter(split_by="period", split_length=1))
    pipeline.add_component("embedder", embedder)
    store = InMemoryDocumentStore(index="shared-by-both")
    pipeline.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    pipeline.connect("splitter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    return pipeline


def hybrid(embedder):
    pipeline, store = Pipeline(), InMemoryDocumentStore(index="shared-by-both")
    pipeline.add_component("embedder", embedder)
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=3))
    pipeline.add_component("words", InMemoryBM25Retriever(store, top_k=3))
    pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "joiner")
    pipeline.connect("words", "joiner")
    return pipeline


PROGRAM = """
import asyncio, json, os, sys
from haystack import Document, Pipeline
folder, how, corpus, queries = sys.argv[1:]
index, search = (Pipeline.loads(open(os.path.join(folder, name)).read()) for name in ("index.yaml", "search.yaml"))
run = (lambda p, given: p.run(given)) if how == "sync" else lambda p, given: asyncio.run(p.run_async(given))
run(index, {"splitter": {"documents": [Document(**each) for each in json.loads(corpus)]}})
for query in json.loads(queries):
    answer = run(search, {"embedder": {"text": query}, "words": {"query": query}})
    # Of two with one score, the one whose branch was faster comes first.
    print(json.dumps(sorted([-found.score, found.content] for found in answer["joiner"]["documents"])))
"""


def test_a_hybrid_pipeline_in_new_processes_without_the_key(place, tmp_path):
    service = Service()
    with serving(service) as url:
        options = {"api_base_url": url, "dimensions": 8}
        embedders = [
            OpenAIDocumentEmbedder(meta_fields_to_embed=["title"], progress_bar=False, **options),
            OpenAITextEmbedder(**options),
        ]
        alone = [make(each) for make, each in zip((indexing, hybrid), embedders, strict=True)]
        cached = [
            make(embedonce.wrap(each.from_dict(each.to_dict()), place))
            for make, each in zip((indexing, hybrid), embedders, strict=True)
        ]
        answers = []
        for folder, pipelines, how, key in (
            ("alone", alone, "sync", {"OPENAI_API_KEY": SECRET}),
            ("cached", cached, "sync", {"OPENAI_API_KEY": SECRET}),
            ("cached", cached, "sync", {}),
            ("cached", cached, "async", {}),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            for name, pipeline in zip(("index.yaml", "search.yaml"), pipelines, strict=True):
                (tmp_path / folder / name).write_text(pipeline.dumps())
            service.requests.clear()
            given = (tmp_path / folder, how, json.dumps(CORPUS), json.dumps(QUERIES))
            answers.append(in_new_process(PROGRAM, *given, **key))
            if key:
                assert len(set(service.texts)) == len(service.texts) == 8
            else:
                assert service.texts == []
    assert len(answers[0].splitlines()) == len(QUERIES)
    assert answers[0] == answers[1] == answers[2] == answers[3]


@pytest.mark.parametrize("is_async", [False, True])
def test_pipelines_of_mocks(place, is_async):
    def run(pipeline, given):
        return asyncio.run(pipeline.run_async(given)) if is_async else pipeline.run(given)

    asked = []
    for _ in range(2):
        inner = MockDocumentEmbedder(dimension=8), MockTextEmbedder(dimension=8)
        calls = [watch(each) for each in inner]
        index, search = (make(embedonce.wrap(e, place)) for make, e in zip((indexing, hybrid), inner, strict=True))
        run(index, {"splitter": {"documents": [Document(**each) for each in CORPUS]}})
        for query in QUERIES:
            found = run(search, {"embedder": {"text": query}, "words": {"query": query}})["joiner"]["documents"]
            assert len(found) > 0
        asked.append([len(each) for each in calls])
    assert asked == [[1, 2], [0, 0]]


def test_a_corpus_that_has_grown(place):
    inner = MockDocumentEmbedder(dimension=8)
    calls, index = watch(inner), indexing(embedonce.wrap(inner, place))
    for corpus in (CORPUS, [*CORPUS, {"content": "Fish swim.", "meta": {}}], CORPUS[::-1]):
        index.run({"splitter": {"documents": [Document(**each) for each in corpus]}})
    assert [sorted(document.content.strip() for document in call) for call in calls] == [
        ["Cats eat fish.", "Dogs eat bones.", "Stars are hot.", "The sun is a star."],
        ["Fish swim."],
    ]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_splitter_that_embeds(place, is_async):
    """It calls its embedder by position."""
    splitter_class = pytest.importorskip("haystack.components.preprocessors").EmbeddingBasedDocumentSplitter
    answers, asked = [], []
    for cached in (False, True, True):
        inner = embedder = MockDocumentEmbedder(dimension=8)
        if cached:
            asked.append(watch(inner))
            embedder = embedonce.wrap(inner, place)
        splitter = splitter_class(
            document_embedder=embedder, sentences_per_group=1, percentile=0.5, min_length=1, max_length=1000
        )
        splitter.sentence_splitter = Sentences()
        given = [Document(content=each["content"] * 3) for each in CORPUS[:2]]
        answer = asyncio.run(splitter.run_async(given)) if is_async else splitter.run(given)
        answers.append([document.content for document in answer["documents"]])
        assert splitter_class.from_dict(splitter.to_dict()).to_dict() == splitter.to_dict()
    assert answers[0] == answers[1] == answers[2]
    assert (bool(asked[0]), asked[1]) == (True, [])


class Sentences:
    """Splits at full stops, without the model that would have to be downloaded."""

    def split_sentences(self, text):
        found, start = [], 0
        while start < len(text):
            end = text.find(".", start) + 1 or len(text)
            found.append({"sentence": text[start:end], "start": start, "end": end})
            start = end
        return found


async def test_the_retriever_of_several_queries(place):
    store = InMemoryDocumentStore()
    store.write_documents(MockDocumentEmbedder(dimension=8).run(documents("one", "two"))["documents"])
    asked = []
    for _ in range(2):
        inner = MockTextEmbedder(dimension=8)
        asked.append(watch(inner))
        retriever = MultiQueryEmbeddingRetriever(
            retriever=InMemoryEmbeddingRetriever(store), query_embedder=embedonce.wrap(inner, place)
        )
        loaded = MultiQueryEmbeddingRetriever.from_dict(retriever.to_dict())
        assert loaded.to_dict() == retriever.to_dict()
        found = [retriever.run(queries=["one", "one", "three"]), await retriever.run_async(queries=["one", "three"])]
        assert [{document.content for document in each["documents"]} for each in found] == [{"one", "two"}] * 2
    assert [sorted(each) for each in asked] == [["one", "three"], []]


def test_a_tool_for_agents(place):
    inner = Queries()
    tool = ComponentTool(component=embedonce.wrap(inner, place), name="embed", description="Embeds a text.")
    assert tool.parameters["required"] == ["text"]
    assert tool.parameters["properties"]["text"]["description"]
    assert tool.invoke(text="a")["embedding"] == tool.invoke(text="a")["embedding"]
    assert inner._calls == ["a"]


def test_documents_with_vectors_are_embedded_anew(place):
    """A vector that comes in may be another model's."""
    given = documents("a", embedding=[9.0])
    wrapped = embedonce.wrap(MockDocumentEmbedder(dimension=3), place)
    expected = vectors_of(MockDocumentEmbedder(dimension=3).run(given))
    assert vectors_of(wrapped.run(given)) == vectors_of(wrapped.run(given)) == expected
