"""Where a cache is stored: paths, URLs and file systems, as users of every framework write them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from embedonce.errors import StoreError
from embedonce.options import checked_storage_options
from embedonce.stores.drivers.faults import store_error
from embedonce.stores.drivers.urls import is_url, local_path, scheme_of_incomplete
from embedonce.stores.locations.remote_location import RemoteLocation
from embedonce.stores.places.directory import is_namespace_directory
from embedonce.stores.places.local import LocalDirectory, check_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.stores.places.directory import Directory

STORE_VARIABLE = "EMBEDONCE_STORE"


class UnknownOptionError(StoreError, ValueError):
    """A local path has no such option."""


class Location(Protocol):
    """The root of a store: picklable, and without secrets in its `str`."""

    @property
    def is_local(self) -> bool:
        """True if reading a few rows takes microseconds."""

    @property
    def is_near(self) -> bool:
        """True if a request costs almost nothing, so that frequent looks and immediate writes are right."""

    def __str__(self) -> str:
        """The path or URL, for messages."""

    def check(self, *, create: bool) -> None:
        """Make sure that the root is a cache or can become one.

        Args:
            create: False to leave a root that does not exist as it is; it is an empty cache.

        Raises:
            StoreError: The root is neither.
        """

    def open(self, directory: str, *, create: bool) -> Directory:
        """Return one directory below the root; see `check`.

        Raises:
            StoreError: The root cannot hold a cache.
        """

    def directories(self) -> list[str]:
        """Return the names of the directories below the root that hold one namespace each.

        Raises:
            StoreError: The root cannot be listed; one that does not exist is empty.
        """

    def error(self, error: BaseException, action: str) -> StoreError:
        """Return the error for callers: what happened, where, and the remedy, without secrets.

        Args:
            error: What the place raised.
            action: What was tried, such as `read`.
        """


@dataclass(frozen=True)
class LocalLocation:
    """A directory of this machine.

    Attributes:
        path: The root.
        private: True to create it for this user alone. This is so for the default cache directory, since vectors
            can partly be turned back into text.
        options: `fsync`, `file_mode` and `dir_mode` of `LocalDirectory`.

    Raises:
        ValueError: An option is not what `LocalDirectory` takes.
    """

    path: Path
    private: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    is_local = True
    is_near = True

    def __post_init__(self) -> None:
        check_options(**self.options)

    def __str__(self) -> str:
        return str(self.path)

    def open(self, directory: str, *, create: bool) -> LocalDirectory:
        """Return one directory below the root."""
        self.check(create=create)
        return LocalDirectory(self.path / directory, **self.options)

    def directories(self) -> list[str]:
        """Return the names of the directories below the root that hold one namespace each."""
        try:
            with os.scandir(self.path) as entries:
                return sorted(entry.name for entry in entries if is_namespace_directory(entry.name) and entry.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self.error(error, "list") from error

    def error(self, error: BaseException, action: str) -> StoreError:
        """Return the error for callers."""
        return store_error(error, action, f"the store at {self}")

    def check(self, *, create: bool) -> None:
        """Make sure that the root is a cache or can become one.

        Raises:
            StoreError: It is a file, a directory with other contents, or cannot be created or read.
        """
        try:
            if create:
                mode = 0o700 if self.private else self.options.get("dir_mode", 0o777)
                self.path.mkdir(mode, parents=True, exist_ok=True)
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError as error:
            if not create:
                return
            msg = f"cannot create {self.path}: {error.strerror}; give a directory that you may write"
            raise StoreError(msg) from error
        except (FileExistsError, NotADirectoryError) as error:
            msg = f"{self.path} is not a directory, so it cannot be a cache; give the path of a directory"
            raise StoreError(msg) from error
        except OSError as error:
            msg = f"cannot use {self.path} as a cache: {error.strerror or error}; give a directory that you may write"
            raise StoreError(msg) from error
        if names and not any(is_namespace_directory(name) for name in names):
            shown = ", ".join(sorted(names)[:3])
            msg = (
                f"{self.path} holds other things ({shown}) and is not a cache of embedonce; give an empty or new "
                "directory (a LangChain LocalFileStore is opened by passing the LocalFileStore itself)"
            )
            raise StoreError(msg)


def default_path() -> Path:
    """The user's cache directory for embedonce."""
    from platformdirs import user_cache_path

    return user_cache_path("embedonce")


