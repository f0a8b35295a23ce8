"""S3 with latency: time, requests and bytes, beside an object per vector."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.measuring import Spread
from benchmarks.ours import NAME, NAMESPACE, hits
from benchmarks.peers.objects import ObjectPerKey
from benchmarks.profiling import profile_of
from benchmarks.s3 import BUCKET, SlowS3
from embedonce import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.corpus import Sample
    from benchmarks.run import Run

_AT_ONCE = 128
"""Requests that s3fs has under way at once."""


def measure(run: Run) -> None:
    """See the module."""
    try:
        import moto
        import s3fs
    except ImportError as error:
        run.missing["S3"] = f"not installed: {error}"
        return
    assert moto
    corpus, (rows, objects) = Corpus(run.scale.width), run.scale.distant
    with SlowS3(run.scale.latency) as server:
        file_system = s3fs.S3FileSystem(**server.storage_options)
        ours = _ours(run, server, corpus, rows)
        peer = ObjectPerKey(file_system, f"{BUCKET}/objects", corpus.dimensions)
        numbers = np.arange(objects)
        sample = corpus.sample(numbers)
        put, _ = _timed(lambda: peer.put(sample.texts, corpus.vectors(numbers)))
        written = server.counted()
        times = []
        for _ in range(min(2, run.scale.few)):
            seconds, answer = _timed(lambda: peer.get(sample.texts))
            run.check(peer.name, answer, corpus, sample)
            times.append(seconds / objects)
            read = server.counted()
        theirs = Spread.of(times)
        case = {"vectors": rows, "dimensions": corpus.dimensions, "latency": f"{run.scale.latency * 1000:g} ms"}
        measured_with = "" if objects == rows else f", from {objects:,} objects"
        name = f"{peer.name}{measured_with}"
        run.note("S3, reading", case, {NAME: ours["read"].times(1 / rows), name: theirs}, unit="s per text")
        run.note("S3, writing", case, {NAME: ours["write"].times(1 / rows), name: Spread.of([put / objects])},
                 unit="s per text")  # fmt: skip
        for what, mine, others in (("reading", ours["read counts"], read), ("writing", ours["write counts"], written)):
            for kind in ("requests", "sent" if what == "reading" else "received"):
                counts = {NAME: Spread.of([mine[kind]]), name: Spread.of([others[kind] * rows / objects])}
                unit = "requests" if kind == "requests" else "B"
                run.note(f"S3, {what}", case, counts, unit=unit)
        ratio = Spread(*(each * rows / ours["read"].median for each in (theirs.median, theirs.low, theirs.high)))
        waiting = read["requests"] / objects * rows / _AT_ONCE * run.scale.latency / ours["read"].median
        run.judge(
            "s3-time",
            ratio,
            basis=f"{rows:,} × {corpus.dimensions}-d, {run.scale.latency * 1000:g} ms, moto{measured_with}; "
            f"{waiting:.2g} × by waiting alone, were the server infinitely fast",
            profile=ours["profile"],
        )
        requests = Spread.of([read["requests"] / objects * rows / ours["read counts"]["requests"]])
        run.judge("s3-requests", requests, basis=f"{rows:,} vectors, opening included{measured_with}")


def _ours(run: Run, server: SlowS3, corpus: Corpus, rows: int) -> dict[str, Any]:
    """Return the times and counts of writing and of reading in a new cache object."""
    sample = corpus.sample(np.arange(rows))
    urls = (f"s3://{BUCKET}/cache-{number}" for number in itertools.count())
    seconds: dict[str, list[float]] = {"write": [], "read": []}
    for _ in range(run.scale.few):
        url = next(urls)
        server.counted()
        took, _ = _timed(lambda url=url: _write(url, server, corpus, sample))  # type: ignore[misc]
        seconds["write"].append(took)
        write_counts = server.counted()
        took, answer = _timed(lambda url=url: _read(url, server, sample))  # type: ignore[misc]
        seconds["read"].append(took)
        read_counts = server.counted()
        run.check(NAME, answer, corpus, sample)
    return {
        "write": Spread.of(seconds["write"]),
        "read": Spread.of(seconds["read"]),
        "write counts": write_counts,
        "read counts": read_counts,
        "profile": lambda: profile_of(lambda: _read(url, server, sample)),
    }


def _write(url: str, server: SlowS3, corpus: Corpus, sample: Sample) -> None:
    with EmbeddingCache(url, storage_options=server.storage_options) as cache:
        cache.embed(sample.texts, corpus.embed, namespace=NAMESPACE)


def _read(url: str, server: SlowS3, sample: Sample) -> Any:
    with EmbeddingCache(url, storage_options=server.storage_options) as cache:
        return hits(cache, sample)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer
