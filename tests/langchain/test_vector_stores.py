"""The wrapper where LangChain users put it: into vector stores and LangChain's indexing API."""

from __future__ import annotations

import pytest
from langchain_lanes import in_lanes
from lazily import lazily

import embedonce

lc = lazily("langchain_core.documents", "langchain_core.indexing", "langchain_core.vectorstores", "langchain_support")

# langchain-community warns at its import that it is being retired; faiss, that SWIG makes types without a module.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*langchain-community.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:builtin type \\w+ has no __module__ attribute:DeprecationWarning"),
]

TEXTS = [f"document {number}" for number in range(40)]


def faiss():
    from langchain_community.vectorstores import FAISS

    return FAISS


SOME = ("wrap", "bytes", "segments", "lists")


@in_lanes(SOME, kind=["faiss", "memory"])
def test_a_second_index_of_a_corpus_embeds_nothing(lane, kind):
    store = faiss() if kind == "faiss" else lc.InMemoryVectorStore
    model = lc.Model(dimensions=16)
    plain = store.from_texts(TEXTS, model).similarity_search_with_score("document 7", k=5)
    model.calls.clear()
    answers = [
        store.from_texts(TEXTS, lane.cached(model)).similarity_search_with_score("document 7", k=5) for _ in range(2)
    ]
    assert [[(hit.page_content, score) for hit, score in answer] for answer in answers] == [
        [(hit.page_content, score) for hit, score in plain]
    ] * 2
    assert len(model.asked) == len(TEXTS) + 1, "the documents once, and the query once"


@in_lanes(SOME, kind=["faiss", "memory"])
async def test_a_second_async_index_of_a_corpus_embeds_nothing(lane, kind):
    store = faiss() if kind == "faiss" else lc.InMemoryVectorStore
    model = lc.Model(dimensions=16)
    plain = await (await store.afrom_texts(TEXTS, model)).asimilarity_search("document 7", k=5)
    model.calls.clear()
    for _ in range(2):
        built = await store.afrom_texts(TEXTS, lane.cached(model))
        hits = await built.asimilarity_search("document 7", k=5)
        assert [hit.page_content for hit in hits] == [hit.page_content for hit in plain]
    assert len(model.asked) == len(TEXTS) + 1


def test_a_saved_faiss_index_works_with_the_wrapper(tmp_path):
    model = lc.Model(dimensions=16)
    cached = embedonce.wrap(model, tmp_path / "cache")
    faiss().from_texts(TEXTS, cached).save_local(str(tmp_path / "index"))
    loaded = faiss().load_local(str(tmp_path / "index"), cached, allow_dangerous_deserialization=True)
    loaded.add_texts(["document 7", "new"])
    assert len(loaded.similarity_search("document 7", k=3)) == 3
    assert model.asked == [*TEXTS, "new", "document 7"]


def _corpus():
    return [lc.Document(text, metadata={"source": str(number % 3)}) for number, text in enumerate(TEXTS)]


@in_lanes(SOME)
def test_indexing_by_force_embeds_nothing_anew(lane):
    model = lc.Model(dimensions=16)
    cached = lane.cached(model)
    store, records = lc.InMemoryVectorStore(cached), lc.InMemoryRecordManager("n")
    options = {"cleanup": "incremental", "source_id_key": "source", "key_encoder": "sha256"}
    assert lc.index(_corpus(), records, store, **options)["num_added"] == len(TEXTS)
    assert sorted(model.asked) == sorted(TEXTS)
    model.calls.clear()
    assert lc.index(_corpus(), records, store, force_update=True, **options)["num_updated"] == len(TEXTS)
    moved = [lc.Document(document.page_content, metadata={"source": "moved"}) for document in _corpus()]
    assert lc.index(moved, records, store, **options)["num_added"] == len(TEXTS), "other metadata"
    other = lc.InMemoryVectorStore(lane.cached(model))
    assert lc.index(_corpus(), lc.InMemoryRecordManager("m"), other, **options)["num_added"] == len(TEXTS), (
        "another store"
    )
    assert model.calls == []
    assert other.similarity_search("document 7", k=1)


@in_lanes(SOME)
async def test_async_indexing_by_force_embeds_nothing_anew(lane):
    model = lc.Model(dimensions=16)
    store, records = lc.InMemoryVectorStore(lane.cached(model)), lc.InMemoryRecordManager("n")
    options = {"cleanup": "full", "source_id_key": "source", "key_encoder": "sha256"}
    await lc.aindex(_corpus(), records, store, **options)
    model.calls.clear()
    result = await lc.aindex(_corpus(), records, store, force_update=True, **options)
    assert result["num_updated"] == len(TEXTS)
    assert model.calls == []


@in_lanes(SOME)
def test_equal_texts_with_other_metadata_are_paid_once(lane):
    model = lc.Model(dimensions=16)
    corpus = [lc.Document("the same", metadata={"source": str(number)}) for number in range(10)]
    store = lc.InMemoryVectorStore(lane.cached(model))
    lc.index(corpus, lc.InMemoryRecordManager("n"), store, cleanup=None, key_encoder="sha256")
    assert len(store.store) == 10
    assert model.calls == [["the same"]]
