"""Nothing around a call keeps it from returning what was paid for: no descriptors, many cancelled calls, trio."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio
from core_support import (
    LIMIT,
    NAMESPACE,
    Model,
    auntil,
    bits,
    served,
    words,
)

from embedonce import EmbeddingCache, MemoryStore

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")

NO_DESCRIPTORS = """
import asyncio, os, resource, sys
from embedonce import EmbeddingCache, MemoryStore

way, where = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []


def embed(texts):
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return [[float(len(text)), 2.0] for text in texts]


async def aembed(texts):
    return embed(texts)


cache = EmbeddingCache(MemoryStore() if where == "memory" else where)
if way == "embed":
    answer = cache.embed(["a", "bb", "a"], embed, namespace="m")
else:
    answer = asyncio.run(cache.aembed(["a", "bb", "a"], embed if way == "aembed" else aembed, namespace="m"))
assert answer.tolist() == [[1.0, 2.0], [2.0, 2.0], [1.0, 2.0]]
assert taken
for each in taken:
    os.close(each)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no limit of descriptors")
@pytest.mark.parametrize("where", ["memory", "directory"])
def test_what_was_paid_is_returned_although_the_embedder_has_used_up_all_descriptors(way, where, tmp_path):
    """In a new process: whatever a call needs is loaded before the embedder is asked."""
    command = [sys.executable, "-c", NO_DESCRIPTORS, way, where if where == "memory" else str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("store", ["sync", "async"])
async def test_a_thousand_cancelled_calls_do_not_start_a_thousand_threads(store):
    class Sync(MemoryStore):
        amset = amget = None

    calls, release, model = 1000, asyncio.Event(), Model()
    cache = EmbeddingCache(Sync() if store == "sync" else MemoryStore())
    cache.open(NAMESPACE)
    waiting = 0

    async def embed(texts):
        nonlocal waiting
        waiting += 1
        await asyncio.wait_for(release.wait(), LIMIT)
        return model.rows(texts)

    loop, end = asyncio.get_running_loop(), threading.Event()
    tasks = [asyncio.ensure_future(cache.aembed([text], embed, namespace=NAMESPACE)) for text in words(calls)]
    await auntil(lambda: waiting == calls)
    # Whoever has an answer now waits for a thread.
    loop.set_default_executor(ThreadPoolExecutor(1))
    blocker = loop.run_in_executor(None, end.wait, LIMIT)
    before, most = threading.active_count(), 0
    release.set()
    for _ in range(5):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        most = max(most, threading.active_count())
    end.set()
    await blocker
    await auntil(lambda: cache.stats().stored == calls)
    assert most - before < 64
    assert served(cache, words(calls)[-1], NAMESPACE)


def test_trio_is_refused_with_a_way_out():
    cache, model = EmbeddingCache(MemoryStore()), Model()

    async def program():
        with pytest.raises(RuntimeError, match=r"asyncio.*trio\.to_thread"):
            await cache.aembed(["a"], model, namespace=NAMESPACE)
        return await trio.to_thread.run_sync(lambda: cache.embed(["a"], model, namespace=NAMESPACE))

    assert bits(trio.run(program)) == bits(model.rows(["a"]))
    assert model.calls == [["a"]]
