"""Embedders that are changed while they are asked, or by being asked."""

from __future__ import annotations

import threading

import pytest
from frameworks_support import LIMIT, WAYS, Api, Model, until
from langchain_framework import LangChain
from llamaindex_framework import LlamaIndex

from embedonce import CacheMissError


def test_what_is_answered_during_a_change_is_returned_and_not_stored(api, place):
    """Nobody knows whether the answer belongs to the settings before it or after it."""
    model = Model()

    def change(vectors):
        model.name = "other"
        return vectors

    model.spoil = change
    assert api.documents(api.wrap(model, place), ["a"]) == Model().documents(["a"])
    for name in ("m", "other"):
        fresh = Model(name)
        assert api.documents(api.wrap(fresh, place), ["a"]) == fresh.documents(["a"])
        assert fresh.paid == [("document", "a")]


def test_who_waits_for_an_answer_during_a_change_asks_again(framework, place):
    """Another call of the same text must not get a vector that may be another model's."""
    api = Api(framework, "sync")
    model = Model()
    model.hold()
    wrapped, other = api.wrap(model, place), Model()
    answers = {}
    leader = threading.Thread(target=lambda: answers.update(leader=api.documents(wrapped, ["a"])))
    leader.start()
    assert model.started.wait(LIMIT)
    second = api.wrap(other, place)
    waiter = threading.Thread(target=lambda: answers.update(waiter=api.documents(second, ["a"])))
    waiter.start()
    until(lambda: second.cache.stats().calls == 1)
    model.name = "other"
    model.gate.set()
    leader.join()
    waiter.join()
    assert answers["waiter"] == Model().documents(["a"])
    assert other.paid == [("document", "a")]


# Haystack's components are told by what they write down, which holds no live objects.
@pytest.mark.parametrize("api", [Api(each, way) for each in (LangChain(), LlamaIndex()) for way in WAYS], ids=str)
def test_an_embedder_that_becomes_unclear_is_asked_itself(api, place, caplog):
    """What was wrapped goes on working, and says once why nothing is cached any more."""
    native = api.framework.plain(model_name="acme-1")
    wrapped = api.framework.cached(native, place)
    expected = api.documents(wrapped, ["a"])
    assert wrapped.cache.stats().stored == 1
    native.__dict__["engine"] = object()
    for _ in range(2):
        assert api.documents(wrapped, ["a"]) == api.documents(native, ["a"])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "namespace=" in caplog.text
    native = api.framework.plain(model_name="acme-1")
    replaying = api.framework.cached(native, place, mode="replay")
    assert api.documents(replaying, ["a"]) == expected
    native.__dict__["engine"] = object()
    with pytest.raises(CacheMissError, match="cannot be replayed"):
        api.documents(replaying, ["a"])
