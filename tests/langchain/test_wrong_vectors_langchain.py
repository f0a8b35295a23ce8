"""Each way in which LangChain's cache returned a wrong vector, lost data or never hit, shown not to happen here.

| row | what happens in LangChain or its providers |
| --- | --- |
| 1 | two models in one store share entries |
| 3 | the same model with another dimension is served |
| 5 | two deployments or endpoints that report one model name share entries |
| 6 | a query is served a document's vector, or the reverse |
| 8 | settings that change vectors are not part of what names them |
| 10 | two classes of one name count as one |
| 12 | a prefix or an instruction is ignored |
| 14 | call arguments change the vector and not the key |
| 16 | the vector depends on the other texts of the call |
| 18 | two inputs are joined to one key |
| 23 | operational settings and secrets change the key |
| 24 | keys drift between versions |
| 25 | a text that cannot be encoded fails the call |
| 26, 27, 28 | too few vectors, one for all texts, too many |
| 29 | a bad vector is left out and the rest shift |
| 37 | empty, non-finite or missing vectors are stored |
| 38 | changing a returned list changes the cache |
| 39 | a hit differs from a miss in type or digits |
| 41 | one damaged entry fails every call with its text |
| 42 | a store that decodes what it keeps cannot be used |
| 45 | queries are not cached without anybody saying so |
| 46 | an empty store counts as none |
| 47, 48, 49, 50 | a path that never hits, entries of several texts, duplicates paid, concurrent misses paid |
| 55 | the event loop is blocked |
| 56, 57 | a failure loses what was paid |
| 58, 59 | torn reads, and a file that vanishes |
| 61, 62 | worker processes lose writes, and pickling damages the original |
| 66 | deleting touches more than was asked for |
| 68 | a model's name is illegal in the store |
| 69 | one write holds a key twice |
| 70 | bad options are found late |
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import multiprocessing
import pickle
import sys
import threading
from types import ModuleType

import numpy as np
import pytest
from langchain_classic.storage import LocalFileStore
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.stores import InMemoryByteStore, InMemoryStore
from langchain_openai import AzureOpenAIEmbeddings, OpenAIEmbeddings
from langchain_support import (
    LIMIT,
    BoomError,
    Decoding,
    Faulty,
    Held,
    Lane,
    Model,
    OnlyUnique,
    Plain,
    Scripted,
    Sized,
    SizedLists,
    Stranger,
    Worker,
    documents,
    is_plain,
    query,
    text_itself,
)

import embedonce
from embedonce import EmbedderContractError, EmbeddingCache, IdentityError, KeyEncoderError, StoreError
from embedonce.codecs import Envelope
from langchain_embedonce import CacheBackedEmbeddings, FsspecByteStore

SECRET = "s3cr3t-0123456789"
TEXTS = ["a", "b", "", "ünï\ncode", "a\x00b", "-query", "a-query", "x" * 300]


def from_bytes_store(embedder, store, **options):
    return CacheBackedEmbeddings.from_bytes_store(embedder, store, **{"key_encoder": "sha256", **options})


class Deployed(OpenAIEmbeddings):
    """A subclass with a field of its own that is named like something we know of its base."""

    endpoint: str


def openai(**settings):
    return OpenAIEmbeddings(**{"model": "text-embedding-3-small", "api_key": SECRET, **settings})


def azure(deployment):
    return AzureOpenAIEmbeddings(
        azure_endpoint="https://r.openai.azure.com/", azure_deployment=deployment, api_key=SECRET
    )


def _kind(value):
    """The same in every process, unlike a repr with an address."""
    return (
        f"{type(value).__name__} {value}"
        if isinstance(value, str | int | list | dict) and "object" not in str(value)
        else type(value).__name__
    )


# -- A. Identity ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"namespace": "shared"}], ids=["no namespace", "one namespace"])
async def test_row_01_two_models_in_one_store_keep_their_vectors(named_lane, options, way):
    if named_lane.name.startswith("wrap") or named_lane.name == "identity-keys":
        options = {}
    one, other = Model("one"), Model("other")
    for _ in range(3):
        for model in (one, other):
            assert await documents(way, named_lane.cached(model, **options), TEXTS) == model.documents(TEXTS)
            assert await query(way, named_lane.cached(model, **options), "a") == model.query("a")


def test_row_01_an_embedder_that_nobody_can_tell_from_another_is_refused(tmp_path):
    stranger = Stranger(lambda text: [1.0])
    for build in (
        lambda: embedonce.wrap(stranger, tmp_path / "a"),
        lambda: from_bytes_store(stranger, InMemoryByteStore()),
        lambda: from_bytes_store(stranger, tmp_path / "b"),
    ):
        with pytest.raises(IdentityError, match="namespace="):
            build()


def test_row_01_a_namespace_tells_apart_what_cannot_be_identified(tmp_path):
    for place in (tmp_path, InMemoryByteStore()):
        for number in (1.0, 2.0, 1.0, 2.0):
            stranger = Stranger(lambda text, number=number: [number])
            cached = from_bytes_store(stranger, place, namespace=f"model {number}")
            assert cached.embed_documents(["a"]) == [[number]]


def test_row_01_a_stranger_behind_a_cache_of_its_own_stays_a_stranger(tmp_path):
    """The inner wrapper was told nothing of the model, so it must not vouch for it before another cache."""
    inner = [
        CacheBackedEmbeddings(Stranger(len), InMemoryStore()),
        from_bytes_store(Stranger(len), InMemoryByteStore(), key_encoder=text_itself),
        from_bytes_store(Stranger(len), InMemoryByteStore(), namespace="prod"),
    ]
    for wrapper in inner:
        assert wrapper.embedonce_identity is None
        with pytest.raises(IdentityError):
            from_bytes_store(wrapper, tmp_path)
    named = embedonce.wrap(Stranger(len), tmp_path / "named", namespace="acme/e5@3")
    assert named.embedonce_identity == named.identity


@pytest.mark.parametrize("order", [(3, 5), (5, 3)])
def test_row_03_another_dimension_is_another_entry(named_lane, order):
    options = {} if named_lane.name == "identity-keys" else {"namespace": "m"}
    if named_lane.name.startswith("wrap"):
        options = {}
    for dimensions in order * 2:
        model = Model("m", dimensions)
        assert named_lane.cached(model, **options).embed_documents(TEXTS) == model.documents(TEXTS)


def test_row_03_langchains_recipe_with_the_models_name_as_namespace(tmp_path):
    """`namespace=embedder.model` says nothing of `dimensions`."""
    for place in (tmp_path / "path", InMemoryByteStore(), LocalFileStore(tmp_path / "files")):
        spaces = {
            from_bytes_store(each, place, namespace=each.model).namespace for each in (openai(), openai(dimensions=256))
        }
        assert len(spaces) == 2


def test_row_05_two_deployments_that_report_one_model(tmp_path):
    one, other = azure("prod-3-large"), azure("prod-ada")
    assert one.model == other.model
    for place in (tmp_path / "path", InMemoryByteStore()):
        spaces = {from_bytes_store(each, place, namespace=each.model).namespace for each in (one, other)}
        assert len(spaces) == 2
    assert len({embedonce.wrap(each, tmp_path / "wrap").namespace for each in (one, other)}) == 2


def test_row_05_two_servers_with_one_model(tmp_path, monkeypatch):
    spaces = {embedonce.wrap(openai(base_url=url), tmp_path).namespace for url in ("http://a/v1", "http://b/v1")}
    monkeypatch.setenv("OPENAI_BASE_URL", "http://c/v1")
    spaces.add(embedonce.wrap(openai(), tmp_path).namespace)
    monkeypatch.delenv("OPENAI_BASE_URL")
    spaces.add(embedonce.wrap(openai(), tmp_path).namespace)
    assert len(spaces) == 4


@pytest.mark.parametrize("first", ["document", "query"])
async def test_row_06_roles_are_kept_apart_in_one_store(lane, first, way):
    model = Model()
    for _ in range(2):
        cached = lane.cached(model)
        for text in TEXTS:
            if first == "document":
                assert await documents(way, cached, [text]) == [model.document(text)]
            assert await query(way, cached, text) == model.query(text)
            assert await documents(way, cached, [text]) == [model.document(text)]
    assert await documents(way, lane.cached(model), TEXTS) == model.documents(TEXTS)


async def test_row_06_roles_are_kept_apart_while_both_are_in_flight(lane):
    """With keys that are the texts themselves, the query `x` has the key of the document `x-query`."""
    model = Held()
    cached = lane.cached(model)
    asked_query = Worker(cached.embed_query, "x")
    assert model.started.wait(LIMIT)
    model.started.clear()
    asked_documents = Worker(cached.embed_documents, ["x-query", "x"])
    assert model.started.wait(LIMIT), "the documents wait for the query"
    model.release.set()
    assert asked_query.result() == model.query("x")
    assert asked_documents.result() == [model.document("x-query"), model.document("x")]


def test_row_06_two_encoders_around_one_store():
    """LangChain's constructor takes stores whose values are in one place, although they are two objects."""
    from langchain_classic.storage.encoder_backed import EncoderBackedStore

    place = InMemoryByteStore()

    def store():
        return EncoderBackedStore(place, text_itself, lambda value: json.dumps(value).encode(), json.loads)

    model = Model()
    for _ in range(2):
        cached = CacheBackedEmbeddings(model, store(), query_embedding_store=store())
        assert cached.embed_documents(["a"]) == [model.document("a")]
        assert cached.embed_query("a") == model.query("a")
    assert len(model.calls) == 2


