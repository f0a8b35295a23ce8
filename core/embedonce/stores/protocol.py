"""The byte store protocol, and the checks that all stores of embedonce share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

from embedonce.errors import KeyEncoderError
from embedonce.keys.specification import checked_key
from embedonce.runtime.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

MAX_VALUE_BYTES = 32 << 20
_KEYS_PER_HOP = 1024


@dataclass(frozen=True, slots=True)
class Backlog:
    """What was written to a store and is not safe yet.

    Attributes:
        pending: Values that wait in memory.
        lost: Values that were dropped because the place had refused writes for too long.
        late_faults: Faults of the place that no caller has seen, since they happened in the background.
    """

    pending: int = 0
    lost: int = 0
    late_faults: int = 0


NOTHING_WAITS = Backlog()


@runtime_checkable
class ByteStore(Protocol):
    """`str -> bytes`, many at a time. Any LangChain `ByteStore` is one.

    Results of `mget` are in the order of the keys, None for an absent one. There is neither `__len__` nor
    `__bool__`, since callers test stores for truth.
    """

    def mget(self, keys: Sequence[str], /) -> list[bytes | None]:
        """Return the values of the keys, None for an absent one."""

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]], /) -> None:
        """Store the values."""

    def mdelete(self, keys: Sequence[str], /) -> None:
        """Delete the keys; absent ones are ignored."""

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix."""


def is_byte_store(store: object) -> TypeGuard[ByteStore]:
    """True for an object that can read and write keys; a class that makes such objects is not a store."""
    return not isinstance(store, type) and hasattr(store, "mget") and hasattr(store, "mset")


class AsyncTwins:
    """The async methods of a store whose sync methods may block: each runs in a thread."""

    async def amget(self: ByteStore, keys: Sequence[str]) -> list[bytes | None]:
        """Async twin of `mget`."""
        return await in_thread(self.mget, keys)

    async def amset(self: ByteStore, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Async twin of `mset`."""
        await in_thread(self.mset, key_value_pairs)

    async def amdelete(self: ByteStore, keys: Sequence[str]) -> None:
        """Async twin of `mdelete`."""
        await in_thread(self.mdelete, keys)

    async def ayield_keys(self: ByteStore, *, prefix: str | None = None) -> AsyncIterator[str]:
        """Async twin of `yield_keys`."""
        keys = self.yield_keys(prefix=prefix)

        def some() -> list[str]:
            return list(islice(keys, _KEYS_PER_HOP))

        while batch := await in_thread(some):
            for key in batch:
                yield key


def checked_keys(keys: Iterable[str]) -> list[str]:
    """Return the keys as a list.

    Raises:
        ValueError: A key is not a non-empty str of at most 1,024 UTF-8 bytes.
    """
    if isinstance(keys, str | bytes):
        msg = f"keys must be a list of str, got one {type(keys).__name__}: {keys!r}; put it into a list"
        raise ValueError(msg)
    try:
        return [checked_key(key) for key in keys]
    except KeyEncoderError as error:
        raise ValueError(str(error)) from None


def checked_pairs(pairs: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """Return the pairs as a dict; the last value of a repeated key wins.

    Raises:
        ValueError: A key is illegal, or a value is longer than 32 MiB.
        TypeError: A value is not bytes.
    """
    checked: dict[str, Any] = dict(pairs)
    checked_keys(checked)
    for key, value in checked.items():
        if not isinstance(value, bytes | bytearray | memoryview):
            msg = f"the value of key {key[:80]!r} must be bytes, got {type(value).__name__}"
            raise TypeError(msg)
        size = value.nbytes if isinstance(value, memoryview) else len(value)
        if size > MAX_VALUE_BYTES:
            msg = f"the value of key {key[:80]!r} has {size} bytes; at most {MAX_VALUE_BYTES} can be stored"
            raise ValueError(msg)
    return checked
