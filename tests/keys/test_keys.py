"""Keys: injective, published, and never of two encoders in one namespace."""

from __future__ import annotations

import hashlib
import inspect
import re
import warnings

import pytest
from core_support import NAMESPACE, DictStore, Model, ask, bits, crossed, words
from hypothesis import given, settings
from hypothesis import strategies as st

from embedonce import EmbeddingCache, KeyEncoder, KeyEncoderError, MemoryStore, wrap
from embedonce.keys.encoders import BUILT_IN, sha256, sha512
from embedonce.keys.specification import ROLES, canonical, utf8
from embedonce.plugins.names import resolve_key_encoder

TEXTS = st.text(st.characters(), max_size=12)

SHA512_OF_HELLO = (
    "4abb65a347a1cd29c61a2f6c7e6718f3a79ab5a28cdd371a43de1dde31f49fff"
    "0e854ceca9d65f1022ef6a0a539d35b69d0078934ccf762d8c3ad19033eea14e"
)
BLAKE2B_OF_HELLO = (
    "4df0e39ecc27f3314d666d2b9c66f72baa1b2e255fe4f54903afcb49b7742538"
    "758dbe6e92636f85c20a847247aaaf03b2c064aac0b038359fa40154e0e9f4ec"
)
# Never to be changed: a key that drifts makes every older entry a miss.
PUBLISHED = [
    ("sha256", "document", "", "11f7aedd4a7b394ca84ff28766f63fb5a2a78d41a2db2f3f0fc23fad4c1993ae"),
    ("sha256", "query", "hello", "def23ff064bda793f59f9b6a25ed9169a246d58e62a2449dbe60a0fa5613f94c"),
    ("sha256", "document", "e\u0301 😀\0", "8ff8ebcd60fc2f2b34932c08b0937d54e264b281aeaacb1f8ec841562464381f"),
    ("sha256", "document", "\ud800", "cd6df0d8f5d61b53b5fd3321defa5f53e508bfd1c2aec27842c32b634c839d1a"),
    ("sha512", "query", "hello", SHA512_OF_HELLO),
    ("blake2b", "query", "hello", BLAKE2B_OF_HELLO),
    ("sha1", "query", "hello", "e6c4f55b-24d0-5a34-b40c-6e6b0e0d77aa"),
]


@pytest.mark.parametrize(("name", "role", "text", "key"), PUBLISHED)
def test_published_keys_are_stable(name, role, text, key):
    assert BUILT_IN[name](canonical(role, text)) == key


def test_a_byte_store_holds_the_published_key_after_that_of_the_namespace():
    store = MemoryStore()
    EmbeddingCache(store).embed(["hello"], Model(), namespace="acme/e5", role="query")
    (key,) = store.yield_keys()
    assert re.fullmatch("[0-9a-f]{16}-def23ff064bda793f59f9b6a25ed9169a246d58e62a2449dbe60a0fa5613f94c", key)


@given(st.lists(st.tuples(st.sampled_from(ROLES), TEXTS), unique=True, max_size=8))
def test_the_canonical_string_is_injective(pairs):
    strings = [canonical(role, text) for role, text in pairs]
    assert len(set(strings)) == len({utf8(string) for string in strings}) == len(pairs)


@given(TEXTS)
def test_the_bytes_of_a_text_are_utf8_wherever_that_exists(text):
    try:
        assert utf8(text) == text.encode()
    except UnicodeEncodeError:
        assert utf8(text).decode("utf-8", "surrogatepass") == text


@given(st.sampled_from(ROLES), st.lists(TEXTS, max_size=5))
def test_digests_are_the_encoder_in_bytes(role, texts):
    encoder = resolve_key_encoder("sha256")
    assert [digest.hex() for digest in encoder.digests(role, texts)] == [
        encoder(canonical(role, text)) for text in texts
    ]
    assert resolve_key_encoder("sha512").digests(role, texts) is None


def test_two_encoders_are_refused_in_one_directory(directory, way):
    ask(way, directory.cache(), ["a"], Model())
    for encoder in ("sha512", "blake2b", lambda text: f"k{sha256(text)}"):
        with pytest.raises(KeyEncoderError, match=r"'sha256'.*namespace= or version="):
            ask(way, directory.cache(key_encoder=encoder), ["a"], Model())
        assert ask(way, directory.cache(key_encoder=encoder), ["a"], Model(), namespace=repr(encoder)).shape == (1, 3)
    wrapped = lambda: wrap(Model(), directory.store(), namespace=NAMESPACE, key_encoder="sha512")  # noqa: E731
    with pytest.raises(KeyEncoderError):
        wrapped()


def test_a_changed_encoder_and_a_changed_version_are_refused(directory):
    def encoder(text):
        return f"one-{sha256(text)}"

    def changed(text):
        return f"two-{sha256(text)}"

    first = KeyEncoder("mine", "1", encoder)
    directory.cache(key_encoder=first).embed(["a"], Model(), namespace=NAMESPACE)
    for other in (
        KeyEncoder("mine", "1", changed),
        KeyEncoder("mine", "2", encoder),
        KeyEncoder("yours", "1", encoder),
    ):
        with pytest.raises(KeyEncoderError, match="check"):
            directory.cache(key_encoder=other).embed(["a"], Model(), namespace=NAMESPACE)
    model = Model()
    directory.cache(key_encoder=KeyEncoder("mine", "1", encoder)).embed(["a"], model, namespace=NAMESPACE)
    assert model.calls == []


