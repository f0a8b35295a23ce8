"""LangChain's own cache layouts: its keys and values in a byte store, and raw texts in a store of lists.

Keys follow `langchain_classic.embeddings.cache`: the namespace, then the digest of the text. Its values are JSON;
they are read, and new ones are written as envelopes, which name the embedder and the role that they belong to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from embedonce.errors import EmbedderContractError, KeyEncoderError
from embedonce.keys.encoders import BUILT_IN
from embedonce.namespaces.foreign.asking import asking, checked_values, has_twin, store_fault
from embedonce.namespaces.foreign.byte_stores import ByteStoreNamespace
from embedonce.namespaces.protocol import Namespace, Namespaces, read_only_error
from embedonce.plugins.names import resolve_key_encoder
from embedonce.runtime.signals import let_through
from embedonce.runtime.steps import Work
from embedonce.vectors.answers import vectors_of
from embedonce.vectors.envelope import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from langchain_core.stores import BaseStore
    from numpy.typing import NDArray

    from embedonce import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.specification import Key
    from embedonce.runtime.steps import Steps
    from embedonce.stores import ByteStore
    from embedonce.vectors.rows import RowBuffer

LANGCHAIN_ALGORITHMS = ("sha1", "blake2b", "sha256", "sha512")
_INLINE = 8
"""So many lists are converted on the event loop itself."""
_QUERY_MARK = "\0embedonce:query\0"
_DOCUMENT_MARK = "\0embedonce:document\0"


@dataclass(frozen=True, slots=True)
class LangChainKey:
    """A text to the key that LangChain's `CacheBackedEmbeddings.from_bytes_store` gives it.

    Attributes:
        namespace: Put before the digest, without a separator.
        function: The digest, or the user's own encoder.
    """

    namespace: str
    function: Callable[[str], str]

    @classmethod
    def of(cls, key_encoder: object, namespace: str) -> LangChainKey:
        """Return the key function for the arguments of `from_bytes_store`.

        Raises:
            KeyEncoderError: The encoder is unknown, or not an encoder.
            ValueError: A namespace is given beside a callable, which LangChain refuses as well.
        """
        if key_encoder in LANGCHAIN_ALGORITHMS:
            return cls(namespace, BUILT_IN[str(key_encoder)])
        if isinstance(key_encoder, str):
            return cls(namespace, resolve_key_encoder(key_encoder))
        if not callable(key_encoder):
            msg = (
                f"key_encoder must be a callable or one of {', '.join(map(repr, LANGCHAIN_ALGORITHMS))}; "
                f"got {key_encoder!r}"
            )
            raise KeyEncoderError(msg)
        if namespace:
            msg = (
                f"namespace={namespace!r} has no effect beside a callable key_encoder; put it into the callable's keys"
            )
            raise ValueError(msg)
        # It is tried out: with one that always fails the cache would never hit, and nothing would tell why.
        return cls("", resolve_key_encoder(key_encoder).function)

    def __call__(self, text: str) -> str:
        """Return the key of a text.

        Raises:
            KeyEncoderError: The user's own encoder does not return a str, but None for every text, for example.
        """
        key = self.function(text)
        if not isinstance(key, str):
            msg = f"a key must be a str: the key_encoder answered with {type(key).__name__}"
            raise KeyEncoderError(msg)
        return self.namespace + key


class LangChainByteStores(Namespaces):
    """A LangChain byte store with LangChain's keys (see `Namespaces`).

    Args:
        store: The byte store.
        key: Text to key.
        owner: The namespace that JSON values belong to, which do not name one; None for any.
        only_queries: True if no documents are kept in it, so that queries have the plain keys, as in LangChain.
    """

    def __init__(self, store: ByteStore, key: LangChainKey, owner: str | None, *, only_queries: bool = False) -> None:
        self.store = store
        self.key = key
        self._owner = owner
        self._only_queries = only_queries

    def __str__(self) -> str:
        return type(self.store).__name__

    @override
    def same_as(self, other: Namespaces) -> bool:
        return isinstance(other, LangChainByteStores) and other.store is self.store and other.key == self.key

    @override
    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> ByteStoreNamespace:
        call = dict(identity.additions).get("call")
        suffix = f"-{hashlib.sha256(call.encode()).hexdigest()[:16]}" if call else ""

        def key_of(role: str, text: str) -> str:
            query = "-query" if role == "query" and not self._only_queries else ""
            return f"{self.key(text)}{suffix}{query}"

        # A value without an envelope does not name its embedder: it is read only where LangChain itself would read it.
        is_owner = not suffix and self._owner in (None, identity.namespace)

        def legacy(role: str, value: bytes) -> Row | None:
            return json_row(value) if is_owner and (role == "document" or self._only_queries) else None

        return ByteStoreNamespace(self.store, identity, key_of, self.key.function, read_only=read_only, legacy=legacy)


def json_row(value: bytes) -> Row | None:
    """Return the vector in a JSON value of LangChain's, None if there is none in it."""
    try:
        vector = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return list_row(vector)


