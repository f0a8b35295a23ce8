"""What only several frameworks together show, or any texts: one store for all of them, and every mix of hits."""

from __future__ import annotations

from every_framework import APIS
from hypothesis import given, settings
from hypothesis import strategies as st

from embedonce import EmbeddingCache, MemoryStore
from embedonce.testing import ModelBehind
from embedonce.testing.suites.adapters.comparing import exactly, variant
from embedonce.testing.suites.adapters.hits import served
from embedonce.testing.suites.adapters.texts import NASTY

NAMESPACE = "acme/e5-small@3"


def test_a_wrapper_holds_the_very_embedder_that_was_wrapped(framework, place):
    for store in (place, EmbeddingCache(place)):
        native = framework.embedder(ModelBehind())
        natives, insides = framework.parts(native), framework.insides(framework.wrap(native, store))
        assert all(inside is each for inside, each in zip(insides, natives, strict=True))


def test_a_namespace_is_shared_by_all_frameworks(api, place):
    """It is the whole identity, whether anybody could have told the model or not."""
    model = ModelBehind()
    filled = api.wrap(model, place, namespace=NAMESPACE)
    assert filled.namespace == NAMESPACE
    assert exactly(api.documents(filled, NASTY)) == exactly(model.documents(NASTY))
    assert exactly(api.query(filled, "a")) == exactly(model.query("a"))
    for other in APIS:
        never = ModelBehind(is_known=False, fail_at=0)
        wrapped = other.wrap(never, place, namespace=NAMESPACE)
        with variant(other):
            assert exactly(other.documents(wrapped, NASTY)) == exactly(model.documents(NASTY))
            assert exactly(other.document(wrapped, "a")) == exactly(model.document("a"))
            assert exactly(other.query(wrapped, "a")) == exactly(model.query("a"))
            assert never.calls == []
            assert not served(other, ModelBehind("other", is_known=False), place, namespace=f"other {other}")


def test_a_declared_identity_is_shared_by_all_frameworks(api, place):
    assert not served(api, ModelBehind(), place)
    for other in APIS:
        with variant(other):
            assert served(other, ModelBehind(), place)
            assert not served(other, ModelBehind(f"other {other}"), place)


def test_one_cache_may_serve_all_frameworks(api, place):
    with EmbeddingCache(place) as cache:
        assert not served(api, ModelBehind(), cache)
        for number, other in enumerate(APIS, 1):
            with variant(other):
                assert served(other, ModelBehind(), cache)
                assert cache.stats().hits == 2 * number


TEXTS = st.lists(st.one_of(st.sampled_from(NASTY[:-1]), st.text(st.characters(), max_size=6)), max_size=14)


@settings(deadline=None, max_examples=120)
@given(
    api=st.sampled_from(APIS),
    texts=TEXTS,
    stored=st.sets(st.integers(0, 13)),
    batch_size=st.one_of(st.none(), st.integers(1, 5)),
    dtype=st.sampled_from(["float32", "float64", "int8"]),
)
def test_any_texts_in_any_mix_keep_their_order(api, texts, stored, batch_size, dtype):
    store, model = MemoryStore(), ModelBehind(dtype=dtype)
    before = [text for i, text in enumerate(texts) if i in stored]
    api.documents(api.wrap(model, store), before)
    misses = [text for text in dict.fromkeys(texts) if text not in before]
    model.calls.clear()
    wrapped = api.wrap(model, store, batch_size=batch_size)
    assert exactly(api.documents(wrapped, texts)) == exactly(model.documents(texts))
    size = batch_size or max(1, len(misses))
    assert model.texts == [misses[i : i + size] for i in range(0, len(misses), size)]
