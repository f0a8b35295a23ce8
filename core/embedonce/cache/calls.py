"""The part of an `EmbeddingCache` that answers calls: sync and async, which differ in the I/O verbs."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.cache.call import Call
from embedonce.errors import StoreError
from embedonce.events import past_event
from embedonce.namespaces.detached import DetachedNamespace
from embedonce.options import checked_batch_size, checked_target, checked_texts
from embedonce.plugins.host import observing
from embedonce.runtime.threads import in_thread, is_async
from embedonce.vectors.answers import vectors_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from embedonce.cache.call import Batch
    from embedonce.cache.health import StoreHealth
    from embedonce.identity import Identity
    from embedonce.keys.specification import Key, Role
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.options import Auto, Mode
    from embedonce.vectors.codecs import Codec

    Embed = Callable[[list[str]], Any]


BATCH_SIZE = 1024
"""Texts between two writes: at most so many are lost by a crash, and requests stay as large as providers take them."""

_INLINE_TEXTS = 32
_INLINE_CHARACTERS = 32_768
"""Not more than so many texts and characters in all are hashed on the event loop itself: less than 0.1 ms."""


class CacheCalls(ABC):
    """How a cache answers."""

    mode: Mode
    batch_size: int | Auto | None
    _codec: Codec
    _codec_label: str
    _ledger: StoreHealth
    _namespaces: dict[str, Namespace]

    @property
    @abstractmethod
    def store(self) -> Namespaces:
        """Where the vectors are kept."""

    @abstractmethod
    def _open(self, identity: Identity) -> Namespace:
        """Return a namespace, or what is left of it while the store is out of order."""

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
            call.namespace.flush_soon()
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
            call.namespace.flush_soon()
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
            self._ledger.succeeded(writing=False)
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
            plugins.notify(call.event(self.mode, str(self.store), result, error))

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
                matrix, seconds, where = next(iter(answers), None), perf_counter() - started, str(self.store)
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
                    call.namespace.end_call(call.saved_rows, call.saved_bytes)
            except StoreError as error:
                self._ledger.failed(error, writing=True)

    def _read_failed(self, error: StoreError) -> None:
        if self.mode == "replay":
            # Taken for a miss, an outage would say that a recorded text is not there.
            raise error
        self._ledger.failed(error, writing=False)


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
