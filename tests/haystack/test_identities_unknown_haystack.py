"""Components that no cache can serve, and those of classes that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from haystack_identities import WARNINGS, classes, describe, fingerprint, hs, namespace
from haystack_known import KNOWN
from haystack_later import CORE, INTEGRATIONS, of_class, real, stand_in, variable
from haystack_settings import ST, TOKEN
from known_class import SECRET
from variants import over

from embedonce.errors import IdentityError
from embedonce.identity import Identity
from haystack_integrations.components.embedders.embedonce.identities import describer

pytestmark = WARNINGS


# -- not cacheable -------------------------------------------------------------------------------------------------


def _of(name: str) -> Callable[..., Any]:
    """Return what makes a component of a class that nobody knows."""

    def make(**settings: Any) -> Any:
        return getattr(classes, name)(**settings)

    return make


NOT_CACHEABLE = [
    (stand_in(f"{INTEGRATIONS}.voyage_embedders.VoyageContextualizedDocumentEmbedder"), "contextualised"),
    (
        of_class(f"{INTEGRATIONS}.voyage_embedders.VoyageDocumentEmbedder", model="voyage-context-3"),
        "contextualised",
    ),
    (of_class(f"{INTEGRATIONS}.jina.JinaDocumentEmbedder", api_key=TOKEN, late_chunking=True), "late chunking"),
    (stand_in(f"{CORE}.SentenceTransformersDocumentEmbedder", **{**ST, "precision": "int8"}), "batch"),
    (stand_in(f"{INTEGRATIONS}.cohere.CohereDocumentImageEmbedder"), "files"),
    (of_class(f"{INTEGRATIONS}.fastembed.FastembedSparseTextEmbedder"), "sparse"),
    (stand_in(f"{INTEGRATIONS}.huggingface_api.HuggingFaceTEISparseDocumentEmbedder"), "sparse"),
    (lambda: hs.MockTextEmbedder(embedding_fn=lambda _: [1.0]), "embedding_fn"),
    (_of("LateChunking"), "late chunking"),
    (_of("Images"), "files"),
    (lambda: classes.Outer(classes.LateChunking()), "late chunking"),
]


@over(case=NOT_CACHEABLE)
def test_not_cacheable(case: tuple[Callable[[], Any], str]) -> None:
    make, reason = case
    description = describe(make())
    assert description.identity is None
    assert reason in description.not_cacheable


# -- unknown components and subclasses -----------------------------------------------------------------------------


def _super_component(document_embedder: Any, name: str = "embedder") -> Any:
    pipeline = hs.Pipeline()
    pipeline.add_component(name, document_embedder)
    return hs.SuperComponent(
        pipeline=pipeline,
        input_mapping={"documents": [f"{name}.documents"]},
        output_mapping={f"{name}.documents": "documents"},
    )


def _openai(**settings: Any) -> Any:
    return hs.OpenAIDocumentEmbedder(**real({"api_key": TOKEN, "model": "m", **settings}))


UNKNOWN = [
    (_of("Plain"), {"model": "n"}, True),
    (_of("Plain"), {"depth": 2}, True),
    (_of("Plain"), {"depth": 0}, True),
    (_of("Plain"), {"token": TOKEN}, False),
    (_of("Plain"), {"token": variable("ANY")}, False),
    (_of("Plain"), {"batch_size": 9}, False),
    (_of("Private"), {"model": "n"}, True),
    (_of("Changing"), {"options": {"a": 1}}, True),
    (_of("Further"), {"layer": 2}, True),
    (_of("MyMock"), {"tone": "y"}, True),
    (_of("MyMock"), {"dimension": 9}, True),
    (_of("MyMock"), {"prefix": "p: "}, True),
    (_of("MyMock"), {"model": "n"}, False),
    (lambda **given: _super_component(_openai(**given)), {"model": "n"}, True),
    (lambda **given: _super_component(_openai(**given)), {"prefix": "p"}, True),
    (lambda **given: _super_component(_openai(**given)), {"timeout": 9.0}, False),
    (lambda **given: _super_component(_openai(**given), "client"), {"model": "n"}, True),
    (lambda **given: classes.Outer(_openai(**given)), {"dimensions": 9}, True),
    (lambda **given: classes.Outer(classes.Private(**given)), {"model": "n"}, True),
    (lambda **given: _super_component(classes.Further(**given)), {"layer": 2}, True),
]
"""How a component is made, a setting of it, and whether it is another one with that setting."""


@over(case=UNKNOWN)
def test_settings_of_components_that_are_not_known(case: tuple[Callable[..., Any], dict[str, Any], bool]) -> None:
    make, settings, is_other = case
    plain, changed = make(), make(**real(settings))
    assert (namespace(changed) != namespace(plain)) is is_other
    assert (fingerprint(changed) != fingerprint(plain)) is is_other
    assert namespace(make()) == namespace(plain)
    assert SECRET not in namespace(changed)
    assert not describe(changed).identity.symmetric


def test_component_inside_another_has_the_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    component = _super_component(_openai())
    before = namespace(component)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    assert namespace(component) != before


def test_asking_an_unknown_component_does_not_touch_it() -> None:
    options = {"a": 1.5, "nested": [1]}
    changing = classes.Changing(options=options)
    outer = classes.Outer(changing)
    for component in (changing, outer, _super_component(changing)):
        fingerprint(component)
        describe(component)
    assert options == {"a": 1.5, "nested": [1]}
    secret = hs.Secret.from_token(SECRET)
    plain = classes.Plain(token=secret)
    before = dict(vars(plain))
    describe(plain)
    assert vars(plain) == before
    assert plain.token is secret


UNDESCRIBED = [
    (lambda: classes.Hidden("n"), "leaves `model` out"),
    (lambda: classes.Rest("n", layer=2), "init parameter 'more'"),
    (_of("Nameless"), "no field names its model"),
    (lambda: classes.Changing(options=object()), "AttributeError"),
    (lambda: classes.Plain(model=object()), "unsupported value of type 'object'"),
    (lambda: classes.Outer(hs.MockDocumentEmbedder(embedding_fn=lambda _: [1.0])), "cannot be written down"),
    (lambda: classes.Outer(classes.Hidden("n")), "leaves `model` out"),
]


@over(case=UNDESCRIBED)
def test_component_that_cannot_be_described(case: tuple[Callable[[], Any], str]) -> None:
    make, reason = case
    component = make()
    with pytest.raises(IdentityError, match=reason) as caught:
        describe(component)
    assert "namespace=" in str(caught.value)
    # Asked anew at each call, also where the user has named the component.
    assert fingerprint(component) == fingerprint(component)


def test_declared_identity_decides() -> None:
    component = classes.Nameless()
    component.embedonce_identity = Identity.named("mine@1")
    assert describe(component).identity == Identity.named("mine@1")


def test_class_of_the_same_name_from_another_package_is_not_known() -> None:
    other = stand_in("haystack_integrations.components.embedders.acme.CohereTextEmbedder", model="m")()
    assert describer.how_known(other) == "not"
    assert describer.how_known(KNOWN["cohere-Text"].make()) == "exactly"
    assert describer.how_known(classes.MyMock()) == "as a subclass"


def test_documents_are_not_needed() -> None:
    """The identity of a component does not change by what it has embedded."""
    component = hs.MockDocumentEmbedder(dimension=4)
    before = describe(component), fingerprint(component)
    component.run([hs.Document(content="a")])
    assert (describe(component), fingerprint(component)) == before
