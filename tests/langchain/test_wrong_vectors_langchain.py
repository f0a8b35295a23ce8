"""Each way in which LangChain's cache returned a wrong vector, lost data or never hit, shown not to happen here.

The rows are those of all tests of this folder that are named by a row.

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

import hashlib
import json
import sys
from types import ModuleType

import numpy as np
import pytest
from langchain_lanes import NAMED, SECRET, TEXTS, WAYS, from_bytes_store, in_lanes, lc, openai, text_itself
from variants import over

import embedonce
from embedonce import IdentityError


def azure(deployment):
    return lc.AzureOpenAIEmbeddings(
        azure_endpoint="https://r.openai.azure.com/", azure_deployment=deployment, api_key=SECRET
    )


# -- A. Identity ---------------------------------------------------------------------------------------------------


@in_lanes(NAMED, options=[{}, {"namespace": "shared"}], way=WAYS)
async def test_row_01_two_models_in_one_store_keep_their_vectors(lane, options, way):
    if lane.name.startswith("wrap") or lane.name == "identity-keys":
        options = {}
    one, other = lc.Model("one"), lc.Model("other")
    for _ in range(3):
        for model in (one, other):
            assert await lc.documents(way, lane.cached(model, **options), TEXTS) == model.documents(TEXTS)
            assert await lc.query(way, lane.cached(model, **options), "a") == model.query("a")


def test_row_01_an_embedder_that_cannot_be_identified_is_refused(tmp_path):
    stranger = lc.Stranger(lambda text: [1.0])
    for build in (
        lambda: embedonce.wrap(stranger, tmp_path / "a"),
        lambda: from_bytes_store(stranger, lc.InMemoryByteStore()),
        lambda: from_bytes_store(stranger, tmp_path / "b"),
    ):
        with pytest.raises(IdentityError, match="namespace="):
            build()


def test_row_01_a_namespace_tells_apart_what_cannot_be_identified(tmp_path):
    for place in (tmp_path, lc.InMemoryByteStore()):
        for number in (1.0, 2.0, 1.0, 2.0):
            stranger = lc.Stranger(lambda text, number=number: [number])
            cached = from_bytes_store(stranger, place, namespace=f"model {number}")
            assert cached.embed_documents(["a"]) == [[number]]


def test_row_01_a_stranger_behind_a_cache_of_its_own_stays_a_stranger(tmp_path):
    """The inner wrapper was told nothing of the model, so it must not vouch for it before another cache."""
    inner = [
        lc.CacheBackedEmbeddings(lc.Stranger(len), lc.InMemoryStore()),
        from_bytes_store(lc.Stranger(len), lc.InMemoryByteStore(), key_encoder=text_itself),
        from_bytes_store(lc.Stranger(len), lc.InMemoryByteStore(), namespace="prod"),
    ]
    for wrapper in inner:
        assert wrapper.embedonce_identity is None
        with pytest.raises(IdentityError):
            from_bytes_store(wrapper, tmp_path)
    named = embedonce.wrap(lc.Stranger(len), tmp_path / "named", namespace="acme/e5@3")
    assert named.embedonce_identity == named.identity


@in_lanes(NAMED, order=[(3, 5), (5, 3)])
def test_row_03_another_dimension_is_another_entry(lane, order):
    options = {} if lane.name == "identity-keys" else {"namespace": "m"}
    if lane.name.startswith("wrap"):
        options = {}
    for dimensions in order * 2:
        model = lc.Model("m", dimensions)
        assert lane.cached(model, **options).embed_documents(TEXTS) == model.documents(TEXTS)


def test_row_03_langchains_recipe_with_the_models_name_as_namespace(tmp_path):
    """`namespace=embedder.model` does not say which `dimensions` it has."""
    for place in (tmp_path / "path", lc.InMemoryByteStore(), lc.LocalFileStore(tmp_path / "files")):
        spaces = {
            from_bytes_store(each, place, namespace=each.model).namespace for each in (openai(), openai(dimensions=256))
        }
        assert len(spaces) == 2


def test_row_05_two_deployments_that_report_one_model(tmp_path):
    one, other = azure("prod-3-large"), azure("prod-ada")
    assert one.model == other.model
    for place in (tmp_path / "path", lc.InMemoryByteStore()):
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


@in_lanes(first=["document", "query"], way=WAYS)
async def test_row_06_roles_are_kept_apart_in_one_store(lane, first, way):
    model = lc.Model()
    for _ in range(2):
        cached = lane.cached(model)
        for text in TEXTS:
            if first == "document":
                assert await lc.documents(way, cached, [text]) == [model.document(text)]
            assert await lc.query(way, cached, text) == model.query(text)
            assert await lc.documents(way, cached, [text]) == [model.document(text)]
    assert await lc.documents(way, lane.cached(model), TEXTS) == model.documents(TEXTS)


@in_lanes()
async def test_row_06_roles_are_kept_apart_while_both_are_in_flight(lane):
    """With keys that are the texts themselves, the query `x` has the key of the document `x-query`."""
    model = lc.Held()
    cached = lane.cached(model)
    asked_query = lc.Worker(cached.embed_query, "x")
    assert model.started.wait(lc.LIMIT)
    model.started.clear()
    asked_documents = lc.Worker(cached.embed_documents, ["x-query", "x"])
    assert model.started.wait(lc.LIMIT), "the documents wait for the query"
    model.release.set()
    assert asked_query.result() == model.query("x")
    assert asked_documents.result() == [model.document("x-query"), model.document("x")]


def test_row_06_two_encoders_around_one_store():
    """LangChain's constructor takes stores whose values are in one place, although they are two objects."""
    from langchain_classic.storage.encoder_backed import EncoderBackedStore

    place = lc.InMemoryByteStore()

    def store():
        return EncoderBackedStore(place, text_itself, lambda value: json.dumps(value).encode(), json.loads)

    model = lc.Model()
    for _ in range(2):
        cached = lc.CacheBackedEmbeddings(model, store(), query_embedding_store=store())
        assert cached.embed_documents(["a"]) == [model.document("a")]
        assert cached.embed_query("a") == model.query("a")
    assert len(model.calls) == 2


