"""embedonce for the SDKs of providers: a client that asks a cache before it embeds."""

from sdks_embedonce.twins import CachedClient

__all__ = ["CachedClient"]