@pytest.mark.parametrize("kind", [LocalFileStore, FsspecByteStore])
def test_row_06_two_stores_on_one_path_keep_both_roles(tmp_path, kind):
    """Under one key each role would overwrite the other, and none would ever hit."""
    model = Model()
    for path in (str(tmp_path), tmp_path / ".." / tmp_path.name):
        cached = from_bytes_store(model, kind(tmp_path), query_embedding_cache=kind(path))
        assert cached.embed_documents(["a"]) == [model.document("a")]
        assert cached.embed_query("a") == model.query("a")
    assert len(model.calls) == 2


def test_row_06_arguments_may_end_the_symmetry(lane):
    """Both roles are embedded alike, until an argument says what the text is for."""

    class Instructed(Model):
        def query(self, text, **arguments):
            return self._vector("query" if arguments else "document", text, arguments)

    model = Instructed(symmetric=True)
    cached = lane.cached(model)
    for _ in range(2):
        assert cached.embed_documents(["a"], task="t") == model.documents(["a"], task="t")
        assert cached.embed_query("a", task="t") == model.query("a", task="t")
        assert cached.embed_query("a") == model.query("a") == model.document("a")


def test_row_06_a_symmetric_model_shares_entries(named_lane):
    model = Model(symmetric=True)
    cached = named_lane.cached(model)
    assert cached.embed_documents(["a"]) == [cached.embed_query("a")] == [model.document("a")]
    assert model.asked == ["a"]


@pytest.mark.parametrize(
    "settings",
    [
        {"encode_kwargs": {"normalize_embeddings": True}},
        {"model_kwargs": {"revision": "abc"}},
        {"encode_kwargs": {"truncate_dim": 64}},
        {"query_encode_kwargs": {"prompt": "query: "}},
    ],
    ids=str,
)
def test_row_08_no_setting_of_the_model_is_hidden(settings):
    from langchain_huggingface import HuggingFaceEmbeddings

    defaults = {"model_kwargs": {}, "encode_kwargs": {}, "query_encode_kwargs": {}, "multi_process": False}
    plain = HuggingFaceEmbeddings.model_construct(model_name="org/m", **defaults)
    special = HuggingFaceEmbeddings.model_construct(model_name="org/m", **{**defaults, **settings})
    store = InMemoryByteStore()
    spaces = {from_bytes_store(each, store, namespace="org/m").namespace for each in (plain, special)}
    assert len(spaces) == 2


def test_row_10_two_classes_of_one_name(tmp_path, monkeypatch):
    spaces = set()
    for name in ("acme_one", "acme_other"):
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        module.Embedder = type("Embedder", (Plain,), {"__module__": name})
        spaces.add(embedonce.wrap(module.Embedder("m"), tmp_path).namespace)
    assert len(spaces) == 2


