"""The real clients of Ollama's SDK in front of a local server that counts what it is asked."""

from __future__ import annotations

import inspect

import pytest
from lazily import lazily

import embedonce

sdk = lazily("ollama")
lc = lazily("langchain_ollama")
li = lazily("llama_index.embeddings.ollama")

TEXTS = ["one text", "another text", "one text", "Straße, 東京"]


async def result(asked):
    return await asked if inspect.isawaitable(asked) else asked


@pytest.fixture(params=["Client", "AsyncClient"])
def client(request, url):
    return getattr(sdk, request.param)(url.removesuffix("/v1"))


@pytest.fixture
def expected(service):
    return lambda texts: [service.vector("m", text, None).tolist() for text in texts]


async def test_each_text_is_paid_for_once_in_one_request(client, place, service, expected):
    cached = embedonce.wrap(client, place)
    assert isinstance(cached, type(client))
    assert isinstance(cached, embedonce.Wrapper)
    assert embedonce.wrap(cached) is cached
    first = await result(cached.embed("m", TEXTS))
    assert isinstance(first, sdk.EmbedResponse)
    assert (first.model, first["embeddings"]) == ("m", expected(TEXTS))
    assert service.requests == [["one text", "another text", "Straße, 東京"]]
    again = await result(embedonce.wrap(client, place).embed(model="m", input="one text"))
    assert (again.embeddings, again.prompt_eval_count) == (expected(["one text"]), 0)
    assert len(service.requests) == 1


async def test_the_answer_is_that_of_the_client_itself(client, place):
    for given in ("one text", TEXTS):
        plain = await result(client.embed("m", given))
        assert (await result(embedonce.wrap(client, place).embed("m", given))).embeddings == plain.embeddings


async def test_what_changes_vectors_is_kept_apart(client, place, service):
    cached = embedonce.wrap(client, place)
    calls = [{}, {"model": "n"}, {"dimensions": 4}, {"options": {"num_ctx": 7}}]
    for call in calls * 2:
        await result(cached.embed(**{"model": "m", "input": "a", **call}))
    assert len(service.requests) == len(calls)
    for call in ({"keep_alive": 3}, {"truncate": True}, {"options": sdk.Options(num_ctx=7)}, {"model": "m:latest"}):
        await result(cached.embed(**{"model": "m", "input": "a", **call}))
    assert len(service.requests) == len(calls)


async def test_other_calls_bypass_the_cache(client, place, service, caplog):
    cached = embedonce.wrap(client, place)
    for _ in range(2):
        await result(cached.embed("m", "a", truncate=False))
    assert len(service.requests) == 2
    assert [each.message for each in caplog.records if "bypass the cache" in each.message] == [
        "calls of embed bypass the cache because it refuses long texts, of which the cache may have vectors"
    ]
    with pytest.raises(embedonce.CacheMissError, match="cannot be replayed because"):
        await result(embedonce.wrap(client, place, mode="replay").embed("m", "a", truncate=False))
    with pytest.raises(TypeError, match="dimension"):
        await result(cached.embed("m", "a", dimension=3))


async def test_what_a_tracer_has_put_in_the_place_of_the_method_is_called(client, place, service):
    embed, seen = client.embed, []

    def traced(*args, **given):
        seen.append((args, given))
        return embed(*args, **given)

    client.embed = traced
    cached = embedonce.wrap(client, place)
    for _ in range(2):
        await result(cached.embed("m", "a"))
    assert len(seen) == len(service.requests) == 1
    with pytest.raises(embedonce.CacheMissError):
        await result(embedonce.wrap(client, place, mode="replay").embed("m", "b"))


async def test_the_method_can_be_wrapped(client, place, service, expected):
    embed = embedonce.wrap(client.embed, place)
    assert inspect.signature(embed) == inspect.signature(client.embed)
    for each in (embed, embedonce.wrap(embedonce.wrap(client, place).embed, place)):
        assert (await result(each("m", "a"))).embeddings == expected(["a"])
    assert len(service.requests) == 1


async def test_errors_of_the_sdk_arrive_as_they_are(client, place, service):
    service.quota = 0
    with pytest.raises(sdk.ResponseError) as caught:
        await result(embedonce.wrap(client, place).embed("m", "a"))
    assert caught.value.status_code == 429


def test_clients_that_go_elsewhere_are_kept_apart(client, url):
    kind, url = type(client), url.removesuffix("/v1")
    clients = [client, kind("http://another:1"), kind(url, headers={"x-route": "b"}), kind(url, params={"route": "c"})]
    for namespace, apart in ((None, 4), ("acme", 3)):
        cached = [embedonce.wrap(each, embedonce.MemoryStore(), namespace=namespace) for each in clients]
        assert len({each.identity_of(model="m") for each in cached}) == apart
    own = type("Own", (kind,), {})(url)
    with pytest.raises(embedonce.IdentityError, match="pass namespace='…' naming the server"):
        embedonce.wrap(own, embedonce.MemoryStore())


async def test_the_frameworks_share_its_entries(client, url, place, service, expected):
    url = url.removesuffix("/v1")
    await result(embedonce.wrap(client, place).embed("m", TEXTS))
    langchain = embedonce.wrap(lc.OllamaEmbeddings(model="m", base_url=url), place)
    llamaindex = embedonce.wrap(li.OllamaEmbedding("m", base_url=url), place)
    assert langchain.embed_documents(TEXTS) == llamaindex.get_text_embedding_batch(TEXTS) == expected(TEXTS)
    assert len(service.requests) == 1
