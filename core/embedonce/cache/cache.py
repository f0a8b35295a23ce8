"""EmbeddingCache: the one object that does the caching."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from embedonce.cache.calls import CacheCalls
from embedonce.cache.health import Stats, StoreHealth
from embedonce.cache.upkeep import CacheUpkeep
from embedonce.errors import FormatError, StoreError
from embedonce.identity import as_identity
from embedonce.namespaces.detached import DetachedNamespace
from embedonce.namespaces.opening import store_of
from embedonce.options import CacheOptions
from embedonce.plugins.names import named_key_encoder, resolve_codec, resolve_key_encoder
from embedonce.runtime.locks import ForkLock
from embedonce.runtime.threads import in_thread
from embedonce.secrets import bare

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.options import Auto, Durability, Mode, OnStoreError
    from embedonce.vectors.codecs import Codec

    Embed = Callable[[list[str]], Any]


_NO_TEXT = "a store that is no path or URL"

_STATE = ("mode", "_codec", "batch_size", "_on_store_error", "_key_encoder", "_store")


class EmbeddingCache(CacheCalls, CacheUpkeep):
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
        batch_size: Texts that are embedded between two writes; None for all at once.
        on_store_error: `"warn"`: a store that fails is logged once and counted, and texts are embedded; `"raise"`.
        text_safe: True if the byte store decodes what it keeps as UTF-8.
        durability: On a distant store, `write_behind`: what a call adds is stored when it returns if it is much (64
            vectors or 1 MiB), and else waits for more, for ten seconds at most; `write_through`: every batch is
            stored before the next one is embedded. On a local path everything is stored at once.
        refresh_interval: Seconds for which a listing of a store is believed when a text is not found; None for 30 on
            a distant one and 0 on a local path.
        local_tier: Keep on this machine what is read from and written to a distant store: a directory, or True for one
            in the user's cache directory.
        local_tier_bytes: Most bytes of that; what was not used for longest goes first.

    Raises:
        StoreError: The store cannot be opened, or is something else than a cache.
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
            durability=durability,
            refresh_interval=refresh_interval,
            local_tier=local_tier,
            local_tier_bytes=local_tier_bytes,
        )
        self._set_up(store, options)

    @classmethod
    def of(cls, store: object, options: CacheOptions) -> Self:
        """Return the cache that a user of a wrapper names.

        Args:
            store: A cache, which is returned as it is, or what the constructor takes.
            options: The options of the constructor.

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
        self._ledger = StoreHealth(self._on_store_error)
        self._namespaces: dict[str, Namespace] = {}
        self._detached: dict[str, DetachedNamespace] = {}
        self._lock = ForkLock()
        # Held while a place is asked, which can take long; taken before `_lock`, never after.
        self._opening = ForkLock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._store)!r}, mode={self.mode!r})"

    def __getstate__(self) -> dict[str, Any]:
        options = replace(self._options, storage_options=bare(self._options.storage_options))
        state = {name: getattr(self, name) for name in _STATE}
        # What a plugin has named is found by its name in other processes too; a function might not be pickled at all.
        for name in ("key_encoder", "codec"):
            given = getattr(options, name)
            if isinstance(given, str):
                state[f"_{name}"] = given
        # A store that is not text may hold a file system with its credentials; `_store` holds none when pickled.
        return {**state, "_options": options, "_given_store": _place_of(self._given_store)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self._codec, str):
            self._codec = resolve_codec(self._codec)
        if isinstance(self._key_encoder, str):
            self._key_encoder = named_key_encoder(self._key_encoder)
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
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

    def kept_identity(self, namespace: str | Identity) -> Identity:
        """See `CacheUpkeep`."""
        return self._kept(as_identity(namespace))

    @property
    def is_read_only(self) -> bool:
        """True in the modes that write nothing."""
        return self.mode not in ("read_write", "refresh")

    def opened(self) -> list[Namespace]:
        """Return the namespaces that are open."""
        return list(self._namespaces.values())

    def open_now(self, namespace: str | Identity) -> Namespace:
        """See `CacheUpkeep`."""
        return self._open_now(self.kept_identity(namespace))

    def wrap(self, embedder: Any, **options: Any) -> Any:
        """Return an embedder of the same framework that asks this cache first; see `embedonce.wrap`."""
        from embedonce.wrappers import wrap_with

        return wrap_with(self, embedder, **options)

    def agrees_with(self, other: EmbeddingCache) -> bool:
        """True if both do the same with the same store."""
        return other is self or (
            self._store.same_as(other._store)
            and all(getattr(self, name) == getattr(other, name) for name in _STATE if name != "_store")
        )

    def open(self, namespace: str | Identity) -> Namespace:
        """Open a namespace now, so that what is wrong with its place is said before any text is embedded.

        Returns:
            Its vectors, as the codec has written them; memory alone while the store is out of order or the mode is
            `off`.

        Raises:
            StoreError: The store cannot be read, and `on_store_error="raise"`.
            FormatError: It is of a newer format.
            KeyEncoderError: It was written with another key encoder.
        """
        return self._open(self.kept_identity(namespace))

    def stats(self) -> Stats:
        """Return what this cache has done since it was made."""
        with self._lock:
            return self._ledger.stats([*self._namespaces.values(), *self._detached.values()])

    def flush(self) -> None:
        """Store what waits: from then on it survives the death of this process.

        Only a few vectors on a distant store ever wait (see `durability`).

        Raises:
            StoreError: The store cannot be written, whatever `on_store_error` says; what waits is tried again later.
        """
        fault: StoreError | None = None
        with self._opening:
            # What is just being handed over is in the namespace then.
            namespaces = [*self.opened(), *self._detached.values()]
        for namespace in namespaces:
            try:
                namespace.flush()
            except StoreError as error:
                # One that fails must not keep the others waiting.
                fault = fault or error
        if fault is not None:
            raise fault

    def settle(self) -> None:
        """Store what waits, as at the end of a job; a store that fails is treated as `on_store_error` says.

        Raises:
            StoreError: The store cannot be written, and `on_store_error="raise"`. In either case it is tried again
                in the background.
        """
        try:
            self.flush()
        except StoreError as error:
            self._ledger.failed(error, writing=True)

    def close(self) -> None:
        """Store what waits and let go of open files; the cache opens them again if it is used again.

        Raises:
            StoreError: The store cannot be written, and `on_store_error="raise"`. In either case it is tried again
                in the background, until the process ends.
        """
        with self._opening, self._lock:
            opened: list[tuple[str, Namespace]] = [*self._detached.items(), *self._namespaces.items()]
        fault: StoreError | None = None
        for name, namespace in opened:
            try:
                namespace.close()
            except StoreError as error:
                try:
                    self._ledger.failed(error, writing=True)
                except StoreError:
                    fault = fault or error
            else:
                with self._lock:
                    if self._namespaces.get(name) is namespace:
                        del self._namespaces[name]
                        self._ledger.closed([namespace])
        if fault is not None:
            raise fault

    def _open(self, identity: Identity) -> Namespace:
        """Return a namespace, or what is left of it while the store is out of order."""
        name = identity.namespace
        opened = self._namespaces.get(name)
        if opened is not None:
            return opened
        if self.mode != "off" and self._ledger.may_ask(writing=False):
            try:
                return self._open_now(identity)
            except FormatError:
                raise
            except StoreError as error:
                self._read_failed(error)
        with self._lock:
            detached = self._detached.get(name)
            if detached is None:
                where = str(self._store)
                detached = DetachedNamespace(where, identity, self._key_encoder, lambda: self._open_now(identity))
                self._detached[name] = detached
            return detached

    def _open_now(self, identity: Identity) -> Namespace:
        """Return a namespace with everything that waited for it, whatever has happened before.

        Raises:
            StoreError: The store cannot be opened.
        """
        name = identity.namespace
        with self._opening:
            opened = self._namespaces.get(name)
            if opened is None:
                opened = self._store.open(identity, self._key_encoder, read_only=self.is_read_only)
                with self._lock:
                    self._namespaces[name] = opened
                    detached = self._detached.get(name)
                if detached is not None:
                    try:
                        detached.hand_over(opened)
                    except StoreError as error:
                        # The background goes on trying.
                        self._ledger.failed(error, writing=True)
            return opened


def _place_of(store: object) -> object:
    """Return a path or URL without password; something else stands for anything else."""
    if isinstance(store, PurePath):
        return store
    return bare(store) if store is None or isinstance(store, str) else _NO_TEXT
