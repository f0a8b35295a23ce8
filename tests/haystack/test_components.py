"""What the two cached components do with every kind of call, by the calls of the component inside."""

from __future__ import annotations

import asyncio
import copy
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from haystack import Document, Pipeline, component
from haystack.components.embedders import (
    MockDocumentEmbedder,
    MockTextEmbedder,
    OpenAIDocumentEmbedder,
    OpenAITextEmbedder,
)
from haystack.components.retrievers import InMemoryEmbeddingRetriever, MultiQueryEmbeddingRetriever
from haystack.core.errors import PipelineConnectError, SerializationError
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret
from haystack_support import (
    LIMIT,
    SECRET,
    Crowd,
    Odd,
    Plain,
    Queries,
    Rich,
    content_only,
    documents,
    in_new_process,
    is_awaited,
    recorded,
    until,
    usage,
    vector,
    vectors_of,
    watch,
)
from openai_service import Service, serving

import embedonce
from embedonce import CacheMissError, EmbedderContractError, Identity
from haystack_integrations.components.embedders.embedonce import CachedDocumentEmbedder, CachedTextEmbedder


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def openai(service):
    """Both components of OpenAI in front of a local server."""

    def make(kind, **options):
        return kind(api_key=Secret.from_token(SECRET), api_base_url=url, **options)

    with serving(service) as url:
        yield make


@pytest.fixture(params=["sync", "async"])
def run(request):
    """Whether a component is asked by its sync or its async method."""
    if request.param == "sync":
        return lambda wrapper, *given, **inputs: wrapper.run(*given, **inputs)
    return lambda wrapper, *given, **inputs: asyncio.run(wrapper.run_async(*given, **inputs))


def sockets(wrapped):
    inputs = {each.name: (each.type, each.default_value) for each in wrapped.__haystack_input__._sockets_dict.values()}
    return inputs, {each.name: each.type for each in wrapped.__haystack_output__._sockets_dict.values()}


# -- sockets and inputs --------------------------------------------------------------------------------------------

INNER = [Queries, Plain, Rich, MockTextEmbedder, MockDocumentEmbedder]


@pytest.mark.parametrize("make", INNER)
def test_the_sockets_are_those_of_the_component_inside(place, make):
    wrapped = embedonce.wrap(make(), place)
    assert sockets(wrapped) == sockets(make())
    assert isinstance(wrapped, CachedDocumentEmbedder if "documents" in sockets(wrapped)[0] else CachedTextEmbedder)


def test_a_pipeline_connects_what_it_connects_without_the_cache(place):
    """A `meta` that the component inside does not have would make the unnamed connection ambiguous."""
    for inner, fits in ((Crowd(), True), (Queries(), False)):
        pipeline = Pipeline()
        pipeline.add_component("embedder", embedonce.wrap(inner, place))
        pipeline.add_component("retriever", InMemoryEmbeddingRetriever(InMemoryDocumentStore()))
        if fits:
            pipeline.connect("embedder", "retriever")
        else:
            with pytest.raises(PipelineConnectError):
                pipeline.connect("embedder", "retriever")


def test_by_position_and_by_name(place, run):
    inner, queries = Rich(), Queries()
    wrapped, texts = embedonce.wrap(inner, place), embedonce.wrap(queries, place)
    given = documents("a", "b")
    assert run(wrapped, given)["documents"] == run(wrapped, documents=given)["documents"]
    assert run(texts, "a")["embedding"] == run(texts, text="a")["embedding"] == vector("m", "a", {})
    assert (inner._calls, queries._calls) == ([["a", "b"]], ["a"])


