"""Dictionaries, YAML, copies and pickles of the cached components: built again as they were, and without secrets."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from inspect import signature
from multiprocessing import get_context
from pathlib import Path

import fsspec
import pytest
import yaml
from fsspec.registry import _registry
from lazily import lazily

import embedonce
from embedonce import EmbeddingCache
from embedonce.stores.memory import MemoryStore

hs = lazily(
    "haystack",
    "haystack.components.embedders",
    "haystack.core.errors",
    "haystack.core.serialization",
    "haystack.utils",
    "haystack_support",
    "haystack_integrations.components.embedders.embedonce",
    "haystack_integrations.components.embedders.embedonce.wrapped",
)

MODULE = "haystack_integrations.components.embedders.embedonce"
EVERYTHING = {
    "namespace": "acme/e5@3",
    "version": 2,
    "symmetric": True,
    "batch_size": 7,
    "key_encoder": "blake2b",
    "mode": "refresh",
    "on_store_error": "raise",
    "text_safe": True,
    "split_on_error": True,
    "durability": "write_through",
    "refresh_interval": 5.0,
    "local_tier_bytes": 1 << 20,
}


def pipeline_of(*components):
    pipeline = hs.Pipeline()
    for number, each in enumerate(components):
        pipeline.add_component(f"c{number}", each)
    return pipeline


def allowing(*modules):
    """Options of `Pipeline.loads` for classes of somebody's own; before 3.0 it trusted every module."""
    return {"allowed_modules": modules} if "allowed_modules" in signature(hs.Pipeline.loads).parameters else {}


def round_trip(wrapped):
    return hs.component_from_dict(type(wrapped), hs.component_to_dict(wrapped, "c"), "c")


# -- dictionaries and YAML -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["Text", "Document"])
def test_every_argument_is_written_down(place, role):
    kind, inner = getattr(hs, f"Cached{role}Embedder"), getattr(hs, f"Mock{role}Embedder")
    options = dict(EVERYTHING)
    wrapped = kind(inner(dimension=3), place, **options, storage_options={"file_mode": 0o600})
    written = wrapped.to_dict()
    assert written["type"] == f"{MODULE}.{'text' if 'Text' in kind.__name__ else 'document'}_embedder.{kind.__name__}"
    told = {**written["init_parameters"]}
    assert told.pop("embedder") == inner(dimension=3).to_dict()
    assert told == {"store": str(place), **options, "storage_options": {"file_mode": 0o600}}
    before = copy.deepcopy(written)
    again = [kind.from_dict(written) for _ in range(2)]
    # A dictionary can be loaded any number of times.
    assert written == before == again[0].to_dict() == again[1].to_dict()
    assert again[0].wrap_options == wrapped.wrap_options
    assert again[0].cache.agrees_with(wrapped.cache)
    assert again[0].namespace == wrapped.namespace


def test_what_is_not_said_is_not_written(place, monkeypatch):
    monkeypatch.setenv("EMBEDONCE_STORE", str(place))
    wrapped = hs.CachedTextEmbedder(hs.MockTextEmbedder())
    assert list(wrapped.to_dict()["init_parameters"]) == ["embedder"]
    # The place is that of the process that loads it.
    monkeypatch.setenv("EMBEDONCE_STORE", str(place) + "2")
    hs.CachedTextEmbedder.from_dict(wrapped.to_dict()).run("a")
    assert not place.exists() or not list(place.iterdir())


def test_text_fn_is_written_down(place):
    wrapped = hs.CachedDocumentEmbedder(hs.MockDocumentEmbedder(), place, text_fn=hs.content_only)
    assert wrapped.to_dict()["init_parameters"]["text_fn"] == "haystack_support.content_only"
    text = pipeline_of(wrapped).dumps()
    loaded = hs.Pipeline.loads(text, **allowing("haystack_support"))
    assert loaded.dumps() == text
    assert loaded.get_component("c0").namespace == wrapped.namespace
    # Like any function in such a file.
    with pytest.raises(hs.DeserializationError, match="haystack_support"):
        hs.Pipeline.loads(text)


