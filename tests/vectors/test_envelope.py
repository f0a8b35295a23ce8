"""Envelopes of vectors in byte stores."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from core_support import NAMESPACE, Model, bits, words
from hypothesis import given, settings
from hypothesis import strategies as st

from embedonce import EmbeddingCache, MemoryStore
from embedonce.vectors.envelope import Envelope, Row, origin_of

# Envelopes


ROWS = st.tuples(
    st.sampled_from(["<f4", "<f8", "<f2", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"]),
    st.integers(1, 6),
    st.binary(min_size=48, max_size=48),
)


@settings(deadline=None, max_examples=60)
@given(row=ROWS, origin=st.binary(min_size=8, max_size=8), text_safe=st.booleans())
def test_an_envelope_gives_back_the_row(row, origin, text_safe):
    dtype = np.dtype(row[0])
    payload = row[2][: row[1] * dtype.itemsize]
    value = Envelope.seal(Row(dtype, payload), origin, text_safe=text_safe)
    opened = Envelope.open(value, origin)
    assert (opened.dtype, bytes(opened.payload)) == (dtype, payload)
    assert Envelope.is_ours(value)
    if text_safe:
        assert value.decode("ascii")
    assert Envelope.open(value, bytes(8) if any(origin) else b"12345678") is None


@pytest.mark.parametrize("text_safe", [False, True])
def test_no_flipped_bit_and_no_truncation_gives_another_vector(text_safe):
    vector = np.array([0.5, -1.25, 3e-20], "<f4")
    origin = origin_of(NAMESPACE, "document")
    value = Envelope.seal(Row(vector.dtype, vector.tobytes()), origin, text_safe=text_safe)
    for bit in range(8 * len(value)):
        flipped = bytearray(value)
        flipped[bit // 8] ^= 1 << bit % 8
        opened = Envelope.open(bytes(flipped), origin)
        if text_safe and opened is not None:
            # The last character of base64 has bits that mean nothing.
            assert base64.b64decode(bytes(flipped[5:])) == base64.b64decode(value[5:])
        else:
            assert opened is None, bit
    for size in range(len(value)):
        assert Envelope.open(value[:size], origin) is None
    assert Envelope.open(value + b"\0", origin) is None


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_not_an_envelope(value):
    for prefix in (b"", b"eov1", b"eov1:"):
        assert Envelope.open(prefix + value) is None


def test_a_value_of_another_namespace_or_role_is_not_served():
    """Even if a store mixes its keys up."""
    store = MemoryStore()
    cache = EmbeddingCache(store)
    cache.embed(["a"], Model(salt="1"), namespace="one")
    cache.embed(["a"], Model(salt="2"), namespace="two")
    cache.embed(["a"], Model(salt="3"), namespace="two", role="query")
    keys = list(store.yield_keys())
    values = store.mget(keys)
    for turn in (1, 2):
        store.mset(list(zip(keys, values[turn:] + values[:turn], strict=True)))
        model = Model(salt="2")
        fresh = EmbeddingCache(store)
        assert bits(fresh.embed(["a"], model, namespace="two")) == bits(model.rows(["a"]))
        assert model.calls == [["a"]]
        assert fresh.stats().damaged == 1


def test_text_safe_values_are_ascii_and_come_back():
    store = MemoryStore()
    model = Model(dtype="float64")
    for _ in range(2):
        cache = EmbeddingCache(store, text_safe=True)
        assert bits(cache.embed(words(3), model, namespace="n")) == bits(model.rows(words(3)))
    assert model.calls == [words(3)]
    assert all(value.isascii() for value in store.mget(list(store.yield_keys())))
    assert bits(EmbeddingCache(store).embed(words(3), model, namespace="n")) == bits(model.rows(words(3)))
    assert len(model.calls) == 1
