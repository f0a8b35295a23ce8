"""The suite of key encoders: sound ones pass all of it, and each kind of broken one fails where it is meant to."""

from __future__ import annotations

import base64
import hashlib
import itertools
import unicodedata
import zlib

import pytest

from embedonce import KeyEncoder
from embedonce.keys.encoders import sha256
from embedonce.keys.specification import canonical, utf8
from embedonce.testing import KeyEncoderSuite


class TestSha256(KeyEncoderSuite):
    encoder = "sha256"
    version = "1"


@pytest.mark.soak
class TestSha512(KeyEncoderSuite):
    encoder = "sha512"


@pytest.mark.soak
class TestBlake2b(KeyEncoderSuite):
    encoder = "blake2b"


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:key encoder 'sha1' is not collision-resistant")
class TestSha1(KeyEncoderSuite):
    encoder = "sha1"


@pytest.mark.soak
class TestBlake3(KeyEncoderSuite):
    encoder = "blake3"


@pytest.mark.soak
class TestXxh3(KeyEncoderSuite):
    encoder = "xxh3_128"


class TestFunction(KeyEncoderSuite):
    """A function may be set as it is; another process imports it from where it is defined."""

    encoder = sha256
    version = "7"


def without_case(text):
    return sha256(text.casefold())


class TestWithoutCase(KeyEncoderSuite):
    encoder = KeyEncoder("without-case", "1", without_case)
    equal = (("A", "a"), ("Straße", "STRASSE"))

    def normal_form(self, text):
        return text.casefold()


class TestLegible(KeyEncoderSuite):
    """Keys that begin with what they stand for."""

    encoder = KeyEncoder("legible", "1", lambda text: f"{ascii(text)[1:200]}-{sha256(text)}")
    reveals_text = True


# -- Broken ones ---------------------------------------------------------------------------------------------------

_COUNT = itertools.count()
_SHARED = [hashlib.sha256()]
_SEEN = {}


def cut_surrogates(text):
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def refusing_surrogates(text):
    return hashlib.sha256(text.encode()).hexdigest()


def numbered(text):
    return f"{next(_COUNT)}-{sha256(text)}"


def in_order_of_appearance(text):
    return f"number-{_SEEN.setdefault(text, len(_SEEN))}"


def updated(text):
    _SHARED[0].update(utf8(text))
    return _SHARED[0].hexdigest()


def racing(text):
    """Begins a digest for all threads, and lets others have their turn whenever a part is hashed."""
    _SHARED[0] = hashlib.sha256()
    for start in range(0, len(text), 4096):
        _SHARED[0].update(utf8(text[start : start + 4096]))
    return _SHARED[0].hexdigest()


def salted(text):
    return sha256(str(hash(text)))


def as_it_is(text):
    return text


def in_base64(text):
    return f"{base64.urlsafe_b64encode(utf8(text[:400])).decode()}.{sha256(text)}"


def in_base64_alone(text):
    return base64.b64encode(utf8(text[:200])).decode() or "-"


def in_hexadecimal(text):
    return utf8(text[:400]).hex()


def without_role(text):
    return sha256(text.split(":", 3)[3])


def at_the_limit(text):
    return (sha256(text) * 16)[:1020]


