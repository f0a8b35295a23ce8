"""Where requests of a component go, which builds its clients when it first needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Literal

from embedonce import Identity
from embedonce.identification import Description, KnownClass, Requests, UnclearSettingError, clean_url, in_host

INTEGRATIONS = "haystack_integrations.components.embedders"
Describe = Callable[..., Description | Identity]
Batch = int | tuple[str, int] | Literal["auto"] | Callable[..., Requests | None]
Rows = dict[tuple[str, str], KnownClass]


def pair(
    package: str,
    name: str,
    describe: Describe,
    *,
    roles: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    batch: Batch = ("batch_size", 32),
    ignores: str = "",
    adds: str = "",
) -> Rows:
    """Return the rows of a text and a document component.

    Args:
        package: Where they come from.
        name: What their names begin with.
        describe: See `KnownClass`, as for all further ones.
        roles: Arguments of `describe` for the text component, and those for the document component.
        batch: How many documents a request has, see `KnownClass`; the text component sends one text.
        ignores: Fields that do not change vectors.
        adds: See `KnownClass`.
    """
    return {
        (package, f"{name}TextEmbedder"): KnownClass(partial(describe, **roles[0]), 1, ignores, adds),
        (package, f"{name}DocumentEmbedder"): KnownClass(partial(describe, **roles[1]), batch, ignores, adds),
    }


def endpoint_of(
    urls: Collection[Any], *fallbacks: Any, default: str | None = None, hosts: Collection[str] = ()
) -> str | None:
    """Return the URL that requests go to.

    A client that is already built keeps its URL; one that is built later takes it from the settings at that time.

    Args:
        urls: Those of the clients.
        fallbacks: The settings that decide the URL of a client yet to be built; the first one that is set.
        default: That URL if none of them is set.
        hosts: Domains of the provider's own, for which the answer is None.

    Raises:
        UnclearSettingError: The synchronous and the asynchronous client use different URLs.
    """
    pending = next(filter(None, fallbacks), default)
    found: str | None = one_of([_own(url or pending, hosts) for url in urls], "URLs")
    return found


def _own(url: Any, hosts: Collection[str]) -> str | None:
    cleaned = clean_url(str(url)) if url else None
    return None if in_host(cleaned, *hosts) else cleaned


def one_of(found: Collection[Any], what: str) -> Any:
    """Return what the clients of a component agree on.

    Raises:
        UnclearSettingError: They do not agree.
    """
    different = set(found)
    if len(different) > 1:
        msg = f"its synchronous and its asynchronous client use different {what}"
        raise UnclearSettingError(msg)
    return different.pop() if different else None
