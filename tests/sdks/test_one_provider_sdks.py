"""One server, and every door to it: the frameworks, the SDK's clients, and LiteLLM; each text is paid once."""

from __future__ import annotations

import itertools

import pytest
import surroundings
from lazily import lazily

import embedonce

hs = lazily("haystack.components.embedders", "haystack.utils", "haystack")
lc = lazily("langchain_openai")
li = lazily("llama_index.embeddings.openai")
litellm = lazily("litellm")
sdk = lazily("openai")

KEY = "sk-0123456789abcdef0123"
MODEL = "text-embedding-3-small"
TEXTS = ["one text", "Straße, 東京", "a third"]
DOORS = ("langchain", "llamaindex", "haystack", "sdk", "async-sdk", "litellm")
pytestmark = surroundings.LITELLM


@pytest.fixture(autouse=True)
def _no_loops(monkeypatch):
    surroundings.without_loops_of_litellm(monkeypatch)


def embedder(door, url, dimensions):
    if door == "langchain":
        # Of a server of one's own nobody knows whether it reads tokens as OpenAI does.
        return lc.OpenAIEmbeddings(
            model=MODEL, base_url=url, api_key=KEY, dimensions=dimensions, check_embedding_ctx_length=False
        )
    if door == "llamaindex":
        return li.OpenAIEmbedding(model=MODEL, api_base=url, api_key=KEY, dimensions=dimensions)
    if door == "haystack":
        token = hs.Secret.from_token(KEY)
        return hs.OpenAITextEmbedder(model=MODEL, api_base_url=url, api_key=token, dimensions=dimensions)
    if door == "litellm":
        return litellm.embedding
    return (sdk.AsyncOpenAI if door == "async-sdk" else sdk.OpenAI)(base_url=url, api_key=KEY)


async def ask(door, cached, texts, dimensions, url):
    if door == "langchain":
        return cached.embed_documents(texts)
    if door == "llamaindex":
        return cached.get_text_embedding_batch(texts)
    if door == "haystack":
        return [cached.run(text)["embedding"] for text in texts]
    call = {"model": MODEL, "input": texts} | ({"dimensions": dimensions} if dimensions else {})
    if door == "litellm":
        return [each["embedding"] for each in cached(api_base=url, api_key=KEY, **call).data]
    response = cached.embeddings.create(**call)
    return [each.embedding for each in (await response if door == "async-sdk" else response).data]


@pytest.mark.parametrize("dimensions", [None, 4])
async def test_each_text_is_paid_once_through_any_doors_in_any_order(service, url, dimensions):
    embedders = {door: embedder(door, url, dimensions) for door in DOORS}
    expected = [service.vector(MODEL, text, dimensions).tolist() for text in TEXTS]
    # Each of three doors pays for a text; the others find all of them.
    for payers in itertools.permutations(DOORS, len(TEXTS)):
        order = [*payers, *(door for door in DOORS if door not in payers)]
        service.requests.clear()
        store = embedonce.MemoryStore()
        for number, door in enumerate(order, 1):
            asked = TEXTS[: min(number, len(TEXTS))]
            cached = embedonce.wrap(embedders[door], store)
            assert await ask(door, cached, asked, dimensions, url) == expected[: len(asked)]
        assert sorted(service.texts) == sorted(TEXTS), order
    await embedders["async-sdk"].close()
    embedders["sdk"].close()


def test_the_namespaces_are_equal_on_openai_itself():
    names = set()
    for door in DOORS:
        cached = embedonce.wrap(embedder(door, None, 4), embedonce.MemoryStore())
        if door == "litellm":
            names.add(cached.identity_of(model=MODEL, dimensions=4))
        elif door.endswith("sdk"):
            names.add(cached.embeddings.identity_of(model=MODEL, dimensions=4))
        else:
            names.add(cached.identity)
    assert len(names) == 1
    assert {name.namespace for name in names} == {f"openai/{MODEL}?dimensions=4"}


def test_the_namespaces_are_equal_on_azure():
    url = "https://acme.openai.azure.com"
    settings = {"azure_endpoint": url, "api_version": "2024-10-21", "azure_deployment": "d1"}
    azure = lazily("llama_index.embeddings.azure_openai")
    framework = [
        lc.AzureOpenAIEmbeddings(model=MODEL, api_key=KEY, **settings),
        azure.AzureOpenAIEmbedding(model=MODEL, api_key=KEY, **settings),
        hs.AzureOpenAITextEmbedder(api_key=hs.Secret.from_token(KEY), **settings),
    ]
    names = {embedonce.wrap(each, embedonce.MemoryStore()).identity for each in framework}
    clients = [sdk.AzureOpenAI(api_key=KEY, **settings), sdk.AsyncAzureOpenAI(api_key=KEY, **settings)]
    names.add(embedonce.wrap(litellm.embedding, embedonce.MemoryStore()).identity_of(model="azure/d1", api_base=url))
    for client in clients:
        names.add(embedonce.wrap(client, embedonce.MemoryStore()).embeddings.identity_of(model=MODEL))
    assert len(names) == 1
