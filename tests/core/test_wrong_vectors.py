"""One test for every row of the list "How embedding caches return a wrong vector, lose data or never hit".

The numbers are those of that list. Rows that only a framework or only a store can get wrong are tested there:

* adapters: 7 (class is the role), 8 (hidden state), 9 (wrapper hides the model), 13 (effective text), 14 (arguments of
  a call), 16 (contextualised models), 34 and 35 (documents by id, stale values), 52 (tokens and limiters), 53 (volatile
  metadata), 63 (reading the identity changes the embedder);
* stores: 33 and 60 (files of several processes), 58 and 59 (in-place writes, deleters), 66 (eviction);
* elsewhere in these tests as well: 26 to 32 in `test_vectors_and_codecs` and `test_main_property`, 50 in
  `test_single_flight`, 55 in `test_async`, 57 in `test_error_policy`, 65 in `test_imports`, 71 in `test_plugins`.

Rows 12 and 22 are about what this core does not do: it prepares no text, and caches no images.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from core_support import NAMESPACE, BoomError, DictStore, Model, Worker, ask, bits, crossed, until, words

from embedonce import (
    EmbedderContractError,
    EmbeddingCache,
    Identity,
    IdentityError,
    KeyEncoderError,
    MemoryStore,
    StoreError,
    wrap,
)


def served(cache, text, namespace, **options):
    """True if a text is answered without asking an embedder."""
    model = Model()
    cache.embed([text], model, namespace=namespace, **options)
    return model.calls == []


# A. Identity


def test_row_01_two_models_share_one_store(place, way):
    one, other = Model(salt="one"), Model(salt="other", width=4)
    for _ in range(2):
        for model, name in ((one, "one"), (other, "other")):
            assert bits(ask(way, place.cache(), ["a"], model, namespace=name)) == bits(model.rows(["a"]))
    assert (one.calls, other.calls) == ([["a"]], [["a"]])


def test_row_01_no_namespace_is_no_namespace(place, way):
    for nothing in ("", None):
        with pytest.raises(IdentityError):
            ask(way, place.cache(), ["a"], Model(), namespace=nothing)


def test_row_02_a_function_is_not_known_by_its_source(place):
    def model_behind(salt):
        return lambda texts: Model(salt)(list(texts))

    for function in (model_behind(1), model_behind(2), Model().__call__):
        with pytest.raises(IdentityError, match="namespace="):
            wrap(function, place.store())


def test_row_03_another_dimension_under_one_name(place, way):
    small, large = (Identity.of("openai", "m", dimensions=d) for d in (3, 4))
    ask(way, place.cache(), ["a"], Model(width=3), namespace=small)
    assert ask(way, place.cache(), ["a"], Model(width=4), namespace=large).shape == (1, 4)
    # And if the identity does not say it: one that is declared is checked on reading.
    ask(way, place.cache(), ["b"], Model(width=3), namespace="m")
    undeclared = Identity.named("m", dimensions=4)
    with pytest.raises(EmbedderContractError):
        ask(way, place.cache(), ["b"], Model(width=3), namespace=undeclared)


@crossed(
    "parameters",
    [{"precision": "int8"}, {"normalize": False}, {"truncate": 512}, {"dtype": "float16"}, {"prefix": "query: "}],
    over=("place",),
)
def test_row_04_another_precision_or_normalisation(place, parameters):
    plain = Identity.of("p", "m")
    place.cache().embed(["a"], Model(), namespace=plain)
    assert not served(place.cache(), "a", plain.with_parameters(parameters))


def test_row_05_another_endpoint(place):
    names = [Identity.of("azure", "ada-002", endpoint=f"https://{host}/", deployment="d") for host in "ab"]
    place.cache().embed(["a"], Model(), namespace=names[0])
    assert not served(place.cache(), "a", names[1])
    assert served(place.cache(), "a", names[0])


def test_row_06_a_query_is_not_a_document(place, way):
    document, query = Model(salt="document"), Model(salt="query")
    for _ in range(2):
        for model, role in ((document, "document"), (query, "query")):
            assert bits(ask(way, place.cache(), ["a"], model, role=role)) == bits(model.rows(["a"]))
    assert len(document.calls) == len(query.calls) == 1


def test_row_10_names_that_say_nothing(place):
    for provider, model in (("", "m"), ("p", ""), ("p", None), (None, None)):
        with pytest.raises(IdentityError):
            Identity.of(provider, model)


def test_row_11_a_model_that_was_replaced_under_its_name(place):
    before = wrap(Model(salt="before"), place.store(), namespace="ollama/m:latest")
    after = wrap(Model(salt="after"), place.store(), namespace="ollama/m:latest", version="2026-08-22")
    assert bits(before(["a"])) != bits(after(["a"]))
    assert bits(after(["a"])) == bits(Model(salt="after").rows(["a"]))


def test_row_15_an_identity_is_one_embedder(place):
    """Nothing falls back to another namespace when an embedder fails."""
    place.cache().embed(["a"], Model(salt="cheap"), namespace="cheap")
    with pytest.raises(BoomError):
        place.cache().embed(["a"], Model(fail_at=0), namespace="good")


def test_row_17_near_is_not_equal(place, way):
    texts = ["a cat", "a cat ", " a cat", "A cat", "a  cat", "a cat.", "a cât", "a cat\n", "a cat\u200b", "a\u00a0cat"]
    model = Model()
    for text in texts:
        assert bits(ask(way, place.cache(), [text], model)) == bits(model.rows([text]))
    assert model.seen == texts


# B. Keys


def test_row_18_ambiguous_concatenation(place):
    model = Model()
    pairs = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("ab", "c"),
        ("a", "bc"),
        ("a-b", "c"),
        ("a", "b-c"),
        ("a/b", "c"),
        ("a", "b/c"),
    ]
    pairs += [
        ("document", "x"),
        ("document:x", ""),
        ("m", "document:x"),
        ("m:document", "x"),
        ("m?a=1", "x"),
        ("m", "?a=1x"),
    ]
    for namespace, text in pairs:
        place.cache().embed([text], model, namespace=namespace + "!")
    assert len(model.calls) == len({(a, b) for a, b in pairs})


def test_row_19_types_are_not_conflated(place, way):
    for texts in ([b"dead"], [[1, 2]], [1], [None], [("a",)]):
        with pytest.raises(TypeError):
            ask(way, place.cache(), texts, Model())
    model = Model()
    for text in ("[1, 2]", "[1,2]", "dead", "b'dead'", "None", "1"):
        ask(way, place.cache(), [text], model)
    assert len(model.calls) == 6


def test_row_20_texts_are_not_normalised(place, way):
    forms = [unicodedata.normalize(form, "ﬁancé Å") for form in ("NFC", "NFD", "NFKC", "NFKD")]
    model = Model()
    assert bits(ask(way, place.cache(), forms, model)) == bits(model.rows(forms))
    assert model.calls == [forms], "and reach the embedder byte by byte"


def test_row_21_a_text_is_no_path(place, way):
    texts = ["a//b", "a/./b", "a/b", "../a", "/etc/passwd", "a\\b", "con", "*", "a/../a/b"]
    model = Model()
    for text in texts:
        ask(way, place.cache(), [text], model)
    assert model.seen == texts
    assert all("etc" not in name and ".." not in name for name in place.contents())


def test_row_23_order_does_not_count(place):
    one = Identity.of("p", "m", a=1, b={"x": 1, "y": [1, 2]})
    other = Identity.of("p", "m", b={"y": [1, 2], "x": 1}, a=1)
    place.cache().embed(["a"], Model(), namespace=one)
    assert served(place.cache(), "a", other)


def test_row_24_keys_do_not_drift(place):
    """What a later version of a package adds and leaves empty changes nothing; an explicit default stays."""
    before = Identity.of("p", "m", dimensions=3)
    place.cache().embed(["a"], Model(), namespace=before)
    assert served(place.cache(), "a", Identity.of("p", "m", dimensions=3, user=None, suffix="", extra={}))
    assert Identity.of("p", "m", encoding="float").namespace == 'p/m?encoding="float"'
    # Nothing of this process is in a key, such as a salted hash.
    code = "from embedonce.keys.encoders import *; print(sha256(canonical('document', 'a')))"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(keys) == 1


def test_row_25_unkeyable_text(place, way):
    texts = ["a", "\ud800", "b", "\udc80\ud800", "\ufffd"]
    model = Model()
    for _ in range(2):
        assert bits(ask(way, place.cache(), texts, model)) == bits(model.rows(texts))
    assert model.calls == [texts]


# C. Alignment


def broken(place, way, texts, answer, **options):
    """An answer that breaks the contract raises, stores nothing, and leaves the next call whole."""
    with pytest.raises(EmbedderContractError):
        ask(way, place.cache(**options), texts, answer)
    model = Model()
    assert bits(ask(way, place.cache(), texts, model)) == bits(model.rows(texts))
    return model.seen


@crossed("dropped", [0, 1, 2])
def test_row_26_too_few_vectors(place, way, dropped):
    texts = ["a", "b", "c"]
    answer = lambda some: np.delete(Model().rows(some), dropped, axis=0)  # noqa: E731
    assert broken(place, way, texts, answer) == texts


def test_row_27_one_vector_for_all_texts(place, way):
    texts = ["a", "b", "c"]
    assert broken(place, way, texts, lambda some: Model().rows(["all"])) == texts
    assert broken(place, way, ["d", "e"], lambda some: Model().rows(["all"])[0]) == ["d", "e"]


def test_row_28_too_many_vectors(place, way):
    texts = ["a", "b"]
    assert broken(place, way, texts, lambda some: Model().rows([*some, "extra"])) == texts


def test_row_29_a_bad_vector_does_not_shift_the_others(place, way):
    texts = ["a", "b", "c"]

    def second_is_nan(some):
        rows = Model().rows(some)
        rows[1, 1] = np.nan
        return rows

    assert broken(place, way, texts, second_is_nan) == texts


@crossed("stored", [[0, 2, 4], [1], [5, 3, 1], [0], [5], [1, 2, 3, 4]])
def test_row_30_hits_and_misses_keep_their_order(place, way, stored):
    texts, model = words(6), Model()
    ask(way, place.cache(), [texts[i] for i in stored], model)
    asked = [*texts, *reversed(texts)]
    assert bits(ask(way, place.cache(batch_size=2), asked, model)) == bits(model.rows(asked))


async def test_row_31_request_order_not_completion_order(place):
    cache, model = place.cache(batch_size=1), Model()
    order, turn = [], {i: asyncio.Event() for i in range(9)}
    turn[8].set()

    async def embed(texts):
        number = int(texts[0])
        await asyncio.wait_for(turn[number].wait(), 60)
        order.append(number)
        if number:
            turn[number - 1].set()
        return model.rows(texts)

    calls = [cache.aembed([str(i)], embed, namespace=NAMESPACE) for i in range(9)]
    answers = await asyncio.gather(*calls)
    assert order == list(range(9))[::-1]
    assert [bits(answer) for answer in answers] == [bits(model.rows([str(i)])) for i in range(9)]


def test_row_32_duplicates_do_not_move_what_follows(place, way):
    model = Model()
    for texts in (["a", "a", "b"], ["c"], ["b", "c", "a", "b"]):
        assert bits(ask(way, place.cache(), texts, model)) == bits(model.rows(texts))
    assert model.calls == [["a", "b"], ["c"]]


def test_row_36_only_vectors_are_kept(place, way):
    """Nobody gets the object of somebody else back: what comes is a fresh array."""
    vectors = [[1.0, 2.0]]
    first = ask(way, place.cache(), ["a"], lambda texts: vectors)
    second = ask(way, place.cache(), ["a"], lambda texts: vectors)
    assert type(first) is type(second) is np.ndarray
    assert not np.shares_memory(first, second)


# D. Values


@crossed("answer", [[], [[]], [None], None, [[float("nan")]], [[float("inf")]], [["x"]], [{}]])
def test_row_37_invalid_vectors_are_not_cached(place, way, answer):
    assert broken(place, way, ["a"], lambda texts: answer) == ["a"]


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
def test_row_67_a_url_is_no_path(url, tmp_path, monkeypatch):
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
