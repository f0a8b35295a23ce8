"""Embed every text once: one embedding cache for every framework, on any path.

A name is imported from its module when it is first asked for, so that `import embedonce` costs a program nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.version import __version__

if TYPE_CHECKING:
    from embedonce.cache import EmbeddingCache
    from embedonce.codecs import Codec
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
    from embedonce.keyed import HmacKeyEncoder
    from embedonce.keys import KeyEncoder
    from embedonce.options import Mode
    from embedonce.plugins import register_plugin
    from embedonce.policy import Stats
    from embedonce.stores import ByteStore, MemoryStore, SegmentStore
    from embedonce.stores.segments.reports import Report, Usage, Verification
    from embedonce.wrapping import CachedFunction, WrapOptions, Wrapper, wrap

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
    "cache": "EmbeddingCache",
    "codecs": "Codec",
    "errors": "CacheMissError EmbedOnceError EmbedderContractError FormatError IdentityError KeyEncoderError "
    "PluginError StoreError UnsupportedEmbedderError",
    "events": "EmbedEvent",
    "hookspecs": "hookimpl",
    "identity": "Identity",
    "keyed": "HmacKeyEncoder",
    "keys": "KeyEncoder",
    "options": "Mode",
    "plugins": "register_plugin",
    "policy": "Stats",
    "stores": "ByteStore MemoryStore SegmentStore",
    "stores.segments.reports": "Report Usage Verification",
    "wrapping": "CachedFunction WrapOptions Wrapper wrap",
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
