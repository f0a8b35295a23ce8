"""Identities: equal namespaces exactly for what is equal, and no guess."""

from __future__ import annotations

import pytest
from core_support import Model, ask, bits, crossed
from hypothesis import assume, given
from hypothesis import strategies as st

from embedonce import EmbeddingCache, Identity, IdentityError, MemoryStore

NAMES = st.one_of(
    st.text(st.sampled_from('ab/?&=%#;:"\\{} ,é\0'), min_size=1, max_size=6),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), NAMES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2), st.dictionaries(NAMES, inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)
PARAMETERS = st.dictionaries(
    NAMES.filter(lambda name: name not in ("provider", "model", "symmetric")), VALUES, max_size=3
)


@given(
    one=st.tuples(NAMES, NAMES, PARAMETERS),
    other=st.tuples(NAMES, NAMES, PARAMETERS),
    change=st.sampled_from(["provider", "model", "parameters", "all"]),
)
def test_two_identities_have_one_namespace_only_if_they_are_equal(one, other, change):
    provider, model, parameters = (
        theirs if change in (name, "all") else ours
        for name, ours, theirs in zip(("provider", "model", "parameters"), one, other, strict=True)
    )
    assume("/" not in one[0] + provider)
    first = Identity.of(one[0], one[1], **one[2])
    second = Identity.of(provider, model, **parameters)
    same = repr((one[0], one[1], canonical(one[2]))) == repr((provider, model, canonical(parameters)))
    assert (first.namespace == second.namespace) == same
    first.namespace.encode("ascii")


def canonical(value):
    """JSON knows neither the order of keys nor more than one kind of sequence."""
    if isinstance(value, dict):
        return sorted((name, canonical(inner)) for name, inner in value.items())
    return [canonical(inner) for inner in value] if isinstance(value, list | tuple) else value


@given(base=NAMES, parameters=PARAMETERS, other=PARAMETERS)
def test_parameters_of_a_named_identity_are_told_apart(base, parameters, other):
    assume(base.strip() and not set(base) & set("?") and base.isprintable())
    first = Identity.named(base).with_parameters(parameters)
    second = Identity.named(base).with_parameters(other)
    assert (first.namespace == second.namespace) == (repr(canonical(parameters)) == repr(canonical(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1&b=2"}, {"a": "1", "b": "2"}),
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 0}, {"a": False}),
        ({"a": 0.0}, {"a": -0.0}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": "é"}, {"a": "\\u00e9"}),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [2, 1]}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": {"c": 2}}}),
        ({"a": "%26"}, {"a": "&"}),
        ({"a&b": 1}, {"a": 1, "b": 1}),
        ({"a=1": 2}, {"a": "1=2"}),
        ({"a": 0}, {}),
        ({"a": False}, {}),
        ({"a": " "}, {}),
        ({"a": "\ud800"}, {"a": "\udfff"}),
        ({"a": "\ud800"}, {"a": "\\ud800"}),
    ],
)
def test_parameters_that_look_alike_are_told_apart(one, other):
    assert Identity.of("p", "m", **one).namespace != Identity.of("p", "m", **other).namespace


def test_order_and_empty_values_do_not_count():
    """A parameter that a later version of a package adds, empty by default, must not cost a corpus."""
    plain = Identity.of("p", "m", a=1, b={"x": 1, "y": 2})
    assert plain == Identity.of("p", "m", b={"y": 2, "x": 1}, a=1, c=None, d="", e=[], f={}, g=())
    assert plain.namespace == 'p/m?a=1&b={"x":1,"y":2}'


def test_names_of_providers_and_models_do_not_run_into_each_other():
    assert Identity.of("a", "b/c").namespace == "a/b/c"
    with pytest.raises(IdentityError, match="slash"):
        Identity.of("a/b", "c")
    assert Identity.of("a", "m?x=1").namespace != Identity.of("a", "m", x=1).namespace
    assert Identity.of("a", "m&x=1", y=1).namespace != Identity.of("a", "m", x=1, y=1).namespace


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_a_name_with_a_lone_surrogate_is_refused(name):
    """As for names that users give; in values of parameters they are escaped."""
    for make in (
        lambda: Identity.of("p", name),
        lambda: Identity.of(name, "m"),
        lambda: Identity.of("p", "m", **{name: 1}).namespace,
    ):
        with pytest.raises(IdentityError, match=r"lone surrogate.*namespace="):
            make()


@pytest.mark.parametrize(("provider", "model"), [("", "m"), ("p", ""), (None, "m"), ("p", None), (1, "m"), ("p", b"m")])
def test_a_provider_and_a_model_must_be_named(provider, model):
    with pytest.raises(IdentityError, match="namespace="):
        Identity.of(provider, model)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), {1, 2}, b"bytes", lambda: 0, {"a": {"b": object()}}]
)
def test_a_parameter_must_be_plain_json(value):
    """Never the repr of an object, which may hold an address, a secret, or less than what counts."""
    with pytest.raises(IdentityError, match=r"'secret'.*plain JSON"):
        Identity.of("p", "m", secret=value)


@crossed("namespace", ["", " ", "\t\n", None, 7, b"acme", "a\ud800", ["a"]], over=("way",))
def test_a_bad_namespace_is_refused(way, namespace):
    model = Model()
    with pytest.raises(IdentityError, match="name"):
        ask(way, EmbeddingCache(MemoryStore()), ["a"], model, namespace=namespace)
    assert model.calls == []


def test_a_derived_namespace_can_be_given_by_name(place, way):
    """That is how another framework shares the vectors of a model."""
    identity = Identity.of("openai", "text-embedding-3-small", dimensions=3)
    model = Model()
    ask(way, place.cache(), ["a"], model, namespace=identity)
    assert bits(ask(way, place.cache(), ["a"], model, namespace=identity.namespace)) == bits(model.rows(["a"]))
    assert len(model.calls) == 1
    assert str(identity) == identity.namespace


@crossed(
    "symmetric, calls",
    [(True, [["a"]]), (False, [["a"], ["a"]])],
)
def test_roles_share_entries_only_where_the_model_is_symmetric(place, way, symmetric, calls):
    model = Model()
    identity = Identity.of("p", "m", symmetric=symmetric)
    for role in ("document", "query", "document", "query"):
        ask(way, place.cache(), ["a"], model, namespace=identity, role=role)
    assert model.calls == calls


@crossed("role", ["documents", "", None, "passage", 1, ["query"]], over=("way",))
def test_an_unknown_role_is_refused(way, role):
    with pytest.raises(ValueError, match="role must be one of 'document', 'query'"):
        ask(way, EmbeddingCache(MemoryStore()), ["a"], Model(), role=role)


def test_an_integer_dimension_is_known_and_another_type_is_not():
    assert Identity.of("p", "m", dimensions=256).dimensions == 256
    assert Identity.of("p", "m", dimensions=True).dimensions is None
    assert Identity.of("p", "m", dimensions="256").dimensions is None
    assert Identity.of("p", "m").dimensions is None
