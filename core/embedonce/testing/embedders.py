"""Embedders for tests and demonstrations: no network, no weights, the same numbers on every machine.

They have LangChain's method names and can be called like a function, so every framework's wrapper takes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import itertools
import math
import re
import zlib
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.errors import IdentityError
from embedonce.identity import Identity, declared_identity
from embedonce.keys.specification import utf8
from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from embedonce.keys.specification import Role

    Vectors = list[list[float]]

PROVIDER = "embedonce-testing"

_TOKEN = re.compile(r"\w+|[^\w\s]+")
_NGRAMS = (3, 4, 5)
_REMEMBERED = 1 << 16
# Longer runs without a space are data rather than words; their n-grams would fill the memory of words.
_LONGEST_WORD = 64


class TextEmbedder(ABC):
    """An embedder made from one method, `vectors`; the async methods run it in a thread."""

    @property
    @abstractmethod
    def embedonce_identity(self) -> Identity:
        """What decides the vectors."""

    @abstractmethod
    def vectors(self, texts: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        """Return the vectors of texts, shape (n, d)."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of documents, shape (n, d)."""
        return self.vectors(texts)

    def embed_documents(self, texts: list[str]) -> Vectors:
        """Return the vectors of documents."""
        vectors: Vectors = self.vectors(texts, "document").tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        vector: list[float] = self.vectors([text], "query")[0].tolist()
        return vector

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        """Async twin of `embed_documents`."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Async twin of `embed_query`."""
        return await asyncio.to_thread(self.embed_query, text)


class HashingEmbedder(TextEmbedder):
    """Feature hashing of word and character n-grams: texts that share words or parts of words are near each other.

    Features are words, pairs of neighbouring words, and the 3- to 5-grams of the characters of each word, all in
    lower case. Each is hashed to one number of the vector and a sign; it counts with the square root of how often
    it occurs. Vectors have length 1 and hold float32 numbers. A text without any feature gets the first unit vector.

    It does not replace a trained model, since it knows no synonyms. But texts that share words are ranked near each
    other, so that tests of rankings are meaningful.

    Args:
        dimensions: Length of the vectors.

    Raises:
        ValueError: The dimensions are not a whole number of at least 1.
    """

    def __init__(self, dimensions: int = 1536) -> None:
        self.dimensions = _checked_dimensions(dimensions)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dimensions={self.dimensions})"

    @property
    def embedonce_identity(self) -> Identity:
        """A model of its own for each number of dimensions; documents and queries are embedded alike."""
        return Identity.of(PROVIDER, "hashing-ngrams-1", symmetric=True, dimensions=self.dimensions)

    def vectors(self, texts: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        """Return the vectors of texts, shape (n, d); the role changes nothing."""
        matrix = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            matrix[row] = self._vector(text)
        return matrix

    def _vector(self, text: str) -> NDArray[np.float64]:
        words = _TOKEN.findall(text.lower())
        pairs = [_hash(f"{first} {second}") for first, second in itertools.pairwise(words)]
        features = np.concatenate([*map(_features_of_word, words), np.array(pairs, np.uint32)])
        hashes, counts = np.unique(features, return_counts=True)
        # Square roots and `fsum` are rounded alike everywhere; logarithms and BLAS sums are not.
        weights = np.where(hashes >> 31, -1.0, 1.0) * np.sqrt(counts)
        vector: NDArray[np.float64] = np.bincount(hashes % self.dimensions, weights, self.dimensions).astype(float)
        norm = math.sqrt(math.fsum((vector * vector).tolist()))
        if norm == 0:
            vector[0] = norm = 1.0
        return vector / norm


def _hash(feature: str) -> int:
    return zlib.crc32(utf8(feature))


@lru_cache(_REMEMBERED)
def _features_of_short_word(word: str) -> NDArray[np.uint32]:
    edged = f"<{word}>"
    ngrams = (edged[start : start + n] for n in _NGRAMS for start in range(len(edged) - n + 1))
    features = np.array([_hash(word), *map(_hash, ngrams)], np.uint32)
    features.flags.writeable = False
    return features


def _features_of_word(word: str) -> NDArray[np.uint32]:
    if len(word) <= _LONGEST_WORD:
        return _features_of_short_word(word)
    return _features_of_short_word.__wrapped__(word)


def _checked_dimensions(dimensions: int) -> int:
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < 1:
        msg = f"dimensions must be a whole number of at least 1, got {dimensions!r}"
        raise ValueError(msg)
    return dimensions


class AsymmetricEmbedder(TextEmbedder):
    """An embedder whose vectors differ for a query and a document of the same text, and have no meaning.

    Args:
        dimensions: Length of the vectors.

    Raises:
        ValueError: The dimensions are not a whole number of at least 1.
    """

    def __init__(self, dimensions: int = 8) -> None:
        self.dimensions = _checked_dimensions(dimensions)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dimensions={self.dimensions})"

    @property
    def embedonce_identity(self) -> Identity:
        """A model of its own for each number of dimensions; documents and queries are embedded differently."""
        return Identity.of(PROVIDER, "asymmetric-1", dimensions=self.dimensions)

    def vectors(self, texts: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        """Return the vectors of texts, shape (n, d): numbers in [-1, 1) from a digest of role and text."""
        size = 2 * self.dimensions
        data = b"".join(hashlib.shake_128(utf8(f"{role}:{text}")).digest(size) for text in texts)
        numbers = np.frombuffer(data, "<i2").reshape(len(texts), self.dimensions)
        return (numbers / 32768).astype(np.float32)


class _Observer(ABC):
    """An embedder in front of another one, which sees every call first.

    Args:
        embedder: Any object with LangChain's methods, or a function from texts to vectors.
    """

    def __init__(self, embedder: Any) -> None:
        self.embedder = embedder

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.embedder!r})"

    @property
    def embedonce_identity(self) -> Identity | None:
        """What decides the vectors of the embedder behind; None if that is unknown, and `namespace=` is needed."""
        declared = getattr(self.embedder, "embedonce_identity", None)
        from embedonce.plugins.host import plugins

        try:
            return declared_identity(declared) if declared is not None else plugins().identify(self.embedder)
        except IdentityError:
            return None

    @abstractmethod
    def observe(self, texts: list[str]) -> None:
        """See a call."""

    def __call__(self, texts: Sequence[str]) -> Any:
        """Return the vectors of documents, as the embedder behind returns them."""
        self.observe(list(texts))
        return self.embedder(texts)

    def embed_documents(self, texts: list[str]) -> Vectors:
        """Return the vectors of documents."""
        self.observe(list(texts))
        vectors: Vectors = self.embedder.embed_documents(texts)
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        self.observe([text])
        vector: list[float] = self.embedder.embed_query(text)
        return vector

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        """Async twin of `embed_documents`; in a thread if the embedder behind has only sync methods."""
        self.observe(list(texts))
        vectors: Vectors = await self._awaited("embed_documents", texts)
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        """Async twin of `embed_query`; in a thread if the embedder behind has only sync methods."""
        self.observe([text])
        vector: list[float] = await self._awaited("embed_query", text)
        return vector

    async def _awaited(self, method: str, argument: Any) -> Any:
        twin = getattr(self.embedder, f"a{method}", None)
        if inspect.iscoroutinefunction(twin):
            return await twin(argument)
        return await asyncio.to_thread(getattr(self.embedder, method), argument)


