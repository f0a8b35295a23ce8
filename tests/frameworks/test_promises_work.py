"""What is paid is kept and what is wrong is refused: answers, stores, modes and options, in every framework."""

from __future__ import annotations

import logging

import pytest
from frameworks_support import BoomError, DictStore, FaultyStore, Model, exactly
from pydantic import ValidationError

import embedonce
from embedonce import CacheMissError, EmbedderContractError, StoreError

NAMED = {"namespace": "acme/e5-small@3", "is_known": False}
NAN, INF = float("nan"), float("inf")


def files(place):
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} if place.exists() else {}


# Answers that break the contract

BROKEN = {
    "the first is missing": lambda vectors: vectors[1:],
    "the last is missing": lambda vectors: vectors[:-1],
    "none": lambda vectors: [],
    "one for all": lambda vectors: vectors[:1] if len(vectors) > 1 else [],
    "one too many": lambda vectors: [*vectors, vectors[0]] if len(vectors) > 1 else [],
    "NaN": lambda vectors: [*vectors[:-1], [NAN, 1.0, 2.0]],
    "infinite": lambda vectors: [*vectors[:-1], [1.0, INF, 2.0]],
    "an empty vector": lambda vectors: [*vectors[:-1], []],
    "only empty vectors": lambda vectors: [[] for _ in vectors],
    "two dimensions": lambda vectors: [*vectors[:-1], [1.0, 2.0]],
    "another dimension": lambda vectors: [[1.0, 2.0] for _ in vectors],
}


def is_left_out(api, ask, spoil, texts):
    """True if the answer says that a text could not be embedded, rather than breaking the contract."""
    answer = spoil([[1.0, 2.0, 3.0] for _ in texts])
    return api.framework.may_leave_out and ([] in answer or (ask == api.query and not answer))


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_breaks_the_contract_is_refused_and_nothing_of_it_is_stored(api, spoil):
    store, model = DictStore(), Model(spoil=spoil)
    wrapped = api.wrap(model, store)
    asks = [(api.documents, ["a", "b", "c"]), (api.document, "a"), (api.query, "a")]
    breaking = [(ask, question) for ask, question in asks if not is_left_out(api, ask, spoil, question)]
    for number, (ask, question) in enumerate(breaking, 1):
        with pytest.raises(EmbedderContractError):
            ask(wrapped, question)
        assert len(model.calls) == number
        assert store.values == {}
    model.spoil = None
    assert exactly(api.documents(wrapped, ["a", "b", "c"])) == exactly(model.documents(["a", "b", "c"]))
    assert exactly(api.query(wrapped, "a")) == exactly(model.query("a"))


def test_each_text_that_is_left_without_a_vector_is_asked_for_once(api, place):
    model = Model(spoil=lambda vectors: [[] for _ in vectors])
    wrapped = api.wrap(model, place, batch_size=1)
    if api.framework.may_leave_out:
        assert api.documents(wrapped, ["a", "b", "a", "c"]) == [None] * 4
        assert model.texts == [["a"], ["b"], ["c"]]
    else:
        with pytest.raises(EmbedderContractError):
            api.documents(wrapped, ["a", "b", "a", "c"])
        assert model.texts == [["a"]]


@pytest.mark.parametrize("nothing", [[], None], ids=str)
def test_a_text_that_is_left_without_a_vector_is_asked_for_again(api, nothing):
    """An error, or what the embedder has answered: Haystack's hand on a document that they have failed at."""
    store, model = DictStore(), Model(spoil=lambda vectors: [*vectors[:-1], nothing])
    wrapped = api.wrap(model, store)
    asks = [(api.documents, ["a", "b", "c"]), (api.document, "c"), (api.query, "c")]
    expected = [[*model.documents(["a", "b"]), None], None, nothing]
    for (ask, question), answer in zip(asks, expected, strict=True):
        if api.framework.may_leave_out:
            assert exactly(ask(wrapped, question)) == exactly(answer)
        else:
            # Events of LlamaIndex refuse None before it arrives.
            with pytest.raises((EmbedderContractError, ValidationError)):
                ask(wrapped, question)
    assert model.texts == [["a", "b", "c"], ["c"], ["c"]]
    kept = ["a", "b"] if api.framework.may_leave_out else []
    assert len(store.values) == len(kept)
    model.spoil = None
    for (ask, question), right in zip(asks, (model.documents, model.document, model.query), strict=True):
        assert exactly(ask(wrapped, question)) == exactly(right(question))
    assert model.texts[3:] == [[text for text in "abc" if text not in kept], ["c"]]


