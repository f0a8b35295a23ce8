"""Never a wrong vector, and a hit where there was one: one body for every framework, sync and async."""

from __future__ import annotations

import unicodedata

import pytest
from frameworks_support import DictStore, Model, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from embedonce import EmbeddingCache, Identity, IdentityError

NAMESPACE = "acme/e5-small@3"
NAMED = {"namespace": NAMESPACE, "is_known": False}
NASTY = ["", "\0", "a", "b", "A", " a", "a ", "a\nb", "é", "e\u0301", "\ud800", "\udfff\ud800", "😀", "x" * 40_000]


def served(api, model, place, **options):
    """True if both roles of a text are answered as the model would, without asking it."""
    wrapped = api.wrap(model, place, **options)
    paid = len(model.paid)
    assert exactly(api.documents(wrapped, ["a"])) == exactly(model.documents(["a"]))
    assert exactly(api.query(wrapped, "a")) == exactly(model.query("a"))
    return len(model.paid) == paid


# Hits


def test_a_wrapper_is_an_embedder_of_the_framework(framework, place):
    for store in (place, EmbeddingCache(place)):
        native = framework.native(Model())
        wrapped = framework.cached(native, store)
        assert all(isinstance(each, framework.kind) for each in framework.wrappers(wrapped))
        natives, insides = framework.natives(native), framework.insides(wrapped)
        assert all(inside is each for inside, each in zip(insides, natives, strict=True))
        assert wrapped.namespace == wrapped.identity.namespace == Model().identity.namespace


def test_what_was_embedded_once_is_a_hit_for_every_method(api, place):
    model, texts = Model(), ["a", "b", "c"]
    first = api.wrap(model, place)
    assert exactly(api.documents(first, texts)) == exactly(model.documents(texts))
    assert exactly(api.query(first, "a")) == exactly(model.query("a"))
    assert exactly(api.document(first, "d")) == exactly(model.document("d"))
    paid = [("document", "a"), ("document", "b"), ("document", "c"), ("query", "a"), ("document", "d")]
    assert model.paid == paid
    for wrapped in (first, api.wrap(model, place), api.wrap(Model(fail_at=0), place)):
        for either in (api, api.other_way()):
            assert exactly(either.documents(wrapped, ["d", *texts])) == exactly(model.documents(["d", *texts]))
            assert exactly(either.document(wrapped, "b")) == exactly(model.document("b"))
            assert exactly(either.query(wrapped, "a")) == exactly(model.query("a"))
    assert model.paid == paid


def test_the_embedder_is_asked_in_the_way_of_the_caller(api, place):
    model = Model()
    wrapped = api.wrap(model, place)
    api.documents(wrapped, ["a"])
    api.document(wrapped, "b")
    api.query(wrapped, "a")
    assert [call.way for call in model.calls] == [api.way] * 3


def test_one_changed_text_is_one_embedding(api, place):
    model, texts = Model(), [f"text {i}" for i in range(50)]
    api.documents(api.wrap(model, place), texts)
    changed = [*reversed(texts[:20]), "new", *texts[20:]]
    assert api.documents(api.wrap(model, place), changed) == model.documents(changed)
    assert model.texts == [texts, ["new"]]


@pytest.mark.parametrize("batch_size", ["auto", None, 1, 2])
def test_duplicates_are_paid_once(api, place, batch_size):
    model, texts = Model(), ["a", "a", "b", "a", "c", "b"]
    wrapped = api.wrap(model, place, batch_size=batch_size)
    assert api.documents(wrapped, texts) == model.documents(texts)
    assert model.paid == [("document", text) for text in "abc"]


def test_misses_are_gathered_before_they_are_sent(api, place):
    model, texts = Model(), [f"text {i}" for i in range(100)]
    api.documents(api.wrap(model, place), [text for i, text in enumerate(texts) if i % 10])
    api.documents(api.wrap(model, place), texts)
    assert model.texts[1:] == [texts[::10]]


def test_an_empty_store_is_a_store(api):
    class Sized(DictStore):
        def __len__(self):
            return len(self.values)

    model, store = Model(), Sized()
    assert not store
    assert [served(api, model, store) for _ in range(2)] == [False, True]
    assert len(store) == 2


# Roles


@pytest.mark.parametrize("first", ["document", "query"])
def test_roles_are_kept_apart(api, place, first):
    model = Model()
    for _ in range(2):
        wrapped = api.wrap(model, place)
        for text in NASTY:
            if first == "document":
                assert exactly(api.document(wrapped, text)) == exactly(model.document(text))
            assert exactly(api.query(wrapped, text)) == exactly(model.query(text))
            assert exactly(api.documents(wrapped, [text])) == exactly([model.document(text)])
    assert sorted(model.paid) == sorted((role, text) for role in ("document", "query") for text in NASTY)


