"""What upkeep needs of a cache: the keys of texts, and the segment stores of namespaces."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedonce.keys.specification import ROLES
from embedonce.namespaces.segments import SegmentNamespace
from embedonce.options import checked_choice, checked_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from embedonce.identity import Identity
    from embedonce.keys.specification import Key, Role
    from embedonce.namespaces.protocol import Namespace, Namespaces
    from embedonce.stores.segments.store import SegmentStore


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
    store: Namespaces, name: str | None, opened: Sequence[Namespace], *, read_only: bool
) -> Iterator[list[SegmentStore]]:
    """Give the segment stores of one namespace or of all; those that are not open yet are closed in the end.

    Raises:
        StoreError: The store cannot be read, or does not keep vectors in segments.
    """
    open_already = [each.store for each in opened if isinstance(each, SegmentNamespace)]
    stores = store.segment_stores(name, open_already, read_only=read_only)
    try:
        yield stores
    finally:
        for each in stores:
            if each not in open_already:
                each.close()
