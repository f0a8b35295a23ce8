"""The real clients of OpenAI's SDK in front of a local server that counts what it is asked."""

from __future__ import annotations

import asyncio
import base64
import gc
import inspect

import numpy as np
import pytest
from lazily import lazily

import embedonce

sdk = lazily("openai.types", "openai")
adapter = lazily("sdks_embedonce")

MODEL = "text-embedding-3-small"
KEY = "sk-0123456789abcdef0123"
TEXTS = ["one text", "another text", "one text", "Straße, 東京"]
WAYS = ("sync", "async")


class Door:
    """One kind of client, asked in one way."""

    def __init__(self, url, way, service):
        self.url, self.way, self.service = url, way, service

    def client(self, **settings):
        kind = sdk.AsyncOpenAI if self.way == "async" else sdk.OpenAI
        return kind(**{"base_url": self.url, "api_key": KEY, "max_retries": 0, **settings})

    def http(self, **settings):
        kind = sdk.DefaultAsyncHttpxClient if self.way == "async" else sdk.DefaultHttpxClient
        return kind(**settings)

    def azure(self, **settings):
        kind = sdk.AsyncAzureOpenAI if self.way == "async" else sdk.AzureOpenAI
        settings = {"azure_endpoint": self.url.removesuffix("/v1"), "api_version": "2024-10-21", **settings}
        return kind(**{"api_key": KEY, "max_retries": 0, **settings})

    def create(self, client, given, **arguments):
        return self.result(client.embeddings.create(**{"model": MODEL, "input": given, **arguments}))

    def result(self, asked):
        return self.runner.run(asked) if self.way == "async" else asked

    def vectors(self, client, given, **arguments):
        return [each.embedding for each in self.create(client, given, **arguments).data]

    def expected(self, texts, model=MODEL, dimensions=None):
        return [self.service.vector(model, text, dimensions).tolist() for text in texts]


