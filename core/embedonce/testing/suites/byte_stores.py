"""The suite of byte stores: what embedonce relies on when it keeps vectors in one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedonce.cache.cache import EmbeddingCache
from embedonce.testing.embedders import AsymmetricEmbedder, CountingEmbedder
from embedonce.testing.stores import FaultyStore, flipped, torn
from embedonce.testing.suites.stored_bytes import StoredBytes, all_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedonce.keys.specification import Role

_TEXTS = ["a", "A", "a ", "", "two words", "line\nline", "naïve café", "\0", "東京", "x" * 5000]
_NAMESPACE = "suite of byte stores"


class ByteStoreSuite(StoredBytes):
    """Tests of a byte store, and of an `EmbeddingCache` on it.

    A subclass is named `Test…` and defines a fixture `store`, which gives a new, empty store to each test. It may
    define `reopen`, `raw_value` and `put_raw_value`, and set the attributes below.

    Attributes:
        max_key_bytes: Longest key in UTF-8 bytes. The cache's own have 81.
        takes_any_key: False if keys are made of lower-case letters, digits and hyphens only.
        max_value_bytes: Longest value that is tried.
        is_binary_safe: False if values have to be text; a cache on the store then needs `text_safe=True`.
        takes_empty_values: True to test that an empty value is not taken for a missing one. The cache writes no such.
        takes_empty_calls: True to test calls without keys. The cache makes none.
        takes_repeated_keys: True to test calls with the same key twice. The cache makes none.
        has_plain_prefixes: True to test `yield_keys(prefix=…)`, on which the cache does not rely.
        is_picklable: True to test that a pickled copy holds the same.
    """

    def cache(self, store: Any) -> EmbeddingCache:
        """Return a cache on the store that passes its errors on."""
        return EmbeddingCache(store, text_safe=not self.is_binary_safe, on_store_error="raise")

    def test_a_cache_finds_exactly_what_it_has_stored(self, store: Any) -> None:
        """Every text is embedded once, and found again bit by bit, for several types of numbers.

        Look at: the tests of keys and values above.
        """
        for dtype in ("<f4", "<f8", "|i1"):
            embedder, again = _embedder(dtype=dtype), _embedder(dtype=dtype)
            cold = self.cache(store).embed(_TEXTS, embedder, namespace=dtype)
            warm = self.cache(store).embed([*_TEXTS[::-1], "new"], again, namespace=dtype)
            assert _asked(embedder) == _TEXTS
            assert again.calls == [["new"]]
            assert _bits(warm[:-1]) == _bits(cold[::-1]) == _bits(_embedder(dtype=dtype)(_TEXTS[::-1]))

    def test_an_async_cache_finds_what_a_sync_one_has_stored(self, store: Any) -> None:
        """The cache calls `amget` and `amset` where they are coroutine functions, and finds the same.

        Look at: the test of the async methods above.
        """
        embedder = _embedder()

        async def ask(texts: Sequence[str]) -> NDArray[Any]:
            return await self.cache(store).aembed(texts, embedder, namespace=_NAMESPACE)

        self.cache(store).embed(_TEXTS[:5], embedder, namespace=_NAMESPACE)
        vectors = asyncio.run(ask(_TEXTS))
        assert _bits(vectors) == _bits(self.cache(store).embed(_TEXTS, embedder, namespace=_NAMESPACE))
        assert _asked(embedder) == _TEXTS

    def test_namespaces_and_roles_are_kept_apart(self, store: Any) -> None:
        """A vector is found under its own namespace and role only.

        Look at: stores that cut, fold or hash keys: a key starts with the namespace.
        """
        kinds: list[tuple[str, Role, int]] = [("n", "document", 0), ("n", "query", 1), ("N", "document", 2)]
        for namespace, role, bias in kinds:
            self.cache(store).embed(_TEXTS, _embedder(role, bias), namespace=namespace, role=role)
        for namespace, role, bias in kinds:
            again = _embedder(role, bias)
            vectors = self.cache(store).embed(_TEXTS, again, namespace=namespace, role=role)
            assert not again.calls
            assert _bits(vectors) == _bits(again(_TEXTS))

    @pytest.mark.parametrize("damage", [torn, flipped, lambda _: b"something else"], ids=["torn", "flipped", "foreign"])
    def test_a_damaged_value_is_a_miss(self, store: Any, damage: Any) -> None:
        """A value that was torn, changed or not written by embedonce is never taken for a vector.

        Look at: `raw_value` and `put_raw_value`, if the store changes values on their way.
        """
        embedder, cache = _embedder(), self.cache(store)
        cold = cache.embed(["text"], embedder, namespace=_NAMESPACE)
        (key,) = store.yield_keys()
        self.put_raw_value(store, key, damage(self.raw_value(store, key)))
        assert _bits(self.cache(store).embed(["text"], embedder, namespace=_NAMESPACE)) == _bits(cold)
        assert embedder.calls == [["text"], ["text"]]
        assert _bits(self.cache(store).embed(["text"], embedder, namespace=_NAMESPACE)) == _bits(cold)
        assert len(embedder.calls) == 2, "the damaged value was not replaced"

    def test_deleting_and_clearing_leave_others_alone(self, store: Any) -> None:
        """Texts are deleted one by one, and a namespace as a whole; everything else in the store stays.

        Look at: `mdelete`, and `yield_keys` without a prefix, which has to yield every key.
        """
        embedder, cache = _embedder(), self.cache(store)
        foreign = ("not-of-a-cache", self.value(b"v"))
        store.mset([foreign])
        for namespace in ("one", "other"):
            cache.embed(["a", "b"], embedder, namespace=namespace)
        embedder.calls.clear()
        cache.delete(["a"], namespace="one")
        cache.embed(["a", "b"], embedder, namespace="one")
        cache.clear("one")
        cache.embed(["a", "b"], embedder, namespace="one")
        cache.embed(["a", "b"], embedder, namespace="other")
        assert embedder.calls == [["a"], ["a", "b"]]
        assert all_bytes(store.mget([foreign[0]])) == [foreign[1]]

    def test_a_cache_on_a_reopened_store_embeds_nothing(self, store: Any) -> None:
        """Vectors outlive the object that has stored them.

        Look at: the test of a reopened store above.
        """
        embedder = _embedder()
        cold = self.cache(store).embed(_TEXTS, embedder, namespace=_NAMESPACE)
        again = self.cache(self.reopen(store)).embed(_TEXTS, embedder, namespace=_NAMESPACE)
        assert _asked(embedder) == _TEXTS
        assert _bits(again) == _bits(cold)

    def test_a_failing_store_costs_no_vector(self, store: Any) -> None:
        """Vectors that were paid for are returned while reads or writes fail, and stored as soon as they succeed.

        Look at: what the store does when it is asked again after a fault.
        """
        faulty, embedder = FaultyStore(store), _embedder()
        for verbs in (("mget",), ("mset",), ()):
            faulty.heal()
            if verbs:
                faulty.fail(*verbs)
            cache = EmbeddingCache(faulty, text_safe=not self.is_binary_safe)
            vectors = cache.embed(["text", *verbs], embedder, namespace=_NAMESPACE)
            assert _bits(vectors) == _bits(_embedder()(["text", *verbs]))
            assert (cache.stats().read_errors, cache.stats().write_errors) == ("mget" in verbs, "mset" in verbs)
        assert embedder.calls == [["text", "mget"], ["mset"]]


def _asked(embedder: CountingEmbedder) -> list[str]:
    return [text for call in embedder.calls for text in call]


def _embedder(role: Role = "document", bias: int = 0, dtype: str = "<f4") -> CountingEmbedder:
    return CountingEmbedder(partial(_vectors, role=role, bias=bias, dtype=dtype))


def _vectors(texts: Sequence[str], role: Role, bias: int, dtype: str) -> NDArray[Any]:
    numbers: NDArray[Any] = AsymmetricEmbedder(8).vectors(texts, role) * 100
    if dtype == "<f8":
        # Thirds of float32 numbers need all bits of a float64.
        numbers = numbers.astype(dtype) / 3
    return (numbers + bias).astype(dtype)


def _bits(matrix: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    return np.asarray(matrix).dtype.str, matrix.shape, np.asarray(matrix).tobytes()
