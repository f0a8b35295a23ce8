"""`litellm.embedding` and `litellm.aembedding` with a cache before them, against a local server."""

from __future__ import annotations

import inspect
import pickle

import pytest
import surroundings
from lazily import lazily

import embedonce
from embedonce import CacheMissError, IdentityError

litellm = lazily("litellm")
types = lazily("litellm.types.utils")
module = lazily("openai_service")

KEY = "sk-0123456789abcdef0123"
MODEL = "text-embedding-3-small"
pytestmark = surroundings.LITELLM


@pytest.fixture(autouse=True)
def _no_loops(monkeypatch):
    surroundings.without_loops_of_litellm(monkeypatch)


@pytest.fixture
def call(url):
    return {"model": f"openai/{MODEL}", "api_base": url, "api_key": KEY}


@pytest.fixture
def store():
    return embedonce.MemoryStore()


def shown(response):
    return response.model_dump(exclude={"usage"})


def test_the_answer_is_that_of_the_function_inside(call, service, store):
    """On a miss, on a hit and half of each; `usage` is what was paid, and each text is sent once."""
    inner = litellm.embedding(input=["a", "b"], **call)
    service.requests.clear()
    cached = embedonce.wrap(litellm.embedding, store)
    for paid in (1, 0):
        answer = cached(input=["a", "b"], **call)
        assert type(answer) is types.EmbeddingResponse
        assert shown(answer) == shown(inner)
        assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (paid, paid)
        assert answer._hidden_params["custom_llm_provider"] == "openai"
    assert [each["index"] for each in cached(input=["b", "c", "b"], **call).data] == [0, 1, 2]
    assert service.requests == [["a", "b"], ["c"]]


async def test_both_functions_share_entries_and_look_like_those_inside(call, service, store):
    cached, acached = embedonce.wrap(litellm.embedding, store), embedonce.wrap(litellm.aembedding, store)
    assert inspect.signature(cached) == inspect.signature(litellm.embedding)
    assert inspect.signature(acached) == inspect.signature(litellm.aembedding)
    assert inspect.iscoroutinefunction(acached)
    assert not inspect.iscoroutinefunction(cached)
    assert cached.inner is litellm.embedding
    first = await acached(input="a", **call)
    assert shown(cached(call["model"], "a", api_base=call["api_base"])) == shown(first)
    assert shown(await acached(input=["a"], **call)) == shown(first)
    assert service.requests == [["a"]]


def test_a_function_that_is_wrapped_already_gets_no_second_cache(call, service, store):
    once = embedonce.wrap(litellm.embedding, store)
    twice = embedonce.wrap(once, embedonce.MemoryStore())
    assert twice.inner is litellm.embedding
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(once)


BYPASSING = {
    "tokens": ({"input": [[1, 2]]}, "its argument 'input' is not a text or a list of texts"),
    "base64": ({"encoding_format": "base64"}, "its encoding_format is not 'float'"),
    "mocked": ({"mock_response": [[1.0]]}, "because of its argument `mock_response`"),
    "another model": ({"fallbacks": ["openai/other"]}, "because of its argument `fallbacks`"),
}


@pytest.mark.parametrize("case", BYPASSING)
def test_what_cannot_be_answered_goes_past_the_cache(case, call, service, store, caplog):
    arguments, reason = BYPASSING[case]
    call = {"input": ["a"], **call, **arguments}
    cached = embedonce.wrap(litellm.embedding, store)
    inner = litellm.embedding(**call)
    answers = [cached(**call), cached(**call)]
    assert [shown(each) for each in answers] == [shown(inner)] * 2
    warnings = [each for each in caplog.messages if each.startswith("calls of litellm.embedding bypass the cache")]
    assert len(warnings) == 1
    assert reason in warnings[0]
    with pytest.raises(CacheMissError):
        embedonce.wrap(litellm.embedding, store, mode="replay")(**call)


@pytest.mark.parametrize(
    "more", [{"dimensions": 4}, {"extra_headers": {"x-route": "a"}}, {"extra_body": {"pooling": "cls"}}, {"pooling": 1}]
)
def test_an_argument_that_reaches_the_server_is_another_entry(more, call, service, store):
    cached = embedonce.wrap(litellm.embedding, store)
    cached(input=["a"], **call)
    assert shown(cached(input=["a"], **call, **more)) == shown(litellm.embedding(input=["a"], **call, **more))
    cached(input=["a"], **call, **more)
    assert service.requests == [["a"]] * 3


def test_the_server_is_the_one_that_litellm_finds_at_the_call(service, store, url, monkeypatch):
    other = module.Service()
    other.vector = lambda model, text, dimensions: service.vector(f"another {model}", text, dimensions)
    cached = embedonce.wrap(litellm.embedding, store)
    with module.serving(other) as other_url:
        for base, answering in ((url, service), (other_url, other)) * 2:
            monkeypatch.setenv("OPENAI_BASE_URL", base)
            (answer,) = cached(MODEL, ["a"], api_key=KEY).data
            assert answer["embedding"] == answering.vector(MODEL, "a", None).tolist()
    assert service.requests == other.requests == [["a"]]


def test_errors_are_those_of_litellm(call, service, store):
    service.quota = 0
    cached = embedonce.wrap(litellm.embedding, store)
    with pytest.raises(litellm.RateLimitError, match="the quota is used up"):
        cached(input=["a"], max_retries=0, **call)


def test_a_namespace_takes_the_place_of_the_server_that_no_call_names(store, monkeypatch):
    cached = embedonce.wrap(litellm.embedding, store, namespace="acme/gateway@1")

    def names(**call):
        return {cached.identity_of(model=model, **call).namespace for model in ("openai/a", "openai/b")}

    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu/v1")
    named = names()
    assert len(named) == 2
    monkeypatch.setenv("OPENAI_BASE_URL", "http://b/v1")
    assert names() == named
    assert len(named | names(api_base="http://c/v1") | names(api_base="http://d/v1")) == 6
    with pytest.raises(IdentityError, match="write it as `provider/model`"):
        cached.identity_of(model="nobody-knows")
