"""The real client of Google's SDK in front of a local server whose vectors depend on all that reaches it."""

from __future__ import annotations

import contextlib
import gc
import inspect
import itertools

import pytest
from lazily import lazily

import embedonce

echoes = lazily("echoes")
sdk = lazily("google.genai", "google.genai.types", "google.genai.errors", "google.oauth2.credentials")
hs = lazily("haystack_integrations.components.embedders.google_genai", "haystack.utils", "haystack")
lc = lazily("langchain_google_genai")
li = lazily("llama_index.embeddings.google_genai")

# Of the SDK's own making.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

KEY = "AIza-0123456789abcdef"
MODEL = "gemini-embedding-001"
TEXTS = ["one text", "another text", "one text", "Straße, 東京"]
WAYS = ("sync", "async")


@pytest.fixture
def echo():
    return echoes.Echo()


@pytest.fixture
def url(echo):
    with echoes.serving(echo) as url:
        yield url


def gemini(url, **settings):
    return sdk.Client(api_key=KEY, http_options={"base_url": url, **settings})


def vertex(url, project="p", location="us-central1", **settings):
    credentials = sdk.Credentials("token")
    options = {"base_url": url, **settings}
    return sdk.Client(vertexai=True, project=project, location=location, credentials=credentials, http_options=options)


@pytest.fixture(params=WAYS)
def ask(request):
    """Ask a client for embeddings in one of both ways."""

    async def ask(client, contents, **arguments):
        models = client.aio.models if request.param == "async" else client.models
        answer = models.embed_content(**{"model": MODEL, "contents": contents, **arguments})
        return await answer if inspect.isawaitable(answer) else answer

    return ask


def values(response):
    return [each.values for each in response.embeddings]


# The client


def test_a_wrapped_client_is_one_of_its_own_type(url, place):
    client = gemini(url)
    cached = embedonce.wrap(client, place)
    pairs = [
        (cached, client),
        (cached.models, client.models),
        (cached.aio, client.aio),
        (cached.aio.models, client.aio.models),
    ]
    for each, inner in pairs:
        assert isinstance(each, type(inner))
        assert isinstance(each, embedonce.Wrapper)
        assert each.inner is inner
        assert embedonce.wrap(each) is each
        assert KEY not in repr(each)
    assert inspect.signature(cached.models.embed_content) == inspect.signature(client.models.embed_content)
    assert cached.files is client.files
    assert cached.aio.files is client.aio.files
    assert cached.vertexai is False


async def test_a_wrapped_client_that_is_forgotten_leaves_the_client_open(url, place, ask):
    client = gemini(url)
    for _ in range(2):
        await ask(embedonce.wrap(client, place), "a")
        gc.collect()
    assert values(await ask(client, "b"))
    # The other way round, a part of a wrapped client needs no more than itself.
    models = embedonce.wrap(gemini(url), place).models
    gc.collect()
    assert models.embed_content(model=MODEL, contents="c").embeddings


async def test_the_end_of_a_context_closes_the_client(url, place):
    with embedonce.wrap(gemini(url), place) as cached:
        cached.models.embed_content(model=MODEL, contents="a")
    with pytest.raises(RuntimeError, match="closed"):
        cached.models.embed_content(model=MODEL, contents="b")
    async with cached.aio as aio:
        assert aio is cached.aio
        await aio.models.embed_content(model=MODEL, contents="c")
    assert cached.models.embed_content(model=MODEL, contents=["a", "c"]).embeddings


async def test_a_part_of_a_client_and_its_method_can_be_wrapped(url, place, echo):
    client = gemini(url)
    call = {"model": MODEL, "contents": "a"}
    embed = embedonce.wrap(client.models.embed_content, place)
    aembed = embedonce.wrap(client.aio.models.embed_content, place)
    answers = [embed(**call), await aembed(**call), embedonce.wrap(embed, place)(**call)]
    answers.append(embedonce.wrap(client.models, place).embed_content(**call))
    answers.append(await embedonce.wrap(client.aio, place).models.embed_content(**call))
    assert all(values(each) == values(answers[0]) for each in answers)
    assert echo.requests == [["a"]]