def test_components_without_to_dict(place):
    """Ollama's and those that users write have none; Haystack writes their attributes down."""
    from haystack_integrations.components.embedders.ollama import OllamaTextEmbedder

    for inner in (hs.Queries(model="x"), hs.Plain(prefix="p"), OllamaTextEmbedder(generation_kwargs={"seed": 1})):
        wrapped = embedonce.wrap(inner, place)
        text = pipeline_of(wrapped).dumps()
        again = hs.Pipeline.loads(text, **allowing("haystack_support"))
        assert again.dumps() == text
        assert again.get_component("c0").namespace == wrapped.namespace


def test_wrapped_by_wrap_with_a_path_or_a_cache(place):
    options = {"key_encoder": "sha512", "mode": "read_only", "local_tier": False}
    url = f"memory://{place.name}/x"
    for wrapped in (
        embedonce.wrap(hs.MockTextEmbedder(), place, version=3, **options),
        embedonce.wrap(hs.MockTextEmbedder(), EmbeddingCache(str(place), **options), version=3),
        EmbeddingCache(place, **options).wrap(hs.MockTextEmbedder(), version=3),
        embedonce.wrap(hs.MockTextEmbedder(), url, version=3, **options),
    ):
        written = wrapped.to_dict()["init_parameters"]
        place_written = written.pop("store")
        assert place_written in (str(place), url)
        assert {name: value for name, value in written.items() if name != "embedder"} == {
            "version": 3,
            "key_encoder": "sha512",
            "mode": "read_only",
        }
        again = round_trip(wrapped)
        assert again.cache.agrees_with(wrapped.cache)


def test_stores_that_cannot_be_written_down(place):
    held = [MemoryStore(), (fsspec.filesystem("file"), str(place)), EmbeddingCache(MemoryStore())]
    for store in held:
        wrapped = embedonce.wrap(hs.MockTextEmbedder(dimension=3), store)
        assert len(wrapped.run("a")["embedding"]) == 3
        with pytest.raises(ValueError, match=r"store is a .*path or URL"):
            wrapped.to_dict()
        with pytest.raises(Exception, match="store is a"):
            pipeline_of(wrapped).dumps()
    wrapped = embedonce.wrap(hs.MockTextEmbedder(), place, key_encoder=str.upper)
    with pytest.raises(ValueError, match="key_encoder is a method_descriptor"):
        wrapped.to_dict()


def test_yaml_is_the_same_after_each_round(place):
    pipeline = pipeline_of(
        hs.CachedDocumentEmbedder(hs.MockDocumentEmbedder(dimension=3, prefix="p"), place, **EVERYTHING),
        hs.CachedTextEmbedder(hs.MockTextEmbedder(dimension=3), f"memory://{place.name}/y", mode="read_only"),
        embedonce.wrap(hs.OpenAITextEmbedder(api_key=hs.Secret.from_env_var("MY_KEY", strict=False)), place),
    )
    first = pipeline.dumps()
    second = hs.Pipeline.loads(first).dumps()
    assert first == second == hs.Pipeline.loads(second).dumps()
    assert yaml.safe_load(first) == pipeline.to_dict()


def test_yaml_is_trusted_in_a_fresh_process(place):
    pipeline = pipeline_of(
        hs.CachedDocumentEmbedder(hs.MockDocumentEmbedder(dimension=3), place),
        hs.CachedTextEmbedder(hs.MockTextEmbedder(dimension=3), place),
    )
    answer = pipeline.run({"c0": {"documents": hs.documents("a")}, "c1": {"text": "b"}})
    file = place.with_suffix(".yaml")
    file.write_text(pipeline.dumps())
    program = """
import sys
from haystack import Document, Pipeline
from haystack.components.embedders import mock_document_embedder, mock_text_embedder
pipeline = Pipeline.loads(open(sys.argv[1]).read())
for module in (mock_document_embedder, mock_text_embedder):
    module._deterministic_embedding = None
answer = pipeline.run({"c0": {"documents": [Document(content="a")]}, "c1": {"text": "b"}})
print(answer["c0"]["documents"][0].embedding, answer["c1"]["embedding"], sep="\\n")
print(pipeline.dumps() == open(sys.argv[1]).read())
"""
    expected = [hs.vectors_of(answer["c0"])[0], answer["c1"]["embedding"]]
    assert hs.in_new_process(program, file).splitlines() == [*map(repr, expected), "True"]