BROKEN = [
    (lambda text: b"bytes", "test_it_can_be_registered"),
    (refusing_surrogates, "test_every_text_has_a_legal_key[lone surrogate-document]"),
    (as_it_is, "test_every_text_has_a_legal_key[100,000 characters-query]"),
    (as_it_is, "test_a_key_does_not_reveal_its_text"),
    (in_base64_alone, "test_a_key_does_not_reveal_its_text"),
    (in_hexadecimal, "test_a_key_does_not_reveal_its_text"),
    (lambda text: f"x-{text[:200]}".upper(), "test_a_key_does_not_reveal_its_text"),
    (without_case, "test_different_texts_have_different_keys"),
    (cut_surrogates, "test_different_texts_have_different_keys"),
    (lambda text: sha256(text.strip()), "test_different_texts_have_different_keys"),
    (lambda text: sha256(" ".join(text.split())), "test_different_texts_have_different_keys"),
    (lambda text: sha256(unicodedata.normalize("NFC", text)), "test_different_texts_have_different_keys"),
    (lambda text: sha256(unicodedata.normalize("NFKC", text)), "test_different_texts_have_different_keys"),
    (lambda text: sha256(text[:8192]), "test_different_texts_have_different_keys"),
    (lambda text: sha256(text[-8192:]), "test_different_texts_have_different_keys"),
    (lambda text: sha256(text.replace("\0", "")), "test_different_texts_have_different_keys"),
    (lambda text: sha256(text.replace("\r\n", "\n")), "test_different_texts_have_different_keys"),
    (lambda text: sha256("".join(sorted(text))), "test_different_texts_have_different_keys"),
    (lambda text: sha256(f"{text[:4096]}{len(text)}{text[-4096:]}"), "test_different_texts_have_different_keys"),
    (without_role, "test_documents_and_queries_have_different_keys"),
    (lambda text: sha256(text.replace("query:", "document:")), "test_documents_and_queries_have_different_keys"),
    (lambda text: f"{zlib.crc32(utf8(text)):08x}", "test_many_texts_do_not_collide"),
    (lambda text: sha256(text)[:8], "test_many_texts_do_not_collide"),
    (numbered, "test_a_key_depends_on_its_text_only"),
    (updated, "test_a_key_depends_on_its_text_only"),
    (salted, "test_another_process_gets_the_same_keys"),
    (in_order_of_appearance, "test_another_process_gets_the_same_keys"),
    (racing, "test_threads_get_the_same_keys"),
    (at_the_limit, "test_a_cache_embeds_every_text_once[byte store]"),
    (numbered, "test_a_cache_embeds_every_text_once"),
]


@pytest.mark.soak
@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_a_broken_encoder_fails_where_it_is_meant_to(fails, broken, test):
    assert fails(_on(broken), test)


def test_a_text_in_part_of_a_key_is_found_as_well(fails):
    assert fails(_on(in_base64), "test_a_key_does_not_reveal_its_text")


@pytest.mark.parametrize(
    "test",
    ["test_texts_declared_equal_have_one_key", "test_a_cache_takes_equal_texts_for_one"],
)
def test_what_is_declared_equal_has_to_be_equal(fails, outcomes, test):
    assert fails(_on(sha256, equal=[("A", "a")]), test)
    assert outcomes(_on(without_case, equal=[("A", "a")]), test).keys() == {"passed"}
    assert outcomes(_on(sha256), test).keys() == {"skipped"}


def test_a_pair_that_is_not_declared_is_named(run_suite):
    suite = _on(without_case, equal=[("A", "a")])
    outcomes, text = run_suite(suite, "test_different_texts_have_different_keys")
    assert outcomes == {"failed": 1}
    assert "'\u00e9' and '\u00c9'" in text
    assert "'a' and 'A'" not in text


def test_a_version_that_is_not_the_declared_one_is_refused(fails):
    assert fails(_on(KeyEncoder("mine", "2", sha256), version="1"), "test_it_can_be_registered")


def test_an_encoder_that_cannot_be_imported_is_said_to_be_skipped(run_suite):
    outcomes, text = run_suite(_on(lambda text: sha256(f"{text}!")), "test_another_process_gets_the_same_keys")
    assert outcomes == {"skipped": 1}
    assert "another process cannot import" in text
    assert "define it with a name in a module" in text


def test_a_subclass_without_an_encoder_says_so(run_suite):
    outcomes, text = run_suite(type("TestNothing", (KeyEncoderSuite,), {}), "test_it_can_be_registered")
    assert outcomes == {"failed": 1}
    assert "TestNothing has to set `encoder`: a function, a KeyEncoder or a name" in text


def test_the_texts_that_are_tried_begin_as_the_cache_begins_them():
    assert without_role(canonical("query", "a:b")) == sha256("a:b")


def _on(encoder, **attributes):
    return type("TestBroken", (KeyEncoderSuite,), {"encoder": encoder, **attributes})
