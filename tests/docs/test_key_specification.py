"""The specification of keys and namespaces says what the code does."""

from __future__ import annotations

import itertools
import json
import re
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specified import KEYS, key_of, read_space, section, space_of, table

from embedonce import EmbeddingCache, HmacKeyEncoder, Identity, MemoryStore
from embedonce.errors import EmbedOnceError
from embedonce.keys.encoders import BUILT_IN, KeyEncoder
from embedonce.keys.specification import canonical
from embedonce.plugins.names import resolve_key_encoder
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory

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
def test_answers_that_are_not_keys_are_refused(key):
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
    assert NamespaceDirectory.of(namespace).name == directory


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
