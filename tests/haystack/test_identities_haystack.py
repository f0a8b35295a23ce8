"""What tells Haystack's embedders apart, and that the other adapters say the same of the models behind them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import haystack_classes as classes
import pytest
from haystack import Document, Pipeline, SuperComponent
from haystack.components.embedders import MockDocumentEmbedder, MockTextEmbedder, OpenAIDocumentEmbedder
from haystack.utils import Secret

from embedonce.errors import IdentityError
from embedonce.identity import Identity
from haystack_integrations.components.embedders.embedonce.identities import describer

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # Of the packages' own making, at import.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]

describe, fingerprint, sub_batch = describer.describe, describer.fingerprint, describer.sub_batch

SECRET = "s3cr3t-0123456789"
TOKEN = Secret.from_token(SECRET)
HAYSTACK = "haystack.components.embedders"
INTEGRATIONS = "haystack_integrations.components.embedders"


def namespace(component: object) -> str:
    identity = describe(component).identity
    assert identity is not None
    return identity.namespace


def _maker(path: str, **defaults: Any) -> Callable[..., Any]:
    """Return a function that builds a real component; what begins with an underscore is set afterwards."""
    package, _, name = path.rpartition(".")

    def make(**settings: Any) -> Any:
        given = {**defaults, **settings}
        kind = getattr(pytest.importorskip(package), name)
        component = kind(**{key: value for key, value in given.items() if not key.startswith("_")})
        _set(component, {key[1:]: value for key, value in given.items() if key.startswith("_")})
        return component

    return make


def _stand_in(path: str, **attributes: Any) -> Callable[..., Any]:
    """Return a function that builds what looks like a component whose package is not installed."""
    package, _, name = path.rpartition(".")
    kind = type(name, (), {"__module__": f"{package}.module", "run": lambda _: None})

    def make(**settings: Any) -> Any:
        component = kind()
        _set(component, copy.deepcopy(attributes))
        _set(component, settings)
        return component

    return make


def _set(component: Any, attributes: dict[str, Any]) -> None:
    for path, value in attributes.items():
        *owners, last = path.split(".")
        owner = component
        for each in owners:
            owner = getattr(owner, each)
        setattr(owner, last, value)


def at(url: str) -> Any:
    """Return what looks like a client of OpenAI's package with that URL."""
    return SimpleNamespace(base_url=url)


@dataclass(frozen=True)
class Known:
    """A known class: what it is in its default setup, and how its settings count."""

    make: Callable[..., Any]
    namespace: str
    symmetric: bool
    changes: list[dict[str, Any]]
    keeps: list[dict[str, Any]] = field(default_factory=list)
    batch: int = 1024


_AFFIXES: list[dict[str, Any]] = [{"prefix": "p: "}, {"suffix": " s"}]
_TEXTS: dict[str, list[dict[str, Any]]] = {
    "Text": [],
    "Document": [
        {"meta_fields_to_embed": ["title"]},
        {"embedding_separator": " "},
        {"batch_size": 7},
        {"progress_bar": False},
    ],
}


def pair(
    name: str,
    make: Callable[..., Callable[..., Any]],
    path: str,
    expected: str | dict[str, str],
    changes: list[dict[str, Any]],
    keeps: list[dict[str, Any]] | None = None,
    *,
    symmetric: bool = True,
    affixes: bool = True,
    without: str = "",
    **defaults: Any,
) -> dict[str, Known]:
    """Return a text and a document component of one model; the settings of their texts are never part of it."""
    return {
        f"{name}-{kind}": Known(
            make(f"{path}{kind}Embedder", **defaults),
            expected if isinstance(expected, str) else expected[kind],
            symmetric,
            changes,
            [
                *(keeps or []),
                *(_AFFIXES if affixes else []),
                *[each for each in _TEXTS[kind] if not set(each) & set(without.split())],
            ],
        )
        for kind in ("Text", "Document")
    }