def test_row_12_a_prefix_is_part_of_the_identity(tmp_path):
    for _ in range(2):
        for prefix in ("passage: ", "query: ", ""):
            plain = Plain("m", prefix=prefix)
            assert embedonce.wrap(plain, tmp_path).embed_documents(["a"]) == plain.embed_documents(["a"])


@pytest.mark.parametrize("value", ["query", None, "", 3, 3.0, True, False, 0])
async def test_row_14_call_arguments_that_change_vectors_have_entries_of_their_own(lane, value, way):
    model = Model()
    for _ in range(2):
        cached = lane.cached(model)
        assert await documents(way, cached, ["a"]) == model.documents(["a"])
        assert await documents(way, cached, ["a"], task=value) == model.documents(["a"], task=value)
        assert await query(way, cached, "a") == model.query("a")
        assert await query(way, cached, "a", task=value) == model.query("a", task=value)
    assert len(model.calls) == 4, "each of them is a hit the second time"


def test_row_14_arguments_that_only_look_alike(lane):
    model = Model()
    cached = lane.cached(model)
    for _ in range(2):
        for value in ("1", 1, 1.0, True, None, ""):
            assert cached.embed_documents(["a"], task=value) == model.documents(["a"], task=value)
    assert len(model.calls) == 6


async def test_row_14_one_value_per_text_goes_past_the_cache(lane, way, caplog):
    class Titled(Model):
        def documents(self, texts, titles):
            return [self.document(text, title=title) for text, title in zip(texts, titles, strict=True)]

    model = Titled()
    cached = lane.cached(model)
    for _ in range(2):
        for titles in (["t", "u"], ["u", "t"]):
            answer = await documents(way, cached, ["a", "b"], titles=titles)
            assert answer == [model.document("a", title=titles[0]), model.document("b", title=titles[1])]
    assert len(model.calls) == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"], "once"
    assert "titles" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", {"a": ["b"]}, {1: "a"}, ("a",), np.float32(1)])
def test_row_14_values_that_cannot_be_written_down_go_past_the_cache(value):
    class Odd(Model):
        def documents(self, texts, odd):
            return [[7.0]] * len(texts)

    model = Odd()
    cached = from_bytes_store(model, InMemoryByteStore())
    assert cached.embed_documents(["a"], odd=value) == cached.embed_documents(["a"], odd=value) == [[7.0]]
    assert len(model.calls) == 2


async def test_row_14_plain_dictionaries_are_part_of_the_key(way):
    class Optional(Model):
        def documents(self, texts, options=None):
            return [[float(len(options or {})), float((options or {}).get("n", 0))] for _ in texts]

    model = Optional()
    cached = from_bytes_store(model, InMemoryByteStore())
    for _ in range(2):
        for options in ({"n": 1}, {"n": 2}, {"n": 2, "m": {"deep": True}}):
            (vector,) = await documents(way, cached, ["a"], options=options)
            assert vector == [float(len(options)), float(options["n"])]
    assert len(model.calls) == 3


def test_row_14_a_call_that_goes_past_the_cache_cannot_be_replayed(tmp_path):
    """Replaying promises that nothing is embedded."""
    model = Model()
    embedonce.wrap(model, tmp_path).embed_documents(["a"])
    replayed = embedonce.wrap(model, tmp_path, mode="replay")
    assert replayed.embed_documents(["a"]) == model.documents(["a"])
    with pytest.raises(embedonce.CacheMissError, match="titles"):
        replayed.embed_documents(["a"], titles=["t"])
    assert len(model.calls) == 1


async def test_row_16_contextualised_models_go_past_the_cache(caplog, way):
    calls = []

    class VoyageAIEmbeddings(Embeddings):
        model = "voyage-context-3"

        def embed_documents(self, texts):
            calls.append(texts)
            return [[float(len(texts))] for _ in texts]

        def embed_query(self, text):
            return self.embed_documents([text])[0]

    VoyageAIEmbeddings.__module__ = "langchain_voyageai.embeddings"
    cached = from_bytes_store(VoyageAIEmbeddings(), InMemoryByteStore())
    assert await documents(way, cached, ["a"]) == [[1.0]]
    assert await documents(way, cached, ["a", "b"]) == [[2.0], [2.0]]
    assert len(calls) == 2
    assert len(caplog.records) == 1
    with pytest.raises(IdentityError):
        _ = cached.identity


@pytest.mark.parametrize("field", ["version", "namespace", "call", "class", "averaged_beyond"])
def test_row_08_a_field_is_not_replaced_by_what_the_user_says(tmp_path, field):
    """A class may well have a field `version`, and be wrapped with `version=` besides."""
    said = {"version": 7} if field == "version" else {}
    for value in ("1", "2"):
        plain = Plain("m", **{field: value})
        assert embedonce.wrap(plain, tmp_path, **said).embed_documents(["a"]) == plain.embed_documents(["a"])
        store = InMemoryByteStore()
        from_bytes_store(plain, store).embed_documents(["a"])
        assert list(store.yield_keys()) == [hashlib.sha256(b"a").hexdigest()], "and leaves LangChain's keys alone"


def test_row_08_a_field_of_a_subclass_does_not_replace_one_of_its_base(tmp_path):
    spaces = {
        embedonce.wrap(Deployed(model="m", api_key=SECRET, base_url=url, endpoint="blue"), tmp_path).namespace
        for url in ("http://a/v1", "http://b/v1")
    }
    assert len(spaces) == 2


# -- B. Keys -------------------------------------------------------------------------------------------------------


def test_row_18_keys_that_a_users_encoder_lets_collide_are_misses_at_worst():
    """The key of a query or of a call with arguments ends in a suffix, which a text may end in as well."""
    model = Model()
    cached = from_bytes_store(model, InMemoryByteStore(), key_encoder=text_itself, query_embedding_cache=True)
    call = hashlib.sha256(b'{"task":"t"}').hexdigest()[:16]
    texts = ["x", "x-query", f"x-{call}", f"x-{call}-query"]
    for _ in range(3):
        for text in texts:
            assert cached.embed_query(text) == model.query(text)
            assert cached.embed_documents([text], task="t") == model.documents([text], task="t")
            assert cached.embed_query(text, task="t") == model.query(text, task="t")
            assert cached.embed_documents([text]) == [model.document(text)]
        assert cached.embed_documents(texts) == model.documents(texts)


