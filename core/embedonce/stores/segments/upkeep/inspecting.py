"""Looking at a namespace without changing it: what it takes, and whether its bytes are what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.stores.drivers.faults import UnreadableFilesError
from embedonce.stores.segments.format.layout import DamagedSegmentError
from embedonce.stores.segments.format.names import SegmentName
from embedonce.stores.segments.reading.verifying import bad_rows
from embedonce.stores.segments.upkeep.reports import Usage, Verification

if TYPE_CHECKING:
    from embedonce.stores.segments.upkeep.round import MaintenanceRound


def usage(maintenance: MaintenanceRound) -> Usage:
    """Return what a namespace takes; reads no rows.

    Raises:
        OSError: A fault of the place.
    """
    listing = maintenance.look()
    liveness = maintenance.liveness(listing)
    is_row = ~liveness.tombstone
    live = is_row & ~liveness.dead & ~liveness.copy
    oldest = [
        int(maintenance.catalog.records(segment)["stamp"].min())
        for segment in listing.segments
        if not segment.is_tombstone
    ]
    return Usage(
        maintenance.namespace,
        rows_live=int(live.sum()),
        rows_dead=int((is_row & ~live).sum()),
        segments=len(listing.segments),
        bytes=sum(size for file, size in listing.listed.items() if SegmentName.parse(file) is not None),
        oldest=min(oldest, default=None),
        newest=max((segment.name.stamp for segment in listing.segments if not segment.is_tombstone), default=None),
    )


def verify(maintenance: MaintenanceRound) -> Verification:
    """Read all segments again, replaced ones too, and compare every checksum.

    Raises:
        OSError: A fault of the place.
    """
    segments = rows = damaged_rows = 0
    damaged: list[str] = []
    for file, size in sorted(maintenance.look().listed.items()):
        name = SegmentName.parse(file)
        if name is None:
            continue
        try:
            if size != name.size:
                msg = f"{size} bytes instead of {name.size}"
                raise DamagedSegmentError(msg)
            bad = bad_rows(maintenance.catalog.directory, name, file)
        except FileNotFoundError:
            # It was merged away after the listing.
            continue
        except (DamagedSegmentError, UnreadableFilesError):
            bad = 0
            damaged.append(file)
        else:
            rows += name.rows
            damaged_rows += bad
            if bad:
                damaged.append(file)
        segments += 1
    return Verification(maintenance.namespace, segments, rows, damaged_rows, tuple(damaged))
