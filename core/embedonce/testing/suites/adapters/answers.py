"""Answers that break the contract, embedders and stores that fail, and the work that is kept then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from embedonce import EmbedderContractError, MemoryStore, StoreError
from embedonce.testing.stores import FaultyStore
from embedonce.testing.suites.adapters.comparing import exactly, variant
from embedonce.testing.suites.adapters.harness import Harness
from embedonce.testing.suites.adapters.identities import NAMESPACE
from embedonce.testing.suites.adapters.model import ModelBehind, ToldToFailError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embedonce.testing.stores import Verb
    from embedonce.testing.suites.adapters.harness import Api

    Spoil = Callable[[list[Any]], list[Any]]

BROKEN: dict[str, Spoil] = {
    "the first is missing": lambda vectors: vectors[1:],
    "the last is missing": lambda vectors: vectors[:-1],
    "none": lambda _: [],
    "one for all": lambda vectors: vectors[:1] if len(vectors) > 1 else [],
    "one too many": lambda vectors: [*vectors, vectors[0]] if len(vectors) > 1 else [],
    "NaN": lambda vectors: [*vectors[:-1], [float("nan"), 1.0, 2.0]],
    "infinite": lambda vectors: [*vectors[:-1], [1.0, float("inf"), 2.0]],
    "an empty vector": lambda vectors: [*vectors[:-1], []],
    "only empty vectors": lambda vectors: [[] for _ in vectors],
    "two dimensions": lambda vectors: [*vectors[:-1], [1.0, 2.0]],
    "another dimension": lambda vectors: [[1.0, 2.0] for _ in vectors],
}


VERBS: dict[str, Verb] = {"read": "mget", "write": "mset"}


def failing(*fails: str) -> FaultyStore:
    """Return a byte store that fails when it is read or written."""
    store = FaultyStore()
    store.fail(*(VERBS[each] for each in fails), error=ToldToFailError)
    return store


class Answers(Harness):
    """An answer that is not one finite vector of one length for each text is refused as a whole."""

    def test_an_answer_that_breaks_the_contract_is_refused_and_nothing_wrong_of_it_is_stored(self, api: Api) -> None:
        """Too few or too many vectors, one for all, NaN, infinities, empty or ragged ones: an `EmbedderContractError`.

        If not, look for code that pads, cuts, drops or fills in vectors before the cache sees them. If it is the
        framework that may answer without a vector, set `may_leave_out`.
        """
        for name, spoil in BROKEN.items():
            with variant(name):
                self._refuses(api, spoil)

    def _refuses(self, api: Api, spoil: Spoil) -> None:
        questions: dict[str, Any] = {"documents": ["a", "b", "c"], "document": "a", "query": "a"}
        for method, question in questions.items():
            store, model = MemoryStore(), ModelBehind(spoil=spoil)
            wrapped = api.wrap(model, store)
            if not self._is_left_out(method, spoil, question):
                api.check_refused(wrapped, EmbedderContractError, **{method: question})
                assert len(model.calls) == 1
                # What is right of the answer is kept.
                assert len(list(store.yield_keys())) < len(question)
            model.spoil = None
            api.check(wrapped, model, documents=["a", "b", "c"], query="a")

    def _is_left_out(self, method: str, spoil: Spoil, texts: Any) -> bool:
        """Return whether the answer says that a text could not be embedded, rather than breaking the contract."""
        answer = spoil([[1.0, 2.0, 3.0] for _ in texts])
        return self.may_leave_out and ([] in answer or (method == "query" and not answer))

    def test_each_text_that_is_left_without_a_vector_is_asked_for_once(self, api: Api, place: Path) -> None:
        """No text is tried again within a call, also where the framework may answer without a vector.

        If not, look for retries around the embedder.
        """
        model = ModelBehind(spoil=lambda vectors: [[] for _ in vectors])
        wrapped = api.wrap(model, place, batch_size=1)
        if self.may_leave_out:
            assert api.documents(wrapped, ["a", "b", "a", "c"]) == [None] * 4
            assert model.texts == [["a"], ["b"], ["c"]]
        else:
            with pytest.raises(EmbedderContractError):
                api.documents(wrapped, ["a", "b", "a", "c"])
            assert model.texts == [["a"]]

    def test_a_text_that_is_left_without_a_vector_is_asked_for_again(self, api: Api) -> None:
        """Nothing is stored for it. The caller gets an error or, where the framework may leave texts out, nothing.

        If not, look for an empty vector or None that reaches the store. If the framework refuses None by an error of
        its own before the wrapper sees it, add that to `refusals`.
        """
        for nothing in list[Any]([[], None]):
            with variant(nothing):
                self._asks_again(api, nothing)

    def _asks_again(self, api: Api, nothing: Any) -> None:
        store, model = MemoryStore(), ModelBehind(spoil=lambda vectors: [*vectors[:-1], nothing])
        wrapped = api.wrap(model, store)
        questions: dict[str, Any] = {"documents": ["a", "b", "c"], "document": "c", "query": "c"}
        if self.may_leave_out:
            answers = [getattr(api, method)(wrapped, question) for method, question in questions.items()]
            assert exactly(answers) == exactly([[*model.documents(["a", "b"]), None], None, nothing])
        else:
            api.check_refused(wrapped, self.refusals, **questions)
        assert model.texts == [["a", "b", "c"], ["c"], ["c"]]
        # A framework that refuses the answer itself does so before the wrapper sees it.
        kept = ["a", "b"] if list(store.yield_keys()) else []
        assert len(list(store.yield_keys())) == len(kept) >= 2 * self.may_leave_out
        model.spoil = None
        api.check(wrapped, model, **questions)
        assert model.texts[3:] == [[text for text in "abc" if text not in kept], ["c"]]

    def test_another_dimension_within_a_namespace_is_refused(self, api: Api, place: Path) -> None:
        """A namespace that the user has given to a second model by mistake does not mix their vectors.

        If not, look for an adapter that cuts vectors, or that stores under a namespace of its own making.
        """
        model, other = (ModelBehind(dimensions=dimensions, is_known=False) for dimensions in (3, 4))
        api.documents(api.wrap(model, place, namespace=NAMESPACE), ["a"])
        for options in ({}, {"batch_size": 1}):
            wrapped = api.wrap(other, place, namespace=NAMESPACE, **options)
            api.check_refused(wrapped, EmbedderContractError, documents=["a", "b"], document="c", query="a")
        wrapped = api.wrap(model, place, namespace=NAMESPACE)
        api.check(wrapped, model, documents=["a", "b"])
        assert model.texts == [["a"], ["b"]]


class KeptWork(Harness):
    """Vectors that were paid for are not lost."""

    def test_a_failure_at_nine_tenths_keeps_nine_tenths(self, api: Api, place: Path) -> None:
        """Batches that were finished before the embedder failed are stored.

        If not, look for code that collects all vectors before it stores them, or that drops `options.batch_size`.
        """
        model, texts = ModelBehind(fail_at=9), [f"text {i}" for i in range(100)]
        with pytest.raises(ToldToFailError):
            api.documents(api.wrap(model, place, batch_size=10), texts)
        model.calls.clear()
        model.fail_at = None
        api.check(api.wrap(model, place, batch_size=10), model, documents=texts)
        assert model.texts == [texts[90:]]

    def test_a_broken_answer_keeps_the_batches_before_it(self, api: Api, place: Path) -> None:
        """As above, if a batch is answered wrongly.

        If not, look for code that collects all vectors before it stores them.
        """
        model, texts = ModelBehind(), [f"text {i}" for i in range(6)]
        model.spoil = lambda vectors: vectors[: 0 if len(model.calls) == 3 else None]
        with pytest.raises(EmbedderContractError):
            api.documents(api.wrap(model, place, batch_size=2), texts)
        api.check(api.wrap(model, place), model, documents=texts)
        assert model.texts[3:] == [texts[4:]]

    def test_an_error_of_the_embedder_arrives_as_it_is(self, api: Api, place: Path) -> None:
        """It is the same object, so that code that handles errors of the framework still works.

        If not, look for errors that the wrapper catches and turns into others.
        """
        error = ToldToFailError()

        def fail(_: list[Any]) -> list[Any]:
            raise error

        wrapped = api.wrap(ModelBehind(spoil=fail), place)
        raised = api.check_refused(wrapped, ToldToFailError, documents=["a"], document="a", query="a")
        assert all(each is error for each in raised)

    def test_a_store_that_fails_costs_no_vector(self, api: Api, caplog: pytest.LogCaptureFixture) -> None:
        """Vectors are returned; the faults are counted, and one warning is logged.

        If not, look for an adapter that reads or writes the store itself instead of by `EmbeddingCache.embed`.
        """
        for fails in (["read"], ["write"], ["read", "write"]):
            caplog.clear()
            with variant(fails):
                model = ModelBehind()
                wrapped = api.wrap(model, failing(*fails))
                with caplog.at_level(logging.WARNING, "embedonce"):
                    for _ in range(5):
                        api.check(wrapped, model, documents=["a", "b"], query="a")
                assert len(model.calls) == 10
                stats = wrapped.cache.stats()
                assert (stats.read_errors > 0, stats.write_errors > 0) == ("read" in fails, "write" in fails)
                assert len([record for record in caplog.records if record.name.startswith("embedonce")]) == 1

    def test_a_store_that_fails_is_an_error_if_that_is_asked_for(self, api: Api) -> None:
        """`on_store_error="raise"` reaches the cache; texts that cannot be looked up are not paid for.

        If not, look for an error that the wrapper swallows.
        """
        for fails in ("read", "write"):
            with variant(fails):
                store, model = failing(fails), ModelBehind()
                wrapped = api.wrap(model, store, on_store_error="raise")
                api.check_refused(wrapped, StoreError, "ToldToFailError", documents=["a"], document="a", query="a")
                assert bool(model.calls) == (fails == "write"), "texts that cannot be looked up are not paid for"
                store.heal()
                api.check(wrapped, model, documents=["a"])
