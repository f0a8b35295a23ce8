"""Components that are changed while they are asked, and documents that are easily mistaken for each other."""

from __future__ import annotations

import pytest
from lazily import lazily

import embedonce

hs = lazily(
    "haystack_support",
    "haystack",
    "haystack.components.embedders",
    "haystack_integrations.components.embedders.embedonce",
)


def vector(text):
    return hs.MockTextEmbedder(dimension=4).run(text)["embedding"]


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
    changed = changing(hs.MockTextEmbedder(dimension=4), prefix="query: ")
    assert embedonce.wrap(changed, place).run("a")["embedding"] == vector("query: a")
    for prefix in ("", "query: "):
        fresh = embedonce.wrap(hs.MockTextEmbedder(dimension=4, prefix=prefix), place)
        assert fresh.run("a")["embedding"] == vector(f"{prefix}a")


def test_a_prefix_that_is_changed_during_a_call_poisons_no_document(place):
    changed = changing(hs.MockDocumentEmbedder(dimension=4), prefix="passage: ")
    embedonce.wrap(changed, place).run([hs.Document(content="a")])
    for prefix in ("", "passage: "):
        fresh = embedonce.wrap(hs.MockDocumentEmbedder(dimension=4, prefix=prefix), place)
        (document,) = fresh.run([hs.Document(content="a")])["documents"]
        assert document.embedding == vector(f"{prefix}a")


def title_of(document):
    return document.meta["title"]


def test_a_function_for_texts_does_not_hide_prefixes(place):
    documents = [hs.Document(content="a", meta={"title": "t"})]
    for prefix in ("", "one: ", "two: "):
        inner = hs.MockDocumentEmbedder(dimension=4, prefix=prefix)
        cached = hs.CachedDocumentEmbedder(inner, place, text_fn=title_of)
        assert cached.run(documents)["documents"] == inner.run(documents)["documents"]


def test_ids_that_look_like_invented_ones(place):
    names = ["a-2", "a", "a", "a-3", "a", "a-2-2"]
    documents = [hs.Document(id=name, content=f"text {number}") for number, name in enumerate(names)]
    cached = embedonce.wrap(hs.ById(), place, namespace="by-id")
    for _ in range(2):
        found = [each.embedding for each in cached.run(documents)["documents"]]
        assert found == [vector(f"text {number}") for number in range(len(documents))]


@pytest.mark.parametrize("kind", ["MockTextEmbedder", "MockDocumentEmbedder"])
def test_a_setting_of_the_wrapper_is_one_of_the_component_inside(place, kind):
    cached = embedonce.wrap(getattr(hs, kind)(dimension=4), place)
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
    cached = embedonce.wrap(hs.MockTextEmbedder(dimension=4), "memory://deep", storage_options=options)
    with pytest.raises(ValueError, match="must not be written down") as raised:
        cached.to_dict()
    assert "s3cr3t" not in str(raised.value)
