"""The rest of the list of `test_wrong_vectors`: values, caches that never hit, and lost work."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys

import pytest
from core_support import NAMESPACE, BoomError, DictStore, Model, Worker, ask, bits, crossed, served, until, words

from embedonce import (
    EmbeddingCache,
    KeyEncoderError,
    MemoryStore,
    StoreError,
    wrap,
)


def test_row_38_nobody_shares_memory(place, way):
    model = Model()
    cache = place.cache()
    for _ in range(3):
        answer = ask(way, cache, ["a", "b", "a"], model)
        assert bits(answer) == bits(model.rows(["a", "b", "a"]))
        answer[0] += 1
        assert bits(answer[2:]) == bits(model.rows(["a"]))
        answer[:] = 0


def test_row_38_those_who_wait_for_one_flight_share_no_memory(place):
    cache, model = place.cache(), Model()
    count = 8

    def embed(texts):
        until(lambda: cache.stats().calls == count)
        return model.rows(texts)

    crowd = [Worker(cache.embed, ["a"], embed, namespace=NAMESPACE) for _ in range(count)]
    answers = [worker.result() for worker in crowd]
    for i, answer in enumerate(answers):
        assert bits(answer) == bits(model.rows(["a"])), f"the rows of {i} were changed by somebody else"
        answer[:] = 0


@crossed("dtype", ["float32", "float64", "int8", "uint8", "int64"])
def test_row_39_a_hit_is_like_a_miss(place, way, dtype):
    model = Model(dtype=dtype, width=8)
    cold, warm = (ask(way, place.cache(), words(3), model) for _ in range(2))
    assert bits(cold) == bits(warm) == bits(model.rows(words(3)))
    assert cold.flags.c_contiguous == warm.flags.c_contiguous
    assert len(model.calls) == 1


def test_row_40_bytes_are_read_with_their_own_dtype(place, way):
    """Two widths in one namespace: each row says what it is."""
    for dtype, texts in (("float32", ["a"]), ("float64", ["b"])):
        ask(way, place.cache(), texts, Model(dtype=dtype))
    for dtype, texts in (("float32", ["a"]), ("float64", ["b"])):
        assert bits(ask(way, place.cache(), texts, Model(fail_at=0))) == bits(Model(dtype=dtype).rows(texts))
    both = ask(way, place.cache(), ["a", "b"], Model(fail_at=0))
    assert both.tolist() == [Model().row("a").tolist(), Model(dtype="float64").row("b").tolist()]


@crossed("value", [b"", b'{"x": 1}', b"[0.1]", b"eov1" + bytes(40), b"\xff" * 100], over=("way",))
def test_row_41_a_foreign_value_is_a_miss(way, value):
    store, model = DictStore(), Model()
    ask(way, EmbeddingCache(store), ["a", "b"], model)
    store.values[next(iter(store.values))] = value
    assert bits(ask(way, EmbeddingCache(store), ["a", "b"], model)) == bits(model.rows(["a", "b"]))
    assert model.calls == [["a", "b"], ["a"]]
    assert bits(ask(way, EmbeddingCache(store), ["a", "b"], Model(fail_at=0))) == bits(model.rows(["a", "b"]))


class Utf8Store(DictStore):
    """Decodes what it keeps, as Upstash's does."""

    def mset(self, key_value_pairs):
        super().mset([(key, value.decode("utf-8")) for key, value in key_value_pairs])


@pytest.mark.parametrize("options", [{}, {"text_safe": True}], ids=["found out", "declared"])
def test_row_42_a_store_that_is_not_binary_safe(way, options):
    store, calls = Utf8Store(), []

    def embed(texts):
        calls.append(texts)
        return [[0.1, -1.5] for _ in texts]

    for _ in range(2):
        cache = EmbeddingCache(store, on_store_error="raise", **options)
        assert ask(way, cache, ["a"], embed).tolist() == [[0.1, -1.5]]
    assert len(calls) == 1


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the cache executed what it read",))


def test_row_43_nothing_that_is_read_is_executed(way):
    store, model = DictStore(), Model()
    ask(way, EmbeddingCache(store), ["a"], model)
    store.values = dict.fromkeys(store.values, pickle.dumps(Bomb()))
    assert bits(ask(way, EmbeddingCache(store), ["a"], model)) == bits(model.rows(["a"]))