# -- super components ----------------------------------------------------------------------------------------------


def test_inside_a_super_component(place):
    inside = hs.SuperComponent(pipeline_of(embedonce.wrap(hs.MockTextEmbedder(dimension=3), place)))
    again = hs.SuperComponent.from_dict(inside.to_dict())
    assert again.to_dict() == inside.to_dict()
    assert inside.run(text="a")["embedding"] == again.run(text="a")["embedding"]
    inner = again.pipeline.get_component("c0")
    assert isinstance(inner, hs.CachedTextEmbedder)
    assert inner.cache.stats().hits > 0


@pytest.mark.parametrize("is_async", [False, True])
async def test_around_a_super_component(place, is_async):
    def make(**options):
        inner = hs.MockDocumentEmbedder(dimension=3, **options)
        pipeline = pipeline_of(inner)
        return hs.SuperComponent(pipeline, output_mapping={"c0.documents": "documents"}), hs.watch(inner)

    for options, right in (({}, 1), ({}, 0), ({"prefix": "p"}, 1), ({}, 0)):
        outside, calls = make(**options)
        wrapped = embedonce.wrap(outside, place)
        given = hs.documents("a", meta={"page": 1})
        answer = await wrapped.run_async(given) if is_async else wrapped.run(given)
        assert hs.vectors_of(answer) == hs.vectors_of(
            hs.MockDocumentEmbedder(dimension=3, **options).run(hs.documents("a"))
        )
        assert len(calls) == right
        assert round_trip(wrapped).to_dict() == wrapped.to_dict()
        assert round_trip(wrapped).namespace == wrapped.namespace


# -- secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["OpenAITextEmbedder", "OpenAIDocumentEmbedder", "AzureOpenAIDocumentEmbedder"])
def test_a_token_of_the_component_inside(place, name):
    kind = getattr(hs, name)
    options = {"azure_endpoint": "https://x.test"} if name == "AzureOpenAIDocumentEmbedder" else {}
    wrapped = embedonce.wrap(kind(api_key=hs.Secret.from_token(hs.SECRET), **options), place)
    with pytest.raises(ValueError, match="token-based secret"):
        wrapped.to_dict()
    assert hs.SECRET not in f"{wrapped!r} {wrapped.namespace} {wrapped.identity!r}"
    named = embedonce.wrap(kind(api_key=hs.Secret.from_env_var("MY_KEY"), **options), place)
    assert named.namespace == wrapped.namespace
    # OpenAI's `from_dict` changes what it is given, and ours may be called with it again.
    written = named.to_dict()
    for _ in range(2):
        assert type(named).from_dict(written).embedder.api_key == hs.Secret.from_env_var("MY_KEY")
        assert written == named.to_dict()


@pytest.fixture
def needs_password(monkeypatch):
    """A file system that opens for those with the right password only."""
    from fsspec.implementations.memory import MemoryFileSystem

    class Guarded(MemoryFileSystem):
        protocol = "guarded"
        store, pseudo_dirs = {}, [""]

        def __init__(self, secret=None, nested=None, **options):
            if (secret, nested) != (hs.SECRET, {"password": hs.SECRET}):
                msg = "wrong password"
                raise PermissionError(msg)
            super().__init__(**options)

    monkeypatch.setitem(_registry, "guarded", Guarded)
    return "guarded://bucket/cache"