def test_row_18_their_document_whose_key_is_that_of_a_query_of_ours():
    """Its value does not say its role, so only a document may have it."""
    model, store = Model(), InMemoryByteStore()
    store.mset([("x-query", json.dumps(model.document("x-query")).encode())])
    cached = from_bytes_store(model, store, key_encoder=text_itself, query_embedding_cache=True)
    assert cached.embed_query("x") == model.query("x")
    assert cached.embed_documents(["x-query"]) == [model.document("x-query")]


def test_row_18_texts_that_look_like_our_marks_in_a_store_of_lists():
    model = Model()
    store = InMemoryStore()
    cached = CacheBackedEmbeddings(model, store, query_embedding_store=store)
    texts = ["x", "\0embedonce:query\0x", "\0embedonce:document\0x", '\0embedonce:document:{"task":"t"}\0x']
    for _ in range(2):
        for text in texts:
            assert cached.embed_query(text) == model.query(text)
            assert cached.embed_documents([text], task="t") == model.documents([text], task="t")
        assert cached.embed_documents(texts) == model.documents(texts)


@pytest.mark.parametrize("answer", [None, 5, b"key", ["key"]], ids=repr)
def test_row_18_an_encoder_that_answers_with_no_key_is_refused(answer):
    """A function without `return` would give all texts one key."""
    with pytest.raises(KeyEncoderError, match="must be a str"):
        from_bytes_store(Model(), InMemoryByteStore(), key_encoder=lambda text: answer)


def test_row_18_an_encoder_that_answers_with_no_key_later_on_is_refused_then():
    model = Model()
    cached = from_bytes_store(model, InMemoryByteStore(), key_encoder=lambda text: None if text == "a" else text)
    with pytest.raises(KeyEncoderError, match="must be a str"):
        cached.embed_documents(["a", "b"])
    assert model.calls == []


def test_row_18_texts_are_not_normalised(lane):
    model = Model()
    texts = ["\u00e9", "e\u0301", "\u00c9", " \u00e9", "\u00e9 "]
    assert lane.cached(model).embed_documents(texts) == model.documents(texts)
    assert lane.cached(model).embed_documents(texts) == model.documents(texts)
    assert model.asked == texts


def test_row_23_operational_settings_and_secrets_do_not_count(tmp_path):
    plain = embedonce.wrap(openai(), tmp_path)
    other = openai(api_key="another", chunk_size=7, max_retries=9, timeout=3, organization="o", show_progress_bar=True)
    assert embedonce.wrap(other, tmp_path).namespace == plain.namespace
    assert SECRET not in plain.namespace + repr(plain)


async def test_row_23_operational_call_arguments_do_not_count_and_are_passed_on(lane, way):
    class Chunked(Model):
        def documents(self, texts, chunk_size=None):
            seen.append(chunk_size)
            return super().documents(texts)

    seen = []
    model = Chunked()
    cached = lane.cached(model)
    for size in (5, 7, None):
        assert await documents(way, cached, ["a"], chunk_size=size) == [model.document("a")]
    assert seen == [5]


@pytest.mark.parametrize(
    ("encoder", "key"),
    [
        ("sha1", "nse885db5b-c0bd-5fbc-88b1-4d1da6020aa5"),
        ("sha256", "ns2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        ("sha512", f"ns{hashlib.sha512(b'hello').hexdigest()}"),
        ("blake2b", f"ns{hashlib.blake2b(b'hello').hexdigest()}"),
    ],
)
def test_row_24_keys_are_the_published_ones(encoder, key):
    store = InMemoryByteStore()
    from_bytes_store(Model(), store, namespace="ns", key_encoder=encoder).embed_documents(["hello"])
    assert list(store.yield_keys()) == [key]


def test_row_24_settings_that_are_unset_do_not_count(tmp_path):
    assert embedonce.wrap(openai(), tmp_path).namespace == embedonce.wrap(openai(dimensions=None), tmp_path).namespace
    assert embedonce.wrap(openai(), tmp_path).namespace == "openai/text-embedding-3-small"


async def test_row_25_a_lone_surrogate_costs_nobody_anything(lane, way):
    model = Model()
    texts = ["a", "\ud800", "b"]
    for _ in range(2):
        assert await documents(way, lane.cached(model), texts) == model.documents(texts)
    assert model.asked.count("a") == model.asked.count("b") == 1


def test_row_25_a_text_that_the_users_encoder_refuses_is_embedded_and_not_stored():
    def strict(text):
        return text.encode("utf-8").hex()

    model, store = Model(), InMemoryByteStore()
    cached = from_bytes_store(model, store, key_encoder=strict)
    texts = ["a", "\ud800", "b"]
    for _ in range(2):
        assert cached.embed_documents(texts) == model.documents(texts)
    assert model.calls == [texts, ["\ud800"]]
    assert len(list(store.yield_keys())) == 2


# -- C. Alignment --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        (26, [[1.0], [2.0]]),
        (26, []),
        (26, None),
        (26, [[1.0], None, [3.0]]),
        (27, [[6.0]]),
        (28, [[1.0], [2.0], [3.0], [4.0]]),
        (29, [[1.0], [float("nan")], [3.0]]),
        (29, [[1.0], [float("inf")], [3.0]]),
        (37, [[], [], []]),
        (37, [[1.0], [1.0, 2.0], [3.0]]),
        (37, [1.0, 2.0, 3.0]),
        (37, [["1"], ["2"], ["3"]]),
    ],
)
async def test_rows_26_27_28_29_37_an_answer_that_does_not_fit_is_refused_and_not_stored(lane, row, answer, way):
    right = [[1.0], [2.0], [3.0]]
    model = Scripted(answer, right)
    with pytest.raises(EmbedderContractError):
        await documents(way, lane.cached(model), ["a", "b", "c"])
    assert await documents(way, lane.cached(model), ["a", "b", "c"]) == right
    assert model.calls == [["a", "b", "c"]] * 2, "nothing of the first answer was kept"
    assert lane.cached(model).embed_documents(["b"]) == [[2.0]]


