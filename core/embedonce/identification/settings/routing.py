"""What may choose a model besides the URL and the body: headers and query parameters, of which gateways go by some."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from embedonce.identification.settings.plain import UnclearSettingError, clean_url, is_url
from embedonce.secrets import is_credential, looks_secret, stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator

Sent = tuple[dict[str, str], dict[str, Any]]
"""The headers that may choose a model, by names in small letters, and the parameters of a query."""

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
        *("api.fireworks.ai", "api.jina.ai", "api.upstage.ai", "api.perplexity.ai", "api-atlas.nomic.ai"),
        *("router.huggingface.co", "api-inference.huggingface.co"),
    )
)
# Domains below which nobody else has a host, unlike all of `amazonaws.com`, where anybody's gateways are.
_OWN_DOMAINS = re.compile(
    r"(?:.*\.)?(?:googleapis\.com|api\.nvidia\.com|ml\.cloud\.ibm\.com)"
    r"|[\w-]+\.(?:openai|cognitiveservices)\.azure\.(?:com|us|cn)"
    r"|(?:[\w-]+\.)?bedrock(?:-runtime)?(?:-fips)?\.[a-z]+-[\w-]+(?:\.vpce)?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
)
_URLS = ("base_url", "api_base", "endpoint_url", "endpoint", "server_url", "api_url", "azure_endpoint", "host", "url")
# Where the clients of provider packages keep what knows the URL, and what adds to a request.
_INSIDE = (
    *("client", "client_wrapper", "params", "meta", "api_client", "http_options", "sdk_configuration", "config"),
    *("session", "httpx_client", "client_args", "async_client_args"),
)
_HEADERS = ("custom_headers", "default_headers", "headers")
_QUERIES = ("custom_query", "default_query")
# Clients of these classes send to any URL that they are given, so that one without a URL of its own has none to show.
_SENDS_ANYWHERE = frozenset({"requests.Session", "httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession"})
_MOST_INSIDE = 12
SHORT = 80
"""Longer texts are written as digests."""


def routing_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that may choose a model, by their names in small letters."""
    written = {_text(name).lower(): _text(value) for name, value in headers.items()}
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


def sent_by(client: Any) -> Sent:
    """Return what a live client adds to each request.

    Only dictionaries are read, since a property might open a connection.
    """
    headers: dict[str, str] = {}
    query: dict[str, Any] = {}
    # What lies further in comes first, since an SDK's own headers replace those of its HTTP client.
    for own in reversed(list(_parts(client))):
        for name in _HEADERS:
            found = _either(own, name)
            if found and _is_mapping(found):
                headers.update(routing_headers(found))
        query.update(_query_in(own))
    return headers, query


def _query_in(own: dict[str, Any]) -> dict[str, Any]:
    query: dict[str, Any] = {}
    params = own.get("params") or own.get("_params")
    # Some SDKs call their own settings so.
    if params and ("_params" not in own or type(params).__name__ == "QueryParams"):
        query.update(query_of(params))
    for name in _QUERIES:
        query.update(query_of(_either(own, name)))
    return query


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


def route_of(client: Any) -> tuple[str, Sent] | None:
    """Return the URL that a live client sends to, and what it adds to requests.

    None if it shows no URL; an empty one if it is a client that sends to any URL it is given.
    """
    url = ""
    for number, own in enumerate(_parts(client)):
        url = url or next(filter(None, (url_of(_either(own, name)) for name in _URLS)), "")
        if number == 0 and not url:
            url = " ".join(sorted({found for value in own.values() if (found := url_of(value))}))
    return None if not url and not _sends_anywhere(client) else (url, sent_by(client))


def is_part_of_route(name: str, value: Any) -> bool:
    """Return whether `route_of` reads an attribute of a client."""
    plain = name.lstrip("_")
    return (plain in _URLS and bool(url_of(value))) or plain in (*_HEADERS, *_QUERIES)


def is_part_of_client(name: str) -> bool:
    """Return whether an attribute of a client is named as those in which it keeps what it sends requests with."""
    return name.lstrip("_") in _INSIDE


def _sends_anywhere(client: Any) -> bool:
    """True for a client of an HTTP library itself, in which nothing of the user's changes requests."""
    kind = type(client)
    package = kind.__module__.partition(".")[0]
    is_listed = f"{package}.{kind.__name__}" in _SENDS_ANYWHERE
    # Any class may have such a name.
    if not is_listed or getattr(sys.modules.get(package), kind.__name__, None) is not kind:
        return False
    own = vars(client)
    hooks = [*(own.get("_event_hooks") or {}).values(), *(own.get("hooks") or {}).values(), own.get("_middlewares")]
    adapters = [own.get("_transport"), *(own.get("_mounts") or {}).values(), *(own.get("adapters") or {}).values()]
    return not any(hooks) and all(
        each is None or type(each).__module__.partition(".")[0] == package for each in adapters
    )


def _parts(client: Any) -> Iterator[dict[str, Any]]:
    """Yield the attributes of a client and of what it holds to send requests with."""
    seen = [client]
    for each in seen:
        for own in _dicts(each):
            yield own
            if len(seen) < _MOST_INSIDE:
                inside = (_either(own, name) for name in _INSIDE)
                seen.extend(value for value in inside if value is not None)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, type):
        return
    own = value if isinstance(value, dict) else getattr(value, "__dict__", None)
    if isinstance(own, dict):
        yield own
    if own is not value and hasattr(type(value), "__pydantic_private__"):
        private = value.__pydantic_private__
        if isinstance(private, dict):
            yield private


def _either(own: dict[str, Any], name: str) -> Any:
    value = own.get(name)
    return own.get(f"_{name}") if value is None else value


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or (callable(getattr(value, "items", None)) and not isinstance(value, type))


def _text(value: Any) -> str:
    """Return how a name or a value is sent; SDKs have marks for what is taken out, of which only the type is told."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return str(value) if isinstance(value, str | int | float) else type(value).__name__


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
