"""The headers and the parameters of a query by which a gateway may choose a model, and where none of them does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from embedonce.identification.settings.plain import UnclearSettingError, clean_url, is_url
from embedonce.secrets import is_credential, looks_secret, stand_in

# Headers that choose no model: who asks, with what software, and how the answer is written and traced.
_NO_ROUTE = re.compile(
    r"(?:.*-)?(?:authorization|api-key|auth-token|access-token)|cookie|user-agent|x-stainless-.*|accept.*"
    r"|connection|content-.*|idempotency-key|traceparent|tracestate|baggage|b3|x-b3-.*|x-amzn-trace-id|sentry-trace"
    r"|x-datadog-.*|(?:x-|x-client-|x-ms-client-)request-id|x-correlation-id|(?:openai|x)-organi[sz]ation"
    r"|openai-project|x-goog-(?:api-client|user-project)|x-client-name|x-fern-.*|x-upstage-client|x-billing-.*"
    r"|x-hf-bill-to|api-version",
    re.IGNORECASE,
)
# Hosts at which a provider answers itself, whatever else is in a request.
_OWN = frozenset(
    (
        *("api.openai.com", "api.cohere.com", "api.cohere.ai", "api.voyageai.com", "ai.mongodb.com", "api.mistral.ai"),
        *(
            "api.fireworks.ai",
            "api.jina.ai",
            "api.upstage.ai",
            "api.perplexity.ai",
            "api.together.xyz",
            "api-atlas.nomic.ai",
        ),
        *("router.huggingface.co", "api-inference.huggingface.co"),
    )
)
# Domains below which nobody else has a host, unlike all of `amazonaws.com`, where anybody's gateways are.
_OWN_DOMAINS = re.compile(
    r"(?:.*\.)?(?:googleapis\.com|api\.nvidia\.com|ml\.cloud\.ibm\.com)"
    r"|[\w-]+\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)"
    r"|(?:[\w-]+\.)?bedrock(?:-runtime)?(?:-fips)?\.[a-z][\w-]*(?:\.vpce)?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
)
SHORT = 80
"""Longer texts are written as digests."""


def routing_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that may choose a model, by their names in small letters."""
    if not headers:
        return {}
    try:
        return _routing(tuple(headers.items()))
    except TypeError:
        # A value that is a list, say, which no HTTP client sends.
        return _routing(tuple([(name, str(value)) for name, value in headers.items()]))


@lru_cache(maxsize=1024)
def _routing(pairs: tuple[tuple[Any, Any], ...]) -> dict[str, str]:
    written = {_text(name).lower(): _text(value) for name, value in pairs}
    return {name: value for name, value in written.items() if not _NO_ROUTE.fullmatch(name)}


def routed_by(headers: Mapping[str, Any], url: str | None) -> str | None:
    """Return a digest of the headers by which a server may choose a model; their values may be secrets.

    Args:
        headers: All headers that a request has besides those of its transport.
        url: Where it goes; None for the provider's own server, which chooses no model by a header.
    """
    if url is None or is_providers_own(url):
        return None
    lines = sorted(f"{name}: {value}" for name, value in routing_headers(headers).items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32] if lines else None


@lru_cache(maxsize=1024)
def is_providers_own(url: str) -> bool:
    """Return whether a URL leads to a provider's own server and not to a gateway or a server of the user's."""
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return False
    return host in _OWN or _OWN_DOMAINS.fullmatch(host) is not None


def query_of(given: Any) -> dict[str, Any]:
    """Return the parameters of a query that may choose a model, in whatever form HTTP clients take them.

    A digest stands for a value that is long or looks like a secret; what is certainly one does not count.
    """
    if not given or isinstance(given, type):
        return {}
    if isinstance(given, str):
        pairs: Any = parse_qsl(given, keep_blank_values=True)
    elif hasattr(given, "multi_items"):
        pairs = given.multi_items()
    else:
        pairs = given.items() if _is_mapping(given) else given
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        if not (_NO_ROUTE.fullmatch(str(name)) or is_credential(str(name)) or name == "code"):
            found.setdefault(str(name), []).extend(value if isinstance(value, list | tuple) else [value])
    written = {name: [_short(value) for value in values] for name, values in found.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in written.items()}


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _text(value)
    return digest(text) if len(text) > SHORT or looks_secret(text) else text


def _text(value: Any) -> str:
    """Return how a name or a value is sent; SDKs have marks for what is taken out, of which only the type is told."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value) if isinstance(value, str | int | float) else type(value).__name__


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or (callable(getattr(value, "items", None)) and not isinstance(value, type))


def url_of(value: Any) -> str:
    """Return a URL in its one spelling; empty for anything else."""
    text = str(value) if isinstance(value, str) or type(value).__name__ == "URL" else ""
    try:
        return clean_url(text) if is_url(text) else ""
    except UnclearSettingError:
        # It stays as it is, and is refused where it is written down.
        return ""


def digest(value: object) -> str:
    """Return a digest of a text, or of a dictionary or list of plain values."""
    text = value if isinstance(value, str) else repr(sorted(value.items()) if isinstance(value, dict) else value)
    return stand_in(text)
