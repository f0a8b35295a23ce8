"""LlamaIndex's way to name storage: a plain path beside a ready file system."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# One letter before a colon is a Windows drive. As a path, a URL has lost a slash.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]+)(://?|::)")


def place_of(
    store: object, persist_path: str | os.PathLike[str] | None, fs: AbstractFileSystem | None, *, name: str = "store"
) -> object:
    """Return what the core takes as a store.

    Args:
        store: What the core takes, or a plain path if there is an `fs`.
        persist_path: LlamaIndex's name for a path: plain, or a URL.
        fs: The file system of the path.
        name: What the caller calls its `store`.

    Returns:
        The store or the path unchanged, an (fs, path) pair if there is an `fs`, or None if nothing is given.

    Raises:
        ValueError: Two places are given, an `fs` has no path, or the path is a URL of another file system.
        TypeError: The `fs` is not a file system, or what is given with it is not a path.
    """
    if store is not None and persist_path is not None:
        msg = f"{name} and persist_path both name the place of the cache; give one of them"
        raise ValueError(msg)
    if persist_path is None:
        return store if fs is None else _on(fs, name, store)
    if not _is_path(persist_path) and not _knows_its_file_system(persist_path):
        msg = (
            f"persist_path must be a path or a URL, got {type(persist_path).__name__}; "
            f"caches, byte stores and (fs, path) pairs are given as {name}"
        )
        raise TypeError(msg)
    return persist_path if fs is None else _on(fs, "persist_path", persist_path)


def _is_path(place: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(place, str | os.PathLike) and not _knows_its_file_system(place)


def _knows_its_file_system(place: object) -> bool:
    """True for a `UPath`."""
    return all(hasattr(place, name) for name in ("fs", "path", "protocol"))


def _on(fs: AbstractFileSystem, name: str, given: object) -> tuple[AbstractFileSystem, str]:
    kind = type(fs).__name__
    protocols = getattr(fs, "protocol", ())
    protocols = [protocols] if isinstance(protocols, str) else list(protocols)
    if not protocols or not hasattr(fs, "_strip_protocol"):
        msg = f"fs must be an fsspec file system, got {kind}; make one with fsspec.filesystem(...), or give a URL"
        raise TypeError(msg)
    if given is None:
        msg = f"fs is a {kind}, but there is no path on it; give one, such as 'bucket/directory'"
        raise ValueError(msg)
    if not _is_path(given):
        msg = f"fs goes with a path, and {name} is a {type(given).__name__}, which knows its place; leave fs out"
        raise TypeError(msg)
    path = os.fsdecode(given)
    if not path.strip():
        msg = f"{name} is empty; give the path of a directory on the {kind}"
        raise ValueError(msg)
    found = _SCHEME.match(path)
    if found is None:
        return fs, path
    # No more of the URL than its scheme: there may be a password in it.
    if found[1] not in protocols or found[2] == "::":
        msg = (
            f"{name} is a URL of {found[1]!r}, and fs is a {kind} for {', '.join(map(repr, protocols))}; "
            "give the URL without fs, or a plain path on the fs"
        )
        raise ValueError(msg)
    if found[2] != "://" and found[1] not in ("file", "local"):
        msg = (
            f"{name} starts with {found[0]!r}, which is neither a path nor a URL; give a str such as 'bucket/directory'"
        )
        raise ValueError(msg)
    return fs, str(fs._strip_protocol(path))