def test_further_inputs_reach_the_component_inside_and_the_key(place, run):
    inner, queries = Rich(), Queries()
    wrapped, texts = embedonce.wrap(inner, place), embedonce.wrap(queries, place)
    for _ in range(2):
        for options in ({"seed": 1}, {"seed": 2}, {"seed": 1, "deep": {"a": 1.5}}, None):
            expected = vector("m", "a", options or {})
            assert vectors_of(run(wrapped, documents("a"), options=options)) == [expected]
            assert run(texts, "a", options=options)["embedding"] == expected
        assert run(texts, "a")["embedding"] == vector("m", "a", {})
    assert (len(inner._calls), len(queries._calls)) == (4, 4)
    # What cannot be written down, or may hold a value for each text, is handed on and its answer is not kept.
    for options in ({"x": Queries}, {"x": Queries}, {"x": [1]}, {"x": [1]}):
        run(texts, "a", options=options)
    assert len(queries._calls) == 8
    with pytest.raises(TypeError, match="unexpected"):
        run(texts, "new", no_such_input=1)


def test_wrong_types_are_refused_by_the_component_inside(place, run):
    cases = [
        (MockTextEmbedder, {"text": 3}),
        (MockTextEmbedder, {"text": documents("a")}),
        (MockDocumentEmbedder, {"documents": "a"}),
        (MockDocumentEmbedder, {"documents": ["a"]}),
        (OpenAITextEmbedder, {"text": None}),
        (OpenAIDocumentEmbedder, {"documents": ["a"]}),
    ]
    embedonce.wrap(MockTextEmbedder(), place).run("3")
    for kind, inputs in cases:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_API_KEY", SECRET)
            with pytest.raises(TypeError, match=f"{kind.__name__} expects"):
                run(embedonce.wrap(kind(), place), **inputs)


def test_an_empty_list_is_nobodys_business(place, run):
    inner = Rich()
    assert run(embedonce.wrap(inner, place), []) == {"documents": [], "meta": {"model": "m", "usage": usage(0)}}
    assert run(embedonce.wrap(Plain(), place), []) == {"documents": []}
    assert (inner._calls, inner._life) == ([], [])


def test_what_cannot_be_wrapped(place):
    with pytest.raises(TypeError, match="no embedder of Haystack"):
        embedonce.wrap(InMemoryEmbeddingRetriever(InMemoryDocumentStore()), place)
    for kind, inner in ((CachedTextEmbedder, Plain()), (CachedDocumentEmbedder, Queries()), (CachedTextEmbedder, 3)):
        with pytest.raises(TypeError, match=f"{kind.__name__} wraps components that take"):
            kind(inner, place)
    wrapped = embedonce.wrap(Plain(), place)
    assert embedonce.wrap(wrapped, place) is wrapped
    with pytest.raises(ValueError, match="wrapped already"):
        CachedDocumentEmbedder(wrapped, place)


# -- documents -----------------------------------------------------------------------------------------------------


def a_rich_document():
    blob = ByteStream(b"bytes", mime_type="text/plain")
    sparse = SparseEmbedding(indices=[1], values=[0.5])
    return Document(content="a", blob=blob, meta={"k": [1]}, score=0.5, sparse_embedding=sparse, embedding=[9.0])


def test_documents_come_back_new_and_equal_but_for_the_embedding(place, run):
    for _ in range(2):
        given = [a_rich_document(), Document(content="b", id="mine", embedding=[8.0]), Document(content=None)]
        before = copy.deepcopy(given)
        inner = Plain()
        answer = run(embedonce.wrap(inner, place), given)["documents"]
        assert given == before
        for one, other in zip(given, answer, strict=True):
            expected = vector(*Plain().seen(one))
            assert one is not other
            assert other == replace(one, embedding=expected)
            assert other.meta is one.meta
    assert inner._calls == []


def test_each_document_has_a_list_of_its_own(place, run):
    wrapped = embedonce.wrap(MockDocumentEmbedder(dimension=3), place)
    for _ in range(2):
        one, other = vectors_of(run(wrapped, documents("a", "a")))
        assert (one, type(one)) == (other, list)
        one.clear()
        assert len(other) == 3
    text = embedonce.wrap(MockTextEmbedder(dimension=3), place)
    run(text, "a")["embedding"].clear()
    assert len(run(text, "a")["embedding"]) == 3


