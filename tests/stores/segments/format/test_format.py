"""Files that anybody can read, and files that nobody should believe."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file

from embedonce import FormatError, IdentityError, KeyEncoderError
from embedonce.stores.locations.location import as_location
from embedonce.stores.places.directory import is_namespace_directory
from embedonce.stores.segments.format.layout import DamagedSegmentError, SegmentRows, build_segment, parse_index
from embedonce.stores.segments.format.names import LARGEST_STAMP, RECORD, SegmentName
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.vectors.dtypes import LAYOUTS

ENCODER = {"name": "sha256", "version": "1", "check": "abc"}


def _records(tensors):
    return np.frombuffer(tensors["index"].tobytes(), RECORD)


def _check_records(tensors, rows, digests):
    records = _records(tensors)
    assert [record["key"].tobytes() for record in records] == sorted(digests)
    for record in records:
        row = bytes(rows[record["row"]])
        assert record["crc"] == zlib.crc32(record["key"].tobytes()[:4], zlib.crc32(row))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_safetensors_opens_vectors_of_every_dtype(tmp_path, open_store, vectors, digest, segments_in, layout):
    rows = vectors(7, 5, LAYOUTS[layout].str)
    keys = [digest(i) for i in range(7)]
    open_store(tmp_path).put_rows(keys, rows)
    (file,) = segments_in(tmp_path)
    tensors = load_file(file)
    assert set(tensors) - {"pad"} == {"index", "vectors"}
    assert tensors["vectors"].dtype == rows.dtype
    assert np.array_equal(tensors["vectors"], rows)
    _check_records(tensors, [row.tobytes() for row in rows], keys)
    with safe_open(file, "np") as opened:
        metadata = opened.metadata()
    assert metadata["format"] == "embedonce/1"
    assert (metadata["rows"], metadata["dim"]) == ("7", "5")
    assert metadata["space"] == NamespaceDirectory.of("acme/e5@3").digest


def test_safetensors_opens_values_keys_and_tombstones(tmp_path, open_store, segments_in, digest):
    store = open_store(tmp_path)
    store.mset([("a", b"123"), ("🦜", b"456"), (digest(0).hex(), b"789")])
    store.mset([(f"k{i}", bytes(i)) for i in range(6)])
    store.mdelete(["a", digest(0).hex()])
    raw, var, tombstone = (
        next(f for f in segments_in(tmp_path) if f"-{kind}k-" in f.name) for kind in ("raw", "var", "del")
    )
    tensors = load_file(raw)
    assert tensors["values"].tobytes() == b"123456789"
    assert tensors["key_blob"].tobytes().decode() == "a🦜"
    assert tensors["key_ends"].tolist() == [1, 5, 5]
    tensors = load_file(var)
    # Three kinds of six have a segment each; all others share one.
    assert tensors["key_blob"].tobytes().decode() == "k3k4k5k0"
    assert tensors["value_ends"].tolist() == [3, 7, 12, 12]
    assert len(tensors["values"]) == 12
    tensors = load_file(tombstone)
    assert set(tensors) == {"index", "key_ends", "key_blob"}
    assert len(_records(tensors)) == 2


def test_safetensors_opens_what_was_merged(tmp_path, open_store, vectors, digest, segments_in, eager_merging):
    store = open_store(tmp_path)
    rows = vectors(4)
    for i in range(4):
        store.put_rows([digest(i)], rows[i : i + 1])
    merged = next(f for f in segments_in(tmp_path) if b"replaces" in f.read_bytes()[:4096])
    tensors = load_file(merged)
    assert np.array_equal(tensors["vectors"], rows)
    names = tensors["replaces"].tobytes().decode().split("\n")
    assert len(names) == 4
    assert all(SegmentName.parse(name) is not None for name in names)


def test_rows_lie_where_the_name_says(tmp_path, open_store, vectors, digest, segments_in):
    rows = vectors(9, 7)
    open_store(tmp_path).put_rows([digest(i) for i in range(9)], rows)
    (file,) = segments_in(tmp_path)
    name, content = SegmentName.parse(file.name), file.read_bytes()
    assert name is not None
    assert name.size == len(content)
    assert name.index_end == 4096 + 48 * 9
    assert name.values_start % 64 == 0
    assert content[name.values_start :] == rows.tobytes()
    assert int.from_bytes(content[:8], "little") == 4088


NAMES = st.builds(
    lambda stamp, nonce, rows, kind, keyed, dimensions, extra, digest: (
        stamp,
        nonce,
        rows,
        kind,
        keyed,
        dimensions,
        extra,
        digest,
    ),
    st.integers(0, LARGEST_STAMP),
    st.integers(0, 2**64 - 1),
    st.integers(1, 10**6),
    st.sampled_from([*LAYOUTS, "raw", "var", "del"]),
    st.booleans(),
    st.integers(1, 5000),
    st.integers(0, 10**6),
    st.integers(0, 2**64 - 1),
)


@given(NAMES)
def test_names_are_read_as_they_are_written(fields):
    stamp, nonce, rows, kind, keyed, dimensions, extra, digest = fields
    stride = 0 if kind in ("var", "del") else dimensions * (LAYOUTS[kind].itemsize if kind in LAYOUTS else 1)
    index_end = 4096 + 48 * rows + 8 * rows * (keyed + (kind == "var")) + extra
    start = -(-index_end // 64) * 64
    size = index_end if kind == "del" else start + (stride * rows if stride else dimensions)
    layout = kind + "k" * keyed
    name = SegmentName(stamp, f"{nonce:016x}", rows, stride, index_end, size, layout, f"{digest:016x}")
    assert SegmentName.parse(str(name)) == name
    assert len(str(name)) <= 111
    assert re.fullmatch(r"[0-9a-z_.-]+", str(name))


@given(st.text())
def test_other_names_are_not_segments(text):
    name = SegmentName.parse(text)
    assert name is None or str(name) == text


GOOD = "0660e511b50eed-0cdc026c526dab68-3-c-1090-10e4-f32-9604d021e2891dd3.safetensors"
HOSTILE = [
    GOOD.upper(),
    GOOD + "\n",
    " " + GOOD,
    GOOD.replace("-3-", "-03-"),
    GOOD.replace("-3-", "-٣-"),
    GOOD.replace("-3-", "-0-"),
    GOOD.replace("-3-", "-ffffffff-"),
    GOOD.replace("-3-", "-fffffffff-"),
    GOOD.replace("-10e4-", "-10e5-"),
    GOOD.replace("-1090-", "-ffffffffff-"),
    GOOD.replace("-c-", "-d-"),
    GOOD.replace("-f32-", "-f31-"),
    GOOD.replace("-f32-", "-kkkk-"),
    GOOD.replace("-f32-", "-k-"),
    GOOD.replace(".safetensors", ".safetensors.bak"),
    "model.safetensors",
    "README.md",
    ".hidden",
    "🦜",
]


def test_a_possible_name_is_a_name():
    assert SegmentName.parse(GOOD) is not None


def test_files_with_other_names_are_ignored(tmp_path, open_store, segments_in, caplog):
    store = open_store(tmp_path)
    store.mset([("a", b"1")])
    (file,) = segments_in(tmp_path)
    for name in HOSTILE:
        shutil.copy(file, file.parent / name)
    (file.parent / "sub").mkdir()
    for reader in (open_store(tmp_path), store):
        reader._catalog._recency.expire()
        assert reader.mget(["a", "b"]) == [b"1", None]
        assert list(reader.yield_keys()) == ["a"]
        assert reader.counts.damaged_segments == 0
    assert not caplog.records


def _rewritten(metadata, **changed) -> tuple[str, bytes]:
    """A segment with a key `a` and other strings in its header, but right checksums."""
    from embedonce.stores.segments.format.keys import IndexKey

    key = IndexKey.of("a")
    rows = SegmentRows(
        "raw", key.digest, [key.text], np.array([1_000], "<u8"), np.frombuffer(b"evil", "u1").reshape(1, 4)
    )
    strings = {**metadata, **changed}
    name, parts = build_segment(rows, {k: v for k, v in strings.items() if v is not None})
    return str(name), b"".join(parts)


@pytest.mark.parametrize(
    "changed",
    [
        {"space": "0" * 64},
        {"space": None},
        {"format": "embedonce/2"},
        {"key_encoder": "{"},
        {"key_encoder": None},
        {"key_encoder": "[" * 3000},
    ],
    ids=str,
)
def test_a_segment_that_belongs_elsewhere_is_left_out_with_a_warning(place, open_store, caplog, changed):
    store = open_store(place)
    store.mset([("b", b"1")])
    name, content = _rewritten(store.namespace_directory.metadata(), **changed)
    if "format" in changed:
        # `build_segment` writes the current format only.
        content = content.replace(b'"format":"embedonce/1"', b'"format":"embedonce/2"')
        content, name = _with_new_hash(name, content)
    store._directory.put(name, [content])
    for reader in (open_store(place), store):
        reader._catalog._recency.expire()
        assert reader.mget(["a", "b"]) == [None, b"1"]
        assert reader.counts.damaged_segments == 1
    assert caplog.records


def _with_new_hash(name: str, content: bytes) -> tuple[bytes, str]:
    parsed = SegmentName.parse(name)
    assert parsed is not None
    return content, name.replace(parsed.digest, hashlib.sha256(content[: parsed.index_end]).hexdigest()[:16])


def test_a_segment_of_another_key_encoder_is_an_error(every_place, open_store):
    store = open_store(every_place, key_encoder=ENCODER)
    store.mset([("b", b"1")])
    other = NamespaceDirectory.of("acme/e5@3", {**ENCODER, "name": "blake2b"})
    name, content = _rewritten(other.metadata())
    store._directory.put(name, [content])
    for _ in range(2):
        # Said again and again: the directory must not pass for clean after the first time.
        with pytest.raises(KeyEncoderError, match="blake2b"):
            store.mget(["a"])
        with pytest.raises(KeyEncoderError, match="blake2b"):
            open_store(every_place, key_encoder=ENCODER)


def _header_with(table: dict, length: int = 4088) -> bytes:
    return length.to_bytes(8, "little") + json.dumps(table).encode().ljust(4088)[:4088]


META = {"format": "embedonce/1"}
INDEX = {"dtype": "U8", "shape": [1, 48], "data_offsets": [0, 48]}
VECTORS = {"dtype": "F32", "shape": [1, 3], "data_offsets": [64, 76]}
PAD = {"dtype": "U8", "shape": [16], "data_offsets": [48, 64]}


CONTRADICTIONS = [
    {},
    [],
    {"__metadata__": []},
    {"__metadata__": {}},
    {"__metadata__": META},
    {"__metadata__": META, "index": INDEX},
    {"__metadata__": META, "index": {**INDEX, "data_offsets": []}, "pad": PAD, "vectors": VECTORS},
    {"__metadata__": META, "index": {**INDEX, "data_offsets": [0, 10**400]}, "pad": PAD, "vectors": VECTORS},
    {"__metadata__": META, "index": {**INDEX, "data_offsets": [0, float("inf")]}, "pad": PAD, "vectors": VECTORS},
    {"__metadata__": META, "index": INDEX, "pad": PAD, "vectors": {**VECTORS, "shape": [3, 1]}},
    {"__metadata__": META, "index": INDEX, "pad": PAD, "vectors": {**VECTORS, "dtype": "F64"}},
    {"__metadata__": META, "index": INDEX, "pad": PAD, "vectors": VECTORS, "more": VECTORS},
    {"__metadata__": META, "index": INDEX, "pad": PAD, "vectors": VECTORS, "key_blob": {**PAD, "data_offsets": "ab"}},
    {"__metadata__": META, "index": INDEX, "pad": 7, "vectors": VECTORS},
]


def _parsed(header: bytes):
    """Read an index of one record of zeroes, whose checksum is right."""
    block = header + bytes(48)
    name = SegmentName(1, "0" * 16, 1, 12, 4144, 4172, "f32", hashlib.sha256(block).hexdigest()[:16])
    return parse_index(name, block)


def test_a_header_that_contradicts_the_name_is_damage_and_nothing_else():
    for table in CONTRADICTIONS:
        with pytest.raises(DamagedSegmentError):
            pytest.fail(f"{table} was read: {_parsed(_header_with(table))}")


def test_a_header_of_brackets_is_damage_and_not_a_crash():
    with pytest.raises(DamagedSegmentError):
        _parsed((4088).to_bytes(8, "little") + b"[" * 4088)


def test_a_good_header_is_read():
    header = _header_with({"__metadata__": META, "index": INDEX, "pad": PAD, "vectors": VECTORS})
    assert len(_parsed(header).records) == 1


@settings(max_examples=300)
@given(st.binary(max_size=300), st.binary(max_size=200))
def test_any_bytes_in_place_of_an_index_are_damage_and_nothing_else(head, tail):
    block = ((4088).to_bytes(8, "little") + head).ljust(4096) + tail[:48].ljust(48, b"\xff")
    name = SegmentName(1, "0" * 16, 1, 12, 4144, 4172, "f32", hashlib.sha256(block).hexdigest()[:16])
    with pytest.raises(DamagedSegmentError):
        parse_index(name, block)


def _space_json(space: NamespaceDirectory, **changed) -> bytes:
    from embedonce.stores.segments.format.namespace_directory import _check

    record = {**json.loads(space.to_bytes()), **changed}
    record.pop("check")
    return json.dumps({**record, "check": _check(record)}).encode()


@pytest.mark.parametrize(
    "content", [{"format": "embedonce/2", "more": [1]}, b'{"format": "embedonce/3", "any": "thing"}']
)
def test_a_space_of_a_newer_format_is_refused(place, open_store, content):
    space = NamespaceDirectory.of("acme/e5@3")
    if "://" not in place:
        # Where reading costs a request, a segment's header is believed instead.
        open_store(place).mset([("a", b"1")])
    io = as_location(place).open(space.name, create=True)
    io.create()
    io.put("space.json", [content if isinstance(content, bytes) else _space_json(space, **content)])
    with pytest.raises(FormatError, match="upgrade embedonce"):
        open_store(place)


def test_a_space_of_another_key_encoder_is_refused(place, open_store):
    open_store(place, key_encoder=ENCODER).mset([("a", b"1")])
    for other in ({**ENCODER, "version": "2"}, {**ENCODER, "name": "blake2b"}, {**ENCODER, "check": "x"}, None):
        with pytest.raises(KeyEncoderError, match="sha256"):
            open_store(place, key_encoder=other)
    assert open_store(place, key_encoder=ENCODER).mget(["a"]) == [b"1"]


def test_a_space_of_another_namespace_is_refused(every_place, open_store):
    space = NamespaceDirectory.of("acme/e5@3")
    if "://" not in every_place:
        open_store(every_place).mset([("a", b"1")])
    io = as_location(every_place).open(space.name, create=True)
    io.create()
    io.put("space.json", [_space_json(space, namespace="somebody else's")])
    with pytest.raises(IdentityError, match="somebody else's"):
        open_store(every_place)


def test_equal_settings_give_equal_bytes_and_unequal_ones_other_directories():
    namespaces = ["a", "A", "a ", "a/b", "../a", "a:b", "*", "🦜", "", "x" * 300, "x" * 301]
    spaces = [NamespaceDirectory.of(namespace, ENCODER) for namespace in namespaces]
    assert len({space.name for space in spaces}) == len(spaces)
    for space in spaces:
        assert is_namespace_directory(space.name)
        assert NamespaceDirectory.of(space.namespace, dict(reversed(ENCODER.items()))).to_bytes() == space.to_bytes()
        assert json.loads(space.to_bytes())["namespace"] == space.namespace
    assert not is_namespace_directory("x-0123456789abcdeg")
    assert not is_namespace_directory("../x-0123456789abcdef")
