"""What an embedder refuses: errors that are about the texts that it was given (`split_on_error`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.runtime.signals import raised_by_handler

if TYPE_CHECKING:
    from collections.abc import Sequence

_ABOUT_TEXTS = frozenset({400, 413, 422, 500})
"""Status codes with which services refuse a request for what it holds: for instance, it is too large."""
_ABOUT_OTHERS = ("Connect", "Timeout", "RateLimit", "Throttl", "Quota", "Auth", "Permission")
"""Parts of the names of errors that another request would meet as well."""


class Refusals:
    """What the embedder has refused in one call.

    Attributes:
        error: Its first error for a single text, else its first error.
        position: The number in the plan of the first text for which it was raised.
        in_a_row: How many requests it has refused since it accepted one.
    """

    __slots__ = ("_is_single", "error", "in_a_row", "position")

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.position = 0
        self.in_a_row = 0
        self._is_single = False

    def note(self, positions: Sequence[int], error: Exception) -> None:
        """Take note of a refused request for texts at some positions of the plan of the call."""
        self.in_a_row += 1
        is_single = len(positions) == 1
        if self.error is None or (is_single and not self._is_single):
            self.error, self.position, self._is_single = error, positions[0], is_single


def is_refusal(error: BaseException) -> bool:
    """True if the texts of a request may be why it failed, rather than the connection, credentials or a quota."""
    if not isinstance(error, Exception) or isinstance(error, OSError | ImportError | MemoryError):
        return False
    if raised_by_handler(error):
        return False
    if any(part in kind.__name__ for kind in type(error).__mro__ for part in _ABOUT_OTHERS):
        return False
    status = _status(error)
    return status is None or status in _ABOUT_TEXTS


def _status(error: Exception) -> int | None:
    """Return the HTTP status of an error, where SDKs keep it."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        # As boto3 has it.
        metadata = response.get("ResponseMetadata")
        found = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    else:
        found = getattr(response, "status_code", None)
    for status in (found, *(getattr(error, name, None) for name in ("status_code", "status", "code"))):
        if type(status) is int:
            return status
    return None
