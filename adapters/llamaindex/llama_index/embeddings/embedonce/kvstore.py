"""The segment store as a key-value store of LlamaIndex."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.storage.kvstore.types import DEFAULT_BATCH_SIZE, DEFAULT_COLLECTION, BaseKVStore

from embedonce import Identity
from embedonce.errors import IdentityError
from embedonce.identification import describe_with
from embedonce.options import StoreOptions, WrapOptions
from embedonce.stores import SegmentStore
from llama_index.embeddings.embedonce.identities import describer
from llama_index.embeddings.embedonce.kv_values import Entry, key_of, opened, part_keys, prefix_of, sealed
from llama_index.embeddings.embedonce.store_arguments import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from fsspec import AbstractFileSystem
    from typing_extensions import Self, Unpack

    from embedonce.options import StoreKeywords

logger = logging.getLogger("embedonce")


class FsspecKVStore(BaseKVStore):
    """A key-value store of LlamaIndex on any path or URL: packed, checked, safe for many processes.

    It holds the entries of an `IngestionCache`, of document and index stores, and of `embeddings_cache=`, which knows
    neither models nor queries: make that one with `for_model`, or better use `embedonce.wrap`.

    Values are JSON; the vectors in them are stored as numbers, in a fifth of the space and without losing a digit. Keys
    are stored in clear, so that `get_all` can give them back. In `embeddings_cache` keys are the texts themselves, of
    which `embedonce.wrap` stores nothing but hashes.

    What comes back is always a copy. A damaged or foreign value counts as absent and is logged once; a place that
    cannot be read is an error. What other processes delete or overwrite may be seen late: after a second on a local
    path, after ten times the `refresh_interval` on a distant one. `get_all` and `delete` always look again.

    Args:
        path: A path, a URL, an (fs, path) pair or a `UPath`.
        fs: The file system of a plain path.
        namespace: Stores of different namespaces on one path see nothing of each other.
        storage_options: Options of the file system behind a URL; `fsync`, `file_mode` and `dir_mode` for a path.
        read_only: True to write nothing.
        **options: `durability`, `refresh_interval`, `local_tier` and `local_tier_bytes` of `embedonce.EmbeddingCache`.
            On a distant path a few values may wait for others; `flush` and `close` end that.

    Raises:
        StoreError: The path cannot be read, or holds something that is not a cache.
        IdentityError: The namespace is not a name.
        ValueError: Another argument is not one of those listed.
        TypeError: The `fs` is not a file system, or is given beside something other than a path.
    """

    # Without `__repr__`: an ingestion pipeline hashes the `repr` of what a model holds, and leaves out that of plain
    # objects. With a path in it, a cache that moves would have everything embedded again.

    def __init__(
        self,
        path: object = None,
        *,
        fs: AbstractFileSystem | None = None,
        namespace: str = "kvstore",
        storage_options: Mapping[str, Any] | None = None,
        read_only: bool = False,
        **options: Unpack[StoreKeywords],
    ) -> None:
        self._store = SegmentStore(
            place_of(path, None, fs, name="path"),
            Identity.named(namespace).namespace,
            storage_options=storage_options,
            read_only=read_only,
            options=StoreOptions.of(options),
        )
        self._has_warned = False

    @classmethod
    def for_model(
        cls,
        embed_model: BaseEmbedding,
        path: object = None,
        *,
        namespace: str | Identity | None = None,
        version: str | int | None = None,
        symmetric: bool | None = None,
        **options: Any,
    ) -> Self:
        """Return a store for the `embeddings_cache` of one embedding model; no other model shares it.

        `embedonce.wrap(embed_model, path)` is the better way to cache embeddings: LlamaIndex's `embeddings_cache` takes
        a query for a text, asks for each text alone, and does not notice when the model is changed. It is therefore
        only given to models that embed queries and texts alike.

        Args:
            embed_model: The model, whose `embeddings_cache` is not set yet.
            path: See the class.
            namespace: The model's name, instead of what is known of it.
            version: Added to what is known of the model.
            symmetric: True if you know that the model embeds queries and texts alike.
            **options: All further arguments of the class.

        Raises:
            IdentityError: The model cannot be told apart from another one, or embeds queries and texts differently.
            TypeError: It is not an embedding model of LlamaIndex.
        """
        kind = type(embed_model).__name__
        if not isinstance(embed_model, BaseEmbedding):
            msg = f"embed_model must be an embedding model of LlamaIndex, got {kind}"
            raise TypeError(msg)
        options_of_model = WrapOptions(namespace=namespace, version=version, symmetric=symmetric)
        description = describe_with(describer, embed_model, options_of_model)
        identity = description.identity
        if identity is None:
            msg = f"the vectors of this {kind} must not be cached: {description.not_cacheable}"
            raise IdentityError(msg)
        if not identity.symmetric:
            msg = (
                f"this {kind} may embed a query and a text differently, and LlamaIndex's embeddings_cache would give "
                "one for the other; use embedonce.wrap(embed_model, path), which keeps them apart, or pass "
                "symmetric=True if you know that it embeds both alike"
            )
            raise IdentityError(msg)
        return cls(path, namespace=f"embeddings_cache:{identity.namespace}", **options)

    def __str__(self) -> str:
        return f"{type(self).__name__}({str(self._store.location)!r}, namespace={self.namespace!r})"

    @property
    def namespace(self) -> str:
        """The namespace of this store."""
        return self._store.namespace_directory.namespace

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Writing

    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Store a value.

        Raises:
            ValueError: The key is not a str, or the value not a dictionary that JSON can hold.
            StoreError: The store cannot be written.
        """
        self.put_all([(key, val)], collection)

    async def aput(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        """Async twin of `put`."""
        await asyncio.to_thread(self.put, key, val, collection)

    def put_all(
        self,
        kv_pairs: Iterable[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Store values, all in one write or none; the `batch_size` has no effect.

        Raises:
            ValueError: A key is not a str, or a value not a dictionary that JSON can hold.
            StoreError: The store cannot be written.
        """
        wholes: dict[str, bytes] = {}
        parts: dict[str, bytes] = {}
        for key, val in kv_pairs:
            _check_names(collection, key)
            if not isinstance(val, dict):
                msg = f"a value must be a dict, got {type(val).__name__}; nothing was stored"
                raise ValueError(msg)
            wholes[key_of(collection, key)], of_value = sealed(Entry(collection, key, val))
            parts.update(of_value)
        # The parts come first, so that no reader finds an entry without them.
        self._store.mset(list(parts.items()))
        self._store.mset(list(wholes.items()))

    async def aput_all(
        self,
        kv_pairs: Iterable[tuple[str, dict[str, Any]]],
        collection: str = DEFAULT_COLLECTION,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> None:
        """Async twin of `put_all`."""
        await asyncio.to_thread(self.put_all, kv_pairs, collection, batch_size)

    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Delete a value.

        Returns:
            Whether it was there; what another process has just deleted may count as there.

        Raises:
            ValueError: The key is not a str.
            StoreError: The store cannot be written.
        """
        _check_names(collection, key)
        stored = key_of(collection, key)
        value = self._store.mget([stored])[0]
        if value is None:
            # A listing looks again for what others have just written.
            if next(iter(self._store.yield_keys(prefix=stored)), None) is None:
                return False
            value = self._store.mget([stored])[0]
        self._store.mdelete([stored, *part_keys(value or b"")])
        return True

    async def adelete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Async twin of `delete`."""
        return await asyncio.to_thread(self.delete, key, collection)

    def flush(self) -> None:
        """Store what waits; see `durability`.

        Raises:
            StoreError: The store cannot be written.
        """
        self._store.flush()

    def close(self) -> None:
        """Store what waits and let go of open files; they are opened again when they are needed again.

        Raises:
            StoreError: The store cannot be written.
        """
        self._store.close()

    # Reading

    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """Return a value, None if there is none.

        Raises:
            ValueError: The key is not a str.
            StoreError: The store cannot be read.
        """
        _check_names(collection, key)
        found = self._read([key_of(collection, key)])
        return next((entry.value for entry in found if (entry.collection, entry.key) == (collection, key)), None)

    async def aget(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """Async twin of `get`."""
        return await asyncio.to_thread(self.get, key, collection)

    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """Return all values of a collection by their keys.

        Raises:
            ValueError: The collection is not a str.
            StoreError: The store cannot be read.
        """
        _check_names(collection)
        keys = list(self._store.yield_keys(prefix=prefix_of(collection)))
        return {entry.key: entry.value for entry in self._read(keys)}

    async def aget_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        """Async twin of `get_all`."""
        return await asyncio.to_thread(self.get_all, collection)

    def _read(self, keys: Sequence[str]) -> list[Entry]:
        """Return the entries that are there."""
        values = {key: value for key, value in zip(keys, self._store.mget(keys), strict=True) if value is not None}
        named = {key: names for key, value in values.items() if (names := part_keys(value))}
        if named:
            wanted = list({name: None for names in named.values() for name in names})
            parts = dict(zip(wanted, self._store.mget(wanted), strict=True))
            for key, names in named.items():
                values[key] = b"".join(parts[name] or b"" for name in names)
        entries = []
        for key, value in values.items():
            entry = opened(value)
            if entry is None or key_of(entry.collection, entry.key) != key:
                self._warn()
            else:
                entries.append(entry)
        return entries

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("%s holds values that are damaged or not its own; they count as absent", self)


def _check_names(*names: object) -> None:
    for name in names:
        if not isinstance(name, str):
            msg = f"keys and collections must be str, got {type(name).__name__}"
            raise ValueError(msg)