@pytest.mark.parametrize("options", [{}, {"symmetric": True}, {"namespace": NAMESPACE, "symmetric": True}], ids=str)
def test_roles_share_entries_if_they_are_embedded_alike(api, place, options):
    """The model says so, or the user."""
    model = Model(symmetric=True, says_so=not options)
    wrapped = api.wrap(model, place, is_known="namespace" not in options, **options)
    assert api.query(wrapped, "a") == api.document(wrapped, "a") == model.document("a")
    assert api.documents(wrapped, ["b"]) == [api.query(wrapped, "b")]
    assert model.paid == [("query", "a"), ("document", "b")]


def test_the_user_may_tell_the_roles_apart(api, place):
    model = Model(symmetric=True)
    wrapped = api.wrap(model, place, symmetric=False)
    assert api.document(wrapped, "a") == api.query(wrapped, "a")
    assert model.paid == [("document", "a"), ("query", "a")]


# Identity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((Model("one"), {}), (Model("other"), {})),
        ((Model(dimensions=3), {}), (Model(dimensions=5), {})),
        ((Model(dimensions=5), {}), (Model(dimensions=3), {})),
        ((Model("one"), {"namespace": "one"}), (Model("other"), {"namespace": "other"})),
        ((Model("one"), {"namespace": NAMESPACE}), (Model("other"), {"namespace": NAMESPACE, "version": 2})),
        ((Model("one"), {"version": 1}), (Model("one"), {"version": 2})),
        ((Model("one"), {"namespace": "Acme/E5"}), (Model("other"), {"namespace": "acme/e5"})),
    ],
    ids=["model", "larger", "smaller", "namespace", "version of a namespace", "version", "case"],
)
def test_two_models_in_one_store_share_nothing(api, place, one, other):
    both = [(Model(model.name, model.dimensions), options) for model, options in (one, other)]
    for round_ in range(3):
        for model, options in both:
            assert served(api, model, place, **options) == (round_ > 0)


def test_a_namespace_is_shared_by_all_frameworks(api, other_api, place):
    """It is the whole identity, whether anybody could have told the model or not."""
    model = Model()
    filled = api.wrap(model, place, namespace=NAMESPACE)
    assert filled.namespace == NAMESPACE
    assert exactly(api.documents(filled, NASTY)) == exactly(model.documents(NASTY))
    assert exactly(api.query(filled, "a")) == exactly(model.query("a"))
    never = Model(fail_at=0)
    wrapped = other_api.wrap(never, place, **NAMED)
    assert exactly(other_api.documents(wrapped, NASTY)) == exactly(model.documents(NASTY))
    assert exactly(other_api.document(wrapped, "a")) == exactly(model.document("a"))
    assert exactly(other_api.query(wrapped, "a")) == exactly(model.query("a"))
    assert never.calls == []
    assert not served(other_api, Model("other"), place, namespace="other", is_known=False)


def test_a_declared_identity_is_shared_by_all_frameworks(api, other_api, place):
    assert not served(api, Model(), place)
    assert served(other_api, Model(), place)
    assert not served(other_api, Model("other"), place)


def test_one_cache_may_serve_all_frameworks(api, other_api, place):
    with EmbeddingCache(place) as cache:
        assert not served(api, Model(), cache)
        assert served(other_api, Model(), cache)
        assert cache.stats().hits == 2


def test_a_model_that_is_changed_after_wrapping_is_another_one(api, place):
    model = Model("before")
    wrapped = api.wrap(model, place)
    before = wrapped.namespace
    for name, dimensions in (("after", 3), ("after", 5), ("before", 3)):
        model.name, model.dimensions = name, dimensions
        for _ in range(2):
            assert exactly(api.documents(wrapped, ["a"])) == exactly(model.documents(["a"]))
            assert exactly(api.query(wrapped, "a")) == exactly(model.query("a"))
        assert (wrapped.namespace == before) == (name == "before")
    assert len(model.paid) == 6 - 2 + 2
    assert served(api, Model("after", 5), place)


def test_a_field_that_is_changed_after_wrapping_moves_the_namespace(api, place):
    native = api.framework.plain(model_name="m", prefix="passage: ")
    wrapped = api.framework.cached(native, place)
    namespaces = set()
    for field, value in (("model_name", "other"), ("prefix", "query: "), ("prefix", "")):
        for inside in api.framework.insides(wrapped):
            setattr(inside, field, value)
        expected = api.framework.documents(native, ["a"])
        for _ in range(2):
            assert api.documents(wrapped, ["a"]) == expected
        namespaces.add(wrapped.namespace)
    assert len(namespaces) == 3


def test_an_embedder_that_nobody_can_tell_from_another_is_refused(framework, place):
    with pytest.raises(IdentityError, match="namespace="):
        framework.wrap(Model(), place, is_known=False)
    for nothing in ("", "  "):
        with pytest.raises(IdentityError, match="namespace"):
            framework.wrap(Model(), place, is_known=False, namespace=nothing)
    named = framework.wrap(Model(), place, **NAMED)
    assert named.namespace == NAMESPACE
    assert named.identity == Identity.named(NAMESPACE)


