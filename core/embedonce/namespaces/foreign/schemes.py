"""Byte stores that plugins open by the scheme of a URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from embedonce.errors import EmbedOnceError, StoreError
from embedonce.namespaces.foreign.byte_stores import ByteStoreNamespaces
from embedonce.plugins.host import plugins
from embedonce.plugins.registrations import is_known_to_fsspec, stores
from embedonce.runtime.overriding import override
from embedonce.secrets import keep, recall, scrubbed, shown_url, texts_in, url_without_secrets, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.namespaces.protocol import Namespaces
    from embedonce.stores.protocol import ByteStore

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def scheme_store(store: object) -> str:
    """Return the scheme of a URL that a plugin opens; empty for anything that plugins do not open.

    Raises:
        StoreError: Nobody opens such URLs.
    """
    match = _URL.match(store) if isinstance(store, str) else None
    if match is None:
        return ""
    scheme = match[1].lower()
    # What fsspec knows is never asked of a plugin, so that those who have none do not wait for any.
    if is_known_to_fsspec(scheme):
        return ""
    if scheme not in stores():
        added = "".join(f", {each}://" for each in stores().names())
        msg = (
            f"nobody opens {shown_url(str(store))}: neither fsspec nor a plugin knows {scheme}:// "
            f"(plugins open: {added[2:] or 'none'}); check the URL, or install what opens it{plugins().failures()}"
        )
        raise StoreError(msg)
    return scheme


class SchemeStoreNamespaces(ByteStoreNamespaces):
    """Namespaces in a byte store that a plugin has opened (see `Namespaces`).

    A pickle holds the URL and the options without their secrets, and opens the store anew.

    Args:
        url: What the user wrote.
        storage_options: Given to what opens the store, as keyword arguments.
        text_safe: True to write base64.

    Raises:
        StoreError: The store cannot be opened.
        PluginError: What opens it cannot be used.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None, *, text_safe: bool = False) -> None:
        self._url = url
        self._options = dict(storage_options or {})
        super().__init__(_opened(url, self._options), text_safe=text_safe)

    def __str__(self) -> str:
        return shown_url(self._url)

    @override
    def same_as(self, other: Namespaces) -> bool:
        return isinstance(other, SchemeStoreNamespaces) and (other._url, other._options) == (self._url, self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        content = (self._url, self._options)
        plain = (url_without_secrets(self._url), without_secrets(self._options))
        return _reopened, (*plain, None if plain == content else keep(content), self._text_safe)


def _reopened(url: str, options: dict[str, Any], token: str | None, text_safe: bool) -> SchemeStoreNamespaces:  # noqa: FBT001
    content = None if token is None else recall(token)
    return SchemeStoreNamespaces(*(content or (url, options)), text_safe=text_safe)


def _opened(url: str, options: Mapping[str, Any]) -> ByteStore:
    scheme = scheme_store(url)
    open_store, source = stores().get(scheme), stores().source(scheme)
    try:
        store = open_store(url, **options)
    except EmbedOnceError:
        raise
    except Exception as error:
        # Whatever it says may repeat a secret.
        reason = scrubbed(f"{type(error).__name__}: {error}", texts_in(url) | texts_in(options))
        msg = f"cannot open {shown_url(url)}: {reason} (plugin of {source}); check the URL and storage_options"
        raise StoreError(msg) from None
    lacking = [verb for verb in ("mget", "mset", "mdelete", "yield_keys") if not callable(getattr(store, verb, None))]
    if lacking:
        kind = type(store).__name__
        msg = f"{source} opens {shown_url(url)} as a {kind}, which is not a byte store: it lacks {', '.join(lacking)}"
        raise StoreError(msg)
    return store
