"""The embedders that are shipped for tests: their numbers, their names, what they record and how they fail."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import embedonce
from embedonce import Identity, IdentityError
from embedonce.testing import AsymmetricEmbedder, CountingEmbedder, FlakyEmbedder, HashingEmbedder, TextEmbedder

ANY_TEXT = st.text(st.characters(codec=None), max_size=80)
HARD_TEXTS = ["", " \n\t", "!!!", "\x00", "\ud800", "Straße 12 + naïve café, 東京タワー", "a" * 5000, "word " * 2000]


def cosine(one: str, other: str, dimensions: int = 1536) -> float:
    first, second = HashingEmbedder(dimensions)([one, other]).astype(float)
    return float(first @ second)


# -- HashingEmbedder -----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(ANY_TEXT, max_size=4), st.integers(1, 70))
@example(HARD_TEXTS, 1)
@example(HARD_TEXTS, 1536)
def test_every_text_gets_a_finite_float32_unit_vector(texts, dimensions):
    vectors = HashingEmbedder(dimensions)(texts)
    assert vectors.shape == (len(texts), dimensions)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=1e-6)


@settings(deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_a_vector_depends_on_its_own_text_only(texts):
    embedder = HashingEmbedder(64)
    together = embedder(texts)
    for text, vector in zip(texts, together, strict=True):
        assert embedder([text])[0].tobytes() == vector.tobytes()
        assert embedder.embed_query(text) == embedder.embed_documents([text])[0] == vector.tolist()


def test_numbers_are_those_of_the_published_version():
    """The identity says `hashing-ngrams-1`: a change of these numbers needs another name."""
    texts = ["", "An embedding cache.", "Straße 12 + naïve café, 東京タワー\ud800 x_y"]
    sums = [zlib.crc32(HashingEmbedder(1536)([text]).astype("<f4").tobytes()) for text in texts]
    assert sums == [304175691, 4263860456, 4065468994]


def test_numbers_do_not_depend_on_the_process():
    """The built-in hash of strings is salted anew in every process."""
    script = (
        "import zlib; from embedonce.testing import HashingEmbedder as H;"
        "print(zlib.crc32(H(256)(['some words, some more words']).tobytes()))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert answers == {f"{zlib.crc32(HashingEmbedder(256)(['some words, some more words']).tobytes())}\n"}


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("Return a copy of the list.", "Return a shallow copy of a list.", "Open a socket to the server."),
        ("Parse the header of a message.", "Parsing message headers", "Compute the median of the numbers."),
        ("raise an exception if the file is missing", "Raises an error when files are missing.", "Sort it in place."),
        ("naïve café", "Café, naive", "voiture rouge"),
    ],
)
def test_texts_that_share_words_are_nearer_than_others(text, near, far):
    assert cosine(text, near) > cosine(text, far) + 0.1


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa"]), min_size=3, max_size=12)
)
def test_a_text_is_nearer_to_itself_with_one_more_word_than_to_a_text_without_common_words(words):
    text = " ".join(words)
    assert cosine(text, f"{text} theta") > 0.5 > cosine(text, "fuzzy quick jumpy wizards")


def test_case_and_white_space_do_not_count_but_order_does():
    assert cosine("Big  CAT\n", "big cat") == pytest.approx(1)
    assert cosine("man bites dog", "dog bites man") < 0.99


def test_texts_without_words_differ_from_texts_with_words():
    vectors = HashingEmbedder()(["", "  ", "!", "?"])
    assert vectors[0].tolist() == [1.0] + [0.0] * 1535
    assert vectors[1].tolist() == vectors[0].tolist()
    assert len({vector.tobytes() for vector in vectors}) == 3


@pytest.mark.parametrize("embedder", [HashingEmbedder, AsymmetricEmbedder])
@pytest.mark.parametrize("dimensions", [0, -1, 1.5, "8", None, True])
def test_dimensions_must_be_a_whole_number_of_at_least_one(embedder, dimensions):
    with pytest.raises(ValueError, match="dimensions must be a whole number of at least 1, got"):
        embedder(dimensions)


def test_the_identity_names_model_and_dimensions_and_is_symmetric():
    identity = HashingEmbedder(64).embedonce_identity
    assert identity == Identity.of("embedonce-testing", "hashing-ngrams-1", symmetric=True, dimensions=64)
    assert identity.namespace == "embedonce-testing/hashing-ngrams-1?dimensions=64"
    assert HashingEmbedder(65).embedonce_identity != identity


# -- AsymmetricEmbedder --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(ANY_TEXT)
def test_documents_and_queries_of_one_text_differ(text):
    embedder = AsymmetricEmbedder()
    (document,) = embedder.embed_documents([text])
    query = embedder.embed_query(text)
    assert document != query
    assert len(document) == len(query) == 8
    assert all(-1 <= number < 1 for number in document + query)
    assert embedder.embed_documents([text, text]) == [document, document]


def test_asymmetric_texts_all_differ_and_the_identity_says_asymmetric():
    embedder = AsymmetricEmbedder(4)
    texts = [str(number) for number in range(500)]
    vectors = [*embedder.embed_documents(texts), *map(embedder.embed_query, texts)]
    assert len(set(map(tuple, vectors))) == 1000
    assert embedder.embedonce_identity == Identity.of("embedonce-testing", "asymmetric-1", dimensions=4)
    assert not embedder.embedonce_identity.symmetric


# -- all of them ---------------------------------------------------------------------------------------------------

ALL = [
    HashingEmbedder(16),
    AsymmetricEmbedder(16),
    CountingEmbedder(HashingEmbedder(16)),
    FlakyEmbedder(AsymmetricEmbedder(16)),
]


@pytest.mark.parametrize("embedder", ALL, ids=repr)
async def test_all_ways_to_ask_agree(embedder):
    texts = ["one", "two", ""]
    vectors = embedder.embed_documents(texts)
    assert [type(number) for vector in vectors for number in vector] == [float] * 48
    assert np.asarray(embedder(texts)).tolist() == vectors
    assert await embedder.aembed_documents(texts) == vectors
    assert await embedder.aembed_query("one") == embedder.embed_query("one")


@pytest.mark.parametrize("embedder", ALL, ids=repr)
def test_a_pickled_copy_answers_alike(embedder):
    copy = pickle.loads(pickle.dumps(embedder))
    assert copy.embedonce_identity == embedder.embedonce_identity
    assert copy.embed_documents(["text"]) == embedder.embed_documents(["text"])


@pytest.mark.parametrize("embedder", ALL, ids=repr)
def test_no_namespace_is_needed_to_wrap_one(embedder, tmp_path):
    wrapped = embedonce.wrap(embedder, tmp_path)
    assert wrapped.namespace == embedder.embedonce_identity.namespace
    assert wrapped.embed_documents(["a", "b"]) == embedder.embed_documents(["a", "b"])
    assert wrapped.embed_query("a") == embedder.embed_query("a")


@pytest.mark.parametrize("embedder", ALL, ids=repr)
def test_the_documented_names_are_there(embedder):
    names = {"embed_documents", "embed_query", "aembed_documents", "aembed_query", "embedonce_identity", "__call__"}
    assert names <= set(dir(embedder))


def test_one_method_makes_an_embedder():
    class Length(TextEmbedder):
        embedonce_identity = Identity.named("length")

        def vectors(self, texts, role="document"):
            return np.array([[len(text), role == "query"] for text in texts], np.float32)

    assert Length().embed_documents(["abc", ""]) == [[3.0, 0.0], [0.0, 0.0]]
    assert asyncio.run(Length().aembed_query("ab")) == [2.0, 1.0]
    with pytest.raises(TypeError, match="abstract"):
        TextEmbedder()


# -- CountingEmbedder ----------------------------------------------------------------------------------------------


async def test_every_call_is_recorded_with_its_texts():
    counting = CountingEmbedder(HashingEmbedder(4))
    texts = ["a", "b"]
    counting.embed_documents(texts)
    texts.append("changed afterwards")
    counting.embed_query("c")
    await counting.aembed_documents(["d"])
    await counting.aembed_query("e")
    counting(("f", "g"))
    counting.embed_documents([])
    assert counting.calls == [["a", "b"], ["c"], ["d"], ["e"], ["f", "g"], []]
    assert counting.texts_embedded == 7


def test_a_cached_text_is_not_counted_again(tmp_path):
    counting = CountingEmbedder(HashingEmbedder(4))
    cached = embedonce.wrap(counting, tmp_path)
    cached.embed_documents(["a", "b", "a"])
    cached.embed_documents(["b", "c"])
    assert counting.calls == [["a", "b"], ["c"]]


def test_threads_lose_no_call():
    counting = CountingEmbedder(lambda texts: [[1.0]] * len(texts))
    barrier = threading.Barrier(8)

    def ask(thread):
        barrier.wait()
        for number in range(500):
            counting([f"{thread}/{number}"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert counting.texts_embedded == 4000
    assert {text for (text,) in counting.calls} == {f"{i}/{j}" for i in range(8) for j in range(500)}


async def test_native_async_methods_are_used_and_missing_ones_replaced():
    class Native:
        async def aembed_documents(self, texts):
            return [[threading.get_ident()]] * len(texts)

        def embed_query(self, text):
            return [threading.get_ident()]

    counting = CountingEmbedder(Native())
    assert await counting.aembed_documents(["a"]) == [[threading.get_ident()]]
    assert await counting.aembed_query("a") != [threading.get_ident()], "a sync method would block the event loop"


def test_answers_are_passed_through_untouched():
    answer = object()
    assert CountingEmbedder(lambda texts: answer)(["a"]) is answer


def test_the_identity_of_a_known_embedder_is_forwarded_as_it_is_now():
    inner = HashingEmbedder(4)
    counting = CountingEmbedder(FlakyEmbedder(inner))
    assert counting.embedonce_identity == inner.embedonce_identity
    inner.dimensions = 5
    assert counting.embedonce_identity.dimensions == 5


def test_the_identity_of_an_embedder_that_a_plugin_knows_is_forwarded():
    from langchain_openai import OpenAIEmbeddings

    counting = CountingEmbedder(OpenAIEmbeddings(model="text-embedding-3-small", api_key="none"))
    assert counting.embedonce_identity.name == "openai/text-embedding-3-small"


class Unknown:
    """An embedder of which nobody can tell what it computes: its weights are an object in memory."""

    def __init__(self):
        self.weights = object()

    def embed_documents(self, texts):
        return [[1.0]] * len(texts)

    def embed_query(self, text):
        return [1.0]


@pytest.mark.parametrize("observer", [CountingEmbedder, FlakyEmbedder])
@pytest.mark.parametrize("inner", [Unknown(), lambda texts: [[1.0]] * len(texts)], ids=["object", "function"])
def test_an_embedder_without_identity_needs_a_namespace(observer, inner, tmp_path):
    unknown = observer(inner)
    assert unknown.embedonce_identity is None
    with pytest.raises(IdentityError, match="namespace="):
        embedonce.wrap(unknown, tmp_path)
    assert embedonce.wrap(unknown, tmp_path, namespace="known to the user").namespace == "known to the user"


# -- FlakyEmbedder -------------------------------------------------------------------------------------------------


async def test_the_named_calls_fail_and_no_others():
    flaky = FlakyEmbedder(HashingEmbedder(4), fail_on_calls=[2, 4])
    flaky.embed_documents(["a"])
    with pytest.raises(ConnectionError, match="call 2 fails"):
        flaky.embed_query("a")
    flaky(["a"])
    with pytest.raises(ConnectionError, match="call 4 fails"):
        await flaky.aembed_documents(["a"])
    assert await flaky.aembed_query("a") == HashingEmbedder(4).embed_query("a")


async def test_calls_with_a_named_text_fail_every_time():
    flaky = FlakyEmbedder(HashingEmbedder(4), fail_on_texts=["bad"], error=TimeoutError)
    for _ in range(2):
        with pytest.raises(TimeoutError, match="because of the text 'bad'"):
            flaky.embed_documents(["good", "bad"])
        with pytest.raises(TimeoutError):
            await flaky.aembed_query("bad")
    assert flaky.embed_documents(["good", "badly"]) == HashingEmbedder(4).embed_documents(["good", "badly"])


def test_a_failed_call_never_reaches_the_embedder_behind():
    counting = CountingEmbedder(HashingEmbedder(4))
    flaky = FlakyEmbedder(counting, fail_on_calls=[1])
    with pytest.raises(ConnectionError):
        flaky(["a"])
    flaky(["b"])
    assert counting.calls == [["b"]]


def test_a_failed_call_is_counted_by_a_counter_in_front():
    counting = CountingEmbedder(FlakyEmbedder(HashingEmbedder(4), fail_on_calls=[1]))
    with pytest.raises(ConnectionError):
        counting(["a"])
    assert counting.calls == [["a"]]


def test_what_was_embedded_before_a_failure_is_kept(tmp_path):
    counting = CountingEmbedder(HashingEmbedder(4))
    cached = embedonce.wrap(FlakyEmbedder(counting, fail_on_calls=[2]), tmp_path, batch_size=2)
    with pytest.raises(ConnectionError):
        cached.embed_documents(["a", "b", "c"])
    cached.embed_documents(["a", "b", "c"])
    assert counting.calls == [["a", "b"], ["c"]]
