"""Key encoders: named functions from the canonical string of a text to its key, and those that are built in."""

from __future__ import annotations

import hashlib
import logging
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.errors import KeyEncoderError
from embedonce.keys.specification import PREFIXES, UNDECLARED, checked_key, utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger("embedonce")

_PROBES = ("embedonce", "Ünïcode and\nnew lines\x00")
# What encoders of users may treat differently: case, white space, accents, digits, punctuation, roles, length.
_FURTHER_PROBES = (
    "embedonce:1:document:embedonce",
    "embedonce:1:query:embedonce",
    "embedonce:1:document:  Embed every\tText\u00a0ONCE. ",
    "embedonce:1:document:embed every text once",
    "embedonce:1:document:Straße, STRASSE, İstanbul, ﬁn, Σίσυφος",
    "embedonce:1:document:caf\u00e9",
    "embedonce:1:document:cafe\u0301",
    "embedonce:1:document:007 7.0 1e3 ٣ Ⅷ",
    "embedonce:1:document:a-b_c/d.e:f;g\r\n",
    "embedonce:1:document:😀 東京: really?!.",
    "embedonce:1:document:" + "long " * 60,
)
_PACKAGE_OF = {"blake3": "blake3", "xxh3_128": "xxhash"}
# RFC 4122 name space of LangChain's sha1 keys, as a number.
_LANGCHAIN_UUID = 1985


def sha256(text: str) -> str:
    """SHA-256 in lower-case hexadecimal digits: the default, and FIPS-safe."""
    return hashlib.sha256(utf8(text)).hexdigest()


def sha512(text: str) -> str:
    """SHA-512 in lower-case hexadecimal digits."""
    return hashlib.sha512(utf8(text)).hexdigest()


def blake2b(text: str) -> str:
    """BLAKE2b with a digest of 64 bytes in lower-case hexadecimal digits."""
    return hashlib.blake2b(utf8(text)).hexdigest()


def sha1(text: str) -> str:
    """SHA-1 wrapped in a version 5 UUID, as LangChain's cache writes it; for existing caches only."""
    import uuid

    digest = hashlib.sha1(utf8(text), usedforsecurity=False).hexdigest()
    return str(uuid.uuid5(uuid.UUID(int=_LANGCHAIN_UUID), digest))


def blake3(text: str) -> str:
    """BLAKE3 with a digest of 32 bytes in lower-case hexadecimal digits (needs the package `blake3`)."""
    from blake3 import blake3 as digest

    return str(digest(utf8(text)).hexdigest())


def xxh3_128(text: str) -> str:
    """XXH3 with 128 bits in lower-case hexadecimal digits (needs the package `xxhash`); not collision-resistant."""
    from xxhash import xxh3_128_hexdigest

    return str(xxh3_128_hexdigest(utf8(text)))


@dataclass(frozen=True, slots=True)
class KeyEncoder:
    """A named function from a string to a key.

    Attributes:
        name: The name under which it is recorded with the stored data; `"callable"` if it has none.
        version: Recorded as well; two versions never share a namespace. After a `~` it is that of the distribution,
            which is recorded and not compared, since a new release may hold the same encoder.
        function: The function itself.
    """

    name: str
    version: str
    function: Callable[[str], str]

    @classmethod
    def of(
        cls, name: str, function: Callable[[str], str], version: str | None = None, distribution_version: str = ""
    ) -> KeyEncoder:
        """Return an encoder with the version that it declares.

        Args:
            name: Its name.
            function: The function; its attribute `version` counts where no version is given.
            version: Its version, None if it declares one itself or has none.
            distribution_version: That of the distribution that brings it, if it declares none.
        """
        declared = getattr(function, "version", None) if version is None else version
        if declared is not None:
            return cls(name, str(declared), function)
        return cls(name, f"{UNDECLARED}{distribution_version}" if distribution_version else "", function)

    def __call__(self, text: str) -> str:
        """Return the key of a canonical string.

        Raises:
            KeyEncoderError: The function answered with something other than a key.
        """
        return checked_key(self.function(text), self.name)

    def record(self) -> dict[str, str]:
        """Return what is recorded with the stored data; `check` changes when the function changes.

        Raises:
            KeyEncoderError: It answers with something other than a key, or with one key to all texts.
        """
        is_built_in = self.function in BUILT_IN.values()
        answers = [self(probe) for probe in (_PROBES if is_built_in else _PROBES + _FURTHER_PROBES)]
        if len(set(answers)) == 1:
            msg = (
                f"key encoder {self.name!r} gives all texts one key, so that all would get one vector; it must map "
                "different texts to different keys, unless they may share a vector"
            )
            raise KeyEncoderError(msg)
        return {"name": self.name, "version": self.version, "check": sha256("\n".join(answers))[:16]}

    def check(self) -> None:
        """Try the encoder on a few texts, before any work depends on it.

        Raises:
            KeyEncoderError: It needs a package that is missing, fails, does not answer with keys, or gives one text
                different keys.
        """
        try:
            is_steady = self.record() == self.record()
        except ImportError as error:
            package = _PACKAGE_OF.get(self.name, "…")
            msg = f"key encoder {self.name!r} needs another package: {error}; run: pip install {package}"
            raise KeyEncoderError(msg) from error
        except KeyEncoderError:
            raise
        except Exception as error:
            msg = f"key encoder {self.name!r} failed on a plain string: {error!r}; it must map every str to a key"
            raise KeyEncoderError(msg) from error
        if not is_steady:
            msg = (
                f"key encoder {self.name!r} gives one text different keys when it is asked twice, so that nothing "
                "would ever be found; its keys must depend on the text alone"
            )
            raise KeyEncoderError(msg)

    def mark(self) -> str:
        """Return 16 digits that keep its keys apart from those of other encoders where no record can be stored."""
        record = self.record()
        if self.function in BUILT_IN.values() or not self.version or self.version.startswith(UNDECLARED):
            return record["check"]
        return sha256(f"{self.version}\n{record['check']}")[:16]

    def digests(self, role: str, texts: Sequence[str]) -> list[bytes] | None:
        """Return the 32 raw bytes of each text's key, or None if keys are not SHA-256 digests."""
        if self.function is not sha256:
            return None
        prefix, digest = PREFIXES[role], hashlib.sha256
        try:
            return [digest((prefix + text).encode()).digest() for text in texts]
        except UnicodeEncodeError:
            return [digest(utf8(prefix + text)).digest() for text in texts]


_FAILED: weakref.WeakSet[Any] = weakref.WeakSet()
"""Functions of encoders of which a failure was logged."""


def warn_of_failure(encoder: Callable[[str], str], error: Exception) -> None:
    """Log that an encoder has failed on a text, once for each encoder; the text and the message may be secret."""
    function: object = encoder.function if isinstance(encoder, KeyEncoder) else encoder
    try:
        is_known = function in _FAILED
        _FAILED.add(function)
    except TypeError:
        # Some objects cannot be remembered, but their type can.
        is_known = type(function) in _FAILED
        _FAILED.add(type(function))
    if is_known:
        return
    logger.warning(
        "key encoder %r raised %s for a text: what has no key is embedded in every call and never stored; "
        "let it return a key for every str (further ones are counted in stats().unkeyed only)",
        encoder.name if isinstance(encoder, KeyEncoder) else "callable",
        type(error).__name__,
    )


BUILT_IN: dict[str, Callable[[str], str]] = {
    "sha256": sha256,
    "sha512": sha512,
    "blake2b": blake2b,
    "sha1": sha1,
    "blake3": blake3,
    "xxh3_128": xxh3_128,
}
