"""The suite of byte stores: sound ones pass all of it, and each kind of broken one fails where it is meant to."""

from __future__ import annotations

import base64
import pickle
import threading

import pytest

from embedonce import MemoryStore
from embedonce.stores.locations.location import as_location
from embedonce.stores.segments.format.namespace_directory import NamespaceDirectory
from embedonce.stores.segments.store import SegmentStore
from embedonce.testing import ByteStoreSuite


class DictStore:
    """The least that the cache relies on."""

    def __init__(self):
        self.values = {}

    def mget(self, keys):
        assert len(set(keys)) == len(keys) > 0
        return [self.values.get(key) for key in keys]

    def mset(self, key_value_pairs):
        keys = [key for key, _ in key_value_pairs]
        assert len(set(keys)) == len(keys) > 0
        assert all(value for _, value in key_value_pairs)
        self.values.update(key_value_pairs)

    def mdelete(self, keys):
        assert keys
        for key in keys:
            self.values.pop(key, None)

    def yield_keys(self, *, prefix=None):
        assert not prefix
        yield from list(self.values)


class Promising(ByteStoreSuite):
    takes_empty_values = True
    takes_empty_calls = True
    takes_repeated_keys = True
    has_plain_prefixes = True
    is_picklable = True


class TestMemoryStore(Promising):
    @pytest.fixture
    def store(self):
        return MemoryStore()


class TestSegmentStore(Promising):
    max_value_bytes = 32 << 20

    @pytest.fixture
    def store(self, tmp_path):
        return SegmentStore(as_location(str(tmp_path)), NamespaceDirectory.of("acme/e5@3", None))

    def reopen(self, store):
        return SegmentStore(store.location, NamespaceDirectory.of("acme/e5@3", None))


class TestFsspecByteStore(Promising):
    @pytest.fixture
    def store(self, tmp_path):
        from langchain_embedonce import FsspecByteStore

        return FsspecByteStore(str(tmp_path), namespace="acme/e5@3")

    def reopen(self, store):
        return pickle.loads(pickle.dumps(store))


class TestInMemoryByteStore(ByteStoreSuite):
    takes_empty_values = takes_empty_calls = takes_repeated_keys = has_plain_prefixes = True

    @pytest.fixture
    def store(self):
        from langchain_core.stores import InMemoryByteStore

        return InMemoryByteStore()


class TestDictStore(ByteStoreSuite):
    @pytest.fixture
    def store(self):
        return DictStore()

    def reopen(self, store):
        again = DictStore()
        again.values = dict(store.values)
        return again


class TextStore(DictStore):
    """Keeps text under names of files, as some databases do, and gives text back."""

    def mget(self, keys):
        return [value and value.decode() for value in super().mget(keys)]

    def mset(self, key_value_pairs):
        for key, value in key_value_pairs:
            assert key.isascii()
            assert key.replace("-", "").isalnum()
            assert key == key.lower()
            assert len(key) <= 100
            assert len(value) <= 30_000
            value.decode()
        super().mset(key_value_pairs)


class TestTextStore(ByteStoreSuite):
    """Every limit that can be declared."""

    is_binary_safe = False
    takes_any_key = False
    max_key_bytes = 100
    max_value_bytes = 30_000

    @pytest.fixture
    def store(self):
        return TextStore()


class PackedStore(DictStore):
    """Changes values on their way, so that what is kept is not what was written."""

    def mget(self, keys):
        return [value and base64.b85decode(value) for value in super().mget(keys)]

    def mset(self, key_value_pairs):
        super().mset([(key, base64.b85encode(value)) for key, value in key_value_pairs])


class TestPackedStore(ByteStoreSuite):
    @pytest.fixture
    def store(self):
        return PackedStore()

    def raw_value(self, store, key):
        return store.values[key]

    def put_raw_value(self, store, key, value):
        # What cannot be unpacked is not a value; that is up to the store.
        try:
            base64.b85decode(value)
        except ValueError:
            value = b""
        store.values[key] = value or base64.b85encode(b"nothing of ours")


