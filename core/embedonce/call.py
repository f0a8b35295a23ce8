"""One call of `embed` or `aembed`, as steps that both share; only the I/O verbs are written twice, in `cache.py`."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.errors import CacheMissError, EmbedderContractError
from embedonce.flight import LEADING, Abandoned, Failed, flights_of
from embedonce.keys import canonical, sha256
from embedonce.plan import Plan, batches
from embedonce.vectors import Gathered, Unkept, vectors_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from embedonce.flight import Flight
    from embedonce.identity import Identity
    from embedonce.namespaces import Namespace
    from embedonce.plan import Key


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
    """

    def __init__(
        self, namespace: Namespace, identity: Identity, role: str, texts: Sequence[str], *, is_async: bool
    ) -> None:
        self.namespace = namespace
        self.role = role
        self._name = identity.namespace
        self._is_async = is_async
        self._is_patient = True
        self._leader = object()
        self.plan = Plan.of(texts, lambda unique: namespace.keys(role, unique))
        self.rows = Gathered(len(self.plan.texts), identity.dimensions)
        # A user's own encoder may give a query the key of some document, so they are never in flight together.
        self._flights = flights_of((namespace.flight_name, role))
        self._landed = self._flights.landed
        self._mine: dict[int, Flight | None] = {}
        self.awaited: dict[int, Future[Any]] = {}
        self._unkept: set[int] = set()
        self.saved_rows = 0
        self.saved_bytes = 0

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
        if isinstance(answer, Unkept):
            answer = answer.answer
            self._unkept.update(batch.positions)
        known = None if self.rows.is_loose else self.rows.dimensions
        matrix = vectors_of(answer, len(batch.positions), self.namespace.dimensions if known is None else known)
        self.rows.settle(matrix.shape[1])
        return matrix

    def to_save(self, batch: Batch, matrix: NDArray[Any]) -> tuple[list[Key], NDArray[Any]]:
        """Return the keys and vectors of a batch that can be stored."""
        if not self._unkept.isdisjoint(batch.positions):
            return [], matrix[:0]
        keys = [self.plan.keys[i] for i in batch.positions]
        named = [key for key in keys if key is not None]
        return named, matrix if len(named) == len(keys) else matrix[[key is not None for key in keys]]

    @contextmanager
    def paying(self, batch: Batch) -> Iterator[None]:
        """Tell those who wait for a batch if the embedder fails on it or is cancelled."""
        outer = LEADING.get()
        LEADING.set((*outer, self._leader))
        try:
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

    def abandon(self) -> None:
        """Let go of everything that is still claimed, so that others may embed it."""
        self._land(list(self._mine), lambda _: Abandoned())

    def wait(self) -> None:
        """Block until those who embed what this call waits for have landed.

        Threads of asyncio's own pool that all wait for one task can keep it from ever getting a thread of that pool
        for its embedder or store. After a while they embed for themselves.
        """
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
            return np.empty((0, self.rows.dimensions or self.namespace.dimensions or 0), np.float32)
        return self.plan.spread(matrix)

    def _land(self, positions: Sequence[int], outcome_of: Callable[[int], Any]) -> None:
        self._flights.land([(self.plan.keys[i], self._mine.pop(i, None)) for i in positions], outcome_of)
