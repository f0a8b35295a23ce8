"""One attempt for many callers: a caller that arrives during an attempt shares its result or its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.runtime.locks import ForkLock
from embedonce.runtime.signals import raised_by_handler

if TYPE_CHECKING:
    from collections.abc import Callable


class SharedAttempt:
    """One attempt at a time.

    Attributes:
        lock: Held during an attempt.
    """

    def __init__(self) -> None:
        self.lock = ForkLock()
        # Numbers of the last attempt that has begun, and of the last one that has come to an end.
        self._begun = self._ended = 0
        self._failure: Exception | None = None

    def run(self, attempt: Callable[[], bool], *, fresh: bool) -> bool:
        """Make an attempt and return its result; True if another thread has made one in the meantime.

        An attempt that Ctrl-C or another signal has interrupted is not shared.

        Args:
            attempt: What to do.
            fresh: True if only an attempt that begins after this call counts.

        Raises:
            Exception: What the attempt has raised, in this thread or in the other one.
        """
        seen = self._begun if fresh else self._ended
        with self.lock:
            if self._ended > seen:
                if self._failure is not None:
                    raise self._failure
                return True
            self._begun += 1
            number, failure = self._begun, None
            try:
                return attempt()
            except BaseException as error:
                if isinstance(error, Exception) and not raised_by_handler(error):
                    failure = error
                else:
                    number, failure = self._ended, self._failure
                raise
            finally:
                self._ended, self._failure = number, failure
                # An error refers to this frame, which must not refer to the error.
                failure = None
