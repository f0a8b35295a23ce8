"""Dictionaries, hashes, copies and pickles of wrappers: no secrets, and the vectors of the right model."""

from __future__ import annotations

import copy
import json
import logging
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from lazily import lazily

import embedonce
from embedonce import IdentityError

li = lazily(
    "llama_index.core.bridge.pydantic",
    "llama_index.core.callbacks",
    "llama_index.core.embeddings",
    "llama_index.core.ingestion.pipeline",
    "llama_index.core.node_parser",
    "llama_index.core.schema",
    "llama_index.core.storage.kvstore",
    "llama_index.embeddings.openai",
    "llamaindex_support",
    "llama_index.embeddings.embedonce",
)

TEXTS = ["a", "b", "c"]


@pytest.fixture
def wrapper(place):
    return embedonce.wrap(li.Model(), place)


def key(transformation):
    return li.get_transformation_hash([li.TextNode(text="a")], transformation)


# -- dictionaries --------------------------------------------------------------------------------------------------


def test_a_dictionary_holds_the_namespace_and_nothing_else(wrapper):
    expected = {"class_name": "CachedEmbedding", "namespace": wrapper.namespace}
    assert li.CachedEmbedding.class_name() == "CachedEmbedding"
    assert wrapper.to_dict() == wrapper.dict() == wrapper.model_dump() == wrapper.model_dump(mode="json") == expected
    assert (
        json.loads(wrapper.to_json()) == json.loads(wrapper.json()) == json.loads(wrapper.model_dump_json()) == expected
    )
    assert li.CachedEmbedding.model_json_schema()["properties"].keys() >= {"inner"}


def test_no_secret_leaves(place, caplog):
    caplog.set_level(logging.DEBUG)
    model = li.OpenAIEmbedding(
        api_key=li.SECRET + "-key",
        default_headers={"Authorization": li.SECRET},
        api_base=f"https://u:{li.SECRET}@example.com/v1",
    )
    wrapper = embedonce.wrap(model, f"memory://{place.name}", storage_options={"password": li.SECRET})
    wrapper.inner.model_name = "text-embedding-3-large"
    shown = [wrapper, wrapper.to_dict(), wrapper.to_json(), wrapper.model_dump_json(), wrapper.namespace]
    shown += [wrapper.identity, wrapper.wrap_options, wrapper.cache, wrapper.to_payload(), caplog.text]
    shown += [li.SemanticSplitterNodeParser(embed_model=wrapper).to_dict(), li.Holder(model=wrapper).model_dump_json()]
    told = " ".join(f"{each!r} {each}" for each in shown)
    assert "text-embedding-3-large" in told
    assert li.SECRET not in told


def test_a_wrapper_is_a_field_of_other_components(wrapper):
    parser = li.SemanticSplitterNodeParser(embed_model=wrapper)
    assert parser.embed_model is wrapper
    assert parser.to_dict()["embed_model"] == wrapper.to_dict()
    assert li.Holder(model=wrapper).model_dump() == {"model": wrapper.to_dict()}


def test_a_dictionary_becomes_a_wrapper_of_the_model_it_was_made_of(wrapper, place):
    data = wrapper.to_dict()
    wrapper.get_text_embedding("a")
    again = li.CachedEmbedding.from_dict(data, inner=li.Model(), store=place)
    assert (again.to_dict(), again.get_text_embedding("a")) == (data, li.Model().vector("a"))
    assert again.inner.calls == []
    with pytest.raises(TypeError, match="inner"):
        li.CachedEmbedding.from_dict(data)
    with pytest.raises(IdentityError, match="not 'tests/m"):
        li.CachedEmbedding.from_dict(data, inner=li.Model(model_name="other"), store=place)


# -- hashes --------------------------------------------------------------------------------------------------------


