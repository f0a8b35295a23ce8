"""Live clients: where they send to, and what they add to each request."""

from __future__ import annotations

import sys
from typing import Any

from embedonce.identification.routing.headers import query_of, routing_headers, url_of

Sent = tuple[dict[str, str], dict[str, Any]]
"""The headers that may choose a model, by names in small letters, and the parameters of a query."""

_URLS = ("base_url", "api_base", "endpoint_url", "endpoint", "server_url", "api_url", "azure_endpoint", "host", "url")


def _attributes(*names: str) -> frozenset[str]:
    return frozenset(name for each in names for name in (each, f"_{each}"))


# Where the clients of provider packages keep what knows the URL, and what adds to a request.
_INSIDE = _attributes(
    *("client", "client_wrapper", "params", "meta", "api_client", "http_options", "sdk_configuration", "config"),
    *("session", "httpx_client", "client_args", "async_client_args"),
)
_HEADERS = _attributes("custom_headers", "default_headers", "headers")
_ADDED = _HEADERS | _attributes("custom_query", "default_query", "params")
# Clients of these classes send to any URL that they are given, so that one without a URL of its own has none to show.
_SENDS_ANYWHERE = frozenset({"requests.Session", "httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession"})
_MOST_INSIDE = 12
_MOST_BEHIND = 4


def adds_to_query(client: Any) -> bool:
    """Return whether a live client or the one behind it adds parameters to each query; asked at each call."""
    part = client
    for _ in range(_MOST_BEHIND):
        own = part if part.__class__ is dict else getattr(part, "__dict__", None)
        if not own:
            return False
        if own.get("_custom_query") or own.get("_params") or own.get("params"):
            return True
        part = own.get("_client") or own.get("httpx_client") or own.get("client") or own.get("client_args")
        if part is None:
            return False
    return False


def sent_by(client: Any) -> Sent:
    """Return what a live client adds to each request.

    Only dictionaries are read, since a property might open a connection.
    """
    headers: dict[str, str] = {}
    query: dict[str, Any] = {}
    # What lies further in comes first, since an SDK's own headers replace those of its HTTP client.
    for own in reversed(_parts(client)):
        for name in sorted(_ADDED & own.keys()):
            value = own[name]
            if not value:
                continue
            if name not in _HEADERS:
                # Some SDKs call their own settings so.
                if name != "_params" or type(value).__name__ == "QueryParams":
                    query.update(query_of(value))
            elif hasattr(value, "items"):
                headers.update(routing_headers(value))
    return headers, query


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
    return (name.lstrip("_") in _URLS and bool(url_of(value))) or name in _ADDED


def is_part_of_client(name: str) -> bool:
    """Return whether an attribute of a client is named as those in which it keeps what it sends requests with."""
    return name in _INSIDE


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


def _parts(client: Any) -> list[dict[str, Any]]:
    """Return the attributes of a client and of what it holds to send requests with."""
    found: list[dict[str, Any]] = []
    seen = [client]
    for each in seen:
        own = each if isinstance(each, dict) else getattr(each, "__dict__", None)
        if not isinstance(own, dict) or isinstance(each, type) or type(each).__name__ == "QueryParams":
            continue
        found.append(own)
        if hasattr(type(each), "__pydantic_private__") and each.__pydantic_private__:
            found.append(each.__pydantic_private__)
            own = {**each.__pydantic_private__, **own}
        if len(seen) < _MOST_INSIDE:
            seen.extend([own[name] for name in sorted(_INSIDE & own.keys())])
    return found


def _either(own: dict[str, Any], name: str) -> Any:
    value = own.get(name)
    return own.get(f"_{name}") if value is None else value
