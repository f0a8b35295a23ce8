"""One spelling for the values of settings.

Settings of the same model must be written alike in every framework, and a secret must not be written at all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from embedonce.identification.settings.names import is_skipped
from embedonce.secrets import SECRET_VALUE, certainly_secret, is_secret, looks_secret, query_without_secrets, stand_in


class UnclearSettingError(ValueError):
    """The reason why an embedder cannot be identified; the describer adds the class and the remedy.

    Attributes:
        field: The field of a class of the user's that is the reason; empty if none is.
    """

    field: str = ""


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_URL_NAME = re.compile(r"(?:.*_)?(?:url|uri|endpoint|base|host|server|address)", re.IGNORECASE)
_THIS_MACHINE = ("127.0.0.1", "0.0.0.0", "::1")  # noqa: S104 - compared with, never bound to
_STAND_IN = "sha256:"
_LONG = 500
# Names of settings whose values look random, and are not secret.
_ID = re.compile(r"revision|commit|model|deployment|version|(?:^|_)id$|name|files|digest|weights", re.IGNORECASE)
_LEFT_OUT = object()
TOO_DEEP = object()
"""Stands for what is nested more deeply than settings are."""
_Skips = Callable[[str, Any], bool]


def is_url(text: str) -> bool:
    """Return whether a text is a URL."""
    return _URL.fullmatch(text) is not None


def clean_url(url: str) -> str:
    """Return a URL without secrets, in one spelling: no user, no signature, no default port, no trailing slash.

    What leads to this machine is `localhost`.
    """
    if not url.strip():
        return ""
    if "://" not in url:
        return clean_url(f"x://{url.strip()}").removeprefix("x://")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Not chained: the text of the original error may quote the URL.
        msg = "it has a URL that cannot be parsed"
        raise UnclearSettingError(msg) from None
    host = "localhost" if host in _THIS_MACHINE else f"[{host}]" if ":" in host else host
    if port is not None and port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{port}"
    kept = query_without_secrets(parts.query)
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), urlencode(sorted(kept)), ""))


def _plain_text(name: str, value: str, depth: int | None) -> Any:
    if SECRET_VALUE.fullmatch(value):
        return _LEFT_OUT
    if depth is not None and is_secret(name) and not value.startswith(_STAND_IN):
        # A name such as `query_token`, whose value counts and may be a secret nevertheless.
        return stand_in(value)
    if _URL.fullmatch(value) or (_URL_NAME.fullmatch(name) and ("@" in value or "?" in value)):
        try:
            value = clean_url(value)
        except UnclearSettingError:
            # Not chained, and without the value: either may hold a secret.
            msg = f"its field {name!r} holds a URL that cannot be parsed"
            raise UnclearSettingError(msg) from None
    if depth is None:
        return value
    # What a user adds to a request may be anything.
    is_added = depth > 1 and len(value) < _LONG and not _ID.search(name) and not re.search(r"\s", value)
    is_hidden = looks_secret(value) if is_added and not is_url(value) else certainly_secret(value)
    return stand_in(value) if is_hidden and not value.startswith(_STAND_IN) else value


def _key(key: str, depth: int) -> str:
    """Return a name of a setting, a digest of one that may hold a secret."""
    is_hidden = looks_secret(key) or is_url(key) if depth else certainly_secret(key)
    return stand_in(key) if is_hidden else key


def _plain(name: str, value: Any, depth: int, skips: _Skips | None) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if isinstance(value, Enum):
        return _plain(name, value.value, depth, skips)
    if isinstance(value, str):
        return _plain_text(name, str(value), depth if skips else None)
    if isinstance(value, PurePath):
        return str(value)
    if kind is float and math.isfinite(value):
        return value
    if depth > 20 or value is TOO_DEEP:
        msg = f"its field {name!r} is nested too deeply"
        raise UnclearSettingError(msg)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        kept = {key: each for key, each in value.items() if skips is None or not skips(key, each)}
        inner = ((key, _plain(key, each, depth + 1, skips)) for key, each in kept.items())
        return {_key(key, depth) if skips else key: each for key, each in inner if each is not _LEFT_OUT}
    if isinstance(value, list | tuple | set | frozenset):
        items = [each for each in (_plain(name, item, depth + 1, skips) for item in value) if each is not _LEFT_OUT]
        return sorted(items, key=json.dumps) if isinstance(value, set | frozenset) else items
    root = kind.__module__.partition(".")[0]
    if root == "numpy" and getattr(value, "shape", None) == ():
        return _plain(name, value.item(), depth + 1, skips)
    if (root, kind.__name__) == ("torch", "dtype"):
        # A constant, not a live object, and its name is its whole value.
        return str(value).removeprefix("torch.")
    msg = f"its field {name!r} holds a {kind.__module__}.{kind.__qualname__}, which is not plain data"
    raise UnclearSettingError(msg)


def plain(settings: Mapping[str, Any], skips: _Skips | None = is_skipped) -> dict[str, Any]:
    """Return settings as plain JSON, without secrets and operational ones.

    Args:
        settings: The settings.
        skips: Tells by name and value which of them are left out; None if that is done, and digests stand for secrets.

    Raises:
        UnclearSettingError: A setting is a live object, which has no form that is the same in another process.
    """
    return dict(_plain("", settings, 0, skips))
