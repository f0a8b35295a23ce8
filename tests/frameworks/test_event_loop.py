"""No framework's async methods look at a directory or open a file on the event loop."""

from __future__ import annotations

import asyncio

from blocking import no_blocking_calls

from embedonce import EmbeddingCache
from embedonce.testing import ModelBehind


def test_async_methods_hold_up_no_event_loop(framework, place):
    model, texts = ModelBehind(), [f"text {number}" for number in range(100)]
    cache = EmbeddingCache(place)

    async def calls(wrapped):
        for _ in range(2):
            for some in (["a"], ["a", "b", "c"], texts):
                assert await framework.aembed_documents(wrapped, some) == model.documents(some)
            assert await framework.aembed_query(wrapped, "a") == model.query("a")

    for each in (cache, EmbeddingCache(place)):
        wrapped = framework.wrapped(model, each)
        with no_blocking_calls():
            asyncio.run(calls(wrapped))
        assert (each.stats().read_errors, each.stats().write_errors, each.stats().skipped) == (0, 0, 0)
    assert len(model.paid) == 104, "the query among them"
