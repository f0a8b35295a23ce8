"""Finding keys in huge segments whose index is not loaded, before a lookup that knows only what is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.runtime.locks import ForkLock
from embedonce.stores.segments.files.files import NotAtHandError
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
        keys_of = _keys_in(sparse_indexes, catalog.view, digests, catalog.records)
        whole = _loaded_whole(catalog.directory, sparse_indexes, keys_of)
        found = {
            file: [(key, number) for key in keys if (number := sparse_indexes[file].record(key)) is not None]
            for file, keys in keys_of.items()
            if file not in {sparse_index.segment.file for sparse_index in whole}
        }
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

    def unsure(self, digests: Sequence[bytes]) -> frozenset[bytes]:
        """Return the digest keys of which a view may show an old row, as long as huge segments are not asked."""
        files, key_index = self._catalog.files, self._catalog.view.key_index
        sparse_indexes = dict(files.sparse_indexes)
        if not sparse_indexes:
            return frozenset()
        try:
            keys_of = _keys_in(
                sparse_indexes, self._catalog.view, digests, lambda segment: files.at_hand(segment).index.records
            )
        except NotAtHandError:
            return frozenset(digests)
        numbers = {segment.file: number for number, segment in enumerate(key_index.segments)}

        def is_sure(file: str, key: bytes) -> bool:
            record = sparse_indexes[file].record(key)
            return not range(*sparse_indexes[file].gap(key)) and (
                record is None or key_index.has(key, numbers[file], record)
            )

        return frozenset(key for file, keys in keys_of.items() for key in keys if not is_sure(file, key))

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


def _keys_in(
    sparse_indexes: Mapping[str, SparseIndex],
    view: View,
    digests: Sequence[bytes],
    records_of: Callable[[Segment], NDArray[Any]],
) -> dict[str, list[bytes]]:
    """Return by file the digest keys that have to be looked for in the segments that are loaded in part.

    Args:
        sparse_indexes: The segments by file.
        view: What lookups know so far.
        digests: 32 bytes per key.
        records_of: Returns the index records of a segment.

    Raises:
        Exception: What `records_of` raises.
    """
    stamps = _known_stamps(view, digests, records_of)
    # An entry that is newer than a whole segment is right, whatever is in the segment.
    return {
        segment.file: [digests[i] for i in np.flatnonzero(stamps <= segment.name.stamp).tolist()]
        for segment in view.key_index.segments
        if segment.file in sparse_indexes
    }


def _loaded_whole(
    directory: Directory, sparse_indexes: Mapping[str, SparseIndex], keys_of: Mapping[str, Sequence[bytes]]
) -> list[SparseIndex]:
    """Load what is needed to find digest keys; return the segments of which the whole index must be loaded instead.

    Raises:
        FileNotFoundError: A segment is gone.
        Exception: Any other fault of the place.
    """
    few: list[tuple[SparseIndex, list[bytes]]] = []
    many: list[SparseIndex] = []
    for file, keys in keys_of.items():
        sparse_index = sparse_indexes[file]
        unknown = [key for key in keys if range(*sparse_index.gap(key))]
        if len(unknown) > FEW_KEYS:
            many.append(sparse_index)
        elif unknown:
            few.append((sparse_index, unknown))
    return many + load_windows(directory, few)


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
