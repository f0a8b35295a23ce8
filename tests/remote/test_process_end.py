"""A process that ends, forks or is killed while a few vectors wait for S3."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap

import pytest
import servers

from embedonce import EmbeddingCache

NAMESPACE = "acme/e5@3"

BEGIN = """
    import json, os, sys, time
    from embedonce import EmbeddingCache
    from embedonce.stores.segments import flusher

    url, options = sys.argv[1], json.loads(sys.argv[2])
    cache = EmbeddingCache(url, storage_options=options)

    def embed(texts):
        return [[float(len(text)), 1.0] for text in texts]

    cache.embed(["a", "bc"], embed, namespace="acme/e5@3")
    assert cache.stats().pending == 2
"""


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


def run(place, end):
    script = textwrap.dedent(BEGIN) + textwrap.dedent(end)
    arguments = [place.url, json.dumps(place.storage_options)]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )


def hits(place):
    cache = EmbeddingCache(place.url, storage_options=place.storage_options, mode="read_only")
    assert cache.embed(["a", "bc"], embed, namespace=NAMESPACE).tolist() == [[1.0, 1.0], [2.0, 1.0]]
    return cache.stats().hits


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise RuntimeError('end')", 1),
        ("import threading; threading.Thread(target=time.sleep, args=(0.2,)).start()", 0),
        ("del cache", 0),
        ("import asyncio; asyncio.run(cache.aembed(['d'], embed, namespace='acme/e5@3'))", 0),
    ],
    ids=["falling off the end", "sys.exit", "an exception", "a thread goes on", "forgotten cache", "after asyncio"],
)
def test_what_waits_is_stored_when_the_process_ends(s3_place, end, code):
    done = run(s3_place, end)
    assert done.returncode == code, done.stderr
    assert ("Traceback" in done.stderr) == (code == 1)
    assert hits(s3_place) == 2


def test_what_waits_is_lost_with_a_process_that_is_killed_and_nothing_else_is(s3_place):
    done = run(s3_place, "cache.flush(); cache.embed(['lost'], embed, namespace='acme/e5@3'); os.kill(os.getpid(), 9)")
    assert done.returncode == -signal.SIGKILL
    assert hits(s3_place) == 2


def test_a_child_that_is_forked_stores_its_own_and_not_its_parents(s3_place):
    done = run(
        s3_place,
        """
        child = os.fork()
        if child == 0:
            assert cache.stats().pending == 0
            cache.embed(["child"], embed, namespace="acme/e5@3")
            cache.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
    )
    assert done.returncode == 0, done.stderr
    assert hits(s3_place) == 2
    (usage,) = EmbeddingCache(s3_place.url, storage_options=s3_place.storage_options).usage()
    assert (usage.rows_live, usage.rows_dead) == (3, 0)


@pytest.mark.parametrize("action", ["denied", "hangs"])
def test_a_process_whose_store_fails_at_the_end_ends_with_a_warning(s3_place, action):
    def fault(request):
        if request.kind != "PUT" or "space.json" in request.key:
            return None
        return servers.denied if action == "denied" else servers.latency(5)

    s3_place.server.fault = fault
    done = run(s3_place, "flusher.EXIT_PATIENCE = 2.0")
    assert done.returncode == 0, done.stderr
    assert "2 vectors could not be stored" in done.stderr
    assert "Traceback" not in done.stderr
