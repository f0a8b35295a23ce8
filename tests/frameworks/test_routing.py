"""Gateways that choose a model by a header or by the query: the same class, server and model, and other vectors."""

from __future__ import annotations

import hashlib
import ssl
from contextlib import contextmanager
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from json_server import serving_json
from lazily import lazily
from variants import over

import embedonce

hs = lazily("haystack", "haystack.components.embedders", "haystack.utils")
lc = lazily("langchain_openai", "langchain_ollama")
li = lazily("llama_index.embeddings.openai", "llama_index.embeddings.azure_openai", "llama_index.embeddings.ollama")
sdk = lazily("openai")

KEY = "s3cr3t-0123456789"
MODEL = "text-embedding-3-small"
TEXTS = ["one text", "another text"]


def answer(path, headers, body):
    """Answer from the header `x-model`, the query and each text."""
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    query = [pair for pair in parse_qsl(urlsplit(path).query) if pair[0] != "api-version"]
    vectors = [vector(headers.get("x-model"), query, text) for text in given]
    if "/api/embed" in path:
        return 200, {"model": MODEL, "embeddings": vectors}
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    return 200, {"object": "list", "model": MODEL, "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def vector(*told):
    return [number / 256 for number in hashlib.sha256(repr(told).encode()).digest()[:8]]


@contextmanager
def gateway():
    with serving_json(answer) as url:
        yield f"{url.replace('127.0.0.1', 'localhost')}/v1"


@pytest.fixture(scope="module")
def url():
    with gateway() as url:
        yield url


@pytest.fixture(autouse=True)
def _one_tls_context(monkeypatch):
    """Each client would read all certificates of the machine again."""
    monkeypatch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))


def langchain(url, **settings):
    given = {"model": MODEL, "api_key": KEY, "base_url": url, "check_embedding_ctx_length": False, **settings}
    return lc.OpenAIEmbeddings(**given)


def langchain_azure(url, **settings):
    given = {"api_key": KEY, "api_version": "2024-10-21", "azure_deployment": "d", "azure_endpoint": url}
    return lc.AzureOpenAIEmbeddings(check_embedding_ctx_length=False, **given, **settings)


def llamaindex(url, **settings):
    return li.OpenAIEmbedding(model=MODEL, api_key=KEY, api_base=url, **settings)


def llamaindex_azure(url, **settings):
    given = {"api_key": KEY, "api_version": "2024-10-21", "azure_deployment": "d", "azure_endpoint": url}
    return li.AzureOpenAIEmbedding(**given, **settings)


def haystack(url, **settings):
    return hs.OpenAITextEmbedder(model=MODEL, api_key=hs.Secret.from_token(KEY), api_base_url=url, **settings)


def haystack_azure(url, **settings):
    given = {"api_key": hs.Secret.from_token(KEY), "azure_deployment": "d", "azure_endpoint": url}
    return hs.AzureOpenAITextEmbedder(**given, **settings)


def ollama(url, **settings):
    return lc.OllamaEmbeddings(model="m", base_url=url, **settings)


def llamaindex_ollama(url, **settings):
    return li.OllamaEmbedding(model_name="m", base_url=url, **settings)


def later(embedder, header):
    """Set a header on clients that are there already."""
    for resource in (embedder.client, embedder.async_client):
        resource._client._custom_headers = header
    return embedder


def with_clients(make, *names):
    """Hand in clients that add a header themselves."""
    kinds = (httpx.Client, httpx.AsyncClient)
    return lambda url, header: make(
        url, **{name: kind(headers=header) for name, kind in zip(names, kinds, strict=True)}
    )


HEADERS = {
    "langchain, field": lambda url, header: langchain(url, default_headers=header),
    "langchain, request": lambda url, header: langchain(url, model_kwargs={"extra_headers": header}),
    "langchain, client": with_clients(langchain, "http_client", "http_async_client"),
    "langchain, later": lambda url, header: later(langchain(url), header),
    "llamaindex, field": lambda url, header: llamaindex(url, default_headers=header),
    "llamaindex, request": lambda url, header: llamaindex(url, additional_kwargs={"extra_headers": header}),
    "llamaindex, client": with_clients(llamaindex, "http_client", "async_http_client"),
    "llamaindex, no client kept": lambda url, header: llamaindex(url, default_headers=header, reuse_client=False),
    "haystack, field": lambda url, header: haystack(url, http_client_kwargs={"headers": header}),
}
"""The ways to set a header of the same request, by class."""
OTHERS = {
    "langchain azure": lambda url, header: langchain_azure(url, default_headers=header),
    "llamaindex azure": lambda url, header: llamaindex_azure(url, default_headers=header),
    "haystack azure": lambda url, header: haystack_azure(url, default_headers=header),
    "langchain ollama": lambda url, header: ollama(url, client_kwargs={"headers": header}),
    "llamaindex ollama": lambda url, header: llamaindex_ollama(url, client_kwargs={"headers": header}),
}
QUERIES = {
    "langchain": lambda url, query: langchain(url, default_query=query),
    "langchain azure": lambda url, query: langchain_azure(url, default_query=query),
    "haystack": lambda url, query: haystack(url, http_client_kwargs={"params": query}),
    "langchain ollama": lambda url, query: ollama(url, client_kwargs={"params": query}),
}
DOORS = {
    **{f"header: {name}": (make, "x-model") for name, make in {**HEADERS, **OTHERS}.items()},
    **{f"query: {name}": (make, "pool") for name, make in QUERIES.items()},
}