def test_secrets_in_storage_options(needs_password, monkeypatch):
    monkeypatch.setenv("MY_SECRET", hs.SECRET)
    named, token = hs.Secret.from_env_var("MY_SECRET"), hs.Secret.from_token(hs.SECRET)
    for secret in (named, token):
        options = {"secret": secret, "nested": {"password": secret}}
        for kind, inner in ((hs.CachedTextEmbedder, hs.Queries()), (hs.CachedDocumentEmbedder, hs.Plain())):
            wrapped = kind(inner, needs_password, storage_options=options)
            asked(wrapped)
            wrapped.cache.flush()
            again = kind(type(inner)(), needs_password, storage_options=options)
            asked(again)
            assert again.embedder._calls == []
            assert hs.SECRET not in f"{wrapped!r} {wrapped.cache!r} {wrapped.namespace}"
            assert hs.SECRET.encode() not in pickle.dumps(wrapped)
            if secret is token:
                with pytest.raises(ValueError, match="token"):
                    wrapped.to_dict()
            else:
                assert hs.SECRET not in f"{wrapped.to_dict()}"
                assert wrapped.to_dict()["init_parameters"]["storage_options"]["secret"] == named.to_dict()
    options = {"secret": named, "nested": {"password": named}}
    text = pipeline_of(hs.CachedTextEmbedder(hs.MockTextEmbedder(), needs_password, storage_options=options)).dumps()
    assert hs.SECRET not in text
    loaded = hs.Pipeline.loads(text)
    assert len(loaded.run({"c0": {"text": "a"}})["c0"]["embedding"]) > 0
    assert loaded.dumps() == text
    monkeypatch.delenv("MY_SECRET")
    with pytest.raises(Exception, match="MY_SECRET"):
        hs.Pipeline.loads(text)


def test_secrets_in_clear_are_not_written_down(needs_password, monkeypatch):
    options = {"secret": hs.SECRET, "nested": {"password": hs.SECRET}}
    mixed = {**options, "secret": hs.Secret.from_env_var("MY_SECRET")}
    monkeypatch.setenv("MY_SECRET", hs.SECRET)
    wrapped = hs.CachedTextEmbedder(hs.Queries(), needs_password, storage_options=options)
    wrapped.run("a")
    for each, option in (
        (wrapped, "secret"),
        (embedonce.wrap(hs.Queries(), needs_password, storage_options=options), "secret"),
        (hs.CachedTextEmbedder(hs.Queries(), needs_password, storage_options=mixed), "password"),
    ):
        with pytest.raises(ValueError, match=option) as raised:
            each.to_dict()
        assert hs.SECRET not in str(raised.value)
        assert hs.SECRET.encode() not in pickle.dumps(each)
        # What a pickle leaves out is missing afterwards.
        with pytest.raises(ValueError, match=option):
            pickle.loads(pickle.dumps(each)).to_dict()
    with pytest.raises(ValueError, match=r"Secret\.from_env_var"):
        wrapped.to_dict()


def test_a_url_with_a_password_is_not_written_down(place):
    url = f"https://user:{hs.SECRET}@127.0.0.1:9/cache"
    cache = EmbeddingCache(url, mode="off")
    for wrapped in (
        hs.CachedTextEmbedder(hs.MockTextEmbedder(), url, mode="off"),
        hs.CachedTextEmbedder(hs.MockTextEmbedder(), cache),
    ):
        with pytest.raises(ValueError, match="password") as raised:
            wrapped.to_dict()
        assert hs.SECRET not in str(raised.value)


# -- copies and pickles --------------------------------------------------------------------------------------------


def wrappers(place):
    return [
        embedonce.wrap(hs.MockDocumentEmbedder(dimension=3), place, version=3, batch_size=2),
        hs.CachedTextEmbedder(hs.MockTextEmbedder(dimension=3), place, namespace="mine"),
        hs.CachedDocumentEmbedder(hs.Plain(), place, text_fn=hs.content_only),
    ]


def asked(wrapped):
    return wrapped.run(**{wrapped._INPUT: hs.documents("a", "b") if wrapped._INPUT == "documents" else "a"})