def test_duplicates_are_paid_once(place, run, openai, service):
    given = [Document(content=text, id=f"{number}") for number, text in enumerate(["a", "b", "a", "a", "b"])]
    found = vectors_of(run(embedonce.wrap(openai(OpenAIDocumentEmbedder, progress_bar=False), place), given))
    assert found[0] == found[2] == found[3] != found[1] == found[4]
    assert service.texts == ["a", "b"]
    wrapped = embedonce.wrap(Queries(), place)
    assert run(wrapped, "a") | {"meta": None} == run(wrapped, "a") | {"meta": None}
    assert wrapped.embedder._calls == ["a"]


def test_a_text_and_a_document_share_what_the_service_calls_one(place, openai, service):
    document = openai(OpenAIDocumentEmbedder, progress_bar=False)
    found = vectors_of(embedonce.wrap(document, place).run(documents("a")))
    assert embedonce.wrap(openai(OpenAITextEmbedder), place).run("a")["embedding"] == found[0]
    assert service.texts == ["a"]
    # Of a class that nobody knows, that is for the user to say.
    for symmetric, calls in ((None, ["a"]), (True, [])):
        folder, queries = place.with_name(f"{symmetric}"), Queries()
        options = {"namespace": "mine", "symmetric": symmetric}
        embedonce.wrap(Plain(), folder, **options).run(documents("a"))
        embedonce.wrap(queries, folder, **options).run("a")
        assert queries._calls == calls


# -- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [2, 3, None])
def test_documents_that_fail_come_back_without_a_vector_and_the_rest_is_kept(place, run, batch_size):
    texts = list("abcdefgh")
    failing = ["b", "f", "g"]
    inner = Rich(failing=failing)
    wrapped = embedonce.wrap(inner, place, batch_size=batch_size)
    answer = run(wrapped, documents(*texts, "b", embedding=[9.0, 9.0, 9.0]))
    expected = [None if text in failing else vector("m", text, {}) for text in [*texts, "b"]]
    assert vectors_of(answer) == expected
    assert sorted(text for call in inner._calls for text in call) == texts
    assert answer["meta"] == {"model": "m", "usage": usage(8)}
    again = Rich()
    assert vectors_of(run(embedonce.wrap(again, place), documents(*texts))) == [vector("m", t, {}) for t in texts]
    assert again._calls == [failing]


def test_everything_fails(place, run):
    inner = Rich(failing=["a", "b"])
    for count in (1, 2):
        assert vectors_of(run(embedonce.wrap(inner, place), documents("a", "b", embedding=[1.0]))) == [None, None]
        assert len(inner._calls) == count


@pytest.mark.parametrize("mode", ["refresh", "off", "read_only"])
def test_failures_cost_nothing_twice_in_any_mode(place, run, mode):
    embedonce.wrap(Rich(), place).run(documents("z"))
    inner = Rich(failing=["a", "d"])
    wrapped = embedonce.wrap(inner, place, mode=mode, batch_size=1)
    assert vectors_of(run(wrapped, documents(*"abcd"))) == [None, vector("m", "b", {}), vector("m", "c", {}), None]
    assert sorted(text for call in inner._calls for text in call) == list("abcd")


class Slow:
    """Stands before a component whose calls end only when they are told to."""

    def __init__(self, inner):
        self.calls = []
        self.may_end = threading.Event()
        self._run, inner.run = inner.run, self.run

    def run(self, documents):
        self.calls.append("".join(document.content for document in documents))
        assert self.may_end.wait(LIMIT)
        return self._run(documents)


