"""Components that are changed while they are asked, and documents that are easily mistaken for each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from haystack import Document, component
from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder

import embedonce
from haystack_integrations.components.embedders.embedonce import CachedDocumentEmbedder


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


def vector(text):
    return MockTextEmbedder(dimension=4).run(text)["embedding"]


def changing(embedder, **settings):
    """Let a component be changed when it is asked for the first time."""
    inner = embedder.run

    def run(**inputs):
        for name, value in settings.items():
            setattr(embedder, name, value)
        return inner(**inputs)

    embedder.run = run
    return embedder


def test_a_prefix_that_is_changed_during_a_call_poisons_no_query(place):
    changed = changing(MockTextEmbedder(dimension=4), prefix="query: ")
    assert embedonce.wrap(changed, place).run("a")["embedding"] == vector("query: a")
    for prefix in ("", "query: "):
        fresh = embedonce.wrap(MockTextEmbedder(dimension=4, prefix=prefix), place)
        assert fresh.run("a")["embedding"] == vector(f"{prefix}a")


def test_a_prefix_that_is_changed_during_a_call_poisons_no_document(place):
    changed = changing(MockDocumentEmbedder(dimension=4), prefix="passage: ")
    embedonce.wrap(changed, place).run([Document(content="a")])
    for prefix in ("", "passage: "):
        fresh = embedonce.wrap(MockDocumentEmbedder(dimension=4, prefix=prefix), place)
        (document,) = fresh.run([Document(content="a")])["documents"]
        assert document.embedding == vector(f"{prefix}a")


def title_of(document):
    return document.meta["title"]


def test_a_function_for_texts_does_not_hide_prefixes(place):
    documents = [Document(content="a", meta={"title": "t"})]
    for prefix in ("", "one: ", "two: "):
        inner = MockDocumentEmbedder(dimension=4, prefix=prefix)
        cached = CachedDocumentEmbedder(inner, place, text_fn=title_of)
        assert cached.run(documents)["documents"] == inner.run(documents)["documents"]


@component
class ById:
    """Tells the documents of a call apart by their ids alone, as embedders of OpenAI's family do."""

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        texts = {document.id: document.content for document in documents}
        return {"documents": [replace(each, embedding=vector(texts[each.id])) for each in documents]}


def test_ids_that_look_like_invented_ones(place):
    names = ["a-2", "a", "a", "a-3", "a", "a-2-2"]
    documents = [Document(id=name, content=f"text {number}") for number, name in enumerate(names)]
    cached = embedonce.wrap(ById(), place, namespace="by-id")
    for _ in range(2):
        found = [each.embedding for each in cached.run(documents)["documents"]]
        assert found == [vector(f"text {number}") for number in range(len(documents))]


@pytest.mark.parametrize("kind", [MockTextEmbedder, MockDocumentEmbedder])
def test_a_setting_of_the_wrapper_is_one_of_the_component_inside(place, kind):
    cached = embedonce.wrap(kind(dimension=4), place)
    before = cached.namespace
    cached.dimension = 5
    assert cached.embedder.dimension == cached.dimension == 5
    assert cached.namespace != before


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": "http://user:s3cr3t-0123@proxy.example"},
        {"client_kwargs": {"proxies": [{"password": "s3cr3t-0123"}]}},
        {"token": {"private_key": "s3cr3t-0123"}},
    ],
    ids=str,
)
def test_secrets_deep_in_options_are_not_written_down(options):
    cached = embedonce.wrap(MockTextEmbedder(dimension=4), "memory://deep", storage_options=options)
    with pytest.raises(ValueError, match="must not be written down") as raised:
        cached.to_dict()
    assert "s3cr3t" not in str(raised.value)
