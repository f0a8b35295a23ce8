"""One call of `embed` or `aembed`, as steps that both share; the I/O verbs are written twice, in `cache_calls.py`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.cache.flight import LEADING, Abandoned, Failed, flights_of
from embedonce.cache.plan import Plan, batches
from embedonce.errors import CacheMissError, EmbedderContractError
from embedonce.events import EmbedEvent
from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical
from embedonce.vectors.answers import NotCacheable, vectors_of
from embedonce.vectors.codecs import EXACT
from embedonce.vectors.rows import RowBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from embedonce.cache.flight import Flight
    from embedonce.identity import Identity
    from embedonce.keys.specification import Key
    from embedonce.namespaces.protocol import Namespace
    from embedonce.vectors.codecs import Codec


_PATIENCE = 5.0
"""Seconds that a thread of a loop's pool waits for a task."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that are sent to the embedder at once.

    Attributes:
        positions: Their numbers in the plan.
        texts: The texts.
    """

    positions: Sequence[int]
    texts: list[str]


class Call:
    """What one call asks for and has found so far.

    Args:
        namespace: Where the vectors live.
        identity: What decides the vectors.
        role: Under which they are kept.
        texts: What was asked for.
        is_async: True if the caller waits without blocking its thread.
        codec: How vectors are written: `namespace` holds its rows.
    """

    def __init__(
        self,
        namespace: Namespace,
        identity: Identity,
        role: str,
        texts: Sequence[str],
        *,
        is_async: bool,
        codec: Codec = EXACT,
    ) -> None:
        self.namespace = namespace
        self.role = role
        self._codec = codec
        self._name = identity.namespace
        self._is_async = is_async
        self._is_patient = True
        self._leader = object()
        self.plan = Plan.of(texts, lambda unique: namespace.keys(role, unique))
        self.rows = RowBuffer(len(self.plan.texts), identity.dimensions)
        # A user's own encoder may give a query the key of some document, so they are never in flight together.
        self._flights = flights_of((namespace.flight_name, role))
        self._landed = self._flights.landed
        self._mine: dict[int, Flight | None] = {}
        self.awaited: dict[int, Future[Any]] = {}
        self._unkept: set[int] = set()
        self.saved_rows = 0
        self.saved_bytes = 0
        self.hits = self.joined_texts = self.embedded = 0
        self.started = perf_counter()
        self.seconds = dict.fromkeys(("reading", "embedding", "writing"), 0.0)

    @property
    def missing(self) -> list[int]:
        """Numbers of the texts that have no vector yet."""
        return self.rows.missing

    def miss_error(self) -> CacheMissError:
        """The error for mode `replay`."""
        missing = self.missing
        first = self.plan.texts[missing[0]]
        digest = sha256(canonical(self.role, first))
        msg = (
            f"{len(missing)} of {len(self.plan.texts)} texts are not in the cache for namespace {self._name!r} "
            f"(role {self.role}); the first one has the SHA-256 key {digest[:16]}… and {len(first)} "
            "characters; record it by running once with mode='read_write'"
        )
        return CacheMissError(msg)

    def claim(self) -> bool:
        """Claim what is missing; True if the store should be asked again before anybody pays for it."""
        missing = self.missing
        keys = [self.plan.keys[i] for i in missing]
        mine, theirs = self._flights.claim(keys, self._leader, is_async=self._is_async, is_patient=self._is_patient)
        self._mine = {missing[i]: flight for i, flight in mine.items()}
        self.awaited = {missing[i]: future for i, future in theirs.items()}
        # Somebody may have stored it after this call had looked and before it claimed.
        return bool(mine) and self._flights.landed != self._landed

    def release_found(self) -> int:
        """Let go of what a second look has answered, and return how much that is."""
        found = [i for i in self._mine if self.rows.found[i]]
        matrix = self.rows.matrix
        if found and matrix is not None:
            self._land(found, lambda i: matrix[found[i]].copy())
        wait_for = {i: future for i, future in self.awaited.items() if not self.rows.found[i]}
        answered = len(found) + len(self.awaited) - len(wait_for)
        self.awaited = wait_for
        return answered

    @contextmanager
    def loading(self) -> Iterator[RowBuffer]:
        """Give what the namespace has to fill with stored rows, and take the vectors from it."""
        if self._codec.is_exact:
            yield self.rows
            return
        stored = RowBuffer(len(self.plan.texts), None)
        stored.found[:] = self.rows.found
        yield stored
        new = np.flatnonzero(stored.found & ~self.rows.found)
        if len(new) and stored.matrix is not None:
            vectors = self._codec.vectors_of(stored.matrix[new])
            if self.rows.dimensions in (None, vectors.shape[1]):
                self.rows.dimensions = vectors.shape[1]
                self.rows.put(new, vectors)

    def to_embed(self, batch_size: int | None) -> list[Batch]:
        """Return what this call has to embed, in batches."""
        return [
            Batch(positions, [self.plan.texts[i] for i in positions])
            for positions in batches(list(self._mine), batch_size)
            if positions
        ]

    def checked(self, batch: Batch, answer: object) -> NDArray[Any]:
        """Return the embedder's answer as a matrix.

        Raises:
            EmbedderContractError: It is not one vector of this namespace per text.
        """
        if isinstance(answer, NotCacheable):
            answer = answer.answer
            self._unkept.update(batch.positions)
        known = None if self.rows.is_loose else self.rows.dimensions
        if known is None and self._codec.is_exact:
            known = self.namespace.dimensions
        matrix = self._codec.kept(vectors_of(answer, len(batch.positions), known))
        if not self._codec.is_exact:
            self._check_width(matrix)
        self.rows.settle(matrix.shape[1])
        return matrix

    def _check_width(self, matrix: NDArray[Any]) -> None:
        """Compare what a codec makes of vectors with the rows that the namespace holds."""
        width = self._codec.rows_of(matrix[:1]).shape[1]
        if self.namespace.dimensions not in (None, width):
            msg = (
                f"vectors of length {matrix.shape[1]} become rows of length {width} where namespace {self._name!r} "
                f"holds rows of length {self.namespace.dimensions}: another model answers under the same namespace; "
                "give it its own namespace= or version="
            )
            raise EmbedderContractError(msg)

    def to_save(self, batch: Batch, matrix: NDArray[Any]) -> tuple[list[Key], NDArray[Any]]:
        """Return the keys and stored rows of what can be stored of a batch."""
        if not self._unkept.isdisjoint(batch.positions):
            return [], matrix[:0]
        keys = [self.plan.keys[i] for i in batch.positions]
        named = [key for key in keys if key is not None]
        rows = matrix if len(named) == len(keys) else matrix[[key is not None for key in keys]]
        return named, self._codec.rows_of(rows) if named else rows

    @contextmanager
    def paying(self, batch: Batch) -> Iterator[None]:
        """Tell those who wait for a batch if the embedder fails on it or is cancelled."""
        outer = LEADING.get()
        LEADING.set((*outer, self._leader))
        self.embedded += len(batch.texts)
        try:
            with self.timed("embedding"):
                yield
        except BaseException as error:
            keys = frozenset(self.plan.keys[i] for i in batch.positions)
            outcome = Failed(error, keys) if isinstance(error, Exception) else Abandoned()
            self._land(batch.positions, lambda _: outcome)
            raise
        finally:
            # Not `reset`: a coroutine that is thrown away may be closed in another context.
            LEADING.set(outer)

    @contextmanager
    def landing(self, batch: Batch, matrix: NDArray[Any]) -> Iterator[None]:
        """Store a batch, then hand its vectors to whoever waits for them, however the storing went.

        Raises:
            EmbedderContractError: No dtype holds both these numbers and those of earlier batches.
        """
        self.rows.dimensions = matrix.shape[1]
        positions = np.asarray(batch.positions)
        self.rows.put(positions, matrix)
        if not self.rows.found[positions].all():
            msg = (
                f"namespace {self._name!r} was answered with {matrix.dtype} numbers that do not fit beside "
                "fractions: two models share it; give each its own namespace= or version="
            )
            raise EmbedderContractError(msg)
        try:
            yield
        finally:
            # Waiters get copies: a row would keep the whole matrix alive.
            is_kept = self._unkept.isdisjoint(batch.positions)
            self._land(batch.positions, lambda i: matrix[i].copy() if is_kept else Abandoned())

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add what is done now to the seconds spent `reading`, `embedding` or `writing`."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += perf_counter() - started

    def event(self, mode: str, store: str, matrix: NDArray[Any] | None, error: str) -> EmbedEvent:
        """Return what there is to say of this call, which has just ended with a matrix or an error."""
        return EmbedEvent(
            namespace=self._name,
            role=self.role,
            mode=mode,
            store=store,
            texts=self.plan.asked,
            duplicates=self.plan.asked - len(self.plan.texts),
            hits=self.hits,
            joined=self.joined_texts,
            embedded=self.embedded,
            stored=self.saved_rows,
            dimensions=None if matrix is None or not matrix.size else matrix.shape[1],
            bytes_returned=0 if matrix is None else matrix.nbytes,
            bytes_stored=self.saved_bytes,
            seconds=perf_counter() - self.started,
            seconds_reading=self.seconds["reading"],
            seconds_embedding=self.seconds["embedding"],
            seconds_writing=self.seconds["writing"],
            error=error,
        )

    def abandon(self) -> None:
        """Let go of everything that is still claimed, so that others may embed it."""
        self._land(list(self._mine), lambda _: Abandoned())

    def wait(self) -> None:
        """Block until those who embed what this call waits for have landed.

        Threads of asyncio's own pool that all wait for one task can keep it from ever getting a thread of that pool
        for its embedder or store. After a while they embed for themselves.
        """
        from concurrent.futures import wait

        if not threading.current_thread().name.startswith("asyncio_"):
            wait(self.awaited.values())
        elif wait(self.awaited.values(), _PATIENCE).not_done:
            self._is_patient = False
            self.awaited = {i: future for i, future in self.awaited.items() if future.done()}

    def joined(self, outcomes: Sequence[tuple[int, Any]]) -> int:
        """Take what other calls have embedded and return how much that is; what they have not stays missing.

        Raises:
            Exception: The embedder's error, if it failed on nothing but texts that this call wants too.
        """
        wanted = {key for key in self.plan.keys if key is not None}
        taken = 0
        for position, outcome in outcomes:
            if isinstance(outcome, Failed):
                # The batch of somebody else may have failed because of a text that is not asked for here.
                if outcome.keys <= wanted:
                    raise outcome.error
            elif not isinstance(outcome, Abandoned):
                self.rows.settle(len(outcome))
                if self.rows.dimensions is None:
                    self.rows.dimensions = len(outcome)
                if len(outcome) != self.rows.dimensions:
                    msg = (
                        f"namespace {self._name!r} was answered with vectors of length {len(outcome)} and "
                        f"{self.rows.dimensions}: two models share it; give each its own namespace= or version="
                    )
                    raise EmbedderContractError(msg)
                # All who wait for a flight get the same array.
                self.rows.put(np.array([position]), outcome[np.newaxis].copy())
                taken += int(self.rows.found[position])
        self.awaited = {}
        return taken

    def result(self) -> NDArray[Any]:
        """One row per text of the call, shape (n, d)."""
        matrix = self.rows.matrix
        if matrix is None:
            width = self.namespace.dimensions if self._codec.is_exact else None
            return np.empty((0, self.rows.dimensions or width or 0), np.float32)
        return self.plan.spread(matrix)

    def _land(self, positions: Sequence[int], outcome_of: Callable[[int], Any]) -> None:
        self._flights.land([(self.plan.keys[i], self._mine.pop(i, None)) for i in positions], outcome_of)
