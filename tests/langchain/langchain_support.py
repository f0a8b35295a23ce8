"""Embedders and stores that the tests of the LangChain adapter share."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import numpy as np
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.stores import InMemoryByteStore, InMemoryStore
from langchain_openai import OpenAIEmbeddings

from embedonce import Identity

LIMIT = 60.0
"""Seconds after which something that should have happened counts as a deadlock."""


class BoomError(Exception):
    """What failing embedders and stores raise."""


class Model(Embeddings):
    """Answers each role and text with a vector of its own, and remembers what it was asked.

    Args:
        model: Two names are two models.
        dimensions: Length of the vectors.
        symmetric: True if a query gets the vector of the document of that text.
        shape: What to make of the list of lists before it is returned, for instance an array.
        fail_on: Texts that make a call fail.
    """

    def __init__(self, model="m", dimensions=3, *, symmetric=False, shape=None, fail_on=()):
        self.model = model
        self.dimensions = dimensions
        self.symmetric = symmetric
        self.shape = shape
        self.fail_on = fail_on
        self.calls = []

    @property
    def embedonce_identity(self):
        return Identity.of("tests", self.model, symmetric=self.symmetric, dimensions=self.dimensions)

    @property
    def asked(self):
        """All texts of all calls."""
        return [text for call in self.calls for text in call]

    def document(self, text, **arguments):
        return self._vector("document", text, arguments)

    def query(self, text, **arguments):
        return self._vector("document" if self.symmetric else "query", text, arguments)

    def documents(self, texts, **arguments):
        return [self.document(text, **arguments) for text in texts]

    def _vector(self, role, text, arguments):
        seed = f"{self.model}\0{self.dimensions}\0{role}\0{sorted(arguments.items())}\0{text}"
        digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
        return np.random.default_rng(list(digest)).standard_normal(self.dimensions).tolist()

    def observe(self, texts):
        self.calls.append(list(texts))
        if any(text in self.fail_on for text in texts):
            raise BoomError(texts)

    def embed_documents(self, texts, **arguments):
        self.observe(texts)
        answer = self.documents(texts, **arguments)
        return self.shape(answer) if self.shape else answer

    def embed_query(self, text, **arguments):
        self.observe([text])
        answer = self.query(text, **arguments)
        return self.shape([answer])[0] if self.shape else answer

    async def aembed_documents(self, texts, **arguments):
        return self.embed_documents(texts, **arguments)

    async def aembed_query(self, text, **arguments):
        return self.embed_query(text, **arguments)


EMBEDDED = []
"""The texts that `Counting` has embedded."""


class Counting(DeterministicFakeEmbedding):
    """Counts the texts that it embeds."""

    def embed_documents(self, texts):
        EMBEDDED.extend(texts)
        return super().embed_documents(texts)


class Scripted(Embeddings):
    """Gives the answers it is told, whatever it is asked."""

    embedonce_identity = Identity.of("tests", "scripted")

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def embed_documents(self, texts):
        self.calls.append(list(texts))
        return self.answers.pop(0)

    def embed_query(self, text):
        self.calls.append([text])
        return self.answers.pop(0)


class Stranger(Embeddings):
    """Nobody can tell what it computes: all it has is a function."""

    def __init__(self, function):
        self.function = function
        self.calls = []

    def embed_documents(self, texts):
        self.calls.append(list(texts))
        return [self.function(text) for text in texts]

    def embed_query(self, text):
        return self.embed_documents([text])[0]


class Plain(Embeddings):
    """A class as users write it, with its settings as fields and no word about its identity."""

    def __init__(self, model, **settings):
        self.model = model
        self.__dict__.update(settings)

    def _vector(self, text):
        digest = hashlib.sha256(f"{sorted(vars(self).items())}{text}".encode()).digest()
        return [float(byte) for byte in digest[:3]]

    def embed_documents(self, texts):
        return [self._vector(text) for text in texts]

    def embed_query(self, text):
        return self._vector(text)


class Held(Model):
    """Says when it is called, and answers when it is let go; sync and async."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.started = threading.Event()
        self.release = threading.Event()

    def embed_documents(self, texts, **arguments):
        self.started.set()
        assert self.release.wait(LIMIT), "never let go"
        return super().embed_documents(texts, **arguments)

    def embed_query(self, text, **arguments):
        self.started.set()
        assert self.release.wait(LIMIT), "never let go"
        return super().embed_query(text, **arguments)

    async def aembed_documents(self, texts, **arguments):
        return await asyncio.to_thread(self.embed_documents, texts, **arguments)

    async def aembed_query(self, text, **arguments):
        return await asyncio.to_thread(self.embed_query, text, **arguments)


class Worker(threading.Thread):
    """A call in a thread, with its result."""

    def __init__(self, function, *arguments):
        super().__init__(daemon=True)
        self._call = (function, arguments)
        self._outcome = None
        self._error = None
        self.start()

    def run(self):
        function, arguments = self._call
        try:
            self._outcome = function(*arguments)
        except BaseException as error:
            self._error = error

    def result(self):
        self.join(LIMIT)
        assert not self.is_alive(), "a deadlock"
        if self._error is not None:
            raise self._error
        return self._outcome


class Deployed(OpenAIEmbeddings):
    """A subclass with a field of its own that is named like something we know of its base."""

    endpoint: str


class Decoding(InMemoryByteStore):
    """Keeps str, as the Upstash store does, and so refuses what is not UTF-8."""

    def mset(self, key_value_pairs):
        super().mset([(key, value.decode("utf-8")) for key, value in key_value_pairs])

    async def amset(self, key_value_pairs):
        self.mset(key_value_pairs)


class OnlyUnique(InMemoryByteStore):
    """Refuses two values for one key in one write, as the SQL store does."""

    def mset(self, key_value_pairs):
        keys = [key for key, _ in key_value_pairs]
        assert len(set(keys)) == len(keys), "UNIQUE constraint failed"
        super().mset(key_value_pairs)

    async def amset(self, key_value_pairs):
        self.mset(key_value_pairs)


class Faulty(InMemoryByteStore):
    """Fails to read, to write or both."""

    def __init__(self, *, read=False, write=False):
        super().__init__()
        self.fails = {"read": read, "write": write}

    def mget(self, keys):
        if self.fails["read"]:
            raise BoomError("read")
        return super().mget(keys)

    def mset(self, key_value_pairs):
        if self.fails["write"]:
            raise BoomError("write")
        super().mset(key_value_pairs)

    async def amget(self, keys):
        return self.mget(keys)

    async def amset(self, key_value_pairs):
        self.mset(key_value_pairs)


class Sized(InMemoryByteStore):
    """Counts as false as long as it is empty."""

    def __len__(self):
        return len(self.store)


class SizedLists(InMemoryStore):
    """Counts as false as long as it is empty."""

    def __len__(self):
        return len(self.store)


async def documents(way, embeddings, texts, **arguments):
    """Call `embed_documents` or its async twin."""
    if way == "sync":
        return embeddings.embed_documents(texts, **arguments)
    return await embeddings.aembed_documents(texts, **arguments)


async def query(way, embeddings, text, **arguments):
    """Call `embed_query` or its async twin."""
    if way == "sync":
        return embeddings.embed_query(text, **arguments)
    return await embeddings.aembed_query(text, **arguments)


def is_plain(vectors):
    """True for lists of lists of numbers of Python and nothing else."""
    return type(vectors) is list and all(
        type(vector) is list and all(type(number) in (int, float) for number in vector) for vector in vectors
    )
