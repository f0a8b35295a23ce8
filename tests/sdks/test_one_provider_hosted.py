"""One model through the real classes of all frameworks and through SDKs: each text is paid for once, in any order."""

from __future__ import annotations

import inspect
import itertools
from importlib import import_module

import pytest
from lazily import lazily
from sdk_clients import CASES, KEY

import embedonce

hs = lazily(
    "haystack",
    "haystack.utils",
    "haystack_integrations.components.embedders.cohere",
    "haystack_integrations.components.embedders.ollama",
    "haystack_integrations.components.embedders.voyage_embedders",
)
lc = lazily("langchain_cohere", "langchain_ollama", "langchain_voyageai")
li = lazily("llama_index.embeddings.cohere", "llama_index.embeddings.ollama", "llama_index.embeddings.voyageai")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TEXTS = ["one text", "Straße, 東京", "a third"]
QUERY = "a query"
FRAMEWORKS = ("langchain", "llamaindex", "haystack")
MODELS = {"Cohere": "embed-v4.0", "Ollama": "m", "Voyage": "voyage-3"}
TYPES = {"Cohere": ("search_document", "search_query"), "Voyage": ("document", "query"), "Ollama": (None, None)}


@pytest.fixture(autouse=True)
def _no_vocabularies(monkeypatch):
    """Let no tokenizer be downloaded."""
    base = import_module("voyageai._base")._BaseClient
    monkeypatch.setattr(base, "tokenize", lambda self, texts, model=None: [text.split() for text in texts])


@pytest.fixture
def service(providers):
    return providers


@pytest.fixture
def url(providers_url):
    return providers_url


def langchain(provider, url):
    model = MODELS[provider]
    if provider == "Cohere":
        return lc.CohereEmbeddings(model=model, cohere_api_key=KEY, base_url=url)
    if provider == "Ollama":
        return lc.OllamaEmbeddings(model=model, base_url=url)
    return lc.VoyageAIEmbeddings(model=model, api_key=KEY, base_url=url)


def llamaindex(provider, url):
    model = MODELS[provider]
    if provider == "Cohere":
        return li.CohereEmbedding(api_key=KEY, model_name=model, base_url=url)
    if provider == "Ollama":
        return li.OllamaEmbedding(model, base_url=url)
    embedding = li.VoyageEmbedding(model, voyage_api_key=KEY)
    for client in (embedding._client, embedding._aclient):
        client._params["base_url"] = url
    return embedding


def haystack(provider, url, role):
    kind = getattr(hs, f"{provider}{'Document' if role == 'document' else 'Text'}Embedder")
    settings = {"model": MODELS[provider], "progress_bar": False} if role == "document" else {"model": MODELS[provider]}
    if provider == "Ollama":
        return kind(url=url, **settings)
    settings["api_key"] = hs.Secret.from_token(KEY)
    if provider == "Cohere":
        return kind(api_base_url=url, **settings)
    embedder = kind(input_type=role, **settings)
    embedder.warm_up()
    for client in (embedder._client, embedder._async_client):
        client._params["base_url"] = url
    return embedder


class Framework:
    """A framework's class for a model."""

    def __init__(self, name, provider, url):
        self.name = name
        if name == "langchain":
            self.embedder = langchain(provider, url)
        elif name == "llamaindex":
            self.embedder = llamaindex(provider, url)
        else:
            self.embedder = {role: haystack(provider, url, role) for role in ("document", "query")}

    async def ask(self, store, texts, query):
        """Return the vectors of documents and of a query."""
        if self.name == "haystack":
            documents, text = (embedonce.wrap(self.embedder[role], store) for role in ("document", "query"))
            found = documents.run([hs.Document(content=each) for each in texts])["documents"]
            return [each.embedding for each in found], text.run(query)["embedding"]
        cached = embedonce.wrap(self.embedder, store)
        if self.name == "langchain":
            return cached.embed_documents(texts), cached.embed_query(query)
        return cached.get_text_embedding_batch(texts), cached.get_query_embedding(query)


class Client:
    """A client of an SDK, which is asked for the same model."""

    def __init__(self, case, provider, url):
        self.case, self.client = case, case.client(url)
        self.call = {"model": MODELS[provider]}
        self.types = TYPES[provider]

    async def ask(self, store, texts, query):
        """Return the vectors of documents and of a query."""
        cached = embedonce.wrap(self.client, store)
        found = []
        for given, kind in zip((texts, [query]), self.types, strict=True):
            call = self.call if kind is None else {**self.call, "input_type": kind}
            asked = cached.embed(**{self.case.texts: given, **call})
            found.append(self.case.vectors(await asked if inspect.isawaitable(asked) else asked))
        return found[0], found[1][0]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_each_text_is_paid_once_through_any_door_in_any_order(case, service, url):
    provider = type(case).__name__.removesuffix("V1")
    doors = [Framework(name, provider, url) for name in FRAMEWORKS] + [Client(case, provider, url)]
    # What each of them answers without the others.
    expected = [await door.ask(embedonce.MemoryStore(), TEXTS, QUERY) for door in doors]
    assert expected == expected[:1] * 4
    for order in itertools.permutations(doors):
        service.requests.clear()
        store = embedonce.MemoryStore()
        for number, door in enumerate(order, 1):
            texts = TEXTS[:number]
            assert await door.ask(store, texts, QUERY) == (expected[0][0][: len(texts)], expected[0][1])
        assert sorted(service.texts) == sorted([*TEXTS, QUERY])


@pytest.mark.parametrize("case", [each for each in CASES if type(each).__name__ != "Ollama"], ids=str)
def test_the_namespaces_are_equal_at_the_provider_itself(case):
    provider = type(case).__name__.removesuffix("V1")
    cached = embedonce.wrap(case.type(KEY), embedonce.MemoryStore())
    names = {cached.identity_of(**{**case.call, "model": MODELS[provider]})}
    for name in FRAMEWORKS:
        if name == "langchain":
            embedder = langchain(provider, None)
        elif name == "llamaindex":
            embedder = llamaindex(provider, "https://api.voyageai.com/v1" if provider == "Voyage" else None)
        elif provider == "Voyage":
            embedder = hs.VoyageTextEmbedder(
                model=MODELS[provider], api_key=hs.Secret.from_token(KEY), input_type="query"
            )
        else:
            embedder = hs.CohereTextEmbedder(model=MODELS[provider], api_key=hs.Secret.from_token(KEY))
        names.add(embedonce.wrap(embedder, embedonce.MemoryStore()).identity)
    assert {name.namespace for name in names} == {f"{provider.lower()}/{MODELS[provider]}"}
    assert len(names) == 1
