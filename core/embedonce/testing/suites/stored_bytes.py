"""What embedonce relies on when it keeps bytes in a byte store."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import pickle
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from embedonce.stores.protocol import ByteStore
from embedonce.testing.suites.declared import Suite

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = ["k", "k-", "k-1", "0" * 63, "0" * 64, hashlib.sha256(b"x").hexdigest()]
_ANY = ["K", "k ", " ", "\n", "\0", "k\0", "a\0b", "*", "a/b", "../../k", "C:\\k", "%6b", "é", "e\u0301", "É", "🦜"]

_MANY = 5000
_AT_ONCE = 1024
_THREADS = 8
_ROUNDS = 5


class StoredBytes(Suite):
    """The part of `ByteStoreSuite`, where it is documented, that tests the store itself."""

    max_key_bytes: ClassVar[int] = 1024
    takes_any_key: ClassVar[bool] = True
    max_value_bytes: ClassVar[int] = 1 << 20
    is_binary_safe: ClassVar[bool] = True
    takes_empty_values: ClassVar[bool] = False
    takes_empty_calls: ClassVar[bool] = False
    takes_repeated_keys: ClassVar[bool] = False
    has_plain_prefixes: ClassVar[bool] = False
    is_picklable: ClassVar[bool] = False

    # What a subclass may define

    @pytest.fixture
    def store(self) -> Any:
        """Return a new, empty store."""
        pytest.fail(f"{type(self).__name__} has to define a fixture `store` that returns a new, empty byte store")

    def reopen(self, store: Any) -> Any:
        """Return another store object with the content of `store`, as a new process would open it."""
        pytest.skip("reopen(store) is not defined: the store is not known to outlive its object")

    def raw_value(self, store: Any, key: str) -> bytes:
        """Return the value of a key as it is stored; to be overridden for a store that changes values."""
        return as_bytes(store.mget([key])[0])

    def put_raw_value(self, store: Any, key: str, value: bytes) -> None:
        """Replace the value of a key as it is stored; to be overridden for a store that would refuse it."""
        store.mset([(key, value)])

    # The keys and values that are tried

    def keys(self) -> list[str]:
        """Return legal keys that are all different and look alike."""
        longest = ["x" * self.max_key_bytes, "x" * (self.max_key_bytes - 1)]
        others = [*_ANY, "🦜" * (self.max_key_bytes // 4)] if self.takes_any_key else []
        return [key for key in [*_PLAIN, *longest, *others] if len(key.encode()) <= self.max_key_bytes]

    def value(self, content: bytes) -> bytes:
        """Return bytes as a value that the store takes, in base64 if need be."""
        return content if self.is_binary_safe else b64encode(b"value" + content)

    # The store by itself

    def test_it_is_a_byte_store(self, store: Any) -> None:
        """It has the four methods, and is true when it is empty.

        Look at: the names of the methods; `__len__` or `__bool__`, because of which frameworks ignore an empty store.
        """
        assert isinstance(store, ByteStore)
        assert store, "an empty store is false: define neither __len__ nor __bool__"

    def test_values_come_in_the_order_of_the_keys(self, store: Any) -> None:
        """`mget` returns a list with one value per key, in the order of the keys, and None for an absent one.

        Look at: stores that answer with what they have found only, or in an order of their own.
        """
        store.mset([(f"k{i}", self.value(b"%d" % i)) for i in range(10)])
        asked = [f"k{i}" for i in (7, 3, 99, 0, 98, 9)]
        values = store.mget(asked)
        assert isinstance(values, list | tuple)
        assert all_bytes(values) == [self.value(b"%d" % i) if i < 10 else None for i in (7, 3, 99, 0, 98, 9)]
        assert list(store.mget(["absent"])) == [None]

    def test_keys_are_told_apart(self, store: Any) -> None:
        """Every legal key has a value of its own: nothing is folded, trimmed, normalised, cut or read as a path.

        Look at: file names made of keys, databases that ignore case, and the limits `max_key_bytes` and
        `takes_any_key`.
        """
        pairs = {key: self.value(b"%d" % i) for i, key in enumerate(self.keys())}
        for pair in pairs.items():
            store.mset([pair])
        found = dict(zip(pairs, all_bytes(store.mget(list(pairs))), strict=True))
        assert {key: found[key] for key in pairs if found[key] != pairs[key]} == {}
        assert sorted(store.yield_keys()) == sorted(pairs)

    def test_values_come_back_byte_by_byte(self, store: Any) -> None:
        """Every byte may occur anywhere in a value.

        Look at: stores that decode values, strip them, or end them at a zero byte or a new line; these are not
        binary-safe (`is_binary_safe = False`).
        """
        contents = [*(bytes([i]) for i in range(256)), bytes(range(256)) * 8, b"eov1\xff\r\n \0", b"\xff" * 1000]
        pairs = {f"k{i}": self.value(content) for i, content in enumerate(contents)}
        store.mset(list(pairs.items()))
        found = dict(zip(pairs, all_bytes(store.mget(list(pairs))), strict=True))
        assert {key: found[key] for key in pairs if found[key] != pairs[key]} == {}

    def test_a_long_value_comes_back(self, store: Any) -> None:
        """A value of `max_value_bytes` is kept as it is.

        Look at: limits of the service behind; a vector takes 24 bytes and 4 for each of its numbers.
        """
        value = (self.value(bytes(range(256))) * (self.max_value_bytes // 256 + 1))[: self.max_value_bytes]
        store.mset([("long", value), ("short", self.value(b"s"))])
        assert all_bytes(store.mget(["short", "long"])) == [self.value(b"s"), value]

    def test_a_later_value_replaces_an_earlier_one(self, store: Any) -> None:
        """The value that was written last is read at once, whether it is longer or shorter.

        Look at: caches in front of the store, and writes that only add.
        """
        for content in (b"first", b"2nd", b"the third"):
            store.mset([("k", self.value(content)), ("other", self.value(b"o"))])
            assert all_bytes(store.mget(["k", "other"])) == [self.value(content), self.value(b"o")]
        assert sorted(store.yield_keys()) == ["k", "other"]

    def test_deleting_ignores_absent_keys(self, store: Any) -> None:
        """`mdelete` deletes the keys that exist, and ignores the others.

        Look at: a `KeyError` or "not found" for an absent key, which ends the call before the keys after it.
        """
        store.mset([(key, self.value(b"v")) for key in ("a", "b", "c")])
        store.mdelete(["absent", "a", "c"])
        store.mdelete(["a"])
        assert all_bytes(store.mget(["a", "b", "c"])) == [None, self.value(b"v"), None]
        assert list(store.yield_keys()) == ["b"]
        store.mset([("a", self.value(b"again"))])
        assert all_bytes(store.mget(["a"])) == [self.value(b"again")]

    def test_thousands_of_keys_in_one_call(self, store: Any) -> None:
        """A call of the cache asks for all of its keys at once, and writes at most 1,024 at a time by default.

        Look at: limits on the parameters of a statement, and listings that come in pages.
        """
        pairs = [(f"k{i}", self.value(b"%d" % i)) for i in range(_MANY)]
        for start in range(0, _MANY, _AT_ONCE):
            store.mset(pairs[start : start + _AT_ONCE])
        assert all_bytes(store.mget([key for key, _ in pairs])) == [value for _, value in pairs]
        assert set(store.yield_keys()) == {key for key, _ in pairs}

    def test_empty_values(self, store: Any) -> None:
        """A value of no bytes is a value.

        Look at: `if value`, where `if value is not None` is meant.
        """
        self._claimed("takes_empty_values")
        store.mset([("empty", b"")])
        assert all_bytes(store.mget(["empty", "absent"])) == [b"", None]
        assert list(store.yield_keys()) == ["empty"]

    def test_empty_calls_do_nothing(self, store: Any) -> None:
        """Calls without keys are answered with nothing.

        Look at: statements that are made of the keys.
        """
        self._claimed("takes_empty_calls")
        store.mset([("k", self.value(b"v"))])
        store.mset([])
        store.mdelete([])
        assert list(store.mget([])) == []
        assert all_bytes(store.mget(["k"])) == [self.value(b"v")]

    def test_repeated_keys(self, store: Any) -> None:
        """A key that is asked for twice is answered twice; of two values for one key in a call, the last one stays.

        Look at: answers that are made from a dict, and inserts that refuse a key that is there.
        """
        self._claimed("takes_repeated_keys")
        store.mset([("a", self.value(b"1")), ("b", self.value(b"2")), ("a", self.value(b"three"))])
        assert all_bytes(store.mget(["b", "a", "b"])) == [self.value(b"2"), self.value(b"three"), self.value(b"2")]
        assert sorted(store.yield_keys()) == ["a", "b"]
        store.mdelete(["a", "a"])
        assert list(store.yield_keys()) == ["b"]

    def test_prefixes_are_plain_strings(self, store: Any) -> None:
        """`yield_keys` yields the keys that start with the prefix, which is neither a path nor a pattern.

        Look at: directories, globs and `LIKE`.
        """
        self._claimed("has_plain_prefixes")
        pairs = [(key, self.value(b"v")) for key in ("ab", "a-b", "a-c", "a", "b-a")]
        store.mset(pairs)
        assert sorted(store.yield_keys(prefix="a")) == ["a", "a-b", "a-c", "ab"]
        assert sorted(store.yield_keys(prefix="a-")) == ["a-b", "a-c"]
        assert [*store.yield_keys(prefix="*"), *store.yield_keys(prefix="_")] == []
        assert len(list(store.yield_keys(prefix=""))) == len(list(store.yield_keys(prefix=None))) == len(pairs)

    def test_async_methods_do_the_same(self, store: Any) -> None:
        """Where there are `amget`, `amset` and `amdelete`, they and the sync methods see each other's values.

        Look at: two clients with settings of their own, and connections that belong to another event loop.
        """
        amget, amset, amdelete = (_coroutine_function(store, name) for name in ("amget", "amset", "amdelete"))
        if not (amget or amset or amdelete):
            pytest.skip("the store has no async methods; the cache calls the sync ones in a thread")

        async def ask() -> list[Any]:
            pairs = [(key, self.value(key.encode())) for key in ("a", "b", "c")]
            await amset(pairs) if amset else store.mset(pairs)
            await amdelete(["absent", "b"]) if amdelete else store.mdelete(["b"])
            asked = ["c", "b", "a", "absent"]
            return all_bytes(await amget(asked) if amget else store.mget(asked))

        assert asyncio.run(ask()) == [self.value(b"c"), None, self.value(b"a"), None]
        assert all_bytes(store.mget(["c", "b", "a"])) == [self.value(b"c"), None, self.value(b"a")]

    def test_threads_lose_nothing(self, store: Any) -> None:
        """Any number of threads may use one store: each finds what it has written, and no half-written value.

        Look at: a read, a change and a write without a lock around them; connections that belong to one thread.
        """
        start = threading.Barrier(_THREADS)
        shared = {self.value(b"%d" % thread * 999) for thread in range(_THREADS)}

        def write(thread: int) -> list[bool]:
            start.wait()
            seen = []
            for i in range(_ROUNDS):
                own, value = f"k{thread}-{i}", self.value(b"%d-%d" % (thread, i))
                store.mset([(own, value), ("shared", self.value(b"%d" % thread * 999))])
                found = all_bytes(store.mget([own, "shared"]))
                seen.append(found[0] == value and found[1] in shared)
            return seen

        with ThreadPoolExecutor(_THREADS) as pool:
            assert all(all(seen) for seen in pool.map(write, range(_THREADS)))
        assert sorted(store.yield_keys()) == sorted(
            [f"k{thread}-{i}" for thread in range(_THREADS) for i in range(_ROUNDS)] + ["shared"]
        )

    def test_a_pickled_copy_holds_the_same(self, store: Any) -> None:
        """A store that is sent to another process opens the same values.

        Look at: connections and locks, which a copy has to create for itself (`__getstate__`, `__setstate__`).
        """
        self._claimed("is_picklable")
        store.mset([("a", self.value(b"1"))])
        copy = pickle.loads(pickle.dumps(store))  # noqa: S301
        assert all_bytes(copy.mget(["a"])) == [self.value(b"1")]
        copy.mset([("b", self.value(b"2"))])
        assert all_bytes(copy.mget(["b"])) == [self.value(b"2")]

    def test_a_reopened_store_holds_the_same(self, store: Any) -> None:
        """When the store is reopened, what was written is there, and what was deleted is not.

        Look at: what is still in memory, and names that differ at every start.
        """
        pairs = {key: self.value(b"%d" % i) for i, key in enumerate(self.keys())}
        store.mset(list(pairs.items()))
        store.mdelete(["k-1"])
        again = self.reopen(store)
        expected = [None if key == "k-1" else value for key, value in pairs.items()]
        assert all_bytes(again.mget(list(pairs))) == expected
        assert sorted(again.yield_keys()) == sorted(set(pairs) - {"k-1"})

    def _claimed(self, promise: str) -> None:
        if not getattr(self, promise):
            pytest.skip(f"not promised; set {promise} = True to test it")


def as_bytes(value: Any) -> bytes:
    """Return a value of a store; the cache takes str and any kind of bytes."""
    return value.encode() if isinstance(value, str) else bytes(value)


def all_bytes(values: Sequence[Any]) -> list[bytes | None]:
    """Return what a store answered."""
    return [None if value is None else as_bytes(value) for value in values]


def _coroutine_function(store: Any, name: str) -> Any:
    method = getattr(store, name, None)
    return method if inspect.iscoroutinefunction(method) else None
