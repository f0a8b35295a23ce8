"""The real client of Mistral's SDK in front of a local server whose vectors depend on all that reaches it."""

from __future__ import annotations

import contextlib
import gc
import inspect
import itertools

import pytest
from lazily import lazily

import embedonce

echoes = lazily("echoes")
sdk = lazily("mistralai.client", "mistralai.client.models", "mistralai.client.errors", "httpx2")
hs = lazily("haystack_integrations.components.embedders.mistral", "haystack.utils")
lc = lazily("langchain_mistralai", "langchain_mistralai.embeddings")
li = lazily("llama_index.embeddings.mistralai")

KEY = "0123456789abcdef0123456789abcdef"
MODEL = "mistral-embed"
TEXTS = ["one text", "another text", "one text", "Straße, 東京"]
WAYS = ("create", "create_async")


@pytest.fixture
def echo():
    return echoes.Echo()


@pytest.fixture
def url(echo):
    with echoes.serving(echo) as url:
        yield url


@pytest.fixture
def client(url):
    return sdk.Mistral(api_key=KEY, server_url=url)


@pytest.fixture(params=WAYS)
def ask(request):
    """Ask a client for embeddings in one of both ways."""

    async def ask(client, inputs, **arguments):
        answer = getattr(client.embeddings, request.param)(**{"model": MODEL, "inputs": inputs, **arguments})
        return await answer if inspect.isawaitable(answer) else answer

    return ask


def vectors(response):
    return [each.embedding for each in sorted(response.data, key=lambda each: each.index)]


# The client


def test_a_wrapped_client_is_one_of_its_own_type(client, place):
    cached = embedonce.wrap(client, place)
    for each, inner in ((cached, client), (cached.embeddings, client.embeddings)):
        assert isinstance(each, type(inner))
        assert isinstance(each, embedonce.Wrapper)
        assert each.inner is inner
        assert embedonce.wrap(each) is each
        assert KEY not in repr(each)
    for way in WAYS:
        assert inspect.signature(getattr(cached.embeddings, way)) == inspect.signature(getattr(client.embeddings, way))
    # The SDK makes these when they are asked for first.
    assert cached.chat is client.chat
    assert client.models is cached.models
    assert {"chat", "embeddings"} < set(dir(cached))
    with pytest.raises(AttributeError, match="nothing"):
        _ = cached.nothing


async def test_a_wrapped_client_that_is_forgotten_leaves_the_client_open(client, place, url, ask):
    await ask(embedonce.wrap(client, place), "a")
    gc.collect()
    assert vectors(await ask(client, "b"))
    embeddings = embedonce.wrap(sdk.Mistral(api_key=KEY, server_url=url), place).embeddings
    gc.collect()
    assert embeddings.create(model=MODEL, inputs="c").data


def test_the_end_of_a_context_closes_the_client(client, place):
    with embedonce.wrap(client, place) as cached:
        cached.embeddings.create(model=MODEL, inputs="a")
    assert client.sdk_configuration.client is None
    assert cached.embeddings.create(model=MODEL, inputs="a").data
    caught = []
    for each in (client, cached):
        with pytest.raises(Exception) as error:
            each.embeddings.create(model=MODEL, inputs="b")
        caught.append((type(error.value), str(error.value)))
    assert caught[0] == caught[1]


async def test_a_part_of_a_client_and_its_methods_can_be_wrapped(client, place, echo):
    call = {"model": MODEL, "inputs": "a"}
    create, acreate = (embedonce.wrap(getattr(client.embeddings, way), place) for way in WAYS)
    answers = [create(**call), await acreate(**call), embedonce.wrap(client.embeddings, place).create(**call)]
    assert all(vectors(each) == vectors(answers[0]) for each in answers)
    assert echo.requests == [["a"]]


# Answers


async def test_the_answer_is_that_of_the_client_itself(client, place, echo, ask):
    """All of it, except for what was paid and the order, which is that of the texts."""
    echo.is_reversed = True
    cached = embedonce.wrap(client, place)
    for inputs in (TEXTS, TEXTS[0], tuple(TEXTS[:2]), ["a new one"]):
        plain, first, hit = [await ask(each, inputs) for each in (client, cached, cached)]
        assert type(first) is type(hit) is sdk.EmbeddingResponse
        written = {**plain.model_dump(), "data": [each.model_dump() for each in plain.data][::-1]}
        del written["usage"], written["id"]
        for each in (first, hit):
            assert isinstance(each.data[0], sdk.EmbeddingResponseData)
            shown = each.model_dump()
            del shown["usage"], shown["id"]
            assert shown == written
        assert (hit.usage.prompt_tokens, hit.usage.total_tokens) == (0, 0)
    unwrapped = [TEXTS, TEXTS[:1], TEXTS[:2], ["a new one"]]
    assert [request for request in echo.requests if request not in unwrapped] == [
        ["one text", "another text", "Straße, 東京"]
    ]
    assert echo.requests.count(["a new one"]) == 2


