"""wrap: a function with a cache before it, no framework needed."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import multiprocessing
import pickle

import numpy as np
import pytest
from core_support import LIMIT, NAMESPACE, DictStore, Model, bits, crossed, words

from embedonce import CachedFunction, EmbeddingCache, Identity, IdentityError, MemoryStore, Wrapper, wrap
from embedonce.wrappers import wrap_with


def embed_lengths(texts):
    return [[float(len(text)), 0.5] for text in texts]


async def embed_lengths_async(texts):
    return embed_lengths(texts)


class Callable:
    """Called like a function, sync."""

    def __call__(self, texts):
        return embed_lengths(texts)


class AsyncCallable:
    async def __call__(self, texts):
        return embed_lengths(texts)


class Declared(Callable):
    embedonce_identity = Identity.of("acme", "declared", dimensions=2)


def test_a_function_is_wrapped_and_its_vectors_are_kept(place):
    model = Model()
    for _ in range(2):
        wrapped = wrap(model, place.store(), namespace=NAMESPACE)
        assert isinstance(wrapped, CachedFunction)
        assert isinstance(wrapped, Wrapper)
        assert bits(wrapped(["a", "b", "a"])) == bits(model.rows(["a", "b", "a"]))
        assert bits(wrapped.embed(["b"])) == bits(model.rows(["b"]))
        assert bits(asyncio.run(wrapped.aembed(["a"]))) == bits(model.rows(["a"]))
    assert model.calls == [["a", "b"]]
    assert wrapped.namespace == NAMESPACE
    assert wrapped.identity == Identity.named(NAMESPACE)
    assert isinstance(wrapped.cache, EmbeddingCache)
    assert wrapped.function is model


def test_the_default_store_is_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDONCE_STORE", str(tmp_path / "there"))
    wrap(embed_lengths, namespace=NAMESPACE)(["a"])
    assert any((tmp_path / "there").iterdir())


def test_roles_are_kept_apart(place):
    model = Model()
    wrapped = wrap(model, place.store(), namespace=NAMESPACE)
    for _ in range(2):
        wrapped(["a"])
        wrapped(["a"], role="query")
        wrapped.embed(["a"], "query")
    assert len(model.calls) == 2
    symmetric = wrap(model, place.store(), namespace="symmetric", symmetric=True)
    symmetric(["a"], "query")
    symmetric(["a"], "document")
    assert len(model.calls) == 3


@crossed(
    "embed, is_async",
    [
        (embed_lengths, False),
        (lambda texts: embed_lengths(list(texts)), False),
        (functools.partial(embed_lengths), False),
        (Callable(), False),
        (embed_lengths_async, True),
        (functools.partial(embed_lengths_async), True),
        (AsyncCallable(), True),
        (AsyncCallable().__call__, True),
    ],
    ids=["function", "lambda", "partial", "object", "async", "async partial", "async object", "async method"],
    over=("place",),
)
async def test_calling_it_is_as_async_as_the_function(place, embed, is_async):
    wrapped = wrap(embed, place.store(), namespace=NAMESPACE)
    answer = wrapped(["abc"])
    assert inspect.iscoroutine(answer) == is_async
    answer = await answer if is_async else answer
    assert answer.tolist() == [[3.0, 0.5]]
    assert (await wrapped.aembed(["abc"])).tolist() == [[3.0, 0.5]]


@pytest.mark.parametrize(
    "embed", [embed_lengths, lambda texts: texts, functools.partial(embed_lengths), Callable(), Model()]
)
def test_a_function_without_a_namespace_is_refused(embed):
    """Neither its name nor its source says what model it calls."""
    for attempt in (lambda: wrap(embed, MemoryStore()), lambda: EmbeddingCache(MemoryStore()).wrap(embed)):
        with pytest.raises(IdentityError, match=r'cannot tell what model .*namespace="acme/my-model@1"\)'):
            attempt()


def test_a_function_may_declare_its_identity(place):
    wrapped = wrap(Declared(), place.store())
    assert wrapped.namespace == "acme/declared?dimensions=2"
    assert wrap(Declared(), place.store(), namespace="mine").namespace == "mine"


@pytest.mark.parametrize("embedder", [Model, Callable, dict, 7, "text", None, [embed_lengths], b"x"])
def test_what_is_not_an_embedder_is_refused(embedder):
    with pytest.raises(
        TypeError, match=r"cannot wrap (the class \w+|an? \w+|a str, 'text'|None): it is neither an embedder"
    ):
        wrap(embedder, MemoryStore(), namespace=NAMESPACE)


def test_a_class_is_named_as_such():
    with pytest.raises(TypeError, match="cannot wrap the class Model"):
        wrap(Model, MemoryStore(), namespace=NAMESPACE)


@pytest.mark.parametrize("namespace", ["", " ", 7, b"x", "\ud800"])
def test_a_bad_namespace_is_refused_at_once(namespace):
    with pytest.raises(IdentityError):
        wrap(embed_lengths, MemoryStore(), namespace=namespace)


def test_unknown_options_are_named():
    with pytest.raises(TypeError, match="name_space"):
        wrap(embed_lengths, MemoryStore(), name_space=NAMESPACE)
    with pytest.raises(
        TypeError, match=r"unknown option mode, name_space; known: namespace, version, symmetric, batch_size"
    ):
        EmbeddingCache(MemoryStore()).wrap(embed_lengths, name_space=NAMESPACE, mode="off")


def test_a_version_is_another_namespace(place):
    names = {
        wrap(embed_lengths, place.store(), namespace="m", version=version).namespace
        for version in (None, 0, 1, "2", "a&b", "1.0", 10)
    }
    assert len(names) == 7
    one, same = (wrap(embed_lengths, place.store(), namespace="m", version=version) for version in (3, "3"))
    assert one.namespace == same.namespace


def test_an_identity_is_a_namespace_too(place):
    identity = Identity.of("acme", "m", symmetric=True)
    wrapped = wrap(embed_lengths, place.store(), namespace=identity, version=2)
    assert wrapped.identity == identity.with_additions({"version": "2"})
    assert wrapped.identity.symmetric
    assert not wrap(embed_lengths, place.store(), namespace=identity, symmetric=False).identity.symmetric


def test_wrapping_a_wrapper_returns_it_if_the_options_agree(place):
    identity = Identity.of("acme", "m")
    wrapped = wrap(embed_lengths, place.store(), namespace=identity, version=2, batch_size=8, key_encoder="sha512")
    same = {"key_encoder": "sha512"}
    assert wrap(wrapped, place.store(), **same) is wrapped
    assert wrap(wrapped, place.store(), namespace=identity, version=2, batch_size=8, **same) is wrapped
    assert wrap(wrapped) is wrapped
    assert wrap(wrapped, namespace=Identity.of("acme", "m")) is wrapped
    assert wrap(wrapped, wrapped.cache) is wrapped
    assert wrapped.cache.wrap(wrapped) is wrapped
    assert wrapped.cache.wrap(wrapped, batch_size=8) is wrapped


@crossed(
    "options, named",
    [
        ({"namespace": "other"}, "namespace"),
        ({"namespace": Identity.of("acme", "other")}, "namespace"),
        ({"version": 3}, "version"),
        ({"symmetric": True}, "symmetric"),
        ({"batch_size": 9}, "batch_size"),
        ({"mode": "read_only"}, "store or its options"),
        ({"key_encoder": "sha512"}, "store or its options"),
        ({"on_store_error": "raise"}, "store or its options"),
    ],
    over=("place",),
)
def test_wrapping_a_wrapper_with_other_options_is_an_error(place, options, named):
    wrapped = wrap(embed_lengths, place.store(), namespace="m", version=2, batch_size=8)
    with pytest.raises(ValueError, match=f"wrapped already, with other {named}"):
        wrap(wrapped, place.store(), **options)


def test_wrapping_a_wrapper_with_another_store_is_an_error(place, tmp_path):
    wrapped = wrap(embed_lengths, place.store(), namespace="m")
    for other in (tmp_path / "other", MemoryStore(), DictStore(), EmbeddingCache(MemoryStore())):
        with pytest.raises(ValueError, match="store or its options"):
            wrap(wrapped, other)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "read_only"},
        {"key_encoder": "sha512"},
        {"codec": "other"},
        {"on_store_error": "raise"},
        {"storage_options": {"fsync": True}},
        {"text_safe": True},
    ],
)
def test_options_of_a_cache_belong_to_the_cache(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: give these options to the EmbeddingCache itself"):
        wrap(embed_lengths, EmbeddingCache(MemoryStore()), namespace="m", **options)


def test_one_cache_wraps_many_functions():
    cache = EmbeddingCache(MemoryStore())
    wrapped = [cache.wrap(Model(salt=str(i)), namespace=str(i)) for i in range(3)]
    for _ in range(2):
        for i, function in enumerate(wrapped):
            assert bits(function(["a"])) == bits(Model(salt=str(i)).rows(["a"]))
    assert cache.stats().hits == cache.stats().embedded == 3


def test_a_batch_size_of_the_wrapper_counts(place):
    model = Model()
    wrap(model, EmbeddingCache(place.store(), batch_size=2), namespace="m", batch_size=3)(words(7))
    assert list(map(len, model.calls)) == [3, 3, 1]


# Copies


def test_wrappers_and_caches_pickle_and_leave_the_original_alone(place):
    wrapped = wrap(
        Callable(), place.store(), namespace="m", key_encoder="sha512", mode="refresh", on_store_error="raise"
    )
    wrapped(["a"])
    for copied in (pickle.loads(pickle.dumps(wrapped)), copy.deepcopy(wrapped), copy.copy(wrapped)):
        assert (copied.namespace, copied.wrap_options) == (wrapped.namespace, wrapped.wrap_options)
        assert repr(copied.cache) == repr(wrapped.cache)
        assert copied.cache.mode == "refresh"
        copied(["a", "b"])
        wrapped(["c"])
    assert wrapped.cache.stats().calls >= 4


def test_a_copy_of_a_cache_in_a_directory_opens_the_same_directory(directory):
    model = Model()
    cache = directory.cache()
    cache.embed(["a"], model, namespace=NAMESPACE)
    copied = pickle.loads(pickle.dumps(cache))
    assert copied.agrees_with(cache)
    assert bits(copied.embed(["a"], Model(fail_at=0), namespace=NAMESPACE)) == bits(model.rows(["a"]))
    assert copied.stats().hits == 1
    assert cache.stats().hits == 0


def test_a_copy_of_a_memory_store_goes_its_own_way():
    cache = EmbeddingCache(MemoryStore())
    cache.embed(["a"], Model(), namespace=NAMESPACE)
    copied = pickle.loads(pickle.dumps(cache))
    copied.embed(["a", "b"], Model(), namespace=NAMESPACE)
    assert copied.stats().hits == 1
    assert cache.embed(["b"], Model(), namespace=NAMESPACE).shape == (1, 3)
    assert cache.stats().hits == 0


def worker(wrapped, texts, answers):
    answers.put((wrapped(texts).tolist(), wrapped.cache.stats()))


def test_a_spawned_process_hits_what_was_stored_and_stores_for_others(directory):
    wrapped = wrap(Callable(), directory.store(), namespace=NAMESPACE)
    wrapped(["abc"])
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=worker, args=(wrapped, ["abc", "defg"], answers))
    process.start()
    rows, stats = answers.get(timeout=LIMIT)
    process.join(LIMIT)
    assert process.exitcode == 0
    assert rows == [[3.0, 0.5], [4.0, 0.5]]
    assert (stats.hits, stats.embedded, stats.stored) == (1, 1, 1)
    assert wrapped(["defg"]).tolist() == [[4.0, 0.5]]
    assert wrapped.cache.stats().hits == 1


def test_nothing_shows_a_secret():
    options = {"key": "SECRET-KEY", "secret": "SECRET-VALUE"}
    try:
        cache = EmbeddingCache("memory://user:SECRET-PASSWORD@bucket/path", storage_options=options)
    except TypeError:
        pytest.skip("the file system takes no options")
    wrapped = cache.wrap(embed_lengths, namespace=NAMESPACE)
    for shown in (
        repr(cache),
        str(cache),
        repr(wrapped),
        str(cache.store),
        repr(wrapped.identity),
        repr(wrapped.wrap_options),
    ):
        assert "SECRET" not in shown


def test_facades_are_true_and_have_no_length():
    """Frameworks test stores and caches for truth."""
    cache = EmbeddingCache(MemoryStore())
    wrapped = cache.wrap(embed_lengths, namespace=NAMESPACE)
    for facade in (cache, wrapped, cache.store, MemoryStore()):
        assert not hasattr(facade, "__len__")
        assert facade


def test_rows_are_ready_for_search(place):
    """C-contiguous and writable, so that index libraries take them as they are."""
    wrapped = wrap(lambda texts: np.asfortranarray(np.ones((len(texts), 4))), place.store(), namespace=NAMESPACE)
    for _ in range(2):
        rows = wrapped(["a", "b", "a"])
        assert rows.flags.c_contiguous
        assert rows.flags.writeable
        assert rows.dtype == np.float32


def test_a_version_of_the_users_is_told_apart_from_one_that_the_class_declares():
    """Neither replaces the other."""

    def embed(texts):
        return [[1.0] for _ in texts]

    def namespace(declared, **options):
        embed.embedonce_identity = Identity.of("acme", "m", version=declared)
        return wrap(embed, MemoryStore(), **options).namespace

    names = [namespace("1"), namespace("2"), namespace("1", version="3"), namespace("2", version="3")]
    assert len(set(names)) == 4


class Remembered:
    """A cache as simple as a test of a plugin may need it: it has only those members of `Cache` that are asked for."""

    def __init__(self):
        self.vectors = {}

    def open(self, namespace):
        self.vectors.setdefault(str(namespace), {})

    def embed(self, texts, embed, *, namespace, role="document", batch_size="auto"):
        found = self.vectors[str(namespace)]
        missing = [text for text in texts if text not in found]
        found.update(zip(missing, embed(missing), strict=True) if missing else ())
        return np.array([found[text] for text in texts], np.float32)

    def agrees_with(self, other):
        return other is self


def test_a_wrapper_asks_any_object_with_the_members_of_a_cache():
    model, cache = Model(), Remembered()
    wrapped = wrap_with(cache, model, namespace=NAMESPACE)
    assert bits(wrapped(["a", "b"])) == bits(wrapped(["a", "b"])) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a", "b"]]
    assert wrap_with(cache, wrapped) is wrapped
    with pytest.raises(ValueError, match="store or its options"):
        wrap_with(Remembered(), wrapped)
