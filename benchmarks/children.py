"""What is measured in a process of its own; also a program: `python -m benchmarks.children TASK JSON`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.profiling import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

_LINES = 15
ROOT = Path(__file__).resolve().parent.parent


def asked(task: str, **arguments: Any) -> Any:
    """Return what a task answers in a fresh interpreter."""
    command = [sys.executable, "-m", "benchmarks.children", task, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def seconds_printed(code: str) -> float:
    """Return the number of seconds that a fresh interpreter prints when it runs code."""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def anonymous() -> int:
    """Return the bytes of memory that this process keeps beyond mapped files."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        import psutil

        # Mapped files that nobody else has mapped are in it too.
        return int(psutil.Process().memory_full_info().uss)


def opened(folder: str, rows: int, dimensions: int) -> dict[str, Any]:
    """Open a store, ask for some vectors, and say what this process takes then."""
    cache = _ask(folder, rows, dimensions)
    size = anonymous()
    cache.close()
    return {"bytes": size}


def traced(folder: str, rows: int, dimensions: int) -> dict[str, Any]:
    """Say which lines have made what an open store keeps in memory."""
    import tracemalloc

    tracemalloc.start()
    cache = _ask(folder, rows, dimensions)
    statistics = tracemalloc.take_snapshot().statistics("lineno")[:_LINES]
    now, peak = tracemalloc.get_traced_memory()
    cache.close()
    total = f"allocated now: {now / rows:.1f} B per key, at the peak: {peak / rows:.1f} B per key; by line:"
    return {"top": "\n".join([total, *(shortened(str(each)) for each in statistics)])}


def kept(peer: str, rows: int, dimensions: int) -> dict[str, Any]:
    """Put vectors into a peer, ask for them, and say what it keeps in memory."""
    import gc

    import numpy as np

    from benchmarks.corpus import Corpus
    from benchmarks.peers.registry import PEERS

    kind = next(each for each in PEERS if each.name == peer)
    corpus, some = Corpus(dimensions), np.arange(min(rows, 10))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        # What it needs however little it keeps.
        warm = kind(Path(first), dimensions)
        warm.put(corpus.texts(some), corpus.vectors(some))
        warm.get(corpus.texts(some))
        gc.collect()
        before = anonymous()
        store = kind(Path(second), dimensions)
        for start in range(0, rows, 100):
            numbers = np.arange(start, min(rows, start + 100))
            store.put(corpus.texts(numbers), corpus.vectors(numbers))
            del numbers
        gc.collect()
        after = anonymous()
        store.close()
        warm.close()
    return {"bytes": (after - before) / rows}


def _ask(folder: str, rows: int, dimensions: int) -> Any:
    from benchmarks.corpus import Corpus
    from benchmarks.ours import hits
    from embedonce import EmbeddingCache

    cache = EmbeddingCache(folder)
    hits(cache, Corpus(dimensions).any_of(rows, 1000, 0))
    return cache


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"opened": opened, "traced": traced, "kept": kept}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](**json.loads(sys.argv[2]))))