class CountingEmbedder(_Observer):
    """Records the calls of another embedder, and passes everything through to it, its identity included.

    It may be used by several threads at once.

    Args:
        embedder: Any object with LangChain's methods, or a function from texts to vectors.

    Attributes:
        embedder: The embedder behind.
        calls: The texts of every call in the order of the calls, a list of one text for a query; failed calls count.
    """

    def __init__(self, embedder: Any) -> None:
        super().__init__(embedder)
        # Only ever appended to, which needs no lock.
        self.calls: list[list[str]] = []

    @property
    def texts_embedded(self) -> int:
        """Number of texts in all calls."""
        return sum(map(len, self.calls))

    def observe(self, texts: list[str]) -> None:
        """Record a call."""
        self.calls.append(texts)


class FlakyEmbedder(_Observer):
    """Fails on request, and passes everything else through to another embedder, its identity included.

    It may be used by several threads at once.

    Args:
        embedder: Any object with LangChain's methods, or a function from texts to vectors.
        fail_on_calls: Numbers of the calls that fail, counted from 1, queries and failed calls included.
        fail_on_texts: Texts that make a call fail.
        error: What is raised.

    Attributes:
        embedder: The embedder behind.
    """

    def __init__(
        self,
        embedder: Any,
        *,
        fail_on_calls: Collection[int] = (),
        fail_on_texts: Collection[str] = (),
        error: type[Exception] = ConnectionError,
    ) -> None:
        super().__init__(embedder)
        self._fail_on_calls = frozenset(fail_on_calls)
        self._fail_on_texts = frozenset(fail_on_texts)
        self._error = error
        self._calls = 0
        self._lock = ForkLock()

    def observe(self, texts: list[str]) -> None:
        """Fail if this call has to.

        Raises:
            Exception: The error that the user asked for.
        """
        with self._lock:
            self._calls += 1
            number = self._calls
        if number in self._fail_on_calls:
            msg = f"call {number} fails as requested"
            raise self._error(msg)
        bad = self._fail_on_texts.intersection(texts)
        if bad:
            msg = f"call {number} fails as requested, because of the text {min(bad)!r}"
            raise self._error(msg)
