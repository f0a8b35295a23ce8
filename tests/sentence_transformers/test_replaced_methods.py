"""Methods that were replaced: on the object of a model, by tracers and partials, and in subclasses."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from lazily import lazily
from st_constants import PROMPTS, TEXTS

import embedonce

st = lazily("st_support", "replaced_methods")

METHODS = ["encode", "encode_query", "encode_document"]


def _partial(model, method):
    setattr(model, method, functools.partial(getattr(model, method), show_progress_bar=False))


def _deciding_partial(model, method):
    setattr(model, method, functools.partial(getattr(model, method), prompt="title: "))


def _tracer(model, method):
    inside = getattr(model, method)

    @functools.wraps(inside)
    def traced(*args, **kwargs):
        return inside(*args, **kwargs)

    setattr(model, method, traced)


def _meddler(model, method):
    inside = getattr(model, method)
    setattr(model, method, lambda inputs, **more: inside([f"x {text}" for text in inputs], **more))


@pytest.mark.parametrize("replaced", METHODS)
@pytest.mark.parametrize("replace", [_partial, _deciding_partial, _tracer, _meddler])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_method_that_is_put_on_the_model_never_mixes_vectors(folders, tmp_path, replaced, replace, when):
    """Neither of roles, nor of the model without it, whose vectors are in the same store."""
    plain = st.load(folders.prompted)
    expected = {method: getattr(plain, method)(TEXTS) for method in METHODS}
    wrapped = embedonce.wrap(plain, tmp_path)
    for method in METHODS:
        assert np.array_equal(getattr(wrapped, method)(TEXTS), expected[method])
    bare = st.load(folders.prompted)
    replace(bare, replaced)
    model = st.load(folders.prompted)
    if when == "before":
        replace(model, replaced)
        wrapped = embedonce.wrap(model, tmp_path)
    else:
        wrapped = embedonce.wrap(model, tmp_path)
        replace(wrapped, replaced)
    for _ in range(2):
        for method in METHODS:
            assert np.array_equal(getattr(wrapped, method)(TEXTS), getattr(bare, method)(TEXTS)), method
    later = embedonce.wrap(st.load(folders.prompted), tmp_path)
    for method in METHODS:
        assert np.array_equal(getattr(later, method)(TEXTS), expected[method])


def test_bound_arguments_that_decide_nothing_cost_no_entry(folders, tmp_path):
    model = st.load(folders.prompted)
    embedonce.wrap(st.load(folders.prompted), tmp_path).encode_query(TEXTS)
    asked = st.counted(model)
    _partial(model, "encode")
    embedonce.wrap(model, tmp_path).encode_query(TEXTS)
    assert asked == []


def test_a_tracer_on_the_wrapper_sees_each_call_and_the_cache_answers(folders, tmp_path):
    model = st.load(folders.plain)
    asked = st.counted(model)
    wrapped = embedonce.wrap(model, tmp_path)
    _tracer(wrapped, "encode")
    for _ in range(2):
        wrapped.encode(TEXTS)
    assert len(asked) == len(TEXTS)


def test_what_is_unclear_bypasses_the_cache_and_says_so_once(folders, tmp_path, caplog):
    model = st.load(folders.plain)
    _tracer(model, "encode")
    wrapped = embedonce.wrap(model, tmp_path)
    for _ in range(2):
        wrapped.encode(TEXTS)
    assert wrapped.cache.stats().stored == 0
    said = [each.message for each in caplog.records if each.name == "embedonce"]
    assert len(said) == 1
    assert "its method `encode` was replaced on the model" in said[0]
    named = embedonce.wrap(model, tmp_path, namespace="acme/traced@1")
    named.encode(TEXTS)
    assert named.cache.stats().stored == len(TEXTS)


@pytest.mark.parametrize("name", ["Prefixing", "Calling", "Renaming", "Passing", "Arrays", "Narrow"])
def test_subclasses_get_the_vectors_and_the_types_that_they_give(folders, tmp_path, caplog, name):
    """Whatever the signatures of their methods, and however they come to the method of the package."""
    kind = getattr(st, name)
    model, bare = st.load(folders.plain, kind), st.load(folders.plain, kind)
    model.prompts = bare.prompts = dict(PROMPTS)
    wrapped = embedonce.wrap(model, tmp_path)
    for _ in range(2):
        for method in METHODS:
            for texts in (TEXTS, TEXTS[0]):
                given, expected = getattr(wrapped, method)(texts), getattr(bare, method)(texts)
                assert type(given) is type(expected)
                assert np.allclose(given, expected, atol=1e-5), method
    if name == "Narrow":
        assert "takes neither convert_to_tensor nor further arguments" in caplog.text
        return
    embedded = wrapped.cache.stats().embedded
    for method in METHODS:
        getattr(wrapped, method)(TEXTS)
    assert wrapped.cache.stats().embedded == embedded
    assert "bypass" not in caplog.text
