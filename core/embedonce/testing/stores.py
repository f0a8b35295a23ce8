"""A byte store that misbehaves on request, for tests of what happens then."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, get_args

from embedonce.runtime.locks import ForkLock
from embedonce.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embedonce.stores.protocol import ByteStore

    # Given the call that would answer, returns an answer.
    Act = Callable[[Callable[[], Any]], Any]

Verb = Literal["mget", "mset", "mdelete", "yield_keys"]
_VERBS: tuple[str, ...] = get_args(Verb)

_LIMIT = 60.0
"""Seconds that a call is held: a test that forgets to let it go fails instead of hanging."""


def torn(value: bytes) -> bytes:
    """Return the first half of a value, as a write that was cut short leaves it."""
    return value[: len(value) // 2]


def flipped(value: bytes) -> bytes:
    """Return a value with the lowest bit of its last byte changed, as a bad disk or network does."""
    return value[:-1] + bytes([value[-1] ^ 1]) if value else value


@dataclass(slots=True)
class _Fault:
    """What is done to calls of some verbs: the next `left` ones, all of them if that is None."""

    verbs: tuple[str, ...]
    act: Act
    left: int | None

    def hits(self, verb: str) -> bool:
        """True if this call is one of them; counts it."""
        if verb not in self.verbs or self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultyStore:
    """A byte store in front of another one, which passes every call on until a fault is set.

    Faults add up until `heal`: a call meets every fault for its method, the latest first. It may be used by any number
    of threads. It has no async methods, so that a cache calls these in a thread.

    Args:
        store: The byte store behind it; a new `MemoryStore` by default.
    """

    def __init__(self, store: ByteStore | None = None) -> None:
        self.store: ByteStore = MemoryStore() if store is None else store
        self._faults: list[_Fault] = []
        self._calls: Counter[str] = Counter()
        self._lock = ForkLock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.store!r})"

    @property
    def calls(self) -> dict[str, int]:
        """How often each method was called, failed and held calls included."""
        with self._lock:
            return {verb: self._calls[verb] for verb in _VERBS}

    def fail(self, *verbs: Verb, error: Callable[[str], Exception] = ConnectionError, times: int | None = None) -> None:
        """Raise an error instead of doing anything.

        Args:
            verbs: Which methods fail; all of them if none is named.
            error: Given a message, returns what is raised: a class of exceptions.
            times: How many calls fail; None for all.

        Raises:
            ValueError: There is no such method, or `times` is not a whole number of at least 1.
        """

        def fail(_call: Callable[[], Any]) -> Any:
            msg = f"{type(self).__name__} fails as requested"
            raise error(msg)

        self._add(verbs or _VERBS, fail, times)

    def lose_writes(self, *, times: int | None = None) -> None:
        """Report success for writes, and store nothing; see `fail` for `times`."""
        self._add(("mset",), lambda _call: None, times)

    def falsify(self, change: Callable[[bytes], Any], *, times: int | None = None) -> None:
        """Change what is read.

        Args:
            change: Given a value, returns what is read instead, for instance `torn` or `flipped`.
            times: How many calls of `mget` are changed; None for all.
        """

        def falsify(call: Callable[[], Any]) -> Any:
            return [None if value is None else change(value) for value in call()]

        self._add(("mget",), falsify, times)

    def miscount(self, by: int = -1, *, times: int | None = None) -> None:
        """Answer `mget` with too few values, or too many.

        Args:
            by: How many values are added at the end, or are missing there if it is negative.
            times: How many calls of `mget` are answered so; None for all.

        Raises:
            ValueError: `by` is zero, or `times` is not a whole number of at least 1.
        """
        if not by:
            msg = "by must be a number of values that are missing (negative) or added (positive), got 0"
            raise ValueError(msg)

        def miscount(call: Callable[[], Any]) -> Any:
            values = call()
            return values[:by] if by < 0 else [*values, *[None] * by]

        self._add(("mget",), miscount, times)

    def hold(self, *verbs: Verb, until: Event, times: int | None = None) -> Event:
        """Let calls wait for an event before they do anything; after a minute they raise `TimeoutError`.

        Args:
            verbs: Which methods wait; all of them if none is named.
            until: What they wait for.
            times: How many calls wait; None for all.

        Returns:
            Set when the first of them has begun to wait.
        """
        waiting = Event()

        def hold(call: Callable[[], Any]) -> Any:
            waiting.set()
            if not until.wait(_LIMIT):
                msg = f"{type(self).__name__} holds a call as requested, and the event that it waits for was not set"
                raise TimeoutError(msg)
            return call()

        self._add(verbs or _VERBS, hold, times)
        return waiting

    def heal(self) -> None:
        """Remove all faults; calls that are held still wait."""
        with self._lock:
            self._faults.clear()

    def mget(self, keys: Sequence[str]) -> Any:
        """Return the values of the keys, unless a fault is set."""
        return self._ask("mget", lambda: self.store.mget(keys))

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Store the values, unless a fault is set."""
        self._ask("mset", lambda: self.store.mset(key_value_pairs))

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete the keys, unless a fault is set."""
        self._ask("mdelete", lambda: self.store.mdelete(keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that start with the prefix; counted and failed when the first one is asked for."""
        yield from self._ask("yield_keys", lambda: self.store.yield_keys(prefix=prefix))

    def _add(self, verbs: tuple[str, ...], act: Act, times: int | None) -> None:
        unknown = [verb for verb in verbs if verb not in _VERBS]
        if unknown:
            msg = f"a byte store has no method {unknown[0]!r}; name some of {', '.join(_VERBS)}"
            raise ValueError(msg)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            msg = f"times must be a whole number of at least 1, or None for all calls; got {times!r}"
            raise ValueError(msg)
        with self._lock:
            self._faults.append(_Fault(verbs, act, times))

    def _ask(self, verb: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self._calls[verb] += 1
            acts = [fault.act for fault in self._faults if fault.hits(verb)]
        for act in acts:
            call = partial(act, call)
        return call()