class _Runner:
    """One event loop for all calls, as connections belong to one."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()

    def run(self, asked):
        async def awaited():
            return await asked

        return self.loop.run_until_complete(awaited())


@pytest.fixture(scope="module")
def runner():
    made = _Runner()
    yield made
    # Clients that nobody has closed.
    gc.collect()
    made.loop.run_until_complete(made.loop.shutdown_asyncgens())
    made.loop.close()


@pytest.fixture(params=WAYS)
def door(request, url, service, runner):
    made = Door(url, request.param, service)
    made.runner = runner
    return made


# The client


def test_a_wrapped_client_is_one_of_its_own_type(door, place):
    client = door.client()
    cached = embedonce.wrap(client, place)
    assert isinstance(cached, type(client))
    assert isinstance(cached, embedonce.Wrapper)
    assert isinstance(cached, adapter.CachedClient)
    assert isinstance(cached.embeddings, type(client.embeddings))
    assert cached.inner is client
    assert embedonce.wrap(cached) is cached
    assert KEY not in repr(cached)
    assert inspect.signature(cached.embeddings.create) == inspect.signature(client.embeddings.create)
    assert not hasattr(cached, "identity")


def test_everything_else_is_that_of_the_client(door, place):
    client = door.client()
    client.embeddings  # noqa: B018 - it is there before the client is wrapped
    cached = embedonce.wrap(client, place)
    assert cached.chat is client.chat
    assert cached.files is client.files
    cached.api_key = "sk-another"
    assert client.api_key == "sk-another"
    assert type(client.embeddings) is not type(cached.embeddings)
    assert type(client) in (sdk.OpenAI, sdk.AsyncOpenAI)


def test_a_client_can_be_used_as_a_context_manager(door, place):
    cached = embedonce.wrap(door.client(), place)
    if door.way == "sync":
        with cached as entered:
            assert entered is cached
            door.create(entered, TEXTS)
    else:

        async def use():
            async with cached as entered:
                assert entered is cached
                await entered.embeddings.create(model=MODEL, input=TEXTS)

        door.result(use())
    assert cached.is_closed()
    assert cached.inner.is_closed()


@pytest.mark.parametrize("method", ["copy", "with_options"])
def test_a_copy_with_other_options_asks_the_same_cache(door, place, method, service):
    cached = embedonce.wrap(door.client(), place)
    other = getattr(cached, method)(timeout=7, max_retries=1)
    assert isinstance(other, adapter.CachedClient)
    assert (other.timeout, other.max_retries) == (7, 1)
    assert (cached.max_retries, other.cache) == (0, cached.cache)
    assert door.vectors(other, TEXTS) == door.vectors(cached, TEXTS) == door.expected(TEXTS)
    assert len(service.requests) == 1


# Answers


def test_each_text_is_paid_for_once_in_one_request(door, place, service):
    client = door.client()
    cached = embedonce.wrap(client, place)
    first = door.create(cached, TEXTS)
    assert isinstance(first, sdk.CreateEmbeddingResponse)
    assert all(isinstance(each, sdk.Embedding) for each in first.data)
    assert [each.index for each in first.data] == [0, 1, 2, 3]
    assert [each.object for each in first.data] == ["embedding"] * 4
    assert (first.object, first.model) == ("list", MODEL)
    assert [each.embedding for each in first.data] == door.expected(TEXTS)
    assert service.requests == [["one text", "another text", "Straße, 東京"]]
    again = door.create(embedonce.wrap(client, place), [*reversed(TEXTS), "a new one"])
    assert [each.embedding for each in again.data] == door.expected([*reversed(TEXTS), "a new one"])
    assert service.requests[1:] == [["a new one"]]


def test_the_answer_is_that_of_the_client_itself(door, place):
    """All of it, except for what was paid."""
    client = door.client()
    for given in (TEXTS[0], TEXTS, tuple(TEXTS[:2])):
        for arguments in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}, {"dimensions": 4}):
            cached = embedonce.wrap(client, embedonce.MemoryStore())
            plain = door.create(client, given, **arguments).to_dict(warnings=False)
            assert door.create(cached, given, **arguments).to_dict(warnings=False) == plain
            hit = door.create(cached, given, **arguments)
            assert hit.to_dict(warnings=False) == {**plain, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


def test_all_encodings_share_entries(door, place, service):
    cached = embedonce.wrap(door.client(), place)
    expected = door.expected(["one text"])
    assert door.vectors(cached, "one text", encoding_format="base64") == [
        base64.b64encode(np.array(expected[0], "<f4").tobytes()).decode()
    ]
    assert door.vectors(cached, "one text", encoding_format="float") == expected
    assert door.vectors(cached, "one text") == expected
    assert len(service.requests) == 1


def test_usage_is_what_this_call_has_paid(door, place, service):
    cached = embedonce.wrap(door.client(), place, batch_size=2)
    assert door.create(cached, ["a", "b", "c"]).usage.total_tokens == 2  # one for each of two requests
    assert door.create(cached, ["a", "b", "c", "d"]).usage.prompt_tokens == 1
    assert door.create(cached, ["a", "b", "c", "d"]).usage.prompt_tokens == 0
    assert [len(request) for request in service.requests] == [2, 1, 1]


def test_a_large_call_stays_one_request(door, place, service):
    texts = [f"text {number}" for number in range(2048)]
    cached = embedonce.wrap(door.client(), place)
    assert door.vectors(cached, texts) == door.expected(texts)
    assert [len(request) for request in service.requests] == [2048]


def test_answers_are_put_in_the_order_of_their_numbers():
    def answered(numbers):
        client = sdk.OpenAI(api_key=KEY)
        data = [sdk.Embedding.construct(embedding=[float(i)], index=i, object="embedding") for i in numbers]
        client.embeddings.create = lambda **_: sdk.CreateEmbeddingResponse.construct(data=data)
        cached = embedonce.wrap(client, embedonce.MemoryStore())
        return [each.embedding for each in cached.embeddings.create(model=MODEL, input=list("abc")).data]

    assert answered([2, 0, 1]) == [[0.0], [1.0], [2.0]]
    assert answered([0, 0, 0]) == [[0.0], [0.0], [0.0]]


# What counts

CALLS = (
    {},
    {"model": "text-embedding-3-large"},
    {"dimensions": 4},
    {"extra_body": {"input_type": "query"}},
    {"extra_body": {"input_type": "passage"}},
    {"extra_query": {"route": "b"}},
    {"extra_headers": {"x-portkey-config": "a"}},
    {"extra_headers": {"x-portkey-config": "b"}},
)


def test_what_changes_vectors_is_kept_apart(door, place, service):
    cached = embedonce.wrap(door.client(), place)
    for call in CALLS:
        door.create(cached, "a", **call)
    assert len(service.requests) == len(CALLS)
    assert len({cached.embeddings.identity_of(**{"model": MODEL, **call}) for call in CALLS}) == len(CALLS)
    for call in CALLS:
        door.create(cached, "a", **call)
    assert len(service.requests) == len(CALLS)


def test_what_changes_no_vector_does_not_count(door, place, service):
    cached = embedonce.wrap(door.client(), place)
    headers = {"X-Request-ID": "7", "Authorization": f"Bearer {KEY}", "traceparent": "00-1-2-03"}
    for call in ({}, {"user": "me"}, {"timeout": 9}, {"extra_headers": headers}, {"extra_body": {}}):
        door.create(cached, "a", **call)
    assert len(service.requests) == 1


@pytest.mark.parametrize("namespace", [None, "acme"])
def test_clients_that_go_elsewhere_are_kept_apart(door, namespace):
    """Gateways choose a model by a header or by the query; a namespace of the user's names the server alone."""
    settings = [
        {"default_headers": {"x-portkey-config": "a"}},
        {"default_headers": {"x-portkey-config": "b"}},
        {"default_headers": {"Host": "c"}},
        {"default_query": {"model": "c"}},
        {"http_client": door.http(params={"model": "d"})},
        {"http_client": door.http(params=[("model", "d"), ("model", "e")])},
        {"http_client": door.http(headers={"x-portkey-config": "f"})},
        {},
    ]
    clients = [embedonce.wrap(door.client(**each), embedonce.MemoryStore(), namespace=namespace) for each in settings]
    kinds = {client.embeddings.identity_of(model=model) for client in clients for model in ("m", "n")}
    assert len(kinds) == 16
    assert not any("portkey" in str(kind) for kind in kinds)


