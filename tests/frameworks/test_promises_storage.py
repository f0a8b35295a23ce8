"""Other processes, copies, object stores and secrets, in every framework."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import pytest
from frameworks_support import WAYS, Api, Model, asked_elsewhere, exactly

from embedonce import EmbeddingCache

SECRET = "s3cr3t-0123456789"


def held(framework, wrapped):
    """All that a wrapper and the embedder inside it have as their own."""
    things = [*framework.wrappers(wrapped), *framework.insides(wrapped)]
    return [(thing, dict(vars(thing)), dict(getattr(thing, "__pydantic_private__", None) or {})) for thing in things]


# Processes and copies


def test_another_process_hits_and_stores_for_everybody(framework, place):
    model = Model()
    wrapped = framework.wrap(model, place)
    framework.documents(wrapped, ["a", "b"])
    framework.query(wrapped, "a")
    paid = [("document", "a"), ("document", "b"), ("query", "a")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers, hits, paid_there = pool.apply(asked_elsewhere, (framework, wrapped))
    expected = [model.documents([f"new {way}", "a", "b"]) for way in WAYS] + [model.query("a")] * 2
    assert exactly(answers) == exactly(expected)
    assert hits == 6
    assert paid_there == [*paid, ("document", "new sync"), ("document", "new async")]
    assert exactly(framework.documents(wrapped, ["new async", "new sync"])) == exactly(
        model.documents(["new async", "new sync"])
    )
    assert model.paid == paid


COPIES = {
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda thing, protocol=protocol: pickle.loads(pickle.dumps(thing, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("made", COPIES.values(), ids=COPIES.keys())
def test_a_copy_works_and_leaves_the_original_as_it_is(api, place, made):
    model = Model()
    wrapped = api.wrap(model, place, version=7, batch_size=2)
    api.documents(wrapped, ["a"])
    before = held(api.framework, wrapped)
    copied = made(wrapped)
    after = held(api.framework, wrapped)
    assert [[fields.keys() for fields in parts[1:]] for parts in after] == [
        [fields.keys() for fields in parts[1:]] for parts in before
    ]
    for now, then in zip(after, before, strict=True):
        assert all(now[i][name] is value for i in (1, 2) for name, value in then[i].items())
    assert (copied.namespace, copied.wrap_options) == (wrapped.namespace, wrapped.wrap_options)
    assert all(isinstance(each, api.framework.kind) for each in api.framework.wrappers(copied))
    inside = api.framework.behind(copied)
    assert inside is not model
    assert exactly(api.documents(copied, ["a", "b"])) == exactly(model.documents(["a", "b"]))
    assert exactly(api.query(copied, "a")) == exactly(model.query("a"))
    assert inside.texts == [["a"], ["b"], ["a"]]
    assert exactly(api.documents(wrapped, ["b", "a"])) == exactly(model.documents(["b", "a"]))
    assert model.texts == [["a"]]


def test_a_copy_follows_its_own_model(api, place):
    wrapped = api.wrap(Model("one"), place)
    api.documents(wrapped, ["a"])
    for made in COPIES.values():
        copied = made(wrapped)
        api.framework.behind(copied).name = "other"
        assert exactly(api.documents(copied, ["a"])) == exactly(Model("other").documents(["a"]))
        assert exactly(api.documents(wrapped, ["a"])) == exactly(Model("one").documents(["a"]))
        assert copied.namespace != wrapped.namespace == Model("one").identity.namespace


# Object stores


def test_an_object_store_is_shared(api, s3_place):
    model, texts = Model(), [f"text {i}" for i in range(100)]
    options = {"storage_options": s3_place.storage_options}
    wrapped = api.wrap(model, s3_place.url, **options)
    assert exactly(api.documents(wrapped, texts)) == exactly(model.documents(texts))
    assert exactly(api.query(wrapped, "text 1")) == exactly(model.query("text 1"))
    wrapped.cache.flush()
    for other in (
        api.wrap(Model(fail_at=0), s3_place.url, **options),
        api.wrap(Model(fail_at=0), EmbeddingCache(s3_place.url, mode="replay", **options)),
        pickle.loads(pickle.dumps(wrapped)),
    ):
        assert exactly(api.documents(other, [*texts, "text 3"])) == exactly(model.documents([*texts, "text 3"]))
        assert exactly(api.query(other, "text 1")) == exactly(model.query("text 1"))
        assert other.cache.stats().embedded == 0
    pickled = pickle.dumps(wrapped)
    for name in ("key", "secret"):
        assert s3_place.storage_options[name].encode() not in pickled


# Secrets


def test_nothing_that_is_shown_or_kept_holds_a_secret(api, tmp_path):
    fields = {"model_name": "m", "api_key": SECRET, "base_url": f"https://user:{SECRET}@host/v1?sig={SECRET}"}
    wrapped = api.framework.cached(api.framework.plain(**fields), tmp_path / "cache")
    api.documents(wrapped, ["a"])
    assert SECRET not in api.framework.shown(wrapped)
    for path in tmp_path.rglob("*"):
        assert SECRET not in path.name
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    assert pickle.loads(pickle.dumps(wrapped)).namespace == wrapped.namespace


def test_another_key_is_no_other_model(api, place):
    base = {"model_name": "m", "base_url": "https://host/v1"}
    names = [
        api.framework.cached(api.framework.plain(**{**base, **fields}), place).namespace
        for fields in (
            {"api_key": SECRET},
            {"api_key": "another"},
            {"api_key": "", "model_name": "other"},
            {"api_key": "", "base_url": "https://other/v1"},
        )
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_options_of_the_storage_are_neither_shown_nor_pickled(api):
    options = {"key": SECRET, "nested": {"token": SECRET}}
    wrapped = api.wrap(Model(), "memory://a/place", storage_options=options)
    api.documents(wrapped, ["a"])
    assert SECRET not in api.framework.shown(wrapped)
    pickled = pickle.dumps(wrapped)
    assert SECRET.encode() not in pickled
    assert SECRET not in api.framework.shown(pickle.loads(pickled))


# Counts


def test_stats_tell_what_happened(api, place):
    model = Model()
    first = api.wrap(model, place)
    api.documents(first, ["a", "b", "a"])
    api.document(first, "c")
    api.query(first, "a")
    api.documents(first, ["c", "d"])
    stats = first.cache.stats()
    assert (stats.calls, stats.texts, stats.duplicates) == (4, 7, 1)
    assert (stats.hits, stats.joined, stats.embedded, stats.stored) == (1, 0, 5, 5)
    second = api.wrap(model, place)
    assert second.cache.stats().calls == 0
    Api(api.framework, "sync").documents(second, ["a", "b", "b"])
    stats = second.cache.stats()
    assert (stats.calls, stats.texts, stats.duplicates, stats.hits, stats.embedded, stats.stored) == (1, 3, 1, 2, 0, 0)
    assert stats.read_errors == stats.write_errors == stats.damaged == stats.skipped == stats.lost == 0
