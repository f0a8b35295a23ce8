"""The part of an `EmbeddingCache` that looks after what is stored."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedonce.identity import as_identity
from embedonce.keys.specification import ROLES
from embedonce.namespaces.segments import SegmentNamespace
from embedonce.options import checked_choice, checked_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from embedonce.identity import Identity
    from embedonce.keys.specification import Key, Role
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.stores.segments.store import SegmentStore
    from embedonce.stores.segments.upkeep.reports import Report, Usage, Verification


class CacheUpkeep(ABC):
    """What can be done about the size and the content of a cache.

    Everything here may be done by any process at any time, beside any number of readers and writers, and raises
    `StoreError` if the store cannot be read or written, whatever `on_store_error` says. Only files that embedonce has
    written are ever deleted. Namespaces that are not given are all of the store, those of other caches included.
    """

    @property
    @abstractmethod
    def store(self) -> Namespaces:
        """Where the vectors are kept."""

    @property
    @abstractmethod
    def is_read_only(self) -> bool:
        """True if nothing may be written."""

    @abstractmethod
    def open_now(self, namespace: str | Identity) -> Namespace:
        """Open a namespace, whatever has happened before.

        Raises:
            StoreError: The store cannot be opened.
        """

    @abstractmethod
    def kept_identity(self, namespace: str | Identity) -> Identity:
        """Return the identity under which vectors are kept: that of the embedder, and how they are written."""

    @abstractmethod
    def opened(self) -> list[Namespace]:
        """Return the namespaces that are open."""

    def delete(self, texts: Iterable[str], *, namespace: str | Identity, role: Role | None = None) -> None:
        """Delete the vectors of texts; those that are not there are ignored.

        They are not found any more: here from now on, on a distant store elsewhere after ten refresh intervals at the
        latest. Their bytes go with a later `compact`.

        Args:
            texts: The texts.
            namespace: The namespace.
            role: `document` or `query`, None for both.
        """
        opened = self.open_now(namespace)
        opened.delete(_keys(opened, namespace, texts, role))

    def purge(self, texts: Iterable[str], *, namespace: str | Identity, role: Role | None = None) -> Report | None:
        """Erase the vectors of texts for good: from all files of the store, now.

        What remains for a day is a mark with the hash of the text. Versions that the place itself keeps (object
        versioning, snapshots, backups) are beyond reach. See `delete` for the arguments.

        Returns:
            What was erased; None if the cache is in a byte store, which says nothing about it.

        Raises:
            StoreError: Some files may still hold the vectors; the message names them.
        """
        opened = self.open_now(namespace)
        return opened.purge(_keys(opened, namespace, texts, role))

    def clear(self, namespace: str | Identity) -> Report | None:
        """Delete everything in a namespace, which can be written to at once.

        Returns:
            What was deleted; None if the cache is in a byte store, which says nothing about it.
        """
        return self.open_now(namespace).clear()

    def compact(self, namespace: str | Identity | None = None) -> list[Report]:
        """Merge small files, and write those anew of which much is deleted or outdated.

        What this replaces is deleted after a time of grace for readers (ten minutes on a distant store), by whoever
        compacts or opens the cache next. If there is nothing to do, nothing is written.
        """
        with self._stores(namespace) as stores:
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
                one, if it has more than 1 MiB, the newest vectors stay that there is room for: they are written anew.
            older_than: Vectors that were written longer ago, in seconds or as a `timedelta`, are deleted.
            namespace: Evict from this one only.
            dry_run: True to find out what would be deleted, and change nothing.

        Returns:
            What was deleted, or would be, by namespace.

        Raises:
            ValueError: Neither limit is given, or one is no number, or negative.
        """
        from embedonce.stores.segments.root import evict

        if max_bytes is None and older_than is None:
            msg = "evict needs max_bytes= or older_than=; to delete everything in a namespace, use clear"
            raise ValueError(msg)
        # Opening takes a while, in which nothing grows too old.
        now = time.time()
        with self._stores(namespace) as stores:
            return evict(stores, max_bytes=max_bytes, older_than=older_than, dry_run=dry_run, now=now)

    def usage(self, namespace: str | Identity | None = None) -> list[Usage]:
        """Return how many vectors there are and what they take, by namespace; reads no vectors."""
        with self._stores(namespace) as stores:
            return [store.usage() for store in stores]

    def verify(self, namespace: str | Identity | None = None) -> list[Verification]:
        """Read everything and compare all checksums; repairs nothing."""
        with self._stores(namespace) as stores:
            return [store.verify() for store in stores]

    @contextmanager
    def _stores(self, namespace: str | Identity | None) -> Iterator[list[SegmentStore]]:
        """Give the stores of namespaces, those that are open as they are, and close the others."""
        name = None if namespace is None else self.kept_identity(namespace).namespace
        opened = [each.store for each in self.opened() if isinstance(each, SegmentNamespace)]
        stores = self.store.segment_stores(name, opened, read_only=self.is_read_only)
        try:
            yield stores
        finally:
            for store in stores:
                if store not in opened:
                    store.close()


def _keys(opened: Namespace, namespace: str | Identity, texts: Iterable[str], role: Role | None) -> list[Key]:
    if role is not None:
        checked_choice("role", role, ROLES)
    asked = list(dict.fromkeys(checked_texts(texts)))
    roles = ROLES if role is None else (role,)
    if as_identity(namespace).symmetric:
        roles = ("document",)
    return [key for each in roles for key in opened.keys(each, asked) if key is not None]
