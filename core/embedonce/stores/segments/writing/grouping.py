"""Grouping values by kind before they are written, since a segment holds rows of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.stores.segments.format.keys import IndexKey
from embedonce.vectors.dtypes import LAYOUT_OF, LAYOUTS
from embedonce.vectors.envelope import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    RowValues = NDArray[Any] | Sequence[bytes] | None

_GROUPS = 4
FLUSH_BYTES = 48 << 20


def by_kind(pairs: Mapping[str, bytes | bytearray | memoryview]) -> Iterator[tuple[str, list[IndexKey], RowValues]]:
    """Yield (layout, keys, values): vectors of one dtype and length, opaque values of one length, or all others.

    Beyond four kinds, all but the three largest groups share one segment of varying length, where vectors keep
    their envelopes.
    """
    groups: dict[tuple[str, int], list[tuple[IndexKey, bytes, bytes]]] = {}
    for key, given in pairs.items():
        value = bytes(given)
        # An envelope in base64 is stored as it is: sealing the row again would give another value.
        row = None if value.startswith(Envelope.TEXT_MAGIC) else Envelope.open(value)
        kind = ("raw", len(value)) if row is None else (LAYOUT_OF[row.dtype], len(row.payload))
        payload = value if row is None else bytes(row.payload)
        groups.setdefault(kind, []).append((IndexKey.of(key), payload, value))
    ordered = sorted(groups.items(), key=lambda group: len(group[1]), reverse=True)
    alone = len(ordered) if len(ordered) <= _GROUPS else _GROUPS - 1
    mixed = [entry for _, entries in ordered[alone:] for entry in entries]
    for (layout, length), entries in ordered[:alone]:
        if length == 0:
            mixed.extend(entries)
        else:
            keys = [key for key, *_ in entries]
            yield layout, keys, as_array(layout, [payload for _, payload, _ in entries])
    if mixed:
        yield "var", [key for key, *_ in mixed], [value for *_, value in mixed]


def as_array(layout: str, payloads: Sequence[bytes | memoryview]) -> NDArray[Any]:
    """Return equally long rows as one array of shape (n, d), of u8 for opaque ones."""
    dtype = LAYOUTS.get(layout, np.dtype("|u1"))
    return np.frombuffer(b"".join(payloads), dtype).reshape(len(payloads), -1)


def flushes(values: RowValues, count: int) -> Iterator[tuple[int, int]]:
    """Cut rows into runs [start, end) of at most 48 MiB: one request each, everywhere."""
    if values is None:
        yield 0, count
    elif isinstance(values, np.ndarray):
        step = max(1, FLUSH_BYTES // max(1, values.nbytes // count))
        for start in range(0, count, step):
            yield start, min(start + step, count)
    else:
        start = size = 0
        for i, value in enumerate(values):
            if size and size + len(value) > FLUSH_BYTES:
                yield start, i
                start, size = i, 0
            size += len(value)
        yield start, count
