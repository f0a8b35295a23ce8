"""The store that a user means: a path or URL, a byte store, or namespaces that are ready."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from embedonce.errors import StoreError
from embedonce.namespaces.foreign.byte_stores import ByteStoreNamespaces
from embedonce.namespaces.foreign.schemes import SchemeStoreNamespaces, scheme_store
from embedonce.namespaces.protocol import Namespaces
from embedonce.namespaces.segments import SegmentNamespaces
from embedonce.options import STORE_DEFAULTS
from embedonce.stores.locations.location import STORE_VARIABLE, as_location
from embedonce.stores.protocol import is_byte_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.options import StoreOptions


def store_of(
    store: object,
    storage_options: Mapping[str, Any] | None = None,
    *,
    options: StoreOptions = STORE_DEFAULTS,
    text_safe: bool = False,
    create: bool = True,
) -> Namespaces:
    """Return the store that a user named: anything that `as_location` takes, a byte store, or namespaces.

    Args:
        store: What the user named.
        storage_options: Options of the file system behind it.
        options: How to treat a distant place; they mean nothing to a byte store.
        text_safe: True to write base64 into a byte store.
        create: False to leave a directory that does not exist as it is.

    Raises:
        StoreError: It is something else, or storage options are given for something that does not take any.
    """
    given = ", ".join(options.changed)
    if is_byte_store(store) or isinstance(store, Namespaces):
        kind = type(store).__name__
        if storage_options:
            msg = f"storage_options: this belongs to a path or URL; give it to the {kind} itself"
            raise StoreError(msg)
        if given:
            msg = (
                f"{given}: such options are for paths and URLs, and mean nothing to a byte store ({kind}); "
                "leave them out"
                if is_byte_store(store)
                else f"{given}: such options are for paths and URLs, and mean nothing to a store that is "
                f"ready ({kind}); give them where it is made"
            )
            raise StoreError(msg)
    if isinstance(store, Namespaces):
        return store
    if is_byte_store(store):
        return ByteStoreNamespaces(store, text_safe=text_safe)
    named = os.environ.get(STORE_VARIABLE, "") if store is None else store
    if scheme := scheme_store(named):
        if given:
            msg = f"{given}: such options mean nothing to the byte store behind {scheme}://; leave them out"
            raise StoreError(msg)
        return SchemeStoreNamespaces(cast("str", named), storage_options, text_safe=text_safe)
    return SegmentNamespaces(as_location(store, storage_options), options, create=create)
