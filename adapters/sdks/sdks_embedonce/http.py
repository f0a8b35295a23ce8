"""What a client adds to each request: headers by which a gateway may choose a model, and the query."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from embedonce.identification import plain
from sdks_embedonce.calls import BypassError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of these it is known that no server chooses a model by them: they say who asks, from where and for which trace.
_PASSING = re.compile(
    r"authorization|api-key|x-api-key|cookie|user-agent|accept.*|connection|content-.*|idempotency-key"
    r"|traceparent|tracestate|baggage|b3|x-b3-.*|sentry-trace|x-datadog-.*|x-request-id|x-correlation-id"
    r"|x-client-request-id|x-ms-client-request-id|openai-organization|openai-project|x-stainless-.*"
    r"|x-goog-api-key|x-goog-api-client|x-goog-user-project|x-server-timeout"
)


def check_headers(headers: Mapping[str, Any]) -> None:
    """Refuse headers of one call by which a server may choose a model.

    Raises:
        BypassError: There is one.
    """
    routing = _routing(headers)
    if routing:
        msg = f"the extra header {min(routing)!r} may change the answer"
        raise BypassError(msg)


def routed_by(headers: Mapping[str, Any]) -> str | None:
    """Return a digest of the headers by which a gateway may choose a model; their values may be secrets."""
    routing = set(_routing(headers))
    lines = sorted(f"{name.lower()}: {value}" for name, value in headers.items() if name.lower() in routing)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32] if lines else None


def query_of(http: Any) -> dict[str, str | list[str]]:
    """Return what an httpx client adds to the query of each URL, a single value as it is written elsewhere."""
    values = {name: http.params.get_list(name) for name in http.params}
    return {name: each[0] if len(each) == 1 else each for name, each in values.items()}


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


def _routing(headers: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in map(str.lower, headers) if not _PASSING.fullmatch(name))
