"""Embedders of live objects that are changed, which only some frameworks have."""

from __future__ import annotations

import pytest
from every_framework import LANGCHAIN, LLAMAINDEX

from embedonce import CacheMissError
from embedonce.testing.suites.adapters import WAYS, Api


# Haystack's components are told by what they write down, which holds no live objects.
@pytest.mark.parametrize("api", [Api(each, way) for each in (LANGCHAIN, LLAMAINDEX) for way in WAYS], ids=str)
def test_an_embedder_that_becomes_unclear_is_asked_itself(api, place, caplog):
    """What was wrapped goes on working, and says once why nothing is cached any more."""
    native = api.suite.embedder_of_fields(model_name="acme-1")
    wrapped = api.suite.wrap(native, place)
    expected = api.documents(wrapped, ["a"])
    assert wrapped.cache.stats().stored == 1
    native.__dict__["engine"] = object()
    for _ in range(2):
        assert api.documents(wrapped, ["a"]) == api.documents(native, ["a"])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "namespace=" in caplog.text
    native = api.suite.embedder_of_fields(model_name="acme-1")
    replaying = api.suite.wrap(native, place, mode="replay")
    assert api.documents(replaying, ["a"]) == expected
    native.__dict__["engine"] = object()
    with pytest.raises(CacheMissError, match="cannot be replayed"):
        api.documents(replaying, ["a"])