# Values


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int64"])
def test_a_hit_is_like_a_miss_bit_by_bit_and_in_type(api, place, dtype):
    model, texts = Model(dimensions=8, dtype=dtype), [f"text {i}" for i in range(12)]
    for wrapped in (api.wrap(model, place), api.wrap(model, place)):
        vectors = api.documents(wrapped, texts)
        assert exactly(vectors) == exactly(model.documents(texts))
        assert type(vectors) is list
        answers = [*vectors, api.document(wrapped, "text 3"), api.query(wrapped, "text 3")]
        assert {type(vector) for vector in answers} == {list}
        assert {type(number) for vector in answers for number in vector} == {float}
        assert exactly(answers[-2:]) == exactly([model.document("text 3"), model.query("text 3")])
    assert len(model.paid) == len(texts) + 1


def test_every_list_is_the_callers_own(api, place):
    model = Model()
    wrapped = api.wrap(model, place)
    for _ in range(3):
        vectors = api.documents(wrapped, ["a", "b", "a"])
        assert exactly(vectors) == exactly(model.documents(["a", "b", "a"]))
        vectors[0][:] = vectors[1][:] = [99.0]
        assert exactly(vectors[2]) == exactly(model.document("a")), "duplicates share nothing"
        vectors.clear()
        for ask, expected in ((api.query, model.query), (api.document, model.document)):
            vector = ask(wrapped, "a")
            assert exactly(vector) == exactly(expected("a"))
            vector[:] = [99.0]


def test_what_the_embedder_keeps_is_not_handed_out(api, place):
    """The model answers with one list again and again, and a caller changes what it gets."""
    kept = [1.5, 2.5]
    model = Model(spoil=lambda vectors: [kept for _ in vectors])
    wrapped = api.wrap(model, place, **NAMED)
    for vector in (*api.documents(wrapped, ["a", "b"]), api.document(wrapped, "c"), api.query(wrapped, "a")):
        vector[0] = 99.0
    assert kept == [1.5, 2.5]
    assert api.documents(wrapped, ["a", "b", "c"]) == [[1.5, 2.5]] * 3


# Texts


def test_texts_are_taken_as_they_are(api, place):
    texts = [unicodedata.normalize(form, "ﬁancé Å") for form in ("NFC", "NFD", "NFKC", "NFKD")]
    texts += [
        *NASTY,
        "a cat",
        "a cat ",
        "a  cat",
        "a cat\u200b",
        "a\u00a0cat",
        "A cat",
        "y" * 1_000_000,
        "../a",
        "a//b",
    ]
    model = Model()
    for _ in range(2):
        wrapped = api.wrap(model, place)
        assert exactly(api.documents(wrapped, texts)) == exactly(model.documents(texts))
        assert exactly([api.query(wrapped, text) for text in texts]) == exactly(list(map(model.query, texts)))
    assert model.texts[0] == texts, "and reach the embedder character by character"
    assert len(model.paid) == 2 * len(texts)


def test_what_is_no_text_is_refused(api, place):
    """Rather than taken for the text that it is printed as."""
    model = Model()
    wrapped = api.wrap(model, place)
    for nothing in (1, None, b"a", ["a"]):
        for ask, question in ((api.documents, ["a", nothing]), (api.document, nothing), (api.query, nothing)):
            with pytest.raises(TypeError, match=api.framework.no_text):
                ask(wrapped, question)
    with pytest.raises(TypeError, match=api.framework.no_texts):
        api.documents(wrapped, "abc")
    assert model.calls == []


def test_no_texts_are_no_work(api, place):
    model = Model()
    wrapped = api.wrap(model, place)
    assert api.documents(wrapped, []) == []
    assert model.calls == []
    assert wrapped.cache.stats().texts == 0


TEXTS = st.lists(st.one_of(st.sampled_from(NASTY[:-1]), st.text(st.characters(), max_size=6)), max_size=14)


@settings(deadline=None, max_examples=40)
@given(
    texts=TEXTS,
    stored=st.sets(st.integers(0, 13)),
    batch_size=st.one_of(st.none(), st.integers(1, 5)),
    dtype=st.sampled_from(["float32", "float64", "int8"]),
)
def test_any_mix_of_hits_misses_and_duplicates_keeps_its_order(api, texts, stored, batch_size, dtype):
    store, model = DictStore(), Model(dtype=dtype)
    before = [text for i, text in enumerate(texts) if i in stored]
    api.documents(api.wrap(model, store), before)
    misses = [text for text in dict.fromkeys(texts) if text not in before]
    model.calls.clear()
    wrapped = api.wrap(model, store, batch_size=batch_size)
    assert exactly(api.documents(wrapped, texts)) == exactly(model.documents(texts))
    size = batch_size or max(1, len(misses))
    assert model.texts == [misses[i : i + size] for i in range(0, len(misses), size)]
