"""The key encoder or codec that a user names: a built-in one, one of a plugin, or one that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from embedonce.errors import KeyEncoderError
from embedonce.keys.encoders import BUILT_IN as BUILT_IN_FUNCTIONS
from embedonce.keys.encoders import KeyEncoder
from embedonce.plugins.callers import warn_user
from embedonce.plugins.host import plugins
from embedonce.plugins.registrations import codecs, key_encoders
from embedonce.vectors.codecs import BUILT_IN as BUILT_IN_CODECS
from embedonce.vectors.codecs import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedonce.plugins.registry import Registry

    T = TypeVar("T")

_BUILT_IN_KEY_ENCODERS = {name: KeyEncoder(name, "1", function) for name, function in BUILT_IN_FUNCTIONS.items()}


def resolve_key_encoder(key_encoder: str | Callable[[str], str] | KeyEncoder) -> KeyEncoder:
    """Return the key encoder for a name or a callable.

    Raises:
        KeyEncoderError: The name is unknown, its package is missing, or the callable does not answer with keys.
        PluginError: The key encoder of a plugin cannot be used.
    """
    if isinstance(key_encoder, KeyEncoder):
        encoder = key_encoder
    elif isinstance(key_encoder, str):
        if key_encoder == "sha1":
            warn_user(
                "key encoder 'sha1' is not collision-resistant: use it to read existing LangChain caches only, "
                "and key_encoder='sha256' for new ones"
            )
        encoder = named_key_encoder(key_encoder)
    elif callable(key_encoder):
        name = getattr(key_encoder, "name", "")
        encoder = KeyEncoder.of(name if isinstance(name, str) and name else "callable", key_encoder)
    else:
        names = ", ".join(sorted(BUILT_IN_FUNCTIONS))
        msg = f"key_encoder must be a name or a callable str -> str, got {key_encoder!r}; built in: {names}"
        raise KeyEncoderError(msg)
    encoder.check()
    return encoder


def named_key_encoder(name: str) -> KeyEncoder:
    """Return the key encoder of a name, which may be one of a plugin.

    Raises:
        KeyEncoderError: The name is unknown.
        PluginError: The key encoder cannot be used.
    """
    return _named(name, _BUILT_IN_KEY_ENCODERS, key_encoders, KeyEncoderError, "a callable str -> str")


def resolve_codec(codec: str | Codec) -> Codec:
    """Return the codec for a name.

    Raises:
        ValueError: The name is unknown.
        PluginError: The codec cannot be used.
    """
    if isinstance(codec, Codec):
        return codec
    return _named(codec, BUILT_IN_CODECS, codecs, ValueError, "an embedonce.Codec")


def _named(
    name: object,
    built_in: Mapping[str, T],
    registered: Callable[[], Registry[T]],
    error: type[ValueError],
    other: str,
) -> T:
    """Return what a name means.

    Args:
        name: The name.
        built_in: What comes with embedonce; no plugin is loaded for these.
        registered: Returns what plugins have added.
        error: What is raised for an unknown name.
        other: What the user may give instead of a name.

    Raises:
        ValueError: The name is unknown.
        PluginError: What the name means cannot be used.
    """
    if isinstance(name, str) and name in built_in:
        return built_in[name]
    registry = registered()
    if isinstance(name, str) and name in registry:
        return registry.get(name)
    names = ", ".join(sorted({*built_in, *registry.names()}))
    msg = f"unknown {registry.kind} {name!r}; available: {names}, or pass {other}{plugins().failures()}"
    raise error(msg)
