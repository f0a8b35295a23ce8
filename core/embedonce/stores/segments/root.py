"""Maintenance of whole stores: which namespaces they have, and eviction from all of them together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedonce.errors import FormatError, StoreError
from embedonce.options import STORE_DEFAULTS, StoreOptions, checked_age, checked_bytes, checked_flag, moment_before
from embedonce.stores.places.directory import read_whole
from embedonce.stores.segments.format.namespace_directory import SPACE_FILE, DamagedNamespaceError, NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.stores.segments.upkeep.erasing import bytes_to_free

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from embedonce.stores.locations.location import Location
    from embedonce.stores.segments.upkeep.reports import Report


@dataclass(frozen=True)
class Namespaces:
    """The namespaces below one root.

    Attributes:
        stores: Those that can be opened.
        unreadable: Directories that cannot be opened, and why; they are not touched. If a `space.json` is damaged,
            the next write to its namespace repairs it.
    """

    stores: list[SegmentStore] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def namespaces_at(
    location: Location,
    namespace: str | None = None,
    *,
    opened: Sequence[SegmentStore] = (),
    read_only: bool = False,
    options: StoreOptions = STORE_DEFAULTS,
) -> Namespaces:
    """Open the namespaces of a store, with any key encoders.

    Args:
        location: The root.
        namespace: None for all of them.
        opened: Stores of namespaces that are open already, which are used as they are.
        read_only: True to change nothing, not even to complete what killed processes have left.
        options: Options for a distant place.

    Raises:
        StoreError: The root cannot be read.
    """
    location.check(create=False)
    found = Namespaces()
    known = {store.namespace_directory.name: store for store in opened}
    for name in location.directories():
        if namespace is not None and name != NamespaceDirectory.of(namespace).name:
            continue
        if name in known:
            found.stores.append(known[name])
            continue
        try:
            namespace_directory = _directory_in(location, name)
        except FileNotFoundError:
            # Not a directory of embedonce, or it is being deleted.
            continue
        except (DamagedNamespaceError, FormatError) as error:
            found.unreadable[name] = str(error)
            continue
        except StoreError:
            raise
        except Exception as error:
            raise location.error(error, "read") from error
        found.stores.append(SegmentStore(location, namespace_directory, read_only=read_only, options=options))
    return found


def _directory_in(location: Location, name: str) -> NamespaceDirectory:
    """Return what a directory holds.

    Raises:
        FileNotFoundError: There is no `space.json`.
        DamagedNamespaceError: The `space.json` is damaged, or belongs to another directory.
        FormatError: It is of another format.
    """
    directory = location.open(name, create=False)
    listed = directory.listing()
    if SPACE_FILE not in listed:
        raise FileNotFoundError(SPACE_FILE)
    namespace_directory = NamespaceDirectory.from_bytes(
        read_whole(directory, SPACE_FILE, listed[SPACE_FILE]), f"{directory}/{SPACE_FILE}"
    )
    if namespace_directory.name != name:
        msg = f"its namespace {namespace_directory.namespace!r} belongs in {namespace_directory.name}"
        raise DamagedNamespaceError(msg)
    return namespace_directory


def evict(
    stores: Sequence[SegmentStore],
    *,
    max_bytes: int | None = None,
    older_than: float | timedelta | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> list[Report]:
    """Evict from several namespaces: the oldest segments of all of them go first.

    Args:
        stores: The namespaces.
        max_bytes: Most bytes of all their segments in use. If the last segment that goes has more than 1 MiB, it is
            rewritten with as many of its newest rows as there is room for.
        older_than: Rows that were written longer ago, in seconds, are deleted.
        dry_run: True to change nothing.
        now: The time from which ages are counted, in seconds since 1970; None for the time of this call.

    Raises:
        ValueError: A limit is not a number, or negative.
        StoreError: A store cannot be read or written.
    """
    age = checked_age(older_than)
    checked_bytes(max_bytes)
    checked_flag("dry_run", dry_run)
    now = time.time() if now is None else now
    before_us = moment_before(age, now)
    if max_bytes is None:
        return [store.evict(older_than=age, dry_run=dry_run, now=now) for store in stores]
    shares: list[int] = []
    segments: list[tuple[int, int, int]] = []
    for number, store in enumerate(stores):
        by_age, others = store.ages()
        kept = [(stamp, number, size) for stamp, size in by_age if stamp >= before_us]
        segments += kept
        shares.append(others + sum(size for *_, size in kept))
    # Stable, so that each store, which sorts its own segments, deletes the same ones.
    segments.sort(key=lambda segment: segment[0])
    sizes = [size for *_, size in segments]
    for (_, number, _), freed in zip(segments, bytes_to_free(sizes, sum(shares) - max_bytes), strict=True):
        shares[number] -= freed
    return [
        store.evict(max_bytes=share, older_than=age, dry_run=dry_run, now=now)
        for store, share in zip(stores, shares, strict=True)
    ]
