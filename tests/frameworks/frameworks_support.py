"""A model that does as it is told, and the harness through which one test body asks every framework's wrapper.

A framework is one subclass of `Framework`: how its native embedder is made, and how it is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

import embedonce
from embedonce import EmbeddingCache, Identity
from embedonce.flight import _SHARED

LIMIT = 60.0
"""Seconds after which something that should have happened counts as a deadlock."""

WAYS = ("sync", "async")


class BoomError(Exception):
    """What failing models and stores raise."""


class Asked(NamedTuple):
    """One call of a model."""

    role: str
    texts: list[str]
    way: str


class Model:
    """What computes behind a native embedder, whatever the framework: a vector of its own for each role and text.

    Args:
        name: Two names are two models.
        dimensions: Length of the vectors.
        dtype: Numbers that no smaller dtype holds: `float64`, `float32` or an integer dtype.
        symmetric: True if a query gets the vector of the document of that text.
        says_so: False if its identity leaves that to the user.
        spoil: What becomes of the list of vectors before it is returned.
        fail_at: Number of the call that fails.
    """

    def __init__(
        self, name="m", dimensions=3, *, dtype="float64", symmetric=False, says_so=True, spoil=None, fail_at=None
    ):
        self.name = name
        self.dimensions = dimensions
        self.dtype = np.dtype(dtype)
        self.symmetric = symmetric
        self.says_so = says_so
        self.spoil = spoil
        self.fail_at = fail_at
        self.calls = []
        self.started = self.gate = None

    @property
    def identity(self):
        return Identity.of("tests", self.name, symmetric=self.symmetric and self.says_so, dimensions=self.dimensions)

    @property
    def paid(self):
        """Role and text of all calls, in order."""
        return [(call.role, text) for call in self.calls for text in call.texts]

    @property
    def texts(self):
        """The texts of each call."""
        return [call.texts for call in self.calls]

    def __getstate__(self):
        return {**self.__dict__, "started": None, "gate": None}

    # What it answers

    def numbers(self, role, text):
        role = "document" if self.symmetric else role
        seed = f"{self.name}\0{self.dimensions}\0{role}\0{text}".encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(seed).digest()
        bits = np.random.default_rng(list(digest)).bytes(self.dimensions * self.dtype.itemsize)
        row = np.frombuffer(bits, self.dtype).copy()
        if self.dtype.kind == "f":
            row[~np.isfinite(row)] = np.finfo(self.dtype).tiny / 2
            row[0] = (-0.0, 0.0, np.finfo(self.dtype).max, row[0])[digest[0] % 4]
            # One number that no narrower float holds.
            row[-1] = 1 + np.finfo(self.dtype).eps
        if self.dtype == np.int64:
            # Larger ones are not those of any float.
            row >>= 11
        return row.tolist()

    def document(self, text):
        """What a wrapper has to answer: always plain floats."""
        return [float(number) for number in self.numbers("document", text)]

    def documents(self, texts):
        return [self.document(text) for text in texts]

    def query(self, text):
        return [float(number) for number in self.numbers("query", text)]

    # How it is asked

    def hold(self):
        """Let no call end before `gate` is set; `started` says when one has begun."""
        self.started, self.gate = threading.Event(), threading.Event()

    def answer(self, role, texts):
        number = self._begin(role, texts, "sync")
        if self.gate is not None:
            assert self.gate.wait(LIMIT), "never let go"
        return self._end(number, role, texts)

    def answer_one(self, role, text):
        return next(iter(self.answer(role, [text])), [])

    async def aanswer(self, role, texts):
        number = self._begin(role, texts, "async")
        if self.gate is None:
            await asyncio.sleep(0)
        else:
            await auntil(self.gate.is_set)
        return self._end(number, role, texts)

    async def aanswer_one(self, role, text):
        return next(iter(await self.aanswer(role, [text])), [])

    def _begin(self, role, texts, way):
        self.calls.append(Asked(role, list(texts), way))
        if self.started is not None:
            self.started.set()
        return len(self.calls) - 1

    def _end(self, number, role, texts):
        if number == self.fail_at:
            raise BoomError(number)
        vectors = [self.numbers(role, text) for text in texts]
        return vectors if self.spoil is None else self.spoil(vectors)


class Framework(ABC):
    """How one framework's embedders are made and asked, through its own public methods.

    Attributes:
        name: Of the framework.
        kind: The type that every embedder of it has.
        no_text: What a wrapper says of something that is no text.
        no_texts: What it says of something that is no list of them.
        may_leave_out: True if a native embedder may answer without a vector, which is then no broken contract.
    """

    name: str
    kind: type
    no_text = "texts must be str"
    no_texts = "list of str"
    may_leave_out = False

    def __repr__(self):
        return self.name

    @abstractmethod
    def native(self, model, *, is_known=True):
        """An embedder in front of a model; it declares the model's identity unless nobody is to know it."""

    @abstractmethod
    def plain(self, **fields):
        """An embedder as users write it: nothing but fields, among them `model_name`, which decide its vectors."""

    def cached(self, native, store, **options):
        """A native embedder that is wrapped: by the cache that is its store, if it is one."""
        if isinstance(store, EmbeddingCache):
            return store.wrap(native, **options)
        return embedonce.wrap(native, store, **options)

    def wrap(self, model, store, *, is_known=True, **options):
        return self.cached(self.native(model, is_known=is_known), store, **options)

    def natives(self, native):
        """The native embedders that users hold: more than one, if a framework has one for each role."""
        return [native]

    def wrappers(self, wrapped):
        """The wrappers that users hold, in the order of `natives`."""
        return [wrapped]

    @abstractmethod
    def insides(self, wrapped):
        """The native embedders in the wrappers."""

    def behind(self, wrapped):
        """The model that is asked in the end."""
        return self.insides(wrapped)[0].behind

    def shown(self, wrapped):
        """All that may end in a log."""
        parts = [wrapped.cache, wrapped.cache.store, wrapped.identity, wrapped.namespace, wrapped.wrap_options]
        return " ".join(f"{part!r} {part}" for part in [*self.wrappers(wrapped), *parts])

    @abstractmethod
    def documents(self, wrapped, texts): ...

    @abstractmethod
    def document(self, wrapped, text): ...

    @abstractmethod
    def query(self, wrapped, text): ...

    @abstractmethod
    async def adocuments(self, wrapped, texts): ...

    @abstractmethod
    async def adocument(self, wrapped, text): ...

    @abstractmethod
    async def aquery(self, wrapped, text): ...


