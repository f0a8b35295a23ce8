"""Whatever is asked, stored before or fails: the answer is that of the embedder, and nothing is paid for twice."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from core_support import PLACES, WAYS, BoomError, Model, Place, ask, bits
from hypothesis import given, settings
from hypothesis import strategies as st

NASTY = [
    "",
    "\0",
    "a",
    "b",
    "A",
    " a",
    "a ",
    "é",
    "e\u0301",
    "\ud800",
    "\udfff\ud800",
    "😀",
    "x" * 5000,
    "a\nb",
    "key:1",
]
TEXTS = st.lists(st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=8)), max_size=14)


def own_encoder(text):
    return "own-" + hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


ENCODERS = ("sha256", "blake2b", "sha512", own_encoder)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=25)
@given(
    texts=TEXTS,
    stored=st.sets(st.integers(0, 13)),
    fail_at=st.one_of(st.none(), st.integers(0, 4)),
    batch_size=st.one_of(st.none(), st.integers(1, 5)),
    dtype=st.sampled_from(["float32", "float64", "int8", "uint8", "int64"]),
    encoder=st.sampled_from(ENCODERS),
    role=st.sampled_from(["document", "query"]),
)
def test_the_answer_is_the_embedders_and_each_miss_is_paid_once(
    kind, way, texts, stored, fail_at, batch_size, dtype, encoder, role
):
    with tempfile.TemporaryDirectory() as root:
        place = Place(kind, Path(root) / "cache")

        def asked(some, model):
            with place.cache(batch_size=batch_size, key_encoder=encoder) as cache:
                try:
                    return ask(way, cache, some, model, role=role), cache.stats()
                except BoomError:
                    return None, cache.stats()

        before = [texts[i] for i in stored if i < len(texts)]
        asked(before, Model(dtype=dtype))

        misses = [text for text in dict.fromkeys(texts) if text not in before]
        size = batch_size or max(1, len(misses))
        batches = [misses[i : i + size] for i in range(0, len(misses), size)]
        model = Model(dtype=dtype, fail_at=fail_at)
        answer, stats = asked(texts, model)
        if fail_at is None or fail_at >= len(batches):
            assert model.calls == batches
            assert stats.texts == stats.duplicates + stats.hits + stats.joined + stats.embedded
            assert (stats.stored, stats.embedded) == (len(misses), len(misses))
            left = []
        else:
            assert answer is None
            assert model.calls == batches[: fail_at + 1]
            assert stats.stored == sum(map(len, batches[:fail_at]))
            left = [text for batch in batches[fail_at:] for text in batch]

        again = Model(dtype=dtype)
        final, stats = asked(texts, again)
        assert again.seen == left
        assert stats.read_errors == stats.write_errors == stats.damaged == stats.skipped == 0
        expected = model.rows(texts)
        for rows in (answer, final):
            if rows is not None and texts:
                assert bits(rows) == bits(expected)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("way", WAYS)
def test_numbers_survive_when_batches_need_different_dtypes(way, data):
    """One text in single precision, the next in double: values stay exact for any mix of hits and misses."""
    value = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        st.floats(allow_nan=False, allow_infinity=False),
    )
    vectors = data.draw(st.lists(st.lists(value, min_size=2, max_size=2), min_size=1, max_size=6))
    texts = [str(i) for i in range(len(vectors))]
    stored = data.draw(st.lists(st.sampled_from(texts), unique=True))

    def embed(some):
        return [vectors[int(text)] for text in some]

    place = Place(data.draw(st.sampled_from(["memory", "foreign"])), None)
    ask(way, place.cache(batch_size=1), stored, embed)
    answer = ask(way, place.cache(batch_size=data.draw(st.sampled_from([1, 2, None]))), texts, embed)
    assert [list(map(float.hex, row)) for row in answer.tolist()] == [list(map(float.hex, row)) for row in vectors]
