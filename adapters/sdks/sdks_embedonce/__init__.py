"""embedonce for the SDKs of providers: a client that asks a cache before it embeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdks_embedonce.openai import CachedClient

__all__ = ["CachedClient"]


def __getattr__(name: str) -> object:
    # Lazy, because plugins are loaded from this package before anybody knows which SDKs are there.
    if name == "CachedClient":
        from sdks_embedonce.openai import CachedClient

        return CachedClient
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
