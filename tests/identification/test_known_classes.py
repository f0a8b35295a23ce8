"""Rows of known classes: the parameters of a describing function say what it reads."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from embedonce import Identity, IdentityError
from embedonce.identification import At, Describer, Description, Env, Global, KnownClass, Urls, endpoint_of, group


class Embedder:
    def __init__(self, **fields):
        self.__dict__.update(fields)


def described(describe, **fields):
    """Return what a describing function reads of an embedder, and the fingerprint of that embedder."""
    read = []

    def describe_and_note(**values):
        read.append(values)
        return Identity.of("acme", "m")

    describe_and_note.__signature__ = inspect.signature(describe)
    describer = Describer({(__name__.partition(".")[0], "Embedder"): KnownClass(describe_and_note)})
    embedder = Embedder(**fields)
    describer.describe(embedder)
    return read[0], describer.fingerprint(embedder)


def test_a_parameter_reads_the_field_of_its_name():
    read, _ = described(lambda model, size, missing: None, model="m", _size=3, other=1)
    assert read == {"model": "m", "size": 3, "missing": None}


def test_a_default_says_where_to_read():
    inner = SimpleNamespace(settings={"host": "h"}, _name="n")

    def describe(host=At("client.settings.host"), name=At("client.name"), broken=At("client.nothing.at_all")): ...

    assert described(describe, client=inner)[0] == {"host": "h", "name": "n", "broken": None}


def test_parameters_with_another_default_are_not_read():
    def describe(own, model, limit=3, *more, **others): ...

    read, _ = described(partial(describe, own="query"), own="field", model="m", limit=4, more=5, others=6)
    assert read == {"model": "m"}


def test_several_values_become_one_object():
    class Inner(NamedTuple):
        length: Any
        name: Any = At("config.name")

    class Outer(NamedTuple):
        dtype: Any
        inner: Inner = group(Inner, at="net")

    def describe(loaded: Outer = group(Outer, at="model")): ...

    model = {"dtype": "f", "net": SimpleNamespace(length=2, config={"name": "n"})}
    assert described(describe, model=model)[0] == {"loaded": Outer("f", Inner(2, "n"))}


@pytest.mark.parametrize(
    ("clients", "environment"), [(["https://a", "https://a"], None), (["https://a", None], "https://e")]
)
def test_the_environment_counts_until_all_clients_are_built(monkeypatch, clients, environment):
    monkeypatch.setenv("ACME_URL", "https://e")

    def describe(urls=Urls("one.url two.url"), base=Env("ACME_URL")): ...

    one, two = (SimpleNamespace(url=url) for url in clients)
    assert described(describe, one=one, two=two)[0] == {"urls": tuple(clients), "base": environment}


def test_only_what_is_read_is_part_of_the_fingerprint():
    def describe(model, url=At("client.url")): ...

    def fingerprint(**fields):
        return described(describe, **{"model": "m", "client": {"url": "u"}, **fields})[1]

    assert fingerprint() == fingerprint(other=1)
    assert len({str(fingerprint(**each)) for each in ({}, {"model": "n"}, {"client": {"url": "v"}})}) == 3


def test_a_function_returns_an_identity_or_a_description():
    def row_of(answer):
        return Describer({(__name__.partition(".")[0], "Embedder"): KnownClass(lambda: answer)})

    identity = Identity.of("acme", "m")
    assert row_of(identity).describe(Embedder()) == Description(identity)
    refused = Description(None, not_cacheable="it is random")
    assert row_of(refused).describe(Embedder()) == refused


def test_clients_that_disagree_are_refused():
    assert endpoint_of(["https://a/", None, "https://a"], "https://b") == "https://a"
    assert endpoint_of([None], "", "https://b/") == "https://b"
    assert endpoint_of([], None, official={"https://b"}) is None
    assert endpoint_of(["https://b"], official={"https://b"}) is None
    describer = Describer(
        {(__name__.partition(".")[0], "Embedder"): KnownClass(lambda a, b: Identity.of("x", str(endpoint_of([a, b]))))}
    )
    with pytest.raises(IdentityError, match="different URLs"):
        describer.describe(Embedder(a="https://a", b="https://b"))


def test_a_variable_of_a_module_counts_once_the_module_is_there(monkeypatch):
    def describe(base=Global("acme_of_a_test.api_base")): ...

    assert described(describe)[0] == {"base": None}
    before = described(describe)[1]
    monkeypatch.setitem(sys.modules, "acme_of_a_test", SimpleNamespace(api_base="https://a"))
    read, after = described(describe)
    assert read == {"base": "https://a"}
    assert after != before
