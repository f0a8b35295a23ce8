"""What a row of a table of known classes is, and what describers share.

Providers and parameters have names that no framework owns, and a setting that equals the provider's own default
is left out, so that the same model gets the same namespace whichever framework calls it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from embedonce.identification.settings import UnclearSettingError, clean_url, is_url, plain
from embedonce.identity import Identity

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Description:
    """What an embedder computes.

    Attributes:
        identity: What tells its vectors from those of another embedder; None only if they must not be cached.
        effective_text: Returns the text that really reaches the model; None if that is the text itself.
        whole_up_to: Texts of more UTF-8 bytes may be split and averaged on the client's side, so that their
            vectors are not the provider's answer to the text; None if that never happens.
        not_cacheable: Why the vectors must not be cached; empty if they may be.
    """

    identity: Identity | None
    effective_text: Callable[[str], str] | None = None
    whole_up_to: int | None = None
    not_cacheable: str = ""


@dataclass(frozen=True, slots=True)
class KnownClass:
    """A known class: `describe` sees nothing but the values named here, so that they are its fingerprint too.

    Attributes:
        describe: Turns the values into a description.
        reads: Dotted paths from the embedder to the values, separated by spaces.
        urls: Dotted paths to the URLs of the clients it has built; they reach `describe` as `values["urls"]`.
        env: Environment variables that `describe` needs as long as a client shows no URL, as `values["$NAME"]`.
        batch: Texts per request: a number, or the path of the field that holds it and its default.
        ignores: Further fields of the class that do not change vectors, where pydantic does not list them.
    """

    describe: Callable[[Values], Description]
    reads: str
    urls: str = ""
    env: str = ""
    batch: int | tuple[str, int] = 1024
    ignores: str = ""


def newlines_to_spaces(text: str) -> str:
    """Replace each newline by a space."""
    return text.replace("\n", " ")


def line_separators_to_spaces(text: str) -> str:
    """Replace each line separator of the operating system by a space."""
    return text.replace(os.linesep, " ")


def identity_of(
    provider: str, model: Any, parameters: Mapping[str, Any], *, symmetric: bool = False, exact: bool = False
) -> Identity:
    """Build an identity; `exact` if the provider refuses a dimension that it cannot deliver.

    Some servers and models ignore the dimension, and entries of another length than the declared one are not served.
    """
    if isinstance(model, str) and is_url(model):
        model = clean_url(model)
    identity = Identity.of(provider, model, symmetric=symmetric).with_parameters(plain(parameters))
    dimensions = parameters.get("dimensions")
    return replace(identity, dimensions=dimensions) if exact and type(dimensions) is int else identity


def unless(default: Any, value: Any) -> Any:
    """Return a setting, None where it is the provider's own default."""
    return None if value == default else value


def endpoint_of(values: Values, *fallbacks: str, official: Collection[str] = ()) -> str | None:
    """Return the URL that requests go to, or None if it is the provider's own.

    A client that is already built decides, since later changes of a field or the environment do not reach it.
    """
    found = {clean_url(str(url)) for url in values.get("urls", ()) if url is not None}
    if len(found) > 1:
        msg = "its synchronous and its asynchronous client use different URLs"
        raise UnclearSettingError(msg)
    for name in fallbacks:
        if not found and values.get(name):
            found = {clean_url(str(values[name]))}
    url = found.pop() if found else None
    return None if url is None or url in official else url


def in_host(url: str | None, *domains: str) -> bool:
    """Tell whether an URL leads to one of some domains or below it."""
    host = urlsplit(url or "").hostname or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