# Answers


@pytest.mark.parametrize("service", [gemini, vertex])
async def test_the_answer_is_that_of_the_client_itself(url, place, echo, ask, service):
    client = service(url)
    cached = embedonce.wrap(client, place)
    for contents in (TEXTS, TEXTS[0], ["a new one", TEXTS[1]]):
        plain, first = await ask(client, contents), await ask(cached, contents)
        assert isinstance(first, sdk.EmbedContentResponse)
        assert isinstance(first.embeddings[0], sdk.ContentEmbedding)
        assert values(first) == values(plain)
        # No request, and nothing to pay.
        hit = await ask(cached, contents)
        assert values(hit) == values(plain)
        assert hit.sdk_http_response.headers == {}
    assert [request for request in echo.requests if request not in (TEXTS, TEXTS[:1], ["a new one", TEXTS[1]])] == [
        ["one text", "another text", "Straße, 東京"],
        ["a new one"],
    ]


async def test_what_is_told_of_a_text_is_told_once_and_counts_as_paid_once(url, place, ask):
    cached = embedonce.wrap(vertex(url), place, batch_size=2)
    first = await ask(cached, ["a", "bb", "a", "ccc"])
    assert [each.statistics.token_count for each in first.embeddings] == [1, 2, 0, 3]
    assert [each.statistics.truncated for each in first.embeddings] == [False, False, None, False]
    assert first.metadata.billable_character_count == 6
    assert first.sdk_http_response.headers
    again = await ask(cached, ["a", "dddd"])
    assert [each.statistics.token_count for each in again.embeddings] == [0, 4]
    assert again.metadata.billable_character_count == 4
    assert (await ask(cached, "a")).metadata.billable_character_count == 0


def content(text, **settings):
    return sdk.Content(parts=[sdk.Part(text=text)], **settings)


async def test_contents_of_one_text_are_that_text(url, place, echo, ask):
    """The only way to have several vectors from models that take a list of strings for one content."""
    shapes = [
        *(content, lambda text: content(text, role="user"), lambda text: {"parts": [{"text": text}]}),
        *(lambda text: [text], lambda text: [sdk.Part(text=text)], sdk.UserContent),
    ]
    for model in (MODEL, "gemini-embedding-2"):
        for number, shape in enumerate(shapes):
            client = gemini(url)
            cached = embedonce.wrap(client, place)
            contents = [shape(text) for text in ("a", "b", "a")]
            assert values(await ask(cached, contents, model=model)) == values(await ask(client, contents, model=model))
            # What is missing goes out as it was given.
            texts = ["a", f"{model} {number}"]
            missing = await ask(cached, [shape(text) for text in texts], model=model)
            assert values(missing) == values(await ask(client, [shape(text) for text in texts], model=model))
            assert echo.requests[-2] == [f"{model} {number}"]
            single = contents[0] if not isinstance(contents[0], list) else contents[:1]
            assert values(await ask(cached, single, model=model)) == values(await ask(cached, "a", model=model))
    assert echo.texts.count("a") == len(shapes) * 6 + 2


# What counts