def test_a_url_that_is_changed_later_counts(door):
    cached = embedonce.wrap(door.client(), embedonce.MemoryStore())
    before = cached.embeddings.identity_of(model=MODEL)
    cached.base_url = "http://127.0.0.1:1/v1"
    assert cached.embeddings.identity_of(model=MODEL) != before


def test_the_url_of_openai_itself_is_left_out(door):
    cached = embedonce.wrap(door.client(base_url=None), embedonce.MemoryStore())
    assert cached.embeddings.identity_of(model=MODEL, dimensions=4).namespace == f"openai/{MODEL}?dimensions=4"
    other = cached.with_options(default_headers={"x-anything": "1"})
    assert other.embeddings.identity_of(model=MODEL).namespace == f"openai/{MODEL}"


def test_deployments_on_azure_are_named_by_the_client_or_by_the_call(door):
    named, by_call = (
        embedonce.wrap(door.azure(**settings), embedonce.MemoryStore()).embeddings.identity_of
        for settings in ({"azure_deployment": "d1"}, {})
    )
    assert named(model="anything").namespace == by_call(model="d1").namespace
    assert by_call(model="d1") != by_call(model="d2")
    assert by_call(model="d1") != by_call(model="d1", dimensions=4)


def test_azure_is_asked_once(door, place, service):
    cached = embedonce.wrap(door.azure(), place)
    assert isinstance(cached, sdk.AsyncAzureOpenAI if door.way == "async" else sdk.AzureOpenAI)
    assert door.vectors(cached, TEXTS) == door.vectors(cached, TEXTS) == door.expected(TEXTS)
    assert door.vectors(cached.with_options(timeout=3), TEXTS) == door.expected(TEXTS)
    assert len(service.requests) == 1


def test_a_namespace_and_a_version_of_the_users_count(door):
    named = embedonce.wrap(door.client(), embedonce.MemoryStore(), namespace="acme", version=2).embeddings
    assert named.identity_of(model=MODEL).namespace == f'acme?call={{"model":"{MODEL}"}}&version="2"'


def test_a_class_of_ones_own_needs_a_namespace(door, place, service):
    base = type(door.client())

    class Own(base):
        pass

    client = Own(base_url=door.url, api_key=KEY)
    with pytest.raises(embedonce.IdentityError, match="name the server"):
        embedonce.wrap(client, place)
    cached = embedonce.wrap(client, place, namespace="acme")
    assert isinstance(cached, Own)
    assert door.vectors(cached, "a") == door.vectors(cached, "a")
    assert len(service.requests) == 1


# Past the cache


def past():
    return [
        ({"input": [1, 2, 3]}, "its argument 'input' is not a text or a list of texts"),
        ({"input": [[1, 2], [3]]}, "its argument 'input' is not a text or a list of texts"),
        ({"extra_body": {"input": "b"}}, "extra_body replaces 'input'"),
        ({"extra_body": {"api_key": KEY}}, "an extra argument of the request cannot be written down"),
        ({"encoding_format": "int8"}, "its encoding_format is neither 'float' nor 'base64'"),
    ]


@pytest.mark.parametrize(("call", "why"), past())
def test_other_calls_go_past_the_cache_unchanged(door, place, service, caplog, call, why):
    client = door.client()
    cached = embedonce.wrap(client, place)
    arguments = {"given": "a", **call}
    given = arguments.pop("input", arguments.pop("given"))
    for _ in range(2):
        assert door.create(cached, given, **arguments) == door.create(client, given, **arguments)
    assert len(service.requests) == 4
    assert [record.message for record in caplog.records if "bypass the cache" in record.message] == [
        f"calls of embeddings.create bypass the cache because {why}"
    ]
    assert KEY not in caplog.text
    replayed = embedonce.wrap(client, place, mode="replay")
    with pytest.raises(embedonce.CacheMissError, match="cannot be replayed because"):
        door.create(replayed, given, **arguments)


