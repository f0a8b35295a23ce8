"""The pure part: texts to unique keys and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedonce.cache.plan import Plan
from embedonce.options import checked_texts

TEXTS = st.lists(st.sampled_from(["a", "A", "b", "B", "", "bad", "worse"]), max_size=12)


def keys_of(texts):
    return [None if text in ("bad", "worse") else text.lower() for text in texts]


@given(TEXTS)
def test_every_row_comes_back_where_its_text_stood(texts):
    plan = Plan.of(texts, keys_of)
    matrix = np.array([[hash_of(key, text)] for key, text in zip(plan.keys, plan.texts, strict=True)]).reshape(-1, 1)
    spread = plan.spread(matrix)
    assert spread[:, 0].tolist() == [hash_of(key, text) for key, text in zip(keys_of(texts), texts, strict=True)]
    assert plan.asked == len(texts)


def hash_of(key, text):
    return sum(map(ord, text if key is None else f"key:{key}"))


@given(TEXTS)
def test_every_key_is_asked_for_once_and_every_keyless_text_too(texts):
    plan = Plan.of(texts, keys_of)
    named = [key for key in plan.keys if key is not None]
    assert len(named) == len(set(named))
    assert len(plan.texts) == len(set(plan.texts))
    assert plan.has_duplicates == (len(plan.texts) < len(texts)) or plan.row_of is not None
    order = [texts.index(text) for text in plan.texts]
    assert order == sorted(order), "in the order of the call"


def test_without_duplicates_nothing_is_copied():
    matrix = np.ones((2, 3))
    assert Plan.of(["a", "b"], keys_of).spread(matrix) is matrix
    assert Plan.of(["a", "A"], keys_of).spread(matrix[:1]).shape == (2, 3)


def test_texts_are_copied():
    texts = ["a"]
    checked = checked_texts(texts)
    texts.append("b")
    assert checked == ["a"]
    with pytest.raises(TypeError):
        checked_texts(7)
