"""Ctrl-C at any place of a call leaves nothing claimed, and the next call is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import os, sys
from interrupting import PACKAGE, Interrupt
from embedonce import EmbeddingCache, MemoryStore
from embedonce.cache.engine.flight import _SHARED

place, step, fails = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "fails"
files = tuple(PACKAGE + part for part in ("cache" + os.sep, os.path.join("runtime", "steps")))
texts, right = ["a", "bb", "ccc"], [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]]


def raises(texts):
    # The last text stays claimed until the call ends.
    if "a" in texts:
        raise ValueError
    return embed(texts)


def embed(texts):
    return [[float(len(text)), 2.0] for text in texts]


at = runs = 0
while True:
    at, runs = at + step, runs + 1
    cache = EmbeddingCache(MemoryStore() if place == "memory" else os.path.join(place, str(at)))
    cache.open("m")
    interrupt, kept = Interrupt(at, files), None
    sys.settrace(interrupt.trace)
    try:
        cache.embed(texts, raises if fails else embed, namespace="m", batch_size=2)
    except (KeyboardInterrupt, ValueError) as error:
        # As a REPL keeps it, with all frames.
        kept = error
    finally:
        sys.settrace(None)
    left = [key for flights in list(_SHARED.values()) for key in flights._flights]
    assert not left, (interrupt.where, left)
    assert cache.embed(texts, embed, namespace="m").tolist() == right, interrupt.where
    if interrupt.where is None:
        break
print(runs)
"""


@pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("embedder", ["answers", "fails"])
@pytest.mark.parametrize("place", ["memory", "directory"])
def test_an_interrupt_at_any_place_leaves_nothing_claimed(place, embedder, step, tmp_path):
    """At each place where the interpreter can raise it."""
    where = place if place == "memory" else str(tmp_path)
    command = [sys.executable, "-c", CHILD, where, str(step), embedder]
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150 // step
