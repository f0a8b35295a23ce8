"""What a call adds to its request beside the arguments that are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embedonce.identification import plain, query_of
from sdks_embedonce.calls import BypassError

if TYPE_CHECKING:
    from collections.abc import Mapping


def together(*headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return headers of a client and of a call; later ones win, and one whose value is not a text is removed."""
    merged = {name.lower(): value for each in headers for name, value in (each or {}).items()}
    return {name: value for name, value in merged.items() if isinstance(value, str | bytes)}


def added_by(http: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the headers and the query that an HTTP client adds to each request; None, a closed one, adds nothing."""
    return ({}, {}) if http is None else (dict(http.headers), query_of(http.params))


def plain_only(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that can be written down as they are.

    Raises:
        BypassError: One is a secret or a live object, and would not count.
    """
    kept = dict(settings)
    try:
        written = plain(kept)
        if json.loads(json.dumps(kept)) == json.loads(json.dumps(written)):
            return kept
    except (TypeError, ValueError):
        pass
    msg = "an extra argument of the request cannot be written down"
    raise BypassError(msg)
