"""Sizes, ages and moments as people write and read them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_BYTES = {f"{prefix}{b}": size for prefix, size in (_DECIMAL | _BINARY).items() for b in ("", "b")}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def bytes_in(text: str) -> int:
    """Return the number of bytes that a text such as `500MB` or `10 GiB` means.

    Raises:
        ValueError: The text is not a size.
    """
    return int(_quantity(text, _BYTES, "a size; write for instance 500MB, 10GB or 2GiB"))


def seconds_in(text: str) -> float:
    """Return the number of seconds that a text such as `12h` or `30d` means.

    Raises:
        ValueError: The text is not an age.
    """
    return _quantity(text, _SECONDS, "an age; write a number and s, m, h, d or w, for instance 12h or 30d")


def _quantity(text: str, units: Mapping[str, int], expected: str) -> float:
    match = re.fullmatch(r"\s*(\d{1,18}(?:\.\d+)?)\s*([a-z]*)\s*", text.lower(), re.ASCII)
    if match is None or match[2] not in units:
        msg = f"{text!r} is not {expected}"
        raise ValueError(msg)
    return float(match[1]) * units[match[2]]


def moment_text(stamp: int | None) -> str:
    """Return microseconds since 1970 as a local date and time."""
    if stamp is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(stamp / 1e6))
    except (ValueError, OSError, OverflowError):
        return "in the future"