_OPENAI_CHANGES: list[dict[str, Any]] = [
    {"model": "other"},
    {"dimensions": 256},
    {"api_base_url": "https://proxy.example/v1"},
    {"_client": at("https://proxy.example/v1"), "_async_client": at("https://proxy.example/v1")},
    {"http_client_kwargs": {"params": {"deployment": "b"}}},
]
_OPENAI_KEEPS: list[dict[str, Any]] = [
    {"api_key": Secret.from_token("another")},
    {"api_key": Secret.from_env_var("ANOTHER")},
    {"api_base_url": "https://api.openai.com/v1/"},
    {"organization": "o"},
    {"timeout": 1.5},
    {"max_retries": 9},
    {"http_client_kwargs": {"headers": {"Authorization": SECRET}}},
    {"_client": at("https://api.openai.com/v1/")},
]
_COMPATIBLE: list[dict[str, Any]] = [{"model": "other"}, {"api_base_url": "https://proxy.example/v1"}]
_AZURE = {"azure_endpoint": "https://x.openai.azure.com/", "api_key": TOKEN}
_TEI = {"api_type": "text_embeddings_inference", "api_params": {"url": "http://localhost:8080"}, "token": TOKEN}
_ST = {
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    **dict.fromkeys(["revision", "truncate_dim", "model_kwargs", "tokenizer_kwargs", "config_kwargs"]),
    **dict.fromkeys(["encode_kwargs", "quantization_ranges", "embedding_backend", "token", "device"]),
    **dict.fromkeys(["normalize_embeddings", "trust_remote_code", "local_files_only"], False),
    "prefix": "",
    "suffix": "",
    "precision": "float32",
    "backend": "torch",
    "batch_size": 32,
}


def _loaded(length: int = 256, name: str = "sentence-transformers/all-MiniLM-L6-v2") -> Any:
    """Return what looks like the model that a component of sentence-transformers has loaded."""
    config = SimpleNamespace(_name_or_path=name, max_position_embeddings=512)
    tokenizer = SimpleNamespace(init_kwargs={"model_max_length": 256})
    net = SimpleNamespace(auto_model=SimpleNamespace(config=config))
    return SimpleNamespace(
        model=SimpleNamespace(max_seq_length=length, tokenizer=tokenizer, _modules={"0": net}), embed=None
    )


_ST_CHANGES: list[dict[str, Any]] = [
    {"model": "BAAI/bge-small-en-v1.5"},
    {"revision": "abc"},
    {"backend": "onnx"},
    {"truncate_dim": 64},
    {"normalize_embeddings": True},
    {"precision": "binary"},
    {"trust_remote_code": True},
    {"model_kwargs": {"torch_dtype": "torch.float16"}},
    {"tokenizer_kwargs": {"model_max_length": 64}},
    {"config_kwargs": {"x": 1}},
    {"encode_kwargs": {"prompt": "query: "}},
    {"precision": "int8", "quantization_ranges": [[0.0, 1.0], [1.0, 2.0]]},
    {"precision": "int8", "quantization_ranges": [[0.0, 1.0], [1.0, 3.0]]},
    {"embedding_backend": _loaded(64)},
]
_ST_KEEPS: list[dict[str, Any]] = [
    {"model": "all-MiniLM-L6-v2"},
    {"revision": "main"},
    {"device": SimpleNamespace()},
    {"token": TOKEN},
    {"local_files_only": True},
    {"encode_kwargs": {"show_progress_bar": False}},
    {"embedding_backend": _loaded()},
]
_PARAMS = {
    "model": "m",
    "token": TOKEN,
    "normalize_embeddings": True,
    "onnx_execution_provider": "CPUExecutionProvider",
    **dict.fromkeys(["pooling_mode", "model_kwargs", "optimizer_settings", "quantizer_settings", "working_dir"]),
}


@dataclass(frozen=True)
class _Quantizer:
    mode: str
    per_channel: bool = False


def _voyage_clients(url: str) -> dict[str, Any]:
    return {name: SimpleNamespace(_params={"base_url": url}) for name in ("__client", "__async_client")}