def list_row(vector: object) -> Row | None:
    """Return a list of numbers as a row, None if it is anything else."""
    try:
        matrix = vectors_of([vector], 1)
    except EmbedderContractError:
        return None
    return Row(matrix.dtype, matrix.tobytes())


class ListStores(Namespaces):
    """A LangChain store of `str -> list[float]` with raw texts as keys (see `Namespaces`).

    Args:
        store: The store.
        shared: True if documents and queries are kept in it together; queries then have marked keys.
    """

    def __init__(self, store: BaseStore[str, list[float]], *, shared: bool) -> None:
        self.store = store
        self._shared = shared

    def __str__(self) -> str:
        return type(self.store).__name__

    @override
    def same_as(self, other: Namespaces) -> bool:
        return isinstance(other, ListStores) and other.store is self.store

    @override
    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> ListNamespace:
        return ListNamespace(self.store, identity, shared=self._shared, read_only=read_only)


class ListNamespace(Namespace):
    """Vectors as lists of floats by their texts (see `Namespace`)."""

    damaged: int = 0
    dimensions: int | None = None

    def __init__(
        self, store: BaseStore[str, list[float]], identity: Identity, *, shared: bool, read_only: bool = False
    ) -> None:
        self.store = store
        self._shared = shared
        self._read_only = read_only
        self._call = dict(identity.additions).get("call", "")
        self._namespace = identity.namespace

    @property
    @override
    def flight_name(self) -> Hashable:
        return ("lists", id(self.store), self._namespace)

    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """See `Namespace`: the texts, marked where they could be confused."""
        if self._call:
            return [f"\0embedonce:{role}:{self._call}\0{text}" for text in texts]
        if role == "query" and self._shared:
            return [_QUERY_MARK + text for text in texts]
        return [_DOCUMENT_MARK + text if text.startswith("\0embedonce:") else text for text in texts]

    @property
    @override
    def has_async_store(self) -> bool:
        return has_twin(self.store, "mset")

    def loading(self, role: str, keys: Sequence[Key | None], into: RowBuffer, *, at_hand: bool = False) -> Steps[bool]:
        """See `Namespace`: nothing of a store of LangChain is at hand."""
        wanted = into.missing
        texts = [cast("str", keys[i]) for i in wanted]
        if at_hand or not texts:
            return False
        try:
            values = yield asking(self.store, "mget", texts)
        except Exception as error:
            let_through(error)
            # One value that cannot be decoded must not cost the others.
            values = []
            for text in texts:
                values.append((yield from self._loading_one(text)))
        yield Work(self._put, wanted, values, into, inline=len(texts) <= _INLINE)
        return True

    def _loading_one(self, text: str) -> Steps[list[float] | None]:
        try:
            values = yield asking(self.store, "mget", [text])
        except ValueError:
            self.damaged += 1
            return None
        except Exception as error:
            raise store_fault(self.store, "read", error) from error
        found: list[float] | None = checked_values(self.store, values, 1)[0]
        return found

    @override
    def saving(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> Steps[bool]:
        pairs = yield Work(_pairs, keys, matrix, inline=len(keys) <= _INLINE)
        try:
            yield asking(self.store, "mset", pairs)
        except Exception as error:
            raise store_fault(self.store, "write", error) from error
        self.dimensions = matrix.shape[1]
        return True

    @override
    def delete(self, keys: Sequence[Key]) -> None:
        if self._read_only:
            raise read_only_error(type(self.store).__name__)
        try:
            self.store.mdelete([cast("str", key) for key in keys])
        except Exception as error:
            raise store_fault(self.store, "write", error) from error

    @override
    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        try:
            yield from self.store.yield_keys(prefix=prefix)
        except Exception as error:
            raise store_fault(self.store, "list", error) from error

    def _put(self, wanted: Sequence[int], values: object, into: RowBuffer) -> None:
        values = checked_values(self.store, values, len(wanted))
        rows: list[Row | None] = [None] * len(into.found)
        for i, value in zip(wanted, values, strict=True):
            if value is not None:
                rows[i] = list_row(value)
                self.damaged += rows[i] is None
        if into.dimensions is None:
            into.dimensions = self.dimensions
        into.put_loose_rows(rows)


def _pairs(keys: Sequence[Key], matrix: NDArray[Any]) -> list[tuple[str, list[float]]]:
    return [(cast("str", key), row.tolist()) for key, row in zip(keys, matrix, strict=True)]
