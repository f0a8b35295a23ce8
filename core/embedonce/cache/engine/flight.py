"""Single-flight: a text that is being embedded is waited for, not paid for again, across threads and tasks."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.runtime.forking import renewed_in_child
from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from concurrent.futures import Future

    from embedonce.keys.specification import Key


PATIENCE = 5.0
"""Seconds for which a call waits for another one of which it cannot tell whether it will proceed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The embedder call for a key raised an error.

    Attributes:
        error: What it raised.
        keys: All keys of that call: one bad text fails the others. None for texts without a key.
    """

    error: Exception
    keys: frozenset[Key | None]


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The call that had claimed the key was cancelled, or never came to embed it; somebody else has to."""


class Leader:
    """The call that embeds what it has claimed; it is made in the thread or task of that call.

    Attributes:
        thread: The thread of the call.
        loop: The event loop that runs its task; None for a sync call, which blocks its thread.
        is_patient: False after it has waited for too long.
        left: When its caller had gone although a thread was still at work for it, by `time.monotonic`; else None.
    """

    __slots__ = ("is_patient", "left", "loop", "thread")

    def __init__(self, *, is_async: bool) -> None:
        self.is_patient = True
        self.left: float | None = None
        self.thread = threading.get_ident()
        self.loop: Any = _running_loop() if is_async else None

    def may_wait_for(self, other: Leader) -> bool:
        """False if the other call cannot proceed while this one waits."""
        if other in LEADING.get():
            # An embedder that asks the cache for what it was called for would wait for itself.
            return False
        if other.left is not None and (not self.is_patient or time.monotonic() > other.left + PATIENCE):
            # Its embedder may never answer.
            return False
        if other.loop is None:
            # A sync call of the same thread is below this one on the stack.
            return other.thread != self.thread
        if not self.is_patient:
            return False
        # A task of a loop that does not run cannot proceed, nor can one whose loop this thread would block.
        return bool(other.loop.is_running()) and (self.loop is not None or other.loop is not _running_loop())


LEADING: ContextVar[tuple[Leader, ...]] = ContextVar("embedonce_leading", default=())
"""The calls whose embedders are running around this one, for instance in a thread or task that one of them started."""


class Flight:
    """One key in flight.

    Attributes:
        leader: The call that embeds it.
        future: What those who wait are told; None while nobody waits. It holds a vector of its own, `Failed` or
            `Abandoned`, and never an exception, which somebody would have to retrieve.
    """

    __slots__ = ("future", "leader")

    def __init__(self, leader: Leader) -> None:
        self.leader = leader
        self.future: Future[Any] | None = None

    def joined(self) -> Future[Any]:
        """Return the future to wait for."""
        if self.future is None:
            from concurrent.futures import Future

            self.future = Future()
            # From now on cancelling is refused: cancelling one waiter must cancel nobody else.
            self.future.set_running_or_notify_cancel()
        return self.future


class Flights:
    """The keys of one namespace that are being embedded in this process."""

    def __init__(self) -> None:
        self._flights: dict[Key, Flight] = {}
        self._lock = ForkLock()
        self.landed = 0
        _ALL.add(self)

    def claim(
        self,
        wanted: Iterable[tuple[int, Key | None]],
        leader: Leader,
        mine: dict[int, Flight | None],
        theirs: dict[int, tuple[Leader, Future[Any]]],
    ) -> None:
        """Claim the keys that no other call has in flight.

        The dictionaries belong to the caller and are filled step by step: whatever interrupts this, the caller can
        land what it has claimed.

        Args:
            wanted: Positions and keys of what to embed; a key of None is never in flight.
            leader: The call that claims.
            mine: Gets the positions that the caller has to embed, with the flights that it has to `land` (None where
                nobody can wait for it).
            theirs: Gets the positions that another call embeds, with that call and the future to wait for.
        """
        with self._lock:
            for position, key in wanted:
                flight = self._flights.get(key) if key is not None else None
                if key is None:
                    mine[position] = None
                elif flight is None:
                    flight = mine[position] = Flight(leader)
                    self._flights[key] = flight
                elif leader.may_wait_for(flight.leader):
                    theirs[position] = (flight.leader, flight.joined())
                else:
                    mine[position] = None

    def land(self, claims: Sequence[tuple[Key | None, Flight | None]], outcome_of: Callable[[int], Any]) -> None:
        """Tell those who wait for claimed keys what came of them.

        Args:
            claims: Keys with the flights that `claim` gave for them.
            outcome_of: The number of a claim to its outcome: a vector of its own, `Failed` or `Abandoned`.
        """
        awaited: list[tuple[int, Future[Any]]] = []
        try:
            with self._lock:
                for i, (key, flight) in enumerate(claims):
                    if key is not None and flight is not None and self._flights.get(key) is flight:
                        if flight.future is not None:
                            awaited.append((i, flight.future))
                        del self._flights[key]
                        self.landed += 1
            for i, future in awaited:
                future.set_result(outcome_of(i))
        finally:
            # After an interrupt, those who were not told embed for themselves.
            for _, future in awaited:
                if not future.done():
                    future.set_result(Abandoned())

    def _forget(self) -> None:
        self._flights.clear()


# In a forked child nobody is embedding anything.
_ALL = renewed_in_child(Flights._forget)
_SHARED: weakref.WeakValueDictionary[Hashable, Flights] = weakref.WeakValueDictionary()
_SHARED_LOCK = ForkLock()


def flights_of(name: Hashable) -> Flights:
    """Return the flights of a namespace of a store, shared by all caches of this process that use it."""
    with _SHARED_LOCK:
        flights = _SHARED.get(name)
        if flights is None:
            flights = _SHARED[name] = Flights()
        return flights


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None
