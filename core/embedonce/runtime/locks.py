"""A lock that a forked child may take, whoever held it in the parent."""

from __future__ import annotations

import os
import weakref
from _thread import RLock


class ForkLock(RLock):  # type: ignore[misc]
    """A re-entrant lock that is free again in a forked child: the thread that held it does not exist there.

    A lock itself rather than an object around one, so that `with` takes and frees it in one step each: a Ctrl-C in
    between would leave it locked for ever.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        _ALL.add(self)

    def __reduce__(self) -> tuple[type[ForkLock], tuple[()]]:
        # A copy guards a copy: it is another lock, and free.
        return ForkLock, ()


_ALL: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _renew() -> None:
    for lock in list(_ALL):
        lock._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