def as_location(store: object, storage_options: Mapping[str, Any] | None = None) -> Location:
    """Return the location that a user named.

    Args:
        store: None (`$EMBEDONCE_STORE`, else the user's cache directory), a path, a URL, a `UPath`, or an
            (fs, path) pair.
        storage_options: Options of the file system behind a URL, or of `LocalDirectory` for a path.

    Raises:
        StoreError: It is not one of these, or no driver is installed for the URL.
        ValueError: The options are not a mapping, or one for a path is not what `LocalDirectory` takes.
    """
    options = checked_storage_options(storage_options)
    if store is None:
        named = os.environ.get(STORE_VARIABLE, "")
        if not named:
            return _local(default_path(), options, private=True)
        store = named
    if isinstance(store, tuple | list) and len(store) == 2:
        if not isinstance(store[1], str | os.PathLike):
            msg = f"the path in an (fs, path) pair must be a str, got {type(store[1]).__name__}"
            raise StoreError(msg)
        return _on_file_system(store[0], str(store[1]), options)
    if hasattr(store, "fs") and hasattr(store, "path") and hasattr(store, "protocol"):
        return _on_file_system(store.fs, str(store.path), options)
    if not isinstance(store, str | os.PathLike):
        msg = (
            f"a store must be a path, a URL, an (fs, path) pair, a byte store or an EmbeddingCache, "
            f"got {type(store).__name__}"
        )
        raise StoreError(msg)
    path = os.fspath(store)
    if not isinstance(path, str):
        path = os.fsdecode(path)
    if not path.strip():
        msg = "the path of a store is empty; give a directory, a URL, or None for the default"
        raise StoreError(msg)
    if "\0" in path:
        msg = f"the path of a store contains a NUL character: {path!r}"
        raise StoreError(msg)
    if (local := local_path(path)) is not None:
        path = local
    elif is_url(path):
        return RemoteLocation(path, options)
    elif (scheme := scheme_of_incomplete(path)) is not None:
        msg = f"{path!r} is neither a path nor a URL; write {scheme}:// for a URL, or ./{path} for a directory"
        raise StoreError(msg)
    return _local(Path(path), options)


def _local(path: Path, options: Mapping[str, Any], *, private: bool = False) -> LocalLocation:
    unknown = options.keys() - {"fsync", "file_mode", "dir_mode"}
    if unknown:
        msg = (
            f"unknown storage_options for a local path: {', '.join(sorted(map(str, unknown)))}; "
            "known: fsync, file_mode, dir_mode"
        )
        raise UnknownOptionError(msg)
    try:
        return LocalLocation(Path(os.path.abspath(path.expanduser())), private, options)
    except RuntimeError as error:
        msg = f"cannot find the home directory in {str(path)!r}: {error}; give an absolute path"
        raise StoreError(msg) from error


def _on_file_system(fs: Any, path: str, options: Mapping[str, Any]) -> Location:
    protocols = [fs.protocol] if isinstance(getattr(fs, "protocol", None), str) else list(getattr(fs, "protocol", ()))
    if not protocols or not hasattr(fs, "storage_options"):
        msg = f"an (fs, path) pair must start with an fsspec file system, got {type(fs).__name__}"
        raise StoreError(msg)
    if "file" in protocols or "local" in protocols:
        return _local(Path(fs._strip_protocol(path)), options)
    if options:
        msg = f"storage_options beside an instance of {type(fs).__name__} have no effect; give them to the instance"
        raise StoreError(msg)
    if getattr(fs, "asynchronous", False):
        msg = (
            f"this {type(fs).__name__} is for use inside an event loop (asynchronous=True), and a cache is used "
            "from any thread; make it without asynchronous=True, or give the URL"
        )
        raise StoreError(msg)
    path = str(fs._strip_protocol(path))
    return RemoteLocation(f"{protocols[0]}://{path.lstrip('/')}", file_system=(fs, path))
