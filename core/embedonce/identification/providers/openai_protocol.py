"""OpenAI's models, on its own servers, on Azure and wherever else its protocol is spoken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from embedonce.identification.known_classes import identity_of
from embedonce.identification.settings.plain import UnclearSettingError, clean_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.identity import Identity

_URL = "https://api.openai.com/v1"
_IGNORED = ("dimensions", "user", "extra_headers")
_DEPLOYMENT = re.compile(r"(?P<root>.*?)(?P<openai>/openai(?:/v1)?)?(?:/deployments/(?P<deployment>[^/]+))?")


def is_official(endpoint: str | None) -> bool:
    """Return whether a URL is OpenAI's own, as None is."""
    return endpoint is None or clean_url(endpoint) == _URL


def one_vocabulary(model: object) -> bool:
    """Return whether a model has the tokenizer that all of OpenAI's models share, by its name."""
    return isinstance(model, str) and model.startswith("text-embedding-")


def openai(
    model: Any,
    *,
    dimensions: int | None = None,
    request: Mapping[str, Any] | None = None,
    query: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    symmetric: bool = True,
    **more: Any,
) -> Identity:
    """Identify a model behind OpenAI's protocol.

    Args:
        model: Its name in the request.
        dimensions: Its length of vectors as requested; wins over the one in `request`.
        request: Further arguments of the request; a `model` among them wins.
        query: What is added to the URL.
        endpoint: Where requests go; None and OpenAI's own URL are the same.
        symmetric: False if queries are sent in another way, which `more` then has to tell.
        **more: Further parameters of the identity.
    """
    official = is_official(endpoint)
    model, parameters = requested(model, dimensions, request, query)
    parameters |= {"endpoint": None if official else endpoint, **more}
    return identity_of("openai", model, parameters, symmetric=symmetric, exact=official)


def azure_openai(
    model: Any,
    *,
    url: str | None,
    deployment: str | None = None,
    below: str = "",
    built_for: str | None = None,
    dimensions: int | None = None,
    request: Mapping[str, Any] | None = None,
    query: Mapping[str, Any] | None = None,
    symmetric: bool = True,
    exact: bool = True,
    **more: Any,
) -> Identity:
    """Identify a deployment on Azure; see `openai`.

    Args:
        model: Its name in the request, which is the deployment's if nothing else names one.
        url: Where requests go: with or without `/openai/deployments/<name>`, which wins over `deployment`.
        deployment: The deployment that requests are sent to.
        below: What a client asks for directly below its URL, if it is that of one; else `/openai` comes between.
        built_for: The deployment that the URL of such a client named when it was built, if it did.
        dimensions: Its length of vectors as requested.
        request: Further arguments of the request.
        query: What is added to the URL.
        symmetric: False if queries are sent in another way.
        exact: False if another model than OpenAI's may ignore the dimensions.
        **more: Further parameters of the identity.

    Raises:
        UnclearSettingError: There is no URL, or that of the client was changed and is not where requests go.
    """
    if not url:
        msg = "neither its client nor its field `azure_endpoint` shows an endpoint"
        raise UnclearSettingError(msg)
    model, parameters = requested(model, dimensions, request, query)
    scheme, host, path, asked, _ = urlsplit(clean_url(url))
    parts = _DEPLOYMENT.fullmatch(path)
    in_url = parts and parts["deployment"]
    if built_for and not in_url:
        msg = "the URL of its client was changed to one that names no deployment, and requests do not go there"
        raise UnclearSettingError(msg)
    root = path if parts is None else parts["root"]
    if parts is not None and below and not parts["openai"]:
        root = f"{root}/{below}"
    deployment = unquote(in_url) if in_url else deployment or model
    asked = urlencode([pair for pair in parse_qsl(asked) if pair[0] != "api-version"])
    endpoint = urlunsplit((scheme, host, root, asked, ""))
    parameters |= {"endpoint": endpoint, **more}
    return identity_of("azure-openai", deployment, parameters, symmetric=symmetric, exact=exact)


def requested(
    model: Any, dimensions: int | None, request: Mapping[str, Any] | None, query: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Return the model and the parameters that a request of OpenAI's protocol names; see `openai`."""
    sent = {"model": model, **(request or {})}
    if dimensions is None:
        dimensions = sent.get("dimensions")
    for name in _IGNORED:
        sent.pop(name, None)
    # Two ways to write the same numbers; "int8" and the like, which some servers know, are other numbers.
    if sent.get("encoding_format") in (None, "float", "base64"):
        sent.pop("encoding_format", None)
    parameters = {
        "dimensions": dimensions,
        "query": {name: value for name, value in dict(query or {}).items() if name != "api-version"},
    }
    effective_model = sent.pop("model")
    return effective_model, {**parameters, "model_kwargs": sent}