@pytest.mark.parametrize(
    ("second", "found", "paid"), [("ab", [True, False], ["ab"]), ("cb", [True, False], ["ab", "c", "b"])]
)
@pytest.mark.parametrize("mode", ["read_write", "read_only"])
def test_failures_of_calls_at_once(place, mode, second, found, paid):
    """Who waits for somebody's call takes what it has answered, and learns what it has not if that was all theirs."""
    embedonce.wrap(Rich(), place).run(documents("z"))
    inner = Rich(failing=["b"])
    slow, wrapped = Slow(inner), embedonce.wrap(inner, place, mode=mode)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(wrapped.run, documents("a", "b"))
        until(lambda: slow.calls)
        other = pool.submit(wrapped.run, documents(*second))
        until(lambda: is_awaited(2) if second == "ab" else len(slow.calls) == 2)
        slow.may_end.set()
        assert vectors_of(first.result(LIMIT)) == [vector("m", "a", {}), None]
        assert [each is not None for each in vectors_of(other.result(LIMIT))] == found
    assert slow.calls == paid


@pytest.mark.parametrize("change", [lambda given: given[1:], lambda given: [*given, given[0]], lambda given: None])
def test_another_number_of_documents(place, run, change):
    wrapped = embedonce.wrap(Odd(change), place)
    with pytest.raises(EmbedderContractError, match="3 documents"):
        run(wrapped, documents("a", "b", "c"))
    good = Odd(lambda given: given)
    run(embedonce.wrap(good, place), documents("a", "b", "c"))
    assert good._calls == [["a", "b", "c"]]