def test_two_encoders_in_one_byte_store_do_not_meet(way):
    """Not even if one calls itself like the default, or answers with the keys of the other."""
    store = DictStore()
    same_key = KeyEncoder("sha256", "1", lambda text: sha256(text.lower()))
    encoders = ["sha256", "sha512", "blake2b", same_key, lambda text: f"k{len(text)}"]
    for i, encoder in enumerate(encoders):
        model = Model(salt=str(i))
        ask(way, EmbeddingCache(store, key_encoder=encoder), ["some text"], model)
        assert len(model.calls) == 1
    assert len(store.values) == len(encoders)
    for i, encoder in enumerate(encoders):
        cache = EmbeddingCache(store, key_encoder=encoder)
        answer = ask(way, cache, ["some text"], lambda _: pytest.fail("embedded again"))
        assert bits(answer) == bits(Model(salt=str(i)).rows(["some text"]))


def test_two_versions_of_an_encoder_in_one_byte_store_do_not_meet(way):
    """The self-test does not see every change; a new version of the distribution alone is not a change."""
    store = DictStore()

    def plain(text):
        return sha256(text)

    first = KeyEncoder("mine", "1", lambda text: sha256(text.replace("%%", "%")))
    assert first.record()["check"] == KeyEncoder("mine", "1", plain).record()["check"]
    ask(way, EmbeddingCache(store, key_encoder=first), ["50%%"], Model(salt="1"))
    for other in (KeyEncoder("mine", "2", sha512), KeyEncoder("mine", "2", plain)):
        model = Model()
        assert bits(ask(way, EmbeddingCache(store, key_encoder=other), ["50%"], model)) == bits(model.rows(["50%"]))
        assert model.calls == [["50%"]]
    undeclared = [KeyEncoder("mine", f"~{version}", lambda text: sha256(text[:])) for version in ("1.0", "1.1")]
    model = Model()
    for encoder in undeclared:
        ask(way, EmbeddingCache(store, key_encoder=encoder), ["a"], model)
    assert model.calls == [["a"]]


def test_texts_that_an_encoder_takes_for_one_share_an_entry(place, way):
    """A custom encoder may ignore case: then the first text of a key is the one that is embedded."""
    model = Model()
    cache = place.cache(key_encoder=lambda text: sha256(text.lower()))
    answer = ask(way, cache, ["Apple", "pear", "APPLE", "apple"], model)
    assert model.calls == [["Apple", "pear"]]
    assert bits(answer) == bits(model.rows(["Apple", "pear", "Apple", "Apple"]))
    assert bits(ask(way, cache, ["aPPLE"], model)) == bits(model.rows(["Apple"]))
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (lambda text: text.encode(), "must be a str.*bytes"),
        (lambda text: None, "must be a str.*NoneType"),
        (lambda text: "", "must not be empty"),
        (lambda text: "k" * 1025, "at most 1024.*1025"),
        (lambda text: "é" * 513, "at most 1024.*1026"),
        (lambda text: "k\ud800", "lone surrogate"),
        (lambda text: 1 / 0, "failed on a plain string"),
        (lambda: "k", "failed on a plain string"),
        (lambda text: text.encode("ascii").decode(), "failed on a plain string"),
        ("md5", "unknown key encoder 'md5'; available: blake2b, blake3, sha1, sha256, sha512, xxh3_128"),
        ("", "unknown key encoder"),
        (7, "name or a callable"),
        (None, "name or a callable"),
    ],
)
def test_a_bad_encoder_is_refused_at_construction(encoder, message):
    with pytest.raises(KeyEncoderError, match=f"(?s){message}"):
        EmbeddingCache(MemoryStore(), key_encoder=encoder)


@crossed("answer", [b"bytes", None, "", "k" * 1025, "k\ud800"])
def test_an_illegal_key_for_some_text_is_an_error_before_anything_is_paid(place, way, answer):
    model = Model()
    cache = place.cache(key_encoder=lambda text: answer if text.endswith("bad") else sha256(text))
    with pytest.raises(KeyEncoderError, match="'callable'"):
        ask(way, cache, ["a", "bad"], model)
    assert model.calls == []


def test_a_text_that_an_encoder_fails_on_is_embedded_and_costs_the_others_nothing(place, way):
    def encoder(text):
        if "bad" in text:
            raise UnicodeError
        return sha256(text)

    model = Model()
    texts = ["a", "bad 1", "b", "bad 2", "bad 1"]
    for _ in range(2):
        cache = place.cache(key_encoder=encoder)
        assert bits(ask(way, cache, texts, model)) == bits(model.rows(texts))
    assert model.calls == [["a", "bad 1", "b", "bad 2"], ["bad 1", "bad 2"]]
    assert cache.stats().stored == 0


