"""Which embedders share vectors: roles, models, namespaces, and embedders that are changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from embedonce import Identity, IdentityError
from embedonce.testing.suites.adapters.comparing import LIMIT, exactly, until, variant
from embedonce.testing.suites.adapters.harness import Harness
from embedonce.testing.suites.adapters.hits import served
from embedonce.testing.suites.adapters.model import ModelBehind
from embedonce.testing.suites.adapters.texts import NASTY

if TYPE_CHECKING:
    from pathlib import Path

    from embedonce.testing.suites.adapters.harness import Api

NAMESPACE = "acme/e5-small@3"
PAIRS: dict[str, list[tuple[str, int, dict[str, Any]]]] = {
    "model": [("one", 3, {}), ("other", 3, {})],
    "larger": [("m", 3, {}), ("m", 5, {})],
    "smaller": [("m", 5, {}), ("m", 3, {})],
    "namespace": [("one", 3, {"namespace": "one"}), ("other", 3, {"namespace": "other"})],
    "version of a namespace": [
        ("one", 3, {"namespace": NAMESPACE}),
        ("other", 3, {"namespace": NAMESPACE, "version": 2}),
    ],
    "version": [("one", 3, {"version": 1}), ("one", 3, {"version": 2})],
    "case": [("one", 3, {"namespace": "Acme/E5"}), ("other", 3, {"namespace": "acme/e5"})],
}
"""Pairs of models that share no vectors, by what differs: name, length of vectors and options of each."""


class Roles(Harness):
    """Documents and queries."""

    def test_roles_are_kept_apart(self, api: Api, place: Path) -> None:
        """The vector of a query is never served for the document of that text, nor the reverse.

        If not, look for a call of `EmbeddingCache.embed` for queries without `role="query"`.
        """
        for first in ("document", "query"):
            with variant(f"{first} first"):
                model = ModelBehind(first)
                for _ in range(2):
                    wrapped = api.wrap(model, place)
                    for text in NASTY:
                        if first == "document":
                            api.check(wrapped, model, document=text)
                        api.check(wrapped, model, query=text)
                        assert exactly(api.documents(wrapped, [text])) == exactly([model.document(text)])
                assert sorted(model.paid) == sorted((role, text) for role in ("document", "query") for text in NASTY)

    def test_roles_share_entries_if_they_are_embedded_alike(self, api: Api, place: Path) -> None:
        """If the model or the user says so, a query finds what was stored as a document, and the reverse.

        If not, look whether the wrapper applies `options` to the identity, by `WrapOptions.applied_to`.
        """
        every: list[dict[str, Any]] = [{}, {"symmetric": True}, {"namespace": NAMESPACE, "symmetric": True}]
        for number, options in enumerate(every):
            model = ModelBehind(f"{number}", symmetric=True, says_so=not options, is_known="namespace" not in options)
            wrapped = api.wrap(model, place, **options)
            with variant(options):
                both = [api.query(wrapped, "a"), api.document(wrapped, "a")]
                assert exactly(both) == exactly([model.document("a")] * 2)
                assert exactly(api.documents(wrapped, ["b"])) == exactly([api.query(wrapped, "b")])
                assert model.paid == [("query", "a"), ("document", "b")]

    def test_the_user_may_tell_the_roles_apart(self, api: Api, place: Path) -> None:
        """`symmetric=False` overrides what the model says of itself.

        If not, look whether the wrapper applies `options` to the identity, by `WrapOptions.applied_to`.
        """
        model = ModelBehind(symmetric=True)
        wrapped = api.wrap(model, place, symmetric=False)
        assert exactly(api.document(wrapped, "a")) == exactly(api.query(wrapped, "a"))
        assert model.paid == [("document", "a"), ("query", "a")]


class Identities(Harness):
    """Two models in one store, and one model under two names."""

    def test_two_models_in_one_store_share_nothing(self, api: Api, place: Path) -> None:
        """Name, length and version of a model are all part of the namespace.

        If not, look at the identity that the wrapper gives to the cache: it must be that of the embedder, with
        `options` applied.
        """
        for name, pair in PAIRS.items():
            both = [(ModelBehind(model, dimensions), options) for model, dimensions, options in pair]
            with variant(name):
                for round_ in range(3):
                    for model, options in both:
                        assert served(api, model, place.with_name(name), **options) == (round_ > 0)

    def test_a_namespace_is_the_whole_identity(self, api: Api, place: Path) -> None:
        """Embedders with one namespace share vectors, also if their models cannot be identified.

        If not, look whether the wrapper takes `options.namespace` instead of the embedder's identity.
        """
        model = ModelBehind()
        filled = api.wrap(model, place, namespace=NAMESPACE)
        assert filled.namespace == NAMESPACE
        api.check(filled, model, documents=NASTY, query="a")
        never = ModelBehind(is_known=False, fail_at=0)
        wrapped = api.wrap(never, place, namespace=NAMESPACE)
        api.check(wrapped, model, documents=NASTY, document="a", query="a")
        assert never.calls == []
        assert not served(api, ModelBehind("other", is_known=False), place, namespace="other")

    def test_an_embedder_that_cannot_be_identified_is_refused(self, place: Path) -> None:
        """Wrapping it raises an `IdentityError` that names the remedy; with a namespace it is accepted.

        If not, look at what the adapter does with an embedder that declares no identity: it must not use the name of a
        class instead, or no name.
        """
        with pytest.raises(IdentityError, match="namespace="):
            self.wrapped(ModelBehind(is_known=False), place)
        for nothing in ("", "  "):
            with pytest.raises(IdentityError, match="namespace"):
                self.wrapped(ModelBehind(is_known=False), place, namespace=nothing)
        named = self.wrapped(ModelBehind(is_known=False), place, namespace=NAMESPACE)
        assert named.namespace == NAMESPACE
        assert named.identity == Identity.named(NAMESPACE)


class Changes(Harness):
    """Embedders that are changed after they were wrapped, or during a call."""

    def test_a_model_that_is_changed_after_wrapping_is_another_one(self, api: Api, place: Path) -> None:
        """A wrapper follows its embedder: new settings are another namespace, and going back finds the old vectors.

        If not, look for an identity that is read once, when the embedder is wrapped.
        """
        model = ModelBehind("before")
        wrapped = api.wrap(model, place)
        before = wrapped.namespace
        for name, dimensions in (("after", 3), ("after", 5), ("before", 3)):
            model.name, model.dimensions = name, dimensions
            for _ in range(2):
                api.check(wrapped, model, documents=["a"], query="a")
            assert (wrapped.namespace == before) == (name == "before")
        assert len(model.paid) == 6
        assert served(api, ModelBehind("after", 5), place)

    def test_a_field_that_is_changed_after_wrapping_moves_the_namespace(self, api: Api, place: Path) -> None:
        """As above, for an embedder that is identified by its fields.

        If not, look for fields that are read once, or that are not read at all.
        """
        self.require_fields()
        native = self.embedder_of_fields(model_name="m", prefix="passage: ")
        wrapped = self.wrap(native, place)
        namespaces = set()
        for field, value in (("model_name", "other"), ("prefix", "query: "), ("prefix", "")):
            for part in self.parts(native):
                setattr(part, field, value)
            expected = exactly(self.embed_documents(native, ["a"]))
            for _ in range(2):
                assert exactly(api.documents(wrapped, ["a"])) == expected
            namespaces.add(wrapped.namespace)
        assert len(namespaces) == 3

    def test_what_is_answered_during_a_change_is_returned_and_not_stored(self, api: Api, place: Path) -> None:
        """It is unknown whether such an answer belongs to the settings before or after the change.

        If not, look whether the identity is compared before and after each request; the cache must not store an answer
        in doubt, as with `embedonce.identification.IdentityTracker`.
        """
        model = ModelBehind()

        def change(vectors: list[Any]) -> list[Any]:
            model.name = "other"
            return vectors

        model.spoil = change
        api.check(api.wrap(model, place), ModelBehind(), documents=["a"])
        for name in ("m", "other"):
            fresh = ModelBehind(name)
            api.check(api.wrap(fresh, place), fresh, documents=["a"])
            assert fresh.paid == [("document", "a")]

    def test_who_waits_for_an_answer_during_a_change_asks_again(self, place: Path) -> None:
        """Another call with the same text must not get a vector that may be of another model.

        If not, look as for `test_what_is_answered_during_a_change_is_returned_and_not_stored`.
        """
        model = ModelBehind()
        started, gate = model.hold()
        wrapped, other = self.wrapped(model, place), ModelBehind()
        answers: dict[str, Any] = {}
        leader = threading.Thread(target=lambda: answers.update(leader=self.embed_documents(wrapped, ["a"])))
        leader.start()
        assert started.wait(LIMIT)
        second = self.wrapped(other, place)
        waiter = threading.Thread(target=lambda: answers.update(waiter=self.embed_documents(second, ["a"])))
        waiter.start()
        until(lambda: second.cache.stats().calls == 1)
        model.name = "other"
        gate.set()
        leader.join()
        waiter.join()
        assert exactly(answers["waiter"]) == exactly(ModelBehind().documents(["a"]))
        assert other.paid == [("document", "a")]