_NVIDIA_URL = "https://integrate.api.nvidia.com/v1"
_BACKEND = SimpleNamespace(model="m", api_url="https://ai.api.nvidia.com/v1/m", model_kwargs={"truncate": "END"})
_GOOGLE_TASK = '?task="TASK_TYPE_UNSPECIFIED"'
_FASTEMBED = "fastembed/BAAI/bge-small-en-v1.5"

KNOWN: dict[str, Known] = {
    **pair(
        "openai",
        _maker,
        f"{HAYSTACK}.OpenAI",
        "openai/text-embedding-3-small",
        _OPENAI_CHANGES,
        _OPENAI_KEEPS,
        model="text-embedding-3-small",
        api_key=TOKEN,
    ),
    **pair(
        "azure",
        _maker,
        f"{HAYSTACK}.AzureOpenAI",
        'azure-openai/ada?endpoint="https://x.openai.azure.com"',
        [{"azure_endpoint": "https://y.openai.azure.com"}, {"azure_deployment": "other"}, {"dimensions": 256}],
        [
            {"azure_endpoint": "https://x.openai.azure.com"},
            {"api_key": None, "azure_ad_token": TOKEN},
            {"api_version": "2024-10-21"},
            {"default_headers": {"Authorization": SECRET}},
            {"azure_ad_token_provider": lambda: SECRET},
            {"_client": at("https://x.openai.azure.com/openai/deployments/ada/")},
        ],
        azure_deployment="ada",
        **_AZURE,
    ),
    **pair(
        "mock",
        _maker,
        f"{HAYSTACK}.Mock",
        "haystack/MockEmbedder?dimensions=768",
        [
            {"dimension": 8},
            {"embedding": [1.0, 2.0]},
            {"embedding": [1.0, 3.0]},
            {"embedding_fn": classes.first_letter},
        ],
        [{"model": "other"}, {"meta": {"a": 1}}, {"_is_warmed_up": True}],
        without="batch_size",
    ),
    **pair(
        "mistral",
        _maker,
        f"{INTEGRATIONS}.mistral.Mistral",
        "mistral/mistral-embed",
        [*_COMPATIBLE, {"_dimensions": 64}, {"api_base_url": None}],
        [{"api_key": Secret.from_env_var("ANOTHER")}, {"timeout": 2.0}, {"_client": at("https://api.mistral.ai/v1/")}],
        api_key=TOKEN,
    ),
    **pair(
        "edenai",
        _stand_in,
        f"{INTEGRATIONS}.edenai.EdenAI",
        'openai/openai/text-embedding-3-small?endpoint="https://api.edenai.run/v3"',
        _COMPATIBLE,
        model="openai/text-embedding-3-small",
        api_base_url="https://api.edenai.run/v3",
    ),
    **pair(
        "perplexity",
        _stand_in,
        f"{INTEGRATIONS}.perplexity.Perplexity",
        'openai/p?endpoint="https://api.perplexity.ai/v1"&model_kwargs={"encoding_format":"base64_int8"}',
        [*_COMPATIBLE, {"encoding_format": "base64_binary"}],
        model="p",
        encoding_format="base64_int8",
        api_base_url="https://api.perplexity.ai/v1",
    ),
    **pair(
        "vllm",
        _stand_in,
        f"{INTEGRATIONS}.vllm.VLLM",
        'openai/m?endpoint="http://localhost:8000/v1"',
        [*_COMPATIBLE, {"dimensions": 64}, {"extra_parameters": {"truncate_prompt_tokens": 9}}],
        [{"api_key": TOKEN}, {"extra_parameters": None}],
        model="m",
        api_base_url="http://localhost:8000/v1",
    ),
    **pair(
        "cohere",
        _maker,
        f"{INTEGRATIONS}.cohere.Cohere",
        "cohere/embed-v4.0",
        [
            {"model": "other"},
            {"truncate": "START"},
            {"input_type": "classification"},
            {"api_base_url": "https://proxy.example"},
            {"_embedding_type": SimpleNamespace(value="int8")},
            {"_embedding_type": "binary"},
        ],
        [{"api_key": Secret.from_env_var("ANOTHER")}, {"timeout": 3.0}, {"api_base_url": "https://api.cohere.com/"}],
        symmetric=False,
        affixes=False,
        model="embed-v4.0",
        api_key=TOKEN,
    ),
    **pair(
        "voyage",
        _maker,
        f"{INTEGRATIONS}.voyage_embedders.Voyage",
        'voyage/voyage-3?input_type="none"',
        [
            {"model": "voyage-4"},
            {"truncate": False},
            {"output_dimension": 256},
            {"output_dtype": "int8"},
            {"input_type": "query"},
            {"input_type": "document"},
            _voyage_clients("https://proxy.example/v1"),
        ],
        [
            {"timeout": 3},
            {"max_retries": 3},
            _voyage_clients("https://api.voyageai.com/v1"),
            _voyage_clients("https://ai.mongodb.com/v1"),
        ],
        model="voyage-3",
        api_key=TOKEN,
        without="meta_fields_to_embed",
    ),
    **pair(
        "bedrock",
        _maker,
        f"{INTEGRATIONS}.amazon_bedrock.AmazonBedrock",
        "bedrock/amazon.titan-embed-text-v2:0",
        [
            {"model": "amazon.titan-embed-text-v1"},
            {"dimensions": 256},
            {"normalize": False},
            {"__client": SimpleNamespace(meta=SimpleNamespace(endpoint_url="https://proxy.example"))},
        ],
        [
            {"aws_access_key_id": TOKEN, "aws_secret_access_key": TOKEN},
            {"aws_region_name": "eu-west-1"},
            {"boto3_config": {"read_timeout": 3}},
            {"input_type": "search_query"},
            {"__client": SimpleNamespace(meta=SimpleNamespace(endpoint_url="https://bedrock.eu-west-1.amazonaws.com"))},
        ],
        affixes=False,
        model="amazon.titan-embed-text-v2:0",
    ),
    **pair(
        "google",
        _maker,
        f"{INTEGRATIONS}.google_genai.GoogleGenAI",
        f"google-genai/gemini-embedding-001{_GOOGLE_TASK}",
        [
            {"model": "other"},
            {"api": "vertex"},
            {"config": {"output_dimensionality": 64}},
            {"config": {"task_type": "RETRIEVAL_QUERY"}},
            {"config": {"task_type": "RETRIEVAL_DOCUMENT"}},
            {"config": {"http_options": {"base_url": "https://proxy.example"}}},
            {"config": {"http_options": {"extra_body": {"a": 1}}}},
        ],
        [
            {"api_key": Secret.from_env_var("ANOTHER")},
            {"vertex_ai_project": "p"},
            {"timeout": 3.0},
            {"config": {"http_options": {"timeout": 3}}},
        ],
        api_key=TOKEN,
        model="gemini-embedding-001",
    ),
    **pair(
        "vertex",
        _stand_in,
        f"{INTEGRATIONS}.google_vertex.VertexAI",
        'google-vertex/text-embedding-005?service="prediction"&task="CLUSTERING"',
        [{"model": "m"}, {"task_type": "RETRIEVAL_QUERY"}, {"task_type": "RETRIEVAL_DOCUMENT"}, {"truncate_dim": 9}],
        [{"gcp_project_id": TOKEN}, {"max_tokens_total": 9}],
        model="text-embedding-005",
        task_type="CLUSTERING",
    ),
    **pair(
        "jina",
        _maker,
        f"{INTEGRATIONS}.jina.Jina",
        "jina/jina-embeddings-v3",
        [
            {"model": "other"},
            {"task": "text-matching"},
            {"dimensions": 64},
            {"base_url": "https://proxy.example/embeddings"},
        ],
        [{"api_key": Secret.from_token("another")}, {"late_chunking": False}],
        api_key=TOKEN,
    ),
    **pair(
        "nvidia",
        _maker,
        f"{INTEGRATIONS}.nvidia.Nvidia",
        'nvidia/m?truncate="default"',
        [{"model": "other"}, {"truncate": "END"}, {"api_url": "http://localhost:8080/v1"}, {"_backend": _BACKEND}],
        [{"timeout": 3.0}, {"api_key": Secret.from_token("another")}],
        symmetric=False,
        model="m",
        api_key=TOKEN,
        api_url=_NVIDIA_URL,
    ),
    **pair(
        "ollama",
        _maker,
        f"{INTEGRATIONS}.ollama.Ollama",
        "ollama/nomic-embed-text",
        [{"model": "other"}, {"url": "http://other:11434"}, {"dimensions": 64}],
        [
            {"model": "nomic-embed-text:latest"},
            {"url": "http://127.0.0.1:11434"},
            {"timeout": 3},
            {"keep_alive": "1h"},
            {"generation_kwargs": {"seed": 1}},
        ],
        affixes=False,
    ),
    **pair(
        "huggingface-serverless",
        _maker,
        f"{INTEGRATIONS}.huggingface_api.HuggingFaceAPI",
        "huggingface-inference/BAAI/bge-small-en-v1.5",
        [{"api_params": {"model": "other"}}],
        [{"truncate": False}, {"normalize": True}, {"token": None}],
        api_type="serverless_inference_api",
        api_params={"model": "BAAI/bge-small-en-v1.5"},
        token=TOKEN,
    ),
    **pair(
        "huggingface-server",
        _maker,
        f"{INTEGRATIONS}.huggingface_api.HuggingFaceAPI",
        "huggingface-inference/http://localhost:8080?normalize=false&truncate=true",
        [{"api_params": {"url": "http://localhost:8081"}}, {"truncate": False}, {"normalize": True}],
        [{"token": None}, {"api_type": "inference_endpoints"}],
        **_TEI,
    ),
    **pair(
        "watsonx",
        _stand_in,
        f"{INTEGRATIONS}.watsonx.Watsonx",
        "watsonx/ibm/slate",
        [{"model": "other"}, {"truncate_input_tokens": 9}, {"api_base_url": "https://watsonx.example"}],
        [{"api_base_url": "https://eu-de.ml.cloud.ibm.com"}, {"project_id": TOKEN}],
        model="ibm/slate",
        api_base_url="https://us-south.ml.cloud.ibm.com",
        embedder=None,
        without="batch_size",
    ),
    **pair(
        "twelvelabs", _stand_in, f"{INTEGRATIONS}.twelvelabs.TwelveLabs", "twelvelabs/m", [{"model": "n"}], model="m"
    ),
    **pair(
        "sentence-transformers",
        _stand_in,
        f"{INTEGRATIONS}.sentence_transformers.SentenceTransformers",
        "sentence-transformers/all-MiniLM-L6-v2",
        _ST_CHANGES,
        _ST_KEEPS,
        **_ST,
    ),
    **pair(
        "sentence-transformers-2.x",
        _stand_in,
        f"{HAYSTACK}.SentenceTransformers",
        "sentence-transformers/all-MiniLM-L6-v2",
        _ST_CHANGES,
        _ST_KEEPS,
        **_ST,
    ),
    **pair(
        "fastembed",
        _maker,
        f"{INTEGRATIONS}.fastembed.Fastembed",
        {"Text": f'{_FASTEMBED}?query_method="embed"', "Document": _FASTEMBED},
        [{"model": "other"}, {"model_kwargs": {"specific_model_path": "there"}}],
        [
            {"cache_dir": "there"},
            {"threads": 2},
            {"parallel": 2},
            {"local_files_only": True},
            {"model_kwargs": {"providers": ["CPUExecutionProvider"], "cuda": False}},
        ],
        symmetric=False,
    ),
    **pair(
        "optimum",
        _stand_in,
        f"{INTEGRATIONS}.optimum.Optimum",
        "optimum/m",
        [
            {"_params.model": "other"},
            {"_params.normalize_embeddings": False},
            {"_params.pooling_mode": "cls"},
            {"_params.onnx_execution_provider": "CUDAExecutionProvider"},
            {"_params.model_kwargs": {"revision": "abc"}},
            {"_params.quantizer_settings": _Quantizer("avx2")},
            {"_params.quantizer_settings": _Quantizer("avx2", per_channel=True)},
        ],
        [
            {"_params.working_dir": "there"},
            {"_params.model_kwargs": {"model_id": "m", "token": SECRET, "provider": "CPUExecutionProvider"}},
        ],
        _params=SimpleNamespace(**_PARAMS),
        _backend=None,
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_and_roles(name: str) -> None:
    known = KNOWN[name]
    component = known.make()
    description = describe(component)
    assert description.identity is not None
    assert description.identity.namespace == known.namespace
    assert description.identity.symmetric is known.symmetric
    assert (description.not_cacheable, description.whole_up_to, description.effective_text) == ("", None, None)
    assert describer.how_known(component) == "exactly"
    assert pickle.loads(pickle.dumps(description)) == description


@pytest.mark.parametrize("name", KNOWN)
def test_settings(name: str) -> None:
    """What changes vectors changes the namespace, nothing else does, and the fingerprint tells without describing."""
    known = KNOWN[name]
    plain = describe(known.make())
    seen = [(fingerprint(known.make()), plain)]
    for settings in (*known.changes, *known.keeps):
        component = known.make(**settings)
        state, description = fingerprint(component), describe(component)
        assert description.identity is not None
        if settings in known.keeps:
            assert description == plain, settings
        else:
            assert description.identity.namespace != known.namespace, settings
        assert SECRET not in str(description), settings
        assert all(description == other for earlier, other in seen if earlier == state), settings
        seen.append((state, description))
    namespaces = [str(description.identity) for _, description in seen if description != plain]
    # No two of the changes look alike but for the two ways to name a proxy.
    assert len(namespaces) - len(set(namespaces)) <= 1


@pytest.mark.parametrize("name", KNOWN)
def test_asking_has_no_side_effects(name: str) -> None:
    """No attribute changes, no client is built, no model is loaded."""
    component = KNOWN[name].make()
    before = dict(vars(component))
    copies = {key: copy.deepcopy(value) for key, value in before.items() if isinstance(value, dict | list)}
    assert fingerprint(component) == fingerprint(component)
    describe(component)
    assert vars(component) == before
    assert all(vars(component)[key] == value for key, value in copies.items())


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [("openai-Document", 100, 1000), ("openai-Document", 2000, 2000), ("google-Document", 100, 1000)],
)
def test_sub_batches_are_whole_requests(name: str, size: int, expected: int) -> None:
    assert sub_batch(KNOWN[name].make(batch_size=size)) == expected
    assert sub_batch(KNOWN[name].make()) == 1024


# -- the same model through other frameworks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ours", "adapter", "path", "theirs"),
    [
        ("openai-Text", {}, "langchain", "langchain_openai.OpenAIEmbeddings", {"model": "text-embedding-3-small"}),
        ("openai-Document", {"dimensions": 9}, "langchain", "langchain_openai.OpenAIEmbeddings", {"dimensions": 9}),
        ("openai-Document", {}, "llamaindex", "llama_index.embeddings.openai.OpenAIEmbedding", {}),
        ("cohere-Text", {}, "langchain", "langchain_cohere.CohereEmbeddings", {"model": "embed-v4.0"}),
        ("cohere-Document", {}, "llamaindex", "llama_index.embeddings.cohere.CohereEmbedding", {}),
        ("ollama-Document", {}, "langchain", "langchain_ollama.OllamaEmbeddings", {"model": "nomic-embed-text"}),
        ("mistral-Text", {}, "llamaindex", "llama_index.embeddings.mistralai.MistralAIEmbedding", {}),
        (
            "google-Document",
            {"config": {"task_type": "RETRIEVAL_DOCUMENT"}},
            "langchain",
            "langchain_google_genai.GoogleGenerativeAIEmbeddings",
            {"model": "models/gemini-embedding-001"},
        ),
        (
            "google-Text",
            {"config": {"task_type": "RETRIEVAL_QUERY"}},
            "llamaindex",
            "llama_index.embeddings.google_genai.GoogleGenAIEmbedding",
            {"model_name": "gemini-embedding-001"},
        ),
        ("voyage-Text", {"input_type": "query"}, "langchain", "langchain_voyageai.VoyageAIEmbeddings", {}),
        ("voyage-Document", {"input_type": "document"}, "langchain", "langchain_voyageai.VoyageAIEmbeddings", {}),
        (
            "nvidia-Document",
            {"truncate": "NONE", "model": "nvidia/nv-embed-v1"},
            "langchain",
            "langchain_nvidia_ai_endpoints.NVIDIAEmbeddings",
            {"model": "nvidia/nv-embed-v1"},
        ),
        (
            "huggingface-serverless-Text",
            {},
            "langchain",
            "langchain_huggingface.HuggingFaceEndpointEmbeddings",
            {"model": "BAAI/bge-small-en-v1.5"},
        ),
    ],
)
def test_other_frameworks_have_the_same_identity(
    name: str, ours: dict[str, Any], adapter: str, path: str, theirs: dict[str, Any]
) -> None:
    keys = {
        "langchain_openai": "api_key",
        "langchain_cohere": "cohere_api_key",
        "langchain_google_genai": "google_api_key",
        "langchain_voyageai": "api_key",
        "langchain_nvidia_ai_endpoints": "api_key",
        "langchain_huggingface": "huggingfacehub_api_token",
    }
    package = path.rpartition(".")[0]
    key = keys.get(package, "" if "ollama" in package else "api_key")
    given = {**({"model": "voyage-3"} if "voyage" in package else {}), **({key: SECRET} if key else {}), **theirs}
    if path.endswith("langchain_openai.OpenAIEmbeddings"):
        given["model"] = "text-embedding-3-small"
    if path.endswith("OpenAIEmbedding"):
        given["model"] = "text-embedding-3-small"
    if path.endswith("CohereEmbedding"):
        given["model_name"] = "embed-v4.0"
    other = _maker(path, **given)()
    module = {
        "langchain": "langchain_embedonce.identities",
        "llamaindex": "llama_index.embeddings.embedonce.identities",
    }[adapter]
    theirs_described = pytest.importorskip(module).describer.describe(other)
    identity = describe(KNOWN[name].make(**ours)).identity
    assert identity is not None
    assert identity == theirs_described.identity


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
        describe(make(model="other", embedding_backend=_loaded()))
    lowered = make(tokenizer_kwargs={"model_max_length": 64}, embedding_backend=_loaded(64))
    assert namespace(lowered) == namespace(make(tokenizer_kwargs={"model_max_length": 64}))


