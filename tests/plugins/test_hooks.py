"""Each hook at work, through the public API; a test of the docs asks for one that is named for each."""

from __future__ import annotations

import numpy as np
import pytest
from core_support import NAMESPACE, DictStore, Model, bits, words

import embedonce
import embedonce.plugins.host
from embedonce import EmbeddingCache, Identity, IdentityError, MemoryStore, WrapOptions, hookimpl, register_plugin
from embedonce.hookspecs import Demo
from embedonce.plugins.host import plugins
from embedonce.testing import CountingEmbedder


@pytest.fixture(autouse=True)
def _only_plugins_of_the_test(monkeypatch):
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())
    for variable in ("EMBEDONCE_PLUGINS", "EMBEDONCE_PLUGINS_DISABLED"):
        monkeypatch.delenv(variable, raising=False)


class Embedder:
    """Of a framework that nobody knows, and not to be called."""

    def __init__(self, model="m"):
        self.model = model


class Framework:
    @hookimpl
    def embedonce_wrap(self, embedder, cache, options):
        if not isinstance(embedder, Embedder):
            return None
        if not embedder.model:
            raise IdentityError("an Embedder without a model; name one")
        return embedder, cache, options

    @hookimpl
    def embedonce_identify(self, embedder):
        return Identity.of("acme", embedder.model) if isinstance(embedder, Embedder) else None


def test_wrap_gets_the_embedder_the_cache_and_what_the_user_said():
    register_plugin(Framework(), "acme")
    embedder, cache = Embedder(), EmbeddingCache(MemoryStore())
    wrapped, given, options = cache.wrap(embedder, namespace="n", version=2)
    assert (wrapped is embedder, given is cache) == (True, True)
    assert options == WrapOptions(namespace="n", version=2)
    with pytest.raises(IdentityError, match=r"^an Embedder without a model; name one$"):
        cache.wrap(Embedder(""))


def test_wrap_leaves_what_it_does_not_know_to_others():
    register_plugin(Framework(), "acme")
    assert isinstance(embedonce.wrap(Model(), MemoryStore(), namespace=NAMESPACE), embedonce.CachedFunction)


def test_identify_names_an_embedder_inside_another_one():
    assert CountingEmbedder(Embedder("m1")).embedonce_identity is None
    register_plugin(Framework(), "acme")
    assert CountingEmbedder(Embedder("m1")).embedonce_identity == Identity.of("acme", "m1")


def test_register_key_encoders_adds_encoders_by_name(place):
    class Plugin:
        @hookimpl
        def embedonce_register_key_encoders(self, register):
            register("lower", lambda text: text.lower(), version="3")

    register_plugin(Plugin(), "acme")
    model = Model()
    cache = place.cache(key_encoder="lower")
    assert bits(cache.embed(["A", "a"], model, namespace=NAMESPACE)) == bits(model.rows(["A", "A"]))
    assert model.calls == [["A"]]


def test_register_codecs_adds_codecs_by_name(place):
    class Plugin:
        @hookimpl
        def embedonce_register_codecs(self, register):
            register("halves", lambda matrix: np.rint(matrix * 2).astype("i2"), lambda rows: rows.astype("f4") / 2)

    register_plugin(Plugin(), "acme")
    for _ in range(2):
        cache = place.cache(codec="halves")
        kept = cache.embed(["a"], lambda _: [[0.6, 1.7]], namespace=NAMESPACE)
        assert kept.tolist() == [[0.5, 1.5]]
    assert cache.stats().hits == 1


def test_register_stores_opens_urls_by_their_scheme():
    opened = []

    class Plugin:
        @hookimpl
        def embedonce_register_stores(self, register):
            register("acmedb", self.open)

        def open(self, url, **options):
            opened.append((url, options))
            return store

    store = DictStore()
    register_plugin(Plugin(), "acme")
    cache = EmbeddingCache("acmedb://host/table", storage_options={"timeout": 2})
    cache.embed(words(3), Model(), namespace=NAMESPACE)
    assert opened == [("acmedb://host/table", {"timeout": 2})]
    assert len(store.values) == 3


def test_on_embed_hears_of_each_call():
    events = []

    class Plugin:
        @hookimpl
        def embedonce_on_embed(self, event):
            events.append(event)

    register_plugin(Plugin(), "acme")
    cached = embedonce.wrap(Model(), MemoryStore(), namespace=NAMESPACE)
    cached(["a", "b", "a"])
    cached(["a"])
    told = [(event.namespace, event.texts, event.duplicates, event.hits, event.embedded) for event in events]
    assert told == [(NAMESPACE, 3, 1, 0, 2), (NAMESPACE, 1, 0, 1, 0)]


def test_demo_shows_a_framework_beside_those_that_are_installed():
    demo = Demo("Acme", "acme", "acme-embedonce", model=lambda embedder: embedder, embed=lambda cached, texts: [[1.0]])

    class Plugin:
        def __init__(self, answer):
            self.answer = answer

        @hookimpl
        def embedonce_demo(self):
            return self.answer()

    before = plugins().demos()
    assert [each.framework for each in before] == ["LangChain", "LlamaIndex", "Haystack"]
    for name, answer in {"acme": lambda: demo, "silent": lambda: None, "broken": lambda: 1 / 0}.items():
        register_plugin(Plugin(answer), name)
    found = plugins().demos()
    assert demo in found
    assert [each for each in found if each is not demo] == before
    assert [str(each) for each in plugins().failed] == [
        "plugin 'broken' of this program failed in embedonce_demo: ZeroDivisionError('division by zero')"
    ]
