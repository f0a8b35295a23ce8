"""Tools for tests of code that embeds, and of code that extends embedonce.

There are embedders that need no network, and that count calls or fail on request, a byte store that fails on request,
and suites of tests for adapters, byte stores, key encoders and codecs. The suites and pytest are imported only when a
suite is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embedonce.testing.embedders import (
    AsymmetricEmbedder,
    CountingEmbedder,
    FlakyEmbedder,
    HashingEmbedder,
    TextEmbedder,
)

if TYPE_CHECKING:
    from embedonce.testing.stores import FaultyStore
    from embedonce.testing.suites.adapters import AdapterSuite, ModelBehind
    from embedonce.testing.suites.byte_stores import ByteStoreSuite
    from embedonce.testing.suites.codecs import CodecSuite
    from embedonce.testing.suites.declared import not_applicable, overrides
    from embedonce.testing.suites.key_encoders import KeyEncoderSuite

__all__ = [
    "AdapterSuite",
    "AsymmetricEmbedder",
    "ByteStoreSuite",
    "CodecSuite",
    "CountingEmbedder",
    "FaultyStore",
    "FlakyEmbedder",
    "HashingEmbedder",
    "KeyEncoderSuite",
    "ModelBehind",
    "TextEmbedder",
    "not_applicable",
    "overrides",
]

_LATE = {
    "AdapterSuite": "suites.adapters",
    "ByteStoreSuite": "suites.byte_stores",
    "CodecSuite": "suites.codecs",
    "FaultyStore": "stores",
    "KeyEncoderSuite": "suites.key_encoders",
    "ModelBehind": "suites.adapters",
    "not_applicable": "suites.declared",
    "overrides": "suites.declared",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
