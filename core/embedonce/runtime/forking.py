"""What a forked child does before anything else: the threads of its parent do not exist in it."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def in_child(function: Callable[[], object]) -> None:
    """Have a function called in every forked child, in the order of registration."""
    # Windows does not fork.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def renewed_in_child(renew: Callable[[T], object]) -> weakref.WeakSet[T]:
    """Return an empty set of objects; `renew` is called in every forked child with each of them that is alive then."""
    alive: weakref.WeakSet[T] = weakref.WeakSet()

    def renew_all() -> None:
        for each in list(alive):
            renew(each)

    in_child(renew_all)
    return alive
