"""The directory of a namespace, and the `space.json` in it that says what it holds."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.errors import FormatError, IdentityError, KeyEncoderError
from embedonce.keys.specification import UNDECLARED
from embedonce.stores.segments.format.layout import FORMAT, DamagedSegmentError

if TYPE_CHECKING:
    from collections.abc import Mapping

SPACE_FILE = "space.json"
_NO_ENCODER: Mapping[str, str] = {"name": "none", "version": "", "check": ""}


class DamagedNamespaceError(Exception):
    """A `space.json` is not what was written."""


@dataclass(frozen=True, slots=True)
class NamespaceDirectory:
    """A namespace and the key encoder that its keys were made with.

    Attributes:
        namespace: The whole identity of the vectors in it.
        key_encoder: Name, version and check of the key encoder (see `KeyEncoder.record`), or None for a plain
            byte store, whose callers make the keys.
    """

    namespace: str
    key_encoder: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, namespace: str, key_encoder: Mapping[str, str] | None = None) -> NamespaceDirectory:
        """Return the directory of a namespace."""
        return cls(namespace, tuple(sorted(key_encoder.items())) if key_encoder is not None else None)

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> NamespaceDirectory:
        """Return what a `space.json` describes.

        Raises:
            DamagedNamespaceError: It is torn or changed.
            FormatError: It is of another format.
        """
        found = _parsed(content, where)
        namespace, encoder = found["namespace"], found["key_encoder"]
        if not isinstance(namespace, str) or not isinstance(encoder, dict):
            msg = "its namespace or key encoder is missing or of the wrong type"
            raise DamagedNamespaceError(msg)
        return cls.of(namespace, encoder if encoder != _NO_ENCODER else None)

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of what identifies the namespace, in hexadecimal digits."""
        identity = _canonical({"format": FORMAT, "namespace": self.namespace})
        return hashlib.sha256(identity.encode()).hexdigest()

    @property
    def slug(self) -> str:
        """The namespace in lower case, for human readers: it does not identify the namespace."""
        return re.sub(r"[^a-z0-9]+", "-", self.namespace.lower()).strip("-")[:40].rstrip("-")

    @property
    def name(self) -> str:
        """Name of the directory below the root of the store."""
        return f"{self.slug}-{self.digest[:16]}"

    def metadata(self) -> dict[str, str]:
        """The strings that tie a segment to this namespace."""
        return {"space": self.digest, "slug": self.slug, "key_encoder": _canonical(self._encoder())}

    def _encoder(self) -> dict[str, str]:
        return dict(self.key_encoder) if self.key_encoder is not None else dict(_NO_ENCODER)

    def to_bytes(self) -> bytes:
        """Return the content of `space.json`: equal settings give equal bytes, so overwriting it is harmless."""
        record: dict[str, Any] = {"format": FORMAT, "key_encoder": self._encoder(), "namespace": self.namespace}
        record["check"] = _check(record)
        return (json.dumps(record, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()

    def check(self, content: bytes, where: str) -> None:
        """Compare with the `space.json` that was found.

        Raises:
            DamagedNamespaceError: It is torn or changed; segments name their namespace themselves.
            FormatError: It is of another format.
            IdentityError: It belongs to another namespace.
            KeyEncoderError: Its keys were made by another encoder.
        """
        found = _parsed(content, where)
        if found["namespace"] != self.namespace:
            msg = (
                f"{where} belongs to namespace {found['namespace']!r}, not to {self.namespace!r}; use another directory"
            )
            raise IdentityError(msg)
        self.check_encoder(found["key_encoder"], where)

    def check_segment(self, metadata: Mapping[str, str], where: str) -> None:
        """Compare with the strings in the header of a segment.

        Raises:
            DamagedSegmentError: The segment belongs to another namespace, or its key encoder is not readable.
            KeyEncoderError: Its keys were made by another encoder.
        """
        own = self.metadata()
        if metadata.get("space") != own["space"]:
            msg = "it belongs to another namespace"
            raise DamagedSegmentError(msg)
        if metadata.get("key_encoder") != own["key_encoder"]:
            try:
                encoder = json.loads(metadata["key_encoder"])
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                msg = f"its key encoder is not readable ({error})"
                raise DamagedSegmentError(msg) from error
            self.check_encoder(encoder, where)

    def check_encoder(self, encoder: object, where: str) -> None:
        """Compare with a key encoder that was recorded with stored data.

        Raises:
            KeyEncoderError: It is a different one.
        """
        if not _agree(encoder, self._encoder()):
            msg = (
                f"{where} was written with key encoder {_encoder_name(encoder)}, this cache uses "
                f"{_encoder_name(self._encoder())}; use the recorded one, or another namespace= or version="
            )
            raise KeyEncoderError(msg)


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    """Return an intact `space.json`; raises as `NamespaceDirectory.from_bytes` does."""
    try:
        found: dict[str, Any] = json.loads(content)
        version, check = found["format"], found.pop("check", None)
        intact = check == _check(found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        msg = f"it does not describe a namespace ({error})"
        raise DamagedNamespaceError(msg) from error
    if version != FORMAT and isinstance(version, str) and (intact or check is None):
        msg = (
            f"{where} has format {version!r}, this version of embedonce reads {FORMAT!r}; "
            "upgrade embedonce, or use another directory"
        )
        raise FormatError(msg)
    if not intact or not {"namespace", "key_encoder"} <= found.keys():
        msg = "it does not match its check"
        raise DamagedNamespaceError(msg)
    return found


def _canonical(record: object) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _check(record: object) -> str:
    """Return 16 hexadecimal digits that tell a torn or changed `space.json` from that of another namespace."""
    return hashlib.sha256(_canonical(record).encode()).hexdigest()[:16]


def _agree(recorded: object, own: Mapping[str, str]) -> bool:
    """True if two key encoders are the same; their versions must be equal, unless neither encoder declares one."""
    if recorded == own:
        return True
    if not isinstance(recorded, dict) or recorded.keys() != own.keys():
        return False
    undeclared = all(str(each["version"]).startswith(UNDECLARED) for each in (recorded, own))
    return undeclared and all(recorded[name] == own[name] for name in ("name", "check"))


def _encoder_name(record: object) -> str:
    if not isinstance(record, dict):
        return repr(record)
    recorded = str(record.get("version") or "")
    version = f" version {recorded!r}" if recorded else ""
    if recorded.startswith(UNDECLARED):
        version = f" of version {recorded.removeprefix(UNDECLARED)!r} of its distribution"
    return f"{record.get('name')!r}{version} (check {record.get('check')!r})"
