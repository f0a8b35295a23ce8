"""Single-flight: a text that is being embedded is waited for, not paid for again, across threads and tasks."""

from __future__ import annotations

import sys
import threading
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.runtime.forking import renewed_in_child
from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from numpy.typing import NDArray

    from embedonce.keys.specification import Key

    Claims = Sequence["tuple[Key | None, Flight | None]"]


PATIENCE = 5.0
"""Seconds for which a call waits for texts of other calls while none of them arrives; it then embeds them itself."""


class Landed:
    """A key was embedded.

    Args:
        vector: Its vector, shape (d,), which belongs to nobody else.
        is_stored: False if it may be stored, and the call that embedded it has not stored it.
    """

    __slots__ = ("_unstored", "vector")

    def __init__(self, vector: NDArray[Any], *, is_stored: bool) -> None:
        self.vector = vector
        # Acquired by the first of those who wait that may write.
        self._unstored = None if is_stored else threading.Lock()

    def claim_storing(self) -> bool:
        """True, once, if the caller should store the vector."""
        return self._unstored is not None and self._unstored.acquire(blocking=False)


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


Outcome = Landed | Failed | Abandoned


class Leader:
    """The call that embeds what it has claimed; it is made in the thread or task of that call.

    Attributes:
        thread: The thread of the call.
        loop: The event loop that runs its task; None for a sync call, which blocks its thread.
        is_patient: False after it has waited for too long.
        is_overdue: True after another call has waited for it in vain, until something of it has landed.
        tell: Tells the call that what it may wait for has landed.
    """

    __slots__ = ("is_overdue", "is_patient", "loop", "tell", "thread")

    def __init__(self, loop: Any = None) -> None:
        self.is_patient = True
        self.is_overdue = False
        self.tell: Callable[[], object] = lambda: None
        self.thread = threading.get_ident()
        self.loop = loop

    def may_wait_for(self, other: Leader) -> bool:
        """False if the other call cannot proceed while this one waits, or this one has waited for long enough."""
        if not self.is_patient or other.is_overdue or other in LEADING.get():
            # An embedder that asks the cache for what it was called for would wait for itself.
            return False
        if other.loop is None:
            # A sync call of the same thread is below this one on the stack.
            return other.thread != self.thread
        if other.loop is self.loop:
            return True
        # A task of a loop that does not run cannot proceed, nor can one whose loop this thread blocks or would block.
        is_below = other.thread == self.thread or other.loop is running_loop()
        return not is_below and bool(other.loop.is_running())


LEADING: ContextVar[tuple[Leader, ...]] = ContextVar("embedonce_leading", default=())
"""The calls whose embedders are running around this one, for instance in a thread or task that one of them started."""


class Flight:
    """One key in flight.

    A call that claims many keys embeds them batch by batch. Until it has begun with a key that it has offered, any
    other call may begin with it instead.

    Args:
        leader: The call that claims it.

    Attributes:
        has_landed: True when it is not in flight any more.
        outcome: What came of it; None while that is not known, and for ever if nobody waited for it.
        source: A function that makes the outcome, and its argument, as soon as the embedder has answered.
        waiters: Functions that tell those who wait for it that its outcome is known.
    """

    __slots__ = ("_begun", "_claimed", "has_landed", "outcome", "source", "waiters")

    def __init__(self, leader: Leader) -> None:
        self._claimed = leader
        # Calls that wanted to begin with it, of which the first one does; None if it is not offered to others.
        self._begun: list[Leader] | None = None
        self.has_landed = False
        self.outcome: Outcome | None = None
        self.source: tuple[Callable[[int], Outcome], int] | None = None
        self.waiters: list[Callable[[], object]] = []

    @property
    def leader(self) -> Leader:
        """The call that embeds it."""
        return self._begun[0] if self._begun else self._claimed

    @property
    def is_offered(self) -> bool:
        """True if any call may begin with it."""
        return self._begun is not None and not self._begun

    def offer(self) -> None:
        """Let other calls begin with it; for the call that has claimed it."""
        if self._begun is None:
            self._begun = []

    def begin(self, leader: Leader) -> bool:
        """True if the call embeds it, and has to land it; False if another one does."""
        if self._begun is None:
            return self._claimed is leader
        if not self._begun:
            # Of several threads that come here at once, one is the first in the list.
            self._begun.append(leader)
            if self._begun[0] is leader is not self._claimed:
                self.waiters.append(self._claimed.tell)
        return self._begun[0] is leader

    def join(self, tell: Callable[[], object]) -> None:
        """Wait for the outcome: `tell` is called when it is known, or never if it has landed meanwhile."""
        self.waiters.append(tell)
        if self.source is not None and self.outcome is None:
            # It is being stored, which need not be waited for.
            make, number = self.source
            outcome = make(number)
            # Its vector belongs to the leader's caller, who may change it, as soon as it has landed.
            if not self.has_landed:
                self.outcome = outcome

    def tell(self) -> None:
        """Tell those who wait that the outcome is known."""
        for tell in list(self.waiters):
            tell()


