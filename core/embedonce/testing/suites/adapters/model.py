"""The model behind an adapter's embedder: it answers, counts, waits and fails as the suite sets it up."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedonce.identity import Identity
from embedonce.keys.specification import utf8
from embedonce.testing.suites.adapters.comparing import LIMIT, auntil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embedonce.keys.specification import Role

    Vectors = list[list[float]]


class ToldToFailError(Exception):
    """What a model or a store raises when a suite makes it fail."""


class Asked(NamedTuple):
    """One call of a model.

    Attributes:
        role: The role of the texts.
        texts: The texts asked for.
        way: `sync` or `async`.
    """

    role: Role
    texts: list[str]
    way: str


class ModelBehind:
    """The model behind a native embedder in an `AdapterSuite`.

    The embedder that the author of a suite writes passes all its texts on: to `answer` or `answer_one`, and in its
    async methods to `aanswer` or `aanswer_one`. It declares `identity` as its `embedonce_identity`, and has no other
    state. Each name, length, role and text has its own vector, whose numbers need all bits of the dtype.

    Args:
        name: Two names are two models.
        dimensions: Length of the vectors.
        dtype: Dtype of the numbers: `float64`, `float32` or an integer dtype. They are answered as Python's numbers.
        symmetric: True if a query gets the vector of the document of that text.
        says_so: False if its identity does not say that it is symmetric.
        is_known: False to hide which model it is, so that `identity` is None.
        spoil: Changes the list of vectors before it is answered.
        fail_at: Number of the call that fails, counted from 0.

    Attributes:
        calls: Its calls in order, failed ones included.
        started: Set when a call has begun; None unless `hold` was called.
        gate: No call ends before it is set; None unless `hold` was called.
    """

    def __init__(
        self,
        name: str = "m",
        dimensions: int = 3,
        *,
        dtype: str = "float64",
        symmetric: bool = False,
        says_so: bool = True,
        is_known: bool = True,
        spoil: Callable[[list[Any]], list[Any]] | None = None,
        fail_at: int | None = None,
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self.dtype = np.dtype(dtype)
        self.symmetric = symmetric
        self.says_so = says_so
        self.is_known = is_known
        self.spoil = spoil
        self.fail_at = fail_at
        self.calls: list[Asked] = []
        self.started: threading.Event | None = None
        self.gate: threading.Event | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "started": None, "gate": None}

    @property
    def identity(self) -> Identity | None:
        """What decides the vectors; None if that is hidden."""
        if not self.is_known:
            return None
        symmetric = self.symmetric and self.says_so
        return Identity.of("tests", self.name, symmetric=symmetric, dimensions=self.dimensions)

    @property
    def namespace(self) -> str:
        """The namespace of its identity."""
        assert self.identity is not None, "an unknown model has no namespace"
        return self.identity.namespace

    @property
    def paid(self) -> list[tuple[Role, str]]:
        """Role and text of all calls, in order."""
        return [(call.role, text) for call in self.calls for text in call.texts]

    @property
    def texts(self) -> list[list[str]]:
        """The texts of each call."""
        return [call.texts for call in self.calls]

    # For the embedder

    def answer(self, role: Role, texts: Sequence[str]) -> list[Any]:
        """Return one vector for each text, changed by `spoil`.

        Args:
            role: `document` or `query`.
            texts: What to embed.

        Raises:
            ToldToFailError: This is the call that fails.
        """
        number = self._begin(role, texts, "sync")
        if self.gate is not None:
            assert self.gate.wait(LIMIT), "never let go"
        return self._end(number, role, texts)

    def answer_one(self, role: Role, text: str) -> Any:
        """Return the vector of one text, an empty list if `spoil` has removed it; see `answer`."""
        return next(iter(self.answer(role, [text])), [])

    async def aanswer(self, role: Role, texts: Sequence[str]) -> list[Any]:
        """Async twin of `answer`."""
        number = self._begin(role, texts, "async")
        if self.gate is None:
            await asyncio.sleep(0)
        else:
            await auntil(self.gate.is_set)
        return self._end(number, role, texts)

    async def aanswer_one(self, role: Role, text: str) -> Any:
        """Async twin of `answer_one`."""
        return next(iter(await self.aanswer(role, [text])), [])

    # For the suite

    def document(self, text: str) -> list[float]:
        """Return the right answer for a document."""
        return self._numbers("document", text)

    def documents(self, texts: Sequence[str]) -> Vectors:
        """Return the right answer for documents."""
        return [self.document(text) for text in texts]

    def query(self, text: str) -> list[float]:
        """Return the right answer for a query."""
        return self._numbers("query", text)

    def hold(self) -> tuple[threading.Event, threading.Event]:
        """Let no call end before `gate` is set; return `started` and `gate`."""
        self.started, self.gate = threading.Event(), threading.Event()
        return self.started, self.gate

    def _begin(self, role: Role, texts: Sequence[str], way: str) -> int:
        self.calls.append(Asked(role, list(texts), way))
        if self.started is not None:
            self.started.set()
        return len(self.calls) - 1

    def _end(self, number: int, role: Role, texts: Sequence[str]) -> list[Any]:
        if number == self.fail_at:
            raise ToldToFailError(number)
        vectors = [self._numbers(role, text) for text in texts]
        return vectors if self.spoil is None else self.spoil(vectors)

    def _numbers(self, role: Role, text: str) -> list[Any]:
        seed = f"{self.name}\0{self.dimensions}\0{'document' if self.symmetric else role}\0{text}"
        data = hashlib.shake_256(utf8(seed)).digest(self.dimensions * self.dtype.itemsize)
        row = np.frombuffer(data, self.dtype).copy()
        if self.dtype.kind == "f":
            row[~np.isfinite(row)] = np.finfo(self.dtype).tiny / 2
            row[0] = (-0.0, 0.0, np.finfo(self.dtype).max, row[0])[data[0] % 4]
            # One number that no narrower float holds.
            row[-1] = 1 + np.finfo(self.dtype).eps
        if self.dtype == np.int64:
            # Larger numbers are not exact as floats.
            row >>= 11
        numbers: list[Any] = row.tolist()
        return numbers