async def test_usage_is_what_this_call_has_paid(client, place, ask):
    cached = embedonce.wrap(client, place, batch_size=1)
    assert (await ask(cached, ["a", "bb", "a"])).usage.total_tokens == 3
    assert (await ask(cached, ["a", "bb", "ccc"])).usage.prompt_tokens == 3
    assert (await ask(cached, "a")).usage.total_tokens == 0


# What counts

CALLS = [
    {},
    {"model": "codestral-embed"},
    {"output_dimension": 4},
    {"output_dtype": "int8"},
    {"output_dtype": "binary"},
    {"output_dtype": "int8", "output_dimension": 4},
    {"http_headers": {"x-route-to": "c"}},
]


def clients(url):
    settings = [
        {},
        {"server_url": f"{url}/elsewhere"},
        *(
            {"client": sdk.Client(**each), "async_client": sdk.AsyncClient(**each)}
            for each in ({"headers": {"x-route-to": "a"}}, {"headers": {"x-route-to": "b"}}, {"params": {"route": "a"}})
        ),
    ]
    return [sdk.Mistral(**{"api_key": KEY, "server_url": url, **each}) for each in settings]


async def test_no_call_has_the_vector_of_another_one(url, echo, ask):
    """All of them in one store."""
    store = embedonce.MemoryStore()
    first, *others = clients(url)
    calls = [*((first, call) for call in CALLS), *((client, {}) for client in others)]
    calls.append((first, {"server_url": f"{url}/other"}))
    expected = [vectors(await ask(client, "a", **call)) for client, call in calls]
    assert len({str(each) for each in expected}) == len(calls)
    for _ in range(2):
        for (client, call), each in zip(calls, expected, strict=True):
            assert vectors(await ask(embedonce.wrap(client, store), "a", **call)) == each
    assert len(echo.requests) == 2 * len(calls)


async def test_what_changes_no_vector_does_not_count(url, place, echo, ask):
    headers = {"User-Agent": "me me", "traceparent": "00-1-2-03"}
    calls = [
        *({}, {"output_dtype": "float"}, {"encoding_format": "float"}, {"timeout_ms": 9000}),
        *({"http_headers": headers}, {"server_url": f"{url}/"}, {"metadata": {}}, {"output_dimension": None}),
    ]
    for client in (sdk.Mistral(api_key=KEY, server_url=url), sdk.Mistral(api_key="another", server_url=f"{url}/")):
        for call in calls:
            await ask(embedonce.wrap(client, place), "a", **call)
    assert len(echo.requests) == 1


def test_the_names_are_those_of_mistral_itself():
    def identity(client, **arguments):
        return embedonce.wrap(client, embedonce.MemoryStore()).identity_of(model=MODEL, **arguments)

    client = sdk.Mistral(api_key=KEY)
    assert identity(client).namespace == identity(client, metadata={"a": 1}).namespace == f"mistral/{MODEL}"
    assert identity(client, output_dimension=4).namespace == f"mistral/{MODEL}?output_dimension=4"
    elsewhere = sdk.Mistral(api_key=KEY, server_url="https://gateway.example")
    assert len({identity(elsewhere, metadata={"tag": tag}) for tag in ("a", "b")}) == 2
    assert identity(sdk.Mistral(api_key=KEY, server="eu")) != identity(client)


async def test_a_namespace_takes_the_place_of_the_endpoint(client, place, echo, ask):
    own = type("Own", (sdk.Mistral,), {})(api_key=KEY, server_url=client.sdk_configuration.server_url)
    with pytest.raises(embedonce.IdentityError, match="name the server"):
        embedonce.wrap(own, place)
    cached = embedonce.wrap(own, place, namespace="acme")
    assert isinstance(cached, type(own))
    for _ in range(2):
        assert vectors(await ask(cached, "a")) == vectors(await ask(client, "a"))
    assert len(echo.requests) == 3
    assert cached.identity_of(model=MODEL).namespace == f'acme?call={{"model":"{MODEL}"}}'
    # That of the client; a call may name another one.
    assert cached.identity_of(model=MODEL, server_url="http://elsewhere").namespace == (
        f'acme?call={{"endpoint":"http://elsewhere/v1","model":"{MODEL}"}}'
    )


async def test_a_client_that_is_changed_later_counts_as_changed(client, place, url, echo, ask):
    cached = embedonce.wrap(client, place)
    before = vectors(await ask(cached, "a"))
    cached.sdk_configuration.server_url = f"{url}/elsewhere"
    assert vectors(await ask(cached, "a")) == vectors(await ask(client, "a")) != before

    def change():
        client.sdk_configuration.server_url = url

    echo.during = change
    await ask(cached, "during")
    echo.during = lambda: None
    client.sdk_configuration.server_url = f"{url}/elsewhere"
    echo.requests.clear()
    await ask(cached, "during")
    assert echo.requests == [["during"]]


# Past the cache

PAST = [
    ({"inputs": []}, "its argument 'inputs' is not a text or a list of texts"),
    ({"metadata": {"api_key": KEY}}, "an extra argument of the request cannot be written down"),
]


