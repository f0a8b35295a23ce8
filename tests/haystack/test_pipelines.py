"""Pipelines that are loaded from YAML, run and run again: the second time nobody is asked for a vector."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
from lazily import lazily

import embedonce

hs = lazily(
    "haystack",
    "haystack.components.embedders",
    "haystack.components.joiners",
    "haystack.components.preprocessors",
    "haystack.components.retrievers",
    "haystack.components.writers",
    "haystack.document_stores.in_memory",
    "haystack.document_stores.types",
    "haystack.tools",
    "haystack_support",
    "openai_service",
)

QUERIES = ["Which stars are hot?", "What do cats eat?"]
CORPUS = [
    {"content": "Stars are hot. The sun is a star.", "meta": {"title": "Stars"}},
    {"content": "Cats eat fish. Dogs eat bones.", "meta": {"title": "Pets"}},
    {"content": "Stars are hot. The sun is a star.", "meta": {"title": "Copy"}},
]


def indexing(embedder, index="shared-by-both"):
    pipeline = hs.Pipeline()
    pipeline.add_component("splitter", hs.DocumentSplitter(split_by="period", split_length=1))
    pipeline.add_component("embedder", embedder)
    store = hs.InMemoryDocumentStore(index=index)
    pipeline.add_component("writer", hs.DocumentWriter(store, policy=hs.DuplicatePolicy.OVERWRITE))
    pipeline.connect("splitter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    return pipeline


def hybrid(embedder, index="shared-by-both"):
    pipeline, store = hs.Pipeline(), hs.InMemoryDocumentStore(index=index)
    pipeline.add_component("embedder", embedder)
    pipeline.add_component("dense", hs.InMemoryEmbeddingRetriever(store, top_k=3))
    pipeline.add_component("words", hs.InMemoryBM25Retriever(store, top_k=3))
    pipeline.add_component("joiner", hs.DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "joiner")
    pipeline.connect("words", "joiner")
    return pipeline


PROGRAM = """
import sys
from haystack_support import answers_of_files
for how in ("sync", "async"):
    print(answers_of_files(sys.argv[1], how, *sys.argv[2:]))
"""


RUNS = [("alone", "sync"), ("here", "sync"), ("fresh", "sync"), ("fresh", "async")]
"""Folders of files, and how their pipelines are asked."""


def test_a_hybrid_pipeline_in_new_processes_without_the_key(place, tmp_path, monkeypatch):
    service = hs.Service()
    with hs.serving(service) as url:
        options = {"api_base_url": url, "dimensions": 8}
        embedders = [
            hs.OpenAIDocumentEmbedder(meta_fields_to_embed=["title"], progress_bar=False, **options),
            hs.OpenAITextEmbedder(**options),
        ]
        # Documents are kept in memory by the name of their index, and no run may find those of another one.
        for folder, how in RUNS:
            (tmp_path / folder).mkdir(exist_ok=True)
            for make, embedder in zip((indexing, hybrid), embedders, strict=True):
                own = embedder.from_dict(embedder.to_dict())
                pipeline = make(own if folder == "alone" else embedonce.wrap(own, place), f"{folder} {how}")
                (tmp_path / folder / f"{make.__name__}.{how}.yaml").write_text(pipeline.dumps())
        given = (json.dumps(CORPUS), json.dumps(QUERIES))
        answers = []
        monkeypatch.setenv("OPENAI_API_KEY", hs.SECRET)
        for folder in ("alone", "here"):
            service.requests.clear()
            answers.append(hs.answers_of_files(tmp_path / folder, "sync", *given))
            assert len(set(service.texts)) == len(service.texts) == 8
        service.requests.clear()
        path = os.pathsep.join(sys.path)
        answers += hs.in_new_process(PROGRAM, tmp_path / "fresh", *given, PYTHONPATH=path).splitlines()
        assert service.texts == []
    assert len(json.loads(answers[0])) == len(QUERIES)
    assert answers[0] == answers[1] == answers[2] == answers[3]


@pytest.mark.parametrize("is_async", [False, True])
def test_pipelines_of_mocks(place, is_async):
    def run(pipeline, given):
        return asyncio.run(pipeline.run_async(given)) if is_async else pipeline.run(given)

    asked = []
    for _ in range(2):
        inner = hs.MockDocumentEmbedder(dimension=8), hs.MockTextEmbedder(dimension=8)
        calls = [hs.watch(each) for each in inner]
        index, search = (make(embedonce.wrap(e, place)) for make, e in zip((indexing, hybrid), inner, strict=True))
        run(index, {"splitter": {"documents": [hs.Document(**each) for each in CORPUS]}})
        for query in QUERIES:
            found = run(search, {"embedder": {"text": query}, "words": {"query": query}})["joiner"]["documents"]
            assert len(found) > 0
        asked.append([len(each) for each in calls])
    assert asked == [[1, 2], [0, 0]]


def test_a_corpus_that_has_grown(place):
    inner = hs.MockDocumentEmbedder(dimension=8)
    calls, index = hs.watch(inner), indexing(embedonce.wrap(inner, place))
    for corpus in (CORPUS, [*CORPUS, {"content": "Fish swim.", "meta": {}}], CORPUS[::-1]):
        index.run({"splitter": {"documents": [hs.Document(**each) for each in corpus]}})
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
        inner = embedder = hs.MockDocumentEmbedder(dimension=8)
        if cached:
            asked.append(hs.watch(inner))
            embedder = embedonce.wrap(inner, place)
        splitter = splitter_class(
            document_embedder=embedder, sentences_per_group=1, percentile=0.5, min_length=1, max_length=1000
        )
        splitter.sentence_splitter = Sentences()
        given = [hs.Document(content=each["content"] * 3) for each in CORPUS[:2]]
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
    store = hs.InMemoryDocumentStore()
    store.write_documents(hs.MockDocumentEmbedder(dimension=8).run(hs.documents("one", "two"))["documents"])
    asked = []
    for _ in range(2):
        inner = hs.MockTextEmbedder(dimension=8)
        asked.append(hs.watch(inner))
        retriever = hs.MultiQueryEmbeddingRetriever(
            retriever=hs.InMemoryEmbeddingRetriever(store), query_embedder=embedonce.wrap(inner, place)
        )
        loaded = hs.MultiQueryEmbeddingRetriever.from_dict(retriever.to_dict())
        assert loaded.to_dict() == retriever.to_dict()
        found = [retriever.run(queries=["one", "one", "three"]), await retriever.run_async(queries=["one", "three"])]
        assert [{document.content for document in each["documents"]} for each in found] == [{"one", "two"}] * 2
    assert [sorted(each) for each in asked] == [["one", "three"], []]


def test_a_tool_for_agents(place):
    inner = hs.Queries()
    tool = hs.ComponentTool(component=embedonce.wrap(inner, place), name="embed", description="Embeds a text.")
    assert tool.parameters["required"] == ["text"]
    assert tool.parameters["properties"]["text"]["description"]
    assert tool.invoke(text="a")["embedding"] == tool.invoke(text="a")["embedding"]
    assert inner._calls == ["a"]


def test_documents_with_vectors_are_embedded_anew(place):
    """A vector that comes in may be another model's."""
    given = hs.documents("a", embedding=[9.0])
    wrapped = embedonce.wrap(hs.MockDocumentEmbedder(dimension=3), place)
    expected = hs.vectors_of(hs.MockDocumentEmbedder(dimension=3).run(given))
    assert hs.vectors_of(wrapped.run(given)) == hs.vectors_of(wrapped.run(given)) == expected
