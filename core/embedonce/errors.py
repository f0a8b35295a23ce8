"""Every error that embedonce raises on purpose.

    EmbedOnceError
    ├── IdentityError (ValueError)           the embedder cannot be distinguished from others
    ├── CacheMissError (KeyError)            mode "replay" met a text that is not in the cache
    ├── EmbedderContractError (ValueError)   the embedder's answer is not a list of vectors, one for each text
    ├── StoreError (OSError)                 the store cannot be read or written at the moment
    │   └── FormatError (ValueError)         the store holds something this version must not touch
    ├── KeyEncoderError (ValueError)         an unknown, broken or changed key encoder
    ├── PluginError (RuntimeError)           a plugin could not be loaded, or two plugins claim one name
    └── UnsupportedEmbedderError (TypeError) an object is not an embedder, or its answers cannot be cached

Each of them also inherits from the builtin that a caller would expect, and each message ends with the remedy.
"""

from __future__ import annotations

__all__ = [
    "CacheMissError",
    "EmbedOnceError",
    "EmbedderContractError",
    "FormatError",
    "IdentityError",
    "KeyEncoderError",
    "PluginError",
    "StoreError",
    "UnsupportedEmbedderError",
]

__all__ = [
    "CacheMissError",
    "EmbedOnceError",
    "EmbedderContractError",
    "FormatError",
    "IdentityError",
    "KeyEncoderError",
    "PluginError",
    "StoreError",
    "UnsupportedEmbedderError",
]


class EmbedOnceError(Exception):
    """Root of all errors of embedonce."""


class IdentityError(EmbedOnceError, ValueError):
    """What the embedder computes cannot be distinguished from what another embedder computes."""


class CacheMissError(EmbedOnceError, KeyError):
    """A text is not in the cache, and the mode does not allow embedding it."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument, which would escape the message.
        return str(self.args[0]) if self.args else ""


class EmbedderContractError(EmbedOnceError, ValueError):
    """The answer of an embedder is not one finite vector for each text, all of one length; good ones are stored."""


class StoreError(EmbedOnceError, OSError):
    """The store cannot be read or written: an outage, which is never treated as a miss.

    Attributes:
        fault: The kind of outage, for instance `denied`, `missing`, `timeout` or `full`; empty if it is not an outage.
        is_partial: True if only some files of the store cannot be read; what the others hold was found.
    """

    fault: str = ""
    is_partial: bool = False


class FormatError(StoreError, ValueError):
    """The store holds data of a newer or unknown format; nothing was changed."""


class KeyEncoderError(EmbedOnceError, ValueError):
    """A key encoder is unknown, answers with something other than a key, or differs from the recorded one."""


class PluginError(EmbedOnceError, RuntimeError):
    """A plugin could not be loaded, or two plugins claim one name."""


class UnsupportedEmbedderError(EmbedOnceError, TypeError):
    """An object is not an embedder of a framework whose plugin is loaded, or its answers cannot be cached."""
