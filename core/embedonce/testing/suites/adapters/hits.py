"""A hit where there was a miss before, and every text paid for once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce import EmbeddingCache, MemoryStore
from embedonce.testing.suites.adapters.comparing import variant
from embedonce.testing.suites.adapters.harness import Api, Harness
from embedonce.testing.suites.adapters.model import ModelBehind
from embedonce.testing.suites.adapters.texts import NASTY

if TYPE_CHECKING:
    from pathlib import Path


class SizedStore(MemoryStore):
    """A byte store that is false as long as it is empty."""

    def __len__(self) -> int:
        return sum(1 for _ in self.yield_keys())


def served(api: Api, model: ModelBehind, store: Any, **options: Any) -> bool:
    """Return whether both roles of a text are answered as the model would, without asking it."""
    wrapped = api.wrap(model, store, **options)
    paid = len(model.paid)
    api.check(wrapped, model, documents=["a"], query="a")
    return len(model.paid) == paid


class Hits(Harness):
    """Texts that were embedded once are not embedded again."""

    def test_a_wrapper_is_an_embedder_of_the_framework(self, place: Path) -> None:
        """A wrapper has the framework's type, and shows its cache, identity and namespace.

        If not, look at the bases of the wrapper's class, and at what `embedonce.Wrapper` asks of it.
        """
        for store in (place, EmbeddingCache(place)):
            model = ModelBehind()
            wrapped = self.wrapped(model, store)
            assert all(isinstance(part, self.kind or object) for part in self.parts(wrapped))
            for part in self.parts(wrapped):
                assert part.namespace == part.identity.namespace == model.namespace
                assert part.identity == model.identity
                assert isinstance(part.cache, EmbeddingCache)
                assert part.cache is store or store is place
            assert model.calls == [], "wrapping asks the embedder for nothing"

    def test_what_was_embedded_once_is_a_hit_for_every_method(self, api: Api, place: Path) -> None:
        """Every public method, sync and async, stores what it embeds and finds what any of them has stored.

        If not, look for a method that goes to the embedder itself, or that asks the cache under another namespace or
        role than its twin.
        """
        model, texts = ModelBehind(), ["a", "b", "c"]
        first = api.wrap(model, place)
        api.check(first, model, documents=texts, query="a", document="d")
        paid = [("document", "a"), ("document", "b"), ("document", "c"), ("query", "a"), ("document", "d")]
        assert model.paid == paid
        for wrapped in (first, api.wrap(model, place), api.wrap(ModelBehind(fail_at=0), place)):
            for either in api.all_ways():
                either.check(wrapped, model, documents=["d", *texts], document="b", query="a")
        assert model.paid == paid

    def test_the_embedder_is_asked_in_the_way_of_the_caller(self, api: Api, place: Path) -> None:
        """Sync methods ask the embedder's sync methods, async ones its async methods.

        If not, look at the async methods of the wrapper: they have to await those of the embedder, by
        `EmbeddingCache.aembed`.
        """
        model = ModelBehind()
        wrapped = api.wrap(model, place)
        api.documents(wrapped, ["a"])
        api.document(wrapped, "b")
        api.query(wrapped, "a")
        assert [call.way for call in model.calls] == [api.way] * 3

    def test_one_changed_text_is_one_embedding(self, api: Api, place: Path) -> None:
        """The unit of the cache is the text, not the list of texts.

        If not, look at what the wrapper gives to the cache: it must be single texts.
        """
        model, texts = ModelBehind(), [f"text {i}" for i in range(50)]
        api.documents(api.wrap(model, place), texts)
        changed = [*reversed(texts[:20]), "new", *texts[20:]]
        api.check(api.wrap(model, place), model, documents=changed)
        assert [text for _, text in model.paid] == [*texts, "new"]

    def test_duplicates_are_paid_once(self, api: Api, place: Path) -> None:
        """Equal texts of one call are sent once, and each of them gets the vector.

        If not, look at what the wrapper does with the texts before the cache sees them, and whether it passes
        `options.batch_size` on.
        """
        for batch_size in ("auto", None, 1, 2):
            with variant(f"batch_size={batch_size}"):
                model, texts = ModelBehind(f"{batch_size}"), ["a", "a", "b", "a", "c", "b"]
                wrapped = api.wrap(model, place, batch_size=batch_size)
                api.check(wrapped, model, documents=texts)
                assert model.paid == [("document", text) for text in "abc"]

    def test_misses_are_gathered_before_they_are_sent(self, api: Api, place: Path) -> None:
        """Ten misses among a hundred texts are one request.

        If not, look for code that cuts the texts into batches before the cache is asked.
        """
        model, texts = ModelBehind(), [f"text {i}" for i in range(100)]
        api.documents(api.wrap(model, place), [text for i, text in enumerate(texts) if i % 10])
        model.calls.clear()
        api.documents(api.wrap(model, place), texts)
        assert model.texts == [texts[::10]]

    def test_any_mix_of_hits_misses_and_duplicates_keeps_its_order(self, api: Api) -> None:
        """Each text gets its own vector wherever it stands, in calls that are drawn at random, always the same ones.

        If not, look at how the wrapper spreads vectors over the positions of the call.
        """
        random = np.random.default_rng(7)
        kinds = itertools.product(("float32", "float64", "int8"), (None, 1, 3))
        for number, (dtype, batch_size) in enumerate(itertools.islice(itertools.cycle(kinds), 36)):
            texts = [NASTY[i] for i in random.integers(len(NASTY) - 1, size=random.integers(14))]
            before = [text for text in texts if random.random() < 0.5]
            store, model = MemoryStore(), ModelBehind(dtype=dtype)
            api.documents(api.wrap(model, store), before)
            model.calls.clear()
            misses = [text for text in dict.fromkeys(texts) if text not in before]
            wrapped = api.wrap(model, store, batch_size=batch_size)
            size = batch_size or max(1, len(misses))
            with variant(f"call {number}, dtype={dtype}, batch_size={batch_size}, texts={texts}, stored={before}"):
                api.check(wrapped, model, documents=texts)
                assert model.texts == [misses[i : i + size] for i in range(0, len(misses), size)]

    def test_an_empty_store_is_a_store(self, api: Api) -> None:
        """A store that is false because it is empty is used.

        If not, look for `if store` or `if cache` where `is None` is meant.
        """
        model, store = ModelBehind(), SizedStore()
        assert not store
        assert [served(api, model, store) for _ in range(2)] == [False, True]
        assert len(store) == 2

    def test_the_batch_size_of_the_cache_is_that_of_its_wrappers(self, api: Api, place: Path) -> None:
        """The batch size of the cache is used, unless the wrapper has its own.

        If not, look at how the wrapper reads `options.batch_size`: `auto` leaves it to the cache.
        """
        model = ModelBehind()
        wrapped = api.wrap(model, EmbeddingCache(place, batch_size=2))
        api.documents(wrapped, list("abcde"))
        assert [len(texts) for texts in model.texts] == [2, 2, 1]

    def test_no_texts_are_no_work(self, api: Api, place: Path) -> None:
        """The answer to an empty list is an empty list, and the embedder is not called.

        If not, look at how the wrapper handles an empty list.
        """
        model = ModelBehind()
        wrapped = api.wrap(model, place)
        assert api.documents(wrapped, []) == []
        assert model.calls == []
        assert wrapped.cache.stats().texts == 0

    def test_stats_tell_what_happened(self, api: Api, place: Path) -> None:
        """`cache.stats()` counts each call and each text once.

        If not, look for texts that are asked for twice, or not through the cache.
        """
        model = ModelBehind()
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
        Api(self, "sync").documents(second, ["a", "b", "b"])
        stats = second.cache.stats()
        assert (stats.calls, stats.texts, stats.duplicates) == (1, 3, 1)
        assert (stats.hits, stats.embedded, stats.stored) == (2, 0, 0)
        assert stats.read_errors == stats.write_errors == stats.damaged == stats.skipped == stats.lost == 0
