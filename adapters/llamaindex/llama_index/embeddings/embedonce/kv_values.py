r"""What a key-value store keeps under which key: entries that know their collection and key, as bytes and back.

    0   4 B   magic: b"eok1" for a whole entry, b"eop1" for one in parts
    4   u32   CRC-32 of all that follows
    8   u32   length of the head
    12        the head: JSON
              the body: JSON, then vectors (see `embedonce.vectors.envelope.Envelope`)

Integers are little endian, JSON is UTF-8, lone surrogates included. The head of a whole entry is
`[collection, key, length, lengths]`: those of the JSON in the body and of each vector. In that JSON, `{"\0": number}`
stands for a vector, and the key of any other object whose only key starts with NUL has one NUL more.

An entry too long for one value is cut into parts, and stored in its place is the head `[digest, count]`. Parts are
named by the digest, so that those of two writers cannot mix.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedonce.keys.specification import utf8
from embedonce.vectors.answers import MAX_DIMENSIONS, vectors_of
from embedonce.vectors.envelope import Envelope, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PART_BYTES = 16 << 20
"""Longest value: half of what a segment store takes."""

_WHOLE, _IN_PARTS = b"eok1", b"eop1"
_HEAD = struct.Struct("<4sII")
_MARK = "\0"
_MARK_IN_JSON = b"\\u0000"
_CONTAINERS = (dict, list, tuple, np.ndarray)
_SHORT = 8
"""Fewer numbers than this are shorter as JSON."""


class Entry(NamedTuple):
    """One value, and what it is stored as."""

    collection: str
    key: str
    value: dict[str, Any]


def prefix_of(collection: str) -> str:
    """Return what the keys of all entries of a collection start with."""
    return f"{hashlib.sha256(utf8(collection)).hexdigest()[:32]}/"


def key_of(collection: str, key: str) -> str:
    """Return the key of an entry: a hash, since names may hold any character; the entry itself holds its names."""
    return f"{prefix_of(collection)}{hashlib.sha256(utf8(key)).hexdigest()}"


def sealed(entry: Entry) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return what to store under the key of an entry, and the parts to store before that.

    Raises:
        ValueError: JSON cannot hold the value.
    """
    collection, key, value = entry
    vectors: list[bytes] = []
    try:
        text = _as_json(_without_vectors(value, "val", vectors))
    except RecursionError:
        msg = "a value must be plain JSON, and this one is nested too deeply, or holds itself; nothing was stored"
        raise ValueError(msg) from None
    except TypeError as error:
        msg = f"a value must be plain JSON, and this one is not: {error}; nothing was stored"
        raise ValueError(msg) from error
    whole = _packed(_WHOLE, [collection, key, len(text), [len(each) for each in vectors]], text, *vectors)
    if len(whole) <= PART_BYTES:
        return whole, []
    digest = hashlib.sha256(whole).hexdigest()
    parts = [whole[start : start + PART_BYTES] for start in range(0, len(whole), PART_BYTES)]
    return _packed(_IN_PARTS, [digest, len(parts)]), list(zip(_part_keys(digest, len(parts)), parts, strict=True))


def part_keys(value: bytes) -> list[str]:
    """Return the keys of the parts of an entry, none if it is whole or damaged."""
    found = _unpacked(value, _IN_PARTS)
    return [] if found is None else _part_keys(*found[0])


def opened(value: bytes) -> Entry | None:
    """Return a whole entry, or one whose parts are joined; None if it is damaged, foreign or in parts."""
    found = _unpacked(value, _WHOLE)
    if found is None:
        return None
    (collection, key, length, lengths), body = found
    ends = accumulate(lengths, initial=length)
    rows = [Envelope.open(body[start:end]) for start, end in pairwise(ends)]

    def restored(item: dict[str, Any]) -> Any:
        if len(item) == 1:
            name, inner = next(iter(item.items()))
            if name == _MARK:
                return rows[inner].vector().tolist()
            if name.startswith(_MARK):
                return {name[1:]: inner}
        return item

    text = bytes(body[:length])
    try:
        # Most values have neither vectors nor such keys, and are read faster without the hook.
        return Entry(collection, key, _from_json(text, restored if _MARK_IN_JSON in text else None))
    except (ValueError, AttributeError, RecursionError):
        return None


