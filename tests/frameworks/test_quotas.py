"""Real embedders of all frameworks before a service with a quota: what was paid for is stored, and paid for once."""

from __future__ import annotations

import asyncio
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from lazily import lazily

import embedonce
from embedonce.testing.suites.adapters import WAYS

openai_service = lazily("openai_service")
hs = lazily(
    "haystack",
    "haystack.components.embedders",
    "haystack.utils",
    "haystack_integrations.components.embedders.ollama",
)
lc = lazily(
    "langchain_aws",
    "langchain_cohere",
    "langchain_google_genai",
    "langchain_ollama",
    "langchain_mistralai",
    "langchain_openai",
    "tokenizers",
    "tokenizers.models",
    "tokenizers.pre_tokenizers",
)
li = lazily(
    "llama_index.embeddings.bedrock",
    "llama_index.embeddings.ollama",
    "llama_index.embeddings.openai",
    "llama_index.embeddings.upstage",
)

pytestmark = [
    # Of the packages of Cohere and of Google.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute on the instance"),
    pytest.mark.filterwarnings("ignore:The `.*` method is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

SECRET = "s3cr3t-0123456789"
TEXTS = tuple(f"text {number}" for number in range(400))
LONG = tuple(f"{text} {'few ' * 1990}" for text in TEXTS)
"""Texts of 1,992 tokens: a request to Mistral holds eight."""
QUOTA = 30
"""Requests that a run may send."""


@dataclass(frozen=True)
class Case:
    """An embedder of a framework.

    Attributes:
        make: Makes it for a service at a URL.
        embed: Returns the vectors of texts; an awaitable of them with `way="async"`.
        size: Texts in one of its requests.
        at_once: Requests of it that are in flight at once, by way.
        call: Further arguments of a call.
        texts: What it is asked for.
    """

    make: Callable[..., Any]
    embed: Callable[..., Any]
    size: int
    at_once: dict[str, int]
    call: dict[str, Any] | None = None
    texts: tuple[str, ...] = TEXTS

    def ask(self, embedder: Any, way: str, most: int | None = None) -> Any:
        answer = self.embed(embedder, way, list(self.texts[:most]), **(self.call or {}))
        return asyncio.run(answer) if way == "async" else answer

    def ask_until_stopped(self, embedder: Any, way: str) -> None:
        try:
            self.ask(embedder, way)
        except Exception as error:
            if not any(each in str(error) for each in ("quota", "429", "Embedding batch 0 raised")):
                raise


def langchain(embedder, way, texts, **more):
    return getattr(embedder, "aembed_documents" if way == "async" else "embed_documents")(texts, **more)


def llamaindex(embedder, way, texts):
    prefix = "a" if way == "async" else ""
    return getattr(embedder, f"{prefix}get_text_embedding_batch")(texts)


def haystack(embedder, way, texts):
    documents = [hs.Document(content=text) for text in texts]
    if way == "sync":
        return [each.embedding for each in embedder.run(documents=documents)["documents"]]

    async def run():
        return [each.embedding for each in (await embedder.run_async(documents=documents))["documents"]]

    return run()


def langchain_openai(service, url, **settings):
    given = {"check_embedding_ctx_length": False, **settings}
    return lc.OpenAIEmbeddings(model="m", api_key=SECRET, base_url=url, max_retries=0, **given)


def langchain_mistral(service, url):
    tokenizer = lc.Tokenizer(lc.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = lc.Whitespace()
    return lc.MistralAIEmbeddings(api_key=SECRET, endpoint=url, tokenizer=tokenizer, max_retries=None, wait_time=None)


def langchain_bedrock(service, url):
    return lc.BedrockEmbeddings(
        client=Bedrock(service), model_id="amazon.titan-embed-text-v2:0", region_name="eu-west-1"
    )


def llamaindex_bedrock(service, url):
    return li.BedrockEmbedding(client=Bedrock(service), model_name="amazon.titan-embed-text-v2:0")


def llamaindex_openai(service, url, **settings):
    return li.OpenAIEmbedding(api_key=SECRET, api_base=url, max_retries=0, **settings)


def haystack_openai(service, url, **settings):
    return hs.OpenAIDocumentEmbedder(
        api_key=hs.Secret.from_token(SECRET), api_base_url=url, max_retries=0, progress_bar=False, **settings
    )


def of_another(kind, **settings):
    """Return what makes an embedder of another provider; `{base}` in a setting is the server, `{url}` its `/v1`."""

    def make(service, url):
        given = {
            name: value.format(url=url, base=url.removesuffix("/v1")) if isinstance(value, str) else value
            for name, value in settings.items()
        }
        return kind()(**given)

    return make


class Bedrock:
    """A client for a model that is sent one text in a request."""

    meta = SimpleNamespace(endpoint_url=None)

    def __init__(self, service):
        self.service = service

    def invoke_model(self, *, body, **_):
        if not self.service.allows_another():
            msg = "ThrottlingException: the quota is used up"
            raise RuntimeError(msg)
        answer = self.service.answer({"model": "titan", "input": json.loads(body)["inputText"]})
        return {"body": io.BytesIO(json.dumps({"embedding": answer["data"][0]["embedding"]}).encode())}


ONE = {"sync": 1, "async": 1}
# Of what an async method sends at once, nothing that was answered is lost.
ALL = {"sync": 1, "async": 0}
OTHERS = {
    "langchain-cohere": Case(
        of_another(
            lambda: lc.CohereEmbeddings,
            model="embed-english-v3.0",
            cohere_api_key=SECRET,
            base_url="{base}",
            max_retries=0,
        ),
        langchain,
        96,
        ONE,
    ),
    "langchain-google": Case(
        of_another(
            lambda: lc.GoogleGenerativeAIEmbeddings, model="gemini-embedding-001", api_key=SECRET, base_url="{base}"
        ),
        langchain,
        100,
        ONE,
    ),
    "langchain-ollama": Case(
        of_another(lambda: lc.OllamaEmbeddings, model="m", base_url="{base}"), langchain, 400, ONE
    ),
    "llamaindex-ollama": Case(
        of_another(lambda: li.OllamaEmbedding, model_name="m", base_url="{base}", embed_batch_size=5),
        llamaindex,
        5,
        ALL,
    ),
    "llamaindex-upstage": Case(
        of_another(lambda: li.UpstageEmbedding, api_key=SECRET, api_base="{url}", embed_batch_size=5, max_retries=0),
        llamaindex,
        5,
        ALL,
    ),
    "haystack-ollama": Case(
        of_another(lambda: hs.OllamaDocumentEmbedder, model="m", url="{base}", batch_size=5, progress_bar=False),
        haystack,
        5,
        ALL,
    ),
}
CASES = {
    "langchain-openai": Case(lambda *at: langchain_openai(*at, chunk_size=5), langchain, 5, ONE),
    "langchain-openai-tokens": Case(
        lambda *at: langchain_openai(*at, chunk_size=5, check_embedding_ctx_length=True), langchain, 5, ONE
    ),
    "langchain-openai-size-of-a-call": Case(langchain_openai, langchain, 5, ONE, {"chunk_size": 5}),
    "langchain-bedrock": Case(langchain_bedrock, langchain, 1, ALL),
    "langchain-mistral": Case(langchain_mistral, langchain, 8, ONE, texts=LONG),
    "llamaindex-openai": Case(lambda *at: llamaindex_openai(*at, embed_batch_size=5), llamaindex, 5, ALL),
    "llamaindex-openai-workers": Case(
        lambda *at: llamaindex_openai(*at, embed_batch_size=5, num_workers=3), llamaindex, 5, ALL
    ),
    "llamaindex-bedrock": Case(llamaindex_bedrock, llamaindex, 1, ALL),
    "haystack-openai": Case(lambda *at: haystack_openai(*at, batch_size=8, raise_on_failure=True), haystack, 8, ONE),
    **OTHERS,
    "haystack-openai-goes-on": Case(
        lambda *at: haystack_openai(*at, batch_size=8, raise_on_failure=False), haystack, 8, ONE
    ),
}


@pytest.fixture(autouse=True)
def _no_vocabularies(monkeypatch):
    openai_service.without_vocabularies(monkeypatch)


@pytest.fixture
def url(service):
    with openai_service.serving(service) as url:
        yield url


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_a_run_that_a_quota_stops_loses_eight_requests_at_most(service, url, tmp_path, name, way):
    case = CASES[name]
    lost_at_most = 8 * case.at_once[way] * case.size
    # Each run but the last may lose as much.
    runs_at_most = max(1, math.ceil((len(TEXTS) - lost_at_most) / (QUOTA * case.size - lost_at_most)))
    runs = stored = 0
    while stored < len(TEXTS):
        service.quota, paid = QUOTA, len(service.texts)
        # As in a later process.
        wrapped = embedonce.wrap(case.make(service, url), tmp_path)
        case.ask_until_stopped(wrapped, way)
        now = wrapped.cache.stats().stored
        assert now >= len(service.texts) - paid - lost_at_most
        stored += now
        runs += 1
        assert runs <= runs_at_most
    service.quota = None
    expected = case.ask(case.make(service, url), way, 9)
    assert case.ask(embedonce.wrap(case.make(service, url), tmp_path), way, 9) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_no_request_is_smaller_than_without_the_cache(service, url, tmp_path, name, way):
    case = CASES[name]
    expected = case.ask(case.make(service, url), way)
    without, service.requests = service.requests, []
    assert case.ask(embedonce.wrap(case.make(service, url), tmp_path), way) == expected
    assert sorted(map(len, service.requests)) == sorted(map(len, without))