def test_another_dimension_within_a_namespace_is_refused(api, place):
    model, other = Model(dimensions=3), Model(dimensions=4)
    api.documents(api.wrap(model, place, **NAMED), ["a"])
    for wrapped in (api.wrap(other, place, **NAMED), api.wrap(other, place, batch_size=1, **NAMED)):
        for ask, question in ((api.documents, ["a", "b"]), (api.document, "c"), (api.query, "a")):
            with pytest.raises(EmbedderContractError):
                ask(wrapped, question)
    wrapped = api.wrap(model, place, **NAMED)
    assert exactly(api.documents(wrapped, ["a", "b"])) == exactly(model.documents(["a", "b"]))
    assert model.texts == [["a"], ["b"]]


# Work that is kept


def test_a_failure_at_nine_tenths_keeps_nine_tenths(api, place):
    model, texts = Model(fail_at=9), [f"text {i}" for i in range(100)]
    with pytest.raises(BoomError):
        api.documents(api.wrap(model, place, batch_size=10), texts)
    model.calls.clear()
    model.fail_at = None
    assert exactly(api.documents(api.wrap(model, place, batch_size=10), texts)) == exactly(model.documents(texts))
    assert model.texts == [texts[90:]]


def test_a_broken_answer_keeps_the_batches_before_it(api, place):
    model, texts = Model(), [f"text {i}" for i in range(6)]
    model.spoil = lambda vectors: vectors[: 0 if len(model.calls) == 3 else None]
    with pytest.raises(EmbedderContractError):
        api.documents(api.wrap(model, place, batch_size=2), texts)
    assert exactly(api.documents(api.wrap(model, place), texts)) == exactly(model.documents(texts))
    assert model.texts[3:] == [texts[4:]]


def test_an_error_of_the_embedder_arrives_as_it_is(api, place):
    error = BoomError()

    def fail(vectors):
        raise error

    wrapped = api.wrap(Model(spoil=fail), place)
    for ask, question in ((api.documents, ["a"]), (api.document, "a"), (api.query, "a")):
        with pytest.raises(BoomError) as caught:
            ask(wrapped, question)
        assert caught.value is error


@pytest.mark.parametrize("fails", [("read",), ("write",), ("read", "write")], ids=" and ".join)
def test_a_store_that_fails_costs_no_vector(api, fails, caplog):
    model = Model()
    wrapped = api.wrap(model, FaultyStore(*fails))
    with caplog.at_level(logging.WARNING, "embedonce"):
        for _ in range(5):
            assert exactly(api.documents(wrapped, ["a", "b"])) == exactly(model.documents(["a", "b"]))
            assert exactly(api.query(wrapped, "a")) == exactly(model.query("a"))
    assert len(model.calls) == 10
    stats = wrapped.cache.stats()
    assert (stats.read_errors > 0, stats.write_errors > 0) == ("read" in fails, "write" in fails)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("fails", ["read", "write"])
def test_a_store_that_fails_is_an_error_if_that_is_asked_for(api, fails):
    store, model = FaultyStore(fails), Model()
    wrapped = api.wrap(model, store, on_store_error="raise")
    for ask, question in ((api.documents, ["a"]), (api.document, "a"), (api.query, "a")):
        with pytest.raises(StoreError, match="BoomError"):
            ask(wrapped, question)
    assert bool(model.calls) == (fails == "write"), "what cannot be asked is not paid for"
    store.fails = ()
    assert exactly(api.documents(wrapped, ["a"])) == exactly(model.documents(["a"]))


# Modes


