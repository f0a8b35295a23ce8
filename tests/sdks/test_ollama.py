"""What Ollama's SDK has of its own; `test_clients.py` has what holds for the clients of all SDKs."""

from __future__ import annotations

import inspect

import providers_service
import pytest
from lazily import lazily

import embedonce

sdk = lazily("ollama")


@pytest.fixture
def service():
    return providers_service.Service()


@pytest.fixture
def url(service):
    with providers_service.serving(service) as url:
        yield url


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
