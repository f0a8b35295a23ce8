"""What an embedder has become is looked at in a thread, since that may mean to look at the files of its model."""

from __future__ import annotations

import asyncio
import os

from blocking import no_blocking_calls
from langchain_core.embeddings import DeterministicFakeEmbedding

import embedonce


def test_an_embedder_that_was_changed_is_described_in_a_thread(tmp_path):
    wrapped = embedonce.wrap(DeterministicFakeEmbedding(size=3), tmp_path)
    tracker, described = wrapped._tracker, []
    describe = tracker._describe

    def looking(embedder):
        described.append(os.stat(tmp_path))
        return describe(embedder)

    tracker._describe = looking

    async def call():
        return await wrapped.aembed_documents(["a", "b"])

    with no_blocking_calls():
        assert len(asyncio.run(call())[0]) == 3
        assert not described
        wrapped.underlying_embeddings.size = 4
        assert len(asyncio.run(call())[0]) == 4
        assert len(described) == 1
        assert len(asyncio.run(call())[0]) == 4
    assert wrapped.cache.stats().hits == 2
