"""What a program does with its own threads and signals neither stops a call nor costs what was paid for."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from core_support import LIMIT, NAMESPACE, Model, as_async, bits

pytestmark = pytest.mark.usefixtures("nothing_is_left_in_flight")


async def test_a_call_ends_although_all_threads_of_the_loop_wait_for_it(place):
    """As do sync parts of a program that ask for vectors on the loop from threads of its pool."""
    cache, model, loop = place.cache(), Model(), asyncio.get_running_loop()
    cache.embed(["warm"], model, namespace=NAMESPACE)
    loop.set_default_executor(ThreadPoolExecutor(1))

    def in_pool():
        call = cache.aembed(["a", "b"], as_async(model), namespace=NAMESPACE)
        return asyncio.run_coroutine_threadsafe(call, loop).result(LIMIT)

    assert bits(await asyncio.to_thread(in_pool)) == bits(model.rows(["a", "b"]))
    assert bits(await asyncio.to_thread(in_pool)) == bits(model.rows(["a", "b"]))
    assert model.calls == [["warm"], ["a", "b"]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(place):
    cache, model = place.cache(), Model()
    asyncio.run(cache.aembed(["warm"], as_async(model), namespace=NAMESPACE))
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(asyncio.wait_for(cache.aembed(["a"], as_async(model), namespace=NAMESPACE), LIMIT))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


AT_THE_END = """
import asyncio, sys, threading
from embedonce import EmbeddingCache

cache = EmbeddingCache(sys.argv[1])

def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]

async def ask():
    return await cache.aembed([str(number) for number in range(100)], embed, namespace="acme/lengths@1")

def outlive():
    threading.main_thread().join()
    print(asyncio.run(ask()).shape)

threading.Thread(target=outlive).start()
"""


def test_a_thread_that_outlives_the_main_one_may_call_although_no_pool_can_be_made_any_more(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", AT_THE_END, str(tmp_path)], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert (child.stdout, child.stderr) == ("(100, 2)\n", "")
