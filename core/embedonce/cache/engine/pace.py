"""How many texts are embedded between two writes."""

from __future__ import annotations

import sys

_FIRST = 16
_LEAST = 8
_MOST = 1024
_SECONDS = 1.0
_QUICK_SECONDS = 0.1
_GAIN = 1.25
"""By so much a batch of twice the size has to be faster per text."""


class Pace:
    """How many texts are embedded between two writes: as many as somebody has said.

    Args:
        size: Texts in a batch; None for all at once.

    Attributes:
        size: Texts in the next batch.
    """

    __slots__ = ("size",)

    def __init__(self, size: int | None) -> None:
        self.size = size or sys.maxsize

    def took(self, texts: int, seconds: float) -> None:
        """Learn from a batch that was embedded."""


class AdaptivePace(Pace):
    """Adapts to an embedder of which it is not known how many texts one of its requests holds, such as a function.

    What a failure, a quota or a crash can cost is what was embedded since the last write: about one second of the
    embedder's time. Batches start small. They double as long as that pays, as it does if all texts of a batch are in
    one request, and does not if an embedder sends its requests one by one. Batches that take no time worth counting
    grow slowly, to an eighth of all that was embedded: small ones cost them little.

    Example:
        A service that answers any request in 0.2 seconds is given 16, 32, 64, … 1024, 1024, … texts; one that takes
        0.05 seconds for each text is given 16, 32, and then 20 texts each time.
    """

    __slots__ = ("_embedded", "_is_growing", "_rate")

    def __init__(self) -> None:
        super().__init__(_FIRST)
        self._embedded = 0
        self._is_growing = True
        # Texts in a second, in the last batch.
        self._rate = 0.0

    def took(self, texts: int, seconds: float) -> None:
        """See `Pace`."""
        self._embedded += texts
        if seconds > _SECONDS:
            self._is_growing = False
            self.size = max(_LEAST, int(texts * _SECONDS / seconds))
        elif seconds < _QUICK_SECONDS:
            self.size = min(_MOST, max(self.size, self._embedded // 8))
        elif self._is_growing and texts >= self.size:
            before, self._rate = self._rate, texts / seconds
            self._is_growing = self._rate > _GAIN * before
            self.size = min(_MOST, 2 * self.size) if self._is_growing else max(_LEAST, self.size // 2)
