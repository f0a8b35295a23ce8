"""The key space of what embedonce adds is its own: no parameter and no typed name of a user meets it."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from core_support import Model, ask, bits, crossed
from hypothesis import assume, example, given
from hypothesis import strategies as st

from embedonce import EmbeddingCache, Identity, IdentityError, MemoryStore, wrap
from embedonce.identification import Describer, KnownClass, providers
from embedonce.identity import ADDITIONS

ODD = st.one_of(
    st.text(st.sampled_from("ab/&=%#;:?\"' \n\0é"), min_size=1, max_size=5), st.text(min_size=1, max_size=4)
)
ENCODABLE = ODD.filter(lambda name: not any("\ud800" <= each <= "\udfff" for each in name))
OWN = st.sampled_from([*ADDITIONS, "wrap_version", "wrap_wrap_codec"])
NAMES = st.one_of(
    ENCODABLE,
    OWN,
    st.builds("field {}".format, OWN),
    st.builds("field field {}".format, OWN),
    st.builds("{}{}".format, OWN, ENCODABLE),
    OWN.map(str.upper),
)
VALUES = st.sampled_from(["float16", "2", 2, True, {"a": "b"}, ["float16"], 'x"&codec="int8', 1.5])
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=3)
ADDED = st.dictionaries(st.sampled_from(sorted(ADDITIONS)), VALUES, max_size=3)


def written(values):
    return {name: json.dumps(value, sort_keys=True) for name, value in values.items()}


@given(
    one=st.tuples(ENCODABLE, PARAMETERS, ADDED),
    other=st.tuples(ENCODABLE, PARAMETERS, ADDED),
    kept=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
@example(one=("m", {"codec": "float16"}, {}), other=("m", {}, {"codec": "float16"}), kept=(False, False, False))
@example(one=("m", {"field codec": 2}, {}), other=("m", {"codec": 2}, {}), kept=(False, False, False))
@example(one=("m", {"wrap_version": "2"}, {}), other=("m", {}, {"version": "2"}), kept=(False, False, False))
def test_equal_namespaces_have_equal_names_parameters_and_additions(one, other, kept):
    # Most pairs of three differ in all three, which would be too easy.
    other = tuple(mine if keep else theirs for mine, theirs, keep in zip(one, other, kept, strict=True))
    assume(all(name.strip() and "?" not in name for name, _, _ in (one, other)))
    first, second = (
        Identity.named(name).with_parameters(parameters).with_additions(added)
        for name, parameters, added in (one, other)
    )
    parts = [(name, written(parameters), written(added)) for name, parameters, added in (one, other)]
    is_same = parts[0] == parts[1]
    assert (first.namespace == second.namespace) == (first == second) == is_same
    assert len({first, second}) == 2 - is_same


# Written by versions that did not distinguish what a user and what embedonce adds.
FORMER = {
    "acme/e5@3": Identity.named("acme/e5@3"),
    "openai/x?dimensions=256": Identity.of("openai", "x", dimensions=256),
    'openai/x?codec="float16"&version="2"': Identity.of("openai", "x").with_additions(
        {"version": "2", "codec": "float16"}
    ),
    'acme/m?class="acme.Mine"&field dimensions=3&field version="7"&pooling="cls"&version="2"': Identity.of(
        "acme", "m", pooling="cls", version="7", **{"field dimensions": 3}
    ).with_additions({"class": "acme.Mine", "version": "2"}),
    'm?a%26b="c%3Dd"&st%C3%A4dte=["K%5Cu00f6ln",1.5]': Identity.named("m").with_parameters(
        {"städte": ["Köln", 1.5], "a&b": "c=d"}
    ),
    'm?x&version="2"': Identity.named("m?x").with_additions({"version": "2"}),
    'm?averaged_beyond=64&call={"task":"a"}&namespace="n"&text_fn="f.g"&through="langchain"': Identity.named(
        "m"
    ).with_additions(
        {"averaged_beyond": 64, "call": {"task": "a"}, "namespace": "n", "text_fn": "f.g", "through": "langchain"}
    ),
    'm?version="1"&wrap_version="2"': Identity.named("m")
    .with_additions({"version": "1"})
    .with_additions({"version": "2"}),
}


@pytest.mark.parametrize("namespace", FORMER)
def test_namespaces_of_former_versions_are_spelled_as_before(namespace):
    assert FORMER[namespace].namespace == namespace


@pytest.mark.parametrize(
    "made",
    [
        lambda given: Identity.of("p", "m", **given),
        lambda given: Identity("p/m").with_parameters(given),
        lambda given: Identity("p/m", tuple((name, json.dumps(value)) for name, value in given.items())),
        lambda given: Identity("p/m", [[name, json.dumps(value)] for name, value in reversed(given.items())]),
        lambda given: replace(Identity.of("p", "m"), parameters=Identity.of("p", "m", **given).parameters),
        lambda given: replace(Identity.of("p", "m", **given), symmetric=True),
        lambda given: pickle.loads(pickle.dumps(Identity.of("p", "m", **given))),
        lambda given: copy.deepcopy(copy.copy(Identity.of("p", "m", **given))),
    ],
)
def test_a_parameter_meets_no_addition_however_the_identity_is_made(made):
    given = {"codec": "float16", "version": "2"}
    assert made(given).namespace == 'p/m?field codec="float16"&field version="2"'
    assert made(given).codecs == ()
    added = made({}).with_additions(given)
    assert added.namespace == 'p/m?codec="float16"&version="2"'
    for copied in (pickle.loads(pickle.dumps(added)), copy.deepcopy(added), replace(added, dimensions=3)):
        assert copied.namespace == added.namespace
        assert copied.codecs == ('"float16"',)


@pytest.mark.parametrize(
    "given",
    [
        {"additions": (("pooling", '"cls"'),)},
        {"additions": (("field codec", '"cls"'),)},
        {"additions": (("version", '"1"'), ("version", '"2"'))},
        {"parameters": (("a", "1"), ("a", "2"))},
        {"parameters": (("a", 1),)},
        {"parameters": {"ab": "1"}},
        {"parameters": ("ab",)},
        {"name": ""},
        {"name": b"m"},
        {"name": "\ud800"},
    ],
)
def test_an_identity_of_other_parts_is_refused(given):
    with pytest.raises(IdentityError):
        Identity(**{"name": "m", **given})
    with pytest.raises(IdentityError):
        Identity("m").with_additions({"pooling": "cls"})


def test_what_is_added_twice_stays():
    """A wrapper may be inside another, and a call have arguments beside the settings of a method."""
    once = Identity.named("m").with_additions({"call": {"a": 1}, "version": "1"})
    names = {once.with_additions({"call": {"a": value}}).namespace for value in (1, 2)}
    assert len({once.namespace, *names}) == 3
    thrice = {once.with_additions({"version": a}).with_additions({"version": b}).namespace for a in "12" for b in "12"}
    assert len(thrice) == 4


class Thirds(Model):
    """A model whose numbers every codec can hold, but none but the exact one exactly."""

    def row(self, text):
        return (np.random.default_rng(list(f"{self.salt}:{text}".encode())).random(8) / 3).astype(np.float32)

    def rows(self, texts):
        return np.array([self.row(text) for text in texts]).reshape(len(texts), 8)


# Embedders with fields of such names


class Embedder:
    """An embedder of a class that nobody knows, with any fields."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    ("name", "value"), [("codec", "float16"), ("version", "2"), ("wrap_version", "2"), ("class", "C")]
)
def test_a_field_of_a_class_meets_no_addition(name, value):
    with_field = Describer({}).describe(Embedder(model="m", **{name: value})).identity
    without = Describer({}).describe(Embedder(model="m", **{name: None})).identity
    added = name.removeprefix("wrap_")
    assert with_field.namespace != without.with_additions({added: value}).namespace
    assert with_field.with_additions({added: value}).namespace != with_field.with_additions({added: "other"}).namespace