# -- Broken ones ---------------------------------------------------------------------------------------------------


class Sized(DictStore):
    def __len__(self):
        return len(self.values)


class FoundOnly(DictStore):
    def mget(self, keys):
        return [self.values[key] for key in keys if key in self.values]


class Sorted(DictStore):
    def mget(self, keys):
        return super().mget(sorted(keys))


class Generating(DictStore):
    def mget(self, keys):
        return (self.values.get(key) for key in keys)


class KeyChanging(DictStore):
    @staticmethod
    def change(key):
        raise NotImplementedError

    def mget(self, keys):
        return [self.values.get(self.change(key)) for key in keys]

    def mset(self, key_value_pairs):
        self.values.update((self.change(key), value) for key, value in key_value_pairs)

    def mdelete(self, keys):
        for key in keys:
            self.values.pop(self.change(key), None)


class Folding(KeyChanging):
    change = staticmethod(str.lower)


class Trimming(KeyChanging):
    change = staticmethod(str.strip)


class Cutting(KeyChanging):
    change = staticmethod(lambda key: key[:255])


class WithoutNamespace(KeyChanging):
    """Takes the keys of a cache for paths, and keeps their last part only."""

    change = staticmethod(lambda key: key[17:] if len(key) == 81 else key)


class NamespaceOnly(KeyChanging):
    """Keeps the first part only."""

    change = staticmethod(lambda key: key[:17] if len(key) == 81 else key)


class Normalizing(KeyChanging):
    @staticmethod
    def change(key):
        import unicodedata

        return unicodedata.normalize("NFC", key)


class EndingAtZero(DictStore):
    def mset(self, key_value_pairs):
        super().mset([(key, value.split(b"\0")[0] or b"\0") for key, value in key_value_pairs])


class Decoding(DictStore):
    def mget(self, keys):
        return [value and value.decode(errors="replace") for value in super().mget(keys)]


class Short(DictStore):
    def mset(self, key_value_pairs):
        super().mset([(key, value[:65536]) for key, value in key_value_pairs])


class WriteOnce(DictStore):
    def mset(self, key_value_pairs):
        for key, value in key_value_pairs:
            self.values.setdefault(key, value)


class Strict(DictStore):
    def mdelete(self, keys):
        for key in keys:
            del self.values[key]


class FewParameters(DictStore):
    def mget(self, keys):
        if len(keys) > 999:
            raise RuntimeError("too many SQL variables")
        return super().mget(keys)


class Paged(DictStore):
    def yield_keys(self, *, prefix=None):
        yield from list(self.values)[:1000]


class LosingAsync(DictStore):
    async def amset(self, key_value_pairs):
        pass


class AnotherLoopsAsync(DictStore):
    """Its async methods keep values of their own."""

    def __init__(self):
        super().__init__()
        self.other = {}

    async def amget(self, keys):
        return [self.other.get(key) for key in keys]

    async def amset(self, key_value_pairs):
        self.other.update(key_value_pairs)


class Racing(DictStore):
    """Reads everything, changes it and writes it back; others get their turn in between."""

    def mset(self, key_value_pairs):
        values = dict(self.values)
        threading.Event().wait(0.001)
        values.update(key_value_pairs)
        self.values = values


class OneThread(DictStore):
    def __init__(self):
        super().__init__()
        self.thread = threading.get_ident()

    def mset(self, key_value_pairs):
        if threading.get_ident() != self.thread:
            raise RuntimeError("objects created in a thread can only be used in that same thread")
        super().mset(key_value_pairs)


class NotDeleting(DictStore):
    def mdelete(self, keys):
        pass


class NoListing:
    def mget(self, keys):
        return [None] * len(keys)

    def mset(self, key_value_pairs):
        pass