CALLS = [
    {},
    {"model": "text-embedding-004"},
    {"model": "tunedModels/gemini-embedding-001"},
    *(
        {"config": config}
        for config in (
            {"task_type": "RETRIEVAL_QUERY"},
            {"task_type": "RETRIEVAL_DOCUMENT"},
            {"taskType": "CLUSTERING"},
            {"task_type": "clustering"},
            {"title": "a"},
            {"title": f"{'a' * 200}b"},
            {"title": f"{'a' * 200}c"},
            {"task_type": "RETRIEVAL_DOCUMENT", "title": "a"},
            {"output_dimensionality": 4},
            {"http_options": {"extra_body": {"route": "a"}}},
            {"http_options": {"api_version": "v1"}},
            {"http_options": {"headers": {"x-route-to": "e"}}},
            {"http_options": {"base_url_resource_scope": "COLLECTION"}},
        )
    ),
]
ON_VERTEX = [
    {"model": f"models/{MODEL}"},
    {"model": "gemini-embedding-2"},
    {"config": {"mime_type": "text/plain"}},
    {"config": {"auto_truncate": False}},
    {"config": {"auto_truncate": True}},
]


def clients(url):
    settings = [
        {"headers": {"x-route-to": "a"}},
        {"headers": {"x-route-to": "b"}},
        {"extra_body": {"route": "b"}},
        {"base_url": f"{url}/elsewhere"},
        {"client_args": {"headers": {"x-route-to": "c"}}, "httpx_async_client": httpx(headers={"x-route-to": "c"})},
        {"client_args": {"params": {"route": "d"}}, "async_client_args": {"params": {"route": "d"}}},
    ]
    both = [service(**{"url": url, **each}) for service in (gemini, vertex) for each in settings]
    return [*both, vertex(url, project="q"), vertex(url, location="europe-west1")]


def httpx(**settings):
    return lazily("httpx").AsyncClient(**settings)


async def test_no_call_has_the_vector_of_another_one(url, echo, ask):
    """All of them in one store."""
    store = embedonce.MemoryStore()
    calls = [(gemini(url), call) for call in CALLS] + [(vertex(url), call) for call in (*CALLS, *ON_VERTEX)]
    calls += [(client, {}) for client in clients(url)]
    expected = [values(await ask(client, "a", **call)) for client, call in calls]
    assert len({str(each) for each in expected}) == len(calls)
    for _ in range(2):
        for (client, call), vectors in zip(calls, expected, strict=True):
            assert values(await ask(embedonce.wrap(client, store), "a", **call)) == vectors
    assert len(echo.requests) == 2 * len(calls)


async def test_what_changes_no_vector_does_not_count(url, place, echo, ask):
    headers = {"x-goog-user-project": "p", "User-Agent": "me", "traceparent": "00-1-2-03"}
    same = [
        {"model": f"models/{MODEL}"},
        {"config": {}},
        {"config": sdk.EmbedContentConfig()},
        {"config": {"http_options": {"timeout": 9000, "headers": headers, "api_version": "v1beta"}}},
    ]
    for client in (gemini(url), gemini(url, timeout=9000, headers=headers)):
        for call in ({}, *same):
            await ask(embedonce.wrap(client, place), "a", **call)
    assert len(echo.requests) == 1


async def test_a_namespace_takes_the_place_of_the_endpoint(url, place, ask):
    cached = embedonce.wrap(gemini(url), place, namespace="acme")
    await ask(cached, "a")
    identity = cached.identity_of(model=MODEL, config={"output_dimensionality": 4})
    elsewhere = cached.identity_of(model=MODEL, config={"http_options": {"base_url": "http://elsewhere"}})
    assert '"endpoint":"http://elsewhere"' in elsewhere.namespace
    assert identity.namespace == (f'acme?call={{"dimensions":4,"model":"{MODEL}","task":"TASK_TYPE_UNSPECIFIED"}}')


def test_the_names_are_those_of_google_itself():
    cached = embedonce.wrap(sdk.Client(api_key=KEY), embedonce.MemoryStore())
    documents, queries = (
        cached.identity_of(model=MODEL, config={"task_type": task})
        for task in ("RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY")
    )
    assert documents.namespace == queries.namespace == f"google-genai/{MODEL}"
    unspecified = cached.models.identity_of(model=MODEL)
    assert unspecified.namespace == f'google-genai/{MODEL}?task="TASK_TYPE_UNSPECIFIED"'
    on_vertex = embedonce.wrap(
        sdk.Client(vertexai=True, project="p", location="europe-west1", credentials=sdk.Credentials("token")),
        embedonce.MemoryStore(),
    )
    assert on_vertex.aio.models.identity_of(model=MODEL).namespace == (
        f'google-vertex/{MODEL}?task="TASK_TYPE_UNSPECIFIED"'
    )


