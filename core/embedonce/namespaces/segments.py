"""Namespaces in segment stores: one directory for each, below one root."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, cast

from embedonce.keys.encoders import sha256
from embedonce.keys.specification import PREFIXES, canonical, utf8
from embedonce.namespaces.protocol import Namespace, Namespaces, encoded
from embedonce.options import STORE_DEFAULTS, StoreOptions
from embedonce.runtime.overriding import override
from embedonce.runtime.steps import Work
from embedonce.runtime.threads import in_thread
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.vectors.envelope import Envelope, Row
from embedonce.vectors.rows import RowBuffer

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.specification import Key
    from embedonce.runtime.steps import Steps
    from embedonce.stores.locations.location import Location
    from embedonce.stores.protocol import Backlog
    from embedonce.stores.segments.upkeep.reports import Report

logger = logging.getLogger("embedonce")

_INLINE = 8
"""Up to so many rows are read on the event loop itself: a hop to a thread takes longer."""


class SegmentNamespace(Namespace):
    """A namespace in a segment store (see `Namespace`)."""

    def __init__(self, store: SegmentStore, key_encoder: KeyEncoder) -> None:
        self.store = store
        self._key_encoder = key_encoder
        self._flight_name = ("segments", str(store.location), store.namespace_directory.namespace)
        # A distant place may have to be listed, which an event loop must not wait for.
        self._has_quick_hits = key_encoder.function is sha256 and store.location.is_local

    @property
    @override
    def flight_name(self) -> Hashable:
        return self._flight_name

    @property
    @override
    def dimensions(self) -> int | None:
        return self.store.dimensions

    @property
    @override
    def damaged(self) -> int:
        return self.store.counts.damaged_rows + self.store.counts.damaged_segments

    def keys(self, role: str, texts: Sequence[str]) -> list[Key | None]:
        """See `Namespace`: 32 bytes for the default encoder, else its strings."""
        digests = self._key_encoder.digests(role, texts)
        if digests is not None:
            return cast("list[Key | None]", digests)
        return encoded(lambda role, text: self._key_encoder(canonical(role, text)), self._key_encoder, role, texts)

    @property
    @override
    def is_fresh(self) -> bool:
        return self.store.is_fresh

    @override
    def load_one(self, role: str, text: str, dimensions: int | None) -> NDArray[Any] | None:
        if not self._has_quick_hits:
            return None
        try:
            canonical_bytes = (PREFIXES[role] + text).encode()
        except UnicodeEncodeError:
            canonical_bytes = utf8(canonical(role, text))
        return self.store.get_row(hashlib.sha256(canonical_bytes).digest(), dimensions)

    @override
    def loading(self, role: str, keys: Sequence[Key | None], into: RowBuffer, *, at_hand: bool = False) -> Steps[bool]:
        # Open files of a local path are in memory; the local tier of a distant place may have to be read.
        is_quick = len(keys) <= _INLINE and self.store.location.is_local
        step = Work(self.load_now, keys, into, True, inline=is_quick)
        has_answered: bool = yield step if at_hand else _Loading(self, keys, into, is_quick=is_quick)
        return has_answered

    @override
    def saving(self, role: str, keys: Sequence[Key], matrix: NDArray[Any]) -> Steps[bool]:
        yield Work(self._save, keys, matrix)
        return not self.store.keeps

    def load_now(self, keys: Sequence[Key | None], into: RowBuffer, at_hand: bool) -> bool:  # noqa: FBT001 - of a step
        """Do what `loading` does, here and now."""
        wanted = into.missing
        # All of them are of one kind, since one key encoder made them.
        if keys and isinstance(keys[0], bytes):
            if len(wanted) == len(keys):
                return self.store.get_rows_into(cast("Sequence[bytes]", keys), into, at_hand=at_hand)
            part = RowBuffer(len(wanted), into.dimensions)
            try:
                return self.store.get_rows_into([cast("bytes", keys[i]) for i in wanted], part, at_hand=at_hand)
            finally:
                into.take(wanted, part)
        texts = [(i, key) for i in wanted if isinstance(key := keys[i], str)]
        values: list[Row | bytes | None] = [None] * len(texts)
        try:
            return self.store.get_values_into([key for _, key in texts], values, at_hand=at_hand)
        finally:
            rows: list[Row | None] = [None] * len(keys)
            for (i, _), value in zip(texts, values, strict=True):
                rows[i] = Envelope.open(value) if isinstance(value, bytes) else value
            if into.dimensions is None:
                into.dimensions = self.store.dimensions
            into.put_rows(rows)

    def _save(self, keys: Sequence[Key], matrix: NDArray[Any]) -> None:
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

    @property
    @override
    def waits(self) -> bool:
        return self.store.keeps

    @property
    @override
    def backlog(self) -> Backlog:
        return self.store.backlog

    @override
    def end_call(self, rows: int | None = None, size: int = 0) -> None:
        self.store.end_call(rows, size)

    @override
    def flush(self) -> None:
        self.store.flush()

    @override
    def flush_soon(self) -> None:
        self.store.flush_soon()

    @override
    def close(self) -> None:
        self.store.close()

    @override
    def delete(self, keys: Sequence[Key]) -> None:
        self.store.mdelete(_names(keys))

    @override
    def purge(self, keys: Sequence[Key]) -> Report:
        return self.store.purge(_names(keys))

    @override
    def clear(self) -> Report:
        return self.store.clear()

    @override
    def stored_keys(self, prefix: str | None = None) -> Iterator[str]:
        return self.store.yield_keys(prefix=prefix)


class _Loading:
    """Collects vectors of a namespace (see `embedonce.runtime.steps.Step`).

    An event loop takes a few that are in memory by itself, since a hop to a thread takes longer; it never looks at a
    directory or opens a file.
    """

    __slots__ = ("_into", "_is_quick", "_keys", "_namespace")

    def __init__(
        self, namespace: SegmentNamespace, keys: Sequence[Key | None], into: RowBuffer, *, is_quick: bool
    ) -> None:
        self._namespace = namespace
        self._keys = keys
        self._into = into
        self._is_quick = is_quick

    def run(self) -> bool:
        """Collect them; True if the place was asked and has answered."""
        return self._namespace.load_now(self._keys, self._into, at_hand=False)

    async def arun(self) -> bool:
        """Async twin of `run`."""
        if self._is_quick and self._namespace.is_fresh:
            self._namespace.load_now(self._keys, self._into, at_hand=True)
            if not self._into.missing:
                return False
        return await in_thread(self.run)


def _names(keys: Sequence[Key]) -> list[str]:
    """Return keys as a byte store takes them."""
    return [key.hex() if isinstance(key, bytes) else key for key in keys]


class SegmentNamespaces(Namespaces):
    """The segment stores below one root (see `Namespaces`).

    Args:
        location: The root.
        options: How to treat a distant place.
        create: False to leave a directory that does not exist as it is.
    """

    asks_to_open = True

    def __init__(self, location: Location, options: StoreOptions = STORE_DEFAULTS, *, create: bool = True) -> None:
        self.location = location
        self.options = options
        location.check(create=create)

    def __str__(self) -> str:
        return str(self.location)

    @override
    def same_as(self, other: Namespaces) -> bool:
        return (
            isinstance(other, SegmentNamespaces) and other.location == self.location and other.options == self.options
        )

    @override
    def open(self, identity: Identity, key_encoder: KeyEncoder, *, read_only: bool) -> SegmentNamespace:
        space = NamespaceDirectory.of(identity.namespace, key_encoder.record())
        return SegmentNamespace(
            SegmentStore(self.location, space, read_only=read_only, options=self.options), key_encoder
        )

    @override
    def segment_stores(
        self, namespace: str | None, opened: Sequence[SegmentStore], *, read_only: bool
    ) -> list[SegmentStore]:
        from embedonce.stores.segments.root import namespaces_at

        found = namespaces_at(self.location, namespace, opened=opened, read_only=read_only, options=self.options)
        for directory, why in found.unreadable.items():
            logger.warning("%s/%s is left alone: %s", self, directory, why)
        return found.stores
