"""Values for the settings of a class, by their types and, for what a type does not tell, by their names."""

from __future__ import annotations

import enum
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from identity_audit.doors.setting import Setting

OTHER_URL = "http://other.test/v1"
OTHER_HEADERS = {"x-route": "b"}
OTHER_KEY = "another-key-0123456789"

# Whole clients and functions; the tests of the adapters hand in real ones. Where a call goes is seen from a URL.
_LIVE = ("client", "callback", "tokenizer", "transport", "provider_instance", "rate_limiter")

_DICTS: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    ("header", ({"x-portkey-provider": "one"}, {"x-portkey-provider": "two"}, {"X-Model": "b"}, {"x-request-id": "1"})),
    ("cookie", ({"route": "b"},)),
    ("query", ({"pool": "cls"}, {"api-version": "2024"})),
    ("http_options", ({"api_version": "v1"}, {"headers": {"x-route": "b"}}, {"extra_body": {"pool": 1}})),
    ("client_kwargs", ({"headers": {"x-route": "b"}}, {"params": {"pool": "cls"}}, {"timeout": 3})),
    ("config", ({"task_type": "CLUSTERING"}, {"output_dimensionality": 32}, {"title": "t"}, {"auto_truncate": False})),
    (
        "generation_kwargs",
        ({"num_ctx": 77}, {"temperature": 0.5}, {"seed": 3}, {"rope_frequency_base": 1e4}, {"num_gpu": 1}),
    ),
    ("ollama_additional_kwargs", ({"num_ctx": 77}, {"temperature": 0.5}, {"rope_frequency_base": 1e4})),
    (
        "kwargs",
        (
            {"extra_body": {"pool": "cls"}},
            {"extra_headers": {"x-route": "b"}},
            {"extra_query": {"pool": "cls"}},
            {"dimensions": 32},
            {"normalize": True},
            {"truncate": True},
            {"prompt_name": "query"},
            {"user": "me"},
            {"headers": {"x-route": "b"}},
        ),
    ),
    ("", ({"pool": "cls"},)),
)


def values(setting: Setting, choices: dict[str, list[Any]]) -> list[Any]:
    """Return values for a setting, none if it takes what only a program can make.

    Args:
        setting: Its name and type.
        choices: Values for settings of one class, by name, in the place of those of their types.
    """
    if setting.name in choices:
        return choices[setting.name]
    if any(name in setting.name for name in _LIVE) and "kwargs" not in setting.name:
        return []
    found: list[Any] = []
    for value in _of_type(setting.name, setting.annotation):
        if not any(value == other and type(value) is type(other) for other in found):
            found.append(value)
    return found


def _of_type(name: str, kind: Any) -> list[Any]:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of_type(name, inside[0])
    if origin in {Union, types.UnionType}:
        return [value for each in inside for value in _of_type(name, each)]
    if origin is Literal:
        return list(inside)
    shape = origin or kind
    if not isinstance(shape, type):
        # Haystack and others write some types as strings, and Any says nothing.
        return [{"pool": "cls"}] if "dict" in str(kind).lower() else []
    if issubclass(shape, enum.Enum):
        return list(shape)
    if shape is bool:
        return [True, False]
    if shape in {int, float}:
        return [shape(7), shape(32)]
    if shape is str:
        return _strings(name)
    if shape.__name__ in {"SecretStr", "Secret"}:
        return [_secret(shape)]
    if shape.__name__ in {"dict", "Mapping", "MutableMapping"}:
        return list(next(found for part, found in _DICTS if part in name.lower()))
    if shape.__name__ in {"list", "List", "Sequence", "set", "tuple"}:
        return [] if inside[:1] and inside[0] not in {str, Any} else [["other"], ["one", "two"]]
    return []


def _strings(name: str) -> list[str]:
    lowered = name.lower()
    if any(part in lowered for part in ("url", "endpoint", "api_base", "host", "proxy")):
        return [OTHER_URL]
    if any(part in lowered for part in ("key", "token", "secret", "password")):
        return [OTHER_KEY]
    return ["other", "another"]


def _secret(kind: Any) -> Any:
    return kind.from_token(OTHER_KEY) if hasattr(kind, "from_token") else kind(OTHER_KEY)


_VARIABLES = ("BASE", "DEPLOYMENT", "DIMENSION", "ENDPOINT", "HEADER", "HOST", "MODEL", "PROVIDER", "REGION", "URL")
# Of the machine and of Python; what they lead to is no provider.
_OF_MACHINE = (
    "AWS_S3",
    "AWS_SIGV4A",
    "AWS_STS",
    "CURL_CA",
    "HOSTNAME",
    "LITELLM_LOCAL",
    "OTEL",
    "PYTHON",
    "REQUESTS_CA",
    "SSL",
)


def of_variable(name: str) -> list[str]:
    """Return values for a variable of the environment, none for those that say nothing of a provider."""
    if name.startswith(_OF_MACHINE) or not any(part in name for part in _VARIABLES):
        return []
    return _strings(name)[:1]


def of_attribute(name: str, now: Any) -> list[Any]:
    """Return values for an attribute of a client, a class or a module.

    Args:
        name: Its name.
        now: Its value.
    """
    lowered = name.lower()
    if any(part in lowered for part in ("header", "param", "query")):
        return [OTHER_HEADERS] if now is None or hasattr(now, "items") else []
    if type(now).__name__ == "URL" or (isinstance(now, str) and "://" in now):
        return [OTHER_URL]
    if now is None or isinstance(now, str):
        if "version" in lowered:
            return ["v1"]
        is_url = any(part in lowered for part in ("url", "endpoint", "base"))
        return [OTHER_URL if is_url and now is None else "other.test" if is_url or "host" in lowered else "other"]
    return []