def test_what_changes_no_vector_changes_no_hash(place):
    wrapper = embedonce.wrap(li.Plain(), place)
    before = key(wrapper)
    for name, value in {
        "embed_batch_size": 77,
        "num_workers": 3,
        "callback_manager": li.CallbackManager([]),
        "rate_limiter": li.Limiter(),
    }.items():
        setattr(wrapper, name, value)
    for name, value in {"api_key": "other", "timeout": 1.0, "max_retries": 9}.items():
        setattr(wrapper.inner, name, value)
    wrapper.get_text_embedding_batch(TEXTS)
    assert key(wrapper) == before
    for other in (
        embedonce.wrap(li.Plain(api_key="third", timeout=2.0), place.with_name("elsewhere"), mode="read_only"),
        embedonce.wrap(li.Plain(embed_batch_size=5), f"memory://{place.name}", batch_size=3, split_on_error=True),
        copy.deepcopy(wrapper),
        pickle.loads(pickle.dumps(wrapper)),
    ):
        assert key(other) == before


def test_what_changes_vectors_changes_the_hash(place):
    wrappers = [
        embedonce.wrap(li.Plain(), place),
        embedonce.wrap(li.Plain(model_name="other"), place),
        embedonce.wrap(li.Plain(dimensions=2), place),
        embedonce.wrap(li.Plain(extra="prefix"), place),
        embedonce.wrap(li.Plain(), place, version=2),
        embedonce.wrap(li.Plain(), place, namespace="mine"),
        embedonce.wrap(li.Plain(), place, namespace="mine", version=2),
        embedonce.wrap(li.Plain(), place, symmetric=True),
        embedonce.wrap(li.OwnConstructor("plain"), place),
    ]
    # Whether the roles are embedded alike does not matter for the vectors of texts.
    assert len({key(wrapper) for wrapper in wrappers}) == len(wrappers) - 1
    wrapper = wrappers[0]
    before = key(wrapper)
    wrapper.inner.dimensions = 1
    assert key(wrapper) != before


def test_models_that_cannot_be_identified_never_look_alike(place):
    wrapper = embedonce.wrap(li.Plain(), place)
    before = key(wrapper)
    wrapper.inner.embeddings_cache = li.SimpleKVStore()
    others = [wrapper, copy.deepcopy(wrapper), wrapper.model_copy(), embedonce.wrap(li.Plain(), place)]
    others[-1].inner.embeddings_cache = li.SimpleKVStore()
    keys = {before, *map(key, others)}
    wrapper.inner.model_name = "other"
    keys.add(key(wrapper))
    assert len(keys) == 6


# -- copies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda w: w.model_copy(), lambda w: w.model_copy(deep=True)]
)
def test_copies_share_the_cache(wrapper, copied):
    wrapper.get_text_embedding_batch(TEXTS)
    other = copied(wrapper)
    assert other.cache is wrapper.cache
    assert other.get_text_embedding_batch([*TEXTS, "d"]) == li.Model().vectors([*TEXTS, "d"])
    assert wrapper.get_text_embedding("d") == li.Model().vector("d")
    assert wrapper.inner.asked[: len(TEXTS)] == TEXTS
    assert [*wrapper.inner.asked, *other.inner.asked].count("d") in (1, 2)
    assert wrapper.cache.stats().embedded == 4


def test_a_deep_copy_may_become_another_model(wrapper, caplog):
    other = copy.deepcopy(wrapper)
    other.inner.model_name = "other"
    for _ in range(2):
        assert other.get_text_embedding("a") == li.Model(model_name="other").vector("a")
        assert wrapper.get_text_embedding("a") == li.Model().vector("a")
    assert wrapper.cache.stats().embedded == 2
    # The original has not changed since it was wrapped.
    assert caplog.messages == []


def test_a_copy_with_another_model_has_its_namespace(wrapper, caplog):
    wrapper.get_text_embedding("a")
    inner = li.Model(model_name="other", embed_batch_size=3)
    other = wrapper.model_copy(update={"inner": inner})
    assert other.inner is inner
    assert (other.namespace, other.model_name, other.embed_batch_size) == (
        inner.embedonce_identity.namespace,
        "other",
        3,
    )
    for _ in range(2):
        assert other.get_text_embedding("a") == inner.vector("a")
        assert wrapper.get_text_embedding("a") == li.Model().vector("a")
    assert (len(wrapper.inner.calls), len(inner.calls), caplog.messages) == (1, 1, [])


