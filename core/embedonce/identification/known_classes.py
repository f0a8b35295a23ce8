"""What is known of a class, and what describing functions share.

Providers and parameters have names that no framework owns, and a setting that equals the provider's own default
is left out, so that the same model gets the same namespace whichever framework calls it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from embedonce.identification.fields.unlisted import written
from embedonce.identification.settings.plain import UnclearSettingError, clean_url, is_url
from embedonce.identity import Identity
from embedonce.secrets import certainly_secret, stand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from embedonce.identification.sending.requests import Requests


@dataclass(frozen=True, slots=True)
class Description:
    """What an embedder computes.

    Attributes:
        identity: What distinguishes its vectors from those of another embedder; None only if they must not be cached.
        effective_text: Returns the text that really reaches the model; None if that is the text itself.
        whole_up_to: Texts of more UTF-8 bytes may be split and averaged on the client's side, so that their
            vectors are not the provider's answer to the text; None if that never happens.
        not_cacheable: Why the vectors must not be cached; empty if they may be.
        is_sync_only: True if the async method for documents sends something other than the sync one, which is then
            called in a thread.
        numbers: The type of the numbers in its lists, where other classes of the model have another one; else None.
    """

    identity: Identity | None
    effective_text: Callable[[str], str] | None = None
    whole_up_to: int | None = None
    not_cacheable: str = ""
    is_sync_only: bool = False
    numbers: type[int | float] | None = None


@dataclass(frozen=True, slots=True)
class KnownClass:
    """A known class: `describe` sees nothing but the values that it reads, so that they are its fingerprint too.

    Attributes:
        describe: Returns a description, or the identity alone; its parameters say what it reads, see `At`.
        batch: Texts per request, where requests are sent one after the other: a number, or the path of the field that
            holds it and its default. For any other class a function whose parameters say what it reads, which returns
            how requests are sent; None or `"auto"` if that is not known or there are none, as for a local model.
        adds: Paths of headers that are in each request, and of clients that add headers or parameters to the query,
            separated by spaces, and by `|` where a second client has its own. What clients at `Urls` add counts in any
            case, as do the usual fields that they get it from.
        ignores: Further fields of the class that do not change vectors, where pydantic does not list them.
    """

    describe: Callable[..., Description | Identity]
    batch: int | tuple[str, int] | Literal["auto"] | Callable[..., Requests | None] = "auto"
    ignores: str = ""
    adds: str = ""


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
    if isinstance(model, str) and certainly_secret(model, is_name=True):
        model = stand_in(model)
    identity = Identity.of(provider, model, symmetric=symmetric).with_parameters(written(parameters))
    dimensions = parameters.get("dimensions")
    return replace(identity, dimensions=dimensions) if exact and type(dimensions) is int else identity


def apart(given: Mapping[str, Any], others: Collection[str]) -> dict[str, Any]:
    """Return settings under names that no other parameter beside them has, since one would replace the other."""
    return {f"field {name}" if name in others or name.startswith("field ") else name: given[name] for name in given}


def unless(default: Any, value: Any) -> Any:
    """Return a setting, None where it is the provider's own default."""
    return None if value == default else value


def endpoint_of(urls: Iterable[Any], *fallbacks: Any, official: Collection[str] = ()) -> str | None:
    """Return the URL that requests go to, or None if it is the provider's own.

    A client that is already built decides, since later changes of a field or the environment do not reach it.

    Args:
        urls: Those of the clients, None for a client that shows none.
        fallbacks: The settings that decide where no client shows a URL; the first one that is set.
        official: The provider's own.

    Raises:
        UnclearSettingError: The synchronous and the asynchronous client use different URLs.
    """
    # An empty one is what a system for continuous integration makes of a variable that is not set.
    found = {clean_url(str(url)) for url in urls if url is not None and str(url)}
    if len(found) > 1:
        msg = "its synchronous and its asynchronous client use different URLs"
        raise UnclearSettingError(msg)
    url = found.pop() if found else next((clean_url(str(each)) for each in fallbacks if each), None)
    return None if url is None or url in official else url


def in_host(url: str | None, *domains: str) -> bool:
    """Tell whether a URL leads to one of some domains or below it."""
    host = urlsplit(url or "").hostname or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
