"""What the cached components do where something fails, bypasses the cache, or is asked at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from haystack_components import hs, sockets

import embedonce
from embedonce import CacheMissError, EmbedderContractError
from embedonce.runtime.threads import in_thread

# -- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [2, 3, None])
def test_documents_that_fail_come_back_without_a_vector_and_the_rest_is_kept(place, run, batch_size):
    texts = list("abcdefgh")
    failing = ["b", "f", "g"]
    inner = hs.Rich(failing=failing)
    wrapped = embedonce.wrap(inner, place, batch_size=batch_size)
    answer = run(wrapped, hs.documents(*texts, "b", embedding=[9.0, 9.0, 9.0]))
    expected = [None if text in failing else hs.vector("m", text, {}) for text in [*texts, "b"]]
    assert hs.vectors_of(answer) == expected
    assert sorted(text for call in inner._calls for text in call) == texts
    assert answer["meta"] == {"model": "m", "usage": hs.usage(8)}
    again = hs.Rich()
    assert hs.vectors_of(run(embedonce.wrap(again, place), hs.documents(*texts))) == [
        hs.vector("m", t, {}) for t in texts
    ]
    assert again._calls == [failing]


def test_everything_fails(place, run):
    inner = hs.Rich(failing=["a", "b"])
    for count in (1, 2):
        assert hs.vectors_of(run(embedonce.wrap(inner, place), hs.documents("a", "b", embedding=[1.0]))) == [None, None]
        assert len(inner._calls) == count


@pytest.mark.parametrize("mode", ["refresh", "off", "read_only"])
def test_failures_cost_nothing_twice_in_any_mode(place, run, mode):
    embedonce.wrap(hs.Rich(), place).run(hs.documents("z"))
    inner = hs.Rich(failing=["a", "d"])
    wrapped = embedonce.wrap(inner, place, mode=mode, batch_size=1)
    assert hs.vectors_of(run(wrapped, hs.documents(*"abcd"))) == [
        None,
        hs.vector("m", "b", {}),
        hs.vector("m", "c", {}),
        None,
    ]
    assert sorted(text for call in inner._calls for text in call) == list("abcd")


class Slow:
    """Stands before a component whose calls end only when they are told to."""

    def __init__(self, inner):
        self.calls = []
        self.may_end = threading.Event()
        self._run, inner.run = inner.run, self.run

    def run(self, documents):
        self.calls.append("".join(document.content for document in documents))
        assert self.may_end.wait(hs.LIMIT)
        return self._run(documents)


@pytest.mark.parametrize(
    ("second", "found", "paid"), [("ab", [True, False], ["ab"]), ("cb", [True, False], ["ab", "c"])]
)
@pytest.mark.parametrize("mode", ["read_write", "read_only"])
def test_failures_of_calls_at_once(place, mode, second, found, paid):
    """Who waits for another call takes what it has answered, and learns what it has not."""
    embedonce.wrap(hs.Rich(), place).run(hs.documents("z"))
    inner = hs.Rich(failing=["b"])
    slow, wrapped = Slow(inner), embedonce.wrap(inner, place, mode=mode)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(wrapped.run, hs.documents("a", "b"))
        hs.until(lambda: slow.calls)
        other = pool.submit(wrapped.run, hs.documents(*second))
        hs.until(lambda: hs.is_awaited(2) if second == "ab" else len(slow.calls) == 2)
        slow.may_end.set()
        assert hs.vectors_of(first.result(hs.LIMIT)) == [hs.vector("m", "a", {}), None]
        assert [each is not None for each in hs.vectors_of(other.result(hs.LIMIT))] == found
    assert slow.calls == paid


@pytest.mark.parametrize("change", [lambda given: given[1:], lambda given: [*given, given[0]], lambda given: None])
def test_another_number_of_documents(place, run, change):
    wrapped = embedonce.wrap(hs.Odd(change), place)
    with pytest.raises(EmbedderContractError, match="3 documents"):
        run(wrapped, hs.documents("a", "b", "c"))
    good = hs.Odd(lambda given: given)
    run(embedonce.wrap(good, place), hs.documents("a", "b", "c"))
    assert good._calls == [["a", "b", "c"]]


CHANGES = {
    "meta": lambda given: [replace(each, meta={"source": "x"}) for each in given],
    "ids": lambda given: [replace(each, id="x") for each in given],
    "content": lambda given: [replace(each, content="x") for each in given],
    "order": lambda given: given[::-1],
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_more_than_the_embedding_bypasses_the_cache(place, run, caplog, what):
    caplog.set_level(logging.WARNING, "embedonce")
    inner = hs.Odd(CHANGES[what])
    wrapped = embedonce.wrap(inner, place)
    given = hs.documents("a", "b")
    expected = CHANGES[what]([replace(each, embedding=[1.0, 2.0]) for each in given])
    for _ in range(3):
        assert run(wrapped, given)["documents"] == expected
    # The first call was needed to see it.
    assert len(inner._calls) == 4
    assert [record.message for record in caplog.records] == [
        "calls of Odd bypass the cache because it changes more of a document than its embedding"
    ]
    with pytest.raises(CacheMissError):
        embedonce.wrap(hs.Odd(CHANGES[what]), place, mode="replay").run(given)


def test_queries_without_a_vector_are_handed_on_and_not_kept(place, run):
    for nothing in (None, []):
        inner = hs.Queries()
        inner._script = [nothing, nothing, hs.vector("x")]
        wrapped = embedonce.wrap(inner, place, version=repr(nothing))
        assert [run(wrapped, "a")["embedding"] for _ in range(4)] == [nothing, nothing, hs.vector("x"), hs.vector("x")]
        assert len(inner._calls) == 3


def test_meta_that_cannot_be_written_down(place, run):
    class Thing:
        pass

    inner = hs.Plain()
    wrapped = embedonce.wrap(inner, place)
    for count in (1, 2):
        given = [hs.Document(content="a"), hs.Document(content="b", meta={"thing": Thing()}), hs.Document(content="c")]
        assert hs.vectors_of(run(wrapped, given)) == [hs.vector(*inner.seen(each)) for each in given]
        assert (inner.asked.count("a"), inner.asked.count("b"), inner.asked.count("c")) == (1, count, 1)
    # Not with a class that says what it makes of a document, where the value is not part of it.
    mock = hs.MockDocumentEmbedder()
    calls = hs.watch(mock)
    for _ in range(2):
        run(embedonce.wrap(mock, place), given)
    assert len(calls) == 1


@pytest.mark.parametrize("options", [{}, {"namespace": "mine"}])
@pytest.mark.parametrize("name", ["SparseQueries", "Chunks"])
def test_outputs_that_no_cache_knows(place, run, caplog, name, options):
    kind, given = getattr(hs, name), "a" if name == "SparseQueries" else hs.documents("a")
    caplog.set_level(logging.WARNING, "embedonce")
    inner = kind()
    wrapped = embedonce.wrap(inner, place, **options)
    assert sockets(wrapped) == sockets(inner)
    assert run(wrapped, given) == run(wrapped, given) == kind().run(given)
    assert inner.calls == 2
    assert len([record for record in caplog.records if "bypass the cache" in record.message]) == 1


def not_cacheable():
    from haystack_integrations.components.embedders.cohere import CohereDocumentImageEmbedder
    from haystack_integrations.components.embedders.fastembed import (
        FastembedSparseDocumentEmbedder,
        FastembedSparseTextEmbedder,
    )
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaDocumentImageEmbedder
    from haystack_integrations.components.embedders.voyage_embedders import VoyageContextualizedDocumentEmbedder

    key = {"api_key": hs.Secret.from_token(hs.SECRET)}
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
        given = "a" if isinstance(wrapped, hs.CachedTextEmbedder) else hs.documents("a")
        caplog.clear()
        assert wrapped.run(given) is wrapped.run(given) is answer
        assert [record.message.count("bypass the cache") for record in caplog.records] == [1]
        with pytest.raises(embedonce.IdentityError):
            assert wrapped.identity
        with pytest.raises(CacheMissError):
            embedonce.wrap(inner, place, mode="replay").run(given)
    assert not list(place.rglob("*.seg*"))


# -- life ----------------------------------------------------------------------------------------------------------


async def test_the_component_inside_is_warmed_up_when_it_is_needed(place):
    inner = hs.Rich()
    wrapped = embedonce.wrap(inner, place)
    wrapped.warm_up()
    await wrapped.warm_up_async()
    assert inner._life == []
    wrapped.run(hs.documents("a"))
    await wrapped.run_async(hs.documents("b"))
    assert inner._life == ["warm_up", "warm_up_async"]
    wrapped.run(hs.documents("a", "b"))
    assert inner._life == ["warm_up", "warm_up_async"]
    wrapped.close()
    await wrapped.close_async()
    assert inner._life[2:] == ["close", "close_async"]
    assert wrapped.run(hs.documents("a"))["documents"][0].embedding == hs.vector("m", "a", {})


async def test_components_without_async_methods(place):
    plain, queries = hs.Plain(), hs.Queries()
    wrapped, texts = embedonce.wrap(plain, place), embedonce.wrap(queries, place)
    assert hs.vectors_of(await wrapped.run_async(hs.documents("a"))) == [hs.vector("m", "", "a", {})]
    assert (await texts.run_async("a"))["embedding"] == hs.vector("m", "a", {})
    for each in (wrapped, texts):
        each.warm_up()
        await each.warm_up_async()
        await each.close_async()
        each.close()
    assert queries._life == ["warm_up", "close", "close"]


def test_hits_need_no_key(place, openai, service):
    url = openai(hs.OpenAITextEmbedder).api_base_url
    embedonce.wrap(openai(hs.OpenAIDocumentEmbedder, progress_bar=False), place).run(hs.documents("a", "b"))
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
    assert hs.in_new_process(program, place, url).splitlines() == [*map(repr, expected), "True"]
    assert service.texts == ["a", "b"]


def test_equal_queries_at_once_are_one_call(place):
    """The retriever asks its embedder from threads of its own."""
    inner = hs.Crowd()
    document_store = hs.InMemoryDocumentStore()
    document_store.write_documents([hs.Document(content="found", embedding=hs.vector("q"))])
    retriever = hs.InMemoryEmbeddingRetriever(document_store)
    several = hs.MultiQueryEmbeddingRetriever(
        retriever=retriever, query_embedder=embedonce.wrap(inner, place), max_workers=6
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(several.run, queries=["q"] * 6)
        assert inner._entered.wait(hs.LIMIT)
        inner._may_end.set()
        assert [document.content for document in answer.result(hs.LIMIT)["documents"]] == ["found"]
    assert inner._calls == ["q"]


async def test_equal_queries_of_tasks_at_once_are_one_call(place):
    inner = hs.Rich()
    wrapped = embedonce.wrap(inner, place)
    answers = await asyncio.gather(*[wrapped.run_async(hs.documents("q", "r")) for _ in range(6)])
    assert {tuple(map(tuple, hs.vectors_of(answer))) for answer in answers} == {
        (tuple(hs.vector("m", "q", {})), tuple(hs.vector("m", "r", {})))
    }
    assert inner._calls == [["q", "r"]]
    assert sorted(answer["meta"]["usage"]["total_tokens"] for answer in answers) == [0, 0, 0, 0, 0, 2]


async def test_what_the_component_inside_has_answered_is_stored_although_the_call_is_cancelled(place):
    inner, asked, may_answer, end = hs.Rich(), asyncio.Event(), asyncio.Event(), threading.Event()
    answering = inner.run_async

    async def held(**inputs):
        asked.set()
        await may_answer.wait()
        return await answering(**inputs)

    inner.run_async = held
    wrapped, loop = embedonce.wrap(inner, place), asyncio.get_running_loop()
    call = asyncio.ensure_future(wrapped.run_async(hs.documents("a")))
    await asyncio.wait_for(asked.wait(), hs.LIMIT)
    # No thread is free for what comes after the answer.
    loop.set_default_executor(ThreadPoolExecutor(1))
    blockers = [
        loop.run_in_executor(None, end.wait, hs.LIMIT),
        *(asyncio.ensure_future(in_thread(end.wait, hs.LIMIT)) for _ in range(64)),
    ]
    await asyncio.sleep(0)
    may_answer.set()
    for _ in range(10):
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    end.set()
    await asyncio.gather(*blockers)
    await asyncio.to_thread(hs.until, lambda: wrapped.cache.stats().stored == 1)