def test_fastembed_model_of_a_program_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    custom = pytest.importorskip("fastembed.text.custom_text_embedding").CustomTextEmbedding
    monkeypatch.setattr(custom, "SUPPORTED_MODELS", [SimpleNamespace(model="Mine")])
    with pytest.raises(IdentityError, match="registered by a program"):
        describe(KNOWN["fastembed-Text"].make(model="mine"))


# -- not cacheable -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_stand_in(f"{INTEGRATIONS}.voyage_embedders.VoyageContextualizedDocumentEmbedder"), "contextualised"),
        (_maker(f"{INTEGRATIONS}.voyage_embedders.VoyageDocumentEmbedder", model="voyage-context-3"), "contextualised"),
        (_maker(f"{INTEGRATIONS}.jina.JinaDocumentEmbedder", api_key=TOKEN, late_chunking=True), "late chunking"),
        (_stand_in(f"{HAYSTACK}.SentenceTransformersDocumentEmbedder", **{**_ST, "precision": "int8"}), "batch"),
        (_stand_in(f"{INTEGRATIONS}.cohere.CohereDocumentImageEmbedder"), "files"),
        (_maker(f"{INTEGRATIONS}.fastembed.FastembedSparseTextEmbedder"), "sparse"),
        (_stand_in(f"{INTEGRATIONS}.huggingface_api.HuggingFaceTEISparseDocumentEmbedder"), "sparse"),
        (lambda: MockTextEmbedder(embedding_fn=lambda _: [1.0]), "embedding_fn"),
        (classes.Flushable, "late chunking"),
        (classes.Images, "files"),
        (lambda: classes.Outer(classes.Flushable()), "late chunking"),
    ],
)
def test_not_cacheable(make: Callable[[], Any], reason: str) -> None:
    description = describe(make())
    assert description.identity is None
    assert reason in description.not_cacheable


