"""What a call of `embeddings.create` asks for, and whether a cache can answer it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedonce import Identity
from embedonce.identification import UnclearSettingError, in_host, plain, providers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce import WrapOptions

_ARGUMENTS = frozenset(("input", "model", "dimensions", "encoding_format", "user"))
_KNOWN = _ARGUMENTS | {"extra_headers", "extra_query", "extra_body", "timeout"}
_RAW = "x-stainless-raw-response"
# Of these it is known that no server chooses a model by them: they say who asks, from where and for which trace.
_PASSING = re.compile(
    r"authorization|api-key|x-api-key|cookie|user-agent|accept.*|connection|content-.*|idempotency-key"
    r"|traceparent|tracestate|baggage|b3|x-b3-.*|sentry-trace|x-datadog-.*|x-request-id|x-correlation-id"
    r"|x-client-request-id|x-ms-client-request-id|openai-organization|openai-project|x-stainless-.*"
)


class PastTheCacheError(Exception):
    """Why a call goes to the provider as it is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call asks for.

    Attributes:
        texts: The texts.
        is_one: True if `input` is one text and not a list.
        is_base64: True if vectors have to come back as text.
        identity: What decides the vectors.
    """

    texts: list[str]
    is_one: bool
    is_base64: bool
    identity: Identity


def asked_by(client: Any, options: WrapOptions, given: Mapping[str, Any]) -> Asked:
    """Return what a call asks for.

    Args:
        client: The client that is called.
        options: What it was wrapped with.
        given: The arguments of the call.

    Raises:
        PastTheCacheError: The cache cannot answer it.
    """
    unknown = sorted(given.keys() - _KNOWN)
    if unknown:
        msg = f"the argument {unknown[0]!r} is unknown"
        raise PastTheCacheError(msg)
    texts, is_one = _texts(given.get("input"))
    if any(name.lower() == _RAW for name in given.get("extra_headers") or {}):
        msg = "it asks for a raw response"
        raise PastTheCacheError(msg)
    routing = _routing(given.get("extra_headers") or {})
    if routing:
        msg = f"the extra header {min(routing)!r} may change the answer"
        raise PastTheCacheError(msg)
    encoding = _set(given, "encoding_format")
    if encoding not in (None, "float", "base64"):
        msg = "its encoding_format is neither 'float' nor 'base64'"
        raise PastTheCacheError(msg)
    try:
        identity = identity_of_call(client, options, given)
    except UnclearSettingError as error:
        raise PastTheCacheError(str(error)) from None
    return Asked(texts, is_one, encoding == "base64", identity)


def identity_of_call(client: Any, options: WrapOptions, given: Mapping[str, Any]) -> Identity:
    """Return what decides the vectors of a call with some arguments.

    Raises:
        PastTheCacheError: They do not tell.
        UnclearSettingError: Likewise.
    """
    model, dimensions = _set(given, "model"), _set(given, "dimensions")
    if not isinstance(model, str) or not model:
        msg = "its model is not a name"
        raise PastTheCacheError(msg)
    if dimensions is not None and type(dimensions) is not int:
        msg = "its dimensions are not a whole number"
        raise PastTheCacheError(msg)
    extra = _set(given, "extra_body") or {}
    replaced = sorted(_ARGUMENTS & set(extra))
    if replaced:
        msg = f"extra_body replaces {replaced[0]!r}"
        raise PastTheCacheError(msg)
    http = client._client
    always = {name: _one_or_all(http.params.get_list(name)) for name in http.params}
    query = {**always, **client._custom_query, **(_set(given, "extra_query") or {})}
    request = {"extra_body": plain_only(extra)} if extra else None
    said: dict[str, Any] = {"dimensions": dimensions, "request": request, "query": plain_only(query)}
    url = str(client.base_url)
    # The providers' own servers choose no model by a header; a gateway may.
    is_provider = providers.is_official(url) or in_host(url, "azure.com", "azure.us", "azure.cn")
    routed = None if is_provider else _digest({**dict(http.headers), **client._custom_headers})
    if options.namespace is not None:
        identity = _named(options.namespace, {"model": model, "routed_by": routed, **said})
    elif hasattr(client, "_azure_deployment"):
        exact = providers.one_vocabulary(model)
        identity = providers.azure_openai(model, url=url, exact=exact, routed_by=routed, **said)
    else:
        identity = providers.openai(model, endpoint=url, routed_by=routed, **said)
    return options.applied_to(identity)


def plain_only(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that can be written down as they are.

    Raises:
        PastTheCacheError: One is a secret or a live object, and would not count.
    """
    kept = {name: value for name, value in settings.items() if name != "api-version"}
    try:
        written = plain(kept)
        if json.loads(json.dumps(kept)) == json.loads(json.dumps(written)):
            return kept
    except (TypeError, ValueError):
        pass
    msg = "an extra argument of the request cannot be written down"
    raise PastTheCacheError(msg)


def _named(namespace: str | Identity, said: Mapping[str, Any]) -> Identity:
    """Return what a user vouches for, below which each kind of call is kept apart."""
    named = namespace if isinstance(namespace, Identity) else Identity.named(namespace)
    return replace(named, dimensions=None).with_additions({"call": {k: v for k, v in said.items() if v}})


def _texts(given: Any) -> tuple[list[str], bool]:
    if isinstance(given, str):
        return [given], True
    if isinstance(given, list | tuple) and given and all(isinstance(each, str) for each in given):
        return list(given), False
    msg = "its input is not a text or a list of texts"
    raise PastTheCacheError(msg)


def _set(given: Mapping[str, Any], name: str) -> Any:
    """Return an argument, None if it is one of the SDK's marks for what is not given."""
    value = given.get(name)
    return None if type(value).__name__ in ("Omit", "NotGiven") else value


def _one_or_all(values: list[str]) -> str | list[str]:
    """Return the values of a parameter of a URL, the one alone as it is written elsewhere."""
    return values[0] if len(values) == 1 else values


def _routing(headers: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in map(str.lower, headers) if not _PASSING.fullmatch(name))


def _digest(headers: Mapping[str, Any]) -> str | None:
    """Return a digest of the headers by which a gateway may choose a model; their values may be secrets."""
    routing = set(_routing(headers))
    lines = sorted(f"{name.lower()}: {value}" for name, value in headers.items() if name.lower() in routing)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32] if lines else None
