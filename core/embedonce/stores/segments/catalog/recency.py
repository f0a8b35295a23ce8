"""When a listing is recent enough to be believed, so that a place is not listed for every lookup."""

from __future__ import annotations

import time

_MANY_MISSES = 64
_PAUSE = 1.0
"""Seconds between two looks, for hits alone or many misses, however short the refresh interval is."""
_HIT_INTERVALS = 10
"""Hits are believed for so many refresh intervals: what others delete or write anew may be seen as late as that."""


class Recency:
    """How long ago a place was listed.

    Args:
        interval: Seconds for which a listing is believed when something is not found.

    Attributes:
        hits_until: Until when, by `time.monotonic`, hits are believed. Read at every hit.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._hit_interval = max(_PAUSE, _HIT_INTERVALS * interval)
        self.expire()

    def expire(self) -> None:
        """Believe nothing until the next listing."""
        self._listed = self.hits_until = float("-inf")

    def listed(self) -> None:
        """Record that the place has just been listed."""
        self._listed = time.monotonic()
        self.hits_until = self._listed + self._hit_interval

    def unreachable(self) -> None:
        """Record that the place cannot be listed: hits are believed for a short while, then it is tried again."""
        self.hits_until = time.monotonic() + max(_PAUSE, self._interval)

    def suffices_for_misses(self, count: int) -> bool:
        """True if it is too early for a look because some keys are not found.

        Many misses are worth a request sooner, since the caller is about to pay for them.
        """
        since = time.monotonic() - self._listed
        return since < self._interval and not (count >= _MANY_MISSES and since >= _PAUSE)
