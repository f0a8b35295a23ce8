"""Segment format 1: bytes and checks of one segment file; no I/O.

`docs/storage-format.md` specifies the format. A segment is a valid safetensors file
(https://huggingface.co/docs/safetensors: u64 header length, JSON, data). Its name is enough to plan every read.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.runtime.signals import let_through
from embedonce.stores.segments.format.names import DATA_START, RECORD, SegmentName
from embedonce.vectors.dtypes import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from embedonce.stores.places.directory import Part


try:
    # The same numbers as those of zlib, four times as fast.
    crc32: Callable[..., int] = import_module("zlib_ng.zlib_ng").crc32
except ImportError:
    crc32 = zlib.crc32

FORMAT = "embedonce/1"
_HEADER_LENGTH = DATA_START - 8
_MOST_NESTED = 100


def buffer_of(array: NDArray[Any]) -> memoryview:
    """Return an array's bytes in C order, without a copy where possible."""
    return memoryview(np.ascontiguousarray(array).data).cast("B")


def row_checksum(row: Part, key: bytes) -> int:
    """Return the CRC-32 over a row and the first four bytes of its key, which ties the row to its key."""
    return crc32(key[:4], crc32(row))


@dataclass(frozen=True, slots=True)
class SegmentRows:
    """Rows to write into one segment, in insertion order.

    Attributes:
        layout: `raw`, `var`, `del` or a safetensors dtype in lower case.
        digests: 32 bytes per row, all different.
        texts: The key of each row in UTF-8, b"" for a digest key; None if all are digest keys.
        stamps: u64, one per row.
        values: A C-contiguous array of typed rows (n, d) or of u8 rows (n, stride); a list of bytes for `var`; None for
            `del`.
        replaces: For a merge, the names of the segments whose rows are all in here.
    """

    layout: str
    digests: bytes
    texts: Sequence[bytes] | None
    stamps: NDArray[np.uint64]
    values: NDArray[Any] | Sequence[Part] | None
    replaces: Sequence[str] = ()


