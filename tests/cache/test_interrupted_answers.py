"""Ctrl-C from the moment the embedder has answered: the vectors are stored, and other threads go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import asyncio, logging, os, queue, sys, threading, time, warnings
from core_support import AsyncDictStore, DictStore, is_awaited, in_flight, until
from interrupting import Interrupt
from embedonce import EmbeddingCache, MemoryStore
from embedonce.cache.engine import flight

way, place, others, step = *sys.argv[1:4], int(sys.argv[4])
texts = ["a", "bb", "ccc", "a"]
flight.PATIENCE = 1.0
logging.disable()


def rows(texts):
    return [[float(len(text)), 2.0] for text in texts]


class Run:
    # One call that is interrupted at one place after its embedder has answered.
    def __init__(self, store, at):
        self.cache, self.answered = EmbeddingCache(store), False
        self.interrupt = Interrupt(at, counts=lambda: self.answered)
        self.cache.embed(["warm"], rows, namespace="m")

    def embed(self, some):
        if others == "waiting":
            until(lambda: is_awaited(len(some)))
        answer = rows(some)
        self.answered = True
        return answer

    def generator(self, some):
        yield from rows(some)
        # The last vector was taken, and the end is not known yet.
        self.answered = True

    async def aembed(self, some):
        await asyncio.sleep(0)
        while others == "waiting" and not is_awaited(len(some)):
            await asyncio.sleep(0.001)
        answer = rows(some)
        self.answered = True
        return answer

    async def traced(self, embed):
        sys.settrace(self.interrupt.trace)
        try:
            await self.cache.aembed(texts, embed, namespace="m")
        finally:
            sys.settrace(None)

    def call(self):
        try:
            embed = self.generator if others == "generator" else self.embed
            if way == "embed":
                sys.settrace(self.interrupt.trace)
                self.cache.embed(texts, embed, namespace="m")
            else:
                asyncio.run(self.traced(embed if way == "aembed" else self.aembed))
        except KeyboardInterrupt as error:
            # As a REPL keeps it, with all frames.
            self.kept = error
        finally:
            sys.settrace(None)


def in_another_thread(function):
    outcome = queue.Queue()

    def put():
        try:
            outcome.put(function())
        except BaseException as error:
            outcome.put(error)

    threading.Thread(target=put, daemon=True).start()
    return outcome


def result(outcome, where):
    try:
        answer = outcome.get(timeout=60)
    except queue.Empty:
        raise AssertionError(f"another thread hangs after an interrupt at {where}") from None
    if isinstance(answer, BaseException):
        raise AssertionError(f"another thread has raised {answer!r} after an interrupt at {where}")
    assert answer.tolist() == rows(texts), where


def never(some):
    raise LookupError


def is_stored(store):
    try:
        EmbeddingCache(store, mode="replay").embed(texts, never, namespace="m")
    except LookupError:
        return False
    return True


stores = {"memory": MemoryStore, "foreign": DictStore, "foreign-async": AsyncDictStore}
asyncio.run(asyncio.sleep(0))
at = runs = 0
while True:
    at, runs = at + step, runs + 1
    store = stores[place]() if place in stores else os.path.join(place, str(at))
    run = Run(store, at)
    waiting = None
    if others == "waiting":
        def wait(run=run):
            until(in_flight)
            return run.cache.embed(texts, rows, namespace="m")

        waiting = in_another_thread(wait)
    run.call()
    if waiting is not None:
        result(waiting, run.interrupt.where)
    end = time.monotonic() + 60
    while not is_stored(store):
        assert time.monotonic() < end, f"what was paid is lost after an interrupt at {run.interrupt.where}"
        time.sleep(0.001)
    result(in_another_thread(lambda: run.cache.embed(texts, never, namespace="m")), run.interrupt.where)
    until(lambda: not in_flight())
    if run.interrupt.where is None:
        break
print(runs)
"""


@pytest.mark.parametrize(
    ("place", "others", "step"),
    [
        ("memory", "none", 11),
        ("directory", "none", 11),
        ("memory", "waiting", 17),
        ("memory", "generator", 11),
        *(
            pytest.param(place, others, 1, marks=pytest.mark.soak)
            for place in ("directory", "memory", "foreign", "foreign-async")
            for others in ("none", "waiting", "generator")
        ),
    ],
)
def test_an_interrupt_after_the_answer_loses_nothing_and_stops_no_other_thread(way, place, others, step, tmp_path):
    """At each place where the interpreter can raise it, in the engine, the namespaces and the stores."""
    where = str(tmp_path) if place == "directory" else place
    command = [sys.executable, "-c", CHILD, way, where, others, str(step)]
    path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    # In a call of aembed, most of what follows the answer is done by other threads.
    assert int(done.stdout) > 2
