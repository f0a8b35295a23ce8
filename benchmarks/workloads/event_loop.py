"""What an event loop notices of large calls, and what it costs to wait for texts that another call embeds."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.corpus import Corpus
from benchmarks.measuring import Spread
from benchmarks.models import haystack_model, langchain_model, llamaindex_model
from benchmarks.ours import NAME, NAMESPACE, nobody
from benchmarks.peers.peer import Answers
from benchmarks.profiling import profile_of
from benchmarks.run import WrongVectorsError
from embedonce import EmbeddingCache, MemoryStore
from embedonce.vectors.codecs import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from numpy.typing import NDArray

    from benchmarks.run import Run

_TICK = 0.001
_CHECKED = 100
_PAUSE = 0.3
"""Seconds that the embedder takes for its first batch, so that another call can ask for the same texts meanwhile."""


class SyncStore(MemoryStore):
    """A byte store without async methods."""

    amget = amset = amdelete = ayield_keys = None  # type: ignore[assignment]


class Model:
    """Has the vectors of all texts at hand, so that it takes no time.

    Args:
        texts: The texts, of which it is asked for some in a row.
        matrix: Their vectors.
    """

    def __init__(self, texts: list[str], matrix: NDArray[np.float32]) -> None:
        self.texts = texts
        self.matrix = matrix
        self._row_of = {text: row for row, text in enumerate(texts)}

    def embed(self, some: list[str]) -> NDArray[np.float32]:
        """Return the vectors of texts."""
        start = self._row_of[some[0]]
        return self.matrix[start : start + len(some)]

    async def aembed(self, some: list[str]) -> NDArray[np.float32]:
        """Do the same as an async embedder."""
        return self.embed(some)

    def check(self, name: str, answer: Any, kept: Callable[[Any], Any]) -> None:
        """Compare an answer to all texts with the truth.

        Raises:
            WrongVectorsError: It is another one.
        """
        truth = kept(self.matrix[:_CHECKED])
        if len(answer) != len(self.texts) or not np.array_equal(np.asarray(answer[:_CHECKED]), truth):
            msg = f"{name} answered with wrong vectors for {len(self.texts)} texts"
            raise WrongVectorsError(msg)


@dataclass(frozen=True, slots=True)
class Call:
    """A large call.

    Attributes:
        goal: What it is compared with; None if it only stands in the table.
        name: What is asked for.
        ask: The call.
        profiled: Its sync twin.
        kept: Vectors to what the call returns for them.
    """

    goal: str | None
    name: str
    ask: Callable[[], Awaitable[Any]]
    profiled: Callable[[], object]
    kept: Callable[[Any], Any] = BUILT_IN["exact"].kept


def measure(run: Run) -> None:
    """See the module."""
    rows, dimensions = run.scale.loop
    corpus, numbers = Corpus(dimensions), np.arange(rows)
    model = Model(corpus.texts(numbers), corpus.vectors(numbers))
    _stalls(run, model)
    joined = Model(model.texts[: run.scale.joined], model.matrix[: run.scale.joined])
    _joins(run, joined, "join", _both_in_threads)
    _joins(run, joined, "join-async", lambda cache, model: asyncio.run(_both_in_tasks(cache, model)))


def _stalls(run: Run, model: Model) -> None:
    stalls: dict[str, list[float]] = {"nothing": []}
    with ExitStack() as stack:
        calls = [*_hits(run, model, stack), *_misses(run, model, stack), *_lists(run, model, stack)]
        for _ in range(run.scale.few):
            stalls["nothing"].append(_longest_gap(partial(asyncio.sleep, 0.1))[0])
            for call in calls:
                gap, answer = _longest_gap(call.ask)
                model.check(call.name, answer, call.kept)
                stalls.setdefault(call.name, []).append(gap)
                del answer
        spreads = {name: Spread.of(values) for name, values in stalls.items()}
        case = {"texts": len(model.texts), "dimensions": model.matrix.shape[1]}
        run.note("longest gap between ticks of 1 ms during one async call", case, spreads, unit="s")
        for goal in dict.fromkeys(call.goal for call in calls if call.goal is not None):
            worst = max((call for call in calls if call.goal == goal), key=lambda call: spreads[call.name].median)
            basis = f"{len(model.texts):,} texts, {model.matrix.shape[1]}-d, the worst: {worst.name}"
            profile = partial(profile_of, worst.profiled)
            run.judge(goal, spreads[worst.name].times(1000), basis=basis, profile=profile)


def _hits(run: Run, model: Model, stack: ExitStack) -> list[Call]:
    folder = stack.enter_context(run.folder())
    places: list[tuple[str, str, str, Any]] = [("stall", codec, codec, str(folder)) for codec in BUILT_IN]
    places += [
        ("stall-bytes", "byte store", "exact", SyncStore()),
        ("stall-bytes", "byte store with async methods", "exact", MemoryStore()),
    ]
    calls = []
    for goal, name, codec, place in places:
        cache = stack.enter_context(EmbeddingCache(place, codec=codec))
        cache.embed(model.texts, model.embed, namespace=NAMESPACE)
        ask = partial(cache.aembed, model.texts, nobody, namespace=NAMESPACE)
        profiled = partial(cache.embed, model.texts, nobody, namespace=NAMESPACE)
        calls.append(Call(goal, f"hits, {name}", ask, profiled, BUILT_IN[codec].kept))
    return calls


def _misses(run: Run, model: Model, stack: ExitStack) -> list[Call]:
    folder = stack.enter_context(run.folder())
    numbers = itertools.count()

    def new(codec: str, store: Any) -> EmbeddingCache:
        # Not closed, since closing it is not part of the call; nothing waits in it.
        return EmbeddingCache(str(folder / f"{next(numbers)}") if store is None else store(), codec=codec)

    calls = []
    for codec, store, place in (
        *((codec, None, codec) for codec in BUILT_IN),
        ("exact", SyncStore, "byte store"),
        ("exact", MemoryStore, "byte store with async methods"),
    ):
        goal = "stall-misses" if store is None else "stall-bytes"
        profiled = partial(_embedded, partial(new, codec, store), model)
        for kind, embed in (("async", model.aembed), ("sync", model.embed)):
            ask = partial(_aembedded, partial(new, codec, store), model, embed)
            calls.append(Call(goal, f"misses, {kind} embedder, {place}", ask, profiled, BUILT_IN[codec].kept))
    return calls


def _embedded(new: Callable[[], EmbeddingCache], model: Model) -> Any:
    return new().embed(model.texts, model.embed, namespace=NAMESPACE)


async def _aembedded(new: Callable[[], EmbeddingCache], model: Model, embed: Callable[[list[str]], Any]) -> Any:
    return await new().aembed(model.texts, embed, namespace=NAMESPACE)


def _lists(run: Run, model: Model, stack: ExitStack) -> list[Call]:
    """Lists are made in a thread too, but Python's garbage collector stops all threads to look through them."""
    from haystack import Document

    cache = stack.enter_context(EmbeddingCache(str(stack.enter_context(run.folder()))))
    cache.embed(model.texts, model.embed, namespace=NAMESPACE)
    chain = cache.wrap(langchain_model(Answers()), namespace=NAMESPACE)
    index = cache.wrap(llamaindex_model(Answers()), namespace=NAMESPACE)
    component = cache.wrap(haystack_model(Answers()), namespace=NAMESPACE)
    documents = [Document(content=text) for text in model.texts]

    async def embedded() -> list[Any]:
        answer = await component.run_async(documents=documents)
        return [one.embedding for one in answer["documents"]]

    async def listed() -> Any:
        return await asyncio.to_thread(lambda: [row.tolist() for row in model.matrix])

    return [
        Call(None, "hits, LangChain", partial(chain.aembed_documents, model.texts), list),
        Call(None, "hits, LlamaIndex", partial(index.aget_text_embedding_batch, model.texts), list),
        Call(None, "hits, Haystack", embedded, list),
        Call(None, "tolist of every row in a thread, no cache", listed, list),
    ]


