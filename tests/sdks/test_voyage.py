"""What Voyage's SDK has of its own; `test_clients.py` has what holds for the clients of all SDKs."""

from __future__ import annotations

import pytest
from lazily import lazily
from sdk_clients import KEY

import embedonce

sdk = lazily("voyageai", "voyageai.error")
requests = lazily("requests")

CALL = {"model": "voyage-3", "input_type": "document"}


def test_without_a_key_the_cache_answers_what_it_has(place, providers_url, monkeypatch):
    pytest.importorskip("voyageai.local", reason="older versions build no client without a key")
    expected = embedonce.wrap(sdk.Client(KEY, base_url=providers_url), place).embed(["a"], **CALL).embeddings
    monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    cached = embedonce.wrap(sdk.Client(base_url=providers_url), place)
    assert cached.embed(["a"], **CALL).embeddings == expected
    with pytest.raises(sdk.AuthenticationError):
        cached.embed(["b"], **CALL)


def test_models_on_this_machine_are_not_those_of_the_provider(providers_url):
    pytest.importorskip("voyageai.local", reason="older versions run none")
    cached = embedonce.wrap(sdk.Client(KEY, base_url=providers_url), embedonce.MemoryStore())
    with pytest.raises(embedonce.IdentityError, match="its model runs on this machine"):
        cached.identity_of(model="voyage-4-nano")


def test_headers_of_a_session_of_the_users_count_at_a_gateway(providers_url, monkeypatch):
    def names():
        clients = (sdk.Client(KEY, base_url=providers_url), sdk.Client(KEY))
        return [embedonce.wrap(each, embedonce.MemoryStore()).identity_of(**CALL) for each in clients]

    before = names()
    session = requests.Session()
    monkeypatch.setattr("voyageai.requestssession", session)
    assert names() == before
    session.headers["x-route"] = "b"
    gateway, official = names()
    assert gateway != before[0]
    assert official == before[1]
