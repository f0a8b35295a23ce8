"""What is left of a namespace while its store cannot be opened: memory, until it can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.keys.specification import PREFIXES, canonical
from embedonce.namespaces.protocol import Namespace, encoded
from embedonce.runtime.background import schedule
from embedonce.runtime.locks import ForkLock
from embedonce.runtime.overriding import override
from embedonce.runtime.steps import Work
from embedonce.stores.protocol import Backlog
from embedonce.vectors.envelope import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.specification import Key
    from embedonce.runtime.steps import Steps
    from embedonce.vectors.rows import RowBuffer

_MOST_BYTES = 64 << 20
"""So much is kept for a store that does not open, texts included."""
_SECONDS = 10.0
"""How often it is tried to open the store."""
_INLINE = 32
"""Up to so many rows are taken or kept on the event loop itself: a hop to a thread takes longer."""


class DetachedNamespace(Namespace):
    """A namespace that is not open (see `Namespace`).

    What is saved waits in memory and is handed over as soon as the store can be opened.

    Args:
        where: Where the store is, for comparing.
        identity: What the vectors belong to.
        key_encoder: Makes their keys.
        reopen: Opens the namespace, or raises a `StoreError`.
    """

    waits = True
    dimensions = None
    damaged = 0
    flight_name: Hashable = None

    def __init__(
        self, where: str, identity: Identity, key_encoder: KeyEncoder, reopen: Callable[[], Namespace]
    ) -> None:
        self.flight_name = ("detached", where, identity.namespace, *key_encoder.record().values())
        self._key_encoder = key_encoder
        self._reopen = reopen
        self._rows: dict[tuple[str, Key], NDArray[Any]] = {}
        self._bytes = 0
        self._lost = 0
        self._late_faults = 0
        self._lock = ForkLock()
        # Held while the store is asked, which can take long; taken before `_lock`, never after.
        self._handing_over = ForkLock()
        # What is being handed over, so that it is neither given up nor counted as lost.
        self._taken: frozenset[tuple[str, Key]] = frozenset()

    @property
    def pending(self) -> int:
        """How many vectors wait."""
        return len(self._rows)

    @property
    @override
    def backlog(self) -> Backlog:
        return Backlog(pending=self.pending, lost=self._lost, late_faults=self._late_faults)

    @override
    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        # Only the store that cannot be opened knows how it names them.
        keys = encoded(lambda role, text: self._key_encoder(canonical(role, text)), self._key_encoder, role, texts)
        return [None if key is None else canonical(role, text) for key, text in zip(keys, texts, strict=True)]

    def loading(self, role: str, keys: Sequence[Key | None], into: RowBuffer, *, at_hand: bool = False) -> Steps[bool]:
        """See `Namespace`: finds what waits."""
        yield Work(self._load, role, keys, into, inline=len(keys) <= _INLINE)
        return False

    def saving(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> Steps[bool]:
        """See `Namespace`: keeps the vectors in memory; the oldest are given up when they are too many."""
        yield Work(self._save, role, keys, matrix, inline=len(keys) <= _INLINE)
        return False

    def _load(self, role: str, keys: Sequence[Key | None], into: RowBuffer) -> None:
        rows: list[Row | None] = [None] * len(keys)
        for i in into.missing:
            key = keys[i]
            row = None if key is None else self._rows.get((role, key))
            rows[i] = None if row is None else Row(row.dtype, row.tobytes())
        if any(row is not None for row in rows):
            into.put_rows(rows)

    def _save(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        # Before and after: whatever interrupts this, what is kept is scheduled too.
        schedule(self, _SECONDS)
        with self._lock:
            for key, row in zip(keys, matrix, strict=True):
                self._drop((role, key))
                self._rows[role, key] = row.copy()
                self._bytes += row.nbytes + len(key)
            while self._bytes > _MOST_BYTES:
                oldest = next((name for name in self._rows if name not in self._taken), None)
                if oldest is None:
                    break
                self._drop(oldest)
                self._lost += 1
        schedule(self, _SECONDS)

    def _drop(self, name: tuple[str, Key]) -> None:
        row = self._rows.pop(name, None)
        self._bytes -= 0 if row is None else row.nbytes + len(name[1])

    def flush(self) -> None:
        """See `Namespace`.

        Raises:
            StoreError: The store cannot be opened or written; what waits waits on.
        """
        if self.pending:
            self._opened().flush()

    close = flush

    def flush_late(self) -> float | None:
        """See `embedonce.runtime.background.Flushable`."""
        try:
            self.flush()
        except Exception:
            self._late_faults += 1
            return _SECONDS
        return None

    def hand_over(self, opened: Namespace) -> None:
        """Save what waits where it belongs.

        Raises:
            StoreError: That is not possible; what is not saved waits on.
        """
        with self._handing_over:
            try:
                while rows := self._some():
                    role = next(iter(rows))[0]
                    keys = _keys_in(opened, role, [key for _, key in rows])
                    named = {key: row for key, row in zip(keys, rows.values(), strict=True) if key is not None}
                    if named:
                        opened.save(role, list(named), np.stack(list(named.values())))
                    with self._lock:
                        for name, row in rows.items():
                            # What was saved anew in the meantime waits on.
                            if self._rows.get(name) is row:
                                self._drop(name)
            finally:
                self._taken = frozenset()

    def _some(self) -> dict[tuple[str, Key], NDArray[Any]]:
        """Return rows that can be saved together, the oldest among them; mark them as taken."""
        with self._lock:
            first = next(iter(self._rows.items()), None)
            if first is None:
                return {}
            (role, _), row = first
            rows = {
                name: other
                for name, other in self._rows.items()
                if name[0] == role and (other.dtype, other.shape) == (row.dtype, row.shape)
            }
            self._taken = frozenset(rows)
            return rows

    def _opened(self) -> Namespace:
        """Return the namespace with everything that waits, or raise a `StoreError`."""
        opened = self._reopen()
        self.hand_over(opened)
        return opened

    @override
    def delete(self, keys: Sequence[Key]) -> None:
        opened = self._opened()
        opened.delete(_all_keys_in(opened, keys))

    @override
    def purge(self, keys: Sequence[Key]) -> Any:
        opened = self._opened()
        return opened.purge(_all_keys_in(opened, keys))

    @override
    def clear(self) -> Any:
        return self._opened().clear()

    @override
    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        return self._opened().stored_keys(prefix)


def _keys_in(opened: Namespace, role: str, keys: Sequence[Key]) -> list[Key | None]:
    """Return how an open namespace names what waits under some keys of one role."""
    return opened.keys(role, [str(key).removeprefix(PREFIXES[role]) for key in keys])


def _all_keys_in(opened: Namespace, keys: Sequence[Key]) -> list[Key]:
    of_role = {role: [key for key in keys if str(key).startswith(prefix)] for role, prefix in PREFIXES.items()}
    return [key for role, its in of_role.items() for key in _keys_in(opened, role, its) if key is not None]
