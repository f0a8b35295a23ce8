"""Answers are what the model would have given: numbers, type, shape and device, from the model or from the cache."""

from __future__ import annotations

import numpy as np
import pytest
from lazily import lazily
from st_constants import TEXTS
from variants import covering

import embedonce

torch = lazily("torch")
st = lazily("st_support")

FORMS = [
    {},
    {"convert_to_tensor": True},
    {"convert_to_numpy": False},
    {"normalize_embeddings": True},
    {"truncate_dim": 4},
    {"truncate_dim": 4, "convert_to_tensor": True, "normalize_embeddings": True},
    {"precision": "binary"},
    {"precision": "ubinary"},
    {"precision": "ubinary", "convert_to_tensor": True},
    {"precision": "binary", "convert_to_numpy": False},
    {"prompt": "query: "},
    {"device": "cpu", "convert_to_tensor": True},
]


def assert_same(given, expected):
    """Compare two answers bit by bit, and in all that a program could see of them."""
    assert type(given) is type(expected)
    if isinstance(expected, list):
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            assert_same(one, other)
        return
    assert (given.dtype, given.shape) == (expected.dtype, expected.shape)
    if isinstance(expected, torch.Tensor):
        assert (given.device, given.requires_grad) == (expected.device, expected.requires_grad)
        assert given.is_inference() == expected.is_inference()
        assert torch.equal(given, expected)
    else:
        assert given.tobytes() == expected.tobytes()


@pytest.fixture(scope="module")
def prompted(folders):
    """A model that no test changes."""
    return st.load(folders.prompted)


METHODS = ["encode", "encode_query", "encode_document"]
INPUTS = [TEXTS, TEXTS[0], [], ["b"], tuple(TEXTS), np.array(TEXTS)]


@pytest.mark.parametrize(("arguments", "method", "inputs"), covering(FORMS, METHODS, INPUTS))
def test_answers_are_those_of_the_model_cold_and_warm(prompted, tmp_path, method, inputs, arguments):
    expected = getattr(prompted, method)(inputs, **arguments)
    wrapped = embedonce.wrap(prompted, tmp_path)
    assert_same(getattr(wrapped, method)(inputs, **arguments), expected)
    embedded = wrapped.cache.stats().embedded
    assert embedded == (1 if isinstance(inputs, str) else len(inputs))
    assert_same(getattr(wrapped, method)(inputs, **arguments), expected)
    assert wrapped.cache.stats().embedded == embedded


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("arguments", FORMS[:3], ids=str)
def test_types_of_numbers_are_those_of_the_model(folders, tmp_path, dtype, arguments):
    model = st.load(folders.plain).to(getattr(torch, dtype))
    expected = model.encode(TEXTS, **arguments)
    wrapped = embedonce.wrap(model, tmp_path)
    for _ in range(2):
        assert_same(wrapped.encode(TEXTS, **arguments), expected)
    assert wrapped.cache.stats().embedded == len(TEXTS)


def test_one_entry_serves_all_forms(model, asked, tmp_path):
    wrapped = embedonce.wrap(model, tmp_path)
    vectors = wrapped.encode(TEXTS)
    asked.clear()
    assert wrapped.encode(TEXTS, convert_to_tensor=True).numpy().tobytes() == vectors.tobytes()
    assert np.stack([each.numpy() for each in wrapped.encode(TEXTS, convert_to_numpy=False)]).tobytes() == (
        vectors.tobytes()
    )
    assert wrapped.encode(TEXTS[1]).tobytes() == vectors[1].tobytes()
    assert asked == []


def test_answers_belong_to_the_caller(model, tmp_path):
    wrapped = embedonce.wrap(model, tmp_path)
    first = wrapped.encode(["b", "b"])
    kept = first.copy()
    first[0] = 7
    assert first[1].tobytes() == kept[1].tobytes()
    assert wrapped.encode(["b", "b"]).tobytes() == kept.tobytes()


def test_answers_of_another_type_than_the_model_has_are_given_and_not_stored(model, tmp_path, monkeypatch):
    """Nothing would tell a later process of which type they were."""
    last = model[2]
    forward = last.forward

    def widened(features):
        features = forward(features)
        features["sentence_embedding"] = features["sentence_embedding"].double() / 3
        return features

    monkeypatch.setattr(last, "forward", widened)
    wrapped = embedonce.wrap(model, tmp_path)
    expected = model.encode(TEXTS)
    assert expected.dtype == np.float64
    for _ in range(2):
        assert_same(wrapped.encode(TEXTS), expected)
    assert wrapped.cache.stats().stored == 0


def test_pool_of_processes_is_asked_for_what_is_missing(folders, tmp_path):
    model = st.load(folders.plain)
    expected = model.encode(TEXTS)
    wrapped = embedonce.wrap(model, tmp_path)
    pool = wrapped.start_multi_process_pool(["cpu"])
    try:
        assert_same(wrapped.encode(TEXTS, pool=pool, chunk_size=8), expected)
        tensor = model.encode(TEXTS, pool=pool, convert_to_tensor=True)
    finally:
        wrapped.stop_multi_process_pool(pool)
    # Its processes have ended: only the cache can answer.
    assert_same(wrapped.encode(TEXTS, pool=pool), expected)
    assert wrapped.encode(TEXTS, pool=pool, convert_to_tensor=True).device == tensor.device