# -- unknown components and subclasses -----------------------------------------------------------------------------


def _super_component(document_embedder: Any, name: str = "embedder") -> Any:
    pipeline = Pipeline()
    pipeline.add_component(name, document_embedder)
    return SuperComponent(
        pipeline=pipeline,
        input_mapping={"documents": [f"{name}.documents"]},
        output_mapping={f"{name}.documents": "documents"},
    )


def _openai(**settings: Any) -> Any:
    return OpenAIDocumentEmbedder(**{"api_key": TOKEN, "model": "m", **settings})


@pytest.mark.parametrize(
    ("make", "settings", "is_other"),
    [
        (classes.Plain, {"model": "n"}, True),
        (classes.Plain, {"depth": 2}, True),
        (classes.Plain, {"depth": 0}, True),
        (classes.Plain, {"token": TOKEN}, False),
        (classes.Plain, {"token": Secret.from_env_var("ANY")}, False),
        (classes.Plain, {"batch_size": 9}, False),
        (classes.Private, {"model": "n"}, True),
        (classes.Changing, {"options": {"a": 1}}, True),
        (classes.Further, {"layer": 2}, True),
        (classes.MyMock, {"tone": "y"}, True),
        (classes.MyMock, {"dimension": 9}, True),
        (classes.MyMock, {"prefix": "p: "}, True),
        (classes.MyMock, {"model": "n"}, False),
        (lambda **given: _super_component(_openai(**given)), {"model": "n"}, True),
        (lambda **given: _super_component(_openai(**given)), {"prefix": "p"}, True),
        (lambda **given: _super_component(_openai(**given)), {"timeout": 9.0}, False),
        (lambda **given: _super_component(_openai(**given), "client"), {"model": "n"}, True),
        (lambda **given: classes.Outer(_openai(**given)), {"dimensions": 9}, True),
        (lambda **given: classes.Outer(classes.Private(**given)), {"model": "n"}, True),
        (lambda **given: _super_component(classes.Further(**given)), {"layer": 2}, True),
    ],
)
def test_settings_of_components_that_are_not_known(
    make: Callable[..., Any], settings: dict[str, Any], is_other: bool
) -> None:
    plain, changed = make(), make(**settings)
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
    plain = classes.Plain(token=TOKEN)
    before = dict(vars(plain))
    describe(plain)
    assert vars(plain) == before
    assert plain.token is TOKEN


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (classes.Hidden("n"), "leaves `model` out"),
        (classes.Rest("n", layer=2), "init parameter 'more'"),
        (classes.Nameless(), "no field names its model"),
        (classes.Changing(options=object()), "AttributeError"),
        (classes.Plain(model=object()), "unsupported value of type 'object'"),
        (classes.Outer(MockDocumentEmbedder(embedding_fn=lambda _: [1.0])), "cannot be written down"),
        (classes.Outer(classes.Hidden("n")), "leaves `model` out"),
    ],
)
def test_component_that_cannot_be_described(component: object, reason: str) -> None:
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
    other = _stand_in("haystack_integrations.components.embedders.acme.CohereTextEmbedder", model="m")()
    assert describer.how_known(other) == "not"
    assert describer.how_known(KNOWN["cohere-Text"].make()) == "exactly"
    assert describer.how_known(classes.MyMock()) == "as a subclass"


def test_documents_are_not_needed() -> None:
    """The identity of a component does not change by what it has embedded."""
    component = MockDocumentEmbedder(dimension=4)
    before = describe(component), fingerprint(component)
    component.run([Document(content="a")])
    assert (describe(component), fingerprint(component)) == before
