"""The vectors of one namespace, wherever they are kept: what the cache asks of a store."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, cast

from embedonce.codecs import Envelope, Row, origin_of
from embedonce.errors import KeyEncoderError, StoreError
from embedonce.keys import canonical, checked_key, sha256
from embedonce.stores.locations import as_location
from embedonce.stores.segments.space import Space
from embedonce.stores.segments.store import SegmentStore
from embedonce.vectors import Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.identity import Identity
    from embedonce.keys import KeyEncoder
    from embedonce.plan import Key
    from embedonce.stores.base import ByteStore
    from embedonce.stores.locations import Location

_INLINE = 8
"""Up to so many local rows are read on the event loop itself: a hop to a thread takes longer."""


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


class SegmentNamespace:
    """A namespace in a segment store (see `Namespace`)."""

    def __init__(self, store: SegmentStore, key_encoder: KeyEncoder) -> None:
        self.store = store
        self._key_encoder = key_encoder

    @property
    def flight_name(self) -> Hashable:
        """See `Namespace`."""
        return ("segments", str(self.store.location), self.store.space.namespace)

    @property
    def dimensions(self) -> int | None:
        """See `Namespace`."""
        return self.store.dimensions

    @property
    def damaged(self) -> int:
        """See `Namespace`."""
        return self.store.counts.damaged_rows + self.store.counts.damaged_segments

    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """See `Namespace`: 32 bytes for the default encoder, else its strings."""
        digests = self._key_encoder.digests(role, texts)
        if digests is not None:
            return list(digests)
        return encoded(lambda role, text: self._key_encoder(canonical(role, text)), role, texts)

    def load(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """See `Namespace`."""
        wanted = into.missing
        digests = [key for i in wanted if isinstance(key := keys[i], bytes)]
        if len(digests) == len(keys):
            self.store.get_rows_into(digests, into)
            return
        texts = [(i, key) for i in wanted if isinstance(key := keys[i], str)]
        if len(digests) == len(wanted) and digests:
            part = Gathered(len(digests), into.dimensions)
            self.store.get_rows_into(digests, part)
            into.take(wanted, part)
        if texts:
            values = self.store.mget([key for _, key in texts])
            rows: list[Row | None] = [None] * len(keys)
            for (i, _), value in zip(texts, values, strict=True):
                rows[i] = Envelope.open(value) if value is not None else None
            if into.dimensions is None:
                into.dimensions = self.store.dimensions
            into.put_rows(rows)

    async def aload(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """See `Namespace`."""
        if len(keys) <= _INLINE and self.store.location.is_local:
            self.load(role, keys, into)
        else:
            await asyncio.to_thread(self.load, role, keys, into)

    def save(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """See `Namespace`."""
        digests = [key for key in keys if isinstance(key, bytes)]
        if len(digests) == len(keys):
            self.store.put_rows(digests, matrix)
        else:
            self.store.mset(
                [
                    (key, Envelope.seal(Row(matrix.dtype, row.tobytes())))
                    for key, row in zip(keys, matrix, strict=True)
                    if isinstance(key, str)
                ]
            )

    async def asave(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """See `Namespace`."""
        await asyncio.to_thread(self.save, role, keys, matrix)

    def delete(self, keys: Sequence[Key]) -> None:
        """See `Namespace`."""
        self.store.mdelete([key.hex() if isinstance(key, bytes) else key for key in keys])

    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        """See `Namespace`."""
        return self.store.yield_keys(prefix=prefix)


class SegmentNamespaces(Namespaces):
    """The segment stores below one root (see `Namespaces`)."""

    def __init__(self, location: Location, *, create: bool = True) -> None:
        self.location = location
        location.check(create=create)

    def __str__(self) -> str:
        return str(self.location)

    def same_as(self, other: Namespaces) -> bool:
        """See `Namespaces`."""
        return isinstance(other, SegmentNamespaces) and other.location == self.location

    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> SegmentNamespace:
        """See `Namespaces`."""
        space = Space.of(identity.namespace, key_encoder.record())
        return SegmentNamespace(SegmentStore(self.location, space, read_only=read_only), key_encoder)


class ByteStoreNamespace:
    """A namespace in any byte store, each vector in an envelope that names its namespace and role.

    Args:
        store: The byte store; its native async methods are used where it has them.
        identity: What the vectors belong to.
        key_of: Role and text to key.
        text_safe: True to write base64, for stores that decode what they keep as UTF-8.
        legacy: Reads a value that is no envelope: (role, value) to a row, or None.
    """

    def __init__(
        self,
        store: ByteStore,
        identity: Identity,
        key_of: Callable[[str, str], str],
        *,
        text_safe: bool = False,
        legacy: Callable[[str, bytes], Row | None] | None = None,
    ) -> None:
        self.store = store
        self._identity = identity
        self._key_of = key_of
        self._text_safe = text_safe
        self._legacy = legacy
        self._damaged = 0
        self._dimensions: int | None = None

    @property
    def flight_name(self) -> Hashable:
        """See `Namespace`."""
        return ("bytes", id(self.store), self._identity.namespace)

    @property
    def dimensions(self) -> int | None:
        """See `Namespace`: a byte store knows nothing of vectors, so it is that of the first ones met here."""
        return self._dimensions

    @property
    def damaged(self) -> int:
        """See `Namespace`."""
        return self._damaged

    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """See `Namespace`."""
        return encoded(self._key_of, role, texts)

    def load(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """See `Namespace`."""
        wanted = self._wanted(keys, into)
        if wanted:
            try:
                values = self.store.mget([key for _, key in wanted])
            except Exception as error:
                raise self._fault("read", error) from error
            self._put(role, wanted, values, into)

    async def aload(self, role: str, keys: Sequence[Key | None], into: Gathered) -> None:
        """See `Namespace`."""
        amget = getattr(self.store, "amget", None)
        if not inspect.iscoroutinefunction(amget):
            await asyncio.to_thread(self.load, role, keys, into)
            return
        wanted = self._wanted(keys, into)
        if wanted:
            try:
                values = await amget([key for _, key in wanted])
            except Exception as error:
                raise self._fault("read", error) from error
            if len(wanted) <= _INLINE:
                self._put(role, wanted, values, into)
            else:
                await asyncio.to_thread(self._put, role, wanted, values, into)

    def save(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """See `Namespace`."""
        try:
            try:
                self.store.mset(self._pairs(role, keys, matrix))
            except UnicodeDecodeError:
                if self._text_safe:
                    raise
                # It decodes what it keeps as UTF-8.
                self._text_safe = True
                self.store.mset(self._pairs(role, keys, matrix))
        except Exception as error:
            raise self._fault("write", error) from error
        self._met(matrix.shape[1])

    async def asave(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
        """See `Namespace`."""
        amset = getattr(self.store, "amset", None)
        if not inspect.iscoroutinefunction(amset):
            await asyncio.to_thread(self.save, role, keys, matrix)
            return
        pairs = await asyncio.to_thread(self._pairs, role, keys, matrix)
        try:
            try:
                await amset(pairs)
            except UnicodeDecodeError:
                if self._text_safe:
                    raise
                # It decodes what it keeps as UTF-8.
                self._text_safe = True
                await amset(await asyncio.to_thread(self._pairs, role, keys, matrix))
        except Exception as error:
            raise self._fault("write", error) from error
        self._met(matrix.shape[1])

    def delete(self, keys: Sequence[Key]) -> None:
        """See `Namespace`."""
        names = [key for key in keys if isinstance(key, str)]
        if names:
            try:
                self.store.mdelete(names)
            except Exception as error:
                raise self._fault("write", error) from error

    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        """See `Namespace`: keys of other namespaces in the same store are among them."""
        try:
            yield from self.store.yield_keys(prefix=prefix)
        except Exception as error:
            raise self._fault("list", error) from error

    def _met(self, dimensions: int | None) -> None:
        if self._dimensions is None:
            self._dimensions = dimensions

    def _wanted(self, keys: Sequence[Key | None], into: Gathered) -> list[tuple[int, str]]:
        return [(i, key) for i in into.missing if isinstance(key := keys[i], str)]

    def _put(self, role: str, wanted: Sequence[tuple[int, str]], values: Any, into: Gathered) -> None:
        if not isinstance(values, list | tuple) or len(values) != len(wanted):
            got = f"{len(values)} values" if isinstance(values, list | tuple) else type(values).__name__
            msg = f"{type(self.store).__name__}.mget answered {len(wanted)} keys with {got}"
            raise StoreError(msg)
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

    def _fault(self, action: str, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        return StoreError(f"cannot {action} {type(self.store).__name__}: {error!r}")


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

    def same_as(self, other: Namespaces) -> bool:
        """See `Namespaces`."""
        return isinstance(other, ByteStoreNamespaces) and other.store is self.store

    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> ByteStoreNamespace:
        """See `Namespaces`."""
        prefix = Space.of(identity.namespace).digest[:16]
        # Two encoders must not meet in one namespace: here there is no place to record one but the key itself.
        if key_encoder.function is not sha256:
            prefix = f"{prefix}-{key_encoder.record()['check']}"

        def key_of(role: str, text: str) -> str:
            return checked_key(f"{prefix}-{key_encoder(canonical(role, text))}", key_encoder.name)

        return ByteStoreNamespace(self.store, identity, key_of, text_safe=self._text_safe)


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


def store_of(
    store: object,
    storage_options: Mapping[str, Any] | None = None,
    *,
    text_safe: bool = False,
    create: bool = True,
) -> Namespaces:
    """Return the store that a user named: anything that `as_location` takes, a byte store, or namespaces.

    Args:
        store: What the user named.
        storage_options: Options of the file system behind it.
        text_safe: True to write base64 into a byte store.
        create: False to leave a directory that does not exist as it is.

    Raises:
        StoreError: It is none of these, or storage options are given for something that takes none.
    """
    is_byte_store = not isinstance(store, type) and all(hasattr(store, verb) for verb in ("mget", "mset"))
    if storage_options and (is_byte_store or isinstance(store, Namespaces)):
        msg = f"storage_options belong to a path or URL; give them to the {type(store).__name__} itself"
        raise StoreError(msg)
    if isinstance(store, Namespaces):
        return store
    if is_byte_store:
        return ByteStoreNamespaces(cast("ByteStore", store), text_safe=text_safe)
    return SegmentNamespaces(as_location(store, storage_options), create=create)
