"""Embed every text once: one embedding cache for every framework, on any path.

A name is imported from its module when it is first asked for, so that `import embedonce` costs a program nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.version import __version__

if TYPE_CHECKING:
    from embedonce.cache.cache import EmbeddingCache
    from embedonce.cache.health import Stats
    from embedonce.errors import (
        CacheMissError,
        EmbedderContractError,
        EmbedOnceError,
        FormatError,
        IdentityError,
        KeyEncoderError,
        PluginError,
        StoreError,
        UnsupportedEmbedderError,
    )
    from embedonce.events import EmbedEvent
    from embedonce.hookspecs import hookimpl
    from embedonce.identity import Identity
    from embedonce.keys.encoders import KeyEncoder
    from embedonce.keys.hmac import HmacKeyEncoder
    from embedonce.keys.specification import Role
    from embedonce.options import Mode, WrapOptions
    from embedonce.plugins.host import register_plugin
    from embedonce.stores import ByteStore, MemoryStore, SegmentStore
    from embedonce.stores.segments.upkeep.reports import Report, Usage, Verification
    from embedonce.vectors.codecs import Codec
    from embedonce.wrappers import CachedFunction, Wrapper
    from embedonce.wrapping import wrap

__all__ = [
    "ByteStore",
    "CacheMissError",
    "CachedFunction",
    "Codec",
    "EmbedEvent",
    "EmbedOnceError",
    "EmbedderContractError",
    "EmbeddingCache",
    "FormatError",
    "HmacKeyEncoder",
    "Identity",
    "IdentityError",
    "KeyEncoder",
    "KeyEncoderError",
    "MemoryStore",
    "Mode",
    "PluginError",
    "Report",
    "Role",
    "SegmentStore",
    "Stats",
    "StoreError",
    "UnsupportedEmbedderError",
    "Usage",
    "Verification",
    "WrapOptions",
    "Wrapper",
    "__version__",
    "hookimpl",
    "register_plugin",
    "wrap",
]

_NAMES_OF = {
    "cache.cache": "EmbeddingCache",
    "cache.health": "Stats",
    "errors": "CacheMissError EmbedOnceError EmbedderContractError FormatError IdentityError KeyEncoderError "
    "PluginError StoreError UnsupportedEmbedderError",
    "events": "EmbedEvent",
    "hookspecs": "hookimpl",
    "identity": "Identity",
    "keys.encoders": "KeyEncoder",
    "keys.hmac": "HmacKeyEncoder",
    "keys.specification": "Role",
    "options": "Mode WrapOptions",
    "plugins.host": "register_plugin",
    "stores": "ByteStore MemoryStore SegmentStore",
    "stores.segments.upkeep.reports": "Report Usage Verification",
    "vectors.codecs": "Codec",
    "wrappers": "CachedFunction Wrapper",
    "wrapping": "wrap",
}
_MODULE_OF = {name: f"{__name__}.{module}" for module, names in _NAMES_OF.items() for name in names.split()}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
