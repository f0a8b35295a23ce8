"""What Ollama's SDK has of its own; `test_clients.py` has what holds for the clients of all SDKs."""

from __future__ import annotations

import inspect

import pytest
from lazily import lazily

import embedonce

sdk = lazily("ollama")


@pytest.fixture
def service(providers):
    return providers


@pytest.fixture
def url(providers_url):
    return providers_url


@pytest.fixture(params=["Client", "AsyncClient"])
def client(request, url):
    return getattr(sdk, request.param)(url)


async def result(asked):
    return await asked if inspect.isawaitable(asked) else asked


async def test_the_older_method_has_entries_of_its_own(client, place, service):
    """Its vectors are not normalised."""
    cached = embedonce.wrap(client, place)
    expected = await result(client.embeddings("m", "a"))
    service.requests.clear()
    for _ in range(2):
        response = await result(cached.embeddings("m", "a"))
        assert type(response) is type(expected)
        assert response.embedding == expected.embedding
        assert (await result(cached.embed("m", "a"))).embeddings != [expected.embedding]
    assert len(service.requests) == 2
    replayed = embedonce.wrap(client, place, mode="replay")
    assert (await result(replayed.embeddings(model="m", prompt="a"))).embedding == expected.embedding
    for prompt in ("b", "", None):
        with pytest.raises(embedonce.CacheMissError):
            await result(replayed.embeddings("m", prompt))


async def test_options_may_be_of_the_class_of_the_sdk(client, place, service):
    cached = embedonce.wrap(client, place)
    for options in ({"num_ctx": 7}, sdk.Options(num_ctx=7), sdk.Options(num_ctx=7, num_thread=2)):
        await result(cached.embed("m", "a", options=options))
    assert len(service.requests) == 1


async def test_an_empty_text_alone_is_not_embedded_but_one_in_a_list_is(client, place, service):
    cached = embedonce.wrap(client, place)
    assert (await result(cached.embed("m"))).embeddings == (await result(cached.embed("m", ""))).embeddings == []
    assert len((await result(cached.embed("m", ["", "a"]))).embeddings) == 2
    assert service.requests == [[], [], ["", "a"]]


def later(**defaults):
    """Return a class of clients as a later version of the SDK may have it, with other defaults."""

    def embed(self, model="", input="", **named):  # noqa: A002 - the SDK's name
        return sdk.Client.embed(self, model, input, **{k: v for k, v in named.items() if k != "normalize"})

    options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=each) for name, each in defaults.items()]
    known = list(inspect.signature(embed).parameters.values())[:-1]
    embed.__signature__ = inspect.Signature([*known, *options])
    return type("Later", (sdk.Client,), {"embed": embed})


def test_defaults_of_a_later_version_count(url, caplog):
    def cached(**defaults):
        return embedonce.wrap(later(**defaults)(url), embedonce.MemoryStore(), namespace="acme")

    plain = cached().identity_of(model="m")
    assert cached(truncate=None).identity_of(model="m") == plain
    assert cached(truncate=False).identity_of(model="m") != plain
    assert len(cached(normalize=True).embed("m", "a").embeddings) == 1
    assert "bypass the cache because the argument 'normalize' is unknown" in caplog.text
    caplog.clear()
    assert len(cached(normalize=None).embed("m", "a").embeddings) == 1
    assert "bypass" not in caplog.text
