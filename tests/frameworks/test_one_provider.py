"""One model of one provider through the real classes of all frameworks: its server sees each effective text once."""

from __future__ import annotations

import itertools

import pytest
from frameworks_support import WAYS, Api
from langchain_framework import LangChain
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.openai import OpenAIEmbedding
from llamaindex_framework import LlamaIndex
from openai_service import Service, serving, without_vocabularies

import embedonce

SECRET = "s3cr3t-0123456789"
TEXTS = ["one text", "another text", "one text", "Straße, 東京"]
LONG = " ".join(f"word{number}" for number in range(2000))


class LangChainOpenAI(LangChain):
    def embedder(self, service, url, **settings):
        if "model_name" in settings:
            settings["model"] = settings.pop("model_name")
        if url is None:
            client, async_client = service.clients()
            return OpenAIEmbeddings(
                **{
                    "model": MODEL,
                    "api_key": SECRET,
                    "http_client": client,
                    "http_async_client": async_client,
                    **settings,
                }
            )
        # Of a server of one's own nobody knows whether it reads tokens as OpenAI does.
        settings.setdefault("check_embedding_ctx_length", False)
        return OpenAIEmbeddings(**{"model": MODEL, "api_key": SECRET, "base_url": url, **settings})


class LlamaIndexOpenAI(LlamaIndex):
    def embedder(self, service, url, **settings):
        if url is None:
            client, async_client = service.clients()
            return OpenAIEmbedding(
                **{
                    "model": MODEL,
                    "api_key": SECRET,
                    "http_client": client,
                    "async_http_client": async_client,
                    **settings,
                }
            )
        return OpenAIEmbedding(**{"model": MODEL, "api_key": SECRET, "api_base": url, **settings})


MODEL = "text-embedding-3-small"
FRAMEWORKS = (LangChainOpenAI(), LlamaIndexOpenAI())
PAIRS = list(itertools.permutations(FRAMEWORKS, 2))


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    without_vocabularies(monkeypatch)
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_API_TYPE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service():
    return Service()


@pytest.fixture(params=["openai", "server"])
def url(request, service):
    """None for OpenAI itself, else the URL of a server of one's own."""
    if request.param == "openai":
        yield None
    else:
        with serving(service) as url:
            yield url


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=PAIRS, ids=lambda pair: "-then-".join(map(str, pair)))
def pair(request):
    return request.param


def test_the_second_framework_asks_for_nothing(pair, way, service, url, place):
    """Without a namespace; documents and queries, since OpenAI's models are symmetric."""
    first, second = (Api(framework, way) for framework in pair)
    filled = embedonce.wrap(pair[0].embedder(service, url), place)
    expected = first.documents(filled, TEXTS), first.query(filled, "a query")
    assert sorted(service.texts) == sorted({*TEXTS, "a query"})
    service.requests.clear()
    cached = embedonce.wrap(pair[1].embedder(service, url), place)
    assert cached.namespace == filled.namespace
    assert (second.documents(cached, TEXTS), second.query(cached, "a query")) == expected
    assert second.query(cached, "one text") == expected[0][0]
    assert service.requests == []
    assert SECRET not in f"{cached!r}{cached.namespace}"


def test_a_namespace_of_the_users_is_shared(pair, way, service, url, place):
    first, second = (Api(framework, way) for framework in pair)
    filled = embedonce.wrap(pair[0].embedder(service, url), place, namespace="x")
    expected = first.documents(filled, TEXTS)
    service.requests.clear()
    cached = embedonce.wrap(pair[1].embedder(service, url), place, namespace="x")
    assert second.documents(cached, TEXTS) == expected
    assert service.requests == []


@pytest.mark.parametrize("settings", [{"dimensions": 4}, {"model_name": "text-embedding-3-large"}], ids=str)
def test_another_model_or_length_is_another_entry(pair, way, service, url, settings, place):
    first, second = (Api(framework, way) for framework in pair)
    small = first.documents(embedonce.wrap(pair[0].embedder(service, url), place), ["a"])
    service.requests.clear()
    other = embedonce.wrap(pair[1].embedder(service, url, **settings), place)
    (vector,) = second.documents(other, ["a"])
    assert vector != small[0]
    assert service.texts == ["a"]
    assert first.documents(embedonce.wrap(pair[0].embedder(service, url, **settings), place), ["a"]) == [vector]
    assert service.texts == ["a"]


def test_what_llamaindex_makes_of_newlines_is_the_text(service, url, place, way):
    """Its class sends spaces, and LangChain's sends newlines: these are two texts for the model."""
    langchain, llamaindex = (embedonce.wrap(framework.embedder(service, url), place) for framework in FRAMEWORKS)
    of_langchain, of_llamaindex = (Api(framework, way) for framework in FRAMEWORKS)
    (broken,) = of_langchain.documents(langchain, ["a\nb"])
    (spaced,) = of_llamaindex.documents(llamaindex, ["a\nb"])
    assert service.texts == ["a\nb", "a b"]
    assert broken != spaced == FRAMEWORKS[1].embedder(service, url).get_text_embedding("a\nb")
    service.requests.clear()
    assert of_langchain.documents(langchain, ["a b", "a\nb"]) == [spaced, broken]
    assert of_llamaindex.documents(llamaindex, ["a b", "a\nb"]) == [spaced, spaced]
    assert of_llamaindex.query(llamaindex, "a\nb") == spaced
    assert service.requests == []


def test_a_text_that_langchain_splits_and_averages_is_not_shared(pair, way, service, place):
    url = None
    expected = {
        framework: Api(framework, way).documents(framework.embedder(service, url), [LONG, "a"]) for framework in pair
    }
    assert expected[pair[0]][0] != expected[pair[1]][0]
    service.requests.clear()
    for _ in range(2):
        for framework in pair:
            cached = embedonce.wrap(framework.embedder(service, url), place)
            assert Api(framework, way).documents(cached, [LONG, "a", LONG]) == [
                expected[framework][0],
                expected[framework][1],
                expected[framework][0],
            ]
    # Whole once, in parts once, and the short one once.
    assert service.texts.count(LONG) == service.texts.count("a") == 1


def test_a_server_of_ones_own_is_not_openai(pair, service, place):
    with serving(service) as url:
        official, own = pair[0].embedder(service, None), pair[1].embedder(service, url)
        assert embedonce.wrap(official, place).namespace != embedonce.wrap(own, place).namespace


def test_tokens_and_texts_are_not_the_same_for_a_server_of_ones_own(service, place):
    with serving(service) as url:
        tokens = FRAMEWORKS[0].embedder(service, url, check_embedding_ctx_length=True)
        texts = FRAMEWORKS[1].embedder(service, url)
        assert embedonce.wrap(tokens, place).namespace != embedonce.wrap(texts, place).namespace
