"""Finding keys in huge segments whose index is not loaded, before a lookup that knows only what is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.runtime.locks import ForkLock
from embedonce.stores.segments.lookup.sparse_index import FEW_KEYS, load_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Directory
    from embedonce.stores.segments.catalog.catalog import Catalog
    from embedonce.stores.segments.format.names import Segment
    from embedonce.stores.segments.lookup.sparse_index import SparseIndex
    from embedonce.stores.segments.lookup.view import View


class Resolver:
    """Returns views that know where keys are, also in huge segments.

    Args:
        catalog: The segments.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        # Held while a huge index is loaded. Lock order: taken before the catalog's lock, never after it.
        self._loading = ForkLock()

    def resolve(self, digests: Sequence[bytes]) -> View:
        """Return a view that knows where digest keys are, also in huge segments whose index is not loaded.

        Raises:
            FileNotFoundError: A segment is gone or damaged: refresh and look again.
            OSError: Any other fault of the place.
        """
        catalog = self._catalog
        if not catalog.files.sparse_indexes:
            return catalog.view
        sparse_indexes = dict(catalog.files.sparse_indexes)
        found, whole = _find_records(catalog.directory, sparse_indexes, catalog.view, digests, catalog.records)
        for sparse_index in whole:
            self._load(sparse_index.segment)
        with catalog.lock:
            key_index = catalog.view.key_index
            fresh = {
                number: np.array(sorted(records), "<u4")
                for number, segment in enumerate(key_index.segments)
                if segment.file in found
                and catalog.files.sparse_indexes.get(segment.file) is sparse_indexes[segment.file]
                and (records := {r for key, r in found[segment.file] if not key_index.has(key, number, r)})
            }
            catalog.show_entries(key_index.inserted(fresh, catalog.records))
            return catalog.view

    def whole(self) -> View:
        """Return a view of everything, without overlay; raises as `resolve` does."""
        catalog = self._catalog
        while True:
            for sparse_index in list(catalog.files.sparse_indexes.values()):
                self._load(sparse_index.segment)
            with catalog.lock:
                # A refresh in another thread may have added a huge segment.
                if not any(segment.file in catalog.files.sparse_indexes for segment in catalog.view.segments):
                    return catalog.fold()

    def _load(self, segment: Segment) -> None:
        catalog = self._catalog
        with self._loading:
            if segment.file not in catalog.files.sparse_indexes:
                return
            catalog.opened(segment)
            with catalog.lock:
                key_index = catalog.view.key_index
                if segment in key_index.segments:
                    number = key_index.segments.index(segment)
                    records = np.arange(segment.name.rows, dtype="<u4")
                    catalog.show_entries(key_index.emptied(number).inserted({number: records}, catalog.records))
                catalog.files.drop_sparse_indexes([segment.file])


def _find_records(
    directory: Directory,
    sparse_indexes: Mapping[str, SparseIndex],
    view: View,
    digests: Sequence[bytes],
    records_of: Callable[[Segment], NDArray[Any]],
) -> tuple[dict[str, list[tuple[bytes, int]]], list[SparseIndex]]:
    """Find digest keys in the segments that are loaded in part.

    Args:
        directory: The place.
        sparse_indexes: The segments by file.
        view: What lookups know so far.
        digests: 32 bytes per key.
        records_of: Returns the index records of a segment.

    Returns:
        By file the keys that were found and the numbers of their records; and the segments of which the whole index
        must be loaded to find out.

    Raises:
        FileNotFoundError: A segment is gone.
        Exception: Any other fault of the place.
    """
    stamps = _known_stamps(view, digests, records_of)
    few: list[tuple[SparseIndex, list[bytes]]] = []
    many: list[SparseIndex] = []
    keys_of: dict[str, list[bytes]] = {}
    for segment in view.key_index.segments:
        sparse_index = sparse_indexes.get(segment.file)
        if sparse_index is None:
            continue
        # An entry that is newer than a whole segment is right, whatever is in the segment.
        keys = [digests[i] for i in np.flatnonzero(stamps <= segment.name.stamp).tolist()]
        unknown = [key for key in keys if range(*sparse_index.gap(key))]
        keys_of[segment.file] = keys
        if len(unknown) > FEW_KEYS:
            many.append(sparse_index)
        elif unknown:
            few.append((sparse_index, unknown))
    many += load_windows(directory, few)
    whole = {sparse_index.segment.file for sparse_index in many}
    found: dict[str, list[tuple[bytes, int]]] = {}
    for file, keys in keys_of.items():
        if file not in whole:
            numbers = ((key, sparse_indexes[file].record(key)) for key in keys)
            found[file] = [(key, number) for key, number in numbers if number is not None]
    return found, many


def _known_stamps(
    view: View, digests: Sequence[bytes], records_of: Callable[[Segment], NDArray[Any]]
) -> NDArray[np.uint64]:
    """Return the stamp of the newest entry of each key, 0 where no entry is certain."""
    stamps = np.zeros(len(digests), np.uint64)
    keys = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 4)
    segment_of, record_of = view.first_candidates(digests, keys, np.arange(len(digests)))
    for number in np.unique(segment_of[segment_of >= 0]).tolist():
        members = np.flatnonzero(segment_of == number)
        records = records_of(view.segment(number))[record_of[members]]
        same = (records["key"] == keys[members]).all(axis=1)
        stamps[members[same]] = records["stamp"][same]
    return stamps
