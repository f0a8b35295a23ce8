"""The stores that LangChain users hand over: what they are, whether two are one, and which cannot work."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, get_args

from embedonce import EmbeddingCache
from embedonce.stores import MemoryStore, SegmentStore, is_byte_store

if TYPE_CHECKING:
    from langchain_embedonce.legacy import LangChainKey

_FILE_KEY = re.compile(r"[a-zA-Z0-9_.\-/]*", re.ASCII)
_FILE_NAME_BYTES = 255


def cache_at(place: object, key_encoder: Any) -> EmbeddingCache:
    """Return the cache at a path or URL.

    Raises:
        StoreError: It is neither, or cannot be opened.
        KeyEncoderError: The key encoder is unknown, or not an encoder.
    """
    if isinstance(place, EmbeddingCache):
        return place
    # SHA-1 is the default only for the sake of caches that LangChain has written, which are not on paths.
    return EmbeddingCache(place, key_encoder="sha256" if key_encoder == "sha1" else key_encoder)


def is_same_place(one: object, other: object) -> bool:
    """True if two stores keep their values in one place, as far as can be seen from here."""
    if one is other:
        return one is not None
    if isinstance(one, SegmentStore) and isinstance(other, SegmentStore):
        return one.location == other.location and one.namespace_directory == other.namespace_directory
    # An encoder around a store, and the dictionary inside one.
    inner = getattr(one, "store", None)
    if inner is not None:
        return is_same_place(inner, getattr(other, "store", None))
    root = getattr(one, "root_path", None)
    return root is not None and os.path.realpath(root) == os.path.realpath(getattr(other, "root_path", ""))


def check_list_store(store: object) -> None:
    """Make sure that a store can hold lists under raw texts.

    Raises:
        TypeError: It cannot.
    """
    if not isinstance(store, str | os.PathLike) and is_byte_store(store) and not _keeps_bytes(store):
        return
    msg = (
        f"a store of embeddings must be a BaseStore[str, list[float]], got {type(store).__name__}; for a path, a URL "
        "or a ByteStore call CacheBackedEmbeddings.from_bytes_store or embedonce.wrap"
    )
    raise TypeError(msg)


def _keeps_bytes(store: object) -> bool:
    """True if the class of a store declares that its values are bytes."""
    return isinstance(store, MemoryStore | SegmentStore) or any(
        get_args(generic)[-1:] == (bytes,)
        for kind in type(store).__mro__
        for generic in vars(kind).get("__orig_bases__", ())
    )


def check_file_names(store: object, key: LangChainKey) -> None:
    """Make sure that a `LocalFileStore` takes keys with the namespace, which LangChain finds out at the first call.

    Raises:
        ValueError: It does not.
    """
    if not key.namespace or all(kind.__name__ != "LocalFileStore" for kind in type(store).__mro__):
        return
    if not _FILE_KEY.fullmatch(key.namespace):
        what = "holds characters other than letters, digits and _ . - /"
    elif max(len(part) for part in key("").split("/")) > _FILE_NAME_BYTES:
        what = f"makes file names longer than {_FILE_NAME_BYTES} bytes"
    else:
        return
    msg = (
        f"namespace={key.namespace!r} {what}, which LocalFileStore refuses; choose another one, or pass the path of a "
        "new directory instead of the store, which takes any namespace"
    )
    raise ValueError(msg)
