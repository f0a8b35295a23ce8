"""The vectors of one namespace, wherever they are kept: what the cache asks of a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from embedonce.errors import KeyEncoderError, StoreError
from embedonce.keys import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.identity import Identity
    from embedonce.keys import KeyEncoder
    from embedonce.plan import Key
    from embedonce.vectors import Gathered


class Namespace(Protocol):
    """The vectors of one namespace in one store.

    `load` and `save` raise `StoreError` on any fault of the store; damage of single entries is a miss.
    """

    @property
    def flight_name(self) -> Hashable:
        """Equal for objects of this process that show the same entries."""

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors, if the store knows it."""

    @property
    def damaged(self) -> int:
        """Number of entries and files that were damaged and counted as misses."""

    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """Return the keys of texts, None for a text that has none."""

    def load(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """Collect the vectors of those keys that are not found in `into` yet."""

    async def aload(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """Async twin of `load`."""

    def save(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """Store vectors, shape (n, d), under keys that all differ; nothing is kept of the matrix."""

    async def asave(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """Async twin of `save`."""

    def delete(self, keys: Sequence[Key]) -> None:
        """Delete vectors; absent keys are ignored."""

    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys of the store that start with a prefix, as the store writes them."""


class Namespaces(ABC):
    """A store that holds any number of namespaces; its `str` says where, without secrets."""

    @abstractmethod
    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> Namespace:
        """Return one namespace.

        Raises:
            StoreError: The store cannot be read or written.
        """

    @abstractmethod
    def same_as(self, other: Namespaces) -> bool:
        """True if both show the same entries."""


def encoded(key_of: Callable[[str, str], str], role: str, texts: Sequence[str]) -> list[Key | None]:
    """Return the keys of texts; None where a custom encoder fails on a text, which must not cost the others."""
    keys: list[Key | None] = []
    for text in texts:
        try:
            keys.append(key_of(role, text))
        except KeyEncoderError:
            raise
        except Exception:
            keys.append(None)
    return keys


def store_fault(store: object, action: str, error: Exception) -> StoreError:
    """Return the error for whatever a foreign store has raised, so that the error policy decides about it."""
    if isinstance(error, StoreError):
        return error
    return StoreError(f"cannot {action} {type(store).__name__}: {error!r}")


def checked_values(store: object, values: object, count: int) -> Sequence[Any]:
    """Return what a foreign store's `mget` answered.

    Raises:
        StoreError: It is not one value per key: what belongs to which key must not be guessed.
    """
    if not isinstance(values, list | tuple) or len(values) != count:
        got = f"{len(values)} values" if isinstance(values, list | tuple) else type(values).__name__
        msg = f"{type(store).__name__}.mget answered {count} keys with {got}"
        raise StoreError(msg)
    return values


class DetachedNamespace:
    """A namespace that holds nothing: what is left while a store cannot be opened (see `Namespace`)."""

    dimensions = None
    damaged = 0

    def __init__(self, where: str, identity: Identity, key_encoder: KeyEncoder) -> None:
        self.flight_name: Hashable = ("detached", where, identity.namespace, *key_encoder.record().values())
        self._key_encoder = key_encoder

    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """See `Namespace`."""
        return encoded(lambda role, text: self._key_encoder(canonical(role, text)), role, texts)

    def load(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """See `Namespace`: finds nothing."""

    async def aload(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """See `Namespace`: finds nothing."""

    def save(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """See `Namespace`.

        Raises:
            StoreError: Always.
        """
        raise self._out_of_order()

    async def asave(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """See `save`."""
        raise self._out_of_order()

    def delete(self, keys: Sequence[Key]) -> None:
        """See `save`."""
        raise self._out_of_order()

    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        """See `Namespace`: none."""
        return iter(())

    def _out_of_order(self) -> StoreError:
        return StoreError("the store could not be opened")
