"""Copies of wrappers, and secrets, which are never shown."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import TYPE_CHECKING, Any

from embedonce.testing.suites.adapters.comparing import variant
from embedonce.testing.suites.adapters.harness import Harness
from embedonce.testing.suites.adapters.model import ModelBehind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embedonce.testing.suites.adapters.harness import Api

SECRET = "s3cr3t-0123456789"  # noqa: S105 - it opens nothing


def pickled(thing: Any, protocol: int) -> Any:
    """Return a copy of a thing by way of its pickle."""
    return pickle.loads(pickle.dumps(thing, protocol))  # noqa: S301 - made in the same line


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": functools.partial(pickled, protocol=protocol)
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}


def held(things: list[Any]) -> list[dict[str, Any]]:
    """Return all attributes of objects; pydantic keeps private ones elsewhere."""
    return [
        {**getattr(thing, "__dict__", {}), **(getattr(thing, "__pydantic_private__", None) or {})} for thing in things
    ]


class Copies(Harness):
    """Copies by `copy.deepcopy` and by way of a pickle, as they are sent to workers.

    A wrapper and its model are copied together, as one tuple: so the copy of the model is that of the wrapper.
    """

    def test_a_copy_works_and_leaves_the_original_as_it_is(self, api: Api, place: Path) -> None:
        """A copy has its own embedder and shares the store; making it changes nothing of what was copied.

        If not, look at `__getstate__`, `__setstate__` and `__deepcopy__`, which has to pass its `memo` on. The classes
        of the test's own embedders have to be importable.
        """
        for name, made in COPIES.items():
            with variant(name):
                model = ModelBehind(name)
                native = self.embedder(model)
                wrapped = self.wrap(native, place, version=7, batch_size=2)
                api.documents(wrapped, ["a"])
                originals = [*self.parts(wrapped), *self.parts(native)]
                before = held(originals)
                copied, inside = made((wrapped, model))
                for now, then in zip(held(originals), before, strict=True):
                    assert now.keys() == then.keys()
                    assert [name for name in now if now[name] is not then[name]] == []
                assert (copied.namespace, copied.wrap_options) == (wrapped.namespace, wrapped.wrap_options)
                assert all(isinstance(part, self.kind or object) for part in self.parts(copied))
                assert inside is not model
                api.check(copied, model, documents=["a", "b"], query="a")
                assert inside.texts == [["a"], ["b"], ["a"]]
                api.check(wrapped, model, documents=["b", "a"])
                assert model.texts == [["a"]]

    def test_a_copy_follows_its_own_model(self, api: Api, place: Path) -> None:
        """A model that is changed in a copy is another model in this copy only.

        If not, look for an identity that the copy takes from the original instead of its own embedder.
        """
        model = ModelBehind("one")
        wrapped = api.wrap(model, place)
        api.documents(wrapped, ["a"])
        for made in COPIES.values():
            copied, inside = made((wrapped, model))
            inside.name = "other"
            api.check(copied, ModelBehind("other"), documents=["a"])
            api.check(wrapped, ModelBehind("one"), documents=["a"])
            assert copied.namespace != wrapped.namespace == model.namespace


class Secrets(Harness):
    """Secrets reach neither names nor files nor logs."""

    def test_nothing_that_is_shown_or_kept_holds_a_secret(self, api: Api, tmp_path: Path) -> None:
        """A key and a password in a URL are in no namespace, representation or file of the cache.

        If not, look at which fields the adapter puts into the identity, and at `__repr__`. Override `shown` with
        what else the framework writes to files or logs.
        """
        self.require_fields()
        url = f"https://user:{SECRET}@host/v1?sig={SECRET}"
        wrapped = self.wrap(self.embedder_of_fields(model_name="m", api_key=SECRET, base_url=url), tmp_path / "cache")
        api.documents(wrapped, ["a"])
        assert SECRET not in self.shown(wrapped)
        for path in tmp_path.rglob("*"):
            assert SECRET not in path.name
            assert not path.is_file() or SECRET.encode() not in path.read_bytes()
        assert pickled(wrapped, pickle.HIGHEST_PROTOCOL).namespace == wrapped.namespace

    def test_another_key_is_the_same_model(self, place: Path) -> None:
        """A new key finds the vectors that were paid for with the old one; another model or URL does not.

        If not, look at which fields the adapter puts into the identity.
        """
        self.require_fields()
        base = {"model_name": "m", "base_url": "https://host/v1"}
        names = [
            self.wrap(self.embedder_of_fields(**{**base, **fields}), place).namespace
            for fields in (
                {"api_key": SECRET},
                {"api_key": "another"},
                {"api_key": "", "model_name": "other"},
                {"api_key": "", "base_url": "https://other/v1"},
            )
        ]
        assert names[0] == names[1]
        assert len(set(names)) == 3

    def test_options_of_the_storage_are_neither_shown_nor_pickled(self, api: Api) -> None:
        """Credentials of a bucket stay in this process.

        If not, look for options that the wrapper stores itself: only its cache hides them.
        """
        options = {"key": SECRET, "nested": {"token": SECRET}}
        wrapped = api.wrap(ModelBehind(), "memory://a/place", storage_options=options)
        api.documents(wrapped, ["a"])
        assert SECRET not in self.shown(wrapped)
        assert SECRET.encode() not in pickle.dumps(wrapped)
        assert SECRET not in self.shown(pickled(wrapped, pickle.HIGHEST_PROTOCOL))