def asked_elsewhere(wrapped):
    calls = hs.watch(wrapped.embedder)
    return asked(wrapped)[wrapped._OUTPUT], len(calls)


def pickled(wrapped):
    return pickle.loads(pickle.dumps(wrapped))


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, pickled, round_trip])
def test_a_copy_opens_the_same_place(place, copied):
    for wrapped in wrappers(place):
        expected = asked(wrapped)
        again = copied(wrapped) if copied is not round_trip or wrapped._text_fn is None else copy.deepcopy(wrapped)
        assert type(again) is type(wrapped)
        calls = hs.watch(again.embedder)
        assert asked(again)[wrapped._OUTPUT] == expected[wrapped._OUTPUT]
        assert calls == []
        assert (again.namespace, again.wrap_options) == (wrapped.namespace, wrapped.wrap_options)
        assert again.cache.agrees_with(wrapped.cache)
        assert again.to_dict() == wrapped.to_dict()
        # It can be part of a pipeline.
        assert pipeline_of(again).inputs() == pipeline_of(wrapped).inputs()


def test_changing_a_copy_does_not_change_the_original(place):
    wrapped = embedonce.wrap(hs.MockTextEmbedder(dimension=3), place)
    again = copy.deepcopy(wrapped)
    again.embedder.dimension = 5
    assert [len(each.run("a")["embedding"]) for each in (wrapped, again, wrapped)] == [3, 5, 3]


def test_a_process_gets_a_pickle(place):
    made = wrappers(place)
    expected = [asked(wrapped)[wrapped._OUTPUT] for wrapped in made]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        answers = list(pool.map(asked_elsewhere, made))
    assert answers == [(each, 0) for each in expected]


def test_copies_keep_their_secrets(needs_password):
    """They stay in this process, and have to open what the original opens."""
    options = {"secret": hs.Secret.from_token(hs.SECRET), "nested": {"password": hs.Secret.from_token(hs.SECRET)}}
    wrapped = hs.CachedDocumentEmbedder(hs.MockDocumentEmbedder(dimension=3), needs_password, storage_options=options)
    asked(wrapped)
    wrapped.cache.flush()
    for copied in (copy.deepcopy, copy.copy):
        again = copied(wrapped)
        assert asked(again)["meta"]["usage"]["total_tokens"] == 0
        with pytest.raises(ValueError, match="token"):
            again.to_dict()


def test_no_module_above_the_package_is_taken():
    """Haystack's other packages share the namespace."""
    import haystack_integrations
    from haystack_integrations.components.embedders import embedonce as package

    assert getattr(haystack_integrations, "__file__", None) is None
    assert Path(package.__file__).with_name("py.typed").exists()
    assert {hs.CachedTextEmbedder.__module__, hs.CachedDocumentEmbedder.__module__} == {
        f"{MODULE}.text_embedder",
        f"{MODULE}.document_embedder",
    }


def test_a_secret_under_any_name_is_not_pickled(place, monkeypatch):
    """Its value is known to the cache, whatever its name is."""
    monkeypatch.setenv("MY_SECRET", hs.SECRET)
    for secret in (hs.Secret.from_env_var("MY_SECRET"), hs.Secret.from_token(hs.SECRET)):
        options = {"username": secret, "nested": {"user": secret}}
        wrapped = hs.CachedTextEmbedder(hs.Queries(), f"memory://{place}", storage_options=options)
        wrapped.run("a")
        assert hs.SECRET.encode() not in pickle.dumps(wrapped)
        assert hs.SECRET not in f"{wrapped!r}{wrapped.cache!r}{wrapped.cache.store!r}"


def test_usage_is_added_up_and_nothing_else():
    metas = [{"model": "m", "dim": 3, "usage": {"total_tokens": 2}, "total_tokens": 1} for _ in range(2)]
    assert hs.together(metas) == {"model": "m", "dim": 3, "usage": {"total_tokens": 4}, "total_tokens": 2}