async def test_the_environment_counts_when_the_client_is_built(url, place, echo, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", url)
    client = sdk.Client(api_key=KEY)
    cached = embedonce.wrap(client, place)
    identity = cached.identity_of(model=MODEL)
    assert "endpoint=" in identity.namespace
    first = await ask(cached, "a")
    for name, value in {"GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    assert cached.identity_of(model=MODEL) == identity
    assert values(await ask(cached, "a")) == values(first) == values(await ask(client, "a"))
    assert len(echo.requests) == 2


async def test_a_client_that_is_changed_later_counts_as_changed(url, place, echo, ask):
    client = gemini(url)
    cached = embedonce.wrap(client, place)
    before = values(await ask(cached, "a"))
    client._api_client._http_options.headers["x-route-to"] = "a"
    assert values(await ask(cached, "a")) == values(await ask(client, "a")) != before

    def change():
        client._api_client._http_options.headers["x-route-to"] = "b"

    echo.during = change
    await ask(cached, "during")
    echo.during = lambda: None
    client._api_client._http_options.headers["x-route-to"] = "a"
    echo.requests.clear()
    await ask(cached, "during")
    assert echo.requests == [["during"]]


async def test_a_class_of_ones_own_needs_a_namespace(url, place, echo, ask):
    client = type("Own", (sdk.Client,), {})(api_key=KEY, http_options={"base_url": url})
    with pytest.raises(embedonce.IdentityError, match="name the server"):
        embedonce.wrap(client, place)
    # So does a client that answers from recorded files.
    recorded = lazily("google.genai.client").DebugConfig(client_mode="replay", replay_id="a/b", replays_directory=".")
    with pytest.raises(embedonce.IdentityError, match="name the server"):
        embedonce.wrap(sdk.Client(api_key=KEY, debug_config=recorded), place)
    cached = embedonce.wrap(client, place, namespace="acme")
    assert values(await ask(cached, "a")) == values(await ask(cached, "a")) == values(await ask(client, "a"))
    assert len(echo.requests) == 2


# Past the cache


def past():
    image = sdk.Part.from_bytes(data=b"1", mime_type="image/png")
    no_texts = "its argument 'contents' is not a text or a list of texts"
    return [
        ({"contents": []}, no_texts),
        ({"contents": image, "model": "gemini-embedding-2"}, no_texts),
        ({"contents": sdk.Content(parts=[sdk.Part(text="a"), image])}, no_texts),
        ({"contents": [sdk.Content(parts=[sdk.Part(text="a"), sdk.Part(text="b")])]}, no_texts),
        ({"contents": ["a", "b"], "model": "gemini-embedding-2"}, "its model has one vector for several texts"),
        ({"contents": content("a", role="model")}, no_texts),
        (
            {"contents": "a", "config": {"http_options": {"extra_body": {"requests": [{"content": {"parts": []}}]}}}},
            "extra_body replaces 'requests'",
        ),
        (
            {"contents": "a", "config": {"http_options": {"extra_body": {"api_key": KEY}}}},
            "an extra argument of the request cannot be written down",
        ),
        (
            {"contents": "a", "config": {"title": "sk-0123456789abcdef0123456789"}},
            "an extra argument of the request cannot be written down",
        ),
    ]


@pytest.mark.parametrize("case", range(9))
async def test_other_calls_go_past_the_cache_unchanged(url, place, echo, ask, caplog, case):
    call, why = past()[case]
    client = gemini(url)
    cached = embedonce.wrap(client, place)
    for _ in range(2):
        assert values(await ask(cached, **call)) == values(await ask(client, **call))
    assert len(echo.requests) == 4
    assert cached.cache.stats().embedded == 0
    warned = [record.message for record in caplog.records if record.name == "embedonce"]
    assert len(warned) == 1
    assert warned[0].endswith(why)
    assert KEY not in caplog.text
    with pytest.raises(embedonce.CacheMissError, match="cannot be replayed because"):
        await ask(embedonce.wrap(client, place, mode="replay"), **call)


async def test_a_text_that_vertex_leaves_out_shifts_no_vector(url, place, ask):
    client = vertex(url)
    cached = embedonce.wrap(client, place)
    for contents in (["", "a"], ["a", ""], ["a"]):
        assert values(await ask(cached, contents)) == values(await ask(client, contents))


# Errors


@pytest.mark.parametrize(
    "call",
    [
        {"contents": 3},
        {"contents": "a", "model": ""},
        {"contents": "a", "model": "a..b"},
        {"contents": "a", "config": {"dimensions": 3}},
        {"contents": "a", "config": {"output_dimensionality": "many"}},
        {"contents": "a", "config": {"auto_truncate": True}},
        {"contents": "a", "dimensions": 3},
        {"contents": [{"parts": ["a"]}]},
        {"contents": [{"text": "a", "role": "user"}]},
    ],
)
async def test_what_the_sdk_refuses_is_refused_by_the_sdk(url, place, ask, call):
    client = gemini(url)
    caught = []
    for each in (client, embedonce.wrap(client, place)):
        with pytest.raises(Exception) as error:
            await ask(each, **call)
        caught.append((type(error.value), str(error.value)))
    assert caught[0] == caught[1]
    with pytest.raises(TypeError):
        embedonce.wrap(client, place).models.embed_content(MODEL, "a")


async def test_errors_of_the_sdk_arrive_as_they_are(url, place, echo, ask):
    echo.quota = 1
    client = gemini(url)
    cached = embedonce.wrap(client, place, batch_size=1)
    with pytest.raises(sdk.ClientError, match="the quota is used up") as caught:
        await ask(cached, ["a", "b"])
    assert caught.value.code == 429
    # What was paid for is kept.
    assert values(await ask(cached, "a"))


async def test_what_a_tracer_has_put_around_the_method_is_called(url, place, echo):
    client = gemini(url)
    original, seen = client.models.embed_content, []

    def traced(**given):
        seen.append(given["contents"])
        return original(**given)

    client.models.embed_content = traced
    cached = embedonce.wrap(client, place)
    for texts in (["a", "b"], ["b", "a"]):
        assert len(cached.models.embed_content(model=MODEL, contents=texts).embeddings) == 2
    assert seen == echo.requests == [["a", "b"]]


# The classes of frameworks


def embedders(url, task, *, model=MODEL, dimensions=None, on_vertex=False):
    """Return the embedders of all frameworks and a client, by door, and the config that they use."""
    service = {"vertexai": True, "project": "p", "location": "us-central1", "credentials": sdk.Credentials("token")}
    service = service if on_vertex else {"api_key": KEY}
    config = {"output_dimensionality": dimensions} if dimensions else {}
    client = (vertex if on_vertex else gemini)(url)
    made = {
        "langchain": lc.GoogleGenerativeAIEmbeddings(
            model=model, base_url=url, output_dimensionality=dimensions, **service
        ),
        "llamaindex": li.GoogleGenAIEmbedding(
            model_name=model,
            http_options={"base_url": url},
            embedding_config=config or None,
            **({"vertexai_config": service} if on_vertex else service),
        ),
        "sdk": client,
        "async-sdk": client,
    }
    config = {**config, "task_type": task}
    if not on_vertex:
        # The component takes the URL from the environment, or from the config.
        own = {**config, "http_options": {"base_url": url}}
        # Its package is not there for every version of Python.
        with contextlib.suppress(ImportError):
            kind = hs.GoogleGenAITextEmbedder if task == "RETRIEVAL_QUERY" else hs.GoogleGenAIDocumentEmbedder
            made["haystack"] = kind(model=model, api_key=hs.Secret.from_token(KEY), config=own)
    return made, config


async def embed(door, cached, texts, model, config):
    is_query = config["task_type"] == "RETRIEVAL_QUERY"
    if door == "langchain":
        return [cached.embed_query(text) for text in texts] if is_query else cached.embed_documents(texts)
    if door == "llamaindex":
        if is_query:
            return [cached.get_query_embedding(text) for text in texts]
        return cached.get_text_embedding_batch(texts)
    if door == "haystack":
        if is_query:
            return [cached.run(text)["embedding"] for text in texts]
        found = cached.run(documents=[hs.Document(content=text) for text in texts])["documents"]
        return [each.embedding for each in found]
    models = cached.aio.models if door == "async-sdk" else cached.models
    # Newer models take strings for one content.
    contents = texts if model == MODEL else [content(text) for text in texts]
    answer = models.embed_content(model=model, contents=contents, config=config)
    return values(await answer if inspect.isawaitable(answer) else answer)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("RETRIEVAL_DOCUMENT", {"dimensions": 4}),
        ("RETRIEVAL_DOCUMENT", {"model": "gemini-embedding-2"}),
        ("RETRIEVAL_QUERY", {}),
        ("RETRIEVAL_DOCUMENT", {"on_vertex": True}),
        ("RETRIEVAL_QUERY", {"on_vertex": True, "dimensions": 4}),
    ],
)
async def test_each_text_is_paid_once_through_any_doors_in_any_order(url, echo, task, settings):
    model = settings.get("model", MODEL)
    made, config = embedders(url, task, **settings)
    expected = await embed("sdk", made["sdk"], TEXTS[:2], model, config)
    for order in itertools.permutations(made):
        echo.requests.clear()
        store = embedonce.MemoryStore()
        for number, door in enumerate(order, 1):
            # The first door asks for one text, and each further one for both.
            texts = TEXTS[: min(number, 2)]
            cached = embedonce.wrap(made[door], store)
            assert await embed(door, cached, texts, model, config) == expected[: len(texts)], order
        assert echo.texts == sorted(TEXTS[:2]), order


