"""A byte store in this process's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.runtime.locks import ForkLock
from embedonce.stores.protocol import AsyncTwins, checked_keys, checked_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class MemoryStore(AsyncTwins):
    """A byte store that lives as long as the object: for tests, notebooks and short-lived caches.

    It never evicts. A pickled copy starts with the values of the original and is independent from then on.
    """

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._lock = ForkLock()

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of the keys, None for an absent one."""
        get = self._values.get
        return [get(key) for key in checked_keys(keys)]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store the values; all of them or, if one pair is illegal, none."""
        pairs = {key: bytes(value) for key, value in checked_pairs(key_value_pairs).items()}
        with self._lock:
            self._values.update(pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete the keys; absent ones are ignored."""
        with self._lock:
            for key in checked_keys(keys):
                self._values.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix, as they were when the first one was asked for."""
        with self._lock:
            keys = list(self._values)
        for key in keys:
            if key.startswith(prefix or ""):
                yield key

    def __getstate__(self) -> dict[str, dict[str, bytes]]:
        with self._lock:
            return {"values": dict(self._values)}

    def __setstate__(self, state: dict[str, dict[str, bytes]]) -> None:
        self._values = state["values"]
        self._lock = ForkLock()