def test_a_copy_with_other_settings_leaves_the_original_alone(wrapper):
    other = wrapper.model_copy(update={"embed_batch_size": 3, "model_name": "other"})
    assert (other.inner.embed_batch_size, other.inner.model_name, other.model_name) == (3, "other", "other")
    assert (wrapper.inner.embed_batch_size, wrapper.inner.model_name) == (10, "m")
    assert other.get_text_embedding("a") == li.Model(model_name="other").vector("a")
    for update in ({"inner": wrapper}, {"inner": "m"}, {"embeddings_cache": li.SimpleKVStore()}, {"no_such_field": 1}):
        with pytest.raises((TypeError, ValueError)):
            wrapper.model_copy(update=update)


# -- pickles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Model", "MultiModalModel"])
def test_a_pickle_opens_the_same_place(place, name):
    make = getattr(li, name)
    wrapper = embedonce.wrap(make(embed_batch_size=4), place, version=3, batch_size=2)
    wrapper.get_text_embedding_batch(TEXTS)
    again = pickle.loads(pickle.dumps(wrapper))
    assert type(again) is type(wrapper)
    assert again.get_text_embedding_batch(TEXTS) == make().vectors(TEXTS)
    assert again.inner.calls == []
    assert (again.to_dict(), again.wrap_options, again.embed_batch_size) == (wrapper.to_dict(), wrapper.wrap_options, 4)
    assert again.cache.agrees_with(wrapper.cache)
    assert isinstance(again, li.CachedMultiModalEmbedding) == (name == "MultiModalModel")


@pytest.mark.parametrize(("name", "arguments"), [("Model", ()), ("OwnConstructor", ("m",))])
def test_pickling_takes_nothing_from_the_original(place, name, arguments):
    def make():
        return getattr(li, name)(*arguments)

    manager, tokens, _ = li.counting()
    wrapper = embedonce.wrap(make(), place)
    wrapper.callback_manager, wrapper.rate_limiter = manager, li.Limiter()
    before = {**wrapper.__dict__}, {**wrapper.inner.__dict__}
    again = pickle.loads(pickle.dumps(wrapper))
    assert (wrapper.__dict__, wrapper.inner.__dict__) == before
    assert wrapper.callback_manager is wrapper.inner.callback_manager is manager
    expected = make().get_text_embedding("a")
    assert again.get_text_embedding("a") == expected
    assert again.callback_manager is again.inner.callback_manager
    assert again.callback_manager.handlers == []
    assert isinstance(again.rate_limiter, li.Limiter)
    assert tokens.total_embedding_token_count == 0
    assert wrapper.get_query_embedding("one two") is not None
    assert tokens.total_embedding_token_count == 2


def test_a_pickled_model_of_openai_keeps_its_namespace(place):
    wrapper = embedonce.wrap(
        li.OpenAIEmbedding(model="text-embedding-3-large", dimensions=256, api_key=li.SECRET), place
    )
    again = pickle.loads(pickle.dumps(wrapper))
    assert again.namespace == wrapper.namespace
    assert again.inner.api_key == li.SECRET


@pytest.mark.soak
def test_a_spawned_process_and_a_fresh_interpreter_hit(wrapper):
    wrapper.get_text_embedding_batch(TEXTS)
    wrapper.get_query_embedding("a")
    model = li.Model()
    expected = ((model.vectors([*TEXTS, "new"]), model.vector("a", "query")), 4, ["new"])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(li.ask_in_new_process, (wrapper, [*TEXTS, "new"], "a")) == expected
    # What the process embedded is a hit in the next one.
    program = f"import sys; sys.path[:0] = {sys.path!r}; from llamaindex_support import answer_pickle; answer_pickle()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((wrapper, [*TEXTS, "new"], "a")),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert pickle.loads(done.stdout) == (expected[0], 5, [])
