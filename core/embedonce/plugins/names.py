"""The key encoder or codec that a user names: a built-in one, one of a plugin, or one that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.errors import KeyEncoderError
from embedonce.keys.encoders import BUILT_IN, KeyEncoder
from embedonce.plugins.host import plugins
from embedonce.plugins.registrations import codecs, key_encoders
from embedonce.runtime.warnings import warn_user
from embedonce.vectors.codecs import BUILT_IN as BUILT_IN_CODECS
from embedonce.vectors.codecs import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EXTRA_OF = {"blake3": "blake3", "xxh3_128": "xxhash"}


def resolve_key_encoder(key_encoder: str | Callable[[str], str] | KeyEncoder) -> KeyEncoder:
    """Return the key encoder for a name or a callable.

    Raises:
        KeyEncoderError: The name is unknown, its package is missing, or the callable does not answer with keys.
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
        msg = f"key_encoder must be a name or a callable str -> str, got {key_encoder!r}; built in: {_names()}"
        raise KeyEncoderError(msg)
    try:
        is_steady = encoder.record() == encoder.record()
    except ImportError as error:
        package = _EXTRA_OF.get(encoder.name, "")
        msg = f"key encoder {encoder.name!r} needs another package: {error}; run: pip install {package or '…'}"
        raise KeyEncoderError(msg) from error
    except KeyEncoderError:
        raise
    except Exception as error:
        msg = f"key encoder {encoder.name!r} failed on a plain string: {error!r}; it must map every str to a key"
        raise KeyEncoderError(msg) from error
    if not is_steady:
        msg = (
            f"key encoder {encoder.name!r} gives one text different keys when it is asked twice, so that nothing would "
            "ever be found; it must depend on nothing but the text"
        )
        raise KeyEncoderError(msg)
    return encoder


def named_key_encoder(name: str) -> KeyEncoder:
    """Return the key encoder of a name, which may be one of a plugin.

    Raises:
        KeyEncoderError: The name is unknown.
        PluginError: The key encoder cannot be used.
    """
    if name in BUILT_IN:
        return KeyEncoder(name, "1", BUILT_IN[name])
    registered = key_encoders()
    if name in registered:
        return registered.usable(name)
    msg = (
        f"unknown key encoder {name!r}; available: {_names(registered.names())}, or pass a callable str -> str"
        f"{plugins().failures()}"
    )
    raise KeyEncoderError(msg)


def _names(registered: Iterable[str] = ()) -> str:
    return ", ".join(sorted({*BUILT_IN, *registered}))


def resolve_codec(codec: str | Codec) -> Codec:
    """Return the codec for a name.

    Raises:
        ValueError: The name is unknown.
        PluginError: The codec cannot be used.
    """
    if isinstance(codec, Codec):
        return codec
    if isinstance(codec, str) and codec in BUILT_IN_CODECS:
        return BUILT_IN_CODECS[codec]
    registered = codecs()
    if isinstance(codec, str) and codec in registered:
        return registered.usable(codec)
    names = ", ".join([*BUILT_IN_CODECS, *registered.names()])
    msg = f"unknown codec {codec!r}; available: {names}, or pass an embedonce.Codec{plugins().failures()}"
    raise ValueError(msg)
