"""Other processes and object stores, in every framework."""

from __future__ import annotations

import multiprocessing
import pickle

import pytest
from every_framework import FRAMEWORKS
from frameworks_support import asked_elsewhere
from variants import covering

from embedonce import EmbeddingCache
from embedonce.testing import ModelBehind
from embedonce.testing.suites.adapters import WAYS, Api
from embedonce.testing.suites.adapters.comparing import exactly, variant


def test_another_process_hits_and_stores_for_everybody(place):
    """In one process for all frameworks, because starting it takes seconds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for framework in FRAMEWORKS:
            model = ModelBehind(f"{framework}")
            wrapped = framework.wrapped(model, place)
            framework.embed_documents(wrapped, ["a", "b"])
            framework.embed_query(wrapped, "a")
            paid = [("document", "a"), ("document", "b"), ("query", "a")]
            answers, hits, paid_there = pool.apply(asked_elsewhere, (framework, wrapped))
            expected = [model.documents([f"new {way}", "a", "b"]) for way in WAYS] + [model.query("a")] * 2
            with variant(framework):
                assert exactly(answers) == exactly(expected)
                assert hits == 6
                assert paid_there == [*paid, ("document", "new sync"), ("document", "new async")]
                assert exactly(framework.embed_documents(wrapped, ["new async", "new sync"])) == exactly(
                    model.documents(["new async", "new sync"])
                )
                assert model.paid == paid


@pytest.mark.parametrize(("framework", "way"), covering(FRAMEWORKS, WAYS))
def test_an_object_store_is_shared(framework, way, s3_place):
    api = Api(framework, way)
    model, texts = ModelBehind(), [f"text {i}" for i in range(100)]
    options = {"storage_options": s3_place.storage_options}
    wrapped = api.wrap(model, s3_place.url, **options)
    assert exactly(api.documents(wrapped, texts)) == exactly(model.documents(texts))
    assert exactly(api.query(wrapped, "text 1")) == exactly(model.query("text 1"))
    wrapped.cache.flush()
    for other in (
        api.wrap(ModelBehind(fail_at=0), s3_place.url, **options),
        api.wrap(ModelBehind(fail_at=0), EmbeddingCache(s3_place.url, mode="replay", **options)),
        pickle.loads(pickle.dumps(wrapped)),
    ):
        assert exactly(api.documents(other, [*texts, "text 3"])) == exactly(model.documents([*texts, "text 3"]))
        assert exactly(api.query(other, "text 1")) == exactly(model.query("text 1"))
        assert other.cache.stats().embedded == 0
    # The server's credentials are words that the name of the model's package holds too.
    pickled = pickle.dumps(wrapped).replace(b"embedonce.testing", b"")
    for name in ("key", "secret"):
        assert s3_place.storage_options[name].encode() not in pickled
