"""Embedders, stores and ways to ask that the tests of the core share."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import threading
import time

import numpy as np
import pytest

from embedonce import EmbeddingCache, MemoryStore
from embedonce.cache.engine.flight import _SHARED

NAMESPACE = "acme/e5-small@3"
LIMIT = 120.0
"""Seconds after which something that should have happened counts as a deadlock."""


class BoomError(Exception):
    """What failing embedders raise."""


class Model:
    """Maps each text to a vector of its own, bit by bit, and remembers what it was asked.

    Args:
        width: Length of the vectors.
        dtype: Their dtype; floats are random bit patterns, with zeros of both signs and subnormals.
        salt: Two salts are two models.
        fail_at: Number of the call that raises.
        answer: What to make of the matrix, for instance a list of lists.
    """

    def __init__(self, width=3, dtype="float32", salt="", fail_at=None, answer=None):
        self.width = width
        self.dtype = np.dtype(dtype)
        self.salt = salt
        self.fail_at = fail_at
        self.answer = answer or np.asarray
        self.calls = []

    def row(self, text):
        seed = hashlib.sha256(f"{self.salt}:{text}".encode("utf-8", "surrogatepass")).digest()
        bits = np.random.default_rng(list(seed)).bytes(self.width * self.dtype.itemsize)
        row = np.frombuffer(bits, self.dtype).copy()
        if self.dtype.kind == "f":
            row[~np.isfinite(row)] = np.finfo(self.dtype).tiny / 2
            row[0] = (-0.0, 0.0, np.finfo(self.dtype).max, row[0])[seed[0] % 4]
            # One number that no narrower float holds.
            row[-1] = 1 + np.finfo(self.dtype).eps
        return row

    def rows(self, texts):
        return np.array([self.row(text) for text in texts]).reshape(len(texts), self.width)

    def __call__(self, texts):
        self.calls.append(list(texts))
        if self.fail_at == len(self.calls) - 1:
            raise BoomError(len(self.calls))
        return self.answer(self.rows(texts))

    @property
    def seen(self):
        """All texts it was given, in order."""
        return [text for call in self.calls for text in call]


class Held(Model):
    """A model that answers when it is let go."""

    def __init__(self, error=None, **options):
        super().__init__(**options)
        self.error = error
        self.started = threading.Event()
        self.release = threading.Event()

    def __call__(self, texts):
        self.calls.append(list(texts))
        self.started.set()
        assert self.release.wait(LIMIT), "never let go"
        if self.error is not None:
            raise self.error
        return self.rows(texts)


class HeldAsync(Model):
    def __init__(self, error=None, **options):
        super().__init__(**options)
        self.error = error
        self.started = asyncio.Event()
        self.release = asyncio.Event()

    async def embed(self, texts):
        self.calls.append(list(texts))
        self.started.set()
        await asyncio.wait_for(self.release.wait(), LIMIT)
        if self.error is not None:
            raise self.error
        return self.rows(texts)


class DictStore:
    """The least that a foreign byte store has."""

    def __init__(self):
        self.values = {}

    def mget(self, keys):
        return [self.values.get(key) for key in keys]

    def mset(self, key_value_pairs):
        self.values.update(key_value_pairs)

    def mdelete(self, keys):
        for key in keys:
            self.values.pop(key, None)

    def yield_keys(self, *, prefix=None):
        yield from [key for key in self.values if key.startswith(prefix or "")]


class AsyncDictStore(DictStore):
    """A foreign byte store with async methods of its own."""

    async def amget(self, keys):
        await asyncio.sleep(0)
        return self.mget(keys)

    async def amset(self, key_value_pairs):
        await asyncio.sleep(0)
        self.mset(key_value_pairs)


PLACES = ("directory", "memory", "foreign", "foreign-async")
WAYS = ("embed", "aembed", "aembed-async")
BYTE_STORES = {"memory": MemoryStore, "foreign": DictStore, "foreign-async": AsyncDictStore}
FOREIGN = ("foreign", "foreign-async")
_FIXTURES = {"place": PLACES, "way": WAYS, "store": FOREIGN}


def crossed(names, cases, *, over=("place", "way"), ids=None):
    """Run a test with each case, in each place and way; all combinations of cases, places and ways are for `make soak`.

    Args:
        names: The name of an argument of the test, or several as in "one, other".
        cases: Its values, or tuples of values.
        over: The fixtures that are crossed with the cases; each combination of their values is met at least once.
        ids: Names of the cases.
    """
    cases, names = list(cases), names.split(", ")
    if ids is None:
        ids = [
            case if isinstance(case, str) and case.isidentifier() else f"{names[0]}{number}"
            for number, case in enumerate(cases)
        ]
    around = list(itertools.product(*(_FIXTURES[name] for name in over)))
    # The longer list is gone through once; the shorter one again and again, shifted by one each time.
    fast = {(n % len(around), (n + n // len(cases)) % len(cases)) for n in range(max(len(around), len(cases)))}
    parameters = [
        pytest.param(
            *around[i],
            *(case if len(names) > 1 else (case,)),
            id="-".join([*around[i], name]),
            marks=() if (i, j) in fast else pytest.mark.soak,
        )
        for i in range(len(around))
        for j, (case, name) in enumerate(zip(cases, ids, strict=True))
    ]
    return pytest.mark.parametrize((*over, *names), parameters, indirect=list(over))


class Place:
    """A store that can be opened again and again."""

    def __init__(self, kind, path):
        self.kind = kind
        self.path = path
        self._store = BYTE_STORES[kind]() if kind != "directory" else None

    def store(self):
        return self.path if self._store is None else self._store

    def cache(self, **options):
        return EmbeddingCache(self.store(), **options)

    def contents(self):
        """Everything that is kept, for comparisons."""
        if self._store is None:
            return {
                str(file.relative_to(self.path)): file.read_bytes() for file in self.path.rglob("*") if file.is_file()
            }
        return {key: self._store.mget([key])[0] for key in self._store.yield_keys()}


def as_async(embed):
    async def embed_async(texts):
        await asyncio.sleep(0)
        return embed(texts)

    return embed_async


def ask(way, cache, texts, embed, *, namespace=NAMESPACE, **options):
    """Ask a cache in one of the ways."""
    if way == "embed":
        return cache.embed(texts, embed, namespace=namespace, **options)
    embed = as_async(embed) if way == "aembed-async" else embed
    return asyncio.run(cache.aembed(texts, embed, namespace=namespace, **options))


def sync(cache, texts, embed, **options):
    return cache.embed(texts, embed, namespace=NAMESPACE, **options)


def task(cache, texts, embed, **options):
    return asyncio.ensure_future(cache.aembed(texts, embed, namespace=NAMESPACE, **options))


def adds_up(stats):
    return stats.texts == stats.duplicates + stats.hits + stats.joined + stats.embedded


def served(cache, text, namespace, **options):
    """True if a text is answered without asking an embedder."""
    model = Model()
    cache.embed([text], model, namespace=namespace, **options)
    return model.calls == []


def bits(matrix):
    """What must be equal for two answers to be equal, minus zero and dtype included."""
    return matrix.dtype, matrix.shape, matrix.tobytes()


def until(happened):
    """Wait for something that gives no event."""
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


async def auntil(happened):
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.001)


def is_awaited(count=1):
    """True if that many texts in flight are waited for by somebody."""
    return (
        sum(bool(flight.waiters) for all_ in list(_SHARED.values()) for flight in list(all_._flights.values())) >= count
    )


def waiting():
    """How many times a text in flight is waited for."""
    return sum(len(flight.waiters) for all_ in list(_SHARED.values()) for flight in list(all_._flights.values()))


def in_flight():
    """How many texts are in flight."""
    return sum(len(all_._flights) for all_ in list(_SHARED.values()))


class Worker(threading.Thread):
    """A thread that keeps what its function returned or raised."""

    def __init__(self, function, *args, **options):
        super().__init__(daemon=True)
        self._function = lambda: function(*args, **options)
        self._result = self._error = None
        self.start()

    def run(self):
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error

    def result(self):
        self.join(LIMIT)
        assert not self.is_alive(), "deadlock"
        if self._error is not None:
            raise self._error
        return self._result


def words(count, start=0):
    return [f"text {i}" for i in range(start, start + count)]
