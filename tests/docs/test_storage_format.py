"""The specifications are true: their decoder reads real stores, and their tables are what the code computes."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specified import DOCS, KEYS, STORAGE, key_of, read_space, section, space_of, table

from embedonce import EmbeddingCache, MemoryStore, SegmentStore
from embedonce.keys.encoders import sha256
from embedonce.stores.locations.location import as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.testing import HashingEmbedder
from embedonce.vectors.envelope import origin_of


def store_at(root, namespace="acme/e5@3"):
    return SegmentStore(as_location(str(root)), NamespaceDirectory.of(namespace))


# -- the decoder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_the_decoder_finds_what_a_cache_has_written(dtype, tmp_path):
    matrix = np.arange(35).reshape(5, 7).astype(dtype)
    if dtype == "f8":
        matrix += 0.1
    texts = ["one", "two", "", "Straße", "\ud800"]
    cache = EmbeddingCache(tmp_path)
    for role in ("document", "query"):
        cache.embed(texts, lambda asked: matrix[: len(asked)], namespace="acme/e5@3", role=role)
    found = read_space(space_of(tmp_path))
    assert len(found) == 10
    for text, row in zip(texts, matrix, strict=True):
        np.testing.assert_array_equal(found[key_of(text)], row)
        np.testing.assert_array_equal(found[key_of(text, "query")], row)


def test_the_decoder_finds_keys_that_are_not_digests(tmp_path):
    embedder = HashingEmbedder(8)
    encode = {"a": "first", "b": "second", "c": "ü" * 200}
    cache = EmbeddingCache(tmp_path, key_encoder=lambda text: encode.get(text.rpartition(":")[2]) or sha256(text))
    cache.embed(["a", "b", "c"], embedder, namespace="acme/e5@3")
    found = read_space(space_of(tmp_path))
    assert found.keys() == {"first", "second", "ü" * 200}
    np.testing.assert_array_equal(found["second"], embedder(["b"])[0])


def test_the_newest_vector_of_a_text_holds(tmp_path):
    for number in range(3):
        cache = EmbeddingCache(tmp_path, mode="refresh")
        cache.embed(["text", f"only {number}"], lambda asked, n=number: [[n + 1]] * len(asked), namespace="acme/e5@3")
    found = read_space(space_of(tmp_path))
    assert len(found) == 4
    assert found[key_of("text")].tolist() == [3]


def test_deleted_keys_are_gone_and_those_written_again_are_back(tmp_path):
    store = store_at(tmp_path)
    store.mset([("a", b"old"), ("b", b"old"), ("0" * 64, b"old"), ("c", b"")])
    store.mdelete(["a", "b", "0" * 64])
    store.mset([("b", b"new")])
    assert read_space(space_of(tmp_path)) == {"b": b"new", "c": b""}


KEY = st.sampled_from(["a", "b", "0" * 64, "f" * 64, "ü"])
VALUE = st.binary(max_size=3)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.lists(st.tuples(KEY, VALUE), max_size=5)),
            st.tuples(st.just("delete"), st.lists(KEY, max_size=3)),
        ),
        max_size=8,
    )
)
def test_the_decoder_agrees_with_the_store_whatever_was_done(tmp_path_factory, steps):
    root = tmp_path_factory.mktemp("store")
    for verb, arguments in [("set", [("always", b"there")]), *steps]:
        store = store_at(root)
        store.mset(arguments) if verb == "set" else store.mdelete(arguments)
    store = store_at(root)
    keys = list(store.yield_keys())
    assert read_space(space_of(root)) == dict(zip(keys, store.mget(keys), strict=True))


def test_the_decoder_reads_merged_segments(tmp_path):
    """Many small writes are merged; what a merge has replaced may or may not be there still."""
    store = store_at(tmp_path)
    for number in range(150):
        store.mset([(f"{number % 40:064x}", f"value {number}".encode()), (f"key {number}", b"x" * (number % 7))])
    directory = space_of(tmp_path)
    assert any(b'"replaces"' in file.read_bytes() for file in directory.glob("*.safetensors"))
    keys = list(store.yield_keys())
    assert len(keys) == 190
    assert read_space(directory) == dict(zip(keys, store.mget(keys), strict=True))


def test_the_decoder_never_returns_damaged_vectors(tmp_path):
    """Every byte of a segment is flipped once: a vector is right or absent."""
    matrix = np.linspace(0, 1, 6, dtype="<f4").reshape(2, 3)
    EmbeddingCache(tmp_path).embed(["a", "b"], lambda asked: matrix, namespace="acme/e5@3")
    (file,) = space_of(tmp_path).glob("*.safetensors")
    data = bytearray(file.read_bytes())
    whole = {key_of("a"): matrix[0].tobytes(), key_of("b"): matrix[1].tobytes()}
    # The padding of the header is one long run of the same byte.
    for at in [*range(0, len(data) - 512, 97), *range(len(data) - 512, len(data))]:
        data[at] ^= 0x10
        file.write_bytes(data)
        found = {key: vector.tobytes() for key, vector in read_space(space_of(tmp_path)).items()}
        assert found.items() <= whole.items()
        data[at] ^= 0x10
    file.write_bytes(data[:-1])
    assert read_space(space_of(tmp_path)) == {}
    file.write_bytes(data)
    assert {key: vector.tobytes() for key, vector in read_space(space_of(tmp_path)).items()} == whole


def test_the_decoder_ignores_other_files_and_segments_of_other_spaces(tmp_path):
    store_at(tmp_path / "one").mset([("a", b"1")])
    store_at(tmp_path / "other", "another model").mset([("a", b"2")])
    directory = space_of(tmp_path / "one")
    (foreign,) = space_of(tmp_path / "other").glob("*.safetensors")
    shutil.copy(foreign, directory)
    for name in ("notes.txt", "model.safetensors", ".tmp-0123456789abcdef"):
        (directory / name).write_bytes(b"x")
    assert read_space(directory) == {"a": b"1"}


def test_segments_are_safetensors_files(tmp_path):
    from safetensors.numpy import load_file

    matrix = np.arange(6, dtype="<f4").reshape(3, 2)
    EmbeddingCache(tmp_path).embed(["a", "b", "c"], lambda asked: matrix, namespace="acme/e5@3")
    (file,) = space_of(tmp_path).glob("*.safetensors")
    tensors = load_file(file)
    np.testing.assert_array_equal(tensors["vectors"], matrix)
    assert tensors["index"].shape == (3, 48)


# -- what the page on storage says in numbers ----------------------------------------------------------------------


def test_space_files_and_directories_are_as_specified(tmp_path):
    import hashlib

    def digits(record):
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]

    namespace = "Acme — 東京/" + "e5." * 20
    EmbeddingCache(tmp_path).embed(["a"], lambda asked: [[1.0]], namespace=namespace)
    directory = space_of(tmp_path)
    slug = re.sub("[^a-z0-9]+", "-", namespace.lower()).strip("-")[:40].rstrip("-")
    assert directory.name == f"{slug}-{digits({'format': 'embedonce/1', 'namespace': namespace})}"
    content = json.loads((directory / "space.json").read_text("ascii"))
    check = content.pop("check")
    assert content == {
        "format": "embedonce/1",
        "namespace": namespace,
        "key_encoder": {"name": "sha256", "version": "1", "check": "3e95be2221e0a6d5"},
    }
    assert check == digits(content)


def test_segment_names_and_headers_are_as_specified(tmp_path):
    fields = [row[0] for row in table(STORAGE, "field", "form", "meaning")]
    assert fields == ["stamp", "nonce", "rows", "stride", "index_end", "size", "layout", "digest"]
    EmbeddingCache(tmp_path).embed(["a", "b"], lambda asked: [[1.5, 2.0]] * 2, namespace="acme/e5@3")
    (file,) = space_of(tmp_path).glob("*.safetensors")
    name = dict(zip(fields, file.stem.split("-"), strict=True))
    data = file.read_bytes()
    assert (len(name["stamp"]), len(name["nonce"]), len(name["digest"])) == (14, 16, 16)
    assert (name["rows"], name["stride"], name["layout"]) == ("2", "8", "f32")
    assert int(name["index_end"], 16) == 4096 + 2 * 48
    assert int(name["size"], 16) == len(data) == 4096 + 128 + 2 * 8
    assert int.from_bytes(data[:8], "little") == 4088
    metadata = json.loads(data[8:4096])["__metadata__"]
    documented = {word for row in table(STORAGE, "entry", "meaning") for word in re.findall(r"\w+", row[0])}
    assert metadata.keys() == documented
    assert metadata["stamp_max"] == str(int(name["stamp"], 16))


def test_all_layouts_are_listed(tmp_path):
    from embedonce.vectors.dtypes import LAYOUTS

    listed = {word for row in table(STORAGE, "layout", "a row is") for word in re.findall(r"\w+", row[0])}
    assert listed == {*LAYOUTS, "raw", "var", "del"}


def test_the_size_of_a_vector_is_as_specified(tmp_path):
    assert "A vector of 1,536 `f32` numbers takes 6,192 bytes, plus at most 4,159 for each segment." in STORAGE
    EmbeddingCache(tmp_path, batch_size=None).embed(
        list(map(str, range(101))), HashingEmbedder(1536), namespace="acme/e5@3"
    )
    (file,) = space_of(tmp_path).glob("*.safetensors")
    assert 0 <= file.stat().st_size - 101 * 6192 - 4096 < 64


def test_limits_are_as_specified():
    from embedonce.keys.specification import MAX_KEY_BYTES
    from embedonce.stores.protocol import MAX_VALUE_BYTES
    from embedonce.stores.segments.writing.grouping import flushes
    from embedonce.vectors.answers import MAX_DIMENSIONS

    limits = dict(table(STORAGE, "what", "limit"))
    assert limits["bytes of a key in UTF-8"] == f"{MAX_KEY_BYTES:,}"
    assert limits["numbers in a vector"] == "2^20"
    assert MAX_DIMENSIONS == 2**20
    assert limits["bytes of an opaque value"] == f"{MAX_VALUE_BYTES >> 20} MiB"
    assert limits["bytes of rows in one segment that is not a merge"].startswith("48 MiB;")
    assert list(flushes([b"x" * (24 << 20)] * 3, 3)) == [(0, 2), (2, 3)]


def test_times_of_grace_are_as_specified():

    assert (
        f"{LocalDirectory.grace:.0f} seconds on local file systems, {RemoteDirectory.grace / 60:.0f} minutes elsewhere"
        in STORAGE
    )


def test_envelopes_are_as_specified():
    import zlib

    store = MemoryStore()
    EmbeddingCache(store).embed(["embedonce"], lambda asked: [[1.5, -2.0]], namespace="acme/e5@3")
    (key,) = store.yield_keys()
    (value,) = store.mget([key])
    assert value[:4] == b"eov1"
    codes = dict(re.findall(r"(\d+) `([fiu]\d+)`", section(STORAGE, "Envelopes")))
    assert len(codes) == 11
    assert codes[str(value[4])] == "f32"
    assert value[5:8] == bytes(3)
    assert int.from_bytes(value[8:12], "little") == 2
    assert int.from_bytes(value[12:16], "little") == zlib.crc32(value[:12] + value[16:])
    assert np.frombuffer(value[24:], "<f4").tolist() == [1.5, -2.0]
    assert key in KEYS
    assert f"`{value[16:24].hex()}`" in KEYS
    assert f"`{origin_of('acme/e5@3', 'query').hex()}`" in KEYS


def test_envelopes_name_all_types_by_their_codes():
    from embedonce.vectors.dtypes import LAYOUTS
    from embedonce.vectors.envelope import Envelope, Row

    codes = {name: int(code) for code, name in re.findall(r"(\d+) `([fiu]\d+)`", section(STORAGE, "Envelopes"))}
    assert {name: Envelope.seal(Row(dtype, bytes(8)))[4] for name, dtype in LAYOUTS.items()} == codes


# -- codecs --------------------------------------------------------------------------------------------------------

VECTORS = np.array(
    [
        [0.5, -0.25, 1.0, 0.1],
        [127 / 128, -1e-3, 0, 3e-3],
        [0.999, -0.999, 1 / 3, 0],
        [6e4, 1.0, -2.5, 1e-9],
    ],
    "<f4",
)


def rows_on_disk(root, codec):
    cache = EmbeddingCache(root, codec=codec)
    kept = cache.embed([str(i) for i in range(len(VECTORS))], lambda asked: VECTORS, namespace="acme/e5@3")
    directory = space_of(root)
    assert json.loads((directory / "space.json").read_text("ascii"))["namespace"] == f'acme/e5@3?codec="{codec}"'
    (file,) = directory.glob("*.safetensors")
    found = read_space(directory)
    return file, kept, np.stack([found[key_of(str(i))] for i in range(len(VECTORS))])


def test_rows_of_float16_are_as_specified(tmp_path):
    file, kept, rows = rows_on_disk(tmp_path, "float16")
    assert file.stem.split("-")[6] == "f16"
    assert rows.dtype == "<f2"
    assert rows.tobytes() == VECTORS.astype("<f2").tobytes()
    assert kept.tobytes() == rows.astype("<f4").tobytes()


def test_rows_of_int8_are_as_specified(tmp_path):
    """Computed number by number, with the fractions of Python."""
    from fractions import Fraction

    file, kept, rows = rows_on_disk(tmp_path, "int8")
    assert file.stem.split("-")[6] == "i8"
    assert json.loads(file.read_bytes()[8:4096])["__metadata__"]["dim"] == str(VECTORS.shape[1] + 1)
    assert (rows.dtype, rows.shape) == ("int8", (len(VECTORS), VECTORS.shape[1] + 1))
    for vector, row, back in zip(VECTORS.tolist(), rows.tolist(), kept.tolist(), strict=True):

        def multiples(exponent, vector=vector):
            # Like the page, `round` takes the even one of two that are equally near.
            return [round(Fraction(number) / Fraction(2) ** exponent) for number in vector]

        fitting = (each for each in range(-128, 128) if max(map(abs, multiples(each))) <= 127)
        exponent = next(fitting) if any(vector) else 0
        assert row == [*multiples(exponent), exponent]
        assert back == [float(multiple * Fraction(2) ** exponent) for multiple in multiples(exponent)]


def test_all_codecs_are_in_the_table():
    from embedonce.vectors.codecs import BUILT_IN

    listed = [row[0] for row in table(STORAGE, "codec", "layout", "a row of d numbers is", "the vector")]
    assert listed == ["none", *list(BUILT_IN)[1:]]
    labels = [codec.label() for codec in BUILT_IN.values()]
    assert labels == ["", *list(BUILT_IN)[1:]]


# -- the pages themselves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["storage-format.md", "key-specification.md"])
def test_links_lead_somewhere(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https:)([^)]*)\)", text):
        file, _, anchor = target.partition("#")
        linked = (DOCS / file).read_text(encoding="utf-8") if file else text
        headings = re.findall(r"^#+ (.*)$", linked, re.MULTILINE)
        anchors = {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
        assert not anchor or anchor in anchors, target


def test_the_decoder_needs_no_part_of_embedonce():
    assert "embedonce" not in re.findall(r"^```python\n(.*?)^def", STORAGE, re.MULTILINE | re.DOTALL)[0]
