"""EmbeddingCache: the one object that does the caching."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from pathlib import PurePath
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedonce.cache_upkeep import CacheUpkeep
from embedonce.call import Call
from embedonce.detached import DetachedNamespace
from embedonce.errors import FormatError, StoreError
from embedonce.events import past_event
from embedonce.identity import as_identity
from embedonce.key_encoders import named_key_encoder, resolve_key_encoder
from embedonce.locks import ForkLock
from embedonce.options import MODES, checked_batch_size, checked_choice, checked_target, store_of
from embedonce.plan import checked_texts
from embedonce.plugins import observing
from embedonce.policy import ON_STORE_ERROR, Ledger, Stats
from embedonce.stores.secrets import bare
from embedonce.stores.store_options import LOCAL_TIER_BYTES, StoreOptions
from embedonce.threads import in_thread
from embedonce.vector_codecs import resolve_codec
from embedonce.vectors import vectors_of

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedonce.call import Batch
    from embedonce.codecs import Codec
    from embedonce.identity import Identity
    from embedonce.keys import KeyEncoder, Role
    from embedonce.namespaces import Namespace, Namespaces
    from embedonce.options import Auto, Mode
    from embedonce.plan import Key
    from embedonce.stores.store_options import Durability

    Embed = Callable[[list[str]], Any]


BATCH_SIZE = 1024
"""Texts between two writes: at most so many are lost by a crash, and requests stay as large as providers take them."""

_INLINE_TEXTS = 32
_INLINE_CHARACTERS = 32_768
"""Not more than so many texts and characters in all are hashed on the event loop itself: less than 0.1 ms."""

_NO_TEXT = "a store that is no path or URL"

_STATE = ("mode", "_codec", "batch_size", "_on_store_error", "_key_encoder", "_store")


class EmbeddingCache(CacheUpkeep):
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
            raises `CacheMissError` on a miss; `off` goes past the cache.
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
        storage_options: Mapping[str, Any] | None = None,
        key_encoder: str | Callable[[str], str] | KeyEncoder = "sha256",
        codec: str | Codec = "exact",
        mode: Mode = "read_write",
        batch_size: int | Auto | None = "auto",
        on_store_error: Literal["warn", "raise"] = "warn",
        text_safe: bool = False,
        durability: Durability = "write_behind",
        refresh_interval: float | None = None,
        local_tier: bool | str | os.PathLike[str] = False,
        local_tier_bytes: int = LOCAL_TIER_BYTES,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "store": store,
            "storage_options": storage_options,
            "key_encoder": key_encoder,
            "codec": codec,
            "mode": mode,
            "batch_size": batch_size,
            "on_store_error": on_store_error,
            "text_safe": text_safe,
            "durability": durability,
            "refresh_interval": refresh_interval,
            "local_tier": local_tier,
            "local_tier_bytes": local_tier_bytes,
        }
        self.mode: Mode = checked_choice("mode", mode, MODES)
        self._codec = resolve_codec(codec)
        self.batch_size = checked_batch_size(batch_size)
        self._on_store_error = checked_choice("on_store_error", on_store_error, ON_STORE_ERROR)
        self._key_encoder = resolve_key_encoder(key_encoder)
        options = StoreOptions(durability, refresh_interval, local_tier, local_tier_bytes)
        self._store = store_of(
            store, storage_options, options=options, text_safe=text_safe, create=not self.is_read_only
        )
        self._start()

    def _start(self) -> None:
        self._codec_label = self._codec.label()
        self._ledger = Ledger(self._on_store_error)
        self._namespaces: dict[str, Namespace] = {}
        self._detached: dict[str, DetachedNamespace] = {}
        self._lock = ForkLock()
        # Held while a place is asked, which can take long; taken before `_lock`, never after.
        self._opening = ForkLock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._store)!r}, mode={self.mode!r})"

    def __getstate__(self) -> dict[str, Any]:
        arguments = {**self._arguments, "storage_options": bare(self._arguments["storage_options"])}
        state = {name: getattr(self, name) for name in _STATE}
        # What a plugin has named is found by its name in other processes too; a function might not be pickled at all.
        for name in ("key_encoder", "codec"):
            if isinstance(arguments[name], str):
                state[f"_{name}"] = arguments[name]
        # A place that is no text may hold a file system with its credentials; what `_store` makes of it holds none.
        return {**state, "_arguments": {**arguments, "store": _place_of(arguments["store"])}}

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
        """What this cache was made with, for wrappers that write themselves down; it may hold secrets."""
        return dict(self._arguments)

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
        from embedonce.wrapping import wrap_with

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
            EmbedderContractError: The embedder's answer is not one finite vector per text; none of it was stored.
            CacheMissError: In mode `replay`, a text is not in the cache.
            StoreError: The store failed, and `on_store_error="raise"` or the mode is `replay`.
            Exception: Whatever the embedder raises; batches that were finished before are stored.
        """
        asked = checked_texts(texts)
        identity, kept_role = self._target(namespace, role)
        size = self._size(batch_size)
        if len(asked) == 1 and (hit := self._single_hit(asked[0], identity, kept_role)) is not None:
            return hit
        if self.mode == "off" or not asked:
            with self._going_past(identity, kept_role, asked) as answers:
                answers.append(self._past(asked, embed(list(asked)) if asked else ()))
            return answers[0]
        call = Call(self._open(identity), identity, kept_role, asked, is_async=False, codec=self._codec)
        self._begin(call)
        try:
            if self.mode != "refresh":
                self._load(call)
                self._found(call, int(call.rows.found.sum()))
            while call.missing:
                self._check_replay(call)
                if call.claim() and self.mode != "refresh":
                    self._load(call)
                    self._found(call, call.release_found())
                for batch in call.to_embed(size):
                    with call.paying(batch):
                        self._ledger.count(embedded=len(batch.texts))
                        matrix = call.checked(batch, embed(batch.texts))
                    with call.landing(batch, matrix):
                        self._save(call, batch, matrix)
                call.wait()
                self._join(call)
            self._settle(call)
        except BaseException as error:
            call.namespace.hurry()
            self._tell(call, None, type(error).__name__)
            raise
        finally:
            call.abandon()
        result = call.result()
        self._tell(call, result)
        return result

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
        nobody else, and what was embedded before is stored.
        """
        asked = checked_texts(texts)
        identity, kept_role = self._target(namespace, role)
        size = self._size(batch_size)
        if len(asked) == 1 and len(asked[0]) <= _INLINE_CHARACTERS:
            hit = self._single_hit(asked[0], identity, kept_role)
            if hit is not None:
                return hit
        if self.mode == "off" or not asked:
            with self._going_past(identity, kept_role, asked) as answers:
                answer = await _awaited(embed, list(asked)) if asked else ()
                answers.append(await _hop(len(asked) <= _INLINE_TEXTS, self._past, asked, answer))
            return answers[0]
        small = sum(map(len, asked)) <= _INLINE_CHARACTERS and len(asked) <= _INLINE_TEXTS
        opened = await _hop(identity.namespace in self._namespaces, self._open, identity)
        call = await _hop(small, lambda: Call(opened, identity, kept_role, asked, is_async=True, codec=self._codec))
        self._begin(call)
        try:
            if self.mode != "refresh":
                await self._aload(call)
                self._found(call, int(call.rows.found.sum()))
            while call.missing:
                self._check_replay(call)
                if call.claim() and self.mode != "refresh":
                    await self._aload(call)
                    self._found(call, call.release_found())
                for batch in call.to_embed(size):
                    with call.paying(batch):
                        self._ledger.count(embedded=len(batch.texts))
                        answer = await _awaited(embed, batch.texts)
                        matrix = await _hop(len(batch.texts) <= _INLINE_TEXTS, call.checked, batch, answer)
                    with call.landing(batch, matrix):
                        await self._asave(call, batch, matrix)
                for future in call.awaited.values():
                    await _joined(future)
                self._join(call)
            await _hop(not call.namespace.waits, self._settle, call)
        except BaseException as error:
            # Not awaited: this call may have been cancelled.
            call.namespace.hurry()
            self._tell(call, None, type(error).__name__)
            raise
        finally:
            call.abandon()
        result: NDArray[Any] = await _hop(small or not call.plan.has_duplicates, call.result)
        self._tell(call, result)
        return result

    # Steps

    def _single_hit(self, text: str, identity: Identity, role: str) -> NDArray[Any] | None:
        """Return the vector of one text, shape (1, d); None if it takes a whole call to tell whether it is there.

        The steps of a call are for misses and for many texts: a single query that hits would wait longer for them than
        for its vector.
        """
        opened = self._namespaces.get(identity.namespace)
        if opened is None or self.mode in ("off", "refresh") or self._codec_label or observing() is not None:
            return None
        if self._ledger.is_pausing(writing=False):
            return None
        try:
            vector = opened.load_one(role, text, identity.dimensions)
        except StoreError:
            # It fails again, under the error policy.
            return None
        if vector is not None:
            self._ledger.single_hit()
        return vector

    def _target(self, namespace: str | Identity, role: str) -> tuple[Identity, str]:
        identity, kept_role = checked_target(namespace, role)
        return self._kept(identity), kept_role

    def _kept(self, identity: Identity) -> Identity:
        return identity.with_parameters({"codec": self._codec_label}) if self._codec_label else identity

    def _begin(self, call: Call) -> None:
        plan = call.plan
        self._ledger.count(calls=1, texts=plan.asked, duplicates=plan.asked - len(plan.texts))

    def _found(self, call: Call, hits: int) -> None:
        call.hits += hits
        self._ledger.count(hits=hits)

    def _tell(self, call: Call, result: NDArray[Any] | None, error: str = "") -> None:
        plugins = observing()
        if plugins is not None:
            plugins.notify(call.event(self.mode, str(self._store), result, error))

    @contextmanager
    def _going_past(self, identity: Identity, role: str, texts: Sequence[str]) -> Iterator[list[NDArray[Any]]]:
        """Give a list for the matrix of a call that nothing is cached of, and tell observers of the call."""
        started, error = perf_counter(), ""
        answers: list[NDArray[Any]] = []
        try:
            yield answers
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            plugins = observing()
            if plugins is not None:
                matrix, seconds, where = next(iter(answers), None), perf_counter() - started, str(self._store)
                plugins.notify(past_event(identity.namespace, role, self.mode, where, texts, matrix, seconds, error))

    def _check_replay(self, call: Call) -> None:
        if self.mode == "replay":
            raise call.miss_error()

    def _join(self, call: Call) -> None:
        if call.awaited:
            joined = call.joined([(i, future.result()) for i, future in call.awaited.items()])
            call.joined_texts += joined
            self._ledger.count(joined=joined)

    def _size(self, batch_size: int | Auto | None) -> int | None:
        size = self.batch_size if batch_size == "auto" else checked_batch_size(batch_size)
        return BATCH_SIZE if size == "auto" else size

    def _past(self, texts: Sequence[str], answer: object) -> NDArray[Any]:
        """Return what the embedder answers when nothing is cached."""
        self._ledger.count(calls=1, texts=len(texts), embedded=len(texts))
        if not texts:
            return np.empty((0, 0), np.float32)
        return vectors_of(answer, len(texts))

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

    # The I/O verbs, under the error policy

    def _load(self, call: Call) -> None:
        if isinstance(call.namespace, DetachedNamespace):
            # That the store could not be opened is counted already, and memory is always there.
            with call.loading() as rows:
                call.namespace.load(call.role, call.plan.keys, rows)
        elif self._ledger.may_ask(writing=False):
            try:
                with call.timed("reading"), call.loading() as rows:
                    call.namespace.load(call.role, call.plan.keys, rows)
                self._ledger.succeeded(writing=False)
            except StoreError as error:
                self._read_failed(error)

    async def _aload(self, call: Call) -> None:
        if isinstance(call.namespace, DetachedNamespace):
            with call.loading() as rows:
                call.namespace.load(call.role, call.plan.keys, rows)
        elif self._ledger.may_ask(writing=False):
            try:
                with call.timed("reading"), call.loading() as rows:
                    await call.namespace.aload(call.role, call.plan.keys, rows)
                self._ledger.succeeded(writing=False)
            except StoreError as error:
                self._read_failed(error)

    def _save(self, call: Call, batch: Batch, matrix: NDArray[Any]) -> None:
        keys, vectors = call.to_save(batch, matrix)
        if self._may_save(call, keys):
            try:
                with call.timed("writing"):
                    call.namespace.save(call.role, keys, vectors)
                self._saved(call, vectors)
            except StoreError as error:
                self._ledger.failed(error, writing=True)

    async def _asave(self, call: Call, batch: Batch, matrix: NDArray[Any]) -> None:
        keys, vectors = call.to_save(batch, matrix)
        if self._may_save(call, keys):
            try:
                with call.timed("writing"):
                    await call.namespace.asave(call.role, keys, vectors)
                self._saved(call, vectors)
            except StoreError as error:
                self._ledger.failed(error, writing=True)

    def _may_save(self, call: Call, keys: Sequence[Key]) -> bool:
        if not keys or self.mode == "read_only":
            return False
        return call.namespace.waits or self._ledger.may_ask(writing=True)

    def _saved(self, call: Call, vectors: NDArray[Any]) -> None:
        call.saved_rows += len(vectors)
        call.saved_bytes += vectors.nbytes
        self._ledger.succeeded(writing=True)
        self._ledger.count(stored=len(vectors))

    def _settle(self, call: Call) -> None:
        if call.saved_rows:
            try:
                with call.timed("writing"):
                    call.namespace.settle(call.saved_rows, call.saved_bytes)
            except StoreError as error:
                self._ledger.failed(error, writing=True)

    def _read_failed(self, error: StoreError) -> None:
        if self.mode == "replay":
            # Taken for a miss, an outage would say that a recorded text is not there.
            raise error
        self._ledger.failed(error, writing=False)


def _place_of(store: object) -> object:
    """Return a path or URL without password; something else stands for anything else."""
    if isinstance(store, PurePath):
        return store
    return bare(store) if store is None or isinstance(store, str) else _NO_TEXT


def is_async(embed: object) -> bool:
    """True if calling an embedder is known to give a coroutine."""
    return inspect.iscoroutinefunction(embed) or inspect.iscoroutinefunction(getattr(embed, "__call__", None))  # noqa: B004


async def _awaited(embed: Callable[[list[str]], Any], texts: list[str]) -> Any:
    """Call a sync or async embedder; a sync one must not block the event loop."""
    if is_async(embed):
        return await embed(texts)
    answer = await in_thread(embed, texts)
    return await answer if inspect.isawaitable(answer) else answer


async def _joined(future: Future[Any]) -> None:
    import asyncio

    await asyncio.wrap_future(future)


async def _hop(inline: bool, function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: FBT001
    """Call a function that computes: here if that is quick, else in a thread."""
    return function(*arguments) if inline else await in_thread(function, *arguments)