class Api:
    """The methods of one framework that users call in one way; those that are async are run to their end."""

    def __init__(self, framework, way):
        self.framework = framework
        self.way = way
        self.wrap = framework.wrap

    def __repr__(self):
        return f"{self.framework}-{self.way}"

    def _ask(self, verb, wrapped, question):
        if self.way == "sync":
            return getattr(self.framework, verb)(wrapped, question)
        return asyncio.run(asyncio.wait_for(getattr(self.framework, f"a{verb}")(wrapped, question), LIMIT))

    def documents(self, wrapped, texts):
        return self._ask("documents", wrapped, texts)

    def document(self, wrapped, text):
        return self._ask("document", wrapped, text)

    def query(self, wrapped, text):
        return self._ask("query", wrapped, text)

    def other_way(self):
        return Api(self.framework, WAYS[1 - WAYS.index(self.way)])


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


class FaultyStore(DictStore):
    """Fails at the verbs it was told."""

    def __init__(self, *fails):
        super().__init__()
        self.fails = fails

    def mget(self, keys):
        if "read" in self.fails:
            raise BoomError("read")
        return super().mget(keys)

    def mset(self, key_value_pairs):
        if "write" in self.fails:
            raise BoomError("write")
        super().mset(key_value_pairs)


def exactly(vectors):
    """What must be equal for two answers to be the same: each number with its sign and type, and the lists."""
    return repr(vectors)


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


def is_awaited():
    """True if somebody waits for a text that is in flight."""
    return any(flight.future for each in list(_SHARED.values()) for flight in list(each._flights.values()))


def asked_elsewhere(framework, wrapped):
    """What a wrapper answers in a process of its own, how often it hits, and what its model has been asked."""
    answers = [Api(framework, way).documents(wrapped, [f"new {way}", "a", "b"]) for way in WAYS]
    answers += [Api(framework, way).query(wrapped, "a") for way in WAYS]
    return answers, wrapped.cache.stats().hits, framework.behind(wrapped).paid
