"""The key specification: how a role and a text become the string that is hashed, and what a key may be.

The specification with its test vectors is `docs/key-specification.md`.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from embedonce.errors import KeyEncoderError

Key = bytes | str
"""A key in memory: 32 raw bytes of SHA-256 digests, else the string that a key encoder has returned."""


Role = Literal["document", "query"]


ROLES: tuple[str, ...] = get_args(Role)


KEY_VERSION = 1
"""Version of the canonical string; after a change every older entry is a miss."""


MAX_KEY_BYTES = 1024
"""Longest key in UTF-8 bytes: the limit of S3 object names, the strictest common one."""


UNDECLARED = "~"
"""The first character of an encoder's version that is only the version of its distribution."""


_DIGEST_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)


def canonical(role: str, text: str) -> str:
    """Return the string that is hashed for a text: injective, because no role holds a colon."""
    return f"embedonce:{KEY_VERSION}:{role}:{text}"


PREFIXES = {role: canonical(role, "") for role in ROLES}
"""What the canonical string of a text begins with, by role: made once, since it is part of every key."""


def utf8(text: str) -> bytes:
    """Encode a text, lone surrogates included: injective, and plain UTF-8 wherever that is possible."""
    return text.encode("utf-8", "surrogatepass")


def checked_key(key: object, name: str = "") -> str:
    """Return `key` if it is a legal key.

    Raises:
        KeyEncoderError: It is not a string, is empty, is longer than 1,024 UTF-8 bytes or holds a lone surrogate.
    """
    by = f"key encoder {name!r} answered with" if name else "got"
    if not isinstance(key, str):
        msg = f"a key must be a str: {by} {type(key).__name__}"
    elif not key:
        msg = f"a key must not be empty: {by} ''"
    elif not (key.isascii() and len(key) <= MAX_KEY_BYTES):
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            msg = f"a key must be valid Unicode: {by} a lone surrogate in {key[:40]!r}"
        else:
            if size <= MAX_KEY_BYTES:
                return key
            msg = f"a key must have at most {MAX_KEY_BYTES} UTF-8 bytes: {by} one of {size}"
    else:
        return key
    raise KeyEncoderError(msg)


def is_digest_key(key: str) -> bool:
    """True if the key is 64 lower-case hexadecimal digits, that is, 32 bytes in clear."""
    return _DIGEST_KEY.fullmatch(key) is not None
