"""What tells Haystack's embedders apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from haystack_identities import WARNINGS, describe, fingerprint, namespace, sub_batch
from haystack_known import KNOWN
from haystack_settings import loaded
from known_class import check_default, check_no_side_effects, check_settings

from embedonce.errors import IdentityError
from embedonce.identity import Identity
from haystack_integrations.components.embedders.embedonce.identities import describer

pytestmark = WARNINGS


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_and_roles(name: str) -> None:
    check_default(describer, KNOWN[name])
    assert describer.how_known(KNOWN[name].make()) == "exactly"


@pytest.mark.parametrize("name", KNOWN)
def test_settings(name: str) -> None:
    """What changes vectors changes the namespace, nothing else does, and the fingerprint tells without describing."""
    namespaces = check_settings(describer, KNOWN[name])
    # No two of the changes look alike but for the two ways to name a proxy.
    assert len(namespaces) - len(set(namespaces)) <= 1


@pytest.mark.parametrize("name", KNOWN)
def test_asking_has_no_side_effects(name: str) -> None:
    """No attribute changes, no client is built, no model is loaded."""
    check_no_side_effects(describer, KNOWN[name].make())


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [("openai-Document", 100, 800), ("openai-Document", 2000, 2000), ("google-Document", 100, 800)],
)
def test_sub_batches_are_whole_requests(name: str, size: int, expected: int) -> None:
    assert sub_batch(KNOWN[name].make(batch_size=size)) == expected
    assert sub_batch(KNOWN[name].make()) == 256


# -- roles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cohere", "voyage", "google", "vertex"])
def test_component_that_embeds_as_the_other_role_says_so(name: str) -> None:
    values = {
        "cohere": ("input_type", "search_query", "search_document"),
        "voyage": ("input_type", "query", "document"),
        "google": ("task_type", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"),
        "vertex": ("task_type", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"),
    }
    setting, query, document = values[name]

    def identity(kind: str, value: str) -> Identity:
        settings: dict[str, Any] = {setting: value}
        found = describe(KNOWN[f"{name}-{kind}"].make(**({"config": settings} if name == "google" else settings)))
        assert found.identity is not None
        return found.identity

    # One identity with two roles, of which each component is one.
    assert identity("Text", query) == identity("Document", document)
    assert not identity("Text", query).symmetric
    # Each of the others is embedded as one thing whatever its role, and shares nothing with those two.
    others = {identity("Text", document), identity("Document", query)}
    assert len(others) == 2
    assert all(other.symmetric and other.namespace != identity("Text", query).namespace for other in others)


def test_bedrock_cohere_has_roles() -> None:
    make = {kind: KNOWN[f"bedrock-{kind}"].make for kind in ("Text", "Document")}
    model = {"model": "cohere.embed-english-v3"}
    text, document = describe(make["Text"](**model)), describe(make["Document"](**model, dimensions=3))
    assert text == document
    assert text.identity is not None
    assert text.identity.symmetric is False
    reverse = describe(make["Text"](**model, input_type="search_document")).identity
    assert reverse is not None
    assert reverse.symmetric
    assert reverse.namespace != text.identity.namespace


def test_ollama_options_of_the_constructor_reach_documents_alone() -> None:
    options = {"generation_kwargs": {"num_ctx": 64}}
    document, text = (KNOWN[f"ollama-{kind}"].make(**options) for kind in ("Document", "Text"))
    assert namespace(document) == "ollama/nomic-embed-text?num_ctx=64"
    assert namespace(text) == "ollama/nomic-embed-text"


# -- endpoints from the environment and of clients -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "variable"),
    [
        ("openai-Text", {}, "OPENAI_BASE_URL"),
        ("mistral-Document", {"api_base_url": None}, "OPENAI_BASE_URL"),
        ("ollama-Text", {"url": ""}, "OLLAMA_HOST"),
        ("bedrock-Document", {}, "AWS_ENDPOINT_URL"),
        ("google-Text", {}, "GOOGLE_GEMINI_BASE_URL"),
        ("google-Text", {"api": "vertex"}, "GOOGLE_VERTEX_BASE_URL"),
    ],
)
def test_endpoint_from_the_environment(
    name: str, settings: dict[str, Any], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    component = KNOWN[name].make(**settings)
    before, state = namespace(component), fingerprint(component)
    monkeypatch.setenv(variable, "https://proxy.example")
    assert 'endpoint="https://proxy.example"' in namespace(component)
    assert (namespace(component), fingerprint(component)) != (before, state)


def test_client_keeps_the_url_that_it_was_built_with(monkeypatch: pytest.MonkeyPatch) -> None:
    component = KNOWN["openai-Document"].make()
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    unbuilt = namespace(component)
    component.warm_up()
    assert namespace(component) == unbuilt == 'openai/text-embedding-3-small?endpoint="https://proxy.example/v1"'
    # The other client would be built with another URL, and the two cannot share vectors.
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(IdentityError, match="use different URLs"):
        describe(component)
    component.close()
    assert namespace(component) == "openai/text-embedding-3-small"


@pytest.mark.parametrize("name", ["openai-Text", "azure-Document", "cohere-Text", "ollama-Document", "voyage-Text"])
def test_warming_up_does_not_change_the_identity(name: str) -> None:
    component = KNOWN[name].make()
    before = describe(component)
    component.warm_up()
    assert describe(component) == before
    if hasattr(component, "close"):
        component.close()


def test_google_warmed_up_and_the_service_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    component = KNOWN["google-Text"].make()
    before = namespace(component)
    component.warm_up()
    assert namespace(component) == before
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    assert namespace(KNOWN["google-Text"].make()).startswith("google-vertex/")
    with pytest.raises(IdentityError, match="use different services"):
        describe(component)


def test_nvidia_names_are_those_that_the_backend_will_use() -> None:
    old = KNOWN["nvidia-Text"].make(model="ai-nv-embed-v1")
    assert namespace(old) == 'nvidia/nvidia/nv-embed-v1?truncate="default"'
    assert namespace(KNOWN["nvidia-Text"].make(model=None)).startswith("nvidia/nvidia/")
    local = KNOWN["nvidia-Text"].make(model=None, api_url="http://localhost:8080/v1")
    with pytest.raises(IdentityError, match="call `warm_up` before"):
        describe(local)
    local.backend = SimpleNamespace(model="m", api_url="http://localhost:8080/v1", model_kwargs={})
    assert namespace(local) == 'nvidia/m?endpoint="http://localhost:8080/v1"&truncate="default"'


def test_sentence_transformers_model_that_was_changed_after_it_was_loaded() -> None:
    make = KNOWN["sentence-transformers-Text"].make
    with pytest.raises(IdentityError, match="does not name the model that is loaded"):
        describe(make(model="other", embedding_backend=loaded()))
    lowered = make(tokenizer_kwargs={"model_max_length": 64}, embedding_backend=loaded(64))
    assert namespace(lowered) == namespace(make(tokenizer_kwargs={"model_max_length": 64}))


def test_fastembed_model_of_a_program_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    custom = pytest.importorskip("fastembed.text.custom_text_embedding").CustomTextEmbedding
    monkeypatch.setattr(custom, "SUPPORTED_MODELS", [SimpleNamespace(model="Mine")])
    with pytest.raises(IdentityError, match="registered by a program"):
        describe(KNOWN["fastembed-Text"].make(model="mine"))
