"""Which codec a user means: a built-in one, one of a plugin, or one that is given."""

from __future__ import annotations

from embedonce.codecs import BUILT_IN, Codec
from embedonce.plugins import plugins
from embedonce.registries import codecs


def resolve_codec(codec: str | Codec) -> Codec:
    """Return the codec for a name.

    Raises:
        ValueError: The name is unknown.
        PluginError: The codec cannot be used.
    """
    if isinstance(codec, Codec):
        return codec
    if isinstance(codec, str) and codec in BUILT_IN:
        return BUILT_IN[codec]
    registered = codecs()
    if isinstance(codec, str) and codec in registered:
        return registered.usable(codec)
    names = ", ".join([*BUILT_IN, *registered.names()])
    msg = f"unknown codec {codec!r}; available: {names}, or pass an embedonce.Codec{plugins().failures()}"
    raise ValueError(msg)