CHANGES = {
    "meta": lambda given: [replace(each, meta={"source": "x"}) for each in given],
    "ids": lambda given: [replace(each, id="x") for each in given],
    "content": lambda given: [replace(each, content="x") for each in given],
    "order": lambda given: given[::-1],
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_more_than_the_embedding_goes_past_the_cache(place, run, caplog, what):
    caplog.set_level(logging.WARNING, "embedonce")
    inner = Odd(CHANGES[what])
    wrapped = embedonce.wrap(inner, place)
    given = documents("a", "b")
    expected = CHANGES[what]([replace(each, embedding=[1.0, 2.0]) for each in given])
    for _ in range(3):
        assert run(wrapped, given)["documents"] == expected
    # The first call was needed to see it.
    assert len(inner._calls) == 4
    assert [record.message for record in caplog.records] == [
        "calls of Odd go past the cache because it changes more of a document than its embedding"
    ]
    with pytest.raises(CacheMissError):
        embedonce.wrap(Odd(CHANGES[what]), place, mode="replay").run(given)


def test_queries_without_a_vector_are_handed_on_and_not_kept(place, run):
    for nothing in (None, []):
        inner = Queries()
        inner._script = [nothing, nothing, vector("x")]
        wrapped = embedonce.wrap(inner, place, version=repr(nothing))
        assert [run(wrapped, "a")["embedding"] for _ in range(4)] == [nothing, nothing, vector("x"), vector("x")]
        assert len(inner._calls) == 3


def test_meta_that_cannot_be_written_down(place, run):
    class Thing:
        pass

    inner = Plain()
    wrapped = embedonce.wrap(inner, place)
    for count in (1, 2):
        given = [Document(content="a"), Document(content="b", meta={"thing": Thing()}), Document(content="c")]
        assert vectors_of(run(wrapped, given)) == [vector(*inner.seen(each)) for each in given]
        assert (inner.asked.count("a"), inner.asked.count("b"), inner.asked.count("c")) == (1, count, 1)
    # Not with a class that says what it makes of a document, where the value is not part of it.
    mock = MockDocumentEmbedder()
    calls = watch(mock)
    for _ in range(2):
        run(embedonce.wrap(mock, place), given)
    assert len(calls) == 1


@component
class SparseQueries:
    def __init__(self):
        self.calls = 0

    @component.output_types(sparse_embedding=SparseEmbedding)
    def run(self, text: str):
        self.calls += 1
        return {"sparse_embedding": SparseEmbedding(indices=[1], values=[1.0])}


@component
class Chunks:
    def __init__(self):
        self.calls = 0

    @component.output_types(documents=list[Document], chunks=int)
    def run(self, documents: list[Document]):
        self.calls += 1
        return {"documents": documents, "chunks": 3}


@pytest.mark.parametrize("options", [{}, {"namespace": "mine"}])
@pytest.mark.parametrize(("kind", "given"), [(SparseQueries, "a"), (Chunks, [Document(content="a")])])
def test_outputs_that_no_cache_knows(place, run, caplog, kind, given, options):
    caplog.set_level(logging.WARNING, "embedonce")
    inner = kind()
    wrapped = embedonce.wrap(inner, place, **options)
    assert sockets(wrapped) == sockets(inner)
    assert run(wrapped, given) == run(wrapped, given) == kind().run(given)
    assert inner.calls == 2
    assert len([record for record in caplog.records if "go past the cache" in record.message]) == 1


def not_cacheable():
    from haystack_integrations.components.embedders.cohere import CohereDocumentImageEmbedder
    from haystack_integrations.components.embedders.fastembed import (
        FastembedSparseDocumentEmbedder,
        FastembedSparseTextEmbedder,
    )
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaDocumentImageEmbedder
    from haystack_integrations.components.embedders.voyage_embedders import VoyageContextualizedDocumentEmbedder

    key = {"api_key": Secret.from_token(SECRET)}
    return [
        CohereDocumentImageEmbedder(**key),
        FastembedSparseTextEmbedder(),
        FastembedSparseDocumentEmbedder(),
        JinaDocumentImageEmbedder(**key),
        JinaDocumentEmbedder(late_chunking=True, **key),
        VoyageContextualizedDocumentEmbedder(**key),
    ]


def test_sparse_image_and_contextualised_components(place, caplog):
    caplog.set_level(logging.WARNING, "embedonce")
    for inner in not_cacheable():
        answer = {"anything": object()}
        inner.run, inner.warm_up = lambda answer=answer, **inputs: answer, lambda: None
        wrapped = embedonce.wrap(inner, place)
        assert sockets(wrapped) == sockets(inner)
        given = "a" if isinstance(wrapped, CachedTextEmbedder) else documents("a")
        caplog.clear()
        assert wrapped.run(given) is wrapped.run(given) is answer
        assert [record.message.count("go past the cache") for record in caplog.records] == [1]
        with pytest.raises(embedonce.IdentityError):
            assert wrapped.identity
        with pytest.raises(CacheMissError):
            embedonce.wrap(inner, place, mode="replay").run(given)
    assert not list(place.rglob("*.seg*"))


# -- life ----------------------------------------------------------------------------------------------------------


async def test_the_component_inside_is_warmed_up_when_it_is_needed(place):
    inner = Rich()
    wrapped = embedonce.wrap(inner, place)
    wrapped.warm_up()
    await wrapped.warm_up_async()
    assert inner._life == []
    wrapped.run(documents("a"))
    await wrapped.run_async(documents("b"))
    assert inner._life == ["warm_up", "warm_up_async"]
    wrapped.run(documents("a", "b"))
    assert inner._life == ["warm_up", "warm_up_async"]
    wrapped.close()
    await wrapped.close_async()
    assert inner._life[2:] == ["close", "close_async"]
    assert wrapped.run(documents("a"))["documents"][0].embedding == vector("m", "a", {})


async def test_components_without_async_methods(place):
    plain, queries = Plain(), Queries()
    wrapped, texts = embedonce.wrap(plain, place), embedonce.wrap(queries, place)
    assert vectors_of(await wrapped.run_async(documents("a"))) == [vector("m", "", "a", {})]
    assert (await texts.run_async("a"))["embedding"] == vector("m", "a", {})
    for each in (wrapped, texts):
        each.warm_up()
        await each.warm_up_async()
        await each.close_async()
        each.close()
    assert queries._life == ["warm_up", "close", "close"]


def test_hits_need_no_key(place, openai, service):
    url = openai(OpenAITextEmbedder).api_base_url
    embedonce.wrap(openai(OpenAIDocumentEmbedder, progress_bar=False), place).run(documents("a", "b"))
    program = """
import sys
from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
import embedonce
place, url = sys.argv[1:]
documents = embedonce.wrap(OpenAIDocumentEmbedder(api_base_url=url), place)
texts = embedonce.wrap(OpenAITextEmbedder(api_base_url=url), place)
documents.warm_up(), texts.warm_up()
print(documents.run([Document(content="b")])["documents"][0].embedding, texts.run("a")["embedding"], sep="\\n")
try:
    texts.run("new")
except ValueError as error:
    print("OPENAI_API_KEY" in str(error))
"""
    expected = [service.vector("text-embedding-3-small", text, None).tolist() for text in "ba"]
    assert in_new_process(program, place, url).splitlines() == [*map(repr, expected), "True"]
    assert service.texts == ["a", "b"]


def test_equal_queries_at_once_are_one_call(place):
    """The retriever asks its embedder from threads of its own."""
    inner = Crowd()
    document_store = InMemoryDocumentStore()
    document_store.write_documents([Document(content="found", embedding=vector("q"))])
    retriever = InMemoryEmbeddingRetriever(document_store)
    several = MultiQueryEmbeddingRetriever(
        retriever=retriever, query_embedder=embedonce.wrap(inner, place), max_workers=6
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(several.run, queries=["q"] * 6)
        assert inner._entered.wait(LIMIT)
        inner._may_end.set()
        assert [document.content for document in answer.result(LIMIT)["documents"]] == ["found"]
    assert inner._calls == ["q"]


async def test_equal_queries_of_tasks_at_once_are_one_call(place):
    inner = Rich()
    wrapped = embedonce.wrap(inner, place)
    answers = await asyncio.gather(*[wrapped.run_async(documents("q", "r")) for _ in range(6)])
    assert {tuple(map(tuple, vectors_of(answer))) for answer in answers} == {
        (tuple(vector("m", "q", {})), tuple(vector("m", "r", {})))
    }
    assert inner._calls == [["q", "r"]]
    assert sorted(answer["meta"]["usage"]["total_tokens"] for answer in answers) == [0, 0, 0, 0, 0, 2]


# -- options -------------------------------------------------------------------------------------------------------


def test_text_fn(place, run):
    inner = Plain()
    wrapped = CachedDocumentEmbedder(inner, place, text_fn=content_only)
    first = run(wrapped, [Document(content="a", meta={"page": 1})])
    assert vectors_of(run(wrapped, [Document(content="a", meta={"page": 2})])) == vectors_of(first)
    assert inner._calls == [["a"]]
    # What it tells apart is told apart in a namespace of its own.
    run(embedonce.wrap(inner, place), documents("a"))
    assert inner._calls == [["a"]] * 2
    with pytest.raises(SerializationError, match="ambda"):
        CachedDocumentEmbedder(Plain(), place, text_fn=lambda document: document.content)


def test_namespace_and_version(place):
    for kind, inner in ((CachedDocumentEmbedder, Plain), (CachedTextEmbedder, Queries)):
        given = documents("a") if inner is Plain else "a"
        for options in ({"namespace": "n"}, {"namespace": "n", "version": 2}, {"namespace": "o"}, {}, {"version": "x"}):
            first, again = inner(), inner(model="other" if "namespace" in options else "m")
            assert first.run(given) == {**kind(first, place, **options).run(given)}
            kind(again, place, **options).run(given)
            assert (len(first._calls), len(again._calls)) == (2, 0)
    named = kind(Queries(), place, namespace=Identity.of("p", "m"), version=3)
    assert (named.namespace, named.identity.name) == (named.identity.namespace, "p/m")


def test_modes(place, run):
    first = Rich()
    run(embedonce.wrap(first, place), documents("a"))
    replay = embedonce.wrap(Rich(), place, mode="replay")
    assert vectors_of(run(replay, documents("a"))) == [vector("m", "a", {})]
    with pytest.raises(CacheMissError):
        run(replay, documents("a", "b"))
    assert replay.embedder._calls == replay.embedder._life == []
    for mode, calls in (("refresh", [["a"], ["a"]]), ("off", [["a"], ["a"]]), ("read_only", [])):
        wrapped = embedonce.wrap(Rich(), place, mode=mode)
        for _ in range(2):
            assert vectors_of(run(wrapped, documents("a"))) == [vector("m", "a", {})]
        assert wrapped.embedder._calls == calls


# -- meta, traces, telemetry ---------------------------------------------------------------------------------------


def test_usage_is_that_of_the_misses(place, run):
    wrapped = embedonce.wrap(Rich(), place, batch_size=2)
    for texts, paid in (("abcde", 5), ("abcde", 0), ("axby", 2), ("xx", 0)):
        assert run(wrapped, documents(*texts))["meta"] == {"model": "m", "usage": usage(paid)}
    assert wrapped.embedder._calls == [["a", "b"], ["c", "d"], ["e"], ["x", "y"]]
    texts = embedonce.wrap(Queries(), place)
    assert [run(texts, "a")["meta"] for _ in range(2)] == [{"model": "m", "usage": usage(paid)} for paid in (1, 0)]


def test_usage_of_the_core_components(place, run, openai):
    for make in (lambda: openai(OpenAIDocumentEmbedder, progress_bar=False), MockDocumentEmbedder):
        wrapped, alone = embedonce.wrap(make(), place), make().run(documents("one two"))
        answers = [run(wrapped, documents("one two")) for _ in range(2)]
        assert answers[0] == alone
        assert answers[1] == {**alone, "meta": {"model": alone["meta"]["model"], "usage": usage(0)}}


def test_traces_tell_hits_from_misses(place):
    pipeline = Pipeline()
    pipeline.add_component("docs", embedonce.wrap(Rich(), place))
    for texts, told in (("aab", (1, 2)), ("abc", (2, 1)), ("abc", (3, 0))):
        with recorded() as spans:
            pipeline.run({"docs": {"documents": documents(*texts)}})
        outer = next(span for span in spans if span.tags.get("haystack.component.name") == "docs")
        inner = [span for span in spans if span.tags.get("haystack.component.type") == "Rich"]
        assert (outer.tags["embedonce.hits"], outer.tags["embedonce.misses"]) == told
        assert [span.parent for span in inner] == ([outer] if told[1] else [])
        assert [span.name for span in inner] == ["haystack.component.run"] * len(inner)
    with recorded() as spans:
        queries = embedonce.wrap(Queries(), place)
        assert queries.run("a")["embedding"] == queries.run("a")["embedding"]
    assert len(spans) == 1


def test_telemetry_is_that_of_the_component_inside(place):
    assert embedonce.wrap(Queries(), place)._get_telemetry_data() == {"model": "m"}
    assert embedonce.wrap(Plain(), place)._get_telemetry_data() == {}


def test_settings_of_the_component_inside_are_seen(place):
    wrapped = embedonce.wrap(Queries(model="m"), place)
    assert (wrapped.model, wrapped.embedder.model) == ("m", "m")
    with pytest.raises(AttributeError, match="no_such"):
        assert wrapped.no_such


def test_a_change_of_the_component_inside_is_noticed(place, run):
    inner = MockDocumentEmbedder(dimension=3)
    wrapped = embedonce.wrap(inner, place)
    run(wrapped, documents("a"))
    inner.dimension = 5
    assert len(vectors_of(run(wrapped, documents("a")))[0]) == 5
    inner.prefix = "query: "
    expected = MockDocumentEmbedder(dimension=5, prefix="query: ").run(documents("a"))
    assert vectors_of(run(wrapped, documents("a"))) == vectors_of(expected)
