"""Embed every text once: one embedding cache for every framework, on any path."""

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
from embedonce.version import __version__
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