def build_segment(rows: SegmentRows, metadata: dict[str, str]) -> tuple[SegmentName, list[Part]]:
    """Return the name of a segment and the parts of its bytes.

    Args:
        rows: What to write.
        metadata: Further strings for the header, such as the digest of the namespace and its key encoder.
    """
    count = len(rows.stamps)
    texts = rows.texts if rows.texts and any(rows.texts) else None
    values, value_ends, stride = _values(rows)
    digests = rows.digests
    records = np.empty(count, RECORD)
    records["key"] = np.frombuffer(digests, "<u8").reshape(count, 4)
    records["stamp"] = rows.stamps
    records["row"] = np.arange(count, dtype="<u4")
    records["crc"] = [
        row_checksum(value, digests[32 * i : 32 * i + 4])
        for i, value in enumerate(values if values is not None else [b""] * count)
    ]
    parts: list[Part] = [records[_key_order(records["key"])].tobytes()]
    tensors: list[tuple[str, str, list[int], int]] = [("index", "U8", [count, RECORD.itemsize], len(parts[0]))]

    def add(name: str, dtype: str, shape: list[int], data: Part) -> None:
        parts.append(data)
        tensors.append((name, dtype, shape, len(data)))

    if texts is not None:
        add("key_ends", "U64", [count], np.cumsum([len(text) for text in texts], dtype="<u8").tobytes())
    if value_ends is not None:
        add("value_ends", "U64", [count], value_ends.tobytes())
    if texts is not None:
        blob = b"".join(texts)
        add("key_blob", "U8", [len(blob)], blob)
    if rows.replaces:
        names = "\n".join(rows.replaces).encode()
        add("replaces", "U8", [len(names)], names)
    index_end = DATA_START + sum(size for *_, size in tensors)

    data_size = sum(len(value) for value in values or ()) if stride == 0 else count * stride
    if data_size:
        pad = -index_end % 64
        if pad:
            add("pad", "U8", [pad], bytes(pad))
        if stride == 0:
            tensors.append(("values", "U8", [data_size], data_size))
            parts.extend(values or ())
        else:
            array = rows.values
            assert isinstance(array, np.ndarray)
            tensor, dtype = ("values", "U8") if rows.layout == "raw" else ("vectors", rows.layout.upper())
            tensors.append((tensor, dtype, [count, array.shape[1]], data_size))
            parts.append(buffer_of(array))
    size = DATA_START + sum(size for *_, size in tensors)

    stamps = records["stamp"]
    header = _header(
        tensors,
        {
            "format": FORMAT,
            **metadata,
            "rows": str(count),
            "dim": str(stride // LAYOUTS[rows.layout].itemsize if rows.layout in LAYOUTS else 0),
            "stamp_min": str(stamps.min()),
            "stamp_max": str(stamps.max()),
            "row_checksum": "crc32(row, key[0:4])",
            "record": "key 32 B, stamp u64, row u32, crc32 u32; little endian",
        },
    )
    digest = hashlib.sha256(header)
    covered = DATA_START
    for part in parts:
        if covered >= index_end:
            break
        digest.update(part)
        covered += len(part)
    name = SegmentName(
        stamp=int(stamps.max()),
        nonce=os.urandom(8).hex(),
        rows=count,
        stride=stride,
        index_end=index_end,
        size=size,
        layout=rows.layout + "k" * (texts is not None),
        digest=digest.hexdigest()[:16],
    )
    return name, [header, *parts]


def _values(rows: SegmentRows) -> tuple[list[Part] | None, NDArray[Any] | None, int]:
    """Return one buffer per row, the end offsets of `var` rows, and the stride."""
    if rows.values is None:
        return None, None, 0
    if isinstance(rows.values, np.ndarray):
        flat = buffer_of(rows.values)
        stride = len(flat) // len(rows.values)
        return [flat[start : start + stride] for start in range(0, len(flat), stride)], None, stride
    values = [memoryview(value).cast("B") for value in rows.values]
    return list(values), np.cumsum([len(value) for value in values], dtype="<u8"), 0


def _key_order(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the order of keys by their bytes: big-endian words, most significant first."""
    words = keys.byteswap()
    return np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0]))


def _header(tensors: Sequence[tuple[str, str, list[int], int]], metadata: dict[str, str]) -> bytes:
    table: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for tensor, dtype, shape, size in tensors:
        table[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=True).encode()
    if len(text) > _HEADER_LENGTH:
        msg = f"segment header of {len(text)} bytes: longer than {_HEADER_LENGTH}"
        raise ValueError(msg)
    return _HEADER_LENGTH.to_bytes(8, "little") + text.ljust(_HEADER_LENGTH)


@dataclass(frozen=True, slots=True)
class Index:
    """A checked index block: everything in a segment but its rows.

    Attributes:
        metadata: The header's strings.
        records: `RECORD` array of shape (n,), sorted by key; a view of the block.
        raw: The same as bytes.
        key_ends: End offsets into `key_blob` by row number, None if all keys are digest keys.
        key_blob: The texts of keys that are not digest keys.
        value_ends: End offsets of `var` rows by row number, else None.
        replaces: Names of the segments that this one was merged from.
    """

    metadata: dict[str, str]
    records: NDArray[Any]
    raw: memoryview
    key_ends: NDArray[np.uint64] | None
    key_blob: memoryview
    value_ends: NDArray[np.uint64] | None
    replaces: frozenset[str]

    @property
    def written_us(self) -> int | None:
        """When the segment was written, in microseconds since 1970; None if that is not recorded."""
        written = self.metadata.get("written_us", "")
        return int(written) if written.isdecimal() else None

    def key_text(self, row: int) -> bytes:
        """The text of a row's key, empty if it is a digest key."""
        if self.key_ends is None:
            return b""
        start = int(self.key_ends[row - 1]) if row else 0
        return bytes(self.key_blob[start : int(self.key_ends[row])])

    def value_span(self, row: int) -> tuple[int, int]:
        """Start and end of a `var` row, relative to the first row."""
        assert self.value_ends is not None
        return int(self.value_ends[row - 1]) if row else 0, int(self.value_ends[row])


class DamagedSegmentError(Exception):
    """The bytes of a segment are not what its name says; none of its rows can be used."""


def parse_index(name: SegmentName, block: bytes | memoryview) -> Index:
    """Check an index block against the name of its segment and parse it.

    Args:
        name: The segment's name.
        block: Bytes [0, index_end) of the file, or more.

    Raises:
        DamagedSegmentError: The block is not what the name says.
    """
    block = memoryview(block)[: name.index_end]
    if len(block) != name.index_end:
        msg = f"{len(block)} bytes instead of {name.index_end}"
        raise DamagedSegmentError(msg)
    if hashlib.sha256(block).hexdigest()[:16] != name.digest:
        msg = "the index does not match its checksum"
        raise DamagedSegmentError(msg)
    return view_index(name, block)


def view_index(name: SegmentName, block: memoryview) -> Index:
    """Parse an index block whose checksum was verified before.

    Raises:
        DamagedSegmentError: Its tables contradict its name.
    """
    with _contradictions():
        return _view_index(name, block)


def parse_header(name: SegmentName, header: bytes | memoryview) -> dict[str, str]:
    """Return the strings of a header. All of it is compared with the name, since it has no checksum of its own.

    Raises:
        DamagedSegmentError: It contradicts the name.
    """
    with _contradictions():
        return _table(name, memoryview(header))[0]


def parse_replaces(blob: bytes) -> frozenset[str]:
    """Return the names of the segments that a segment replaces.

    Raises:
        DamagedSegmentError: The bytes are not names.
    """
    with _contradictions():
        return _names(memoryview(blob))


def _names(blob: memoryview) -> frozenset[str]:
    return frozenset(bytes(blob).decode("ascii").split("\n")) if len(blob) else frozenset()


@contextmanager
def _contradictions() -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        let_through(error)
        msg = f"the header contradicts the name: {error}"
        raise DamagedSegmentError(msg) from error


def _table(name: SegmentName, block: memoryview) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    """Return a header's strings and where the parts of the index block are."""
    if int.from_bytes(block[:8], "little") != _HEADER_LENGTH:
        msg = "unexpected header length"
        raise ValueError(msg)
    header = bytes(block[8:DATA_START])
    if header.count(b"[") + header.count(b"{") > _MOST_NESTED:
        # So that a `RecursionError` says something about this process, and never about a file.
        msg = "it is nested"
        raise ValueError(msg)
    table = json.loads(header)
    metadata = table.pop("__metadata__")
    if metadata["format"] != FORMAT:
        msg = f"format {metadata['format']!r}"
        raise ValueError(msg)
    rows = name.rows
    sizes = {key: entry["data_offsets"][1] - entry["data_offsets"][0] for key, entry in table.items()}
    expected: list[tuple[str, str, list[int], int]] = [("index", "U8", [rows, RECORD.itemsize], rows * RECORD.itemsize)]
    if name.keyed:
        expected.append(("key_ends", "U64", [rows], 8 * rows))
    if name.kind == "var":
        expected.append(("value_ends", "U64", [rows], 8 * rows))
    expected += [(key, "U8", [sizes[key]], sizes[key]) for key in ("key_blob", "replaces") if key in sizes]
    if DATA_START + sum(size for *_, size in expected) != name.index_end or ("key_blob" in sizes) != name.keyed:
        msg = "the index has another length"
        raise ValueError(msg)
    spans: dict[str, tuple[int, int]] = {}
    start = DATA_START
    for key, _, _, size in expected:
        spans[key] = (start, start + size)
        start += size
    if name.size > name.index_end:
        data = name.size - name.values_start
        if pad := name.values_start - name.index_end:
            expected.append(("pad", "U8", [pad], pad))
        if name.dtype is not None:
            expected.append(("vectors", name.kind.upper(), [rows, name.dimensions], data))
        else:
            expected.append(("values", "U8", [rows, name.stride] if name.kind == "raw" else [data], data))
    start = 0
    for key, dtype, shape, size in expected:
        if table.pop(key) != {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}:
            msg = f"tensor {key!r} is not as expected"
            raise ValueError(msg)
        start += size
    if table:
        msg = f"unexpected tensors {sorted(table)}"
        raise ValueError(msg)
    return metadata, spans


def _view_index(name: SegmentName, block: memoryview) -> Index:
    metadata, spans = _table(name, block)
    rows = name.rows

    def numbers(key: str, dtype: Any) -> NDArray[Any]:
        begin, end = spans[key]
        return np.frombuffer(block[begin:end], dtype)

    raw = block[slice(*spans["index"])]
    records = np.frombuffer(raw, RECORD)
    key_ends = numbers("key_ends", "<u8") if name.keyed else None
    value_ends = numbers("value_ends", "<u8") if name.kind == "var" else None
    begin, end = spans.get("key_blob", (0, 0))
    blob_size, data_size = end - begin, name.size - name.values_start if name.size > name.index_end else 0
    for ends, total in ((key_ends, blob_size), (value_ends, data_size)):
        if ends is not None and (int(ends[-1]) != total or (ends[1:] < ends[:-1]).any()):
            msg = "end offsets are not ascending"
            raise ValueError(msg)
    if rows and int(records["row"].max()) >= rows:
        msg = "a record names a row that does not exist"
        raise ValueError(msg)
    first, last = spans.get("replaces", (0, 0))
    replaces = _names(block[first:last])
    return Index(metadata, records, raw, key_ends, block[begin:end], value_ends, replaces)