BROKEN = [
    (Sized, "test_it_is_a_byte_store"),
    (NoListing, "test_it_is_a_byte_store"),
    (FoundOnly, "test_values_come_in_the_order_of_the_keys"),
    (Sorted, "test_values_come_in_the_order_of_the_keys"),
    (Generating, "test_values_come_in_the_order_of_the_keys"),
    (Folding, "test_keys_are_told_apart"),
    (Trimming, "test_keys_are_told_apart"),
    (Cutting, "test_keys_are_told_apart"),
    (Normalizing, "test_keys_are_told_apart"),
    (WithoutNamespace, "test_namespaces_and_roles_are_kept_apart"),
    (NamespaceOnly, "test_a_cache_finds_exactly_what_it_has_stored"),
    (EndingAtZero, "test_values_come_back_byte_by_byte"),
    (Decoding, "test_values_come_back_byte_by_byte"),
    (Decoding, "test_a_cache_finds_exactly_what_it_has_stored"),
    (Short, "test_a_long_value_comes_back"),
    (WriteOnce, "test_a_later_value_replaces_an_earlier_one"),
    (WriteOnce, "test_a_damaged_value_is_a_miss"),
    (Strict, "test_deleting_ignores_absent_keys"),
    (NotDeleting, "test_deleting_ignores_absent_keys"),
    (NotDeleting, "test_deleting_and_clearing_leave_others_alone"),
    (FewParameters, "test_thousands_of_keys_in_one_call"),
    (Paged, "test_thousands_of_keys_in_one_call"),
    (LosingAsync, "test_async_methods_do_the_same"),
    (AnotherLoopsAsync, "test_async_methods_do_the_same"),
    (AnotherLoopsAsync, "test_an_async_cache_finds_what_a_sync_one_has_stored"),
    (Racing, "test_threads_lose_nothing"),
    (OneThread, "test_threads_lose_nothing"),
]


@pytest.mark.soak
@pytest.mark.parametrize(("broken", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_store_fails_where_it_is_meant_to(fails, broken, test):
    assert fails(_on(broken), test)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("broken", "promise", "test"),
    [
        (DictStore, "takes_empty_values", "test_empty_values"),
        (DictStore, "takes_empty_calls", "test_empty_calls_do_nothing"),
        (DictStore, "takes_repeated_keys", "test_repeated_keys"),
        (DictStore, "has_plain_prefixes", "test_prefixes_are_plain_strings"),
        (OneThread, "is_picklable", "test_a_pickled_copy_holds_the_same"),
    ],
)
def test_a_promise_is_tested_when_it_is_made(outcomes, broken, promise, test, monkeypatch):
    monkeypatch.setattr(broken, "__reduce__", lambda self: (broken, ()), raising=False)
    assert outcomes(_on(broken), test) == {"skipped": 1}
    assert outcomes(_on(broken, **{promise: True}), test) == {"failed": 1}


def test_a_store_that_forgets_fails_when_it_is_reopened(outcomes):
    forgetful = {"reopen": lambda self, store: DictStore()}
    for test in ("test_a_reopened_store_holds_the_same", "test_a_cache_on_a_reopened_store_embeds_nothing"):
        assert outcomes(_on(DictStore), test) == {"skipped": 1}
        assert outcomes(_on(DictStore, **forgetful), test) == {"failed": 1}


def test_a_subclass_without_a_store_says_so(run_suite):
    outcomes, text = run_suite(type("TestNothing", (ByteStoreSuite,), {}), "test_it_is_a_byte_store")
    assert outcomes == {"error": 1}
    assert "TestNothing has to define a fixture `store` that returns a new, empty byte store" in text


def test_a_failed_assertion_shows_what_was_compared(run_suite):
    """Assertions of the suites are rewritten by pytest although they stand in an installed package."""
    text = run_suite(_on(Folding), "test_keys_are_told_apart")[1]
    assert "AssertionError: assert {'k': b'" in text


def _on(broken, **attributes):
    store = pytest.fixture(lambda self: broken())
    return type(f"Test{broken.__name__}", (ByteStoreSuite,), {"store": store, **attributes})
