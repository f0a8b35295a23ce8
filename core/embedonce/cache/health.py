"""Health of a store: faults are counted and logged once, and after repeated faults it is not asked for a while."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embedonce.runtime.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embedonce.errors import StoreError
    from embedonce.namespaces.protocol import Namespace

logger = logging.getLogger("embedonce")
_FAULTS = 3
_PAUSE = 30.0
_MOST_ADDED = 256


@dataclass(slots=True)
class Stats:
    """What a cache has done since it was made. Every field is a number of texts unless it says otherwise.

    Calls that returned add up: texts == duplicates + hits + joined + embedded.

    Attributes:
        calls: Calls of `embed` and `aembed`.
        texts: Texts asked for.
        duplicates: Texts that occurred more than once in one call.
        hits: Unique texts of a call that were in the store.
        joined: Unique texts of a call that another call was embedding already, and whose vectors were taken from it.
        embedded: Texts that the embedder was given.
        stored: Vectors that were written, those that still wait included.
        unkeyed: Unique texts of a call that the key encoder gave no key, so that they are embedded and not stored.
        zero: Vectors of zeros alone among those embedded, which are returned and not stored.
        split: Requests that the embedder refused and that were tried again in halves (`split_on_error`).
        pending: Vectors among them that wait in memory for a distant store just now; see `EmbeddingCache.flush`.
        lost: Vectors among them that were dropped, since the store has not accepted any for too long.
        damaged: Entries and files of the store that were damaged and counted as misses.
        read_errors: Faults of the store while reading, those of single files included.
        write_errors: Faults of the store while writing; the vectors were returned nevertheless.
        skipped: Requests that were left out because the store had failed repeatedly just before: lookups that did not
            find everything in memory, writes, and attempts to open a namespace. It counts requests, not texts.
    """

    calls: int = 0
    texts: int = 0
    duplicates: int = 0
    hits: int = 0
    joined: int = 0
    embedded: int = 0
    stored: int = 0
    unkeyed: int = 0
    zero: int = 0
    split: int = 0
    pending: int = 0
    lost: int = 0
    damaged: int = 0
    read_errors: int = 0
    write_errors: int = 0
    skipped: int = 0


class CircuitBreaker:
    """Faults in a row at reading or writing, and until when it is left out.

    Reading and writing have one each: a full disk still answers reads, and must not be asked to write for ever.
    """

    __slots__ = ("faults", "until")

    def __init__(self) -> None:
        self.faults = 0
        self.until = float("-inf")


class StoreHealth:
    """Counts what happens to one cache, and decides whether its store may be asked after repeated faults.

    Args:
        on_store_error: `"warn"` to go on without the store, `"raise"` to pass its errors on.
    """

    def __init__(self, on_store_error: str) -> None:
        self._raises = on_store_error == "raise"
        self._stats = Stats()
        self._added: list[dict[str, int]] = []  # What is not in `_stats` yet.
        self._lock = ForkLock()
        self._reading = CircuitBreaker()
        self._writing = CircuitBreaker()
        self._logged = False
        self._logged_zero = False

    def count(self, **added: int) -> None:
        """Add to the counters."""
        # In one step, which no interrupt can split, and without a lock that it could leave behind for other threads.
        self._added.append(added)
        if len(self._added) > _MOST_ADDED:
            self.stats(())

    def answered_zero(self, vectors: int, namespace: str) -> None:
        """Count vectors of zeros alone, and log the first."""
        self.count(zero=vectors)
        logged, self._logged_zero = self._logged_zero, True
        if not logged:
            logger.warning(
                "the embedder of namespace %r answered with vectors of zeros alone, as some services do after a fault "
                "of their own: they are returned and not stored (further ones are counted in stats() only)",
                namespace,
            )

    def single_hit(self) -> None:
        """Count a call for one text that was found in memory."""
        with self._lock:
            stats = self._stats
            stats.calls += 1
            stats.texts += 1
            stats.hits += 1

    def stats(self, namespaces: Iterable[Namespace]) -> Stats:
        """Return a copy of the counters, with what open namespaces have met."""
        with self._lock:
            while self._added:
                for name, number in self._added.pop().items():
                    setattr(self._stats, name, getattr(self._stats, name) + number)
            stats = replace(self._stats)
        for namespace in namespaces:
            backlog = namespace.backlog
            stats.damaged += namespace.damaged
            stats.pending += backlog.pending
            stats.lost += backlog.lost
            stats.write_errors += backlog.late_faults
        return stats

    def closed(self, namespaces: Iterable[Namespace]) -> None:
        """Keep the counts of namespaces that are closed."""
        with self._lock:
            self._stats = self.stats(namespaces)
            # What still waits is up to the background.
            self._stats.pending = 0

    def may_ask(self, *, writing: bool) -> bool:
        """False while the store is not to be asked; counts what is left out."""
        if self.is_pausing(writing=writing):
            self.count(skipped=1)
            return False
        return True

    def is_pausing(self, *, writing: bool) -> bool:
        """True while the store is not to be asked."""
        return time.monotonic() < self._circuit(writing=writing).until and not self._raises

    def succeeded(self, *, writing: bool) -> None:
        """The place itself has answered; what was found or kept in memory says nothing about it."""
        self._circuit(writing=writing).faults = 0

    def failed(self, error: StoreError, *, writing: bool) -> None:
        """The store failed, or could not be asked.

        Raises:
            StoreError: The given one, if the user prefers that.
        """
        circuit = self._circuit(writing=writing)
        with self._lock:
            # A fault of this process says nothing about the place, and one of some files nothing about the others.
            if error.fault != "process" and not error.is_partial:
                circuit.faults += 1
                if circuit.faults >= _FAULTS:
                    circuit.until = time.monotonic() + _PAUSE
            logged, self._logged = self._logged, True
        self.count(**{"write_errors" if writing else "read_errors": 1})
        if self._raises:
            raise error
        if not logged:
            what = "the vectors are returned nevertheless" if writing else "the texts are embedded again"
            logger.warning("%s; %s (further faults are counted in stats() only)", error, what)

    def _circuit(self, *, writing: bool) -> CircuitBreaker:
        return self._writing if writing else self._reading
