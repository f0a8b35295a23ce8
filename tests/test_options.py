"""The options: each default and each check stands in one place, and every door has all of them."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from embedonce import EmbeddingCache, Identity, IdentityError, MemoryStore, wrap
from embedonce.options import (
    CacheOptions,
    StoreKeywords,
    StoreOptions,
    WrapKeywords,
    WrapOptions,
    split_keywords,
    wrap_defaults,
)


def embed_lengths(texts: list[str]) -> list[list[float]]:
    return [[float(len(text))] for text in texts]


def defaults_of(*kinds: Any) -> dict[str, Any]:
    return {each.name: each.default for kind in kinds for each in fields(kind)}


def keywords_of(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_the_two_doors_have_every_option_with_its_default():
    assert keywords_of(EmbeddingCache) == defaults_of(CacheOptions)
    assert keywords_of(wrap) == defaults_of(CacheOptions, WrapOptions) == wrap_defaults()


def test_the_keywords_for_the_type_checker_are_the_options():
    annotations = {name for kind in WrapKeywords.__mro__ for name in getattr(kind, "__annotations__", ())}
    assert annotations | WrapKeywords.__annotations__.keys() == wrap_defaults().keys()
    assert StoreKeywords.__annotations__.keys() == defaults_of(StoreOptions).keys()


def test_the_options_of_the_store_are_those_of_the_cache():
    options = CacheOptions(durability="write_through", refresh_interval=3.0, local_tier="a", local_tier_bytes=7)
    assert options.for_store == StoreOptions("write_through", 3.0, "a", 7)
    assert type(options.for_store) is StoreOptions


def test_what_differs_from_the_defaults_is_named():
    assert CacheOptions().changed == []
    assert CacheOptions(mode="off", local_tier=True).changed == ["local_tier", "mode"]


def test_options_are_shown_without_credentials():
    assert "swordfish" not in repr(CacheOptions(storage_options={"key": "swordfish"}))


def test_a_pickled_cache_knows_its_arguments(tmp_path):
    cache = EmbeddingCache(tmp_path, mode="read_only", batch_size=3, storage_options={"file_mode": 0o600})
    assert pickle.loads(pickle.dumps(cache)).arguments == cache.arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symmetric": "false"}, "symmetric must be True, False or None; got 'false'"),
        ({"symmetric": 0}, "symmetric must be True, False or None; got 0"),
        ({"version": 1.5}, "version must be a string, a whole number or None; got a float"),
        ({"version": True}, "version must be a string, a whole number or None; got a bool"),
        ({"version": b"2"}, "version must be a string, a whole number or None; got a bytes"),
        ({"version": ""}, "version must not be empty"),
        ({"namespace": ""}, "a namespace must be a non-empty string, got a str, ''; name the model"),
        ({"namespace": b"m"}, "a namespace must be a non-empty string, got a bytes; name the model"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": int}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": np.array([1, 2])}, "batch_size must be a whole number of at least 1"),
        ({"text_safe": "false"}, "text_safe must be True or False; got 'false'"),
        ({"text_safe": None}, "text_safe must be True or False; got None"),
        ({"split_on_error": "false"}, "split_on_error must be True or False; got 'false'"),
        ({"mode": "rw"}, "mode must be one of"),
        ({"mode": np.array([1, 2])}, "mode must be one of"),
        ({"storage_options": "swordfish"}, "storage_options must be a dict of options, got str"),
        ({"durability": "later"}, "durability must be one of 'write_behind', 'write_through'; got 'later'"),
        ({"local_tier_bytes": 1.5}, "local_tier_bytes must be a whole number"),
    ],
)
def test_every_argument_is_checked_at_construction(options, message):
    with pytest.raises(ValueError, match=message):
        wrap(embed_lengths, MemoryStore(), **{"namespace": "m", **options})
    with pytest.raises(ValueError, match=message):
        split_keywords(options)


def test_unknown_keywords_are_refused_with_all_that_are_known():
    with pytest.raises(TypeError, match=r"unknown option colour; known: namespace, .*, local_tier_bytes, .*, codec"):
        split_keywords({"colour": "red", "mode": "off"})
    with pytest.raises(TypeError, match=r"unknown option mode; known: durability, .*, local_tier_bytes$"):
        StoreOptions.of({"mode": "off"})


@pytest.mark.parametrize("dimensions", ["384", 0, -1, 3.0, True])
def test_dimensions_of_an_identity_are_a_whole_number(dimensions):
    with pytest.raises(IdentityError, match="dimensions"):
        Identity.named("m", dimensions=dimensions)


@pytest.mark.parametrize("symmetric", ["false", 1, None])
def test_symmetry_of_an_identity_is_true_or_false(symmetric):
    with pytest.raises(IdentityError, match="symmetric"):
        Identity.named("m", symmetric=symmetric)
    with pytest.raises(IdentityError, match="symmetric"):
        Identity.of("acme", "m", symmetric=symmetric)