async def answers(embedder):
    """Ask for documents and a query in all ways that there are."""
    if hasattr(embedder, "embed_documents"):
        in_async = await embedder.aembed_documents(TEXTS), await embedder.aembed_query("q")
        return embedder.embed_documents(TEXTS), embedder.embed_query("q"), *in_async
    if hasattr(embedder, "run"):
        return embedder.run("q")["embedding"], (await embedder.run_async("q"))["embedding"]
    in_async = await embedder.aget_text_embedding_batch(TEXTS), await embedder.aget_query_embedding("q")
    return embedder.get_text_embedding_batch(TEXTS), embedder.get_query_embedding("q"), *in_async


async def test_no_vector_of_another_route_is_served(url):
    """All setups share one store, and each answers as it does without it."""
    store = embedonce.MemoryStore()
    for name, (make, what) in DOORS.items():
        for value in ("a", "b", None):
            embedder = make(url, {} if value is None else {what: value})
            expected = await answers(embedder)
            cached = embedonce.wrap(embedder, store)
            # The second time from the store.
            assert [await answers(cached), await answers(cached)] == [expected, expected], (name, value)


def test_a_route_is_the_same_wherever_it_is_set(url):
    """Through each framework and the SDK, before the first request and after it."""
    embedder = HEADERS["llamaindex, field"](url, {"X-Model": "a"})
    before = embedonce.wrap(embedder, embedonce.MemoryStore()).identity
    embedder.get_text_embedding("a text")
    found = {before, embedonce.wrap(embedder, embedonce.MemoryStore()).identity}
    for make in HEADERS.values():
        found.add(embedonce.wrap(make(url, {"x-model": "a"}), embedonce.MemoryStore()).identity)
    client = sdk.OpenAI(api_key=KEY, base_url=url, default_headers={"x-model": "a"})
    found.add(embedonce.wrap(client, embedonce.MemoryStore()).embeddings.identity_of(model=MODEL))
    assert len(found) == 1, found


@over(name=list(HEADERS))
def test_headers_of_who_asks_add_nothing_and_no_header_does_at_the_provider_itself(url, name):
    """Existing names stay."""
    passing = {"Authorization": KEY, "User-Agent": "me", "x-stainless-os": "b", "traceparent": "00-1", "api-key": KEY}
    given = HEADERS[name](url, passing)
    expected = embedonce.wrap(HEADERS[name](url, {}), embedonce.MemoryStore()).namespace
    assert embedonce.wrap(given, embedonce.MemoryStore()).namespace == expected == f'openai/{MODEL}?endpoint="{url}"'
    official = HEADERS[name]("https://api.openai.com/v1", {"x-model": "a"})
    assert embedonce.wrap(official, embedonce.MemoryStore()).namespace == f"openai/{MODEL}"


@over(
    settings=[
        {"async_client_kwargs": {"headers": {"x-model": "a"}}},
        {"sync_client_kwargs": {"headers": {"x-model": "a"}}},
        {"sync_client_kwargs": {"params": {"pool": "a"}}},
    ]
)
def test_clients_that_add_different_things_are_refused(url, settings):
    """One text would have two vectors."""
    with pytest.raises(embedonce.IdentityError, match="synchronous and its asynchronous client add different"):
        embedonce.wrap(ollama(url, **settings), embedonce.MemoryStore())


def test_a_query_that_is_set_too_late_is_not_counted(url):
    """No client sends it, as its vectors show."""
    embedder = langchain(url)
    embedder.default_query = {"pool": "a"}
    assert "pool" not in embedonce.wrap(embedder, embedonce.MemoryStore()).namespace


def test_tokens_are_told_from_text_where_no_server_of_azure_reads_them(url):
    """LangChain sends tokens, other frameworks send text."""
    given = {"api_key": KEY, "api_version": "2024-10-21", "azure_deployment": "d", "model": MODEL}

    def names(url):
        tokens = lc.AzureOpenAIEmbeddings(azure_endpoint=url, **given)
        return {
            embedonce.wrap(each, embedonce.MemoryStore()).namespace
            for each in (tokens, llamaindex_azure(url), haystack_azure(url))
        }

    assert len(names(url)) == 2
    assert len(names("https://r.openai.azure.com")) == 1


def test_a_gateway_at_amazon_is_not_bedrock():
    """Anybody's servers may be below Amazon's domain."""
    bedrock = pytest.importorskip("langchain_aws").BedrockEmbeddings
    keys = {"region_name": "us-east-1", "aws_access_key_id": KEY, "aws_secret_access_key": KEY}
    hosts = ("bedrock-runtime.us-east-1.amazonaws.com", "a.execute-api.us-east-1.amazonaws.com")
    official, other = (
        embedonce.wrap(bedrock(endpoint_url=f"https://{host}", **keys), embedonce.MemoryStore()).namespace
        for host in hosts
    )
    assert "endpoint" not in official
    assert hosts[1] in other
