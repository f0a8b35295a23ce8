"""What tells LlamaIndex's hosted embedding models apart."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from known_class import check_default, check_no_side_effects, check_settings, check_unchanged_fingerprint
from llamaindex_identities import describe, fingerprint, namespace
from llamaindex_known import (
    KNOWN,
    azure,
    bedrock,
    cohere,
    google,
    huggingface,
    jina,
    nvidia,
    ollama,
    openai,
    upstage,
    voyage,
)
from variants import over

from embedonce.errors import IdentityError
from llama_index.embeddings.embedonce.identities import describer

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # Of the packages' own making: at import, and where Upstage's class is told dimensions.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Received dimensions argument:UserWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_roles_texts_and_batches(name: str) -> None:
    check_default(describer, KNOWN[name])


@pytest.mark.parametrize("name", KNOWN)
def test_settings(name: str) -> None:
    """What changes vectors changes the namespace, nothing else does, and the fingerprint tells without describing."""
    check_settings(describer, KNOWN[name])


@pytest.mark.parametrize("name", KNOWN)
def test_asking_has_no_side_effects(name: str) -> None:
    """Neither fields nor hidden attributes change, and no client is built."""
    check_no_side_effects(describer, KNOWN[name].make())


OPERATIONAL = [
    *[(name, "embed_batch_size", 7) for name in KNOWN],
    *[(name, "api_key", "another") for name in ("openai", "azure", "cohere", "jina")],
    *[("openai", "max_retries", 7), ("ollama", "keep_alive", "1h"), ("bedrock", "timeout", 7.0)],
]


@over(change=OPERATIONAL)
def test_operational_changes_keep_the_fingerprint(change: tuple[str, str, object]) -> None:
    """Else each of them would cost a new description at the next call."""
    name, attribute, value = change
    check_unchanged_fingerprint(describer, KNOWN[name].make(), attribute, value)


# -- particular providers ------------------------------------------------------------------------------------------


@over(name=["openai", "openai-like", "fireworks", "upstage", "cohere", "azure"])
def test_client_keeps_the_url_that_it_was_built_with(name: str) -> None:
    """A later change of the field reaches only a client that is yet to be built."""
    embedder = KNOWN[name].make()
    for build in ("_get_client", "_get_async_client" if name == "cohere" else "_get_aclient"):
        getattr(embedder, build)()
        assert namespace(embedder) == KNOWN[name].namespace
    url = {"cohere": "base_url", "azure": "azure_endpoint"}.get(name, "api_base")
    setattr(embedder, url, "http://other/v1")
    assert namespace(embedder) == KNOWN[name].namespace
    setattr(embedder, "_async_client" if name == "cohere" else "_aclient", None)
    with pytest.raises(IdentityError, match="different URLs"):
        describe(embedder)
    if name != "cohere":
        embedder.reuse_client = False
        assert "http://other" in namespace(embedder)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("openai", "OPENAI_API_BASE"), ("upstage", "UPSTAGE_API_BASE"), ("fireworks", "FIREWORKS_API_BASE")],
)
def test_endpoint_from_the_environment(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The constructor reads it; afterwards it does not matter."""
    monkeypatch.setenv(variable, "http://gpu:8000/v1")
    embedder = KNOWN[name].make(**({"api_base": None} if name == "fireworks" else {}))
    assert namespace(embedder) == f'{KNOWN[name].namespace}?endpoint="http://gpu:8000/v1"'
    monkeypatch.delenv(variable)
    assert 'endpoint="http://gpu:8000/v1"' in namespace(embedder)


def test_openai_client_reads_the_environment_if_no_field_names_an_url(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = openai()
    embedder.api_base = None
    before = fingerprint(embedder)
    assert namespace(embedder) == "openai/text-embedding-ada-002"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:8000/v1")
    assert fingerprint(embedder) != before
    assert 'endpoint="http://gpu:8000/v1"' in namespace(embedder)
    assert str(embedder._get_client().base_url) == "http://gpu:8000/v1/"


def test_openai_models_that_come_in_pairs() -> None:
    """Queries go to another model than documents."""
    identity = describe(openai(model="davinci")).identity
    assert identity is not None
    assert identity.namespace == 'openai/text-search-davinci-doc-001?query_model="text-search-davinci-query-001"'
    assert not identity.symmetric


def test_openai_dimensions_are_those_that_are_sent() -> None:
    """The field of that name is not, so that a later change of it changes nothing."""
    embedder = openai(dimensions=256)
    identity = describe(embedder).identity
    assert identity is not None
    assert identity.dimensions == 256
    embedder.dimensions = 512
    assert describe(embedder).identity == identity
    embedder.additional_kwargs["dimensions"] = 512
    assert "dimensions=512" in namespace(embedder)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"azure_deployment": None}, "text-embedding-ada-002"),
        ({"azure_deployment": None, "model_name": "mine"}, "mine"),
        ({"azure_deployment": "a b"}, "a b"),
        (
            {
                "azure_deployment": None,
                "azure_endpoint": None,
                "api_base": "https://r.openai.azure.com/openai/deployments/large",
            },
            "large",
        ),
    ],
    ids=str,
)
def test_azure_deployment(settings: dict[str, Any], expected: str) -> None:
    """It is the same before and after the clients are built."""
    embedder = azure(**settings)
    for build in (lambda: None, embedder._get_client, embedder._get_aclient):
        build()
        assert namespace(embedder) == f'azure-openai/{expected}?endpoint="https://r.openai.azure.com"'