def test_row_44_no_text_at_rest(place, way):
    text = "the patient's diagnosis"
    ask(way, place.cache(), [text], Model())
    for name, value in place.contents().items():
        assert text.encode() not in value
        assert text not in name


# E. Caches that never hit


def test_row_45_queries_are_cached(place, way):
    model = Model()
    for _ in range(2):
        ask(way, place.cache(), ["a query"], model, role="query")
    assert len(model.calls) == 1


class Empty(DictStore):
    """False while it is empty."""

    def __len__(self):
        return len(self.values)


def test_row_46_an_empty_store_is_a_store(way, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDONCE_STORE", str(tmp_path / "wrong"))
    store, model = Empty(), Model()
    assert not store
    wrapped = wrap(model, store, namespace=NAMESPACE)
    for _ in range(2):
        assert bits(wrapped(["a"])) == bits(model.rows(["a"]))
    assert len(store) == 1
    assert len(model.calls) == 1


def test_row_47_every_way_in_is_served(place):
    """Whatever stored a text, every public way finds it."""
    ways_in = {
        "embed": lambda cache, model: cache.embed(["a"], model, namespace=NAMESPACE),
        "aembed": lambda cache, model: asyncio.run(cache.aembed(["a"], model, namespace=NAMESPACE)),
        "call": lambda cache, model: cache.wrap(model, namespace=NAMESPACE)(["a"]),
        "wrapped.embed": lambda cache, model: wrap(model, cache, namespace=NAMESPACE).embed(["a"]),
        "wrapped.aembed": lambda cache, model: asyncio.run(wrap(model, cache, namespace=NAMESPACE).aembed(["a"])),
    }
    for number, first in enumerate(ways_in):
        model = Model()
        with place.cache() as cache:
            name = cache.wrap(model, namespace=NAMESPACE, version=number)
            name(["a"])
        ways_in[first](place.cache(), Model())
        for second, call in ways_in.items():
            model = Model()
            assert bits(call(place.cache(), model)) == bits(model.rows(["a"]))
            assert model.calls == [], (first, second)


def test_row_48_one_changed_text_is_one_embedding(place, way):
    texts = words(200)
    ask(way, place.cache(), texts, Model())
    model = Model()
    ask(way, place.cache(), [*texts[:99], "changed", *texts[100:]], model)
    assert model.calls == [["changed"]]
    ask(way, place.cache(), texts[::-1], Model(fail_at=0))


def test_row_49_duplicates_are_paid_once(place, way):
    model = Model()
    ask(way, place.cache(), ["d", "d", "e", "d"], model)
    assert model.calls == [["d", "e"]]


def test_row_50_concurrent_misses_are_paid_once(place):
    cache, model = place.cache(), Model()

    def embed(texts):
        until(lambda: cache.stats().calls == 10)
        return model(texts)

    crowd = [Worker(cache.embed, ["a"], embed, namespace=NAMESPACE) for _ in range(10)]
    assert {bits(worker.result()) for worker in crowd} == {bits(model.rows(["a"]))}
    assert model.calls == [["a"]]


def test_row_51_misses_are_gathered_before_they_are_sent(place, way):
    texts = words(100)
    ask(way, place.cache(), [text for i, text in enumerate(texts) if i % 10], Model())
    model = Model()
    ask(way, place.cache(), texts, model)
    assert len(model.calls) == 1


def test_row_52_an_embedder_never_sees_a_hit(place, way):
    model = Model()
    ask(way, place.cache(), ["a", "b"], model)
    ask(way, place.cache(), ["b", "c", "a"], model)
    ask(way, place.cache(), ["c", "b", "a"], model)
    assert model.calls == [["a", "b"], ["c"]]


def test_row_54_a_hit_writes_nothing(place, way):
    ask(way, place.cache(), words(20), Model())
    before = place.contents()
    for _ in range(3):
        ask(way, place.cache(), words(20), Model())
    assert place.contents() == before


# F. Lost work


@crossed("finished", [0, 1, 5, 9])
def test_row_56_finished_batches_are_kept(place, way, finished):
    texts = words(20)
    with pytest.raises(BoomError):
        ask(way, place.cache(batch_size=2), texts, Model(fail_at=finished))
    model = Model()
    ask(way, place.cache(), texts, model)
    assert model.seen == texts[2 * finished :]


class Down(DictStore):
    def mget(self, keys):
        raise ConnectionError

    def mset(self, key_value_pairs):
        raise ConnectionError


def test_row_57_paid_vectors_are_returned_whatever_the_store_does(way):
    cache, model = EmbeddingCache(Down()), Model()
    assert bits(ask(way, cache, ["a"], model)) == bits(model.rows(["a"]))
    assert (cache.stats().read_errors, cache.stats().write_errors) == (1, 1)
    with pytest.raises(StoreError):
        ask(way, EmbeddingCache(Down(), on_store_error="raise"), ["a"], model)


def test_row_61_workers_store_for_everybody(directory):
    wrapped = wrap(Model(), directory.store(), namespace=NAMESPACE)
    for number in range(3):
        worker = pickle.loads(pickle.dumps(wrapped))
        worker(words(2, start=2 * number))
    assert bits(wrap(Model(fail_at=0), directory.store(), namespace=NAMESPACE)(words(6))) == bits(
        Model().rows(words(6))
    )


def test_row_62_pickling_leaves_the_live_object_alone(place):
    wrapped = wrap(Model(), place.store(), namespace=NAMESPACE)
    wrapped(["a"])
    before = {name: vars(wrapped)[name] for name in vars(wrapped)}, vars(wrapped.cache).keys()
    pickle.dumps(wrapped)
    assert ({name: vars(wrapped)[name] for name in vars(wrapped)}, vars(wrapped.cache).keys()) == before
    wrapped(["a", "b"])
    assert wrapped.cache.stats().hits == 1


def test_row_64_a_fresh_process_reopens_it(directory):
    directory.cache().embed(["a"], lambda texts: [[0.1, -0.0]], namespace=NAMESPACE)
    code = (
        "import sys, embedonce\n"
        "cache = embedonce.EmbeddingCache(sys.argv[1], mode='replay')\n"
        "print([float.hex(x) for x in cache.embed(['a'], None, namespace=sys.argv[2])[0].tolist()])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(directory.path), NAMESPACE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str([float.hex(0.1), float.hex(-0.0)]), done.stderr


@pytest.mark.parametrize("url", ["nosuchscheme://bucket/x", "redis://localhost"])
def test_row_67_a_url_is_not_a_path(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        EmbeddingCache(url)
    assert list(tmp_path.iterdir()) == []


@crossed("name", ["llama3:8b", "arn:aws:bedrock:::m/x", "../..", "a" * 5000, "m*?<>|", "MODELL", "モデル"])
def test_row_68_any_model_name_is_legal(place, way, name):
    model = Model()
    for _ in range(2):
        assert bits(ask(way, place.cache(), ["a"], model, namespace=name)) == bits(model.rows(["a"]))
    assert len(model.calls) == 1


def test_row_68_names_that_differ_in_case_only_are_two_models(place):
    """On file systems that ignore case as well."""
    place.cache().embed(["a"], Model(), namespace="Acme/E5")
    assert not served(place.cache(), "a", "acme/e5")


class Unique(DictStore):
    """Refuses a key that comes twice in one write, as a database does."""

    def mset(self, key_value_pairs):
        keys = [key for key, _ in key_value_pairs]
        assert keys, "never called with an empty list"
        assert len(keys) == len(set(keys))
        super().mset(key_value_pairs)

    def mget(self, keys):
        assert len(keys) == len(set(keys)) > 0
        return super().mget(keys)


def test_row_69_no_key_twice_in_one_write(way):
    cache = EmbeddingCache(Unique(), key_encoder=lambda text: f"k{len(text)}", on_store_error="raise")
    ask(way, cache, ["aa", "bb", "c", "aa", "d"], Model())
    ask(way, cache, ["aa", "bb"], Model())
    ask(way, cache, [], Model())


@pytest.mark.parametrize(
    "options",
    [{"key_encoder": "md5"}, {"batch_size": 0}, {"mode": "rw"}, {"codec": "float8"}, {"on_store_error": "log"}],
)
def test_row_70_bad_options_are_found_at_construction(options):
    with pytest.raises(ValueError, match=str(next(iter(options)).replace("_", ".").split(".", maxsplit=1)[0])):
        wrap(Model(), MemoryStore(), namespace=NAMESPACE, **options)


def test_row_71_an_encoder_is_not_swapped_silently(directory, way):
    ask(way, directory.cache(key_encoder="sha512"), ["a"], Model())
    for other in ("sha256", "blake2b", lambda text: text[:40]):
        with pytest.raises(KeyEncoderError):
            ask(way, directory.cache(key_encoder=other), ["a"], Model())