@pytest.mark.parametrize("answer", [[], [float("nan")], None, [[1.0]], "vector"], ids=repr)
async def test_row_37_a_query_is_checked_as_well(lane, answer, way):
    model = Scripted(answer, [1.0, 2.0])
    with pytest.raises(EmbedderContractError):
        await query(way, lane.cached(model), "a")
    assert await query(way, lane.cached(model), "a") == [1.0, 2.0]
    assert await query(way, lane.cached(model), "a") == [1.0, 2.0]
    assert len(model.calls) == 2


# -- D. Values -----------------------------------------------------------------------------------------------------


async def test_row_38_every_list_is_the_callers_own(lane, way):
    model = Model()
    cached = lane.cached(model)
    for _ in range(3):
        vectors = await documents(way, cached, ["a", "b", "a"])
        assert vectors == model.documents(["a", "b", "a"])
        vectors[0][0] = vectors[1][0] = 99.0
        assert vectors[2] == model.document("a"), "duplicates share nothing"
        vectors.clear()
        vector = await query(way, cached, "a")
        assert vector == model.query("a")
        vector[:] = [99.0]


SHAPES = {
    "float64 lists": lambda rows: rows,
    "tuples": lambda rows: tuple(map(tuple, rows)),
    "float64 array": np.array,
    "float32 array": lambda rows: np.array(rows, np.float32),
    "float16 array": lambda rows: np.array(rows, np.float16),
    "float32 scalars": lambda rows: [[np.float32(number) for number in row] for row in rows],
    "float64 scalars": lambda rows: [list(np.array(row)) for row in rows],
    "list of arrays": lambda rows: [np.array(row) for row in rows],
    "integers": lambda rows: [[int(100 * number) for number in row] for row in rows],
    "int8 array": lambda rows: np.array([[int(40 * number) for number in row] for row in rows], np.int8),
    "whole floats": lambda rows: [[float(round(number)) for number in row] for row in rows],
    "extremes": lambda rows: [[-0.0, 5e-324, 1.7976931348623157e308] for _ in rows],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_row_39_hit_and_miss_are_the_same_plain_numbers(lane, shape, way):
    model = Model(shape=shape)
    expected = np.asarray(shape(model.documents(["a", "b"]))).astype(float).tolist()
    expected_query = np.asarray(shape([model.query("a")])).astype(float).tolist()
    for _ in range(2):
        cached = lane.cached(model)
        vectors = await documents(way, cached, ["a", "b"])
        assert is_plain(vectors)
        assert repr(vectors) == repr(expected), "the sign of zero included"
        vector = await query(way, cached, "a")
        assert is_plain([vector])
        assert repr([vector]) == repr(expected_query)
    assert len(model.calls) == 2


DAMAGE = {
    "empty": b"",
    "truncated": b"[1.0, 2.",
    "binary": b"\xff\xfe\x00",
    "another JSON": b'{"x": 1}',
    "a string": b'"str"',
    "a number": b"3",
    "null": b"null",
    "nothing in it": b"[]",
    "nested": b"[[1.0, 2.0, 3.0]]",
    "nested for ever": b"[" * 200_000,
    "a hole": b"[1.0, null, 3.0]",
    "NaN": b"[1.0, NaN, 3.0]",
    "too large": b"[1.0, 1e999, 3.0]",
    "another dimension": b"[1.0, 2.0]",
    "the head of a value of ours": b"eov1",
    "zeros behind our magic": b"eov1" + bytes(36),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("has_json", [False, True], ids=["our values", "their values"])
async def test_row_41_a_damaged_value_is_a_miss_and_costs_nothing_else(damage, has_json, way):
    model, store = Model(), InMemoryByteStore()
    texts = ["a", "b", "c"]
    if has_json:
        store.mset([(text, json.dumps(model.document(text)).encode()) for text in texts])
    else:
        from_bytes_store(model, store, key_encoder=text_itself).embed_documents(texts)
        model.calls.clear()
    store.mset([("b", damage)])
    cached = from_bytes_store(model, store, key_encoder=text_itself)
    assert await documents(way, cached, texts) == model.documents(texts)
    assert model.calls == [["b"]]
    again = from_bytes_store(model, store, key_encoder=text_itself)
    assert await documents(way, again, texts) == model.documents(texts)
    assert model.calls == [["b"]], "it was written anew"


@pytest.mark.parametrize(
    "damage", [[], [1.0, float("nan"), 2.0], "str", {"x": 1}, 3, [1.0], [None] * 3, object()], ids=_kind
)
async def test_row_41_a_damaged_list_is_a_miss_and_costs_nothing_else(damage, way):
    model, store = Model(), InMemoryStore()
    store.mset([("a", model.document("a")), ("b", damage), ("c", model.document("c"))])
    cached = CacheBackedEmbeddings(model, store)
    assert await documents(way, cached, ["d"]) == [model.document("d")]
    assert await documents(way, cached, ["a", "b", "c"]) == model.documents(["a", "b", "c"])
    assert model.calls == [["d"], ["b"]]
    assert store.mget(["b"]) == [model.document("b")]


@pytest.mark.parametrize("lists", [False, True], ids=["bytes", "lists"])
async def test_row_41_old_values_of_another_dimension_give_way_to_the_embedder(lists, way):
    """Nobody knows the dimension beforehand: neither the stranger's identity nor the first values that are read."""
    stranger = Stranger(lambda text: [1.0, 2.0, float(len(text))])
    if lists:
        store = InMemoryStore()
        store.mset([("old", [0.5, 0.5]), ("kept", [9.0, 9.0, 9.0])])
        cached = CacheBackedEmbeddings(stranger, store)
    else:
        store = InMemoryByteStore()
        store.mset([("old", b"[0.5, 0.5]"), ("kept", b"[9.0, 9.0, 9.0]")])
        cached = from_bytes_store(stranger, store, key_encoder=text_itself)
    assert await documents(way, cached, ["old", "new"]) == [[1.0, 2.0, 3.0]] * 2
    assert await documents(way, cached, ["old", "new", "kept"]) == [[1.0, 2.0, 3.0]] * 2 + [[9.0, 9.0, 9.0]]
    assert stranger.calls == [["new"], ["old"]]
    store.mset([("old", [0.5, 0.5] if lists else b"[0.5, 0.5]")])
    assert await documents(way, cached, ["old"]) == [[1.0, 2.0, 3.0]], "by now the dimension is known"


def test_row_41_old_values_of_another_dimension_give_way_however_often_they_are_read():
    """The store is asked a second time, because somebody else has embedded something in between."""

    class Interrupted(InMemoryByteStore):
        interrupt = None

        def mget(self, keys):
            interrupt, self.interrupt = self.interrupt, None
            if interrupt is not None:
                interrupt()
            return super().mget(keys)

    store, stranger = Interrupted(), Stranger(lambda text: [1.0, 2.0, 3.0])
    store.mset([("old", b"[0.5, 0.5]")])
    cached, other = (from_bytes_store(stranger, store, key_encoder=text_itself) for _ in range(2))
    store.interrupt = lambda: other.embed_documents(["other"])
    assert cached.embed_documents(["old", "new"]) == [[1.0, 2.0, 3.0]] * 2
    assert stranger.calls == [["other"], ["new"], ["old"]]


@pytest.mark.parametrize("build", [from_bytes_store, embedonce.wrap], ids=["from_bytes_store", "wrap"])
async def test_row_42_a_store_that_decodes_what_it_keeps(build, way, caplog):
    model, store = Model(), Decoding()
    for text in ("a", "b"):
        for _ in range(2):
            assert await documents(way, build(model, store), [text]) == [model.document(text)]
    cached = build(model, store)
    assert await documents(way, cached, ["a", "b", "c"]) == model.documents(["a", "b", "c"])
    assert model.asked == ["a", "b", "c"]
    assert not caplog.records
    assert cached.cache.stats().write_errors == 0


# -- E. Caches that never hit --------------------------------------------------------------------------------------


async def test_row_45_queries_are_cached_by_wrap(tmp_path, way):
    model = Model()
    cached = embedonce.wrap(model, tmp_path)
    assert await query(way, cached, "a") == await query(way, cached, "a") == model.query("a")
    assert len(model.calls) == 1


@pytest.mark.parametrize("off", [{}, {"query_embedding_cache": False}, {"query_embedding_cache": None}], ids=str)
async def test_row_45_queries_are_cached_by_from_bytes_store_when_that_is_asked_for(tmp_path, way, off):
    for place in (InMemoryByteStore(), tmp_path):
        model = Model()
        cached = from_bytes_store(model, place, **off)
        assert cached.query_embedding_store is None
        assert await query(way, cached, "a") == await query(way, cached, "a") == model.query("a")
        assert len(model.calls) == 2


async def test_row_46_an_empty_store_is_a_store(way):
    model, store, queries = Model(), Sized(), Sized()
    assert not store
    cached = from_bytes_store(model, store, query_embedding_cache=queries)
    await documents(way, cached, ["a"])
    await query(way, cached, "a")
    assert (len(store), len(queries)) == (1, 1)
    lists, query_lists = SizedLists(), SizedLists()
    cached = CacheBackedEmbeddings(model, lists, query_embedding_store=query_lists)
    await query(way, cached, "a")
    await documents(way, cached, ["a"])
    assert (len(lists), len(query_lists)) == (1, 1)
    assert cached.query_embedding_store is query_lists


@pytest.mark.parametrize("reader", ["sync", "async"])
async def test_row_47_every_method_hits_what_every_method_wrote(lane, way, reader):
    model = Model()
    await documents(way, lane.cached(model), ["a", "b"])
    await query(way, lane.cached(model), "a")
    model.calls.clear()
    assert await documents(reader, lane.cached(model), ["b", "a"]) == model.documents(["b", "a"])
    assert await query(reader, lane.cached(model), "a") == model.query("a")
    assert model.calls == []


async def test_row_48_only_what_is_new_is_embedded(lane, way):
    model = Model()
    texts = [f"text {number}" for number in range(50)]
    await documents(way, lane.cached(model), texts)
    changed = [*reversed(texts[:20]), "new", *texts[20:]]
    assert await documents(way, lane.cached(model), changed) == model.documents(changed)
    assert model.calls == [texts, ["new"]]


@pytest.mark.parametrize("batch_size", [None, 1, 2])
async def test_row_49_duplicates_are_paid_once(lane, way, batch_size):
    model = Model()
    texts = ["a", "a", "b", "a", "c", "b"]
    cached = lane.cached(model, batch_size=batch_size)
    assert await documents(way, cached, texts) == model.documents(texts)
    assert model.asked == ["a", "b", "c"]


async def test_row_50_concurrent_misses_of_one_text_are_paid_once(lane):
    model = Held()
    cached = lane.cached(model)
    crowd = [Worker(cached.embed_documents, ["a"]) for _ in range(64)]
    tasks = [asyncio.create_task(cached.aembed_documents(["a"])) for _ in range(64)]
    await asyncio.to_thread(model.started.wait, LIMIT)
    model.release.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks), LIMIT)
    answers += [await asyncio.to_thread(worker.result) for worker in crowd]
    assert answers == [[model.document("a")]] * 128
    assert model.calls == [["a"]]


