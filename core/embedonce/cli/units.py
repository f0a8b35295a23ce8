"""Sizes and ages as people write and read them."""

from __future__ import annotations

import re
import time

_BYTES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"


def bytes_in(text: str) -> int:
    """Return the number of bytes that a text such as `500MB` or `10 GiB` means.

    Raises:
        ValueError: The text is not a size.
    """
    match = re.fullmatch(_NUMBER + r"([kmgt]i?)?b?\s*", text.lower(), re.ASCII)
    if match is None:
        msg = f"{text!r} is not a size; write for instance 500MB, 10GB or 2GiB"
        raise ValueError(msg)
    return int(float(match[1]) * (_BYTES | _BINARY)[match[2] or ""])


def seconds_in(text: str) -> float:
    """Return the number of seconds that a text such as `12h` or `30d` means.

    Raises:
        ValueError: The text is not an age.
    """
    match = re.fullmatch(_NUMBER + r"([smhdw])\s*", text.lower(), re.ASCII)
    if match is None:
        msg = f"{text!r} is not an age; write a number and s, m, h, d or w, for instance 12h or 30d"
        raise ValueError(msg)
    return float(match[1]) * _SECONDS[match[2]]


def size_text(size: int) -> str:
    """Return a number of bytes with a suitable unit."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def moment_text(stamp: int | None) -> str:
    """Return microseconds since 1970 as a local date and time."""
    if stamp is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(stamp / 1e6))
    except (ValueError, OSError, OverflowError):
        return "in the future"
