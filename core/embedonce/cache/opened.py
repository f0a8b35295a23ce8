"""The namespaces of one cache: opening them, answering calls, and memory in place of one that does not open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.cache.calls.bypass import bypassing
from embedonce.cache.calls.call import calling
from embedonce.cache.engine.flight import flights_of
from embedonce.cache.engine.pace import AdaptivePace, Pace
from embedonce.cache.engine.state import CallState
from embedonce.errors import FormatError, StoreError
from embedonce.namespaces.detached import DetachedNamespace
from embedonce.plugins import host
from embedonce.runtime.locks import ForkLock
from embedonce.runtime.steps import Work

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from embedonce.cache.engine.flight import Flights
    from embedonce.cache.engine.state import CallOptions, Request
    from embedonce.cache.health import Stats, StoreHealth
    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.options import Mode
    from embedonce.runtime.steps import Steps

_WRITING = ("read_write", "refresh")


class OpenedNamespaces:
    """The namespaces of one cache that are open; each is opened once.

    Args:
        store: The store that holds them.
        key_encoder: Makes their keys.
        health: Counts faults, and decides whether the store may be asked.
    """

    def __init__(self, store: Namespaces, key_encoder: KeyEncoder, health: StoreHealth) -> None:
        self._store = store
        self._key_encoder = key_encoder
        self._health = health
        self._opened: dict[str, Namespace] = {}
        # Those that were opened in a mode that writes nothing.
        self._read_only: set[str] = set()
        self._detached: dict[str, DetachedNamespace] = {}
        # Shared by all caches of the process, and forgotten when none of them is left.
        self._flights: dict[Hashable, Flights] = {}
        self._paces: dict[str, AdaptivePace] = {}
        self._lock = ForkLock()
        # Held while a place is asked, which can take long; taken before `_lock`, never after.
        self._opening = ForkLock()

    def all(self) -> list[Namespace]:
        """Return the namespaces that are open."""
        return list(self._opened.values())

    def single_hit(self, name: str, role: str, text: str, dimensions: int | None) -> NDArray[Any] | None:
        """Return the vector of one text, shape (1, d); None if it takes a whole call to tell whether it is there.

        The steps of a call are for misses and for many texts: a single query that hits would wait longer for them than
        for its vector.
        """
        namespace = self._opened.get(name)
        if namespace is None or host.LOADED.observing is not None:
            return None
        if not (namespace.is_fresh or self._health.is_pausing(writing=False)):
            return None
        vector = namespace.load_one(role, text, dimensions)
        if vector is not None:
            self._health.single_hit()
        return vector

    def answering(self, request: Request, options: CallOptions) -> Steps[NDArray[Any]]:
        """Return the steps of a call, those of opening its namespace among them; see `calling`."""
        if host.LOADED.observing is False:
            # Plugins are looked for on the disk.
            yield Work(host.observing)
        if options.mode == "off" or not request.texts:
            return (yield from bypassing(request, options))
        identity = request.identity
        namespace = yield Work(
            self.open, identity, options.mode, inline=self._is_open(identity.namespace, options.mode)
        )
        flights = self._flights_of(namespace, request.role)
        pace = self._pace_of(identity) if request.batch_size == "auto" else Pace(request.batch_size)
        state = yield Work(CallState, namespace, request, options, flights, pace, inline=request.is_small)
        return (yield from calling(state))

    def _is_open(self, name: str, mode: Mode) -> bool:
        """True if a namespace is open for what a mode does; the mode may have been changed since."""
        return name in self._opened and (name not in self._read_only or mode not in _WRITING)

    def _flights_of(self, namespace: Namespace, role: str) -> Flights:
        # A user's own encoder may give a query the key of some document, so they are never in flight together.
        name = (namespace.flight_name, role)
        flights = self._flights.get(name)
        if flights is None:
            flights = self._flights[name] = flights_of(name)
        return flights

    def _pace_of(self, identity: Identity) -> Pace:
        # What is learned of an embedder counts for all of its calls.
        return self._paces.setdefault(identity.namespace, AdaptivePace())

    def open(self, identity: Identity, mode: Mode) -> Namespace:
        """Return a namespace, or a part of it in memory while the store cannot be opened.

        Raises:
            StoreError: The store cannot be read, and `on_store_error="raise"` or the mode is `replay`.
            FormatError: It is of a newer format.
            KeyEncoderError: It was written with another key encoder.
        """
        name = identity.namespace
        opened = self._opened.get(name)
        if opened is not None and self._is_open(name, mode):
            return opened
        # In mode `replay`, a store that is left alone would look like one without the text.
        if mode == "replay" or (mode != "off" and self._health.may_ask(writing=False)):
            try:
                return self.open_now(identity, mode)
            except FormatError:
                raise
            except StoreError as error:
                if mode == "replay":
                    # Taken for a miss, an outage would say that a recorded text is not there.
                    raise
                self._health.failed(error, writing=False)
        if opened is not None:
            return opened
        with self._lock:
            detached = self._detached.get(name)
            if detached is None:
                where = str(self._store)
                detached = DetachedNamespace(where, identity, self._key_encoder, lambda: self.open_now(identity, mode))
                self._detached[name] = detached
            return detached

    def open_now(self, identity: Identity, mode: Mode) -> Namespace:
        """Return a namespace with everything that waited for it, whatever has happened before.

        Raises:
            StoreError: The store cannot be opened.
        """
        name = identity.namespace
        with self._opening:
            opened = self._opened.get(name)
            if opened is None or not self._is_open(name, mode):
                before, read_only = opened, mode not in _WRITING
                opened = self._store.open(identity, self._key_encoder, read_only=read_only)
                if self._store.asks_to_open:
                    self._health.succeeded(writing=False)
                if before is not None:
                    self._health.closed([before])
                with self._lock:
                    self._opened[name] = opened
                    (self._read_only.add if read_only else self._read_only.discard)(name)
                    detached = self._detached.get(name)
                if detached is not None:
                    try:
                        detached.hand_over(opened)
                    except StoreError as error:
                        # The background goes on trying.
                        self._health.failed(error, writing=True)
            return opened

    def stats(self) -> Stats:
        """Return what the cache has done, with what its namespaces have met."""
        with self._lock:
            return self._health.stats([*self._opened.values(), *self._detached.values()])

    def flush(self) -> None:
        """Store what waits in all namespaces: one that fails does not keep the others waiting.

        Raises:
            StoreError: The first fault; what waits is tried again later.
        """
        with self._opening:
            # What is just being handed over is in the namespace then.
            namespaces = [*self._opened.values(), *self._detached.values()]
        faults: list[StoreError] = []
        for namespace in namespaces:
            try:
                namespace.flush()
            except StoreError as error:
                faults.append(error)
        if faults:
            raise faults[0]

    def close(self) -> None:
        """Close all namespaces; those that cannot store what waits stay open.

        Raises:
            StoreError: The store cannot be written, and `on_store_error="raise"`.
        """
        faults: list[StoreError] = []
        with self._opening, self._lock:
            namespaces: list[tuple[str, Namespace]] = list(self._detached.items())
        self._close(namespaces, faults)
        # Those among them that could be opened for what had waited.
        with self._opening, self._lock:
            namespaces = list(self._opened.items())
        self._close(namespaces, faults)
        if faults:
            raise faults[0]

    def _close(self, namespaces: list[tuple[str, Namespace]], faults: list[StoreError]) -> None:
        for name, namespace in namespaces:
            try:
                namespace.close()
            except StoreError as error:
                try:
                    self._health.failed(error, writing=True)
                except StoreError:
                    faults.append(error)
            else:
                with self._lock:
                    if self._opened.get(name) is namespace:
                        del self._opened[name]
                        self._health.closed([namespace])
