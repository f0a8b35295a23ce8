"""How many texts a request of an embedder holds, and how many to embed between two writes to the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUESTS_BETWEEN_WRITES = 8
"""How many requests, one after the other, are paid for before their vectors are stored: a failure costs no more."""

TEXTS_BETWEEN_WRITES = 1024
"""How many texts are embedded between two writes at most, unless one request holds more."""


@dataclass(frozen=True, slots=True)
class Requests:
    """How the texts of a call are sent to a provider.

    Attributes:
        size: Texts in one request at most.
        at_once: Requests that are in flight at once in a synchronous call.
        at_once_async: The same in an async call; None for all of the call.
        characters: About how many characters one request holds, None if only the number of texts counts.
        is_divisible: True if an async call sends the same requests as calls of one request each that are made at once,
            and fails if one of its requests does; see `divides`.
    """

    size: int
    at_once: int = 1
    at_once_async: int | None = 1
    characters: int | None = None
    is_divisible: bool = False

    def between_writes(self, texts: Sequence[str] = (), *, is_async: bool = False) -> int:
        """Return how many texts to embed between two writes.

        That is a multiple of the request size, so that no request gets smaller, unless texts are so long that one
        request does not hold that many of them.

        Args:
            texts: All texts of the call, whose length may decide how many a request holds.
            is_async: True if they are embedded by an async method.
        """
        at_once = self.at_once_async if is_async else self.at_once
        held = self.size
        if self.characters is not None and texts:
            held = min(held, max(1, self.characters * len(texts) // max(1, sum(map(len, texts)))))
        most = TEXTS_BETWEEN_WRITES if at_once is None else REQUESTS_BETWEEN_WRITES * at_once * held
        if held < self.size and most < self.size:
            return most
        return max(self.size, self.size * (min(most, TEXTS_BETWEEN_WRITES) // self.size))

    def divides(self, texts: int, *, is_split: bool = False) -> bool:
        """Tell whether an async call for a number of texts is made as calls of one request each.

        So a request that fails costs no other. A call of no more than eight requests costs little as it is, unless its
        texts are sent again in halves, which `is_split` says.
        """
        return self.is_divisible and texts > self.size * (1 if is_split else REQUESTS_BETWEEN_WRITES)


def request_size(value: Any, default: int) -> int:
    """Return a setting if it can be the size of a request, else the default."""
    return value if type(value) is int and value > 0 else default