# -- F. Lost work and crashes --------------------------------------------------------------------------------------


async def test_row_55_coding_is_done_off_the_event_loop(monkeypatch):
    """Hundreds of vectors are hashed, written, read and converted in other threads than that of the loop."""
    import embedonce.parts as parts
    import langchain_embedonce.legacy as legacy

    threads = {}

    def watched(owner, name):
        original = getattr(owner, name)

        def watching(*arguments, **options):
            threads.setdefault(name, set()).add(threading.get_ident())
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, watching)

    watched(Envelope, "seal")
    watched(Envelope, "open")
    watched(legacy, "json_row")
    watched(legacy, "_pairs")
    watched(legacy, "list_row")
    watched(parts, "as_lists")
    watched(legacy.LangChainKey, "__call__")
    texts = [f"text {number}" for number in range(400)]
    model = Model(dimensions=256)
    store, theirs, lists = InMemoryByteStore(), InMemoryByteStore(), InMemoryStore()
    theirs.mset([(text, json.dumps(model.document(text)).encode()) for text in texts])
    for _ in range(2):
        await from_bytes_store(model, store).aembed_documents(texts)
        await CacheBackedEmbeddings(model, lists).aembed_documents(texts)
    await from_bytes_store(model, theirs, key_encoder=text_itself).aembed_documents(texts)
    assert threads.keys() == {"seal", "open", "json_row", "_pairs", "list_row", "as_lists", "__call__"}
    here = threading.get_ident()
    assert {name for name, where in threads.items() if here in where} == set()


