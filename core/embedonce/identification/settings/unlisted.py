"""What counts of the fields of a class that no table lists.

Nothing is left out because of its name alone: a name may mean anything in a class that nobody has read. What is left
out is a plain value where a request's transport has one, and a value that is a secret by its name and its look. A live
client counts by the URL that it shows. A digest stands for all that is not short and plain: it may hold a secret.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from embedonce.identification.settings.names import is_operational
from embedonce.identification.settings.plain import TOO_DEEP, UnclearSettingError, clean_url, is_url
from embedonce.secrets import SECRET_VALUE, is_credential, is_secret, looks_secret

# Numbers and flags under these names only say how a request travels or how much of it there is at once.
_NUMBERS = re.compile(
    r"(?:.*_)?(?:timeouts?|retries|retry|batch_size|progress|progress_bar|n_jobs|threads?|(?:num|max)_workers"
    r"|parallelism|telemetry|verify_ssl|cache)"
    r"|(?:max_|num_)?(?:retry|retries|concurren)\w*|show_progress\w*|local_files_only|keep_alive|max_batch_size"
    r"|thread_count|workers|parallel|verbose"
)
# So do texts and lists of texts under these.
_TEXTS = re.compile(
    r"(?:.*_)?(?:prox(?:y|ies)|organi[sz]ation|org|org_id|user_agent|devices?|device_map|cache_(?:folder|dir|path))"
    r"|keep_alive|verify_ssl"
)
# What is told of a request and never asked about it: live objects under these names do not decide what is sent.
_OBSERVERS = re.compile(r"(?:.*_)?(?:callbacks?|callback_manager|run_manager|logger|lock|(?:rate_)?limiter|semaphore)")
_HEADERS = re.compile(r"(?:.*_)?headers")
_CLIENT = re.compile(r"(?:.*_)?a?(?:clients?|session)")
# Waiting times and numbers of attempts as objects of the usual packages for requests.
_TIMING = frozenset({"httpx", "httpcore", "urllib3", "requests", "aiohttp", "tenacity", "backoff"})
# Headers that choose no model: who asks, with what software, and how the answer is written and traced.
_NO_ROUTE = re.compile(
    r"(?:.*-)?(?:authorization|api-key|auth-token|access-token)|cookie|user-agent|x-stainless-.*|accept.*"
    r"|connection|host|content-.*|traceparent|tracestate|baggage|x-request-id|x-b3-.*|x-amzn-trace-id"
    r"|(?:openai|x)-organi[sz]ation|openai-project|x-goog-api-client|x-client-name|x-fern-.*",
    re.IGNORECASE,
)
_URLS = ("base_url", "api_base", "endpoint_url", "endpoint", "server_url", "api_url", "azure_endpoint", "host", "url")
# Where the clients of provider packages keep the object that knows the URL.
_INSIDE = ("client", "client_wrapper", "params", "meta", "api_client", "http_options", "sdk_configuration", "config")
_HEADERS_OF_CLIENT = ("custom_headers", "default_headers", "headers")
_QUERY_OF_CLIENT = ("custom_query", "default_query", "params")
# Clients of these classes send to any URL that they are given, so that one without a URL of its own has none to show.
_WITHOUT_URL = frozenset({"requests.Session", "httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession"})
_SHORT = 80
_DEEPEST = 18
_MOST_INSIDE = 12
_LEFT_OUT = object()
_NOTHING: Mapping[str, Any] = {}


def counting(fields: Mapping[str, Any], names_of_models: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return what counts of the fields of a class that is not known.

    Live objects stay what they are unless they are clients that show where they send to.

    Args:
        fields: Its fields.
        names_of_models: Fields that name a model, whose texts stay in clear.
    """
    stated = {clean for each in fields.values() if (clean := _url_of(each))}
    found = {}
    for name, value in fields.items():
        if name in names_of_models and isinstance(value, str):
            found[name] = value
            continue
        counts = _counted(name, value, stated, 0)
        if counts is not _LEFT_OUT:
            found[name] = counts
    return found


def _counted(name: str, value: Any, stated: set[str], depth: int) -> Any:
    if value is None:
        return _LEFT_OUT if is_operational(name) else None
    if depth > _DEEPEST:
        return TOO_DEEP
    if type(value).__name__ in ("SecretStr", "SecretBytes", "Secret"):
        return _LEFT_OUT
    plain = name.lstrip("_").lower()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return _counted_mapping(name, plain, value, stated, depth)
    if isinstance(value, list | tuple | set | frozenset):
        items = [_counted(name, each, stated, depth + 1) for each in value]
        kept = [each for each in items if each is not _LEFT_OUT]
        return _LEFT_OUT if items and not kept else set(kept) if _is_set_of_hashable(value, kept) else kept
    if isinstance(value, str | bool | int | float | Enum | PurePath):
        return _counted_scalar(name, plain, value)
    return _counted_live(name, plain, value, stated)


def _is_set_of_hashable(value: Any, kept: list[Any]) -> bool:
    return isinstance(value, set | frozenset) and not any(isinstance(each, dict | list) for each in kept)


def _counted_mapping(name: str, plain: str, value: Mapping[str, Any], stated: set[str], depth: int) -> Any:
    if is_credential(name):
        return _LEFT_OUT
    if _HEADERS.fullmatch(plain):
        routing = routing_headers(value)
        return _digest(routing) if routing else _LEFT_OUT
    inside = {key: _counted(_name_inside(plain, key), each, stated, depth + 1) for key, each in value.items()}
    return {_key(key): each for key, each in inside.items() if each is not _LEFT_OUT}


