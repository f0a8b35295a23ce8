"""Namespaces in any byte store: each vector in an envelope that names what it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical, checked_key
from embedonce.namespaces.foreign.asking import asking, checked_values, has_twin, store_fault
from embedonce.namespaces.protocol import Namespace, Namespaces, encoded, read_only_error
from embedonce.runtime.overriding import override
from embedonce.runtime.steps import Work
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.vectors.envelope import Envelope, Row, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.specification import Key
    from embedonce.runtime.steps import Steps
    from embedonce.stores.protocol import ByteStore
    from embedonce.vectors.rows import RowBuffer

_INLINE = 8
"""Up to so many rows are read on the event loop itself: a hop to a thread takes longer."""


class ByteStoreNamespace(Namespace):
    """A namespace in any byte store, each vector in an envelope that names its namespace and role.

    Args:
        store: The byte store; its native async methods are used where it has them.
        identity: What the vectors belong to.
        key_of: Role and text to key.
        encoder: The key encoder that this uses.
        text_safe: True to write base64, for stores that decode what they keep as UTF-8.
        prefix: What all keys of this namespace start with and no others do, if there is such a thing.
        read_only: True to delete nothing.
        legacy: Reads a value that is not an envelope: (role, value) to a row, or None.
    """

    def __init__(
        self,
        store: ByteStore,
        identity: Identity,
        key_of: Callable[[str, str], str],
        encoder: Callable[[str], str],
        *,
        text_safe: bool = False,
        prefix: str = "",
        read_only: bool = False,
        legacy: Callable[[str, bytes], Row | None] | None = None,
    ) -> None:
        self.store = store
        self._identity = identity
        self._key_of = key_of
        self._encoder = encoder
        self._text_safe = text_safe
        self._prefix = prefix
        self._read_only = read_only
        self._legacy = legacy
        self._damaged = 0
        self._dimensions: int | None = None

    @property
    @override
    def flight_name(self) -> Hashable:
        return ("bytes", id(self.store), self._identity.namespace)

    @property
    def dimensions(self) -> int | None:
        """See `Namespace`: a byte store knows nothing of vectors, so it is that of the first ones met here."""
        return self._dimensions

    @property
    @override
    def damaged(self) -> int:
        return self._damaged

    @override
    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        return encoded(self._key_of, self._encoder, role, texts)

    @property
    @override
    def has_async_store(self) -> bool:
        return has_twin(self.store, "mset")

    def loading(self, role: str, keys: Sequence[Key | None], into: RowBuffer, *, at_hand: bool = False) -> Steps[bool]:
        """See `Namespace`: nothing of a byte store is at hand."""
        wanted = [(i, key) for i in into.missing if isinstance(key := keys[i], str)]
        if at_hand or not wanted:
            return False
        try:
            values = yield asking(self.store, "mget", [key for _, key in wanted])
        except Exception as error:
            raise store_fault(self.store, "read", error) from error
        yield Work(self._put, role, wanted, values, into, inline=len(wanted) <= _INLINE)
        return True

    @override
    def saving(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> Steps[bool]:
        pairs = yield Work(self._pairs, role, keys, matrix)
        try:
            try:
                yield asking(self.store, "mset", pairs)
            except UnicodeDecodeError:
                if self._text_safe:
                    raise
                # It decodes what it keeps as UTF-8.
                self._text_safe = True
                pairs = yield Work(self._pairs, role, keys, matrix)
                yield asking(self.store, "mset", pairs)
        except Exception as error:
            raise store_fault(self.store, "write", error) from error
        self._met(matrix.shape[1])
        return True

    @override
    def delete(self, keys: Sequence[Key]) -> None:
        self._check_writable()
        names = [key for key in keys if isinstance(key, str)]
        if names:
            try:
                self.store.mdelete(names)
            except Exception as error:
                raise store_fault(self.store, "write", error) from error

    @override
    def clear(self) -> None:
        self._check_writable()
        if not self._prefix:
            super().clear()
        clear_keys(self.store, self._prefix)

    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        """See `Namespace`: keys of other namespaces in the same store are among them."""
        try:
            yield from self.store.yield_keys(prefix=prefix)
        except Exception as error:
            raise store_fault(self.store, "list", error) from error

    def _check_writable(self) -> None:
        if self._read_only:
            where = f"the namespace {self._identity.namespace!r} in a {type(self.store).__name__}"
            raise read_only_error(where)

    def _met(self, dimensions: int | None) -> None:
        if self._dimensions is None:
            self._dimensions = dimensions

    def _put(self, role: str, wanted: Sequence[tuple[int, str]], values: Any, into: RowBuffer) -> None:
        values = checked_values(self.store, values, len(wanted))
        origin = origin_of(self._identity.namespace, role)
        rows: list[Row | None] = [None] * len(into.found)
        legacy_rows: list[Row | None] = [None] * len(into.found)
        for (i, _), value in zip(wanted, values, strict=True):
            if value is not None:
                data = _as_bytes(value)
                if self._legacy is not None and not Envelope.is_ours(data):
                    legacy_rows[i] = self._legacy(role, data)
                else:
                    rows[i] = Envelope.open(data, origin)
                self._damaged += rows[i] is None and legacy_rows[i] is None
        if into.dimensions is None:
            into.dimensions = self._dimensions
        into.put_rows(rows)
        if into.found.any() and not into.is_loose:
            self._met(into.dimensions)
        if any(legacy_rows):
            into.put_loose_rows(legacy_rows)

    def _pairs(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> list[tuple[str, bytes]]:
        origin = origin_of(self._identity.namespace, role)
        return [
            (key, Envelope.seal(Row(matrix.dtype, row.tobytes()), origin, text_safe=self._text_safe))
            for key, row in zip(keys, matrix, strict=True)
            if isinstance(key, str)
        ]


def _as_bytes(value: object) -> bytes:
    """Return what a foreign store gave back; nothing for what cannot be a value of ours."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""


