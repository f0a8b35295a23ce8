"""What tells LlamaIndex's hosted embedding models apart, and that LangChain's adapter says the same of them."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from embedonce.errors import IdentityError
from llama_index.embeddings.embedonce.identities import describer

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # Of the packages' own making: at import, and where Upstage's class is told dimensions.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Received dimensions argument:UserWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]

describe, fingerprint, sub_batch = describer.describe, describer.fingerprint, describer.sub_batch

SECRET = "s3cr3t-0123456789"


def _maker(path: str, **defaults: Any) -> Callable[..., Any]:
    """Return a function that builds a real object; what begins with an underscore is set afterwards."""
    package, _, name = path.rpartition(".")

    def make(**settings: Any) -> Any:
        module = pytest.importorskip(package)
        given = {**defaults, **settings}
        embedder = getattr(module, name)(**{key: value for key, value in given.items() if not key.startswith("_")})
        for key, value in given.items():
            if key.startswith("_"):
                *owners, last = key.split(".")
                owner = embedder
                for each in owners:
                    owner = getattr(owner, each)
                setattr(owner, last, value)
        return embedder

    return make


def namespace(embedder: object) -> str:
    identity = describe(embedder).identity
    assert identity is not None
    return identity.namespace


@dataclass(frozen=True)
class Known:
    """A known class: what it is in its default setup, and how its settings count."""

    make: Callable[..., Any]
    namespace: str
    symmetric: bool
    changes: list[dict[str, Any]]
    keeps: list[dict[str, Any]]
    batch: int = 1020
    effective: dict[str, str] = field(default_factory=dict)


LLAMA = "llama_index.embeddings"
_OPENAI_CHANGES: list[dict[str, Any]] = [
    {"dimensions": 256},
    {"additional_kwargs": {"extra_body": {"input_type": "query"}}},
    {"additional_kwargs": {"encoding_format": "int8"}},
    {"_text_engine": "other"},
    {"_query_engine": "other"},
]
_OPENAI_KEEPS: list[dict[str, Any]] = [
    {"api_key": "another"},
    {"max_retries": 3},
    {"timeout": 1.5},
    {"reuse_client": False},
    {"default_headers": {"Authorization": SECRET}},
    {"embed_batch_size": 7},
    {"num_workers": 2},
    {"additional_kwargs": {"user": "me", "encoding_format": "float", "extra_headers": {"x": SECRET}, "timeout": 3}},
]
_NEWLINES = {"a\nb": "a b", " a\r\n": " a\r "}
_STRIPPED = {" a\nb\n": "a\nb"}

openai = _maker(f"{LLAMA}.openai.OpenAIEmbedding", api_key=SECRET)
openai_like = _maker(
    f"{LLAMA}.openai_like.OpenAILikeEmbedding", api_key=SECRET, model_name="bge-m3", api_base="http://gpu:8000/v1"
)
azure = _maker(
    f"{LLAMA}.azure_openai.AzureOpenAIEmbedding",
    azure_endpoint="https://r.openai.azure.com/",
    azure_deployment="large",
    api_key=SECRET,
    api_version="2024-10-21",
)
fireworks = _maker(f"{LLAMA}.fireworks.FireworksEmbedding", api_key=SECRET)
upstage = _maker(f"{LLAMA}.upstage.UpstageEmbedding", api_key=SECRET)
cohere = _maker(f"{LLAMA}.cohere.CohereEmbedding", api_key=SECRET)
voyage = _maker(f"{LLAMA}.voyageai.VoyageEmbedding", model_name="voyage-3.5", voyage_api_key=SECRET)
bedrock = _maker(
    f"{LLAMA}.bedrock.BedrockEmbedding",
    region_name="us-east-1",
    aws_access_key_id=SECRET,
    aws_secret_access_key=SECRET,
)
google = _maker(f"{LLAMA}.google_genai.GoogleGenAIEmbedding", model_name="gemini-embedding-001", api_key=SECRET)
mistral = _maker(f"{LLAMA}.mistralai.MistralAIEmbedding", api_key=SECRET)
ollama = _maker(f"{LLAMA}.ollama.OllamaEmbedding", model_name="nomic-embed-text")
huggingface = _maker(
    f"{LLAMA}.huggingface_api.HuggingFaceInferenceAPIEmbedding",
    model_name="sentence-transformers/all-mpnet-base-v2",
    token=SECRET,
)
jina = _maker(f"{LLAMA}.jinaai.JinaEmbedding", api_key=SECRET)
nvidia = _maker(f"{LLAMA}.nvidia.NVIDIAEmbedding", api_key=SECRET)

KNOWN = {
    "openai": Known(
        openai,
        "openai/text-embedding-ada-002",
        True,
        [
            *_OPENAI_CHANGES,
            {"model": "text-embedding-3-small"},
            {"model_name": "text-embedding-3-small"},
            {"mode": "similarity", "model": "davinci"},
            {"api_base": "http://localhost:8000/v1"},
        ],
        [
            *_OPENAI_KEEPS,
            {"mode": "similarity"},
            {"api_version": "2024"},
            {"api_base": f"https://me:{SECRET}@API.openai.com:443/v1/?api_key={SECRET}"},
        ],
        1000,
        _NEWLINES,
    ),
    "openai-like": Known(
        openai_like,
        'openai/bge-m3?endpoint="http://gpu:8000/v1"',
        True,
        [*_OPENAI_CHANGES, {"model_name": "other"}, {"api_base": "http://gpu:8001/v1"}],
        [*_OPENAI_KEEPS, {"api_base": f"http://me:{SECRET}@gpu:8000/v1/"}],
        1020,
        _NEWLINES,
    ),
    "azure": Known(
        azure,
        'azure-openai/large?endpoint="https://r.openai.azure.com"',
        True,
        [
            {"azure_deployment": "ada"},
            {"azure_endpoint": "https://other.openai.azure.com"},
            {"dimensions": 256},
            {"additional_kwargs": {"extra_body": {"x": 1}}},
            {"_query_engine": "other"},
        ],
        [
            *[each for each in _OPENAI_KEEPS if "timeout" not in each and "default_headers" not in each],
            {"model": "text-embedding-3-large"},
            {"api_version": "2025-01-01"},
            {"azure_endpoint": "https://R.openai.azure.com:443"},
        ],
        1020,
        _NEWLINES,
    ),
    "fireworks": Known(
        fireworks,
        "fireworks/nomic-ai/nomic-embed-text-v1.5",
        True,
        [*_OPENAI_CHANGES, {"model_name": "thenlper/gte-large"}, {"api_base": "http://gpu/v1"}],
        _OPENAI_KEEPS,
        1020,
        _NEWLINES,
    ),
    "upstage": Known(
        upstage,
        "upstage/embedding",
        False,
        [
            {"model": "solar-embedding-1-large"},
            {"dimensions": 64},
            {"additional_kwargs": {"extra_body": {"x": 1}}},
            {"api_base": "http://gpu/v1"},
        ],
        [*_OPENAI_KEEPS, {"model": "embedding-query"}, {"api_base": "https://api.upstage.ai/v1"}],
        1000,
        _NEWLINES,
    ),
    "cohere": Known(
        cohere,
        "cohere/embed-english-v3.0",
        False,
        [
            {"model_name": "embed-v4.0"},
            {"model_name": "embed-english-v2.0"},
            {"truncate": "NONE"},
            {"embedding_type": "int8"},
            {"input_type": "clustering"},
            {"base_url": "https://proxy.example/cohere"},
        ],
        [
            {"api_key": "another"},
            {"max_retries": 3},
            {"timeout": 3.0},
            {"embed_batch_size": 7},
            {"base_url": f"https://me:{SECRET}@api.cohere.com"},
        ],
    ),
    "voyage": Known(
        voyage,
        "voyage/voyage-3.5",
        False,
        [
            {"model_name": "voyage-3-large"},
            {"output_dimension": 256},
            {"output_dtype": "int8"},
            {"truncation": False},
        ],
        [{"voyage_api_key": "another"}, {"embed_batch_size": 7}, {"truncation": True}, {"output_dtype": "float"}],
        1000,
    ),
    "bedrock": Known(
        bedrock,
        "bedrock/amazon.titan-embed-text-v1",
        True,
        [
            {"model_name": "amazon.titan-embed-text-v2:0"},
            {"model_name": "cohere.embed-english-v3"},
            {"application_inference_profile_arn": "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"},
            {"additional_kwargs": {"dimensions": 256}},
            {"additional_kwargs": {"normalize": False}},
            {"client": SimpleNamespace(meta=SimpleNamespace(endpoint_url="https://proxy.example"))},
        ],
        [
            {"region_name": "eu-west-1"},
            {"aws_secret_access_key": "another"},
            {"max_retries": 2},
            {"timeout": 3.0},
            {"additional_kwargs": {"not_sent": True}},
        ],
    ),
    "google": Known(
        google,
        "google-genai/gemini-embedding-001",
        False,
        [
            {"model_name": "gemini-embedding-2"},
            {"embedding_config": {"output_dimensionality": 256}},
            {"embedding_config": {"outputDimensionality": 256}},
            {"embedding_config": {"title": "t"}},
            {"embedding_config": {"http_options": {"base_url": "https://proxy.example"}}},
            {"embedding_config": {"http_options": {"extra_body": {"x": 1}}}},
            {"http_options": {"base_url": "https://proxy.example"}},
            {"http_options": {"extra_body": {"x": 1}}},
        ],
        [
            {"model_name": "models/gemini-embedding-001"},
            {"api_key": "another"},
            {"retries": 7},
            {"timeout": 3},
            {"retry_min_seconds": 2.0},
            {"embedding_config": {}},
            {"embedding_config": {"task_type": "CLUSTERING", "http_options": {"headers": {"x": SECRET}}}},
            {"http_options": {"headers": {"x": SECRET}}},
        ],
    ),
    "mistral": Known(
        mistral,
        "mistral/mistral-embed",
        True,
        [{"model_name": "codestral-embed"}, {"_client.sdk_configuration.server_url": "https://proxy.example"}],
        [{"api_key": "another"}, {"_client.sdk_configuration.server_url": "https://api.mistral.ai"}],
    ),
    "ollama": Known(
        ollama,
        "ollama/nomic-embed-text",
        True,
        [
            {"model_name": "nomic-embed-text:v1.5"},
            {"ollama_additional_kwargs": {"num_ctx": 8192}},
            {"ollama_additional_kwargs": {"rope_frequency_base": 1e4}},
            {"query_instruction": "query:"},
            {"text_instruction": "passage:"},
            {"base_url": "http://localhost:9999"},
        ],
        [
            {"model_name": "nomic-embed-text:latest"},
            {"ollama_additional_kwargs": {"temperature": 0.5, "num_gpu": 1, "seed": 3}},
            {"keep_alive": "1h"},
            {"client_kwargs": {"headers": {"Authorization": SECRET}}},
            {"query_instruction": " ", "text_instruction": ""},
            {"base_url": f"http://me:{SECRET}@127.0.0.1:11434/"},
        ],
        effective=_STRIPPED,
    ),
    "huggingface": Known(
        huggingface,
        "huggingface-inference/sentence-transformers/all-mpnet-base-v2",
        True,
        [
            {"model_name": "BAAI/bge-m3"},
            {"pooling": "mean"},
            {"query_instruction": "query:"},
            {"text_instruction": "passage:"},
            {"_async_client.provider": "sambanova"},
        ],
        [
            {"token": "another"},
            {"timeout": 3.0},
            {"headers": {"x": SECRET}},
            {"cookies": {"x": SECRET}},
            {"query_instruction": "  ", "text_instruction": ""},
        ],
        effective=_STRIPPED,
    ),
    "jina": Known(
        jina,
        "jina/jina-embeddings-v3",
        True,
        [
            {"model": "jina-embeddings-v4"},
            {"task": "text-matching"},
            {"dimensions": 64},
            {"encoding_documents": "binary"},
            {"encoding_queries": "binary"},
            {"_api.api_url": "https://proxy.example/v1/embeddings"},
        ],
        [{"api_key": "another"}, {"late_chunking": False}, {"encoding_queries": "float"}, {"embed_batch_size": 7}],
    ),
}


def _label(value: object) -> str:
    # Not the values: the text of a live object differs from process to process.
    return ",".join(map(str, value)) or "default" if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_roles_texts_and_batches(name: str) -> None:
    known = KNOWN[name]
    description = describe(known.make())
    assert description.identity is not None
    assert description.identity.namespace == known.namespace
    assert description.identity.symmetric is known.symmetric
    assert (description.not_cacheable, description.whole_up_to) == ("", None)
    assert (description.effective_text is None) is not known.effective
    for text, effective in known.effective.items():
        assert description.effective_text is not None
        # The embedder is sent this text, and must make no other one of it.
        assert description.effective_text(text) == description.effective_text(effective) == effective
    assert sub_batch(known.make()) == known.batch
    assert pickle.loads(pickle.dumps(description)) == description


@pytest.mark.parametrize("name", KNOWN)
def test_settings(name: str) -> None:
    """What changes vectors changes the namespace, nothing else does, and the fingerprint tells without describing."""
    known = KNOWN[name]
    plain = describe(known.make())
    seen = [(fingerprint(known.make()), plain)]
    for settings in (*known.changes, *known.keeps):
        embedder = known.make(**settings)
        state, description = fingerprint(embedder), describe(embedder)
        assert description.identity is not None
        if settings in known.keeps:
            assert description == plain, settings
        else:
            assert description.identity.namespace != known.namespace, settings
        assert SECRET not in str(description), settings
        assert all(description == other for earlier, other in seen if earlier == state), settings
        seen.append((state, description))
    assert SECRET not in str(plain)


@pytest.mark.parametrize("name", KNOWN)
def test_asking_has_no_side_effects(name: str) -> None:
    """Neither fields nor hidden attributes change, and no client is built."""
    embedder = KNOWN[name].make()
    fields, hidden = dict(vars(embedder)), dict(embedder.__pydantic_private__ or {})
    copies = copy.deepcopy({key: value for key, value in fields.items() if isinstance(value, dict | list)})
    assert fingerprint(embedder) == fingerprint(embedder)
    describe(embedder)
    assert vars(embedder) == fields
    assert (embedder.__pydantic_private__ or {}) == hidden
    assert all(vars(embedder)[key] == value for key, value in copies.items())


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [(name, "embed_batch_size", 7) for name in KNOWN]
    + [(name, "api_key", "another") for name in ("openai", "azure", "cohere", "jina")]
    + [("openai", "max_retries", 7), ("ollama", "keep_alive", "1h"), ("bedrock", "timeout", 7.0)],
)
def test_operational_changes_keep_the_fingerprint(name: str, attribute: str, value: object) -> None:
    """Else each of them would cost a new description at the next call."""
    embedder = KNOWN[name].make()
    before = fingerprint(embedder)
    setattr(embedder, attribute, value)
    assert fingerprint(embedder) == before


# -- the same model through LangChain ------------------------------------------------------------------------------


def _langchain_mistral(**settings: Any) -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(import_module("tokenizers.models").BPE())
    return _maker("langchain_mistralai.MistralAIEmbeddings", api_key=SECRET, tokenizer=tokenizer)(**settings)


_AWS = {"region_name": "us-east-1", "aws_access_key_id": SECRET, "aws_secret_access_key": SECRET}
_LANGCHAIN: dict[str, Callable[..., Any]] = {
    "openai": _maker("langchain_openai.OpenAIEmbeddings", api_key=SECRET),
    "openai-like": _maker("langchain_openai.OpenAIEmbeddings", api_key=SECRET, check_embedding_ctx_length=False),
    "azure": _maker("langchain_openai.AzureOpenAIEmbeddings", api_key=SECRET, api_version="2024-10-21"),
    "fireworks": _maker("langchain_fireworks.FireworksEmbeddings", api_key=SECRET),
    "cohere": _maker("langchain_cohere.CohereEmbeddings", cohere_api_key=SECRET),
    "voyage": _maker("langchain_voyageai.VoyageAIEmbeddings", api_key=SECRET),
    "bedrock": _maker("langchain_aws.BedrockEmbeddings", **_AWS),
    "google": _maker("langchain_google_genai.GoogleGenerativeAIEmbeddings", api_key=SECRET),
    "mistral": _langchain_mistral,
    "ollama": _maker("langchain_ollama.OllamaEmbeddings"),
    "huggingface": _maker("langchain_huggingface.HuggingFaceEndpointEmbeddings", huggingfacehub_api_token=SECRET),
}
_AZURE = {"azure_endpoint": "https://r.openai.azure.com/", "azure_deployment": "large"}


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("openai", {}, {"model": "text-embedding-ada-002"}),
        ("openai", {"model": "text-embedding-3-small", "dimensions": 8}, {"model": "text-embedding-3-small"}),
        ("openai-like", {}, {"model": "bge-m3", "base_url": "http://gpu:8000/v1"}),
        ("azure", {}, _AZURE),
        ("fireworks", {}, {}),
        ("cohere", {}, {"model": "embed-english-v3.0"}),
        ("cohere", {"embedding_type": "int8"}, {"model": "embed-english-v3.0", "embedding_types": ["int8"]}),
        ("voyage", {}, {"model": "voyage-3.5"}),
        ("voyage", {"output_dimension": 256}, {"model": "voyage-3.5", "output_dimension": 256}),
        ("bedrock", {}, {}),
        ("bedrock", {"model_name": "us.cohere.embed-v4:0"}, {"model_id": "us.cohere.embed-v4:0"}),
        ("google", {}, {"model": "gemini-embedding-001"}),
        ("mistral", {}, {}),
        ("ollama", {}, {"model": "nomic-embed-text"}),
        ("ollama", {"ollama_additional_kwargs": {"num_ctx": 9}}, {"model": "nomic-embed-text", "num_ctx": 9}),
        ("huggingface", {}, {}),
    ],
    ids=_label,
)
def test_langchain_has_the_same_namespace(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """A text that was paid for in one framework is a hit in the other."""
    from langchain_embedonce.identities import describer as langchain

    if "dimensions" in ours:
        theirs = {**theirs, "dimensions": ours["dimensions"]}
    one, other = describe(KNOWN[name].make(**ours)).identity, langchain.describe(_LANGCHAIN[name](**theirs)).identity
    assert one is not None
    assert other is not None
    assert one == other


# -- particular providers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openai", "openai-like", "fireworks", "upstage", "cohere", "azure"])
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
    ids=_label,
)
def test_azure_deployment(settings: dict[str, Any], expected: str) -> None:
    """It is the same before and after the clients are built."""
    embedder = azure(**settings)
    for build in (lambda: None, embedder._get_client, embedder._get_aclient):
        build()
        assert namespace(embedder) == f'azure-openai/{expected}?endpoint="https://r.openai.azure.com"'


def test_upstage_models_that_are_no_pair_are_refused() -> None:
    embedder = upstage()
    embedder._query_engine = "other"
    with pytest.raises(IdentityError, match="no pair"):
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


def test_bedrock_profile_of_an_application() -> None:
    """Its ARN names no model, so whose it is comes from the model's name; LangChain is told by the user."""
    from langchain_embedonce.identities import describer as langchain

    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"
    ours = bedrock(model_name="eu.cohere.embed-v4:0", application_inference_profile_arn=arn)
    theirs = _LANGCHAIN["bedrock"](model_id=arn, provider="cohere")
    assert describe(ours).identity == langchain.describe(theirs).identity


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
    embedder._client = SimpleNamespace(_api_client=SimpleNamespace(vertexai=True))
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


@pytest.mark.parametrize("model", ["BAAI/bge-small-en-v1.5", "BAAI/bge-base-zh", "hkunlp/instructor-xl", "x/y"])
@pytest.mark.parametrize("text", ["a\nb", "  a  ", ""])
@pytest.mark.parametrize("instruction", [None, "", "  ", " x: "])
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

    return SimpleNamespace(embeddings=SimpleNamespace(create=acreate if asynchronous else create))


@pytest.mark.parametrize("name", ["openai", "openai-like", "azure", "fireworks", "upstage"])
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


@pytest.mark.parametrize("text", [" a\n", "", "\u3000a b\t"])
@pytest.mark.parametrize("instruction", [None, " x: "])
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
