"""The specifications are true: their decoder reads real stores, and their tables are what the code computes."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedonce import EmbeddingCache, HmacKeyEncoder, Identity, MemoryStore, SegmentStore
from embedonce.errors import EmbedOnceError
from embedonce.keys.encoders import BUILT_IN, KeyEncoder, sha256
from embedonce.keys.specification import canonical
from embedonce.plugins.names import resolve_key_encoder
from embedonce.stores.locations.location import as_location
from embedonce.stores.places.local import LocalDirectory
from embedonce.stores.places.remote import RemoteDirectory
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.testing import HashingEmbedder
from embedonce.vectors.envelope import origin_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
STORAGE = (DOCS / "storage-format.md").read_text(encoding="utf-8")
KEYS = (DOCS / "key-specification.md").read_text(encoding="utf-8")


def decoder():
    """Return the function `read_space` out of the page."""
    (source,) = re.findall(r"^```python\n(.*?)^```$", STORAGE, re.MULTILINE | re.DOTALL)
    assert len(source.splitlines()) <= 30
    names = {}
    exec(compile(source, "storage-format.md", "exec"), names)
    return names["read_space"]


read_space = decoder()


def table(page, *headings):
    """Return the rows of the table with these headings; cells lose their backquotes."""
    lines = iter(page.splitlines())
    assert f"| {' | '.join(headings)} |" in lines, headings
    rows = []
    for line in lines:
        if not line.startswith("| "):
            break
        cells = [re.sub(r"^`(.*)`$", r"\1", cell.strip()) for cell in line[1:-1].split(" | ")]
        if set(cells) != {"---"}:
            rows.append(cells)
    assert rows
    return rows


def section(page, heading):
    """Return the text below a heading."""
    return re.split(r"^#+ ", page.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def space_of(root):
    """Return the only space below a root."""
    (directory,) = (entry for entry in Path(root).iterdir() if entry.is_dir())
    return directory


def store_at(root, namespace="acme/e5@3"):
    return SegmentStore(as_location(str(root)), NamespaceDirectory.of(namespace))


def key_of(text, role="document"):
    return sha256(canonical(role, text))


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


def test_the_decoder_finds_keys_that_are_no_digests(tmp_path):
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
        cache.embed(["text", f"only {number}"], lambda asked, n=number: [[n]] * len(asked), namespace="acme/e5@3")
    found = read_space(space_of(tmp_path))
    assert len(found) == 4
    assert found[key_of("text")].tolist() == [2]


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
    EmbeddingCache(tmp_path).embed(list(map(str, range(101))), HashingEmbedder(1536), namespace="acme/e5@3")
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
        [0, 0, 0, 0],
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


# -- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "text", "key"), table(KEYS, "role", "text", "key"))
def test_keys_are_those_of_the_table(role, text, key, tmp_path):
    import hashlib

    text = json.loads(text)
    prefix = re.search(r'utf8\("(.*?)" \+ role', KEYS).group(1)
    plain = f"{prefix}{role}:{text}".encode("utf-8", "surrogatepass")
    assert hashlib.sha256(plain).hexdigest() == key
    EmbeddingCache(tmp_path).embed([text], lambda asked: [[1.0]], namespace="acme/e5@3", role=role)
    assert list(read_space(space_of(tmp_path))) == [key]


ENCODERS = table(KEYS, "name", "key", "key of the document `embedonce`")


@pytest.mark.filterwarnings("ignore:key encoder 'sha1'")
@pytest.mark.parametrize(("name", "_", "key"), ENCODERS, ids=[name for name, *_ in ENCODERS])
def test_key_encoders_answer_with_the_keys_of_the_table(name, _, key):
    if name in ("blake3", "xxh3_128"):
        pytest.importorskip(name.partition("_")[0].replace("xxh3", "xxhash"))
    assert resolve_key_encoder(name)(canonical("document", "embedonce")) == key


def test_all_key_encoders_are_in_the_table():
    assert [name for name, *_ in ENCODERS] == list(BUILT_IN)


def test_the_name_space_of_sha1_is_the_one_specified():
    import hashlib

    (name_space,) = re.findall(r"`([0-9a-f]{8}-[0-9a-f-]{27})`\. `sha1`", KEYS)
    digits = hashlib.sha1(b"text").hexdigest()
    assert BUILT_IN["sha1"]("text") == str(uuid.uuid5(uuid.UUID(name_space), digits))


def check_of(encode, probes):
    """Do what the page says about the check of an encoder."""
    import hashlib

    answers = "\n".join(encode(probe) for probe in probes)
    return hashlib.sha256(answers.encode()).hexdigest()[:16]


def plain_sha256(text):
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def probes():
    """Return the strings that the page lists for built-in encoders, and the further ones for all others."""
    for_all, for_others = section(KEYS, "What is recorded").split("Any other encoder", 1)
    further = [json.loads(probe) for probe in re.findall(r'^- `("[^`]+")`$', for_others, re.MULTILINE)]
    beginning, count, repeated = re.search(
        r'^- `("[^`]+")` and (\d+) times `("[^`]+")`$', for_others, re.MULTILINE
    ).groups()
    further.append(json.loads(beginning) + int(count) * json.loads(repeated))
    return [json.loads(probe) for probe in re.findall(r'`("[^`]+")`', for_all)], further


def all_probes():
    built_in, further = probes()
    return built_in + further


def test_what_is_recorded_of_a_key_encoder_is_as_specified():
    built_in, _ = probes()
    assert len(built_in) == 2
    check = check_of(plain_sha256, built_in)
    assert resolve_key_encoder("sha256").record() == {"name": "sha256", "version": "1", "check": check}
    assert f"For `sha256` the check is `{check}`" in KEYS
    assert resolve_key_encoder(str.upper).record()["name"] == "callable"
    assert [row[0] for row in table(KEYS, "field", "meaning")] == list(resolve_key_encoder("sha256").record())


def test_what_is_recorded_of_other_key_encoders_is_as_specified(monkeypatch):
    assert len(probes()[1]) == 11
    for encode in (plain_sha256, str.upper, lambda text: f"{len(text)}: {text[::-1]}"):
        check = check_of(encode, all_probes())
        assert resolve_key_encoder(encode).record() == {"name": "callable", "version": "", "check": check}
    assert f"has the check `{check_of(plain_sha256, all_probes())}` under another name" in KEYS
    monkeypatch.setenv("EMBEDONCE_KEY_SECRET", "x" * 32)
    recorded = resolve_key_encoder(HmacKeyEncoder()).record()
    assert (recorded["name"], recorded["version"]) == ("hmac-sha256", "1")


@pytest.mark.parametrize(
    ("versions", "meet"),
    [(("1", "1"), True), (("1", "2"), False), (("~1.4", "~1.5"), True), (("1", "~1.4"), False), (("", "~1.4"), False)],
)
def test_versions_of_a_key_encoder_are_compared_as_specified(versions, meet, tmp_path):
    first, second = (KeyEncoder("mine", version, plain_sha256) for version in versions)
    EmbeddingCache(tmp_path, key_encoder=first).embed(["a"], lambda asked: [[1.0]], namespace="acme/e5@3")
    recorded = json.loads((space_of(tmp_path) / "space.json").read_text("ascii"))["key_encoder"]
    assert recorded == {"name": "mine", "version": versions[0], "check": check_of(plain_sha256, all_probes())}
    cache = EmbeddingCache(tmp_path, key_encoder=second)
    if meet:
        assert cache.embed(["a"], lambda asked: [[2.0]], namespace="acme/e5@3").tolist() == [[1.0]]
    else:
        with pytest.raises(EmbedOnceError, match="key encoder 'mine'"):
            cache.embed(["a"], lambda asked: [[2.0]], namespace="acme/e5@3")


COUNT = itertools.count()


@pytest.mark.parametrize("encode", [lambda text: "same", lambda text: str(next(COUNT)), lambda text: text[99]])
def test_key_encoders_that_the_page_refuses_are_refused(encode):
    with pytest.raises(EmbedOnceError, match="key encoder 'callable'"):
        resolve_key_encoder(encode)


@pytest.mark.parametrize("version", ["", "1", "~1.4"])
def test_keys_in_other_byte_stores_are_as_specified(version):
    import hashlib

    store, encoder = MemoryStore(), KeyEncoder("mine", version, plain_sha256)
    EmbeddingCache(store, key_encoder=encoder).embed(["embedonce"], lambda asked: [[1.0]], namespace="acme/e5@3")
    check = check_of(plain_sha256, all_probes())
    mark = check if version != "1" else hashlib.sha256(f"{version}\n{check}".encode()).hexdigest()[:16]
    space = NamespaceDirectory.of("acme/e5@3").digest[:16]
    assert list(store.yield_keys()) == [f"{space}-{mark}-{key_of('embedonce')}"]


@pytest.mark.parametrize("key", ["", "x" * 1025, "ü" * 513, "\ud800"])
def test_answers_that_are_no_keys_are_refused(key):
    with pytest.raises(EmbedOnceError):
        KeyEncoder("bad", "1", lambda text: key)("text")


def test_symmetric_models_use_the_role_document(tmp_path):
    identity = Identity.named("acme/e5@3", symmetric=True)
    EmbeddingCache(tmp_path).embed(["a"], lambda asked: [[1.0]], namespace=identity, role="query")
    assert list(read_space(space_of(tmp_path))) == [key_of("a")]


# -- namespaces ----------------------------------------------------------------------------------------------------

NAMESPACES = table(KEYS, "provider", "model", "parameters", "namespace", "directory")


@pytest.mark.parametrize(("provider", "model", "parameters", "namespace", "directory"), NAMESPACES)
def test_namespaces_are_those_of_the_table(provider, model, parameters, namespace, directory):
    identity = Identity.of(provider, model, **json.loads(parameters))
    assert identity.namespace == namespace
    assert NamespaceDirectory.of(namespace).directory == directory


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x2FF), min_size=1))
def test_percent_encoding_leaves_the_specified_characters(model):
    """Step 5 of the page, done by hand."""
    listed = re.search(r"the space, and `(.*?)`\.", KEYS).group(1).split(" ")
    safe = {*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ", *listed}
    encoded = "".join(one if one in safe else "".join(f"%{byte:02X}" for byte in one.encode()) for one in model)
    assert Identity.of("acme", model).namespace == f"acme/{encoded}"


def test_versions_follow_the_parameters(tmp_path):
    import embedonce

    def wrapped(namespace):
        return embedonce.wrap(lambda texts: [[1.0]] * len(texts), tmp_path, namespace=namespace, version=3)

    assert wrapped("acme/e5").namespace == 'acme/e5?version="3"'
    assert wrapped("acme/e5?x=1").namespace == 'acme/e5?x=1&version="3"'


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
