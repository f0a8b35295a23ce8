"""The form of keys in an index: 32 bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from embedonce.keys.specification import is_digest_key

_KEY_SALT = b"embedonce/key\0"


def key_digest(text: bytes) -> bytes:
    """Return the 32 bytes under which the index keeps a key that is not a digest key."""
    return hashlib.sha256(_KEY_SALT + text).digest()


@dataclass(frozen=True, slots=True)
class IndexKey:
    """A key as the index keeps it: 32 bytes, and its text if it is not a digest key."""

    digest: bytes
    text: bytes = b""

    @classmethod
    def of(cls, key: str) -> IndexKey:
        """Return the index form of a legal key."""
        if is_digest_key(key):
            return cls(bytes.fromhex(key))
        text = key.encode()
        return cls(key_digest(text), text)

    def __str__(self) -> str:
        return self.text.decode() if self.text else self.digest.hex()