# Bytes


def _part_keys(digest: str, count: int) -> list[str]:
    return [f"parts/{digest}/{number}" for number in range(count)]


def _packed(magic: bytes, head: Sequence[Any], *body: bytes) -> bytes:
    text = _as_json(head)
    rest = b"".join((len(text).to_bytes(4, "little"), text, *body))
    return b"".join((magic, zlib.crc32(rest).to_bytes(4, "little"), rest))


def _unpacked(value: bytes, magic: bytes) -> tuple[Any, memoryview] | None:
    """Return head and body; None if it is not what `_packed` made of this magic."""
    if len(value) < _HEAD.size or value[:4] != magic:
        return None
    _, check, size = _HEAD.unpack_from(value)
    if zlib.crc32(memoryview(value)[8:]) != check:
        return None
    start = _HEAD.size + size
    return _from_json(value[_HEAD.size : start]), memoryview(value)[start:]


def _as_json(value: object) -> bytes:
    # Not in ASCII: two lone surrogates beside each other would come back as one character.
    return utf8(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _from_json(text: bytes, hook: Any = None) -> Any:
    return json.loads(text.decode("utf-8", "surrogatepass"), object_hook=hook)


# Vectors


def _without_vectors(value: Any, where: str, vectors: list[bytes]) -> Any:
    """Return a value with a reference in place of every vector, which JSON would make five times as long.

    Raises:
        ValueError: A key is not a string, to which JSON would turn it, or a number is not finite.
        RecursionError: The value holds itself.
    """
    if isinstance(value, dict):
        odd = next((key for key in value if not isinstance(key, str)), "")
        if odd != "":
            msg = f"a value must be plain JSON, and {where} has a key of type {type(odd).__name__}; nothing was stored"
            raise ValueError(msg)
        inner = {
            key: _without_vectors(item, f"{where}[{key[:40]!r}]", vectors) if isinstance(item, _CONTAINERS) else item
            for key, item in value.items()
        }
        is_marked = len(inner) == 1 and next(iter(inner)).startswith(_MARK)
        return {f"{_MARK}{key}": item for key, item in inner.items()} if is_marked else inner
    numbers = _as_numbers(value)
    if numbers is not None:
        vectors.append(_envelope(numbers, where))
        return {_MARK: len(vectors) - 1}
    if isinstance(value, np.ndarray):
        return value
    return [
        _without_vectors(item, f"{where}[{i}]", vectors) if isinstance(item, _CONTAINERS) else item
        for i, item in enumerate(value)
    ]


def _as_numbers(given: Any) -> NDArray[Any] | None:
    """Return an array whose `tolist` gives equal numbers of equal kinds; None if there is none, or it is short."""
    if not 0 < len(given) <= MAX_DIMENSIONS:
        return None
    if isinstance(given, np.ndarray):
        return given if given.ndim == 1 and given.dtype.kind in "fiu" else None
    kinds = set(map(type, given))
    if len(given) < _SHORT and kinds <= {int, float}:
        return None
    if all(issubclass(kind, float | np.floating) for kind in kinds):
        return np.asarray(given)
    if all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        numbers = np.asarray(given)
        # Integers beyond 64 bits become floats or objects.
        return numbers if numbers.dtype.kind in "iu" else None
    return None


def _envelope(numbers: NDArray[Any], where: str) -> bytes:
    if numbers.dtype.kind == "f":
        if not np.isfinite(numbers).all():
            msg = f"a value must be plain JSON, and {where} holds a number that is not finite; nothing was stored"
            raise ValueError(msg)
    else:
        smallest = np.result_type(np.min_scalar_type(numbers.min()), np.min_scalar_type(numbers.max()))
        # A negative number and one of the upper half of uint64 have no integer type in common.
        numbers = numbers.astype(smallest) if smallest.kind in "iu" else numbers
    row = vectors_of(numbers.reshape(1, -1), 1)[0]
    return Envelope.seal(Row(row.dtype, row.tobytes()))