def _longest_gap(ask: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Return the longest time between two ticks of a task during a call, and the call's answer."""
    gc.collect()
    # What others keep in memory must not weigh on the call when garbage is collected.
    gc.freeze()
    try:
        return asyncio.run(_ticking(ask))
    finally:
        gc.unfreeze()


async def _ticking(ask: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    longest, is_over = 0.0, False

    async def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not is_over:
            await asyncio.sleep(_TICK)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(5 * _TICK)
    answer = await ask()
    is_over = True
    await ticking
    return longest, answer


@dataclass(frozen=True, slots=True)
class Both:
    """When two calls for the same texts begin and end.

    Attributes:
        start: When the one that embeds begins.
        leader: When it ends.
        joined: When the one that waits for it ends.
    """

    start: float
    leader: float
    joined: float


def _joins(run: Run, model: Model, goal: str, both: Callable[[EmbeddingCache, Model], Both]) -> None:
    once: list[float] = []
    beyond: list[float] = []
    together: list[float] = []
    texts: list[float] = []
    for _ in range(run.scale.few):
        gc.collect()
        with run.folder() as folder, EmbeddingCache(str(folder)) as cache:
            start = time.perf_counter()
            if goal == "join":
                cache.embed(model.texts, model.embed, namespace=NAMESPACE, batch_size=None)
            else:
                asyncio.run(cache.aembed(model.texts, model.aembed, namespace=NAMESPACE, batch_size=None))
            once.append(time.perf_counter() - start)
        gc.collect()
        with run.folder() as folder, EmbeddingCache(str(folder)) as cache:
            ended = both(cache, model)
            beyond.append(max(0.0, ended.joined - ended.leader))
            together.append(max(ended.joined, ended.leader) - ended.start - _PAUSE)
            texts.append(float(cache.stats().joined))
    way = "threads" if goal == "join" else "tasks"
    case = {"texts": len(model.texts), "dimensions": model.matrix.shape[1], "calls": f"two {way}"}
    seconds = {
        "one call": once,
        "two calls, beyond the end of the one that embeds": beyond,
        f"two calls, without the embedder's pause of {_PAUSE:g} s": together,
    }
    spreads = {name: Spread.of(values) for name, values in seconds.items()}
    run.note("joining a call that embeds the same texts", case, spreads, unit="s")
    run.note("joining a call that embeds the same texts", case, {NAME: Spread.of(texts)}, unit="texts joined")
    within = Spread.of([above / below for above, below in zip(beyond, once, strict=True)])
    ratio = Spread(Spread.of(beyond).median / Spread.of(once).median, within.low, within.high)
    basis = f"{len(model.texts):,} texts, {model.matrix.shape[1]}-d, two {way}, an embedder that takes no time"

    def again() -> object:
        return both(EmbeddingCache(MemoryStore()), model)

    run.judge(goal, ratio, basis=basis, profile=partial(profile_of, again))


def _both_in_threads(cache: EmbeddingCache, model: Model) -> Both:
    """Let a thread ask for texts while another call embeds them; not in batches, of which each would take some."""
    asked, ends = threading.Event(), {"start": time.perf_counter()}

    def embed(some: list[str]) -> Any:
        if not asked.is_set():
            asked.set()
            time.sleep(_PAUSE)
        return model.embed(some)

    def join() -> None:
        asked.wait()
        cache.embed(model.texts, model.embed, namespace=NAMESPACE, batch_size=None)
        ends["joined"] = time.perf_counter()

    other = threading.Thread(target=join)
    other.start()
    cache.embed(model.texts, embed, namespace=NAMESPACE, batch_size=None)
    ends["leader"] = time.perf_counter()
    other.join()
    return Both(**ends)


async def _both_in_tasks(cache: EmbeddingCache, model: Model) -> Both:
    """Do the same with two tasks of one event loop."""
    asked, ends = asyncio.Event(), {"start": time.perf_counter()}

    async def embed(some: list[str]) -> Any:
        if not asked.is_set():
            asked.set()
            await asyncio.sleep(_PAUSE)
        return model.embed(some)

    async def join() -> None:
        await asked.wait()
        await cache.aembed(model.texts, model.aembed, namespace=NAMESPACE, batch_size=None)
        ends["joined"] = time.perf_counter()

    other = asyncio.ensure_future(join())
    await cache.aembed(model.texts, embed, namespace=NAMESPACE, batch_size=None)
    ends["leader"] = time.perf_counter()
    await other
    return Both(**ends)
