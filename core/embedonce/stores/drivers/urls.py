"""What a location that a user has written is: a URL, the URL of a local path, or a path."""

from __future__ import annotations

import re

# At least two characters: one letter before a colon is a Windows drive.
_SCHEME = r"[A-Za-z][A-Za-z0-9+._-]+"
_URL = re.compile(rf"{_SCHEME}(://|::)")
_INCOMPLETE_URL = re.compile(rf"({_SCHEME}):/+")
_LOCAL_URL = re.compile(r"(file|local)://|(file|local):(?=/)")


def is_url(location: str) -> bool:
    """True for a URL, also for a chained one such as `simplecache::s3://bucket`."""
    return _URL.match(location) is not None


def scheme_of_incomplete(location: str) -> str | None:
    """Return the scheme of a URL with too few slashes, such as `s3:/bucket`; None if it is something else."""
    match = _INCOMPLETE_URL.match(location)
    return match[1] if match is not None else None


def local_path(location: str) -> str | None:
    """Return the path in the URL of a local file, None if it is something else."""
    match = _LOCAL_URL.match(location)
    return location[match.end() :] if match is not None else None


def schemes(url: str) -> list[str]:
    """Return the schemes of a URL, outermost first: `["simplecache", "s3"]` for `simplecache::s3://bucket`."""
    return [re.match(r"[A-Za-z0-9+._-]*", part)[0] for part in url.split("::")]  # type: ignore[index]