@pytest.mark.parametrize("on_vertex", [False, True])
def test_the_names_are_equal_at_a_gateway(on_vertex):
    url, headers, params = (
        "https://gateway.example",
        {"x-route-to": "a", "user-agent": "me"},
        {"params": {"route": "b"}},
    )
    service = {"vertexai": True, "project": "p", "location": "us-central1", "credentials": sdk.Credentials("token")}
    service = service if on_vertex else {"api_key": KEY}
    options = {"base_url": url, "api_version": "v1", "client_args": params, "async_client_args": params}
    cached = embedonce.wrap(
        sdk.Client(http_options={**options, "headers": headers}, **service), embedonce.MemoryStore()
    )
    call = {"model": MODEL, "config": {"task_type": "RETRIEVAL_QUERY"}}
    embedders = [
        lc.GoogleGenerativeAIEmbeddings(
            model=MODEL, base_url=url, api_version="v1", client_args=params, additional_headers=headers, **service
        ),
        li.GoogleGenAIEmbedding(
            model_name=MODEL,
            http_options={**options, "headers": headers},
            **({"vertexai_config": service} if on_vertex else service),
        ),
    ]
    names = {embedonce.wrap(each, embedonce.MemoryStore()).identity for each in embedders}
    names |= {cached.identity_of(**call), cached.aio.models.identity_of(**call)}
    (name,) = {name.namespace for name in names}
    assert "route" not in name.replace('query={"route":"b"}&routed_by=', "")