async def test_row_56_what_was_paid_before_a_failure_is_kept(lane, way):
    model = Model(fail_on={"e"})
    texts = list("abcdefgh")
    with pytest.raises(BoomError):
        await documents(way, lane.cached(model, batch_size=2), texts)
    model.fail_on = ()
    assert await documents(way, lane.cached(model, batch_size=2), texts) == model.documents(texts)
    assert model.calls == [["a", "b"], ["c", "d"], ["e", "f"], ["e", "f"], ["g", "h"]]


async def test_row_56_what_was_paid_before_a_cancellation_is_kept(lane):
    class Stuck(Model):
        async def aembed_documents(self, texts):
            if "c" in texts and not release.is_set():
                started.set()
                await asyncio.Event().wait()
            return self.embed_documents(texts)

    started, release = asyncio.Event(), asyncio.Event()
    model = Stuck()
    task = asyncio.create_task(lane.cached(model, batch_size=2).aembed_documents(list("abcd")))
    await asyncio.wait_for(started.wait(), LIMIT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    assert await lane.cached(model, batch_size=2).aembed_documents(list("abcd")) == model.documents("abcd")
    assert model.calls == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("build", [from_bytes_store, embedonce.wrap], ids=["from_bytes_store", "wrap"])
@pytest.mark.parametrize("fault", ["read", "write"])
async def test_row_57_a_store_that_fails_costs_no_vector(build, fault, way, caplog):
    model = Model()
    cached = build(model, Faulty(**{fault: True}))
    for _ in range(5):
        assert await documents(way, cached, ["a", "b"]) == model.documents(["a", "b"])
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "once"
    stats = cached.cache.stats()
    assert (stats.read_errors if fault == "read" else stats.write_errors) > 0


async def test_row_57_a_store_of_lists_that_fails_costs_no_vector(way, caplog):
    class FaultyLists(InMemoryStore):
        def mget(self, keys):
            raise BoomError

        async def amget(self, keys):
            raise BoomError

    model = Model()
    cached = CacheBackedEmbeddings(model, FaultyLists())
    assert await documents(way, cached, ["a"]) == [model.document("a")]
    assert len(caplog.records) == 1


def test_row_57_a_store_that_answers_with_too_few_values_is_no_answer(caplog):
    class Short(InMemoryByteStore):
        def mget(self, keys):
            return super().mget(keys)[1:]

    model, store = Model(), Short()
    store.mset([("b", json.dumps(model.document("b")).encode())])
    assert from_bytes_store(model, store, key_encoder=text_itself).embed_documents(["a", "b"]) == model.documents("ab")
    assert "answered 2 keys with 1 values" in caplog.text


def test_row_57_errors_can_be_asked_for():
    cached = embedonce.wrap(Model(), Faulty(write=True), on_store_error="raise")
    with pytest.raises(StoreError, match="BoomError"):
        cached.embed_documents(["a"])


def test_row_57_errors_of_the_embedder_arrive_as_they_are(lane):
    model = Model(fail_on={"a"})
    error = BoomError()

    def fail(texts):
        raise error

    model.shape = fail
    with pytest.raises(BoomError) as caught:
        lane.cached(model).embed_documents(["b"])
    assert caught.value is error


@pytest.mark.parametrize("ours", [True, False], ids=["our values", "their values"])
def test_row_58_a_torn_file_is_a_miss_at_every_length(tmp_path, ours):
    model, store = Model(dimensions=2), LocalFileStore(tmp_path)
    if ours:
        from_bytes_store(model, store, key_encoder=text_itself).embed_documents(["a"])
    else:
        store.mset([("a", json.dumps(model.document("a")).encode())])
    whole = (tmp_path / "a").read_bytes()
    cached = from_bytes_store(model, store, key_encoder=text_itself)
    for length in range(len(whole) + 1):
        (tmp_path / "a").write_bytes(whole[:length])
        model.calls.clear()
        assert cached.embed_documents(["a"]) == [model.document("a")]
        assert len(model.calls) == (length < len(whole))


def test_row_59_a_file_that_vanishes_costs_no_vector(tmp_path, monkeypatch):
    """LangChain's store asks whether a file exists and then opens it."""
    from pathlib import Path

    model, store = Model(), LocalFileStore(tmp_path)
    cached = from_bytes_store(model, store)
    cached.embed_documents(["a"])
    read = Path.read_bytes

    def vanished(path):
        path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanished)
    assert cached.embed_documents(["a"]) == [model.document("a")]


def _embed_in_a_process(pickled):
    cached = pickle.loads(pickled)
    return cached.embed_documents(["a", "b"]), cached.embed_query("q"), len(cached.underlying_embeddings.calls)


@pytest.mark.parametrize("name", ["wrap", "path", "segments", "two-stores"])
def test_row_61_what_a_spawned_worker_writes_is_there_for_all(tmp_path, name):
    lane, model = Lane(name, tmp_path), Model()
    cached = lane.cached(model)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers = pool.apply(_embed_in_a_process, (pickle.dumps(cached),))
    assert answers == (model.documents(["a", "b"]), model.query("q"), 2)
    assert cached.embed_documents(["a", "b"]) == model.documents(["a", "b"])
    assert cached.embed_query("q") == model.query("q")
    assert model.calls == []


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_row_62_pickling_leaves_the_original_as_it_is(lane, protocol):
    model = Model()
    cached = lane.cached(model)
    cached.embed_documents(["a"])
    before = dict(vars(cached))
    copied = pickle.loads(pickle.dumps(cached, protocol))
    assert vars(cached) == before
    for embeddings in (copied, cached):
        assert embeddings.embed_documents(["a"]) == [model.document("a")]
        assert embeddings.embed_query("a") == model.query("a")
    assert cached.namespace == copied.namespace
    assert (copied.query_cache is copied.cache) == (cached.query_cache is cached.cache)
    assert len(copied.underlying_embeddings.calls) == 2


