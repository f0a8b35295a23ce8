"""What counts of the fields of a class that no table lists.

Nothing is left out because of its name alone: a name may mean anything in a class that nobody has read. What is left
out is a plain value where a request's transport has one, a value that is a secret by its name and its look, and a live
object by its name and the package of its class. A live client counts by the URL that it shows and what it adds to
requests; all other live objects are refused. A digest stands for all that is not short and plain: it may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from embedonce.identification.routing.clients import is_part_of_client, is_part_of_route, route_of
from embedonce.identification.routing.headers import SHORT, digest, routing_headers, url_of
from embedonce.identification.settings.names import is_operational, is_skipped
from embedonce.identification.settings.plain import TOO_DEEP, is_url, plain
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
    r"(?:.*_)?(?:prox(?:y|ies)|organi[sz]ation|org|org_id|user_agent|integration_source|devices?|device_map|cache_(?:folder|dir|path))"
    r"|keep_alive|verify_ssl"
)
# What is told of a request and never asked about it, as objects of frameworks and packages for that.
_OBSERVERS = re.compile(r"(?:.*_)?(?:callbacks?|callback_manager|run_manager|handlers?|logger|(?:rate_)?limiter)")
_OBSERVING = frozenset(
    {"langchain_core", "llama_index", "haystack", "aiolimiter", "opentelemetry", "tqdm", "structlog"}
)
# Who asks, as objects of the packages for that; a function can only return a token.
_CREDENTIALS = frozenset({"azure", "google", "botocore", "boto3", "msal", "httpx", "requests", "aiohttp"})
_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, partial)
_HEADERS = re.compile(r"(?:.*_)?headers")
_CLIENT = re.compile(r"(?:.*_)?a?(?:clients?|session)")
# Live objects of these packages never change vectors: locks, loggers, pools.
_HARMLESS = frozenset({"_thread", "threading", "logging", "concurrent", "asyncio", "queue"})
# Clients of these packages hold nothing that decides a vector but where they send to, what they add, and a model.
_SDKS = frozenset(
    (
        *("openai", "cohere", "voyageai", "mistralai", "ollama", "google", "huggingface_hub", "botocore", "boto3"),
        *("aiobotocore", "aioboto3", "azure", "ibm_watsonx_ai", "requests", "httpx", "aiohttp", "litellm"),
    )
)
_MODELS = ("model", "model_id", "model_name", "deployment", "azure_deployment", "provider")
# Waiting times and numbers of attempts as objects of the usual packages for requests.
_TIMING = frozenset({"httpx", "httpcore", "urllib3", "requests", "aiohttp", "tenacity", "backoff"})
_DEEPEST = 18
_LEFT_OUT = object()


def counting(fields: Mapping[str, Any], names_of_models: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return what counts of the fields of a class that is not known.

    Live objects stay what they are unless they are clients that show where they send to.

    Args:
        fields: Its fields.
        names_of_models: Fields that name a model, whose texts stay in clear.
    """
    stated = {clean for each in fields.values() if (clean := url_of(each))}
    found = {}
    for name, value in fields.items():
        if name in names_of_models and isinstance(value, str):
            found[name] = value
            continue
        counts = _counted(name, value, stated, 0)
        if counts is not _LEFT_OUT:
            found[name] = counts
    return found


