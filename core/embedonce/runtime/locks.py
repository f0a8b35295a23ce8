"""A lock that a forked child may take, whatever held it in the parent."""

from __future__ import annotations

from _thread import RLock

from embedonce.runtime.forking import renewed_in_child


class ForkLock(RLock):  # type: ignore[misc]
    """A re-entrant lock that is free again in a forked child: the thread that held it does not exist there.

    It is a lock rather than an object with a lock inside, so that `with` takes and frees it in one step each: a
    Ctrl-C between two steps would leave it locked for ever.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        _LOCKS.add(self)

    def __reduce__(self) -> tuple[type[ForkLock], tuple[()]]:
        # A copy guards a copy: it is another lock, and free.
        return ForkLock, ()


def _free(lock: ForkLock) -> None:
    lock._at_fork_reinit()  # type: ignore[attr-defined]


# Registered before every handler that takes a lock: the modules of those import this one.
_LOCKS = renewed_in_child(_free)
