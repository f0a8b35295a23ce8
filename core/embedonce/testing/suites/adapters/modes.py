"""The modes of a cache, the options of a wrapper, and wrapping what is wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import embedonce
from embedonce import CacheMissError, StoreError
from embedonce.testing.suites.adapters.comparing import exactly, variant
from embedonce.testing.suites.adapters.harness import Harness
from embedonce.testing.suites.adapters.identities import NAMESPACE
from embedonce.testing.suites.adapters.model import ModelBehind

if TYPE_CHECKING:
    from pathlib import Path

    from embedonce.testing.suites.adapters.harness import Api


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "batch_size"),
    ({"batch_size": 2.5}, "batch_size"),
    ({"batch_size": True}, "batch_size"),
    ({"key_encoder": "md5"}, "md5"),
    ({"key_encoder": lambda _: None}, "key encoder"),
    ({"mode": "rw"}, "mode must be one of"),
    ({"codec": "pickle"}, "unknown codec"),
    ({"on_store_error": "log"}, "on_store_error"),
    ({"namespace": "\ud800"}, "surrogate"),
    ({"namespace": ""}, "non-empty string"),
    ({"namespace": b"acme/m"}, "non-empty string"),
    ({"namespace": 'acme/m?codec="int8"'}, "codec of its rows"),
    ({"version": ""}, "version"),
    ({"version": True}, "version"),
    ({"symmetric": "false"}, "symmetric"),
    ({"storage_options": {"no_such_option": 1}}, "no_such_option"),
]
"""Bad options of `wrap`, and what the error of each has to name."""


def files(place: Path) -> dict[Path, bytes]:
    """Return the content of all files below a place, which need not exist."""
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


class Modes(Harness):
    """Reading, embedding and writing, each of which may be switched off."""

    def test_read_only_reads_and_stores_nothing(self, api: Api, place: Path) -> None:
        """Hits are served, misses are embedded, no file changes.

        If not, look for an adapter that writes to the store by itself.
        """
        model = ModelBehind()
        api.documents(api.wrap(model, place), ["a"])
        before = files(place)
        wrapped = api.wrap(model, place, mode="read_only")
        for _ in range(2):
            api.check(wrapped, model, documents=["a", "b"], query="a")
        assert model.texts == [["a"], ["b"], ["a"], ["b"], ["a"]]
        assert files(place) == before

    def test_refresh_embeds_all_and_overwrites(self, api: Api, place: Path) -> None:
        """Every text is embedded again, and the new vector is returned from then on.

        If not, look for an adapter that reads from the store, or keeps vectors, by itself.
        """
        old, new, never = (ModelBehind(name, is_known=False) for name in ("old", "new", "never"))
        api.documents(api.wrap(old, place, namespace=NAMESPACE), ["a", "b"])
        api.query(api.wrap(old, place, namespace=NAMESPACE), "a")
        refreshing = api.wrap(new, place, mode="refresh", namespace=NAMESPACE)
        api.check(refreshing, new, documents=["a", "c", "a"], query="a")
        assert new.texts == [["a", "c"], ["a"]]
        never.fail_at = 0
        wrapped = api.wrap(never, place, namespace=NAMESPACE)
        expected = [new.document("a"), old.document("b"), new.document("c"), new.query("a")]
        assert exactly([*api.documents(wrapped, ["a", "b", "c"]), api.query(wrapped, "a")]) == exactly(expected)

    def test_replay_never_embeds(self, api: Api, place: Path) -> None:
        """A miss is a `CacheMissError` that names the remedy and shows no text.

        If not, look for a method that goes to the embedder when the cache raises.
        """
        model = ModelBehind()
        api.documents(api.wrap(model, place), ["a", "b"])
        never = ModelBehind(fail_at=0)
        wrapped = api.wrap(never, place, mode="replay")
        api.check(wrapped, model, documents=["b", "a", "b"])
        questions = {"documents": ["a", "a secret"], "document": "a secret", "query": "a"}
        for error in api.check_refused(wrapped, CacheMissError, "read_write", **questions):
            assert "a secret" not in str(error)
        assert never.calls == []

    def test_off_bypasses_the_cache(self, api: Api, place: Path) -> None:
        """Every text is embedded, nothing is read or written.

        If not, look for an adapter that reads or writes by itself, or that keeps vectors.
        """
        model = ModelBehind()
        api.documents(api.wrap(model, place), ["a"])
        before = files(place)
        wrapped = api.wrap(model, place, mode="off")
        for _ in range(2):
            api.check(wrapped, model, documents=["a", "b"], query="a")
        assert model.texts[1:] == [["a", "b"], ["a"]] * 2
        assert files(place) == before


class Options(Harness):
    """The options of `wrap`."""

    def test_a_bad_option_is_refused_at_construction(self, place: Path) -> None:
        """Before anything is paid for, and before a file is written.

        If not, look for an adapter that opens the cache at the first call instead of when it wraps.
        """
        for options, message in BAD_OPTIONS:
            model = ModelBehind()
            with variant(options):
                with pytest.raises((ValueError, StoreError), match=message):
                    self.wrapped(model, place, **options)
                assert model.calls == []
                assert files(place) == {}

    def test_wrapping_a_wrapper_gives_it_back_or_is_refused(self, place: Path) -> None:
        """A cache is never put behind another one.

        If not, look whether the wrapper's class inherits from `embedonce.Wrapper`, or is registered as such, and shows
        the `wrap_options` that it was given.
        """
        wrapped = self.wrapped(ModelBehind(), place, version=1)
        for wrapper in self.parts(wrapped):
            assert embedonce.wrap(wrapper) is wrapper
            assert embedonce.wrap(wrapper, place) is wrapper
            assert embedonce.wrap(wrapper, place, version=1) is wrapper
            assert wrapper.cache.wrap(wrapper) is wrapper
            others: list[dict[str, Any]] = [
                {"store": place.with_name("other")},
                {"namespace": "other"},
                {"version": 2},
                {"symmetric": True},
                {"batch_size": 3},
                {"mode": "replay"},
            ]
            for options in others:
                with pytest.raises(ValueError, match="wrapped already"):
                    embedonce.wrap(wrapper, **{"store": place, **options})
