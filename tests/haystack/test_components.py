"""What the two cached components do with every kind of call, by the calls of the component inside."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from haystack_components import hs, sockets

import embedonce
from embedonce import CacheMissError, Identity

# -- sockets and inputs --------------------------------------------------------------------------------------------

INNER = ["Queries", "Plain", "Rich", "MockTextEmbedder", "MockDocumentEmbedder"]


@pytest.mark.parametrize("name", INNER)
def test_the_sockets_are_those_of_the_component_inside(place, name):
    make = getattr(hs, name)
    wrapped = embedonce.wrap(make(), place)
    assert sockets(wrapped) == sockets(make())
    assert isinstance(
        wrapped, hs.CachedDocumentEmbedder if "documents" in sockets(wrapped)[0] else hs.CachedTextEmbedder
    )


def test_a_pipeline_connects_what_it_connects_without_the_cache(place):
    """A `meta` that the component inside does not have would make the unnamed connection ambiguous."""
    for inner, fits in ((hs.Crowd(), True), (hs.Queries(), False)):
        pipeline = hs.Pipeline()
        pipeline.add_component("embedder", embedonce.wrap(inner, place))
        pipeline.add_component("retriever", hs.InMemoryEmbeddingRetriever(hs.InMemoryDocumentStore()))
        if fits:
            pipeline.connect("embedder", "retriever")
        else:
            with pytest.raises(hs.PipelineConnectError):
                pipeline.connect("embedder", "retriever")


def test_by_position_and_by_name(place, run):
    inner, queries = hs.Rich(), hs.Queries()
    wrapped, texts = embedonce.wrap(inner, place), embedonce.wrap(queries, place)
    given = hs.documents("a", "b")
    assert run(wrapped, given)["documents"] == run(wrapped, documents=given)["documents"]
    assert run(texts, "a")["embedding"] == run(texts, text="a")["embedding"] == hs.vector("m", "a", {})
    assert (inner._calls, queries._calls) == ([["a", "b"]], ["a"])


def test_further_inputs_reach_the_component_inside_and_the_key(place, run):
    inner, queries = hs.Rich(), hs.Queries()
    wrapped, texts = embedonce.wrap(inner, place), embedonce.wrap(queries, place)
    for _ in range(2):
        for options in ({"seed": 1}, {"seed": 2}, {"seed": 1, "deep": {"a": 1.5}}, None):
            expected = hs.vector("m", "a", options or {})
            assert hs.vectors_of(run(wrapped, hs.documents("a"), options=options)) == [expected]
            assert run(texts, "a", options=options)["embedding"] == expected
        assert run(texts, "a")["embedding"] == hs.vector("m", "a", {})
    assert (len(inner._calls), len(queries._calls)) == (4, 4)
    # What cannot be written down, or may hold a value for each text, is handed on and its answer is not kept.
    for options in ({"x": hs.Queries}, {"x": hs.Queries}, {"x": [1]}, {"x": [1]}):
        run(texts, "a", options=options)
    assert len(queries._calls) == 8
    with pytest.raises(TypeError, match="unexpected"):
        run(texts, "new", no_such_input=1)


def test_wrong_types_are_refused_by_the_component_inside(place, run):
    cases = [
        (hs.MockTextEmbedder, {"text": 3}),
        (hs.MockTextEmbedder, {"text": hs.documents("a")}),
        (hs.MockDocumentEmbedder, {"documents": "a"}),
        (hs.MockDocumentEmbedder, {"documents": ["a"]}),
        (hs.OpenAITextEmbedder, {"text": None}),
        (hs.OpenAIDocumentEmbedder, {"documents": ["a"]}),
    ]
    embedonce.wrap(hs.MockTextEmbedder(), place).run("3")
    for kind, inputs in cases:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_API_KEY", hs.SECRET)
            with pytest.raises(TypeError, match=f"{kind.__name__} expects"):
                run(embedonce.wrap(kind(), place), **inputs)


def test_an_empty_list_is_not_embedded(place, run):
    inner = hs.Rich()
    assert run(embedonce.wrap(inner, place), []) == {"documents": [], "meta": {"model": "m", "usage": hs.usage(0)}}
    assert run(embedonce.wrap(hs.Plain(), place), []) == {"documents": []}
    assert (inner._calls, inner._life) == ([], [])


def test_what_cannot_be_wrapped(place):
    with pytest.raises(TypeError, match="is not an embedder of Haystack"):
        embedonce.wrap(hs.InMemoryEmbeddingRetriever(hs.InMemoryDocumentStore()), place)
    for kind, inner in (
        (hs.CachedTextEmbedder, hs.Plain()),
        (hs.CachedDocumentEmbedder, hs.Queries()),
        (hs.CachedTextEmbedder, 3),
    ):
        with pytest.raises(TypeError, match=f"{kind.__name__} wraps components that take"):
            kind(inner, place)
    wrapped = embedonce.wrap(hs.Plain(), place)
    assert embedonce.wrap(wrapped, place) is wrapped
    with pytest.raises(ValueError, match="wrapped already"):
        hs.CachedDocumentEmbedder(wrapped, place)


# -- documents -----------------------------------------------------------------------------------------------------


def a_rich_document():
    blob = hs.ByteStream(b"bytes", mime_type="text/plain")
    sparse = hs.SparseEmbedding(indices=[1], values=[0.5])
    return hs.Document(content="a", blob=blob, meta={"k": [1]}, score=0.5, sparse_embedding=sparse, embedding=[9.0])


def test_documents_come_back_new_and_equal_but_for_the_embedding(place, run):
    for _ in range(2):
        given = [a_rich_document(), hs.Document(content="b", id="mine", embedding=[8.0]), hs.Document(content=None)]
        before = copy.deepcopy(given)
        inner = hs.Plain()
        answer = run(embedonce.wrap(inner, place), given)["documents"]
        assert given == before
        for one, other in zip(given, answer, strict=True):
            expected = hs.vector(*hs.Plain().seen(one))
            assert one is not other
            assert other == replace(one, embedding=expected)
            assert other.meta is one.meta
    assert inner._calls == []


def test_each_document_has_a_list_of_its_own(place, run):
    wrapped = embedonce.wrap(hs.MockDocumentEmbedder(dimension=3), place)
    for _ in range(2):
        one, other = hs.vectors_of(run(wrapped, hs.documents("a", "a")))
        assert (one, type(one)) == (other, list)
        one.clear()
        assert len(other) == 3
    text = embedonce.wrap(hs.MockTextEmbedder(dimension=3), place)
    run(text, "a")["embedding"].clear()
    assert len(run(text, "a")["embedding"]) == 3


def test_duplicates_are_paid_once(place, run, openai, service):
    given = [hs.Document(content=text, id=f"{number}") for number, text in enumerate(["a", "b", "a", "a", "b"])]
    found = hs.vectors_of(run(embedonce.wrap(openai(hs.OpenAIDocumentEmbedder, progress_bar=False), place), given))
    assert found[0] == found[2] == found[3] != found[1] == found[4]
    assert service.texts == ["a", "b"]
    wrapped = embedonce.wrap(hs.Queries(), place)
    assert run(wrapped, "a") | {"meta": None} == run(wrapped, "a") | {"meta": None}
    assert wrapped.embedder._calls == ["a"]


def test_a_text_and_a_document_share_what_the_service_calls_one(place, openai, service):
    document = openai(hs.OpenAIDocumentEmbedder, progress_bar=False)
    found = hs.vectors_of(embedonce.wrap(document, place).run(hs.documents("a")))
    assert embedonce.wrap(openai(hs.OpenAITextEmbedder), place).run("a")["embedding"] == found[0]
    assert service.texts == ["a"]
    # Of a class that nobody knows, that is for the user to say.
    for symmetric, calls in ((None, ["a"]), (True, [])):
        folder, queries = place.with_name(f"{symmetric}"), hs.Queries()
        options = {"namespace": "mine", "symmetric": symmetric}
        embedonce.wrap(hs.Plain(), folder, **options).run(hs.documents("a"))
        embedonce.wrap(queries, folder, **options).run("a")
        assert queries._calls == calls


# -- options -------------------------------------------------------------------------------------------------------


def test_text_fn(place, run):
    inner = hs.Plain()
    wrapped = hs.CachedDocumentEmbedder(inner, place, text_fn=hs.content_only)
    first = run(wrapped, [hs.Document(content="a", meta={"page": 1})])
    assert hs.vectors_of(run(wrapped, [hs.Document(content="a", meta={"page": 2})])) == hs.vectors_of(first)
    assert inner._calls == [["a"]]
    # What it tells apart is told apart in a namespace of its own.
    run(embedonce.wrap(inner, place), hs.documents("a"))
    assert inner._calls == [["a"]] * 2
    with pytest.raises(hs.SerializationError, match="ambda"):
        hs.CachedDocumentEmbedder(hs.Plain(), place, text_fn=lambda document: document.content)


def test_namespace_and_version(place):
    for kind, inner in ((hs.CachedDocumentEmbedder, hs.Plain), (hs.CachedTextEmbedder, hs.Queries)):
        given = hs.documents("a") if inner is hs.Plain else "a"
        for options in ({"namespace": "n"}, {"namespace": "n", "version": 2}, {"namespace": "o"}, {}, {"version": "x"}):
            first, again = inner(), inner(model="other" if "namespace" in options else "m")
            assert first.run(given) == {**kind(first, place, **options).run(given)}
            kind(again, place, **options).run(given)
            assert (len(first._calls), len(again._calls)) == (2, 0)
    named = kind(hs.Queries(), place, namespace=Identity.of("p", "m"), version=3)
    assert (named.namespace, named.identity.name) == (named.identity.namespace, "p/m")


def test_modes(place, run):
    first = hs.Rich()
    run(embedonce.wrap(first, place), hs.documents("a"))
    replay = embedonce.wrap(hs.Rich(), place, mode="replay")
    assert hs.vectors_of(run(replay, hs.documents("a"))) == [hs.vector("m", "a", {})]
    with pytest.raises(CacheMissError):
        run(replay, hs.documents("a", "b"))
    assert replay.embedder._calls == replay.embedder._life == []
    for mode, calls in (("refresh", [["a"], ["a"]]), ("off", [["a"], ["a"]]), ("read_only", [])):
        wrapped = embedonce.wrap(hs.Rich(), place, mode=mode)
        for _ in range(2):
            assert hs.vectors_of(run(wrapped, hs.documents("a"))) == [hs.vector("m", "a", {})]
        assert wrapped.embedder._calls == calls


# -- meta, traces, telemetry ---------------------------------------------------------------------------------------


def test_usage_is_that_of_the_misses(place, run):
    wrapped = embedonce.wrap(hs.Rich(), place, batch_size=2)
    for texts, paid in (("abcde", 5), ("abcde", 0), ("axby", 2), ("xx", 0)):
        assert run(wrapped, hs.documents(*texts))["meta"] == {"model": "m", "usage": hs.usage(paid)}
    assert wrapped.embedder._calls == [["a", "b"], ["c", "d"], ["e"], ["x", "y"]]
    texts = embedonce.wrap(hs.Queries(), place)
    assert [run(texts, "a")["meta"] for _ in range(2)] == [{"model": "m", "usage": hs.usage(paid)} for paid in (1, 0)]


def test_usage_of_the_core_components(place, run, openai):
    for make in (lambda: openai(hs.OpenAIDocumentEmbedder, progress_bar=False), hs.MockDocumentEmbedder):
        wrapped, alone = embedonce.wrap(make(), place), make().run(hs.documents("one two"))
        answers = [run(wrapped, hs.documents("one two")) for _ in range(2)]
        assert answers[0] == alone
        assert answers[1] == {**alone, "meta": {"model": alone["meta"]["model"], "usage": hs.usage(0)}}


def test_traces_tell_hits_from_misses(place):
    pipeline = hs.Pipeline()
    pipeline.add_component("docs", embedonce.wrap(hs.Rich(), place))
    for texts, told in (("aab", (1, 2)), ("abc", (2, 1)), ("abc", (3, 0))):
        with hs.recorded() as spans:
            pipeline.run({"docs": {"documents": hs.documents(*texts)}})
        outer = next(span for span in spans if span.tags.get("haystack.component.name") == "docs")
        inner = [span for span in spans if span.tags.get("haystack.component.type") == "Rich"]
        assert (outer.tags["embedonce.hits"], outer.tags["embedonce.misses"]) == told
        assert [span.parent for span in inner] == ([outer] if told[1] else [])
        assert [span.name for span in inner] == ["haystack.component.run"] * len(inner)
    with hs.recorded() as spans:
        queries = embedonce.wrap(hs.Queries(), place)
        assert queries.run("a")["embedding"] == queries.run("a")["embedding"]
    assert len(spans) == 1


def test_telemetry_is_that_of_the_component_inside(place):
    assert embedonce.wrap(hs.Queries(), place)._get_telemetry_data() == {"model": "m"}
    assert embedonce.wrap(hs.Plain(), place)._get_telemetry_data() == {}


def test_settings_of_the_component_inside_are_seen(place):
    wrapped = embedonce.wrap(hs.Queries(model="m"), place)
    assert (wrapped.model, wrapped.embedder.model) == ("m", "m")
    with pytest.raises(AttributeError, match="no_such"):
        assert wrapped.no_such


def test_a_change_of_the_component_inside_is_noticed(place, run):
    inner = hs.MockDocumentEmbedder(dimension=3)
    wrapped = embedonce.wrap(inner, place)
    run(wrapped, hs.documents("a"))
    inner.dimension = 5
    assert len(hs.vectors_of(run(wrapped, hs.documents("a")))[0]) == 5
    inner.prefix = "query: "
    expected = hs.MockDocumentEmbedder(dimension=5, prefix="query: ").run(hs.documents("a"))
    assert hs.vectors_of(run(wrapped, hs.documents("a"))) == hs.vectors_of(expected)