def written(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that a known class passes on as plain JSON.

    Their names are the user's, and those inside too: of one that is named like a secret or like a part of a request's
    transport, what counts is what would count of a class that is not known.
    """
    return plain(_passed_on(settings, 0), skips=lambda _, __: False)


def _passed_on(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return value
    if isinstance(value, list | tuple):
        return [_passed_on(each, depth + 1) for each in value]
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return value
    found = {
        name: _counted(name, each, set(), depth) if is_skipped(name, each) else _passed_on(each, depth + 1)
        for name, each in value.items()
    }
    return {name: each for name, each in found.items() if each is not _LEFT_OUT}


def _counted(name: str, value: Any, stated: set[str], depth: int) -> Any:
    if value is None:
        return _LEFT_OUT if is_operational(name) else None
    if depth > _DEEPEST:
        return TOO_DEEP
    if type(value).__name__ in ("SecretStr", "SecretBytes", "Secret"):
        return _LEFT_OUT
    bare = name.lstrip("_").lower()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return _counted_mapping(name, bare, value, stated, depth)
    if isinstance(value, list | tuple | set | frozenset):
        items = [_counted(name, each, stated, depth + 1) for each in value]
        kept = [each for each in items if each is not _LEFT_OUT]
        return _LEFT_OUT if items and not kept else set(kept) if _is_set_of_hashable(value, kept) else kept
    if isinstance(value, str | bool | int | float | Enum | PurePath):
        return _counted_scalar(name, bare, value)
    return _counted_live(name, bare, value, stated, depth)


def _is_set_of_hashable(value: Any, kept: list[Any]) -> bool:
    return isinstance(value, set | frozenset) and not any(isinstance(each, dict | list) for each in kept)


def _counted_mapping(name: str, bare: str, value: Mapping[str, Any], stated: set[str], depth: int) -> Any:
    if is_credential(name):
        return _LEFT_OUT
    if _HEADERS.fullmatch(bare):
        routing = routing_headers(value)
        return digest(routing) if routing else _LEFT_OUT
    inside = {key: _counted(_name_inside(bare, key), each, stated, depth + 1) for key, each in value.items()}
    kept = {_key(key): each for key, each in inside.items() if each is not _LEFT_OUT}
    return _LEFT_OUT if value and not kept else kept


def _key(key: str) -> str:
    return digest(key) if len(key) > SHORT or looks_secret(key) or is_url(key) else key


def _name_inside(bare: str, key: str) -> str:
    """Return the name that a value inside has: that of the whole where that says more, as in `timeouts={"read": 3}`."""
    return bare if _NUMBERS.fullmatch(bare) or _TEXTS.fullmatch(bare) else key


def _counted_scalar(name: str, bare: str, value: Any) -> Any:
    if type(value) is bool:
        return _LEFT_OUT if _NUMBERS.fullmatch(bare) else value
    if is_credential(name):
        return _LEFT_OUT
    if isinstance(value, int | float) and not isinstance(value, Enum):
        return _LEFT_OUT if _NUMBERS.fullmatch(bare) or _TEXTS.fullmatch(bare) else value
    text = value.value if isinstance(value, Enum) else str(value)
    if not isinstance(text, str):
        return value
    if _TEXTS.fullmatch(bare) or SECRET_VALUE.fullmatch(text):
        return _LEFT_OUT
    if is_secret(name):
        # The name may be that of a key or of a setting such as `query_token`, which only the look of the value tells.
        return _LEFT_OUT if looks_secret(text) else digest(text)
    if is_url(text):
        clean = url_of(text)
        return digest(clean) if looks_secret(clean) else text
    return digest(text) if len(text) > SHORT or looks_secret(text) else value


def _counted_live(name: str, bare: str, value: Any, stated: set[str], depth: int) -> Any:
    packages = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    package = type(value).__module__.partition(".")[0]
    if package in _HARMLESS or (_OBSERVERS.fullmatch(bare) and packages & _OBSERVING):
        return _LEFT_OUT
    if is_credential(name) and (isinstance(value, _FUNCTIONS) or packages & _CREDENTIALS):
        return _LEFT_OUT
    if _CLIENT.fullmatch(bare) or (_is_of_sdk(value) and route_of(value) is not None):
        return _counted_client(value, stated, depth)
    if (package, type(value).__name__) == ("torch", "device"):
        return _counted_scalar(name, bare, str(value))
    # SDKs name themselves as the module of `httpx.Timeout`, which holds nothing but numbers.
    numbers = vars(value).values() if hasattr(value, "__dict__") and not isinstance(value, type) else ()
    is_timing = package in _TIMING or (
        bool(numbers) and all(each is None or isinstance(each, int | float) for each in numbers)
    )
    return _LEFT_OUT if is_timing and (_NUMBERS.fullmatch(bare) or bare.endswith("limits")) else value


def _counted_client(client: Any, stated: set[str], depth: int) -> Any:
    """Return what counts of a live client; itself, which is refused later, if that is not clear."""
    route = route_of(client)
    if route is None or depth > _DEEPEST:
        return client
    url, (headers, query) = route
    sent = {
        **{f"header {name}": value for name, value in headers.items()},
        **{f"query {name}": value for name, value in query.items()},
    }
    # Where the class states the URL too, the client adds nothing to it.
    counts = {
        "url": _counted_scalar("url", "url", url) if url and url not in stated else None,
        "sent": digest(sent) if sent else None,
    }
    own = vars(client) if hasattr(client, "__dict__") else {}
    if _is_of_sdk(client):
        others = {name: own[name] for name in own if name.lstrip("_") in _MODELS}
    else:
        # Of a class that nobody has read, whose other attributes may decide as well.
        others = {name: value for name, value in own.items() if not is_part_of_route(name, value)}
    for name, value in others.items():
        inner = "client" if is_part_of_client(name) and not isinstance(value, Mapping) else name
        counts[name] = _counted(inner, value, {*stated, url}, depth + 4)
    return {key: each for key, each in counts.items() if each is not None and each is not _LEFT_OUT} or _LEFT_OUT


def _is_of_sdk(value: Any) -> bool:
    """True for a client of a package that is known for its clients, or made by the usual generator of clients."""
    bases = type(value).__mro__
    return type(value).__module__.partition(".")[0] in _SDKS or any(
        base.__name__ == "BaseClient" and base.__module__.endswith("._base_client") for base in bases
    )
