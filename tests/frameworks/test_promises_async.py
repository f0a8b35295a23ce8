"""Many at once: what is in flight is paid once, cancelling harms nobody, the loop goes on; in every framework."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from frameworks_support import LIMIT, BoomError, DictStore, Model, auntil, exactly, is_awaited, until

import embedonce.parts
from embedonce import EmbedderContractError, EmbeddingCache
from embedonce.keys import sha256

NAMESPACE = "acme/e5-small@3"
CROWD = 24
VERBS = ("documents", "document", "query")


def questions(verb):
    return ["a", "b"] if verb == "documents" else "a"


def expected(model, verb):
    return getattr(model, verb)(questions(verb))


def waiting(*wrapped, count):
    """True when so many calls have begun."""
    caches = {id(each.cache): each.cache for each in wrapped}
    return sum(cache.stats().calls for cache in caches.values()) == count


def in_time(awaitable):
    return asyncio.wait_for(awaitable, LIMIT)


# Single flight


@pytest.mark.parametrize("verb", VERBS)
async def test_equal_texts_of_many_tasks_are_paid_once(framework, place, verb):
    model = Model()
    model.hold()
    wrapped = framework.wrap(model, place)
    ask = getattr(framework, f"a{verb}")
    tasks = [asyncio.create_task(ask(wrapped, questions(verb))) for _ in range(CROWD)]
    await auntil(lambda: waiting(wrapped, count=CROWD))
    model.gate.set()
    answers = await in_time(asyncio.gather(*tasks))
    assert len(model.calls) == 1
    for answer in answers:
        assert exactly(answer) == exactly(expected(model, verb)), "nobody changes what others have got"
        for vector in answer if verb == "documents" else [answer]:
            vector[:] = [99.0]


@pytest.mark.parametrize("verb", VERBS)
def test_equal_texts_of_many_threads_are_paid_once(framework, place, verb):
    model = Model()
    model.hold()
    wrapped = framework.wrap(model, place)
    with ThreadPoolExecutor(CROWD) as pool:
        crowd = [pool.submit(getattr(framework, verb), wrapped, questions(verb)) for _ in range(CROWD)]
        until(lambda: waiting(wrapped, count=CROWD))
        model.gate.set()
        answers = [each.result(LIMIT) for each in crowd]
    assert len(model.calls) == 1
    for answer in answers:
        assert exactly(answer) == exactly(expected(model, verb))
        answer.clear()


async def test_threads_and_tasks_of_all_frameworks_wait_for_the_first(framework, other_framework, place):
    model, never = Model(), Model(fail_at=0)
    model.hold()
    first, second = (
        each.wrap(behind, place, is_known=False, namespace=NAMESPACE)
        for each, behind in ((framework, model), (other_framework, never))
    )
    leader = asyncio.create_task(framework.adocuments(first, ["a", "b"]))
    await auntil(model.started.is_set)
    with ThreadPoolExecutor(4) as pool:
        crowd = [pool.submit(other_framework.documents, second, ["b", "a"]) for _ in range(4)]
        tasks = [asyncio.create_task(other_framework.adocuments(second, ["b", "a"])) for _ in range(4)]
        await auntil(lambda: waiting(first, second, count=9))
        model.gate.set()
        answers = await in_time(asyncio.gather(*tasks, *map(asyncio.wrap_future, crowd)))
    assert exactly(await in_time(leader)) == exactly(model.documents(["a", "b"]))
    assert exactly(answers) == exactly([model.documents(["b", "a"])] * 8)
    assert len(model.calls) == 1
    assert never.calls == []


async def test_a_query_does_not_wait_for_a_document(framework, place):
    model = Model()
    model.hold()
    wrapped = framework.wrap(model, place)
    tasks = [
        asyncio.create_task(framework.aquery(wrapped, "a")),
        asyncio.create_task(framework.adocument(wrapped, "a")),
    ]
    await auntil(lambda: len(model.calls) == 2)
    model.gate.set()
    answers = await in_time(asyncio.gather(*tasks))
    assert exactly(answers) == exactly([model.query("a"), model.document("a")])


async def test_many_calls_at_once_keep_their_own_order(framework, place):
    model = Model()
    wrapped = framework.wrap(model, place, batch_size=3)
    asked = [[f"{i * j % 11}" for j in range(i % 7 + 1)] for i in range(40)]
    answers = await in_time(asyncio.gather(*(framework.adocuments(wrapped, texts) for texts in asked)))
    assert exactly(answers) == exactly([model.documents(texts) for texts in asked])
    assert sorted(model.paid) == sorted({("document", text) for texts in asked for text in texts})


async def test_a_failure_reaches_those_who_wait_and_is_not_kept(framework, place):
    model = Model(fail_at=0)
    model.hold()
    wrapped = framework.wrap(model, place)
    tasks = [asyncio.create_task(framework.adocuments(wrapped, ["a"])) for _ in range(2)]
    await auntil(is_awaited)
    model.gate.set()
    outcomes = await in_time(asyncio.gather(*tasks, return_exceptions=True))
    assert [type(outcome) for outcome in outcomes] == [BoomError] * 2
    assert len(model.calls) == 1
    assert exactly(await in_time(framework.adocuments(wrapped, ["a"]))) == exactly(model.documents(["a"]))


@pytest.mark.parametrize("second", ["query", "document"])
@pytest.mark.parametrize("first", ["query", "document"])
async def test_those_who_wait_for_a_vector_that_never_comes_are_told(framework, place, first, second):
    """In their own words, whatever the role that was asked first."""
    model = Model(symmetric=True, spoil=lambda vectors: [[] for _ in vectors])
    model.hold()
    wrapped = framework.wrap(model, place)
    tasks = [asyncio.create_task(getattr(framework, f"a{first}")(wrapped, "a"))]
    await auntil(model.started.is_set)
    tasks.append(asyncio.create_task(getattr(framework, f"a{second}")(wrapped, "a")))
    await auntil(is_awaited)
    model.gate.set()
    outcomes = await in_time(asyncio.gather(*tasks, return_exceptions=True))
    if framework.may_leave_out:
        assert outcomes == [[] if verb == "query" else None for verb in (first, second)]
        # A query has to be answered by its own component.
        assert len(model.calls) == (2 if (first, second) == ("document", "query") else 1)
    else:
        assert [type(outcome) for outcome in outcomes] == [EmbedderContractError] * 2
    model.spoil = None
    assert exactly(await in_time(framework.aquery(wrapped, "a"))) == exactly(model.query("a"))


async def test_a_query_gets_its_vector_from_a_call_that_fails_at_another_text(framework, place):
    """As far as that is no failure of the call."""
    model = Model(symmetric=True, spoil=lambda vectors: [*vectors[:-1], []])
    model.hold()
    wrapped = framework.wrap(model, place)
    documents = asyncio.create_task(framework.adocuments(wrapped, ["a", "b"]))
    await auntil(model.started.is_set)
    query = asyncio.create_task(framework.aquery(wrapped, "a"))
    await auntil(is_awaited)
    model.gate.set()
    outcomes = await in_time(asyncio.gather(documents, query, return_exceptions=True))
    if framework.may_leave_out:
        assert exactly(outcomes) == exactly([[model.document("a"), None], model.query("a")])
        assert len(model.calls) == 1
    else:
        assert [type(outcome) for outcome in outcomes] == [EmbedderContractError] * 2


# Cancelling


async def test_cancelling_one_who_waits_cancels_nobody_else(framework, place):
    model = Model()
    model.hold()
    wrapped = framework.wrap(model, place)
    leader = asyncio.create_task(framework.adocuments(wrapped, ["a", "b"]))
    await auntil(model.started.is_set)
    others = [asyncio.create_task(framework.adocuments(wrapped, ["a", "b"])) for _ in range(3)]
    await auntil(lambda: waiting(wrapped, count=4))
    await auntil(is_awaited)
    for task in others[1:]:
        task.cancel()
    outcomes = await in_time(asyncio.gather(*others[1:], return_exceptions=True))
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    model.gate.set()
    answers = await in_time(asyncio.gather(leader, others[0]))
    assert exactly(answers) == exactly([model.documents(["a", "b"])] * 2)
    assert len(model.calls) == 1


async def test_when_the_one_who_pays_is_cancelled_somebody_takes_over(framework, place):
    model = Model()
    model.hold()
    wrapped = framework.wrap(model, place)
    leader = asyncio.create_task(framework.adocuments(wrapped, ["a"]))
    await auntil(model.started.is_set)
    others = [asyncio.create_task(framework.adocuments(wrapped, ["a"])) for _ in range(3)]
    await auntil(lambda: waiting(wrapped, count=4))
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    await auntil(lambda: len(model.calls) == 2)
    model.gate.set()
    assert exactly(await in_time(asyncio.gather(*others))) == exactly([model.documents(["a"])] * 3)
    assert model.texts == [["a"], ["a"]]


async def test_cancelling_keeps_the_batches_that_were_finished(framework, place):
    model, texts = Model(), [f"text {i}" for i in range(8)]
    answer = model.aanswer

    async def stuck(role, some):
        if "text 4" in some:
            model.hold()
        return await answer(role, some)

    model.aanswer = stuck
    task = asyncio.create_task(framework.adocuments(framework.wrap(model, place, batch_size=2), texts))
    await auntil(lambda: model.gate is not None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = Model()
    assert exactly(await framework.adocuments(framework.wrap(again, place), texts)) == exactly(again.documents(texts))
    assert again.texts == [texts[4:]]


# The event loop


async def test_nothing_heavy_and_no_store_is_on_the_event_loop(framework, monkeypatch):
    """Neither hashing nor reading nor converting of 2,000 texts, and a store that blocks not even for one."""
    here, seen = threading.get_ident(), {}

    def note(name):
        seen.setdefault(name, set()).add(threading.get_ident())

    class Watched(DictStore):
        def mget(self, keys):
            note("read")
            return super().mget(keys)

        def mset(self, key_value_pairs):
            note("write")
            super().mset(key_value_pairs)

    def encoder(text):
        note("key")
        return sha256(text)

    as_lists = embedonce.parts.as_lists

    def watched(matrix):
        if len(matrix) > 1:
            note("convert")
        return as_lists(matrix)

    monkeypatch.setattr(embedonce.parts, "as_lists", watched)
    store, model, texts = Watched(), Model(dimensions=64), [f"text {i}" for i in range(2000)]
    for _ in range(2):
        wrapped = framework.wrap(model, EmbeddingCache(store, key_encoder=encoder))
        seen.clear()
        assert await in_time(framework.adocuments(wrapped, texts)) == model.documents(texts)
        assert here not in seen["key"]
        # A single text is hashed faster than a thread is asked to.
        await in_time(framework.aquery(wrapped, "a"))
        await in_time(framework.adocument(wrapped, "b"))
        del seen["key"]
        assert {name for name, threads in seen.items() if here in threads} == set()
        assert {"read", "convert"} <= seen.keys()
    assert "write" not in seen
    assert len(model.paid) == 2002