def test_row_66_deleting_takes_what_was_named_and_nothing_else(named_lane):
    one, other = Model("one"), Model("other")
    for model in (one, other):
        named_lane.cached(model).embed_documents(["a", "b"])
        named_lane.cached(model).embed_query("a")
    named_lane.cached(one).document_embedding_store.mdelete(["a", "absent"])
    one.calls.clear()
    assert named_lane.cached(one).embed_documents(["a", "b"]) == one.documents(["a", "b"])
    assert named_lane.cached(one).embed_query("a") == one.query("a")
    # With keys that say nothing of the model, only one model's values fit into a store at a time.
    if named_lane.name not in ("bytes", "segments", "two-stores", "identity-keys"):
        assert one.calls == [["a"]]
        other.calls.clear()
        assert named_lane.cached(other).embed_documents(["a", "b"]) == other.documents(["a", "b"])
        assert other.calls == []


def test_row_68_a_models_name_is_legal_everywhere_on_a_path(tmp_path):
    for name in ("nomic-embed-text:latest", "arn:aws:bedrock:eu::m/v2:0", "../../etc", "ü" * 300, "CON", "a/b\\c\n"):
        for build in (embedonce.wrap, from_bytes_store):
            model = Model(name)
            place = tmp_path / build.__name__
            assert build(model, place).embed_documents(["a"]) == [model.document("a")]
            assert build(model, place).embed_documents(["a"]) == [model.document("a")]
            assert len(model.calls) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"wrap", "from_bytes_store"}


@pytest.mark.parametrize("namespace", ["nomic-embed-text:latest", "a b", "m@3", "ü", "x" * 200])
def test_row_68_a_namespace_that_a_local_file_store_refuses_is_said_at_once(tmp_path, namespace):
    with pytest.raises(ValueError, match="pass the path of a new directory"):
        from_bytes_store(Model(), LocalFileStore(tmp_path), namespace=namespace)
    with pytest.raises(ValueError, match="LocalFileStore refuses"):
        from_bytes_store(
            Model(), InMemoryByteStore(), query_embedding_cache=LocalFileStore(tmp_path), namespace=namespace
        )
    from_bytes_store(Model(), LocalFileStore(tmp_path), namespace="BAAI/bge-small-en-v1.5").embed_documents(["a"])


async def test_row_69_one_write_holds_each_key_once(way):
    model, store = Model(), OnlyUnique()
    cached = from_bytes_store(model, store, key_encoder=lambda text: text.lower())
    texts = ["a", "a", "A", "b"]
    assert await documents(way, cached, texts) == [model.document(text) for text in ("a", "a", "a", "b")]
    assert cached.cache.stats().write_errors == 0
    assert sorted(store.yield_keys()) == ["a", "b"]


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "3", True])
def test_row_70_a_bad_batch_size_is_refused_at_construction(lane, batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        lane.cached(Model(), batch_size=batch_size)


@pytest.mark.parametrize("encoder", ["md5", "SHA256", "", None, 5, b"sha256", ["sha256"]], ids=repr)
def test_row_70_a_bad_encoder_is_refused_at_construction(tmp_path, encoder):
    for place in (InMemoryByteStore(), tmp_path, EmbeddingCache(tmp_path)):
        with pytest.raises(ValueError, match=r"key.encoder"):
            from_bytes_store(Model(), place, namespace="", key_encoder=encoder)


def test_row_70_an_encoder_that_always_fails_is_refused_at_construction():
    """It would look like a cache that never hits."""
    for encoder in (lambda: "key", lambda text: text.nothing, lambda text: 1 / 0):
        with pytest.raises(KeyEncoderError):
            from_bytes_store(Model(), InMemoryByteStore(), key_encoder=encoder)


def test_row_70_an_encoder_whose_package_is_missing_is_refused_at_construction(monkeypatch):
    monkeypatch.setitem(sys.modules, "blake3", None)
    with pytest.raises(KeyEncoderError, match="pip install blake3"):
        from_bytes_store(Model(), InMemoryByteStore(), key_encoder="blake3")


def test_row_70_a_namespace_beside_a_callable_is_refused_as_in_langchain():
    with pytest.raises(ValueError, match="namespace"):
        from_bytes_store(Model(), InMemoryByteStore(), namespace="n", key_encoder=text_itself)


@pytest.mark.parametrize("store", ["./cache", None, 5, LocalFileStore("x"), InMemoryByteStore(), Sized()], ids=_kind)
def test_row_70_a_store_that_cannot_hold_lists_is_refused_at_construction(store):
    with pytest.raises(TypeError, match="from_bytes_store"):
        CacheBackedEmbeddings(Model(), store)
    if store is not None:
        with pytest.raises(TypeError, match="from_bytes_store"):
            CacheBackedEmbeddings(Model(), InMemoryStore(), query_embedding_store=store)


@pytest.mark.parametrize("place", ["", 5, "nowhere://x", object()], ids=_kind)
def test_row_70_a_place_that_is_none_is_refused_at_construction(place, tmp_path):
    with pytest.raises(StoreError):
        from_bytes_store(Model(), place)
    for documents_at in (tmp_path, InMemoryByteStore()):
        with pytest.raises(StoreError):
            from_bytes_store(Model(), documents_at, query_embedding_cache=place)


def test_row_70_another_encoder_than_that_of_the_stored_vectors_is_refused_at_construction(tmp_path):
    from_bytes_store(Model(), tmp_path, key_encoder="sha512").embed_documents(["a"])
    with pytest.raises(KeyEncoderError, match="sha512"):
        from_bytes_store(Model(), tmp_path)
    with pytest.raises(KeyEncoderError, match="sha512"):
        from_bytes_store(Model(), tmp_path / ".." / "elsewhere", query_embedding_cache=tmp_path)


def test_row_70_the_directory_of_a_local_file_store_is_no_path_of_ours(tmp_path):
    LocalFileStore(tmp_path).mset([("nse885db5b-c0bd-5fbc-88b1-4d1da6020aa5", b"[1.0]")])
    for build in (embedonce.wrap, from_bytes_store):
        with pytest.raises(StoreError, match="passing the LocalFileStore itself"):
            build(DeterministicFakeEmbedding(size=3), tmp_path)
