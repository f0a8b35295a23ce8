"""Keys that can be made only with a secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from embedonce.errors import KeyEncoderError
from embedonce.keys.specification import utf8

if TYPE_CHECKING:
    import hmac

_SHORTEST = 16


class HmacKeyEncoder:
    """HMAC-SHA-256 under a secret, as a key encoder: 64 lower-case hexadecimal digits.

    Everybody who can list a cache sees its keys. With plain hashes they can find out whether it holds a text that they
    can guess; with these keys they need the secret too. Without the secret, or with another one, the cache is refused
    as one that was written with another encoder.

    The secret comes from an environment variable, so that it is neither shown nor pickled; worker processes need the
    variable too. The vectors are not encrypted.

    Args:
        variable: Name of the environment variable: at least 16 bytes that nobody can guess, for instance from
            `python -c "import secrets; print(secrets.token_hex(32))"`.

    Raises:
        KeyEncoderError: The variable is not set, or its value is too short.
        ValueError: It is not the name of a variable.
    """

    name = "hmac-sha256"
    version = "1"

    def __init__(self, variable: str = "EMBEDONCE_KEY_SECRET") -> None:
        if not isinstance(variable, str):
            # The value is not shown: it may be the secret itself.
            msg = f"variable must be the name of an environment variable, got {type(variable).__name__}"
            raise ValueError(msg)
        self.variable = variable
        self._mac = _keyed(variable)

    def __call__(self, text: str) -> str:
        """Return the key of a text."""
        mac = self._mac.copy()
        mac.update(utf8(text))
        return mac.hexdigest()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.variable!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HmacKeyEncoder) and other.variable == self.variable and other("") == self("")

    def __hash__(self) -> int:
        return hash(self.variable)

    def __reduce__(self) -> tuple[Any, ...]:
        return HmacKeyEncoder, (self.variable,)


def _keyed(variable: str) -> hmac.HMAC:
    import hmac

    secret = os.environ.get(variable, "").encode("utf-8", "surrogateescape")
    if len(secret) < _SHORTEST:
        state = "is not set" if not secret else f"holds {len(secret)} bytes"
        msg = (
            f"the secret for keys is too short: the environment variable {variable} {state}; set it to at least "
            f"{_SHORTEST} bytes that nobody can guess"
        )
        raise KeyEncoderError(msg)
    return hmac.new(secret, digestmod="sha256")