@crossed("codec", ["float16", "int8"], over=("place",))
def test_embedders_that_differ_in_a_field_named_codec_share_no_vectors(place, codec):
    def embedder(model, **parameters):
        def embed(texts):
            return model.rows(texts)

        embed.embedonce_identity = Identity.of("acme", "audio-1", **parameters)
        return embed

    models = {each: Thirds(salt=str(each)) for each in ("opus", codec, None)}
    for kept_as in ("exact", codec, "exact", codec):
        wrapped = [wrap(embedder(models[own], codec=own), place.cache(codec=kept_as)) for own in models]
        assert len({bits(each(["a"])) for each in wrapped}) == 3


DECLARED = st.dictionaries(
    st.sampled_from(["codec", "version", "wrap_version", "field codec", "call", "pooling"]),
    st.sampled_from(["float16", "int8", "2", 2]),
    max_size=2,
)
USERS = st.tuples(DECLARED, st.sampled_from([None, "2", "float16"]), st.sampled_from(["exact", "float16", "int8"]))


@given(users=st.lists(USERS, min_size=2, max_size=6, unique_by=lambda user: (repr(sorted(user[0].items())), *user[1:])))
def test_each_user_of_one_store_gets_the_vectors_of_his_own_model(users):
    """Whatever the embedders declare, whatever versions their users give, and however the vectors are kept."""
    store, models = MemoryStore(), {}
    for declared, version, codec in users * 2:
        # What the codec makes of a vector is not another model.
        model = models.setdefault((repr(sorted(declared.items())), version), Thirds(salt=str(len(models))))
        wrapped = wrap(model, store, namespace=Identity.of("acme", "m", **declared), version=version, codec=codec)
        rows = wrapped(["a"])
        assert np.abs(rows - model.rows(["a"])).max() <= (0 if codec == "exact" else 2**-8)
        assert bits(rows) != bits(model.rows(["a"])) or codec == "exact"
    assert sum(len(each.calls) for each in models.values()) == len(users)