@pytest.mark.parametrize(("call", "why"), PAST)
async def test_other_calls_go_past_the_cache_unchanged(client, place, echo, ask, caplog, call, why):
    cached = embedonce.wrap(client, place)
    call = {"inputs": "a", **call}
    for _ in range(2):
        assert vectors(await ask(cached, **call)) == vectors(await ask(client, **call))
    assert len(echo.requests) == 4
    warned = [record.message for record in caplog.records if record.name == "embedonce"]
    assert len(warned) == 1
    assert warned[0].endswith(why)
    assert KEY not in caplog.text
    with pytest.raises(embedonce.CacheMissError, match="cannot be replayed because"):
        await ask(embedonce.wrap(client, place, mode="replay"), **call)


# Errors


@pytest.mark.parametrize(
    "call",
    [
        {"inputs": 3},
        {"model": None},
        {"model": 3},
        {"output_dimension": "many"},
        {"output_dtype": ["int8"]},
        {"dimensions": 3},
        # The SDK has no class for them.
        {"encoding_format": "base64"},
    ],
)
async def test_what_the_sdk_refuses_is_refused_by_the_sdk(client, place, ask, call):
    caught = []
    for each in (client, embedonce.wrap(client, place)):
        with pytest.raises(Exception) as error:
            await ask(each, **{"inputs": "a", **call})
        caught.append((type(error.value), str(error.value)))
    assert caught[0] == caught[1]
    with pytest.raises(TypeError):
        embedonce.wrap(client, place).embeddings.create(MODEL, "a")


async def test_errors_of_the_sdk_arrive_as_they_are(client, place, echo, ask):
    echo.quota = 1
    cached = embedonce.wrap(client, place, batch_size=1)
    with pytest.raises(sdk.SDKError, match="the quota is used up") as caught:
        await ask(cached, ["a", "b"])
    assert caught.value.status_code == 429
    # What was paid for is kept.
    assert vectors(await ask(cached, "a"))


# The classes of frameworks


def embedders(url):
    client = sdk.Mistral(api_key=KEY, server_url=url)
    llamaindex = li.MistralAIEmbedding(model_name=MODEL, api_key=KEY)
    # The class has no argument for it.
    llamaindex._client.sdk_configuration.server_url = url
    tokenizer = lc.Tokenizer(lazily("tokenizers.models").WordLevel({"[UNK]": 0}, "[UNK]"))
    made = {
        "langchain": lc.MistralAIEmbeddings(
            model=MODEL, api_key=KEY, endpoint=f"{url}/v1", tokenizer=tokenizer, max_retries=None
        ),
        "llamaindex": llamaindex,
        "create": client,
        "create_async": client,
    }
    # Its package is not there for every version of Python.
    with contextlib.suppress(ImportError):
        made["haystack"] = hs.MistralTextEmbedder(
            model=MODEL, api_base_url=f"{url}/v1", api_key=hs.Secret.from_token(KEY)
        )
    return made


async def embed(door, cached, texts):
    if door == "langchain":
        return cached.embed_documents(texts)
    if door == "llamaindex":
        return cached.get_text_embedding_batch(texts)
    if door == "haystack":
        return [cached.run(text)["embedding"] for text in texts]
    answer = getattr(cached.embeddings, door)(model=MODEL, inputs=texts)
    return vectors(await answer if inspect.isawaitable(answer) else answer)


async def test_each_text_is_paid_once_through_any_doors_in_any_order(url, echo):
    made = embedders(url)
    expected = vectors(made["create"].embeddings.create(model=MODEL, inputs=TEXTS[:2]))
    for order in itertools.permutations(made):
        echo.requests.clear()
        store = embedonce.MemoryStore()
        for number, door in enumerate(order, 1):
            # The first door asks for one text, and each further one for both.
            texts = TEXTS[: min(number, 2)]
            assert await embed(door, embedonce.wrap(made[door], store), texts) == expected[: len(texts)], order
        assert echo.texts == sorted(TEXTS[:2]), order


def test_the_names_are_equal_at_a_gateway():
    url, settings = "https://gateway.example", {"headers": {"x-route-to": "a"}, "params": {"route": "b"}}
    client = sdk.Mistral(
        api_key=KEY, server_url=url, client=sdk.Client(**settings), async_client=sdk.AsyncClient(**settings)
    )
    cached = embedonce.wrap(client, embedonce.MemoryStore()).embeddings
    names = {cached.identity_of(model=MODEL)}
    made = embedders(url)
    made["llamaindex"]._client = client
    for http in (made["langchain"].client, made["langchain"].async_client):
        http.headers.update(settings["headers"])
        http.params = settings["params"]
    if "haystack" in made:
        made["haystack"] = hs.MistralTextEmbedder(
            model=MODEL,
            api_base_url=f"{url}/v1",
            api_key=hs.Secret.from_token(KEY),
            http_client_kwargs=settings,
        )
    names |= {
        embedonce.wrap(each, embedonce.MemoryStore()).identity
        for door, each in made.items()
        if not door.startswith("create")
    }
    (name,) = {name.namespace for name in names}
    assert "route" not in name.replace('query={"route":"b"}&routed_by=', "")