def failing_on(what):
    def encoder(text):
        if what in text:
            raise ZeroDivisionError(text)
        return sha256(text)

    return encoder


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "embedonce"]


def test_an_encoder_that_fails_on_texts_warns_once_and_never_names_them(place, way, caplog):
    encoder, other = failing_on("secret"), KeyEncoder("other", "1", failing_on("secret"))
    for _ in range(2):
        for text in ("my secret", "your secret"):
            ask(way, place.cache(key_encoder=encoder), ["a", text], Model())
    ask(way, place.cache(key_encoder=other), ["a", "my secret"], Model(), namespace="another")
    assert [message.split(" for a text")[0] for message in warnings_in(caplog)] == [
        "key encoder 'callable' raised ZeroDivisionError",
        "key encoder 'other' raised ZeroDivisionError",
    ]
    assert "my secret" not in caplog.text
    assert "your secret" not in caplog.text


class Unhashable:
    """An encoder that cannot be remembered."""

    __slots__ = ()
    __hash__ = None

    def __call__(self, text):
        return failing_on("bad")(text)


def test_an_encoder_that_cannot_be_remembered_warns_once_too(caplog):
    for _ in range(2):
        EmbeddingCache(MemoryStore(), key_encoder=Unhashable()).embed(["bad"], Model(), namespace=NAMESPACE)
    assert len(warnings_in(caplog)) == 1


def test_a_text_without_a_key_is_neither_found_nor_deleted_while_the_store_does_not_open(tmp_path):
    root = tmp_path / "cache"
    cache = EmbeddingCache(root, key_encoder=failing_on("bad"))
    root.rmdir()
    root.write_text("in the way")
    model = Model()
    for _ in range(2):
        assert bits(cache.embed(["a", "bad"], model, namespace=NAMESPACE)) == bits(model.rows(["a", "bad"]))
    assert model.calls == [["a", "bad"], ["bad"]]
    root.unlink()
    cache.flush()
    cache.delete(["a", "bad"], namespace=NAMESPACE)
    cache.embed(["a"], model, namespace=NAMESPACE)
    assert model.calls[2:] == [["a"]]


def test_a_key_that_becomes_too_long_beside_the_namespace_is_named(way):
    cache = EmbeddingCache(MemoryStore(), key_encoder=lambda text: sha256(text).ljust(1020, "-"))
    with pytest.raises(KeyEncoderError, match="at most 1024"):
        ask(way, cache, ["a"], Model())


@pytest.mark.parametrize("name", ["blake3", "xxh3_128"])
def test_a_missing_package_is_named(monkeypatch, name):
    package = {"blake3": "blake3", "xxh3_128": "xxhash"}[name]
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(KeyEncoderError, match=f"pip install {package}"):
        EmbeddingCache(MemoryStore(), key_encoder=name)


@pytest.mark.parametrize("through", ["cache", "wrap"])
def test_sha1_warns_once_at_the_callers_own_line(through):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if through == "cache":
            line = inspect.currentframe().f_lineno + 1
            cache = EmbeddingCache(MemoryStore(), key_encoder="sha1")
        else:
            line = inspect.currentframe().f_lineno + 1
            cache = wrap(Model(), MemoryStore(), namespace=NAMESPACE, key_encoder="sha1").cache
        cache.embed(["a"], Model(), namespace=NAMESPACE)
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line)]
    assert "collision" in str(caught[0].message)


@pytest.mark.parametrize("name", ["sha256", "sha512", "blake2b"])
def test_safe_encoders_do_not_warn(name):
    EmbeddingCache(MemoryStore(), key_encoder=name)


def test_keys_in_stores_are_safe_for_every_backend(place):
    """Whatever text or model name: a fixed alphabet and length."""
    nasty = ["../../etc/passwd", "a/b", "a//b", "CON", "*", "\0", "\ud800", "x" * 100_000, ""]
    cache = place.cache()
    cache.embed(nasty, Model(), namespace="arn:aws:bedrock/../m:v2 * \0")
    for name in place.contents():
        assert re.fullmatch(r"[A-Za-z0-9_./-]{1,200}", name), name
        assert ".." not in name


@settings(deadline=None, max_examples=30)
@given(st.lists(TEXTS, unique=True, min_size=2, max_size=6), st.sampled_from(["sha256", "sha512", "blake2b"]))
def test_different_texts_have_different_entries(texts, encoder):
    store = MemoryStore()
    for role in ROLES:
        EmbeddingCache(store, key_encoder=encoder).embed(texts, Model(), namespace="n", role=role)
    assert len(list(store.yield_keys())) == len(ROLES) * len(texts)


def test_the_default_encoder_is_plain_sha256_of_the_published_string():
    text = canonical("query", "wörld\n")
    assert text == "embedonce:1:query:wörld\n"
    assert BUILT_IN["sha256"](text) == hashlib.sha256(text.encode()).hexdigest()


def test_words_have_one_entry_each(place):
    place.cache().embed(words(50), Model(), namespace="n")
    place.cache().embed(words(50), lambda _: pytest.fail("embedded again"), namespace="n")