def test_a_declared_version_is_not_one_of_a_wrapper(place):
    """An embedder without a version, given one when it is wrapped, is not one that declares this version."""
    declared, given = Identity.of("acme", "m", version="2"), Identity.of("acme", "m")
    one, other = Model(salt="one"), Model(salt="other")
    for model, identity, version in ((one, declared, None), (other, given, "2"), (one, declared, "2")):
        wrapped = wrap(model, place.store(), namespace=identity, version=version)
        assert bits(wrapped(["a"])) == bits(model.rows(["a"]))
    assert len(one.calls) == 2


def test_a_subclass_of_a_known_class_adds_no_parameter_of_that_class():
    """A URL that a known class has is not one that a subclass keeps in a field of its own."""

    class Known:
        def __init__(self, **fields):
            self.__dict__.update(fields)

    def describe(model, base_url):
        return Identity.of("acme", model, endpoint=base_url)

    Mine.__bases__ = (Known,)
    Known.__module__ = "acme_known"
    describer = Describer({("acme_known", "Known"): KnownClass(describe)})
    fields = [
        {"base_url": "u", "endpoint": None},
        {"base_url": None, "endpoint": "u"},
        {"base_url": "u", "endpoint": "u"},
        {"base_url": None, "endpoint": None},
        {"base_url": "u", "endpoint": False},
    ]
    names = [describer.describe(Mine(model="m", **each)).identity.namespace for each in fields]
    assert len(set(names)) == len(names)
    # A field that is not empty needs no mark.
    assert names[-1].endswith('&endpoint="u"&field endpoint=false')


class Mine(Embedder):
    """Inherits from a known class in the test above; importable, as identities need."""


def test_a_field_meets_no_digest_of_the_files_of_a_model(tmp_path):
    (tmp_path / "weights").write_bytes(b"1")
    embedders = [Embedder(model_path=str(tmp_path), model_path_files=files) for files in (None, "a", "b")]
    names = {Describer({}).describe(each).identity.namespace for each in embedders}
    assert len(names) == 3


def test_a_name_is_a_string_of_its_own():
    """Where a subclass of str prints and compares in another way, the text that it holds counts."""

    class Loud(str):
        __slots__ = ()

        def __str__(self):
            return self.upper()

    identity = Identity.named(Loud("m"))
    assert (str(identity), type(identity.namespace)) == ("m", str)
    assert Identity(Loud("m")).with_parameters({"a": 1}).namespace == "m?a=1"


def test_settings_of_a_request_meet_no_parameter_of_embedonce():
    identities = [
        providers.huggingface_inference("m", request={"task": "retrieval"}),
        providers.huggingface_inference("m", request={"task": "other"}),
        providers.huggingface_inference("m", task="retrieval"),
        providers.huggingface_inference("m", request={"pooling": "retrieval"}),
        providers.ollama("m", options={"endpoint": "retrieval"}),
        providers.ollama("m", options={"endpoint": "other"}),
        providers.ollama("m", options={"endpoint": "retrieval", "field endpoint": 1}),
        providers.ollama("m", options={"endpoint": "other", "field endpoint": 1}),
        providers.fastembed("m", load={"max_length": 128}),
        providers.fastembed("m", max_length=128),
        providers.instructor("m", document_instruction="retrieval", query_instruction=None),
        providers.instructor(
            "m", document_instruction=None, query_instruction=None, load={"document_instruction": "retrieval"}
        ),
        providers.sentence_transformers("m", documents={"query": "plain"}, queries={"query": "plain"}),
        providers.sentence_transformers("m", documents={"query": "plain"}),
        providers.sentence_transformers("m", load={"files": "0"}),
    ]
    assert len({each.namespace for each in identities}) == len(identities)
    assert providers.fastembed("m", load={"max_length": 128}).namespace == "fastembed/m?field max_length=128"
    assert providers.ollama("m", options={"num_ctx": 8}) == providers.ollama("m", options={"num_ctx": 4}, num_ctx=8)


# Names that users type


def filled(place, codec="float16"):
    """Return a model and a codec's namespace in a listing; the vectors of the model are stored in it."""
    model = Thirds()
    place.cache(codec=codec).embed(["a"], model, namespace="m?x=1")
    return model, f'm?x=1&codec="{codec}"'