@over(kind=["LocalFileStore", "FsspecByteStore"])
def test_row_06_two_stores_on_one_path_keep_both_roles(tmp_path, kind):
    """Under one key each role would overwrite the other, and none would ever hit."""
    model, store = lc.Model(), getattr(lc, kind)
    for path in (str(tmp_path), tmp_path / ".." / tmp_path.name):
        cached = from_bytes_store(model, store(tmp_path), query_embedding_cache=store(path))
        assert cached.embed_documents(["a"]) == [model.document("a")]
        assert cached.embed_query("a") == model.query("a")
    assert len(model.calls) == 2


@in_lanes()
def test_row_06_arguments_may_end_the_symmetry(lane):
    """Both roles are embedded alike, until an argument says what the text is for."""

    class Instructed(lc.Model):
        def query(self, text, **arguments):
            return self._vector("query" if arguments else "document", text, arguments)

    model = Instructed(symmetric=True)
    cached = lane.cached(model)
    for _ in range(2):
        assert cached.embed_documents(["a"], task="t") == model.documents(["a"], task="t")
        assert cached.embed_query("a", task="t") == model.query("a", task="t")
        assert cached.embed_query("a") == model.query("a") == model.document("a")


@in_lanes(NAMED)
def test_row_06_a_symmetric_model_shares_entries(lane):
    model = lc.Model(symmetric=True)
    cached = lane.cached(model)
    assert cached.embed_documents(["a"]) == [cached.embed_query("a")] == [model.document("a")]
    assert model.asked == ["a"]


@over(
    settings=[
        {"encode_kwargs": {"normalize_embeddings": True}},
        {"model_kwargs": {"revision": "abc"}},
        {"encode_kwargs": {"truncate_dim": 64}},
        {"query_encode_kwargs": {"prompt": "query: "}},
    ]
)
def test_row_08_no_setting_of_the_model_is_hidden(settings):
    from langchain_huggingface import HuggingFaceEmbeddings

    defaults = {"model_kwargs": {}, "encode_kwargs": {}, "query_encode_kwargs": {}, "multi_process": False}
    plain = HuggingFaceEmbeddings.model_construct(model_name="org/m", **defaults)
    special = HuggingFaceEmbeddings.model_construct(model_name="org/m", **{**defaults, **settings})
    store = lc.InMemoryByteStore()
    spaces = {from_bytes_store(each, store, namespace="org/m").namespace for each in (plain, special)}
    assert len(spaces) == 2


def test_row_10_two_classes_of_one_name(tmp_path, monkeypatch):
    spaces = set()
    for name in ("acme_one", "acme_other"):
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        module.Embedder = type("Embedder", (lc.Plain,), {"__module__": name})
        spaces.add(embedonce.wrap(module.Embedder("m"), tmp_path).namespace)
    assert len(spaces) == 2


def test_row_12_a_prefix_is_part_of_the_identity(tmp_path):
    for _ in range(2):
        for prefix in ("passage: ", "query: ", ""):
            plain = lc.Plain("m", prefix=prefix)
            assert embedonce.wrap(plain, tmp_path).embed_documents(["a"]) == plain.embed_documents(["a"])


@in_lanes(value=["query", None, "", 3, 3.0, True, False, 0], way=WAYS)
async def test_row_14_call_arguments_that_change_vectors_have_entries_of_their_own(lane, value, way):
    model = lc.Model()
    for _ in range(2):
        cached = lane.cached(model)
        assert await lc.documents(way, cached, ["a"]) == model.documents(["a"])
        assert await lc.documents(way, cached, ["a"], task=value) == model.documents(["a"], task=value)
        assert await lc.query(way, cached, "a") == model.query("a")
        assert await lc.query(way, cached, "a", task=value) == model.query("a", task=value)
    assert len(model.calls) == 4, "each of them is a hit the second time"


