"""One model of one provider through the real classes of all frameworks: its server sees each effective text once."""

from __future__ import annotations

import itertools

import pytest
from haystack_framework import Haystack, Pair
from langchain_framework import LangChain
from lazily import lazily
from llamaindex_framework import LlamaIndex
from variants import covering

from embedonce.testing.suites.adapters import WAYS, Api

openai_service = lazily("openai_service")
hs = lazily("haystack", "haystack.components.embedders", "haystack.utils")
lc = lazily("langchain_openai")
li = lazily("llama_index.embeddings.openai")

SECRET = "s3cr3t-0123456789"
TEXTS = ["one text", "another text", "one text", "Straße, 東京"]
LONG = " ".join(f"word{number}" for number in range(2000))
CORPUS = [*TEXTS, "a\nb", "a b", "a\n\nb\n", LONG, "a\nb", "", LONG, "one text"]


class LangChainOpenAI(LangChain):
    def openai(self, service, url, **settings):
        if "model_name" in settings:
            settings["model"] = settings.pop("model_name")
        if url is None:
            client, async_client = service.clients()
            return lc.OpenAIEmbeddings(
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
        return lc.OpenAIEmbeddings(**{"model": MODEL, "api_key": SECRET, "base_url": url, **settings})


class LlamaIndexOpenAI(LlamaIndex):
    def openai(self, service, url, **settings):
        if url is None:
            client, async_client = service.clients()
            return li.OpenAIEmbedding(
                **{
                    "model": MODEL,
                    "api_key": SECRET,
                    "http_client": client,
                    "async_http_client": async_client,
                    **settings,
                }
            )
        return li.OpenAIEmbedding(**{"model": MODEL, "api_key": SECRET, "api_base": url, **settings})


class HaystackOpenAI(Haystack):
    def openai(self, service, url, **settings):
        if "model_name" in settings:
            settings["model"] = settings.pop("model_name")
        settings = {"model": MODEL, "api_key": hs.Secret.from_token(SECRET), "api_base_url": url, **settings}
        if url is None:
            settings["http_client_kwargs"] = {"transport": service.transport()}
        return Pair(hs.OpenAIDocumentEmbedder(progress_bar=False, **settings), hs.OpenAITextEmbedder(**settings))


MODEL = "text-embedding-3-small"
FRAMEWORKS = LANGCHAIN, LLAMAINDEX, HAYSTACK = LangChainOpenAI(), LlamaIndexOpenAI(), HaystackOpenAI()


@pytest.fixture(autouse=True)
def _no_vocabularies(monkeypatch):
    openai_service.without_vocabularies(monkeypatch)


@pytest.fixture
def url(request, service):
    """None for OpenAI itself, else the URL of a server of one's own."""
    if request.param == "openai":
        yield None
    else:
        with openai_service.serving(service) as url:
            yield url


class Several(tuple):
    """Some frameworks, one after the other."""

    __slots__ = ()

    def __str__(self):
        return "-then-".join(map(str, self))


PAIRS = list(map(Several, itertools.permutations(FRAMEWORKS, 2)))
ORDERS = list(map(Several, itertools.permutations(FRAMEWORKS)))
SERVERS = ("openai", "server")


def effective(framework, texts):
    """What a framework's class makes of texts before it sends them."""
    return [text.replace("\n", " ") for text in texts] if framework is LLAMAINDEX else texts


@pytest.mark.parametrize(("pair", "way", "url"), covering(PAIRS, WAYS, SERVERS), indirect=["url"])
def test_the_second_framework_asks_for_nothing(pair, way, service, url, place):
    """Without a namespace; documents and queries, since OpenAI's models are symmetric."""
    first, second = (Api(framework, way) for framework in pair)
    filled = pair[0].wrap(pair[0].openai(service, url), place)
    expected = first.documents(filled, TEXTS), first.query(filled, "a query")
    assert sorted(service.texts) == sorted({*TEXTS, "a query"})
    service.requests.clear()
    cached = pair[1].wrap(pair[1].openai(service, url), place)
    assert cached.namespace == filled.namespace
    assert (second.documents(cached, TEXTS), second.query(cached, "a query")) == expected
    assert second.query(cached, "one text") == expected[0][0]
    assert service.requests == []
    assert SECRET not in f"{cached!r}{cached.namespace}"


@pytest.mark.parametrize(("pair", "way"), covering(PAIRS, WAYS))
def test_a_namespace_of_the_users_is_shared(pair, way, service, place):
    first, second = (Api(framework, way) for framework in pair)
    filled = pair[0].wrap(pair[0].openai(service, None), place, namespace="x")
    expected = first.documents(filled, TEXTS)
    service.requests.clear()
    cached = pair[1].wrap(pair[1].openai(service, None), place, namespace="x")
    assert second.documents(cached, TEXTS) == expected
    assert service.requests == []


OTHERS = ({"dimensions": 4}, {"model_name": "text-embedding-3-large"})


@pytest.mark.parametrize(("pair", "way", "settings"), covering(PAIRS, WAYS, OTHERS))
def test_another_model_or_length_is_another_entry(pair, way, service, settings, place):
    first, second = (Api(framework, way) for framework in pair)
    small = first.documents(pair[0].wrap(pair[0].openai(service, None), place), ["a"])
    service.requests.clear()
    other = pair[1].wrap(pair[1].openai(service, None, **settings), place)
    (vector,) = second.documents(other, ["a"])
    assert vector != small[0]
    assert service.texts == ["a"]
    assert first.documents(pair[0].wrap(pair[0].openai(service, None, **settings), place), ["a"]) == [vector]
    assert service.texts == ["a"]


@pytest.mark.parametrize(("order", "way"), covering(ORDERS, WAYS))
def test_what_a_framework_makes_of_newlines_is_the_text(order, way, service, place):
    """LlamaIndex's class sends spaces, all others send newlines: these are two texts for the model."""
    cached = {framework: framework.wrap(framework.openai(service, None), place) for framework in order}
    vectors = {framework: Api(framework, way).documents(cached[framework], ["a\nb"]) for framework in order}
    assert sorted(service.texts) == ["a\nb", "a b"]
    assert vectors[LANGCHAIN] == vectors[HAYSTACK] != vectors[LLAMAINDEX]
    for framework in order:
        assert Api(framework, way).documents(framework.openai(service, None), ["a\nb"]) == vectors[framework]
    service.requests.clear()
    for framework in order:
        api = Api(framework, way)
        assert api.documents(cached[framework], ["a b", "a\nb"]) == [*vectors[LLAMAINDEX], *vectors[framework]]
        assert api.query(cached[framework], "a\nb") == vectors[framework][0]
    assert service.requests == []


@pytest.mark.parametrize(("order", "way"), covering(ORDERS, WAYS))
def test_a_text_that_langchain_splits_and_averages_is_not_shared(order, way, service, place):
    """The others send it whole, and share it."""
    expected = {
        framework: Api(framework, way).documents(framework.openai(service, None), [LONG, "a"]) for framework in order
    }
    assert expected[LANGCHAIN] != expected[LLAMAINDEX] == expected[HAYSTACK]
    service.requests.clear()
    for _ in range(2):
        for framework in order:
            cached = framework.wrap(framework.openai(service, None), place)
            long, short = expected[framework]
            assert Api(framework, way).documents(cached, [LONG, "a", LONG]) == [long, short, long]
    assert sorted(service.texts) == sorted([LONG, "a", *parts(service)])


def parts(service):
    """The parts of the long text that the service was sent; together they are that text, so each was sent once."""
    sent = [text for text in service.texts if text != LONG and len(text) > 100]
    assert "".join(sent) in (LONG, "")
    return sent


@pytest.mark.parametrize(("order", "way", "url"), covering(ORDERS, WAYS, SERVERS), indirect=["url"])
def test_the_provider_sees_each_effective_text_once(order, way, service, url, place):
    """One corpus through three frameworks: as queries and as documents, which are the same for OpenAI's models."""
    namespaces = set()
    for framework in order:
        native = framework.openai(service, url)
        cached, api = framework.wrap(native, place), Api(framework, way)
        namespaces.add(cached.namespace)
        paid = list(service.requests)
        expected = api.documents(native, CORPUS)
        service.requests[:] = paid
        assert [api.query(cached, text) for text in CORPUS[::2]] == expected[::2]
        assert api.documents(cached, CORPUS) == expected
        assert [api.query(cached, text) for text in CORPUS] == expected
    assert len(namespaces) == 1
    seen = {text for framework in FRAMEWORKS for text in effective(framework, CORPUS)}
    assert sorted(service.texts) == sorted([*seen, *parts(service)])
    assert bool(parts(service)) == (url is None), "only of OpenAI itself LangChain knows how texts become tokens"


@pytest.mark.parametrize("way", WAYS)
def test_what_haystack_puts_around_a_text_is_part_of_it(way, service, place):
    settings = {"prefix": "passage: ", "suffix": "!"}
    native = HAYSTACK.openai(service, None, **settings)
    native.documents.meta_fields_to_embed = ["title"]
    cached, api = HAYSTACK.wrap(native, place), Api(HAYSTACK, way)
    document = hs.Document(content="a", meta={"title": "On a", "pages": 3})
    (vector,) = api.documents(cached, [document])
    others = [*api.documents(cached, ["a"]), api.query(cached, "b")]
    texts = ["passage: On a\na!", "passage: a!", "passage: b!"]
    assert service.texts == texts
    langchain = LANGCHAIN.wrap(LANGCHAIN.openai(service, None), place)
    assert langchain.namespace == cached.namespace
    assert Api(LANGCHAIN, way).documents(langchain, texts) == [vector, *others]
    assert Api(LANGCHAIN, way).documents(langchain, ["a"]) != others[:1]
    assert service.texts == [*texts, "a"]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_server_of_ones_own_is_not_openai(pair, service, place):
    with openai_service.serving(service) as url:
        official, own = pair[0].openai(service, None), pair[1].openai(service, url)
        assert pair[0].wrap(official, place).namespace != pair[1].wrap(own, place).namespace


def test_tokens_and_texts_are_not_the_same_for_a_server_of_ones_own(service, place):
    with openai_service.serving(service) as url:
        tokens = LANGCHAIN.openai(service, url, check_embedding_ctx_length=True)
        namespace = LANGCHAIN.wrap(tokens, place).namespace
        for framework in (LLAMAINDEX, HAYSTACK):
            assert framework.wrap(framework.openai(service, url), place).namespace != namespace
