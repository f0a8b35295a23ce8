"""The vectors of one namespace, wherever they are kept: what the cache asks of a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from embedonce.errors import KeyEncoderError, StoreError
from embedonce.keys.encoders import warn_of_failure
from embedonce.runtime.signals import let_through
from embedonce.runtime.steps import run
from embedonce.stores.protocol import NOTHING_WAITS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.specification import Key
    from embedonce.runtime.steps import Steps
    from embedonce.stores.protocol import Backlog
    from embedonce.stores.segments.store import SegmentStore
    from embedonce.stores.segments.upkeep.reports import Report
    from embedonce.vectors.rows import RowBuffer


class Namespace(ABC):
    """The vectors of one namespace in one store.

    Everything that reads or writes raises `StoreError` on any fault of the store; damage of single entries is a miss.
    The defaults are those of a store that writes at once. One in which vectors may wait in memory overrides `waits`,
    `backlog` and the methods that end the waiting.
    """

    @property
    @abstractmethod
    def flight_name(self) -> Hashable:
        """Equal for objects of this process that show the same entries."""

    @property
    @abstractmethod
    def dimensions(self) -> int | None:
        """Length of the vectors, if the store knows it."""

    @property
    @abstractmethod
    def damaged(self) -> int:
        """Number of entries and files that were damaged and counted as misses."""

    @property
    def waits(self) -> bool:
        """True if saving goes to memory first, so that it need not be left out while the store fails."""
        return False

    @property
    def backlog(self) -> Backlog:
        """What was saved and is not safe yet."""
        return NOTHING_WAITS

    @property
    def has_async_store(self) -> bool:
        """True if async callers should await the saving, since the store has an async method for it."""
        return False

    @abstractmethod
    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """Return the keys of texts, None for a text that has none."""

    @property
    def is_fresh(self) -> bool:
        """False if it is time to look at the place, even for what is at hand."""
        return True

    def load_one(self, role: str, text: str, dimensions: int | None) -> NDArray[Any] | None:
        """Return the vector of one text, shape (1, d), if it is in memory; None leaves it open.

        Neither a place nor a file is asked, so that an event loop may call this.

        Args:
            role: Its role.
            text: The text.
            dimensions: d, if it is known.
        """
        return None

    @abstractmethod
    def loading(self, role: str, keys: Sequence[Key | None], into: RowBuffer, *, at_hand: bool = False) -> Steps[bool]:
        """Return the steps that collect the vectors of those keys that are not found in `into` yet.

        What is found stays in `into`, also if a step raises. The result is True if the place was asked and has
        answered: what is found in memory says nothing about the place.

        Args:
            role: Of the texts.
            keys: One for each row of `into`; None is never found.
            into: Where the vectors go.
            at_hand: True to make no request: only what is in memory, in open files or in the local tier is found.
        """

    @abstractmethod
    def saving(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> Steps[bool]:
        """Return the steps that store vectors, shape (n, d), under keys that all differ; the matrix is not kept.

        The result is True if the place has accepted them, and False if they wait in memory.
        """

    def load(self, role: str, keys: Sequence[Key | None], into: RowBuffer) -> bool:
        """Do the steps of `loading`."""
        return run(self.loading(role, keys, into))

    def save(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> bool:
        """Do the steps of `saving`."""
        return run(self.saving(role, keys, matrix))

    def end_call(self, rows: int | None = None, size: int = 0) -> None:
        """End a call that has saved something: much is made safe before this returns, little may wait.

        Args:
            rows: How many vectors the call has saved; None for all that wait.
            size: How many bytes these have.
        """

    def flush(self) -> None:
        """Make everything safe that was saved."""

    def flush_soon(self) -> None:
        """Make everything safe in the background."""

    def close(self) -> None:
        """Flush, and close open files; they are opened again when they are needed again."""

    @abstractmethod
    def delete(self, keys: Sequence[Key]) -> None:
        """Delete vectors; absent keys are ignored."""

    def purge(self, keys: Sequence[Key]) -> Report | None:
        """Erase vectors for good; None from a store that does not tell whether deleted values are erased."""
        self.delete(keys)
        return None

    def clear(self) -> Report | None:
        """Delete everything; None from a store that does not tell what that was.

        Raises:
            StoreError: Other entries of the store cannot be told apart from those of this namespace.
        """
        msg = (
            "this namespace shares its store with others whose keys look alike; delete texts, or clear the store itself"
        )
        raise StoreError(msg)

    @abstractmethod
    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys of the store that start with a prefix, as the store writes them."""


class Namespaces(ABC):
    """A store that holds any number of namespaces; its `str` says where, without secrets.

    Attributes:
        asks_to_open: True if opening a namespace asks the place, so that success is an answer of it.
    """

    asks_to_open: bool = False

    @abstractmethod
    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> Namespace:
        """Return one namespace.

        Raises:
            StoreError: The store cannot be read or written.
        """

    @abstractmethod
    def same_as(self, other: Namespaces) -> bool:
        """True if both show the same entries."""

    def segment_stores(
        self, namespace: str | None, opened: Sequence[SegmentStore], *, read_only: bool
    ) -> list[SegmentStore]:
        """Return one namespace or all of them as what can be compacted and evicted from.

        Args:
            namespace: Name of the namespace, None for all.
            opened: Those that are open already, and are to be used as they are.
            read_only: True to open the others for reading.

        Raises:
            StoreError: The store cannot be read, or has no such thing.
        """
        msg = (
            f"{self} is a byte store: it has nothing to compact and does not say how old its values are; "
            "let the store itself expire them, or clear the namespace"
        )
        raise StoreError(msg)


def read_only_error(what: str, how: str = "") -> StoreError:
    """Return the error for a change of something that was opened for reading alone."""
    error = StoreError(f'{what} was opened read-only{how}; to change it, open it with mode="read_write"')
    error.fault = "read_only"
    return error


def encoded(
    key_of: Callable[[str, str], str], encoder: Callable[[str], str], role: str, texts: Sequence[str]
) -> list[Key | None]:
    """Return the keys of texts; None where a custom encoder fails on a text, which must not cost the others.

    Args:
        key_of: Role and text to key.
        encoder: The encoder that it uses; a warning names it when it fails for the first time.
        role: The role of the texts.
        texts: The texts.

    Raises:
        KeyEncoderError: The encoder answers with something other than a key.
    """
    keys: list[Key | None] = []
    failure: Exception | None = None
    for text in texts:
        try:
            keys.append(key_of(role, text))
        except KeyEncoderError:
            raise
        except Exception as error:
            let_through(error)
            failure = error
            keys.append(None)
    if failure is not None:
        warn_of_failure(encoder, failure)
    return keys