@in_lanes()
def test_row_14_arguments_that_only_look_alike(lane):
    model = lc.Model()
    cached = lane.cached(model)
    for _ in range(2):
        for value in ("1", 1, 1.0, True, None, ""):
            assert cached.embed_documents(["a"], task=value) == model.documents(["a"], task=value)
    assert len(model.calls) == 6


@in_lanes(way=WAYS)
async def test_row_14_one_value_per_text_bypasses_the_cache(lane, way, caplog):
    class Titled(lc.Model):
        def documents(self, texts, titles):
            return [self.document(text, title=title) for text, title in zip(texts, titles, strict=True)]

    model = Titled()
    cached = lane.cached(model)
    for _ in range(2):
        for titles in (["t", "u"], ["u", "t"]):
            answer = await lc.documents(way, cached, ["a", "b"], titles=titles)
            assert answer == [model.document("a", title=titles[0]), model.document("b", title=titles[1])]
    assert len(model.calls) == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"], "once"
    assert "titles" in caplog.text


@over(value=[float("nan"), float("inf"), b"x", {"a": ["b"]}, {1: "a"}, ("a",), np.float32(1)])
def test_row_14_values_that_cannot_be_written_down_bypass_the_cache(value):
    class Odd(lc.Model):
        def documents(self, texts, odd):
            return [[7.0]] * len(texts)

    model = Odd()
    cached = from_bytes_store(model, lc.InMemoryByteStore())
    assert cached.embed_documents(["a"], odd=value) == cached.embed_documents(["a"], odd=value) == [[7.0]]
    assert len(model.calls) == 2


@over(way=WAYS)
async def test_row_14_plain_dictionaries_are_part_of_the_key(way):
    class Optional(lc.Model):
        def documents(self, texts, options=None):
            return [[float(len(options or {})), float((options or {}).get("n", 0))] for _ in texts]

    model = Optional()
    cached = from_bytes_store(model, lc.InMemoryByteStore())
    for _ in range(2):
        for options in ({"n": 1}, {"n": 2}, {"n": 2, "m": {"deep": True}}):
            (vector,) = await lc.documents(way, cached, ["a"], options=options)
            assert vector == [float(len(options)), float(options["n"])]
    assert len(model.calls) == 3


def test_row_14_a_call_that_bypasses_the_cache_cannot_be_replayed(tmp_path):
    """Replaying promises that nothing is embedded."""
    model = lc.Model()
    embedonce.wrap(model, tmp_path).embed_documents(["a"])
    replayed = embedonce.wrap(model, tmp_path, mode="replay")
    assert replayed.embed_documents(["a"]) == model.documents(["a"])
    with pytest.raises(embedonce.CacheMissError, match="titles"):
        replayed.embed_documents(["a"], titles=["t"])
    assert len(model.calls) == 1


@over(way=WAYS)
async def test_row_16_contextualised_models_bypass_the_cache(caplog, way):
    calls = []

    class VoyageAIEmbeddings(lc.Embeddings):
        model = "voyage-context-3"

        def embed_documents(self, texts):
            calls.append(texts)
            return [[float(len(texts))] for _ in texts]

        def embed_query(self, text):
            return self.embed_documents([text])[0]

    VoyageAIEmbeddings.__module__ = "langchain_voyageai.embeddings"
    cached = from_bytes_store(VoyageAIEmbeddings(), lc.InMemoryByteStore())
    assert await lc.documents(way, cached, ["a"]) == [[1.0]]
    assert await lc.documents(way, cached, ["a", "b"]) == [[2.0], [2.0]]
    assert len(calls) == 2
    assert len(caplog.records) == 1
    with pytest.raises(IdentityError):
        _ = cached.identity


@over(field=["version", "namespace", "call", "class", "averaged_beyond"])
def test_row_08_a_field_is_not_replaced_by_what_the_user_says(tmp_path, field):
    """A class may well have a field `version`, and be wrapped with `version=` besides."""
    said = {"version": 7} if field == "version" else {}
    for value in ("1", "2"):
        plain = lc.Plain("m", **{field: value})
        assert embedonce.wrap(plain, tmp_path, **said).embed_documents(["a"]) == plain.embed_documents(["a"])
        store = lc.InMemoryByteStore()
        from_bytes_store(plain, store).embed_documents(["a"])
        assert list(store.yield_keys()) == [hashlib.sha256(b"a").hexdigest()], "and leaves LangChain's keys alone"


def test_row_08_a_field_of_a_subclass_does_not_replace_one_of_its_base(tmp_path):
    spaces = {
        embedonce.wrap(lc.Deployed(model="m", api_key=SECRET, base_url=url, endpoint="blue"), tmp_path).namespace
        for url in ("http://a/v1", "http://b/v1")
    }
    assert len(spaces) == 2
