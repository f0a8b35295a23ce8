"""Every error that embedonce raises on purpose.

    EmbedOnceError
    ├── IdentityError (ValueError)           the embedder cannot be told apart from another one
    ├── CacheMissError (KeyError)            mode "replay" met a text that is not in the cache
    ├── EmbedderContractError (ValueError)   the embedder answered with something that is no list of vectors
    ├── StoreError (OSError)                 the store cannot be read or written just now
    │   └── FormatError (ValueError)         the store holds something this version must not touch
    ├── KeyEncoderError (ValueError)         an unknown, broken or changed key encoder
    ├── PluginError (RuntimeError)           a plugin could not be loaded, or two claim one name
    └── UnsupportedEmbedderError (TypeError) an object is no embedder, or one that cannot be cached

Each leaf also inherits the builtin that a caller would guess, and each message ends with the remedy.
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


class EmbedOnceError(Exception):
    """Root of all errors of embedonce."""


class IdentityError(EmbedOnceError, ValueError):
    """What the embedder computes cannot be told apart from what another one computes."""


class CacheMissError(EmbedOnceError, KeyError):
    """A text is not in the cache, and the mode forbids to embed it."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument, which would escape the message.
        return str(self.args[0]) if self.args else ""


class EmbedderContractError(EmbedOnceError, ValueError):
    """The embedder's answer is not one finite vector of one length per text; nothing of it was stored."""


class StoreError(EmbedOnceError, OSError):
    """The store cannot be read or written: an outage, never to be taken for a miss.

    Attributes:
        fault: What kind of outage, for instance `denied`, `missing`, `timeout` or `full`; empty if it is none.
    """

    fault: str = ""


class FormatError(StoreError, ValueError):
    """The store holds data of a newer or unknown format; nothing was changed."""


class KeyEncoderError(EmbedOnceError, ValueError):
    """A key encoder is unknown, answers with something that is no key, or differs from the recorded one."""


class PluginError(EmbedOnceError, RuntimeError):
    """A plugin could not be loaded, or two plugins claim one name."""


class UnsupportedEmbedderError(EmbedOnceError, TypeError):
    """An object is no embedder of a framework whose plugin is loaded, or is one whose answers cannot be cached."""