def test_read_only_reads_and_stores_nothing(api, place):
    model = Model()
    api.documents(api.wrap(model, place), ["a"])
    before = files(place)
    wrapped = api.wrap(model, place, mode="read_only")
    for _ in range(2):
        assert exactly(api.documents(wrapped, ["a", "b"])) == exactly(model.documents(["a", "b"]))
        assert exactly(api.query(wrapped, "a")) == exactly(model.query("a"))
    assert model.texts == [["a"], ["b"], ["a"], ["b"], ["a"]]
    assert files(place) == before


def test_refresh_embeds_all_and_overwrites(api, place):
    old, new = Model("old"), Model("new")
    api.documents(api.wrap(old, place, **NAMED), ["a", "b"])
    api.query(api.wrap(old, place, **NAMED), "a")
    refreshing = api.wrap(new, place, mode="refresh", **NAMED)
    assert exactly(api.documents(refreshing, ["a", "c", "a"])) == exactly(new.documents(["a", "c", "a"]))
    assert exactly(api.query(refreshing, "a")) == exactly(new.query("a"))
    assert new.texts == [["a", "c"], ["a"]]
    wrapped = api.wrap(Model(fail_at=0), place, **NAMED)
    expected = [new.document("a"), old.document("b"), new.document("c"), new.query("a")]
    assert exactly([*api.documents(wrapped, ["a", "b", "c"]), api.query(wrapped, "a")]) == exactly(expected)


def test_replay_never_embeds(api, place):
    model = Model()
    api.documents(api.wrap(model, place), ["a", "b"])
    never = Model(fail_at=0)
    wrapped = api.wrap(never, place, mode="replay")
    assert exactly(api.documents(wrapped, ["b", "a", "b"])) == exactly(model.documents(["b", "a", "b"]))
    for ask, question in ((api.documents, ["a", "a secret"]), (api.document, "a secret"), (api.query, "a")):
        with pytest.raises(CacheMissError, match="read_write") as caught:
            ask(wrapped, question)
        assert "a secret" not in str(caught.value)
    assert never.calls == []


def test_off_goes_past_the_cache(api, place):
    model = Model()
    api.documents(api.wrap(model, place), ["a"])
    before = files(place)
    wrapped = api.wrap(model, place, mode="off")
    for _ in range(2):
        assert exactly(api.documents(wrapped, ["a", "b"])) == exactly(model.documents(["a", "b"]))
        assert exactly(api.query(wrapped, "a")) == exactly(model.query("a"))
    assert model.texts[1:] == [["a", "b"], ["a"]] * 2
    assert files(place) == before


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"key_encoder": "md5"}, "md5"),
        ({"key_encoder": lambda text: None}, "key encoder"),
        ({"mode": "rw"}, "mode must be one of"),
        ({"codec": "pickle"}, "unknown codec"),
        ({"on_store_error": "log"}, "on_store_error"),
        ({"namespace": "\ud800"}, "surrogate"),
        ({"storage_options": {"no_such_option": 1}}, "no_such_option"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_option_is_refused_at_construction(framework, place, options, message):
    model = Model()
    with pytest.raises((ValueError, StoreError), match=message):
        framework.wrap(model, place, **options)
    assert model.calls == []
    assert files(place) == {}


def test_wrapping_a_wrapper_gives_it_back_or_is_refused(framework, place):
    wrapped = framework.wrap(Model(), place, version=1)
    for wrapper in framework.wrappers(wrapped):
        assert embedonce.wrap(wrapper) is wrapper
        assert embedonce.wrap(wrapper, place) is wrapper
        assert embedonce.wrap(wrapper, place, version=1) is wrapper
        assert wrapper.cache.wrap(wrapper) is wrapper
        for options in (
            {"store": place.with_name("other")},
            {"namespace": "other"},
            {"version": 2},
            {"symmetric": True},
            {"batch_size": 3},
            {"mode": "replay"},
        ):
            with pytest.raises(ValueError, match="wrapped already"):
                embedonce.wrap(wrapper, **{"store": place, **options})


def test_the_batch_size_of_the_cache_is_that_of_its_wrappers(api, place):
    model = Model()
    wrapped = api.wrap(model, embedonce.EmbeddingCache(place, batch_size=2))
    api.documents(wrapped, list("abcde"))
    assert [len(texts) for texts in model.texts] == [2, 2, 1]
