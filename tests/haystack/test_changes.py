"""Components that are changed while they are asked, and documents that are easily mistaken for each other."""

from __future__ import annotations

import pytest
from haystack import Document
from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder

import embedonce
from haystack_integrations.components.embedders.embedonce import CachedDocumentEmbedder


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


def vector(text):
    return MockTextEmbedder(dimension=4).run(text)["embedding"]


def changing(component, **settings):
    """Let a component be changed when it is asked for the first time."""
    inner = component.run

    def run(**inputs):
        for name, value in settings.items():
            setattr(component, name, value)
        return inner(**inputs)

    component.run = run
    return component


def test_a_prefix_that_is_changed_during_a_call_poisons_no_query(place):
    component = changing(MockTextEmbedder(dimension=4), prefix="query: ")
    assert embedonce.wrap(component, place).run("a")["embedding"] == vector("query: a")
    for prefix in ("", "query: "):
        fresh = embedonce.wrap(MockTextEmbedder(dimension=4, prefix=prefix), place)
        assert fresh.run("a")["embedding"] == vector(f"{prefix}a")


def test_a_prefix_that_is_changed_during_a_call_poisons_no_document(place):
    component = changing(MockDocumentEmbedder(dimension=4), prefix="passage: ")
    embedonce.wrap(component, place).run([Document(content="a")])
    for prefix in ("", "passage: "):
        fresh = embedonce.wrap(MockDocumentEmbedder(dimension=4, prefix=prefix), place)
        (document,) = fresh.run([Document(content="a")])["documents"]
        assert document.embedding == vector(f"{prefix}a")


def title_of(document):
    return document.meta["title"]


def test_a_function_for_texts_does_not_hide_prefixes(place):
    documents = [Document(content="a", meta={"title": "t"})]
    for prefix in ("", "one: ", "two: "):
        component = MockDocumentEmbedder(dimension=4, prefix=prefix)
        cached = CachedDocumentEmbedder(component, place, text_fn=title_of)
        assert cached.run(documents)["documents"] == component.run(documents)["documents"]


def test_ids_that_look_like_invented_ones(place):
    """Embedders of OpenAI's family tell the documents of a call apart by their ids alone."""

    class ById(MockDocumentEmbedder):
        def run(self, documents):
            texts = {document.id: document.content for document in documents}
            embedded = [Document(id=each.id, content=texts[each.id]) for each in documents]
            found = MockDocumentEmbedder.run(self, embedded)["documents"]
            answer = MockDocumentEmbedder.run(self, documents)
            for each, right in zip(answer["documents"], found, strict=True):
                each.embedding[:] = right.embedding
            return answer

    documents = [
        Document(id=name, content=f"text {number}")
        for number, name in enumerate(["a-2", "a", "a", "a-3", "a", "a-2-2"])
    ]
    cached = embedonce.wrap(ById(dimension=4), place, namespace="by-id")
    for _ in range(2):
        assert [each.embedding for each in cached.run(documents)["documents"]] == [
            vector(f"text {number}") for number in range(len(documents))
        ]


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