class ByteStoreNamespaces(Namespaces):
    """Namespaces side by side in one byte store (see `Namespaces`): keys are `<16 hex of the namespace>-<key>`."""

    def __init__(self, store: ByteStore, *, text_safe: bool = False) -> None:
        self.store = store
        self._text_safe = text_safe

    def __str__(self) -> str:
        return type(self.store).__name__

    @override
    def same_as(self, other: Namespaces) -> bool:
        return isinstance(other, ByteStoreNamespaces) and other.store is self.store

    @override
    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> ByteStoreNamespace:
        prefix = NamespaceDirectory.of(identity.namespace).digest[:16]
        # Two encoders must not meet in one namespace: here only the key itself can record one.
        if key_encoder.function is not sha256:
            prefix = f"{prefix}-{key_encoder.mark()}"

        def key_of(role: str, text: str) -> str:
            return checked_key(f"{prefix}-{key_encoder(canonical(role, text))}", key_encoder.name)

        return ByteStoreNamespace(
            self.store,
            identity,
            key_of,
            key_encoder,
            text_safe=self._text_safe,
            prefix=f"{prefix}-",
            read_only=read_only,
        )


_KEYS_PER_DELETE = 1000


def clear_keys(store: ByteStore, prefix: str) -> int:
    """Delete the keys of a byte store that start with a prefix; return how many there were.

    Raises:
        ValueError: The prefix is empty: that would delete the whole store.
        StoreError: The store cannot be read or written.
    """
    if not prefix:
        msg = "the prefix is empty; a byte store is cleared one namespace at a time"
        raise ValueError(msg)
    try:
        keys = list(_keys_with(store, prefix))
        for start in range(0, len(keys), _KEYS_PER_DELETE):
            store.mdelete(keys[start : start + _KEYS_PER_DELETE])
    except Exception as error:
        raise store_fault(store, "clear", error) from error
    return len(keys)


def _keys_with(store: ByteStore, prefix: str) -> Iterator[str]:
    # Stores differ in what they take for a prefix.
    return (key for key in store.yield_keys() if isinstance(key, str) and key.startswith(prefix))
