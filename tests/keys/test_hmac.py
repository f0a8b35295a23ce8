"""Keys that only those who know a secret can make."""

from __future__ import annotations

import hashlib
import hmac
import pickle

import pytest
from core_support import NAMESPACE, Model, bits

from embedonce import EmbeddingCache, HmacKeyEncoder, KeyEncoderError, MemoryStore
from embedonce.keys.specification import canonical

SECRET = "a secret of more than sixteen bytes"


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setenv("EMBEDONCE_KEY_SECRET", SECRET)
    return SECRET


def test_a_key_is_the_hmac_of_the_canonical_string(place, secret):
    model = Model()
    first = place.cache(key_encoder=HmacKeyEncoder()).embed(["a", "\ud800"], model, namespace=NAMESPACE)
    again = place.cache(key_encoder=HmacKeyEncoder()).embed(["a", "\ud800"], Model(fail_at=0), namespace=NAMESPACE)
    assert bits(first) == bits(again)
    key = hmac.new(secret.encode(), canonical("document", "a").encode(), hashlib.sha256).hexdigest()
    assert key == HmacKeyEncoder()(canonical("document", "a"))
    keys = list(place.cache(key_encoder=HmacKeyEncoder()).open(NAMESPACE).stored_keys())
    assert any(each.endswith(key) for each in keys)


def test_nothing_that_is_kept_or_shown_tells_the_secret_or_which_texts_there_are(directory, secret):
    encoder = HmacKeyEncoder()
    cache = directory.cache(key_encoder=encoder)
    cache.embed(["a guess"], Model(), namespace=NAMESPACE)
    shown = f"{encoder!r} {encoder} {cache!r}".encode() + pickle.dumps(cache) + pickle.dumps(encoder)
    plain = hashlib.sha256(canonical("document", "a guess").encode())
    kept = b"".join(file for file in directory.contents().values())
    for token in (secret.encode(), plain.digest(), plain.hexdigest().encode(), b"a guess"):
        assert token not in shown + kept


def test_another_secret_is_another_encoder(directory, secret, monkeypatch):
    directory.cache(key_encoder=HmacKeyEncoder()).embed(["a"], Model(), namespace=NAMESPACE)
    monkeypatch.setenv("EMBEDONCE_KEY_SECRET", SECRET[::-1])
    with pytest.raises(KeyEncoderError, match="was written with key encoder 'hmac-sha256' version '1'"):
        directory.cache(key_encoder=HmacKeyEncoder()).embed(["a"], Model(), namespace=NAMESPACE)
    with pytest.raises(KeyEncoderError, match="was written with key encoder 'hmac-sha256'"):
        directory.cache().embed(["a"], Model(), namespace=NAMESPACE)


@pytest.mark.parametrize(("value", "message"), [("", "is not set"), ("tiny!", "holds 5 bytes")])
def test_a_missing_or_short_secret_is_refused_and_not_shown(monkeypatch, value, message):
    monkeypatch.setenv("ACME_SECRET", value)
    with pytest.raises(KeyEncoderError, match=f"the environment variable ACME_SECRET {message}") as caught:
        HmacKeyEncoder("ACME_SECRET")
    assert not value or value not in str(caught.value)


def test_a_copy_needs_the_variable_too(secret, monkeypatch):
    pickled = pickle.dumps(EmbeddingCache(MemoryStore(), key_encoder=HmacKeyEncoder()))
    assert pickle.loads(pickled).agrees_with(EmbeddingCache(MemoryStore(), key_encoder=HmacKeyEncoder())) is False
    monkeypatch.delenv("EMBEDONCE_KEY_SECRET")
    with pytest.raises(KeyEncoderError, match="EMBEDONCE_KEY_SECRET is not set"):
        pickle.loads(pickled)


def test_equal_secrets_are_equal_encoders(secret):
    assert HmacKeyEncoder() == HmacKeyEncoder()
    assert len({HmacKeyEncoder(), HmacKeyEncoder()}) == 1
    assert HmacKeyEncoder() != "EMBEDONCE_KEY_SECRET"


def test_a_secret_in_place_of_the_name_of_its_variable_is_refused_and_not_shown():
    with pytest.raises(ValueError, match="variable must be the name of an environment variable, got bytes") as caught:
        HmacKeyEncoder(SECRET.encode())
    assert SECRET not in str(caught.value)