def test_upstage_models_that_are_not_a_pair_are_refused() -> None:
    embedder = upstage()
    embedder._query_engine = "other"
    with pytest.raises(IdentityError, match="not a pair"):
        describe(embedder)


def test_cohere_input_type_makes_the_roles_equal() -> None:
    """It is sent for documents and queries alike; the oldest models get none."""
    for settings in ({"input_type": "clustering"}, {"model_name": "embed-english-v2.0"}):
        identity = describe(cohere(**settings)).identity
        assert identity is not None
        assert identity.symmetric


def test_cohere_model_of_which_the_class_may_not_know_the_input_types() -> None:
    """It then sends none, unlike LangChain; a later version of the class may know them."""
    embedder = cohere()
    embedder.model_name = "embed-v9.0"
    identity = describe(embedder).identity
    assert identity is not None
    assert identity.namespace == 'cohere/embed-v9.0?through="llamaindex"'
    assert not identity.symmetric


def test_voyage_contextualised_model_is_not_cacheable() -> None:
    description = describe(voyage(model_name="voyage-context-3"))
    assert description.identity is None
    assert "context" in description.not_cacheable


def test_voyage_multi_modal_models_are_not_asked_for_dimensions() -> None:
    """Vectors of the length that the user wished for will never come."""
    plain = voyage(model_name="voyage-multimodal-3")
    asked = voyage(model_name="voyage-multimodal-3", output_dimension=256, output_dtype="int8")
    assert describe(asked) == describe(plain)


def test_bedrock_cohere() -> None:
    """The class sends nothing but the role, and cuts long texts off."""
    description = describe(bedrock(model_name="cohere.embed-english-v3", additional_kwargs={"dimensions": 8}))
    assert description.identity is not None
    assert description.identity.namespace == "bedrock/cohere.embed-english-v3"
    assert not description.identity.symmetric
    assert description.effective_text is not None
    assert description.effective_text("a\n" * 2000) == "a\n" * 1024


def test_bedrock_with_two_clients_of_unknown_urls_is_refused() -> None:
    """The asynchronous one is made anew for each call."""
    client = SimpleNamespace(meta=SimpleNamespace(endpoint_url="https://proxy.example"))
    assert "proxy" in namespace(bedrock(client=client, _asession=None))
    assert namespace(bedrock(_asession=object())) == KNOWN["bedrock"].namespace
    with pytest.raises(IdentityError, match="asynchronous"):
        describe(bedrock(client=client, _asession=object()))


def test_google_configuration_in_either_form() -> None:
    """A dictionary and an object say the same, also when they are changed in place."""
    types = pytest.importorskip("google.genai.types")
    config = types.EmbedContentConfig(output_dimensionality=64, task_type="CLUSTERING", title="t")
    embedder = google(embedding_config=config)
    expected = 'google-genai/gemini-embedding-001?dimensions=64&title="t"'
    assert namespace(embedder) == expected
    assert namespace(google(embedding_config={"output_dimensionality": 64, "title": "t"})) == expected
    before = fingerprint(embedder)
    embedder.embedding_config.title = "u"
    assert fingerprint(embedder) != before
    assert 'title="u"' in namespace(embedder)


def test_google_on_vertex() -> None:
    embedder = google()
    embedder._client = SimpleNamespace(
        _api_client=SimpleNamespace(vertexai=True, _http_options=SimpleNamespace(base_url=None))
    )
    assert namespace(embedder) == "google-vertex/gemini-embedding-001"


def test_ollama_instructions() -> None:
    """The white space around them never reaches the model; equal ones make the roles equal."""
    identity = describe(ollama(query_instruction=" q: ", text_instruction="d:")).identity
    assert identity is not None
    assert identity.namespace == 'ollama/nomic-embed-text?document_prefix="d:"&query_prefix="q:"'
    assert not identity.symmetric
    same = describe(ollama(query_instruction="x:", text_instruction="x: ")).identity
    assert same is not None
    assert same.symmetric


