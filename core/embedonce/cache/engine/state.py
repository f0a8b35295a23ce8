"""What one call of `embed` or `aembed` asks for and has found so far."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from embedonce.cache.engine.flight import Abandoned, Landed, take_over
from embedonce.cache.engine.refusals import Refusals
from embedonce.cache.engine.waiting import Waiter
from embedonce.cache.plan import Plan
from embedonce.plugins import host
from embedonce.vectors.rows import RowBuffer

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from embedonce.cache.engine.flight import Flight, Flights, Leader, Outcome
    from embedonce.cache.engine.pace import Pace
    from embedonce.cache.health import StoreHealth
    from embedonce.errors import CacheMissError
    from embedonce.identity import Identity
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.options import Auto, CacheOptions, Mode
    from embedonce.vectors.codecs import Codec

_INLINE_TEXTS = 32
INLINE_CHARACTERS = 32_768
"""Not more than so many texts and characters in all are worked on by the event loop itself: less than 0.1 ms."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a call has from its cache.

    Attributes:
        mode: The mode.
        codec: How vectors are written: a namespace holds its rows.
        health: Counts, and decides whether the store may be asked.
        store: What keeps the vectors; its `str` says where, without secrets.
        given: The options that the cache was made with.
        miss_error: Returns the error for a call that misses texts, in mode `replay`.
    """

    mode: Mode
    codec: Codec
    health: StoreHealth
    store: Namespaces
    given: CacheOptions
    miss_error: Callable[[CallState], CacheMissError]


@dataclass(frozen=True, slots=True)
class Request:
    """What a call is asked for.

    Attributes:
        texts: The texts.
        identity: What decides their vectors.
        role: Under which they are kept.
        embed: Asks the embedder.
        batch_size: Texts that are embedded between two writes, None for all at once, `"auto"` to adapt to the embedder.
        leader: Stands for the call; made in the thread or task of the caller.
    """

    texts: Sequence[str]
    identity: Identity
    role: str
    embed: Callable[[list[str]], Any]
    batch_size: int | Auto | None
    leader: Leader

    @property
    def is_small(self) -> bool:
        """True if working on all texts takes less time than a hop to a thread; sync callers do not hop."""
        if self.leader.loop is None:
            return True
        return len(self.texts) <= _INLINE_TEXTS and sum(map(len, self.texts)) <= INLINE_CHARACTERS


class CallState:
    """One call: its plan, its rows, what it has claimed, and its counts.

    Args:
        namespace: Where the vectors live.
        request: What is asked for.
        options: What the call has from its cache.
        flights: What is being embedded of the namespace.
        pace: How many texts are embedded between two writes.
    """

    def __init__(
        self, namespace: Namespace, request: Request, options: CallOptions, flights: Flights, pace: Pace
    ) -> None:
        self.namespace = namespace
        self.pace = pace
        self.request = request
        self.options = options
        # Loaded now: after the embedder was paid, nothing may be left to be loaded that can fail.
        self.observers = None if host.LOADED.observing is None else host.observing()
        self.plan = Plan.of(request.texts, lambda unique: namespace.keys(request.role, unique))
        self.rows = RowBuffer(len(self.plan.texts), request.identity.dimensions)
        self._flights = flights
        self._landed = self._flights.landed
        self.leader = request.leader
        self.mine: dict[int, Flight | None] = {}
        self.theirs: dict[int, Flight] = {}
        self.waiter = Waiter()
        self.leader.tell = self.waiter.tell
        self._elsewhere: set[int] = set()
        self.has_ended = False
        self.hits = self.joined = self.embedded = self.saved_rows = self.saved_bytes = self.zero = self.split = 0
        self.refusals = Refusals()
        self.unkeyed = self.plan.keys.count(None)
        self.started = perf_counter()
        self.seconds = dict.fromkeys(("reading", "embedding", "writing"), 0.0)

    def count_hits(self, hits: int) -> None:
        """Count texts that were found in the store."""
        self.hits += hits
        self.options.health.count(hits=hits)

    def count_embedded(self, texts: int) -> None:
        """Count texts that the embedder is given."""
        self.embedded += texts
        self.options.health.count(embedded=texts)

    def count_split(self, texts: int) -> None:
        """Count a request for so many texts that was refused, and whose texts will be given to the embedder again."""
        self.split += 1
        self.embedded -= texts
        self.options.health.count(split=1, embedded=-texts)

    def count_zero(self, vectors: int) -> None:
        """Count vectors of zeros alone."""
        self.zero += vectors
        self.options.health.answered_zero(vectors, self.request.identity.namespace)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add what is done now to the seconds spent `reading`, `embedding` or `writing`."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += perf_counter() - started

    # Single-flight

    def claim(self) -> bool:
        """Claim what is missing; True if the store should be asked again before anybody pays for it."""
        self.mine.clear()
        self.theirs.clear()
        wanted = [(i, self.plan.keys[i]) for i in self.rows.missing]
        self._flights.claim(wanted, self.leader, self.mine, self.theirs, self.waiter.tell)
        # Another call may have stored it after this one had looked and before it claimed.
        return bool(self.mine) and self._flights.landed is not self._landed

    def begin(self, mine: deque[int], size: int, *, at_end: bool) -> list[int]:
        """Begin with some claimed positions, which are taken out of `mine`.

        What another call has begun with becomes `theirs`.

        Args:
            mine: Claimed positions.
            size: How many to begin with at most.
            at_end: True to begin with the last ones.
        """
        batch: list[int] = []
        while mine and len(batch) < size:
            position = mine.pop() if at_end else mine.popleft()
            flight = self.mine[position]
            if flight is None or flight.begin(self.leader):
                batch.append(position)
            else:
                self.theirs[position] = flight
                del self.mine[position]
        return batch[::-1] if at_end else batch

    @staticmethod
    def offer(flights: Iterable[Flight | None]) -> None:
        """Let other calls begin with what was claimed."""
        for flight in flights:
            if flight is not None:
                flight.offer()

    def take_over(self) -> bool:
        """Claim a batch of what other calls offer and have not begun with; False if there is nothing."""
        taken = 0
        for position, flight in reversed(list(self.theirs.items())):
            if flight.is_offered and take_over(position, flight, self.leader, self.mine):
                del self.theirs[position]
                taken += 1
                if taken >= self.pace.size:
                    break
        return taken > 0

    def release_found(self) -> int:
        """Let go of what a second look has found, and return how much that is."""
        found = [i for i in self.mine if self.rows.found[i]]
        matrix = self.rows.matrix
        if found and matrix is not None:
            self.land(found, lambda i: Landed(matrix[found[i]].copy(), is_stored=True))
        no_longer = [i for i in self.theirs if self.rows.found[i]]
        for i in no_longer:
            del self.theirs[i]
        return len(found) + len(no_longer)

    def land(self, positions: Sequence[int], outcome_of: Callable[[int], Outcome]) -> None:
        """Tell those who wait for claimed positions what came of them; see `Flights.land`."""
        self._flights.land([(self.plan.keys[i], self.mine.get(i)) for i in positions], outcome_of)
        for i in positions:
            self.mine.pop(i, None)

    def publish(self, positions: Sequence[int], outcome_of: Callable[[int], Outcome]) -> None:
        """Tell those who wait for claimed positions what came of them; see `Flights.publish`."""
        self.leader.is_overdue = False
        self._flights.publish([(self.plan.keys[i], self.mine.get(i)) for i in positions], outcome_of)

    def leave(self, positions: Iterable[int]) -> None:
        """Leave claimed positions to a thread, which lands them even if this call ends before."""
        self._elsewhere.update(positions)

    def take_back(self, positions: Iterable[int]) -> None:
        """Take positions back from a thread."""
        self._elsewhere.difference_update(positions)
        if self.has_ended:
            self.end()

    def end(self) -> None:
        """Let go of everything that is still claimed, so that others may embed it."""
        self.has_ended = True
        own = [i for i, flight in list(self.mine.items()) if flight is None or flight.begin(self.leader)]
        self.land([i for i in own if i not in self._elsewhere], lambda _: Abandoned())
