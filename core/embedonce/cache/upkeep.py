"""What upkeep needs of a cache: the keys of texts, and the segment stores of namespaces."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedonce.keys.specification import ROLES
from embedonce.namespaces.protocol import read_only_error
from embedonce.namespaces.segments import SegmentNamespace
from embedonce.options import checked_choice, checked_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from embedonce.identity import Identity
    from embedonce.keys.specification import Key, Role
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.options import Mode
    from embedonce.stores.segments.store import SegmentStore

    SegmentStores = AbstractContextManager[list[SegmentStore]]

_CHANGING = ("read_write", "refresh")


def check_writable(store: Namespaces, mode: Mode) -> None:
    """Refuse to change anything in a mode that writes nothing, whatever kind of store it is.

    Raises:
        StoreError: The mode is such a one.
    """
    if mode not in _CHANGING:
        raise read_only_error(str(store), f" (mode={mode!r})")


def keys_of(namespace: Namespace, identity: Identity, texts: Iterable[str], role: Role | None) -> list[Key]:
    """Return the keys of texts in a namespace.

    Args:
        namespace: The namespace.
        identity: Of its vectors.
        texts: The texts; those that have no key are left out.
        role: `document` or `query`, None for both.

    Raises:
        TypeError: The texts are one string, or not all are str.
        ValueError: The role is not one of these.
    """
    if role is not None:
        checked_choice("role", role, ROLES)
    wanted = list(dict.fromkeys(checked_texts(texts)))
    roles = ("document",) if identity.symmetric else ROLES if role is None else (role,)
    return [key for each in roles for key in namespace.keys(each, wanted) if key is not None]


@contextmanager
def segment_stores(
    store: Namespaces, name: str | None, opened: Sequence[Namespace], mode: Mode, *, changes: bool
) -> Iterator[list[SegmentStore]]:
    """Give the segment stores of one namespace or of all; those that are not open yet are closed in the end.

    Raises:
        StoreError: The store cannot be read, does not keep vectors in segments, or must not be changed in this mode.
    """
    if changes:
        check_writable(store, mode)
    open_already = [each.store for each in opened if isinstance(each, SegmentNamespace)]
    stores = store.segment_stores(name, open_already, read_only=mode not in _CHANGING)
    try:
        yield stores
    finally:
        for each in stores:
            if each not in open_already:
                each.close()
