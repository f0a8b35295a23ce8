"""Many at once, where several frameworks take part, and what is done on the event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from every_framework import FRAMEWORKS
from variants import over

import embedonce.vectors.lists
from embedonce import EmbeddingCache, MemoryStore
from embedonce.testing import ModelBehind
from embedonce.testing.suites.adapters.comparing import auntil, exactly
from embedonce.testing.suites.adapters.harness import in_time

NAMESPACE = "acme/e5-small@3"


def waiting(*wrapped, count):
    """True when so many calls have begun."""
    caches = {id(each.cache): each.cache for each in wrapped}
    return sum(cache.stats().calls for cache in caches.values()) == count


@over(framework=FRAMEWORKS, other_framework=FRAMEWORKS)
async def test_threads_and_tasks_of_all_frameworks_wait_for_the_first(framework, other_framework, place):
    model, never = ModelBehind(is_known=False), ModelBehind(is_known=False, fail_at=0)
    started, gate = model.hold()
    first = framework.wrapped(model, place, namespace=NAMESPACE)
    second = other_framework.wrapped(never, place, namespace=NAMESPACE)
    leader = asyncio.create_task(framework.aembed_documents(first, ["a", "b"]))
    await auntil(started.is_set)
    with ThreadPoolExecutor(4) as pool:
        crowd = [pool.submit(other_framework.embed_documents, second, ["b", "a"]) for _ in range(4)]
        tasks = [asyncio.create_task(other_framework.aembed_documents(second, ["b", "a"])) for _ in range(4)]
        await auntil(lambda: waiting(first, second, count=9))
        gate.set()
        answers = await in_time(asyncio.gather(*tasks, *map(asyncio.wrap_future, crowd)))
    assert exactly(await in_time(leader)) == exactly(model.documents(["a", "b"]))
    assert exactly(answers) == exactly([model.documents(["b", "a"])] * 8)
    assert len(model.calls) == 1
    assert never.calls == []


async def test_many_vectors_are_not_made_lists_on_the_event_loop(framework, monkeypatch):
    """The shipped suite sees hashing and the store; the conversion is the core's, and private."""
    here, seen = threading.get_ident(), set()
    as_lists = embedonce.vectors.lists.as_lists

    def watched(matrix, *numbers):
        if len(matrix) > 1:
            seen.add(threading.get_ident())
        return as_lists(matrix, *numbers)

    monkeypatch.setattr(embedonce.vectors.lists, "as_lists", watched)
    store, model, texts = MemoryStore(), ModelBehind(dimensions=512), [f"text {i}" for i in range(200)]
    for _ in range(2):
        seen.clear()
        wrapped = framework.wrapped(model, EmbeddingCache(store))
        assert await in_time(framework.aembed_documents(wrapped, texts)) == model.documents(texts)
        assert seen
        assert here not in seen
    assert len(model.paid) == 200