def take_over(position: int, flight: Flight, leader: Leader, mine: dict[int, Flight | None]) -> bool:
    """Begin with a flight that another call offers, if no other does; `mine` gets it.

    It is entered before it is begun with: whatever interrupts this, the caller can land it.
    """
    mine[position] = flight
    if flight.is_offered and flight.begin(leader):
        return True
    del mine[position]
    return False


class Flights:
    """The keys of one namespace that are being embedded in this process.

    There is no lock: each step is one operation of a dictionary or a list, which neither another thread nor a Ctrl-C
    can split.

    Attributes:
        landed: Another object whenever something has landed.
    """

    def __init__(self) -> None:
        self._flights: dict[Key, Flight] = {}
        self.landed = object()
        _ALL.add(self)

    def claim(
        self,
        wanted: Iterable[tuple[int, Key | None]],
        leader: Leader,
        mine: dict[int, Flight | None],
        theirs: dict[int, Flight],
        tell: Callable[[], object],
    ) -> None:
        """Claim the keys that no other call has in flight.

        The dictionaries belong to the caller and are filled step by step: whatever interrupts this, the caller can
        land what it has claimed.

        Args:
            wanted: Positions and keys of what to embed; a key of None is never in flight.
            leader: The call that claims.
            mine: Gets the positions that the caller has to embed, with the flights that it has to `land` (None where
                nobody can wait for it).
            theirs: Gets the positions that another call embeds, with the flights to wait for.
            tell: Called once for each of those when its outcome is known, in any thread.

        What another call has in flight and must not be waited for is embedded by both, unless that one has not begun.
        """
        for position, key in wanted:
            if key is None:
                mine[position] = None
                continue
            flight = mine[position] = Flight(leader)
            other = self._flights.setdefault(key, flight)
            if other is not flight:
                if other.source is not None or leader.may_wait_for(other.leader):
                    theirs[position] = other
                    other.join(tell)
                    del mine[position]
                elif not take_over(position, other, leader, mine):
                    # Who comes from now on may wait for this call.
                    mine[position] = self._flights[key] = flight

    def publish(self, claims: Claims, outcome_of: Callable[[int], Outcome]) -> None:
        """Tell those who wait for claimed keys what came of them; these stay in flight until they `land`.

        Args:
            claims: See `land`.
            outcome_of: The number of a claim to its outcome; it may be called until the claim lands.
        """
        for i, (_, flight) in enumerate(claims):
            if flight is not None:
                flight.source = (outcome_of, i)
                if flight.waiters:
                    flight.outcome = flight.outcome or outcome_of(i)
                    flight.tell()

    def land(self, claims: Claims, outcome_of: Callable[[int], Outcome]) -> None:
        """Take claimed keys out of flight, and tell those who wait for them what came of them.

        Args:
            claims: Keys with the flights that `claim` gave for them.
            outcome_of: The number of a claim to its outcome; asked for those that somebody waits for.
        """
        self.landed = object()
        for i, (key, flight) in enumerate(claims):
            if key is None or flight is None:
                continue
            # Another call may have put a flight of its own in its place.
            is_current = self._flights.get(key) is flight
            if is_current or not flight.has_landed:
                try:
                    if flight.waiters and flight.outcome is None:
                        flight.outcome = outcome_of(i)
                finally:
                    flight.has_landed = True
                    if is_current:
                        self._flights.pop(key, None)
                    flight.tell()

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


def checked_loop() -> Any:
    """Return the event loop of asyncio that runs in this thread.

    Raises:
        RuntimeError: No event loop of asyncio runs in it.
    """
    loop = running_loop()
    if loop is None:
        msg = (
            "aembed needs a running event loop of asyncio, and there is none in this thread; "
            "under trio, call embed in a thread: await trio.to_thread.run_sync(...)"
        )
        raise RuntimeError(msg)
    return loop


def running_loop() -> Any:
    """Return the event loop of asyncio that runs in this thread, None without one; imports nothing."""
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None
