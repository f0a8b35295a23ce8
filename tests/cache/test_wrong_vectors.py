"""One test for every row of the list "How embedding caches return a wrong vector, lose data or never hit".

The numbers are those of that list. Rows that only a framework or only a store can get wrong are tested there:

* adapters: 7 (class is the role), 8 (hidden state), 9 (wrapper hides the model), 13 (effective text), 14 (arguments of
  a call), 16 (contextualised models), 34 and 35 (documents by id, stale values), 52 (tokens and limiters), 53 (volatile
  metadata), 63 (reading the identity changes the embedder);
* stores: 33 and 60 (files of several processes), 58 and 59 (in-place writes, deleters), 66 (eviction);
* elsewhere in these tests as well: 26 to 32 in `test_answers` and `test_main_property`, 50 in
  `test_single_flight`, 55 in `test_async`, 57 in `test_health`, 65 in `test_imports`, 71 in `test_discovery`.

Rows 12 and 22 are about what this core does not do: it prepares no text, and caches no images.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from core_support import NAMESPACE, BoomError, Model, ask, bits, crossed, served, words

from embedonce import (
    EmbedderContractError,
    Identity,
    IdentityError,
    wrap,
)

# A. Identity


def test_row_01_two_models_share_one_store(place, way):
    one, other = Model(salt="one"), Model(salt="other", width=4)
    for _ in range(2):
        for model, name in ((one, "one"), (other, "other")):
            assert bits(ask(way, place.cache(), ["a"], model, namespace=name)) == bits(model.rows(["a"]))
    assert (one.calls, other.calls) == ([["a"]], [["a"]])


def test_row_01_an_empty_namespace_is_refused(place, way):
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


def test_row_21_a_text_is_not_a_path(place, way):
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
    code = (
        "from embedonce.keys.encoders import sha256; from embedonce.keys.specification import canonical; "
        "print(sha256(canonical('document', 'a')))"
    )
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

    assert broken(place, way, texts, second_is_nan) == ["b"]


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
