"""Listing a directory or prefix of an fsspec file system so that an outage never looks like an empty place."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from embedonce.stores.drivers.drivers import driver_of_instance
from embedonce.stores.drivers.faults import fault_of
from embedonce.stores.drivers.retrying import patiently

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# The directory of a namespace cannot have this name.
_NOWHERE = "embedonce-probe/"


class MissingPlaceError(OSError):
    """The bucket or container does not exist.

    Not a `FileNotFoundError`: that means a file that was merged away, while this is an outage.
    """


def beneath_cache(fs: AbstractFileSystem) -> AbstractFileSystem:
    """Return the file system beneath `simplecache::` and similar wrappers.

    The wrappers keep whole files on local disk, which is good for reading. But they write through temporary files, and
    pass everything else to the file system beneath anyway.
    """
    from fsspec.implementations.cached import CachingFileSystem

    while isinstance(fs, CachingFileSystem):
        fs = fs.fs
    return fs


def files_in(fs: AbstractFileSystem, path: str) -> dict[str, int]:
    """Return the sizes of the files right below a path: one request on S3, also if there are none.

    Raises:
        MissingPlaceError: The bucket or container does not exist.
        Exception: Any other error of the driver.
    """
    fs = beneath_cache(fs)
    parent, _, name = path.rpartition("/")
    found = _find(fs, parent, f"{name}/") if parent and _finds_by_prefix(fs) else _ls(fs, path)
    return {
        base: int(info.get("size") or 0)
        for full, info in found.items()
        # Some drivers also return paths that only begin with the same characters.
        for above, _, base in (full.rpartition("/"),)
        if info.get("type") != "directory" and above.rpartition("/")[2] == name
    }


def directories_in(fs: AbstractFileSystem, path: str) -> list[str]:
    """Return the names of the directories right below a path.

    Raises:
        MissingPlaceError: The bucket or container does not exist.
        Exception: Any other error of the driver.
    """
    fs = beneath_cache(fs)
    found = _ls(fs, path)
    if not found and _finds_by_prefix(fs):
        _find(fs, path, _NOWHERE)
    return [full.rpartition("/")[2] for full, info in found.items() if info.get("type") == "directory"]


def _finds_by_prefix(fs: AbstractFileSystem) -> bool:
    driver = driver_of_instance(fs)
    return driver is not None and driver.finds_by_prefix


def _find(fs: AbstractFileSystem, path: str, prefix: str) -> dict[str, dict[str, Any]]:
    """List by a prefix, which always asks the service, whatever the driver has cached, and never walks.

    A `find` that walks, such as the one of fsspec itself, treats a directory that cannot be listed as an empty one.
    """
    try:
        found: dict[str, dict[str, Any]] = patiently(lambda: fs.find(path, prefix=prefix, detail=True))
    except FileNotFoundError as error:
        raise MissingPlaceError(*error.args) from error
    return found


def _ls(fs: AbstractFileSystem, path: str) -> dict[str, dict[str, Any]]:
    # The listings that a driver caches never expire: they would hide what other processes write.
    with suppress(KeyError):
        fs.invalidate_cache(path)
    try:
        entries = patiently(lambda: fs.ls(path, detail=True))
    except FileNotFoundError as error:
        if fault_of(error) == "missing":
            raise MissingPlaceError(*error.args) from error
        return {}
    return {str(info["name"]).rstrip("/"): info for info in entries}
