"""LiteLLM, which reads where a call goes at the call: what its servers see, through the classes of both frameworks."""

from __future__ import annotations

import itertools

import pytest
import surroundings
from langchain_framework import LangChain
from lazily import lazily
from llamaindex_framework import LlamaIndex
from variants import over

import embedonce
from embedonce.errors import IdentityError
from embedonce.testing.suites.adapters import WAYS, Api

service_module = lazily("openai_service")
lc = lazily("langchain_litellm", "langchain_openai")
li = lazily("llama_index.embeddings.litellm", "llama_index.embeddings.openai")
litellm = lazily("litellm")

KEY = "sk-0123456789abcdef0123"
MODEL = "text-embedding-3-small"
TEXTS = ["one text", "Straße, 東京"]
pytestmark = surroundings.LITELLM


@pytest.fixture(autouse=True)
def _no_loops(monkeypatch):
    surroundings.without_loops_of_litellm(monkeypatch)


class LangChainLiteLLM(LangChain):
    def litellm(self, model, **settings):
        pytest.importorskip("langchain_litellm")
        return lc.LiteLLMEmbeddings(model=model, api_key=KEY, **settings)

    def openai(self, **settings):
        return lc.OpenAIEmbeddings(model=MODEL, api_key=KEY, check_embedding_ctx_length=False, **settings)


class LlamaIndexLiteLLM(LlamaIndex):
    def litellm(self, model, **settings):
        pytest.importorskip("llama_index.embeddings.litellm")
        return li.LiteLLMEmbedding(model_name=model, api_key=KEY, **settings)

    def openai(self, **settings):
        url = settings.pop("base_url")
        return li.OpenAIEmbedding(model=MODEL, api_key=KEY, api_base=url, **settings)


FRAMEWORKS = (LangChainLiteLLM(), LlamaIndexLiteLLM())


@pytest.fixture
def servers():
    """Two servers whose models of one name are not the same."""
    one, two = service_module.Service(), service_module.Service()
    two.vector = lambda model, text, dimensions: one.vector(f"{model} of the other server", text, dimensions)
    with service_module.serving(one) as first, service_module.serving(two) as second:
        yield {first: one, second: two}


SWITCHES = {
    "litellm.api_base": lambda patch, url: patch.setattr("litellm.api_base", url),
    "OPENAI_BASE_URL": lambda patch, url: patch.setenv("OPENAI_BASE_URL", url),
    "OPENAI_API_BASE": lambda patch, url: patch.setenv("OPENAI_API_BASE", url),
}


@over(framework=FRAMEWORKS, way=WAYS, switch=SWITCHES)
def test_a_server_that_is_named_after_wrapping_answers_for_itself(framework, way, switch, servers, place, monkeypatch):
    """Documents and queries: with the vectors that the embedder itself gets, each server asked once for each text."""
    api, embedder = Api(framework, way), framework.litellm(f"openai/{MODEL}")
    cached = framework.wrap(embedder, place)
    for service in servers.values():
        service.requests.clear()
    for url in (*servers, *servers):
        switch(monkeypatch, url)
        assert api.documents(cached, TEXTS) == [servers[url].vector(MODEL, text, None).tolist() for text in TEXTS]
        assert api.query(cached, "a query") == servers[url].vector(MODEL, "a query", None).tolist()
    for service in servers.values():
        assert sorted(service.texts) == sorted([*TEXTS, "a query"])


@over(framework=FRAMEWORKS, dimensions=[None, 4], model=[MODEL, f"openai/{MODEL}", f"litellm_proxy/{MODEL}"])
def test_openais_models_share_entries_with_openais_own_classes(framework, dimensions, model, service, place):
    with service_module.serving(service) as url:
        for number, other in enumerate(FRAMEWORKS):
            doors = [framework.litellm(model, api_base=url, dimensions=dimensions)]
            doors.append(other.openai(base_url=url, dimensions=dimensions))
            for first, second in itertools.permutations(zip((framework, other), doors, strict=True)):
                service.requests.clear()
                store = embedonce.MemoryStore()
                wrapped = [(one, one.wrap(embedder, store)) for one, embedder in (first, second)]
                answers = [Api(one, WAYS[number]).documents(cached, TEXTS) for one, cached in wrapped]
                assert answers[0] == answers[1]
                assert sorted(service.texts) == sorted(TEXTS)


REFUSED = {
    "no provider": ({"model": "bge-m3"}, "write it as `provider/model`"),
    "an unknown provider": ({"model": "acme/bge"}, "pass `api_base`"),
    "no server": ({"model": "azure/large"}, "neither `api_base` nor the environment holds a URL"),
}


@over(framework=FRAMEWORKS, case=REFUSED)
def test_a_call_that_may_go_anywhere_is_refused(framework, case, place):
    settings, reason = case
    with pytest.raises(IdentityError, match=reason):
        framework.wrap(framework.litellm(**settings), place)


@over(framework=FRAMEWORKS)
def test_what_may_answer_in_the_place_of_the_server_is_refused(framework, place, monkeypatch):
    embedder = framework.litellm(f"openai/{MODEL}")
    monkeypatch.setattr("litellm.secret_manager_client", object())
    with pytest.raises(IdentityError, match="LiteLLM may read its URL from a secret manager"):
        framework.wrap(embedder, place)
    monkeypatch.setattr("litellm.secret_manager_client", None)
    monkeypatch.setattr("litellm.cache", object())
    with pytest.raises(IdentityError, match=r"`litellm\.cache` is set"):
        _ = framework.wrap(embedder, place).identity


@pytest.mark.parametrize("argument", ["client", "fallbacks", "mock_response", "azure", "base_url", "use_litellm_proxy"])
def test_arguments_that_lead_elsewhere_are_refused(argument, place):
    framework = FRAMEWORKS[0]
    embedder = framework.litellm(f"openai/{MODEL}", model_kwargs={argument: ["another"]})
    with pytest.raises(IdentityError, match=f"because of its argument `{argument}`"):
        framework.wrap(embedder, place)


def test_a_router_is_refused(place):
    pytest.importorskip("langchain_litellm")
    deployment = {"model_name": "small", "litellm_params": {"model": f"openai/{MODEL}", "api_key": KEY}}
    embedder = lc.LiteLLMEmbeddingsRouter(router=litellm.Router(model_list=[deployment]))
    with pytest.raises(IdentityError, match="router"):
        FRAMEWORKS[0].wrap(embedder, place)