def _key(key: str) -> str:
    return _digest(key) if len(key) > _SHORT or looks_secret(key) else key


def _name_inside(plain: str, key: str) -> str:
    """Return the name that a value inside has: that of the whole where that says more, as in `timeouts={"read": 3}`."""
    return plain if _NUMBERS.fullmatch(plain) or _TEXTS.fullmatch(plain) else key


def _counted_scalar(name: str, plain: str, value: Any) -> Any:
    if type(value) is bool:
        return _LEFT_OUT if _NUMBERS.fullmatch(plain) else value
    if is_credential(name):
        return _LEFT_OUT
    if isinstance(value, int | float) and not isinstance(value, Enum):
        return _LEFT_OUT if _NUMBERS.fullmatch(plain) or _TEXTS.fullmatch(plain) else value
    text = value.value if isinstance(value, Enum) else str(value)
    if not isinstance(text, str):
        return value
    if _TEXTS.fullmatch(plain) or SECRET_VALUE.fullmatch(text):
        return _LEFT_OUT
    if is_secret(name):
        # The name may be that of a key or of a setting such as `query_token`, which only the look of the value tells.
        return _LEFT_OUT if looks_secret(text) else _digest(text)
    if is_url(text):
        clean = _url_of(text)
        return _digest(clean) if looks_secret(clean) else text
    return _digest(text) if len(text) > _SHORT or looks_secret(text) else value


def _counted_live(name: str, plain: str, value: Any, stated: set[str]) -> Any:
    if _CLIENT.fullmatch(plain):
        route = route_of(value)
        if route is None:
            return value
        # Where the class states the URL too, the client adds nothing to it.
        url, more = route
        counts = {"url": _counted_scalar("url", "url", url) if url and url not in stated else None, "sent": more}
        return {key: each for key, each in counts.items() if each} or _LEFT_OUT
    if _OBSERVERS.fullmatch(plain) or is_secret(name):
        return _LEFT_OUT
    # SDKs name themselves as the module of `httpx.Timeout`, which holds nothing but numbers.
    numbers = vars(value).values() if hasattr(value, "__dict__") and not isinstance(value, type) else ()
    is_timing = type(value).__module__.partition(".")[0] in _TIMING or (
        bool(numbers) and all(each is None or isinstance(each, int | float) for each in numbers)
    )
    return _LEFT_OUT if is_timing and (_NUMBERS.fullmatch(plain) or plain.endswith("limits")) else value


def route_of(client: Any) -> tuple[str, str] | None:
    """Return the URL that a live client sends to, and a digest of its own headers and query that may choose a model.

    Only dictionaries are read, since a property might open a connection. None if it shows no URL; an empty one if it is
    a client that sends to any URL it is given.
    """
    url, sent = "", {}
    seen: list[Any] = [client]
    for each in seen:
        own = _own(each)
        url = url or next(filter(None, (_url_of(own.get(name)) for name in _URLS)), "")
        sent.update({f"header {name}": value for name, value in _first(own, _HEADERS_OF_CLIENT).items()})
        sent.update({f"query {name}": value for name, value in _first(own, _QUERY_OF_CLIENT).items()})
        if each is client and not url:
            url = " ".join(sorted({found for value in own.values() if (found := _url_of(value))}))
        if len(seen) < _MOST_INSIDE:
            seen.extend(inside for name in _INSIDE if (inside := own.get(name)) is not None and _own(inside))
    kind = type(client)
    if not url and f"{kind.__module__.partition('.')[0]}.{kind.__name__}" not in _WITHOUT_URL:
        return None
    return url, _digest(sent) if sent else ""


def _first(own: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    for name in names:
        value = own.get(name)
        if value is not None and callable(getattr(value, "items", None)) and not isinstance(value, type):
            pairs = {str(key): str(each) for key, each in value.items()}
            return {key: each for key, each in pairs.items() if not _is_no_route(key)}
    return {}


def routing_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that may choose a model, by their names in small letters."""
    return {name.lower(): str(value) for name, value in headers.items() if not _is_no_route(name)}


def _is_no_route(name: str) -> bool:
    return _NO_ROUTE.fullmatch(name) is not None or name == "api-version"


def _own(value: Any) -> dict[str, Any]:
    """Return the attributes of an object by their names without underscores."""
    own = value if isinstance(value, dict) else getattr(value, "__dict__", None)
    private = getattr(value, "__pydantic_private__", None) if own is not None and not isinstance(value, type) else None
    if not isinstance(own, dict):
        return {}
    both = {**(private if isinstance(private, dict) else {}), **own}
    return {name.rpartition("__")[2].lstrip("_"): each for name, each in both.items() if isinstance(name, str)}


def _url_of(value: Any) -> str:
    """Return a URL in its one spelling; empty for anything else."""
    text = str(value) if isinstance(value, str) or type(value).__name__ == "URL" else ""
    try:
        return clean_url(text) if is_url(text) else ""
    except UnclearSettingError:
        # It stays as it is, and is refused where it is written down.
        return ""


def _digest(value: object) -> str:
    text = value if isinstance(value, str) else repr(sorted(value.items()) if isinstance(value, dict) else value)
    return _digest_of(text)


@lru_cache(maxsize=1024)
def _digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8')).hexdigest()[:32]}"
