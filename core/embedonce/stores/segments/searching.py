"""Looking for rows: in the view of this process, and after a look at the place if something is missing there."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.drivers.faults import UnreadableFilesError, worst
from embedonce.stores.segments.files.files import NotAtHandError
from embedonce.vectors.rows import RowBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.segments.catalog.catalog import Catalog
    from embedonce.stores.segments.catalog.resolving import Resolver
    from embedonce.stores.segments.format.keys import IndexKey
    from embedonce.stores.segments.lookup.view import View
    from embedonce.stores.segments.reading.reader import Reader
    from embedonce.vectors.envelope import Row

    # Takes what a reader finds in a view, except for some digest keys; returns how many rows are still missing.
    Look = Callable[[View, Reader, frozenset[bytes]], int]

_NOTHING: frozenset[bytes] = frozenset()


class Search:
    """Finds the rows of one namespace.

    What is at hand is found whatever happens to the place: rows that wait in memory, open segments, and the local tier.

    Args:
        catalog: The segments.
        resolver: Knows where keys are in huge ones.
        reader: Reads rows.
    """

    def __init__(self, catalog: Catalog, resolver: Resolver, reader: Reader) -> None:
        self._catalog = catalog
        self._resolver = resolver
        self._reader = reader
        self._at_hand = reader.at_hand

    def row(self, digest: bytes, dimensions: int | None) -> NDArray[Any] | None:
        """Return one vector, shape (1, d), if it is in memory; None leaves it open."""
        catalog = self._catalog
        if catalog.files.sparse_indexes:
            return None
        try:
            return self._at_hand.one(catalog.view, digest, catalog.dimensions if dimensions is None else dimensions)
        except NotAtHandError:
            return None

    def rows_into(self, digests: Sequence[bytes], into: RowBuffer, *, at_hand: bool) -> bool:
        """Collect the vectors of digest keys that were not found before; see `_run`."""

        def look(view: View, reader: Reader, unsure: frozenset[bytes]) -> int:
            if into.dimensions is None:
                into.dimensions = self._catalog.dimensions
            if not unsure:
                reader.gather(view, digests, into)
                return len(digests) - int(np.count_nonzero(into.found))
            sure = [i for i in into.missing if digests[i] not in unsure]
            part = RowBuffer(len(sure), into.dimensions)
            try:
                reader.gather(view, [digests[i] for i in sure], part)
            finally:
                into.take(sure, part)
            return len(into.missing)

        return bool(len(digests)) and self._run(digests, look, at_hand=at_hand)

    def values_into(self, keys: Sequence[IndexKey], rows: list[Row | bytes | None], *, at_hand: bool) -> bool:
        """Put the values of keys into a list, for those that are None there; see `_run`."""

        def look(view: View, reader: Reader, unsure: frozenset[bytes]) -> int:
            missing = [i for i, row in enumerate(rows) if row is None and keys[i].digest not in unsure]
            faults: list[Exception] = []
            for i, row in zip(missing, reader.read(view, [keys[i] for i in missing], faults), strict=True):
                rows[i] = row
            if faults:
                raise worst(faults)
            return rows.count(None)

        return bool(keys) and self._run([key.digest for key in keys if not key.text], look, at_hand=at_hand)

    def _run(self, digests: Sequence[bytes], look: Look, *, at_hand: bool) -> bool:
        """Look for rows, again while segments disappear, and once more if others may have written what is missing.

        Args:
            digests: The digest keys among those that are looked for.
            look: Takes what is not found yet.
            at_hand: True to ask the place for nothing.

        Returns:
            True if the place was asked, and has answered.

        Raises:
            UnreadableFilesError: Something was not found, and may be in files that cannot be read.
            Exception: A fault of the place; what is at hand was taken nevertheless.
        """
        if at_hand:
            self._take_at_hand(digests, look)
            return False
        catalog, before, missing = self._catalog, self._catalog.directory.answers, 0
        try:
            fault = catalog.refresh_for_hits()
            for attempt in range(catalog.attempts):
                view, began = catalog.view, time.monotonic()
                try:
                    view = self._resolver.resolve(digests)
                    missing = look(view, self._reader, _NOTHING)
                except FileNotFoundError:
                    catalog.look_again(view)
                    continue
                except UnreadableFilesError as error:
                    catalog.cannot_read(error, time.monotonic() - began)
                    continue
                if missing and fault is not None:
                    # It was listed just now: once more would only take as long again.
                    raise fault
                if attempt or not missing or not catalog.refresh_for_misses(missing):
                    break
        except Exception:
            self._take_at_hand(digests, look)
            raise
        if missing and catalog.faults.unreadable:
            raise UnreadableFilesError(catalog.faults.unreadable.errors)
        return catalog.directory.answers != before

    def _take_at_hand(self, digests: Sequence[bytes], look: Look) -> None:
        # In this order: a segment may get a whole index in the meantime, which then stands in the view.
        unsure = self._resolver.unsure(digests)
        with suppress(NotAtHandError):
            look(self._catalog.view, self._at_hand, unsure)
