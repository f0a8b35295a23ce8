"""What a user may say when making a cache or wrapping an embedder, and where it is kept."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from embedonce.byte_store_namespaces import ByteStoreNamespaces
from embedonce.errors import StoreError
from embedonce.identity import Identity, as_identity
from embedonce.keys import ROLES
from embedonce.namespaces import Namespaces
from embedonce.scheme_stores import SchemeStoreNamespaces, scheme_store
from embedonce.segment_namespaces import SegmentNamespaces
from embedonce.stores.locations import STORE_VARIABLE, as_location
from embedonce.stores.store_options import StoreOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embedonce.stores.base import ByteStore

Mode = Literal["read_write", "read_only", "refresh", "replay", "off"]
MODES: tuple[str, ...] = get_args(Mode)

Auto = Literal["auto"]

_DEFAULTS = StoreOptions()


def checked_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Return the value of an option that has a few names.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        msg = f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}"
        raise ValueError(msg)
    return value


def checked_batch_size(batch_size: Any) -> Any:
    """Return a batch size: a positive number, None or `"auto"`.

    Raises:
        ValueError: It is something else.
    """
    if batch_size in (None, "auto"):
        return batch_size
    if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__") or operator.index(batch_size) < 1:
        msg = f"batch_size must be a whole number of at least 1, or None for all texts at once; got {batch_size!r}"
        raise ValueError(msg)
    return operator.index(batch_size)


def checked_target(namespace: str | Identity, role: str) -> tuple[Identity, str]:
    """Return the identity and the role under which vectors are kept."""
    checked_choice("role", role, ROLES)
    identity = as_identity(namespace)
    return identity, "document" if identity.symmetric else role


def store_of(
    store: object,
    storage_options: Mapping[str, Any] | None = None,
    *,
    options: StoreOptions = _DEFAULTS,
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
        StoreError: It is none of these, or storage options are given for something that takes none.
    """
    is_byte_store = not isinstance(store, type) and all(hasattr(store, verb) for verb in ("mget", "mset"))
    said = [name for name, value in vars(options).items() if value != getattr(_DEFAULTS, name)]
    if is_byte_store or isinstance(store, Namespaces):
        kind = type(store).__name__
        if storage_options:
            msg = f"storage_options: this belongs to a path or URL; give it to the {kind} itself"
            raise StoreError(msg)
        if said:
            msg = (
                f"{', '.join(said)}: such options are for paths and URLs, and mean nothing to a byte store ({kind}); "
                "leave them out"
                if is_byte_store
                else f"{', '.join(said)}: such options are for paths and URLs, and mean nothing to a store that is "
                f"ready ({kind}); give them where it is made"
            )
            raise StoreError(msg)
    if isinstance(store, Namespaces):
        return store
    if is_byte_store:
        return ByteStoreNamespaces(cast("ByteStore", store), text_safe=text_safe)
    named = os.environ.get(STORE_VARIABLE, "") if store is None else store
    if scheme := scheme_store(named):
        if said:
            msg = f"{', '.join(said)}: such options mean nothing to the byte store behind {scheme}://; leave them out"
            raise StoreError(msg)
        return SchemeStoreNamespaces(cast("str", named), storage_options, text_safe=text_safe)
    return SegmentNamespaces(as_location(store, storage_options), options, create=create)