def test_what_the_sdk_refuses_is_refused_by_the_sdk(door, place):
    cached = embedonce.wrap(door.client(), place)
    with pytest.raises(TypeError, match="unexpected keyword argument 'dimension'"):
        door.result(cached.embeddings.create(model=MODEL, input="a", dimension=3))
    with pytest.raises(TypeError, match="model"):
        door.result(cached.embeddings.create(input="a"))


def raw_of(client):
    return [client.embeddings.with_raw_response, client.with_raw_response.embeddings]


def test_raw_responses_are_those_of_the_sdk(door, place, service):
    cached = embedonce.wrap(door.client(), place)
    for number, raw in enumerate(raw_of(cached), 1):
        response = door.result(raw.create(model=MODEL, input="a"))
        assert response.headers["content-type"] == "application/json"
        assert response.parse().data[0].embedding == door.expected(["a"])[0]
        assert len(service.requests) == number
    assert cached.cache.stats().embedded == 0
    for raw in raw_of(embedonce.wrap(door.client(), place, mode="replay")):
        with pytest.raises(embedonce.CacheMissError, match="it asks for a raw response"):
            door.result(raw.create(model=MODEL, input="a"))


def test_streamed_responses_are_those_of_the_sdk(door, place, service):
    cached = embedonce.wrap(door.client(), place)
    for streaming in (cached.embeddings.with_streaming_response, cached.with_streaming_response.embeddings):
        if door.way == "sync":
            with streaming.create(model=MODEL, input="a") as response:
                assert b"embedding" in response.read()
        else:

            async def use(streaming=streaming):
                async with streaming.create(model=MODEL, input="a") as response:
                    assert b"embedding" in await response.read()

            door.result(use())
    assert len(service.requests) == 2


# Errors and modes


def test_errors_of_the_sdk_arrive_as_they_are(door, place, service):
    service.quota = 1
    cached = embedonce.wrap(door.client(), place, batch_size=1)
    with pytest.raises(sdk.RateLimitError, match="the quota is used up") as caught:
        door.create(cached, ["a", "b"])
    assert caught.value.status_code == 429
    assert door.vectors(cached, "a") == door.expected(["a"])


def test_a_replay_asks_nobody(door, place, service):
    door.create(embedonce.wrap(door.client(), place), TEXTS)
    replayed = embedonce.wrap(door.client(), place, mode="replay")
    assert door.vectors(replayed, TEXTS) == door.expected(TEXTS)
    with pytest.raises(embedonce.CacheMissError):
        door.create(replayed, "another")
    assert len(service.requests) == 1


def test_a_client_that_is_changed_during_a_request_stores_nothing(door, place, service):
    client = door.client()
    cached = embedonce.wrap(client, place)
    answer = service.answer

    def change(body):
        client.base_url = f"{door.url}/other"
        return answer(body)

    service.answer = change
    assert door.vectors(cached, "a") == door.expected(["a"])
    client.base_url = door.url
    service.answer = answer
    door.create(cached, "a")
    assert len(service.requests) == 2


# What else may be given to `wrap`


def test_the_resource_and_its_method_can_be_wrapped(door, place, service):
    client = door.client()
    resource = embedonce.wrap(client.embeddings, place)
    assert isinstance(resource, type(client.embeddings))
    create = embedonce.wrap(client.embeddings.create, place)
    again = embedonce.wrap(create, place)
    for each in (resource.create, create, again):
        assert door.result(each(model=MODEL, input="a")).data[0].embedding == door.expected(["a"])[0]
    assert len(service.requests) == 1


class Proxy:
    """What a tracer may put in the place of a resource."""

    def __init__(self, inside):
        self.inside = inside

    def __getattr__(self, name):
        return getattr(self.inside, name)


def test_what_is_unknown_in_the_place_of_a_resource_is_not_cached(door, place, service, caplog):
    client = door.client()
    cached = embedonce.wrap(client, place)
    client.embeddings = Proxy(client.embeddings)
    for _ in range(2):
        assert door.vectors(cached, "a") == door.expected(["a"])
    assert len(service.requests) == 2
    assert [record.message for record in caplog.records if "bypass the cache" in record.message] == [
        "calls of embeddings bypass the cache because a Proxy has been put in the place of 'embeddings'"
    ]
    with pytest.raises(embedonce.CacheMissError, match="a Proxy has been put in the place"):
        door.create(embedonce.wrap(client, place, mode="replay"), "a")


def test_what_a_tracer_has_put_around_the_method_is_called(door, place):
    client = door.client()
    create, seen = client.embeddings.create, []

    def traced(**given):
        seen.append(given["input"])
        return create(**given)

    client.embeddings.create = traced
    cached = embedonce.wrap(client, place)
    assert door.vectors(cached, ["a", "b"]) == door.vectors(cached, ["b", "a"])[::-1]
    assert seen == [["a", "b"]]