@over(
    model=["BAAI/bge-small-en-v1.5", "BAAI/bge-base-zh", "hkunlp/instructor-xl", "x/y"],
    text=["a\nb", "  a  ", ""],
    instruction=[None, "", "  ", " x: "],
)
def test_huggingface_instructions_are_those_that_the_class_prepends(
    model: str, text: str, instruction: str | None
) -> None:
    """The identity and the effective text together tell what is sent."""
    utils = pytest.importorskip("llama_index.utils.huggingface")
    embedder = huggingface(model_name=model, query_instruction=instruction, text_instruction=instruction)
    description = describe(embedder)
    assert description.identity is not None
    assert description.effective_text is not None
    parameters = {name: json.loads(value) for name, value in description.identity.parameters}
    for role, sent in (
        ("document", utils.format_text(text, model, instruction)),
        ("query", utils.format_query(text, model, instruction)),
    ):
        prefix = parameters.get(f"{role}_prefix")
        effective = description.effective_text(text)
        assert sent == (f"{prefix} {effective}".strip() if prefix else effective.strip())
    assert description.identity.symmetric is (parameters.get("document_prefix") == parameters.get("query_prefix"))


def test_jina_late_chunking_is_not_cacheable() -> None:
    description = describe(jina(late_chunking=True))
    assert description.identity is None
    assert "late chunking" in description.not_cacheable


def test_jina_client_keeps_its_model() -> None:
    """The field is read by the constructor alone."""
    embedder = jina()
    embedder.model = "other"
    assert namespace(embedder) == "jina/jina-embeddings-v3"


def test_nvidia_is_refused() -> None:
    """Its class gives a query one vector when asked synchronously, and another one when asked asynchronously."""
    embedder = nvidia(dimensions=64)
    with pytest.raises(IdentityError, match=r"queries as passages.*namespace="):
        describe(embedder)
    sent: list[dict[str, Any]] = []
    embedder._client, embedder._aclient = _recording(sent), _recording(sent, asynchronous=True)
    embedder._get_query_embedding("q")
    asyncio.run(embedder._aget_query_embedding("q"))
    # Once these are alike, the class can be described.
    assert [each["extra_body"] for each in sent] == [
        {"input_type": "passage", "truncate": "NONE", "dimensions": 64},
        {"input_type": "query", "truncate": "NONE"},
    ]


# -- what reaches the model ----------------------------------------------------------------------------------------


def _recording(sent: list[dict[str, Any]], *, asynchronous: bool = False) -> Any:
    """Return a stand-in for a client of OpenAI's package."""

    def create(**request: Any) -> Any:
        sent.append(request)
        return SimpleNamespace(data=[SimpleNamespace(embedding=[1.0])])

    async def acreate(**request: Any) -> Any:
        return create(**request)

    return SimpleNamespace(base_url=None, embeddings=SimpleNamespace(create=acreate if asynchronous else create))


@over(name=["openai", "openai-like", "azure", "fireworks", "upstage"])
def test_openai_classes_send_the_effective_text(name: str) -> None:
    """As one text or several, as a document or a query: that of the key, and nothing else."""
    embedder, sent = KNOWN[name].make(), []
    embedder._client = _recording(sent)
    effective = describe(embedder).effective_text
    assert effective is not None
    text = effective(" a\n\nb\r\n ")
    embedder.get_query_embedding(text)
    embedder.get_text_embedding(text)
    embedder.get_text_embedding_batch([text])
    assert text == " a  b\r  "
    assert [each["input"] for each in sent if each["input"] not in (text, [text])] == []
    assert len(sent) == 3


@over(text=[" a\n", "", "\u3000a b\t"], instruction=[None, " x: "])
def test_ollama_sends_the_effective_text(text: str, instruction: str | None) -> None:
    embedder = ollama(text_instruction=instruction, query_instruction=instruction)
    effective = describe(embedder).effective_text
    assert effective is not None
    expected = f"x: {text.strip()}".strip() if instruction else effective(text)
    for formatted in (embedder._format_text, embedder._format_query):
        assert formatted(text) == formatted(effective(text)) == expected


def test_bedrock_sends_the_effective_text() -> None:
    for model, text in (("cohere.embed-english-v3", "ä\n" * 2000), ("amazon.titan-embed-text-v1", "a\n" * 2000)):
        embedder = bedrock(model_name=model)
        effective = describe(embedder).effective_text or str
        family = model.partition(".")[0]
        body = embedder._get_request_body(family, text, "text")
        assert body == embedder._get_request_body(family, effective(text), "text")
        assert json.dumps(effective(text)) in body
