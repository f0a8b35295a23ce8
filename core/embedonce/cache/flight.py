"""Single-flight: a text that is being embedded is waited for, not paid for again, across threads and tasks."""

from __future__ import annotations

import os
import sys
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from concurrent.futures import Future

    Key = bytes | str


LEADING: ContextVar[tuple[object, ...]] = ContextVar("embedonce_leading", default=())
"""The calls whose embedders are running around this one, for instance in a thread or task started by one of them."""


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
    """Whoever had claimed the key was cancelled, or never came to embed it; somebody else has to."""


class Flight:
    """One key in flight."""

    __slots__ = ("future", "leader", "loop")

    def __init__(self, leader: object, loop: object) -> None:
        self.leader = leader
        self.loop = loop
        # Made for the first one who waits; most flights are waited for by nobody.
        self.future: Future[Any] | None = None

    def joined(self) -> Future[Any]:
        """Return the future to wait for. It never holds an exception, so nobody has to retrieve one."""
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
        self, keys: Sequence[Key | None], leader: object, *, is_async: bool, is_patient: bool = True
    ) -> tuple[dict[int, Flight | None], dict[int, Future[Any]]]:
        """Claim the keys that nobody else has in flight.

        Args:
            keys: What to embed; None is never in flight.
            leader: Stands for the call that claims.
            is_async: True if the caller waits without blocking its thread.
            is_patient: False to claim what a task has in flight as well: it may need the caller's thread.

        Returns:
            The positions that the caller must now embed, with the flights it has to `land` (None where nobody
            waits for it), and the futures of the others.
        """
        loop = _running_loop()
        leading = LEADING.get()
        mine: dict[int, Flight | None] = {}
        theirs: dict[int, Future[Any]] = {}
        with self._lock:
            for i, key in enumerate(keys):
                flight = self._flights.get(key) if key is not None else None
                if key is None:
                    mine[i] = None
                elif flight is None:
                    mine[i] = self._flights[key] = Flight(leader, loop if is_async else None)
                elif flight.leader in leading:
                    # An embedder that asks the cache for what it was called for would wait for itself.
                    mine[i] = None
                elif not is_async and loop is not None and flight.loop is loop:
                    # Blocking this thread would stop the very task that is to embed it.
                    mine[i] = None
                elif not is_patient and flight.loop is not None:
                    mine[i] = None
                else:
                    theirs[i] = flight.joined()
        return mine, theirs

    def land(self, claims: Iterable[tuple[Key | None, Flight | None]], outcome_of: Callable[[int], Any]) -> None:
        """Tell those who wait for claimed keys what came of them.

        Args:
            claims: Keys with the flights that `claim` gave for them.
            outcome_of: The number of a claim to its outcome: a vector of its own, `Failed` or `Abandoned`.
        """
        awaited: list[tuple[int, Future[Any]]] = []
        with self._lock:
            for i, (key, flight) in enumerate(claims):
                if key is not None and flight is not None and self._flights.get(key) is flight:
                    del self._flights[key]
                    self.landed += 1
                    if flight.future is not None:
                        awaited.append((i, flight.future))
        for i, future in awaited:
            future.set_result(outcome_of(i))

    def _forget(self) -> None:
        self._flights.clear()


_ALL: weakref.WeakSet[Flights] = weakref.WeakSet()
_SHARED: weakref.WeakValueDictionary[Hashable, Flights] = weakref.WeakValueDictionary()
_SHARED_LOCK = ForkLock()


def flights_of(name: Hashable) -> Flights:
    """Return the flights of a namespace of a store, shared by all caches of this process that use it."""
    with _SHARED_LOCK:
        flights = _SHARED.get(name)
        if flights is None:
            flights = _SHARED[name] = Flights()
        return flights


def _running_loop() -> object:
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None


def _forget_all() -> None:
    """In a forked child nobody is embedding anything."""
    for flights in list(_ALL):
        flights._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
