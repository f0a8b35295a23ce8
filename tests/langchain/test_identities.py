"""What tells embedders of known classes apart, and what does not."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any

import pytest
from known_class import check_default, check_no_side_effects, check_settings, check_unchanged_fingerprint
from langchain_identities import WARNINGS, fingerprint, lc, namespace, sub_batch
from langchain_known import KNOWN
from langchain_makers import (
    azure,
    bedrock,
    cohere,
    google,
    mistral,
    ollama,
    openai,
    sentence_transformers,
    voyage,
)
from variants import over

from langchain_embedonce.identities import describer

pytestmark = WARNINGS


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_is_short_and_owned_by_no_framework(name: str) -> None:
    """Adapters of other frameworks must arrive at the same string, so it must not change by accident."""
    check_default(describer, KNOWN[name])


@pytest.mark.parametrize("name", KNOWN)
def test_settings(name: str) -> None:
    """Else a vector of another model is served, or changing a key or a batch size pays for everything again."""
    check_settings(describer, KNOWN[name], alone=True)


@pytest.mark.parametrize("name", KNOWN)
def test_asking_has_no_side_effects(name: str) -> None:
    """Asking what an embedder is must not change it, and two equal embedders are equal."""
    check_no_side_effects(describer, KNOWN[name].make())


def custom(**fields: Any) -> Any:
    return lc.Custom(**fields)


OPERATIONAL_CHANGES = [
    (openai, "chunk_size", 7),
    (openai, "max_retries", 7),
    (azure, "openai_api_key", lambda: lc.SecretStr("another")),
    (sentence_transformers, "show_progress", True),
    (ollama, "keep_alive", 7),
    (cohere, "user_agent", "me"),
    (mistral, "timeout", 7),
    (google, "request_options", {"timeout": 7}),
    (bedrock, "region_name", "eu-west-1"),
    (custom, "batch_size", 7),
]


@over(change=OPERATIONAL_CHANGES)
def test_operational_changes_keep_the_fingerprint(change: tuple[Callable[..., Any], str, Any]) -> None:
    """Else each of them would cost a new description at the next call."""
    make, attribute, value = change
    check_unchanged_fingerprint(describer, make(), attribute, value() if callable(value) else value)


LONG = ["word " * 400] * 1000

SUB_BATCHES = [
    (lambda: openai(chunk_size=5000), {}, 5000),
    (lambda: openai(chunk_size=300), {}, 900),
    (lambda: openai(chunk_size=10), {}, 80),
    (lambda: openai(chunk_size=10), {"arguments": {"chunk_size": 300}}, 900),
    (lambda: azure(chunk_size=16), {}, 128),
    (lambda: voyage(batch_size=None), {}, 1000),
    (lambda: sentence_transformers(encode_kwargs={"batch_size": 100}), {}, "auto"),
    (lambda: custom(batch_size=48), {}, 384),
    (lambda: custom(batch_size=0), {}, "auto"),
    (custom, {}, "auto"),
    (custom, {"arguments": {"chunk_size": 5}}, 40),
    # Where a request is bounded by tokens, long texts fill it sooner.
    (openai, {"texts": LONG}, 1000),
    (openai, {"texts": ["word " * 6000] * 1000}, 320),
    (google, {"texts": ["short"]}, 800),
    (google, {"texts": LONG}, 100),
    (google, {"texts": LONG, "arguments": {"batch_size": 5}}, 40),
    (google, {"texts": ["word " * 20_000]}, 8),
    (voyage, {"texts": ["word " * 6000] * 1000}, 128),
]


@over(case=SUB_BATCHES)
def test_sub_batch_follows_the_settings(case: tuple[Callable[[], object], dict[str, Any], object]) -> None:
    """At most eight requests lie between two writes, and no request is smaller than the embedder's own."""
    make, call, expected = case
    assert sub_batch(make(), **call) == expected


def test_changes_after_construction_are_noticed() -> None:
    """Users assign to `.model`, and fill `.model_kwargs` in place."""
    embedder = openai()
    first = fingerprint(embedder)
    embedder.model_kwargs["extra_body"] = {"a": 1}
    second = fingerprint(embedder)
    embedder.model_kwargs["extra_body"]["a"] = True
    third = fingerprint(embedder)
    embedder.dimensions = 8
    assert len({str(each) for each in (first, second, third, fingerprint(embedder))}) == 4
    assert first != second != third != fingerprint(embedder)
    assert namespace(embedder) == ('openai/text-embedding-3-small?dimensions=8&model_kwargs={"extra_body":{"a":true}}')


@pytest.mark.soak
@pytest.mark.parametrize("name", KNOWN)
def test_fingerprints_of_known_classes_are_quick(name: str) -> None:
    """It is read at every call. Only time of the processor counts, and the bound is lax."""
    embedder = KNOWN[name].make()
    times = timeit.repeat(lambda: fingerprint(embedder), number=200, repeat=5, timer=time.process_time)
    assert min(times) / 200 < 100e-6