NAMED_CODECS = [
    'm?codec="float16"',
    'm?x=1&codec="float16"',
    'm?codec="float16"&x=1',
    'm?codec="float16"&codec="float16"',
    'm?codec="float16"?codec="float16"',
    'm?codec="float16"&codec="int8"',
    'what?is?codec="float16"',
    'm?codec="opus"',
    "m?codec=%22float16%22",
    'm?c%6Fdec="float16"',
    'm?%63%6F%64%65%63=%22float16"',
    'm?codec="',
]


@crossed("namespace", NAMED_CODECS, over=("way",))
def test_a_name_that_looks_like_one_of_another_codec_is_refused(way, namespace):
    model = Thirds()
    for codec, mode in (("exact", "read_write"), ("exact", "off"), ("int8", "refresh")):
        cache = EmbeddingCache(MemoryStore(), codec=codec, mode=mode)
        for identity in (namespace, Identity.named(namespace)):
            for refused in (
                lambda cache=cache, identity=identity: ask(way, cache, ["a"], model, namespace=identity),
                lambda cache=cache, identity=identity: cache.open(identity),
                lambda cache=cache, identity=identity: wrap(model, cache, namespace=identity),
            ):
                with pytest.raises(
                    IdentityError, match=r"pass codec= to the cache .* the namespace without it: '(m|what)"
                ):
                    refused()
    assert model.calls == []


def test_the_remedy_names_the_plain_namespace():
    with pytest.raises(IdentityError, match=r"keeps vectors exactly; .* without it: 'm\?x=1&y=2'$"):
        EmbeddingCache(MemoryStore()).open('m?x=1&codec="float16"&y=2')
    with pytest.raises(IdentityError, match=r"with the codec 'int8'; .* without it: 'm'$"):
        EmbeddingCache(MemoryStore(), codec="int8").open('m?codec="float16"')


def test_a_name_of_a_listing_is_decoded_by_a_cache_of_its_codec(directory, way):
    model, listed = filled(directory)
    expected = model.rows(["a"]).astype(np.float16).astype(np.float32)
    never = Thirds(fail_at=0)
    for name in (listed, "m?x=1"):
        assert bits(ask(way, directory.cache(codec="float16"), ["a"], never, namespace=name)) == bits(expected)


@crossed(
    "namespace",
    [
        "acme/audio?codec=opus",
        'm?Codec="float16"',
        'm?\N{CYRILLIC SMALL LETTER ES}odec="float16"',
        'm?\N{FULLWIDTH LATIN SMALL LETTER C}odec="float16"',
        'm&codec="float16"',
        'm%3Fcodec="float16"',
        'm?field codec="float16"',
        'm?decodec="float16"',
        'm#codec="float16"',
    ],
)
def test_a_name_that_no_codec_writes_is_the_users_own(place, way, namespace):
    for codec in ("float16", "int8"):
        place.cache(codec=codec).embed(["a"], Thirds(salt=codec), namespace="m")
    model = Thirds()
    for _ in range(2):
        assert bits(ask(way, place.cache(), ["a"], model, namespace=namespace)) == bits(model.rows(["a"]))
    assert len(model.calls) == 1


@pytest.mark.parametrize("codec", ["exact", "float16", "int8"])
def test_upkeep_takes_names_of_a_listing_whatever_their_codec(directory, codec):
    _, listed = filled(directory)
    upkeep = directory.cache(codec=codec)
    assert [each.namespace for each in upkeep.usage()] == [listed]
    assert [each.rows_live for each in upkeep.usage(listed)] == [1]
    assert [each.rows for each in upkeep.verify(listed)] == [1]
    assert len(upkeep.compact(listed)) == len(upkeep.evict(older_than=9e9, namespace=listed, dry_run=True)) == 1
    upkeep.delete(["a"], namespace=listed)
    assert directory.cache().usage(listed)[0].rows_live == 0
    _, listed = filled(directory)
    assert upkeep.purge(["a"], namespace=listed).rows_after == 0
    _, listed = filled(directory)
    assert upkeep.clear(listed).rows_after == 0
    with pytest.raises(IdentityError):
        directory.cache(codec="int8").open(listed)


# Users of one namespace who know different things of it


def test_who_does_not_know_of_symmetry_gets_no_vector_of_another_role(directory, way):
    """What one says who knows it, holds for his queries alone: they are documents."""
    knows, doubts = Identity.named("m", symmetric=True), Identity.named("m")
    document, query = Model(salt="document"), Model(salt="query")

    def served(model, identity, role):
        return bits(ask(way, directory.cache(), ["a"], model, namespace=identity, role=role))

    assert knows.namespace == doubts.namespace
    assert knows != doubts
    of_document, of_query = (bits(each.rows(["a"])) for each in (document, query))
    assert served(document, knows, "query") == of_document
    assert served(query, doubts, "query") == of_query
    assert served(query, doubts, "document") == of_document
    assert served(query, knows, "query") == of_document
