"""Where requests of a component go, which builds its clients when it first needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from embedonce.identification import Description, UnclearSettingError, Values, clean_url, in_host

INTEGRATIONS = "haystack_integrations.components.embedders"
Describe = Callable[[Values], Description]


def endpoint_of(values: Values, *fallbacks: str, default: str | None = None, hosts: Collection[str] = ()) -> str | None:
    """Return the URL that requests go to.

    A client that is built keeps its URL; one that is not will take what the settings say by then.

    Args:
        values: What the row reads; its `urls` are those of the clients.
        fallbacks: The values that tell the URL of a client yet to be built, the first one that is set.
        default: That URL if none of them is set.
        hosts: Domains of the provider's own, for which the answer is None.

    Raises:
        UnclearSettingError: The synchronous and the asynchronous client use different URLs.
    """
    pending = next((values[name] for name in fallbacks if values.get(name)), default)
    urls = [_own(url or pending, hosts) for url in values["urls"] or (None,)]
    found: str | None = one_of(urls, "URLs")
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
