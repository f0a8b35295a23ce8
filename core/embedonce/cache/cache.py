"""EmbeddingCache: the one object that does the caching."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from embedonce.cache.calls.call import miss_error
from embedonce.cache.engine.flight import Leader, checked_loop
from embedonce.cache.engine.state import INLINE_CHARACTERS, CallOptions, Request
from embedonce.cache.health import StoreHealth
from embedonce.cache.opened import OpenedNamespaces
from embedonce.cache.upkeep import check_writable, keys_of, segment_stores
from embedonce.errors import StoreError
from embedonce.identity import as_identity
from embedonce.namespaces.opening import store_of
from embedonce.options import CacheOptions, batch_size_of, checked_target, checked_texts
from embedonce.plugins.names import named_key_encoder, resolve_codec, resolve_key_encoder
from embedonce.runtime.steps import arun, run
from embedonce.runtime.threads import in_thread
from embedonce.secrets import store_without_secrets, without_secrets
from embedonce.stores.segments.root import evict
from embedonce.wrappers import wrap_with

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta

    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedonce.cache.engine.state import CallState
    from embedonce.cache.health import Stats
    from embedonce.cache.upkeep import SegmentStores
    from embedonce.errors import CacheMissError
    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.specification import Role
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.options import Auto, Durability, Mode, OnStoreError
    from embedonce.stores.segments.upkeep.reports import Report, Usage, Verification
    from embedonce.vectors.codecs import Codec

    Embed = Callable[[list[str]], Any]

_STATE = ("mode", "_codec", "batch_size", "_on_store_error", "_key_encoder", "_store")


class EmbeddingCache:
    """Keeps vectors so that every text is embedded once.

    One cache may be used by any number of threads and tasks, and its store by any number of processes. It can be
    pickled: the copy opens the same store.

    Args:
        store: A path, a URL, an (fs, path) pair, a `UPath`, a byte store, or None for `$EMBEDONCE_STORE` and else the
            user's cache directory.
        storage_options: Options of the file system behind a URL; `fsync`, `file_mode` and `dir_mode` for a path.
        key_encoder: Name of a key encoder (`sha256`, `blake2b`, `sha512`, `sha1`, `blake3`, `xxh3_128`, or one of a
            plugin), or a callable `str -> str`.
        codec: How vectors are stored. `exact` gives back the very same numbers; `float16` and `int8` take a half and a
            quarter of the space and give back rounded ones, from the first call on, under a namespace of their own.
            One of a plugin, or a `Codec`, may do anything else.
        mode: `read_write`; `read_only` stores nothing; `refresh` embeds and overwrites; `replay` never embeds and
            raises `CacheMissError` on a miss; `off` bypasses the cache.
        batch_size: Texts that are embedded between two writes; None for all at once, `"auto"` for what suits.
        on_store_error: `"warn"`: a store that fails is logged once and counted, and texts are embedded; `"raise"`.
        text_safe: True if the byte store decodes what it keeps as UTF-8.
        split_on_error: A batch that the embedder refuses is tried again in halves, so that only refused texts fail.
        durability: On a distant store, `write_behind`: what a call adds is stored when it returns if it is much (64
            vectors or 1 MiB), and else waits for more, for ten seconds at most; `write_through`: every batch is
            stored before the next one is embedded. On a local path everything is stored at once.
        refresh_interval: Seconds for which a listing of a store is believed when a text is not found; None for 30 on
            a distant one and 0 on a local path.
        local_tier: Keep on this machine what is read from and written to a distant store: a directory, or True for one
            in the user's cache directory.
        local_tier_bytes: Most bytes of that; what was not used for longest goes first.

    Raises:
        StoreError: The store cannot be opened, or holds something other than a cache.
        KeyEncoderError: The key encoder is unknown or does not answer with keys.
        ValueError: Another argument is not one of those listed.
    """

    def __init__(
        self,
        store: object = None,
        *,
        storage_options: Mapping[str, Any] | None = CacheOptions.storage_options,
        key_encoder: str | Callable[[str], str] | KeyEncoder = CacheOptions.key_encoder,
        codec: str | Codec = CacheOptions.codec,
        mode: Mode = CacheOptions.mode,
        batch_size: int | Auto | None = CacheOptions.batch_size,
        on_store_error: OnStoreError = CacheOptions.on_store_error,
        text_safe: bool = CacheOptions.text_safe,
        split_on_error: bool = CacheOptions.split_on_error,
        durability: Durability = CacheOptions.durability,
        refresh_interval: float | None = CacheOptions.refresh_interval,
        local_tier: bool | str | os.PathLike[str] = CacheOptions.local_tier,
        local_tier_bytes: int = CacheOptions.local_tier_bytes,
    ) -> None:
        options = CacheOptions(
            storage_options=storage_options,
            key_encoder=key_encoder,
            codec=codec,
            mode=mode,
            batch_size=batch_size,
            on_store_error=on_store_error,
            text_safe=text_safe,
            split_on_error=split_on_error,
            durability=durability,
            refresh_interval=refresh_interval,
            local_tier=local_tier,
            local_tier_bytes=local_tier_bytes,
        )
        self._set_up(store, options)

    @classmethod
    def of(cls, store: object, options: CacheOptions) -> Self:
        """Return the cache that a user names: a cache as it is, or what the constructor makes of a store.

        Raises:
            ValueError: Options are given beside a cache.
            Exception: See the constructor.
        """
        if not isinstance(store, EmbeddingCache):
            self = cls.__new__(cls)
            self._set_up(store, options)
            return self
        if options.changed:
            msg = f"{', '.join(options.changed)}: give these options to the EmbeddingCache itself, not to wrap"
            raise ValueError(msg)
        return cast("Self", store)

    def _set_up(self, store: object, options: CacheOptions) -> None:
        self._given_store = store
        self._options = options
        self.mode: Mode = options.mode
        self.batch_size = options.batch_size
        self._on_store_error = options.on_store_error
        self._codec = resolve_codec(options.codec)
        self._key_encoder = resolve_key_encoder(options.key_encoder)
        self._store = store_of(
            store,
            options.storage_options,
            options=options.for_store,
            text_safe=options.text_safe,
            create=not self.is_read_only,
        )
        self._start()

    def _start(self) -> None:
        self._codec_label = self._codec.label()
        self._health = StoreHealth(self._options.on_store_error)
        self._namespaces = OpenedNamespaces(self._store, self._key_encoder, self._health)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._store)!r}, mode={self.mode!r})"

    def __getstate__(self) -> dict[str, Any]:
        options = replace(self._options, storage_options=without_secrets(self._options.storage_options))
        state = {name: getattr(self, name) for name in _STATE}
        # What a plugin has named is found by its name in other processes too; a function might not be pickled at all.
        for name in ("key_encoder", "codec"):
            given = getattr(options, name)
            if isinstance(given, str):
                state[f"_{name}"] = given
        # A store that is not text may hold a file system with its credentials; `_store` holds none when pickled.
        return {**state, "_options": options, "_given_store": store_without_secrets(self._given_store)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self._codec, str):
            self._codec = resolve_codec(self._codec)
        if isinstance(self._key_encoder, str):
            self._key_encoder = named_key_encoder(self._key_encoder)
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await in_thread(self.close)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that this cache was made with, for wrappers that write themselves down; may hold secrets."""
        return {"store": self._given_store, **vars(self._options)}

    @property
    def store(self) -> Namespaces:
        """Where the vectors are kept."""
        return self._store

    @property
    def codec(self) -> Codec:
        """How vectors are written."""
        return self._codec

    @property
    def is_read_only(self) -> bool:
        """True in the modes that write nothing."""
        return self.mode not in ("read_write", "refresh")

    def wrap(self, embedder: Any, **options: Any) -> Any:
        """Return an embedder of the same framework that asks this cache first; see `embedonce.wrap`."""
        return wrap_with(self, embedder, **options)

    def agrees_with(self, other: EmbeddingCache) -> bool:
        """True if both do the same with the same store."""
        return other is self or (
            self._store.same_as(other._store)
            and all(getattr(self, name) == getattr(other, name) for name in _STATE if name != "_store")
        )

    def embed(
        self,
        texts: Iterable[str],
        embed: Embed,
        *,
        namespace: str | Identity,
        role: Role = "document",
        batch_size: int | Auto | None = "auto",
    ) -> NDArray[Any]:
        """Return the vectors of texts, embedding those that are not in the cache.

        Args:
            texts: The texts.
            embed: Called with a list of texts that are all different; returns one vector for each.
            namespace: What decides the vectors besides text and role.
            role: `document` or `query`; an identity that is known to be symmetric stores both as documents.
            batch_size: Overrides that of the cache.

        Returns:
            Shape (n, d), one row per text in order: float32 where that is exact, else float64 or integers. It
            belongs to the caller.

        Raises:
            EmbedderContractError: The embedder's answer is not one finite vector per text; good ones are stored.
            CacheMissError: In mode `replay`, a text is not in the cache.
            StoreError: The store failed, and `on_store_error="raise"` or the mode is `replay`.
            Exception: Whatever the embedder raises; batches that were finished before are stored.
        """
        asked, identity, kept_role, size = self._checked(texts, namespace, role, batch_size)
        if len(asked) == 1 and self._codec.is_exact and self.mode not in ("off", "refresh"):
            hit = self._namespaces.single_hit(identity.namespace, kept_role, asked[0], identity.dimensions)
            if hit is not None:
                return hit
        request = Request(asked, identity, kept_role, embed, size, Leader())
        return run(self._namespaces.answering(request, self._call_options))

    async def aembed(
        self,
        texts: Iterable[str],
        embed: Embed | Callable[[list[str]], Awaitable[Any]],
        *,
        namespace: str | Identity,
        role: Role = "document",
        batch_size: int | Auto | None = "auto",
    ) -> NDArray[Any]:
        """Async twin of `embed`; `embed` may be sync, it then runs in a thread, or async.

        Hashing, decoding and disk work of more than a few texts is done in threads. Cancelling this call cancels
        nobody else, and what the embedder has answered is stored.
        """
        loop = checked_loop()
        asked, identity, kept_role, size = self._checked(texts, namespace, role, batch_size)
        is_short = len(asked) == 1 and len(asked[0]) <= INLINE_CHARACTERS
        if is_short and self._codec.is_exact and self.mode not in ("off", "refresh"):
            hit = self._namespaces.single_hit(identity.namespace, kept_role, asked[0], identity.dimensions)
            if hit is not None:
                return hit
        request = Request(asked, identity, kept_role, embed, size, Leader(loop))
        return await arun(self._namespaces.answering(request, self._call_options))

    def _checked(
        self, texts: Iterable[str], namespace: str | Identity, role: str, batch_size: int | Auto | None
    ) -> tuple[list[str], Identity, str, int | Auto | None]:
        asked = checked_texts(texts)
        identity, kept_role = checked_target(namespace, role)
        identity = self.kept_identity(identity) if self._codec_label or identity.codecs else identity
        return asked, identity, kept_role, batch_size_of(batch_size, self.batch_size)

    def _miss_error(self, state: CallState) -> CacheMissError:
        return miss_error(state)

    @property
    def _call_options(self) -> CallOptions:
        return CallOptions(self.mode, self._codec, self._health, self._store, self._options, self._miss_error)

    def open(self, namespace: str | Identity) -> Namespace:
        """Open a namespace now, so that errors of its place are raised before any text is embedded.

        Returns:
            Its vectors, as the codec has written them; memory alone while the store cannot be opened or the mode is
            `off`.

        Raises:
            StoreError: The store cannot be read, and `on_store_error="raise"`.
            FormatError: It is of a newer format.
            KeyEncoderError: It was written with another key encoder.
        """
        return self._namespaces.open(self.kept_identity(namespace), self.mode)

    def _open_now(self, namespace: str | Identity) -> Namespace:
        """Open a namespace for changes, even if the store failed just before; a `StoreError` says it fails again."""
        check_writable(self._store, self.mode)
        return self._namespaces.open_now(as_identity(namespace).listed_with(self._codec_label), self.mode)

    def opened(self) -> list[Namespace]:
        """Return the namespaces that are open."""
        return self._namespaces.all()

    def kept_identity(self, namespace: str | Identity) -> Identity:
        """Return the identity under which vectors are kept: that of the embedder, and how they are written."""
        return as_identity(namespace).encoded_with(self._codec_label)

    def stats(self) -> Stats:
        """Return what this cache has done since it was made."""
        return self._namespaces.stats()

    def flush(self) -> None:
        """Store what waits (see `durability`): from then on it survives the death of this process.

        Raises:
            StoreError: The store cannot be written, whatever `on_store_error` says; what waits is tried again later.
        """
        self._namespaces.flush()

    def settle(self) -> None:
        """Store what waits, as at the end of a job; a store that fails is treated as `on_store_error` says.

        Raises:
            StoreError: The store cannot be written, and `on_store_error="raise"`. In either case it is tried again
                in the background.
        """
        try:
            self.flush()
        except StoreError as error:
            self._health.failed(error, writing=True)

    def close(self) -> None:
        """Store what waits and close open files; the cache opens them again if it is used again.

        Raises:
            StoreError: The store cannot be written, and `on_store_error="raise"`. In either case it is tried again
                in the background, until the process ends.
        """
        self._namespaces.close()

    # Upkeep: any process may do it at any time. It raises `StoreError` whatever `on_store_error` says, and deletes only
    # files of embedonce. Without a namespace it is about all of the store, those of other caches included.

    def delete(self, texts: Iterable[str], *, namespace: str | Identity, role: Role | None = None) -> None:
        """Delete the vectors of texts; those that are not there are ignored.

        They are not found any more: here from now on, on a distant store elsewhere after ten refresh intervals at the
        latest. Their bytes go with a later `compact`.

        Args:
            texts: The texts.
            namespace: The namespace.
            role: `document` or `query`, None for both.
        """
        opened = self._open_now(namespace)
        opened.delete(keys_of(opened, as_identity(namespace), texts, role))

    def purge(self, texts: Iterable[str], *, namespace: str | Identity, role: Role | None = None) -> Report | None:
        """Erase the vectors of texts for good: from all files of the store, now.

        What remains for a day is a mark with the hash of the text. Versions that the place itself keeps (object
        versioning, snapshots, backups) are beyond reach. See `delete` for the arguments.

        Returns:
            What was erased; None if the cache is in a byte store, which does not tell.

        Raises:
            StoreError: Some files may still hold the vectors; the message names them.
        """
        opened = self._open_now(namespace)
        return opened.purge(keys_of(opened, as_identity(namespace), texts, role))

    def clear(self, namespace: str | Identity) -> Report | None:
        """Delete everything in a namespace, which can be written to at once.

        Returns:
            What was deleted; None if the cache is in a byte store, which does not tell.
        """
        return self._open_now(namespace).clear()

    def compact(self, namespace: str | Identity | None = None) -> list[Report]:
        """Merge small files, and rewrite those of which much is deleted or outdated.

        What this replaces is deleted after a time of grace for readers (ten minutes on a distant store), by the next
        process that compacts or opens the cache. If there is nothing to do, nothing is written.
        """
        with self._stores(namespace, changes=True) as stores:
            return [store.compact() for store in stores]

    def evict(
        self,
        *,
        max_bytes: int | None = None,
        older_than: float | timedelta | None = None,
        namespace: str | Identity | None = None,
        dry_run: bool = False,
    ) -> list[Report]:
        """Delete the oldest vectors. One is as old as its last writing: reading it makes it no younger.

        Args:
            max_bytes: The oldest files of all namespaces are deleted until at most so many bytes are left. Of the last
                one, if it has more than 1 MiB, the newest vectors stay that there is room for: they are rewritten.
            older_than: Vectors that were written longer ago, in seconds or as a `timedelta`, are deleted.
            namespace: Evict from this one only.
            dry_run: True to find out what would be deleted, and change nothing.

        Returns:
            What was deleted, or would be, by namespace.

        Raises:
            ValueError: Neither limit is given, or one is not a number, or negative.
        """
        if max_bytes is None and older_than is None:
            msg = "evict needs max_bytes= or older_than=; to delete everything in a namespace, use clear"
            raise ValueError(msg)
        now = time.time()  # Opening takes a while, in which nothing grows too old.
        with self._stores(namespace, changes=not dry_run) as stores:
            return evict(stores, max_bytes=max_bytes, older_than=older_than, dry_run=dry_run, now=now)

    def usage(self, namespace: str | Identity | None = None) -> list[Usage]:
        """Return how many vectors there are and what they take, by namespace; reads no vectors."""
        with self._stores(namespace) as stores:
            return [store.usage() for store in stores]

    def verify(self, namespace: str | Identity | None = None) -> list[Verification]:
        """Read everything and compare all checksums; repairs nothing."""
        with self._stores(namespace) as stores:
            return [store.verify() for store in stores]

    def _stores(self, namespace: str | Identity | None, *, changes: bool = False) -> SegmentStores:
        name = None if namespace is None else as_identity(namespace).listed_with(self._codec_label).namespace
        return segment_stores(self._store, name, self.opened(), self.mode, changes=changes)
