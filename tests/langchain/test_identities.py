"""What tells LangChain embedders apart, and what does not."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import unquote

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings, FakeEmbeddings
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from embedonce.errors import IdentityError
from embedonce.identification.rows import Description
from embedonce.identity import Identity
from embedonce.settings import OPERATIONAL
from langchain_embedonce.identities import describer

# The last one: langchain-community warns at its import that it is being retired.
pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*langchain-community.*:DeprecationWarning"),
]

describe, fingerprint, sub_batch = describer.describe, describer.fingerprint, describer.sub_batch

SECRET = "s3cr3t-0123456789"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI", "AZURE_", "HF_", "OLLAMA", "CO_", "GOOGLE", "AWS", "NVIDIA", "ATLAS", "NOMIC")):
            monkeypatch.delenv(name)
    # Neither a configuration in the home directory nor the address of a machine in the cloud.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


def namespace(embedder: object) -> str:
    identity = describe(embedder).identity
    assert identity is not None
    return identity.namespace


# -- constructors --------------------------------------------------------------------------------------------------


def openai(**settings: Any) -> Any:
    from langchain_openai import OpenAIEmbeddings

    return OpenAIEmbeddings(**{"model": "text-embedding-3-small", "api_key": SECRET, **settings})


def azure(**settings: Any) -> Any:
    from langchain_openai import AzureOpenAIEmbeddings

    defaults = {"azure_endpoint": "https://r.openai.azure.com/", "azure_deployment": "large", "api_key": SECRET}
    return AzureOpenAIEmbeddings(**{**defaults, **settings})


def sentence_transformers(**settings: Any) -> Any:
    from langchain_huggingface import HuggingFaceEmbeddings

    # The constructor would load the model.
    return HuggingFaceEmbeddings.model_construct(**settings)


def huggingface(**settings: Any) -> Any:
    from langchain_huggingface import HuggingFaceEndpointEmbeddings

    return HuggingFaceEndpointEmbeddings(**{"huggingfacehub_api_token": SECRET, **settings})


def ollama(**settings: Any) -> Any:
    from langchain_ollama import OllamaEmbeddings

    return OllamaEmbeddings(**{"model": "nomic-embed-text", **settings})


def cohere(**settings: Any) -> Any:
    from langchain_cohere import CohereEmbeddings

    return CohereEmbeddings(**{"model": "embed-english-v3.0", "cohere_api_key": SECRET, **settings})


def mistral(**settings: Any) -> Any:
    from langchain_mistralai import MistralAIEmbeddings
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    return MistralAIEmbeddings(**{"api_key": SECRET, "tokenizer": Tokenizer(BPE()), **settings})


def google(**settings: Any) -> Any:
    from langchain_google_genai import GoogleGenerativeAIEmbeddings

    return GoogleGenerativeAIEmbeddings(**{"model": "gemini-embedding-001", "api_key": SECRET, **settings})


def bedrock(**settings: Any) -> Any:
    from langchain_aws import BedrockEmbeddings

    defaults = {"region_name": "us-east-1", "aws_access_key_id": SECRET, "aws_secret_access_key": SECRET}
    return BedrockEmbeddings(**{**defaults, **settings})


def voyage(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_voyageai")
    return module.VoyageAIEmbeddings(**{"model": "voyage-3.5", "api_key": SECRET, **settings})


def nomic(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_nomic")
    # Without a key: the constructor would write it to the home directory.
    return module.NomicEmbeddings(**{"model": "nomic-embed-text-v1.5", **settings})


def fireworks(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_fireworks")
    return module.FireworksEmbeddings(**{"api_key": SECRET, **settings})


def nvidia(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_nvidia_ai_endpoints")
    return module.NVIDIAEmbeddings(**{"model": "nvidia/nv-embedqa-e5-v5", "api_key": SECRET, **settings})


def stand_in(package: str, name: str, **fields: Any) -> Any:
    """Return an object of a class that looks like that of a package that is not installed."""
    kind = type(name, (), {"__module__": f"{package}.embeddings"})
    embedder = kind()
    vars(embedder).update(fields)
    return embedder


def upstage(**settings: Any) -> Any:
    defaults = {"model": "embedding", "upstage_api_base": "https://api.upstage.ai/v1/solar", "upstage_api_key": SECRET}
    return stand_in("langchain_upstage", "UpstageEmbeddings", **{**defaults, **settings})


def vertex(**settings: Any) -> Any:
    return stand_in(
        "langchain_google_vertexai", "VertexAIEmbeddings", **{"model_name": "text-embedding-005", **settings}
    )


def azure_ai(**settings: Any) -> Any:
    defaults = {"endpoint": "https://r.services.ai.azure.com/models", "model_name": "embed-v3", "credential": SECRET}
    return stand_in("langchain_azure_ai", "AzureAIEmbeddingsModel", **{**defaults, **settings})


def bge(**settings: Any) -> Any:
    defaults = {"model_name": "BAAI/bge-small-en", "embed_instruction": "", "query_instruction": "Find: "}
    return stand_in("langchain_community", "HuggingFaceBgeEmbeddings", **{**defaults, **settings})


def ipex_bge(**settings: Any) -> Any:
    return stand_in("langchain_community", "IpexLLMBgeEmbeddings", **vars(bge(**settings)))


def instructor(**settings: Any) -> Any:
    defaults = {"model_name": "hkunlp/instructor-large", "embed_instruction": "D: ", "query_instruction": "Q: "}
    return stand_in("langchain_community", "HuggingFaceInstructEmbeddings", **{**defaults, **settings})


def openvino(**settings: Any) -> Any:
    return stand_in("langchain_community", "OpenVINOEmbeddings", **{"model_name_or_path": "BAAI/bge-m3", **settings})


def openvino_bge(**settings: Any) -> Any:
    defaults = {"model_name_or_path": "BAAI/bge-m3", "embed_instruction": "", "query_instruction": "Find: "}
    return stand_in("langchain_community", "OpenVINOBgeEmbeddings", **{**defaults, **settings})


def fastembed(**settings: Any) -> Any:
    defaults = {"model_name": "BAAI/bge-small-en-v1.5", "max_length": 512, "doc_embed_type": "default"}
    return stand_in("langchain_community", "FastEmbedEmbeddings", **{**defaults, "model": object(), **settings})


@dataclass(frozen=True)
class Known:
    """A known class: what it is in its default setup, and how its settings count."""

    make: Callable[..., Any]
    namespace: str
    symmetric: bool
    changes: list[dict[str, Any]]
    keeps: list[dict[str, Any]]
    batch: int = 1024


KNOWN = {
    "openai": Known(
        openai,
        "openai/text-embedding-3-small",
        True,
        [
            {"model": "text-embedding-3-large"},
            {"dimensions": 256},
            {"model_kwargs": {"extra_body": {"input_type": "query"}}},
            {"base_url": "http://localhost:8000/v1"},
            {"default_query": {"pool": "cls"}},
            {"embedding_ctx_length": 512},
            {"tiktoken_model_name": "gpt-4o"},
            {"tiktoken_enabled": False},
            {"allowed_special": "all"},
        ],
        [
            {"api_key": "another"},
            {"organization": "org"},
            {"chunk_size": 10},
            {"max_retries": 9},
            {"timeout": 1.5},
            {"default_headers": {"Authorization": SECRET}},
            {"show_progress_bar": True},
            {"deployment": "ignored"},
            {"base_url": "https://api.openai.com/v1/"},
            {"default_query": {"api-version": "2024"}},
            {"tiktoken_model_name": "text-embedding-ada-002"},
            {"check_embedding_ctx_length": False},
            {"model_kwargs": {"user": "me", "encoding_format": "float"}},
            {"disallowed_special": "all"},
            {"skip_empty": True},
        ],
        1000,
    ),
    "azure": Known(
        azure,
        'azure-openai/large?endpoint="https://r.openai.azure.com"',
        True,
        [
            {"azure_deployment": "ada"},
            {"azure_endpoint": "https://other.openai.azure.com"},
            {"dimensions": 256},
            {"model_kwargs": {"extra_body": {"x": 1}}},
            {"model": "cohere-embed-v3"},
        ],
        [
            {"model": "text-embedding-3-large"},
            {"api_key": "another"},
            {"api_version": "2024-10-21"},
            {"chunk_size": 16},
            {"azure_ad_token": SECRET},
            {"azure_endpoint": "https://R.openai.azure.com:443"},
        ],
        2048,
    ),
    "sentence-transformers": Known(
        sentence_transformers,
        "sentence-transformers/all-mpnet-base-v2",
        True,
        [
            {"model_name": "BAAI/bge-small-en-v1.5"},
            {"model_kwargs": {"revision": "abc"}},
            {"model_kwargs": {"trust_remote_code": True}},
            {"model_kwargs": {"backend": "onnx"}},
            {"model_kwargs": {"truncate_dim": 64}},
            {"model_kwargs": {"prompts": {"query": "q: "}}},
            {"model_kwargs": {"default_prompt_name": "query"}},
            {"model_kwargs": {"model_kwargs": {"dtype": "float16"}}},
            {"encode_kwargs": {"normalize_embeddings": True}},
            {"encode_kwargs": {"prompt": "query: "}},
            {"encode_kwargs": {"prompt_name": "query"}},
            {"encode_kwargs": {"precision": "binary"}},
            {"encode_kwargs": {"truncate_dim": 64}},
            {"query_encode_kwargs": {"prompt": "query: "}},
        ],
        [
            {"model_name": "all-mpnet-base-v2"},
            {"cache_folder": "/tmp/models"},
            {"show_progress": True},
            {"model_kwargs": {"device": "cuda", "token": SECRET, "local_files_only": True}},
            {"model_kwargs": {"revision": "main", "backend": "torch", "trust_remote_code": False}},
            {"encode_kwargs": {"batch_size": 8, "normalize_embeddings": False, "precision": "float32"}},
            {"query_encode_kwargs": {"batch_size": 1}},
            {"multi_process": True, "encode_kwargs": {"normalize_embeddings": True}},
        ],
    ),
    "huggingface": Known(
        huggingface,
        "huggingface-inference/sentence-transformers/all-mpnet-base-v2",
        True,
        [
            {"model": "BAAI/bge-m3"},
            {"repo_id": "BAAI/bge-m3"},
            {"provider": "sambanova"},
            {"model_kwargs": {"normalize": True}},
            {"model_kwargs": {"truncate": True}},
            {"model_kwargs": {"prompt_name": "query"}},
            {"model_kwargs": {"model": "BAAI/bge-m3"}},
        ],
        [{"huggingfacehub_api_token": "another"}, {"provider": "auto"}, {"model_kwargs": {}}],
    ),
    "ollama": Known(
        ollama,
        "ollama/nomic-embed-text",
        True,
        [
            {"model": "nomic-embed-text:v1.5"},
            {"dimensions": 64},
            {"num_ctx": 8192},
            {"base_url": "http://10.0.0.1:11434"},
            {"base_url": "http://localhost:9999"},
        ],
        [
            {"model": "nomic-embed-text:latest"},
            {"keep_alive": 5},
            {"num_gpu": 1},
            {"num_thread": 2},
            {"temperature": 0.5},
            {"client_kwargs": {"headers": {"Authorization": SECRET}}},
            {"base_url": f"http://user:{SECRET}@127.0.0.1:11434/"},
        ],
    ),
    "cohere": Known(
        cohere,
        "cohere/embed-english-v3.0",
        False,
        [
            {"model": "embed-v4.0"},
            {"truncate": "NONE"},
            {"embedding_types": ["int8"]},
            {"base_url": "https://proxy.example/cohere"},
        ],
        [
            {"cohere_api_key": "another"},
            {"max_retries": 1},
            {"request_timeout": 3.0},
            {"user_agent": "me"},
            {"truncate": "END"},
            {"base_url": "https://api.cohere.com/v1"},
        ],
        960,
    ),
    "mistral": Known(
        mistral,
        "mistral/mistral-embed",
        True,
        [{"model": "codestral-embed"}, {"endpoint": "https://proxy.example/v1"}],
        [
            {"api_key": "another"},
            {"max_retries": 1},
            {"timeout": 3},
            {"wait_time": 1},
            {"max_concurrent_requests": 1},
            {"endpoint": "https://api.mistral.ai/v1"},
        ],
    ),
    "google": Known(
        google,
        "google-genai/gemini-embedding-001",
        False,
        [
            {"model": "gemini-embedding-2"},
            {"task_type": "clustering"},
            {"output_dimensionality": 256},
            {"base_url": "https://proxy.example"},
        ],
        [
            {"model": "models/gemini-embedding-001"},
            {"api_key": "another"},
            {"request_options": {"timeout": 3}},
            {"additional_headers": {"x-goog-api-key": SECRET}},
            {"api_version": "v1"},
        ],
        1000,
    ),
    "bedrock": Known(
        bedrock,
        "bedrock/amazon.titan-embed-text-v1",
        True,
        [
            {"model_id": "amazon.titan-embed-text-v2:0"},
            {"dimensions": 256},
            {"normalize": True},
            {"model_kwargs": {"normalize": False}},
            {"provider": "cohere"},
            {"endpoint_url": "https://proxy.example"},
        ],
        [
            {"region_name": "eu-west-1"},
            {"aws_secret_access_key": "another"},
            {"provider": "amazon"},
            {"endpoint_url": "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"},
        ],
        960,
    ),
    "voyage": Known(
        voyage,
        "voyage/voyage-3.5",
        False,
        [
            {"model": "voyage-3-large"},
            {"output_dimension": 256},
            {"truncation": False},
            {"base_url": "https://proxy.example/v1"},
        ],
        [{"api_key": "another"}, {"batch_size": 7}, {"show_progress_bar": True}],
        1000,
    ),
    "nomic": Known(
        nomic,
        "nomic/nomic-embed-text-v1.5",
        False,
        [{"model": "nomic-embed-text-v1"}, {"dimensionality": 64}, {"inference_mode": "local"}],
        [{"device": "gpu"}, {"vision_model": "nomic-embed-vision-v1.5"}],
    ),
    "fireworks": Known(
        fireworks,
        "fireworks/nomic-ai/nomic-embed-text-v1.5",
        True,
        [{"model": "thenlper/gte-large"}],
        [{"api_key": "another"}],
    ),
    "nvidia": Known(
        nvidia,
        "nvidia/nvidia/nv-embedqa-e5-v5",
        False,
        [{"dimensions": 64}, {"truncate": "END"}, {"base_url": "http://localhost:8000/v1"}],
        [{"api_key": "another"}, {"max_batch_size": 3}, {"default_headers": {"x": SECRET}}],
        1000,
    ),
    "upstage": Known(
        upstage,
        "upstage/embedding",
        False,
        [
            {"model": "solar-embedding-1-large"},
            {"dimensions": 64},
            {"model_kwargs": {"x": 1}},
            {"upstage_api_base": "https://proxy.example/v1"},
        ],
        [{"model": "embedding-query"}, {"embedding_ctx_length": 9}, {"upstage_api_key": "another"}],
        1020,
    ),
    "vertex": Known(
        vertex,
        "google-vertex/text-embedding-005",
        False,
        [{"model_name": "gemini-embedding-001"}, {"dimensions": 64}, {"instance": {"batch_size": 5}}],
        [{"project": "p"}, {"location": "europe-west1"}, {"max_retries": 1}],
        1000,
    ),
    "azure-ai": Known(
        azure_ai,
        'azure-ai/embed-v3?endpoint="https://r.services.ai.azure.com/models"',
        False,
        [{"model_name": "m"}, {"endpoint": "https://x.example"}, {"dimensions": 8}, {"model_kwargs": {"x": 1}}],
        [{"credential": "another"}, {"embed_batch_size": 7}],
    ),
    "bge": Known(
        bge,
        'sentence-transformers/BAAI/bge-small-en?query_prefix="Find: "',
        False,
        [
            {"model_name": "BAAI/bge-large-en"},
            {"query_instruction": "Search: "},
            {"embed_instruction": "Passage: "},
            {"encode_kwargs": {"normalize_embeddings": True}},
            {"model_kwargs": {"revision": "abc"}},
        ],
        [{"model_kwargs": {"device": "cuda"}}, {"cache_folder": "x"}, {"client": SimpleNamespace(backend="torch")}],
    ),
    "ipex-bge": Known(
        ipex_bge,
        'ipex-llm/BAAI/bge-small-en?query_prefix="Find: "',
        False,
        [{"model_kwargs": {"device": "xpu"}}, {"query_instruction": "Search: "}],
        [{"model_kwargs": {"device": "cpu"}}],
    ),
    "instructor": Known(
        instructor,
        'instructor/hkunlp/instructor-large?document_instruction="D: "&query_instruction="Q: "',
        False,
        [{"embed_instruction": "X: "}, {"query_instruction": "X: "}, {"encode_kwargs": {"normalize_embeddings": True}}],
        [{"client": object()}],
    ),
    "openvino": Known(
        openvino,
        "openvino/BAAI/bge-m3",
        True,
        [{"model_name_or_path": "x/y"}, {"encode_kwargs": {"mean_pooling": True}}, {"model_kwargs": {"export": True}}],
        [{"encode_kwargs": {"normalize_embeddings": True, "batch_size": 1}}, {"ov_model": object()}],
    ),
    "openvino-bge": Known(
        openvino_bge,
        'openvino/BAAI/bge-m3?query_prefix="Find: "',
        False,
        [{"query_instruction": "X"}, {"embed_instruction": "X"}],
        [{"tokenizer": object()}],
    ),
    "fastembed": Known(
        fastembed,
        "fastembed/BAAI/bge-small-en-v1.5",
        False,
        [{"model_name": "x/y"}, {"max_length": 256}, {"doc_embed_type": "passage"}],
        [{"threads": 2}, {"cache_dir": "x"}, {"batch_size": 4}],
    ),
}
CHANGES = [(name, change) for name, known in KNOWN.items() for change in known.changes]
KEEPS = [(name, change) for name, known in KNOWN.items() for change in known.keeps]


def _label(value: object) -> str:
    # Not the values: the text of a live object differs from process to process.
    return ",".join(map(str, value)) or "default" if isinstance(value, dict) else str(value)


class Custom:
    """An embedder that nobody knows, with any fields."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update({"model": "acme-1", **fields})


# -- known classes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_default_namespace_is_short_and_owned_by_no_framework(name: str) -> None:
    """Adapters of other frameworks must arrive at the same string, so it must not change by accident."""
    known = KNOWN[name]
    description = describe(known.make())
    assert description.identity is not None
    assert description.identity.namespace == known.namespace
    assert description.identity.symmetric is known.symmetric
    assert description.not_cacheable == ""


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=_label)
def test_settings_that_change_vectors_change_the_namespace_and_the_fingerprint(
    name: str, change: dict[str, Any]
) -> None:
    """Else a vector of another model is served."""
    plain, changed = KNOWN[name].make(), KNOWN[name].make(**change)
    first, second = describe(plain), describe(changed)
    assert first.identity is not None
    assert second.identity is not None
    assert first.identity.namespace != second.identity.namespace
    assert fingerprint(plain) != fingerprint(changed)


@pytest.mark.parametrize(("name", "change"), KEEPS, ids=_label)
def test_operational_settings_keep_the_namespace(name: str, change: dict[str, Any]) -> None:
    """Else changing a key or a batch size pays for everything again."""
    assert namespace(KNOWN[name].make(**change)) == KNOWN[name].namespace


@pytest.mark.parametrize(("name", "change"), [(name, {}) for name in KNOWN] + CHANGES + KEEPS, ids=_label)
def test_no_secret_is_in_an_identity(name: str, change: dict[str, Any]) -> None:
    """Namespaces are stored in the clear."""
    description = describe(KNOWN[name].make(**change))
    assert SECRET not in str(description)
    assert SECRET not in str(description.identity)


@pytest.mark.parametrize("name", KNOWN)
def test_fingerprint_is_stable_and_free_of_side_effects(name: str) -> None:
    """Asking what an embedder is must not change it, and two equal embedders are equal."""
    embedder = KNOWN[name].make()
    before = dict(vars(embedder))
    copies = copy.deepcopy({key: value for key, value in before.items() if isinstance(value, dict | list)})
    assert fingerprint(embedder) == fingerprint(embedder)
    describe(embedder)
    sub_batch(embedder)
    assert vars(embedder) == before
    assert all(vars(embedder)[key] == value for key, value in copies.items())


@pytest.mark.parametrize("name", KNOWN)
def test_equal_fingerprints_mean_equal_descriptions(name: str) -> None:
    """Over all pairs of settings; `describe` is not asked again while the fingerprint stays."""
    known = KNOWN[name]
    made = [known.make(**change) for change in ({}, *known.changes, *known.keeps)]
    seen = [(fingerprint(embedder), describe(embedder)) for embedder in made]
    for fingerprint_one, one in seen:
        for fingerprint_other, other in seen:
            assert fingerprint_one != fingerprint_other or one == other


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (openai, "chunk_size", 7),
        (openai, "max_retries", 7),
        (azure, "openai_api_key", SecretStr("another")),
        (sentence_transformers, "show_progress", True),
        (ollama, "keep_alive", 7),
        (cohere, "user_agent", "me"),
        (mistral, "timeout", 7),
        (google, "request_options", {"timeout": 7}),
        (bedrock, "region_name", "eu-west-1"),
        (Custom, "batch_size", 7),
    ],
)
def test_operational_changes_keep_the_fingerprint(make: Callable[..., Any], field: str, value: Any) -> None:
    """Else each of them would cost a new description at the next call."""
    embedder = make()
    before = fingerprint(embedder)
    setattr(embedder, field, value)
    assert fingerprint(embedder) == before


@pytest.mark.parametrize("name", KNOWN)
def test_descriptions_can_be_pickled(name: str) -> None:
    """Wrapped embedders are sent to worker processes."""
    description = describe(KNOWN[name].make())
    assert pickle.loads(pickle.dumps(description)) == description


@pytest.mark.parametrize("name", KNOWN)
def test_sub_batch_is_a_multiple_of_the_request_size(name: str) -> None:
    """A write after each sub-batch must not make requests smaller."""
    assert sub_batch(KNOWN[name].make()) == KNOWN[name].batch


@pytest.mark.parametrize(
    ("embedder", "expected"),
    [
        (lambda: openai(chunk_size=5000), 5000),
        (lambda: openai(chunk_size=300), 900),
        (lambda: azure(chunk_size=16), 1024),
        (lambda: voyage(batch_size=None), 1000),
        (lambda: sentence_transformers(encode_kwargs={"batch_size": 100}), 1000),
        (lambda: Custom(batch_size=48), 1008),
        (lambda: Custom(batch_size=0), 1024),
        (Custom, 1024),
    ],
)
def test_sub_batch_follows_the_settings(embedder: Callable[[], object], expected: int) -> None:
    """The embedder's own request size wins, also where it is larger."""
    assert sub_batch(embedder()) == expected


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


@pytest.mark.parametrize("name", KNOWN)
def test_fingerprints_of_known_classes_are_quick(name: str) -> None:
    """It is read at every call; the bound is lax because machines that run tests are busy."""
    import timeit

    embedder = KNOWN[name].make()
    assert min(timeit.repeat(lambda: fingerprint(embedder), number=200, repeat=5)) / 200 < 100e-6


# -- particular providers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["OPENAI_API_BASE", "OPENAI_BASE_URL"])
def test_openai_endpoint_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain reads one variable, the client the other; both redirect every request."""
    monkeypatch.setenv(variable, f"http://me:{SECRET}@gpu:8000/v1/?api_key={SECRET}")
    embedder = openai(check_embedding_ctx_length=False)
    expected = 'openai/text-embedding-3-small?endpoint="http://gpu:8000/v1"'
    assert namespace(embedder) == expected
    monkeypatch.delenv(variable)
    # The client keeps the URL that it was built with.
    assert namespace(embedder) == expected
    assert namespace(openai()) == "openai/text-embedding-3-small"


def test_openai_endpoint_without_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the client shows no URL, so the fields and the environment decide, at each call."""
    embedder = openai(client=SimpleNamespace(), async_client=SimpleNamespace())
    before = fingerprint(embedder)
    assert namespace(embedder) == "openai/text-embedding-3-small"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:8000/v1")
    assert fingerprint(embedder) != before
    assert 'endpoint="http://gpu:8000/v1"' in namespace(embedder)


def test_openai_clients_with_different_urls_are_refused() -> None:
    """Else a vector of one server is served for the other."""
    other = openai(base_url="http://localhost:1/v1")
    with pytest.raises(IdentityError, match="different URLs"):
        describe(openai(async_client=other.async_client))


def test_openai_tokens_sent_to_another_server_are_part_of_the_identity() -> None:
    """Another server may look token numbers up in its own vocabulary: not the vector of the text."""
    settings = {"model": "bge-m3", "base_url": "http://gpu/v1"}
    assert namespace(openai(**settings)) == 'openai/bge-m3?endpoint="http://gpu/v1"&tokenizer="tiktoken"'
    assert namespace(openai(**settings, check_embedding_ctx_length=False)) == 'openai/bge-m3?endpoint="http://gpu/v1"'
    assert 'tokenizer="transformers:x/y"' in namespace(
        openai(**settings, tiktoken_enabled=False, tiktoken_model_name="x/y")
    )


def test_openai_texts() -> None:
    """Long texts are averaged; the newest models get newlines as they are."""
    assert describe(openai()).whole_up_to == 8191
    assert describe(openai(embedding_ctx_length=100)).whole_up_to == 100
    assert describe(openai(tiktoken_enabled=False)).whole_up_to == 511
    assert describe(openai(check_embedding_ctx_length=False)).whole_up_to is None
    assert describe(openai()).effective_text is None
    effective = describe(openai(model="text-embedding-001")).effective_text
    assert effective is not None
    assert effective("a\nb") == "a b"
    assert describe(openai(model="x-001", check_embedding_ctx_length=False)).effective_text is None


def test_openai_length_of_vectors_is_known_only_where_the_server_keeps_it() -> None:
    """A compatible server may ignore `dimensions`; its vectors would never be served."""
    identity, elsewhere = (
        describe(openai(dimensions=8, **more)).identity for more in ({}, {"base_url": "http://gpu/v1"})
    )
    assert identity is not None
    assert elsewhere is not None
    assert (identity.dimensions, elsewhere.dimensions) == (8, None)


def test_openai_model_kwargs_override_the_model() -> None:
    """The request takes the model from there."""
    embedder = openai()
    embedder.model_kwargs["model"] = "text-embedding-3-large"
    assert namespace(embedder) == "openai/text-embedding-3-large"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"azure_deployment": None}, "text-embedding-ada-002"),
        ({"azure_deployment": None, "model": "text-embedding-mine"}, "text-embedding-mine"),
        (
            {
                "azure_deployment": None,
                "azure_endpoint": None,
                "base_url": "https://r.openai.azure.com/openai/deployments/large",
            },
            "large",
        ),
    ],
)
def test_azure_deployment(settings: dict[str, Any], expected: str) -> None:
    """Without a deployment, the request goes to the one named like the model; it may also be in the URL."""
    assert namespace(azure(**settings)) == f'azure-openai/{expected}?endpoint="https://r.openai.azure.com"'


def test_azure_deployment_of_a_project_client() -> None:
    """The class for Azure AI Foundry brings its own clients; there the model is the deployment's name."""
    client = SimpleNamespace(
        _client=SimpleNamespace(base_url="https://r.services.ai.azure.com/api/projects/p/openai/v1/")
    )
    embedder = stand_in(
        "langchain_azure_ai", "AzureAIOpenAIApiEmbeddingsModel", client=client, model="text-embedding-3-small"
    )
    expected = 'azure-openai/text-embedding-3-small?endpoint="https://r.services.ai.azure.com/api/projects/p"'
    assert namespace(embedder) == expected


def test_azure_without_an_endpoint_is_refused() -> None:
    """A deployment's name means nothing without its resource."""
    embedder = stand_in("langchain_openai", "AzureOpenAIEmbeddings", model="m", deployment="d")
    with pytest.raises(IdentityError, match="endpoint"):
        describe(embedder)


def test_azure_ai_is_symmetric_if_the_model_knows_no_input_type() -> None:
    """The class then sends "text" for documents and queries alike."""
    for kind in ("text", SimpleNamespace(value="text")):
        identity = describe(azure_ai(_embed_input_type=kind)).identity
        assert identity is not None
        assert identity.symmetric
    assert namespace(azure_ai(model_name=None)).startswith("azure-ai/default?endpoint=")
    with pytest.raises(IdentityError, match="endpoint"):
        describe(azure_ai(endpoint=None))


def test_sentence_transformers_queries() -> None:
    """Other settings for queries make the roles differ, and even settings at their default are another identity."""
    both = sentence_transformers(encode_kwargs={"normalize_embeddings": True})
    plain_queries = sentence_transformers(
        encode_kwargs={"normalize_embeddings": True}, query_encode_kwargs={"batch_size": 1}
    )
    assert namespace(both) == "sentence-transformers/all-mpnet-base-v2?normalize=true"
    assert namespace(plain_queries) == 'sentence-transformers/all-mpnet-base-v2?normalize=true&query="plain"'
    same = sentence_transformers(encode_kwargs={"prompt": "x"}, query_encode_kwargs={"prompt": "x", "batch_size": 1})
    for embedder, symmetric in ((both, True), (plain_queries, False), (same, True)):
        identity = describe(embedder).identity
        assert identity is not None
        assert identity.symmetric is symmetric


def test_a_limit_that_is_set_on_the_loaded_model_counts() -> None:
    """At the model's own limit it does not, so that the name alone stands for the model."""
    net = SimpleNamespace(auto_model=SimpleNamespace(config=SimpleNamespace(max_position_embeddings=514)))
    loaded = SimpleNamespace(
        max_seq_length=512,
        tokenizer=SimpleNamespace(init_kwargs={"model_max_length": 512}),
        _modules={"0": net},
    )
    embedder = sentence_transformers()
    embedder._client = loaded
    before = fingerprint(embedder)
    assert namespace(embedder) == "sentence-transformers/all-mpnet-base-v2"
    loaded.max_seq_length = 128
    assert fingerprint(embedder) != before
    assert namespace(embedder) == "sentence-transformers/all-mpnet-base-v2?max_length=128"


def test_sentence_transformers_int8_is_not_cacheable() -> None:
    """Its scale comes from the texts of the batch."""
    description = describe(sentence_transformers(encode_kwargs={"precision": "int8"}))
    assert description.identity is None
    assert "batch" in description.not_cacheable


def test_sentence_transformers_text_loses_its_newlines() -> None:
    """Two texts that reach the model alike may share a vector."""
    effective = describe(sentence_transformers()).effective_text
    assert effective is not None
    assert effective("a\nb\r\nc") == "a b\r c"


class _Dtype:
    def __str__(self) -> str:
        return "torch.float16"


_Dtype.__module__, _Dtype.__name__ = "torch", "dtype"


def test_torch_dtype_is_known_by_its_name() -> None:
    """It is the one value in `model_kwargs` that is no plain data and yet a constant."""
    expected = namespace(sentence_transformers(model_kwargs={"model_kwargs": {"dtype": "float16"}}))
    assert namespace(sentence_transformers(model_kwargs={"model_kwargs": {"dtype": _Dtype()}})) == expected


def test_live_object_in_model_kwargs_is_refused() -> None:
    """Its text would name an address in memory."""
    with pytest.raises(IdentityError, match=r"'modules' holds a builtins\.object.*namespace="):
        describe(sentence_transformers(model_kwargs={"modules": [object()]}))


def test_bge_settings_that_the_constructor_removes() -> None:
    """It takes `torch_dtype` and `file_name` out of `model_kwargs`, so the loaded model has to tell."""
    assert "dtype" in namespace(bge(client=SimpleNamespace(backend="torch", dtype=_Dtype())))
    with pytest.raises(IdentityError, match="onnx"):
        describe(bge(client=SimpleNamespace(backend="onnx")))


def _write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content)
        os.utime(path, ns=(10**18, 10**18))
    return folder


def test_local_model_is_known_by_its_files(tmp_path: Path) -> None:
    """A folder keeps its name when another model is trained into it."""
    folder = _write(tmp_path / "model", config__json="{}", weights__bin="aaaa")
    embedder = sentence_transformers(model_name=str(folder))
    first, seen = namespace(embedder), fingerprint(embedder)
    assert first.startswith(f"sentence-transformers/{folder.resolve().as_posix()}?files=")
    assert namespace(embedder) == first
    _write(folder, README__md="changed")
    (folder / ".git").mkdir()
    assert namespace(embedder) == first
    # The same size and time, as in an image that was built reproducibly.
    _write(folder, weights__bin="bbbb")
    assert namespace(embedder) != first
    # A loaded model stays as it is, so the files are not looked at again.
    assert fingerprint(embedder) == seen


def test_local_model_that_is_too_large_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name such as "src" may happen to be a folder."""
    for number in range(2001):
        (tmp_path / str(number)).touch()
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(IdentityError, match="2000 files"):
        describe(sentence_transformers(model_name=tmp_path.name))


def test_local_model_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """The error of the operating system is no help to the user."""
    folder = _write(tmp_path / "model", config__json="{}")
    (folder / "gone.bin").symlink_to(tmp_path / "nowhere")
    with pytest.raises(IdentityError, match="cannot be read"):
        describe(sentence_transformers(model_name=str(folder)))


def test_local_file_of_an_unknown_class(tmp_path: Path) -> None:
    """A GGUF file may be replaced by another one as well."""
    file = _write(tmp_path, model__gguf="x") / "model.gguf"
    first = namespace(Custom(model_path=str(file)))
    assert "model_path_files=" in first
    file.write_text("y")
    assert namespace(Custom(model_path=str(file))) != first


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ""),
        ("0.0.0.0", ""),
        ("127.0.0.1:11434", ""),
        ("http://[::1]:11434", ""),
        ("gpu", '?endpoint="http://gpu:11434"'),
        ("http://gpu", '?endpoint="http://gpu"'),
        ("https://gpu/ollama/", '?endpoint="https://gpu/ollama"'),
        (":8080", '?endpoint="http://localhost:8080"'),
    ],
)
def test_ollama_host(host: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads the environment; a stand-in for it makes the variable itself decide, alike."""
    monkeypatch.setenv("OLLAMA_HOST", host)
    embedder = ollama()
    assert embedder._client is not None
    if host != "http://gpu":
        assert namespace(embedder) == f"ollama/nomic-embed-text{expected}"
    embedder._client = embedder._async_client = None
    assert namespace(embedder) == f"ollama/nomic-embed-text{expected}"


@pytest.mark.parametrize("types", [["float", "int8"], []])
def test_cohere_with_several_types_is_not_cacheable(types: list[str]) -> None:
    """The class returns the vectors of one type after those of the other."""
    description = describe(cohere(embedding_types=types))
    assert description.identity is None
    assert "embedding_types" in description.not_cacheable


def test_cohere_endpoint_from_the_client() -> None:
    """Its package reads the environment at import, so only the client knows."""
    embedder = cohere()
    embedder.client._client_wrapper._base_url = embedder.async_client._client_wrapper._base_url = "http://proxy"
    assert namespace(embedder) == 'cohere/embed-english-v3.0?endpoint="http://proxy"'


def test_voyage_contextualised_model_is_not_cacheable() -> None:
    """A vector depends on the other texts, and there may be more vectors than texts."""
    description = describe(voyage(model="voyage-context-3"))
    assert description.identity is None
    assert "context" in description.not_cacheable


@pytest.mark.parametrize(
    ("model", "settings", "symmetric"),
    [
        ("cohere.embed-english-v3", {}, False),
        ("us.cohere.embed-v4:0", {}, False),
        ("cohere.embed-english-v3", {"model_kwargs": {"input_type": "clustering"}}, True),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/x", {"provider": "cohere"}, False),
        ("amazon.nova-2-multimodal-embeddings-v1:0", {}, True),
    ],
)
def test_bedrock_roles(model: str, settings: dict[str, Any], symmetric: bool) -> None:
    """Cohere's models tell queries from documents, unless the settings override the input type."""
    identity = describe(bedrock(model_id=model, **settings)).identity
    assert identity is not None
    assert identity.symmetric is symmetric


def test_bedrock_ignores_dimensions_of_old_cohere_models() -> None:
    """The class does not send them."""
    assert namespace(bedrock(model_id="cohere.embed-english-v3", dimensions=8)) == "bedrock/cohere.embed-english-v3"
    assert "dimensions=8" in namespace(bedrock(model_id="cohere.embed-v4:0", dimensions=8))


def test_bedrock_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class replaces the line separator of the system."""
    effective = describe(bedrock()).effective_text
    assert effective is not None
    assert effective("a\nb") == "a b"
    monkeypatch.setattr(os, "linesep", "\r\n")
    assert effective("a\nb\r\nc") == "a\nb c"


def test_google_on_vertex() -> None:
    """The other service, with the same models under the same names."""
    embedder = google()
    embedder.client = SimpleNamespace(_api_client=SimpleNamespace(vertexai=True))
    assert namespace(embedder) == "google-vertex/gemini-embedding-001"


def test_google_task_makes_the_roles_equal() -> None:
    """It is sent for documents and queries alike, whatever its case."""
    identity = describe(google(task_type="clustering")).identity
    assert identity is not None
    assert identity.namespace == 'google-genai/gemini-embedding-001?task="CLUSTERING"'
    assert identity.symmetric


def test_google_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads it."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://proxy.example/")
    assert namespace(google()) == 'google-genai/gemini-embedding-001?endpoint="https://proxy.example"'


def test_nomic_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only remote inference goes there."""
    remote, local = nomic(), nomic(inference_mode="local")
    before = fingerprint(remote)
    monkeypatch.setenv("ATLAS_API_PATH", "https://proxy.example")
    assert namespace(remote) == 'nomic/nomic-embed-text-v1.5?endpoint="https://proxy.example"'
    assert namespace(local) == 'nomic/nomic-embed-text-v1.5?inference_mode="local"'
    assert fingerprint(remote) != before


def test_nvidia_endpoint() -> None:
    """It comes from the client, or from the model where that is served elsewhere."""
    embedder = nvidia()
    embedder._client.infer_path = "https://ai.api.nvidia.com/v1/retrieval/nvidia/embeddings"
    assert namespace(embedder) == "nvidia/nvidia/nv-embedqa-e5-v5"
    embedder._client.infer_path = "http://host/mine"
    assert namespace(embedder) == 'nvidia/nvidia/nv-embedqa-e5-v5?endpoint="http://host/mine"'


def test_nvidia_endpoint_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NIM of one's own may serve another model under the same name."""
    monkeypatch.setenv("NVIDIA_BASE_URL", "http://nim:8000/v1")
    assert namespace(nvidia()) == 'nvidia/nvidia/nv-embedqa-e5-v5?endpoint="http://nim:8000/v1"'


def test_community_twins_share_the_identity() -> None:
    """The same model called by the older package."""
    twin = stand_in("langchain_community", "HuggingFaceEmbeddings", model_name="all-mpnet-base-v2", client=object())
    assert namespace(twin) == namespace(sentence_transformers())


# -- fakes, wrappers, declarations ---------------------------------------------------------------------------------


def test_random_embedder_is_not_cacheable() -> None:
    """A cached vector would look like a model."""
    description = describe(FakeEmbeddings(size=4))
    assert description.identity is None
    assert "random" in description.not_cacheable
    assert fingerprint(FakeEmbeddings(size=4)) == fingerprint(FakeEmbeddings(size=8))


def test_deterministic_fake() -> None:
    """Tests cache it, and its size is all that matters."""
    identity = describe(DeterministicFakeEmbedding(size=4)).identity
    assert identity is not None
    assert identity.namespace == "langchain/DeterministicFakeEmbedding?dimensions=4"
    assert (identity.symmetric, identity.dimensions) == (True, 4)
    assert fingerprint(DeterministicFakeEmbedding(size=4)) != fingerprint(DeterministicFakeEmbedding(size=8))


class _Cached:
    def __init__(self, inner: object, documents: object, queries: object = None) -> None:
        self.underlying_embeddings = inner
        self.document_embedding_store = documents
        self.query_embedding_store = queries
        self.batch_size = None


CacheBackedEmbeddings = type("CacheBackedEmbeddings", (_Cached,), {"__module__": "langchain_classic.embeddings.cache"})


def test_langchains_cache_is_looked_through() -> None:
    """It returns the vectors of the embedder inside."""
    inner = openai(chunk_size=300)
    wrapper = CacheBackedEmbeddings(inner, object())
    assert describe(wrapper) == describe(inner)
    assert sub_batch(wrapper) == 900
    before = fingerprint(wrapper)
    inner.dimensions = 8
    assert fingerprint(wrapper) != before


def test_langchains_cache_with_one_store_for_both_roles() -> None:
    """It serves a document's vector for a query, which only a symmetric model forgives."""
    store = object()
    assert describe(CacheBackedEmbeddings(openai(), store, store)).identity is not None
    assert describe(CacheBackedEmbeddings(cohere(), store, object())).identity is not None
    mixed = describe(CacheBackedEmbeddings(cohere(), store, store))
    assert mixed.identity is None
    assert "one store" in mixed.not_cacheable


def test_real_cache_of_langchain() -> None:
    """The stand-in above looks like the class."""
    module = pytest.importorskip("langchain_classic.embeddings.cache")
    from langchain_core.stores import InMemoryByteStore

    store = InMemoryByteStore()
    inner = DeterministicFakeEmbedding(size=3)
    wrapper = module.CacheBackedEmbeddings.from_bytes_store(
        inner, store, namespace="x", query_embedding_cache=True, key_encoder="sha256"
    )
    assert describe(wrapper) == describe(inner)


def test_error_inside_a_wrapper_names_the_embedder_inside() -> None:
    """That is where the attribute has to go."""
    with pytest.raises(IdentityError, match=r"test_identities\.Nameless") as caught:
        describe(CacheBackedEmbeddings(Nameless(), object()))
    assert "CacheBackedEmbeddings" not in str(caught.value)


def test_declared_identity_wins() -> None:
    """On the class or the instance, and nothing else is looked at."""
    identity = Identity.named("acme/e5@3", symmetric=True)

    class Declared(Embeddings):
        embedonce_identity = identity
        client = object()

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return []

        def embed_query(self, text: str) -> list[float]:
            return []

    assert describe(Declared()) == Description(identity)
    embedder: Any = Custom(live=object())
    before = fingerprint(embedder)
    embedder.embedonce_identity = identity
    assert describe(embedder) == Description(identity)
    assert fingerprint(embedder) != before
    embedder.embedonce_identity = Identity.named("other")
    assert fingerprint(embedder) == fingerprint(Custom(embedonce_identity=Identity.named("other")))


def test_declared_identity_must_be_one() -> None:
    """A string would leave open whether the roles are equal."""
    embedder = Custom(embedonce_identity="acme")
    with pytest.raises(IdentityError, match="not an embedonce Identity"):
        describe(embedder)
    assert fingerprint(embedder) == fingerprint(embedder)


# -- subclasses of known classes -----------------------------------------------------------------------------------


def _subclass(**body: Any) -> Any:
    """Return an importable subclass of OpenAIEmbeddings, without importing its package before a test runs."""
    from langchain_openai import OpenAIEmbeddings

    name = "_".join(["Sub", *body.get("__annotations__", {})])
    module = sys.modules.setdefault("acme_embedders", ModuleType("acme_embedders"))
    if not hasattr(module, name):
        meta: Any = type(OpenAIEmbeddings)
        setattr(module, name, meta(name, (OpenAIEmbeddings,), {"__module__": module.__name__, **body}))
    return getattr(module, name)


def test_subclass_counts_as_its_base_with_its_own_name_and_fields() -> None:
    """It may override anything, so its vectors are its own, and its roles may differ."""
    kind = _subclass(__annotations__={"prefix": str}, prefix="q: ")
    plain, other = kind(api_key=SECRET), kind(api_key=SECRET, prefix="d: ")
    description = describe(plain)
    assert description.identity is not None
    assert description.identity.namespace == (
        'openai/text-embedding-ada-002?class="acme_embedders.Sub_prefix"&prefix="q: "'
    )
    assert not description.identity.symmetric
    assert description.whole_up_to == 8191
    assert namespace(other) != namespace(plain)
    assert fingerprint(other) != fingerprint(plain)
    assert namespace(kind(api_key="x", chunk_size=3)) == namespace(plain)
    assert fingerprint(kind(api_key="x", chunk_size=3)) == fingerprint(plain)
    assert sub_batch(plain) == 1000


def test_subclass_with_a_constant() -> None:
    """A constant of the class is a setting as well."""
    assert 'PREFIX="q: "' in namespace(_subclass(__annotations__={"PREFIX": ClassVar[str]}, PREFIX="q: ")(api_key="x"))


def test_subclass_of_a_function_or_script_is_refused() -> None:
    """Another script may define another class with the same name."""
    from langchain_openai import OpenAIEmbeddings

    class Local(OpenAIEmbeddings):
        pass

    with pytest.raises(IdentityError, match=r"Local.*script, a notebook or a function.*namespace=.*embedonce_identity"):
        describe(Local(api_key=SecretStr("x")))


def test_subclass_of_a_random_embedder_is_not_cacheable() -> None:
    """Nothing says that it became deterministic."""
    assert describe(SeededFake(size=3)).identity is None


class SeededFake(FakeEmbeddings):
    """A subclass of a known class without own fields."""


# -- unknown classes -----------------------------------------------------------------------------------------------


class Nameless:
    """An embedder without anything that names its model."""

    def __init__(self) -> None:
        self.dimensions = 8


class Fields(BaseModel):
    """A pydantic embedder with all kinds of fields."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    model_name: str = "acme-1"
    pooling: str = "cls"
    api_key: SecretStr = SecretStr(SECRET)
    headers: dict[str, str] = Field(default_factory=lambda: {"x": SECRET})
    _prefix: str = PrivateAttr("p: ")
    _client: Any = PrivateAttr(None)


class Slotted:
    """An embedder without a dictionary."""

    __slots__ = ("model", "pooling", "unset")

    def __init__(self, pooling: str) -> None:
        self.model = "acme-1"
        self.pooling = pooling


class Constant:
    """An embedder whose settings are constants of the class."""

    model = "acme-1"
    prefix = "p: "
    registry: ClassVar[dict[str, Any]] = {"live": object()}


class Color(Enum):
    """A setting with named values."""

    RED = "red"


HERE = __name__


def test_unknown_class_keeps_all_fields() -> None:
    """Public and private ones; nothing tells which of them matter."""
    assert namespace(Custom(pooling="cls", _layers=[1, 2], options={"b": 1.5, "a": None})) == (
        f'{HERE}.Custom/acme-1?_layers=[1,2]&options={{"a":null,"b":1.5}}&pooling="cls"'
    )
    description = describe(Custom())
    assert description.identity is not None
    assert not description.identity.symmetric


def test_unknown_pydantic_class() -> None:
    """Fields, extras and private attributes, without the secret ones."""
    assert namespace(Fields.model_validate({"extra_field": 3})) == (
        f'{HERE}.Fields/acme-1?_prefix="p: "&extra_field=3&pooling="cls"'
    )


def test_unknown_class_with_slots_or_constants() -> None:
    """Fields may be anywhere."""
    assert namespace(Slotted("cls")) == f'{HERE}.Slotted/acme-1?pooling="cls"'
    assert fingerprint(Slotted("cls")) != fingerprint(Slotted("mean"))
    assert namespace(Constant()) == f'{HERE}.Constant/acme-1?prefix="p: "'


@pytest.mark.parametrize(
    "fields",
    [
        {"pooling": "mean"},
        {"_pooling": "mean"},
        {"layers": (1, 2)},
        {"layers": {1, 2}},
        {"flag": False},
        {"scale": 0.5},
        {"scale": np.float32(0.5)},
        {"size": np.int64(3)},
        {"color": Color.RED},
        {"path": Path("x/y")},
        {"deployment": "d"},
        {"input_key": "text"},
        {"max_tokens": 3},
        {"pad_token": "<pad>"},
        {"prompt": "Basic question about the text: "},
        {"url": "http://gpu/embed?st=a"},
        {"use_auth_token": True},
        {"retrieval_mode": "dense"},
        {"config": {"pooling": "mean"}},
        {"base_url": "http://gpu:8000/v1"},
        {"url": "http://gpu/embed?model=a"},
        {"model_kwargs": {"pooling": "mean"}},
    ],
    ids=_label,
)
def test_fields_of_an_unknown_class_that_count(fields: dict[str, Any]) -> None:
    """A lost hit is better than a wrong vector."""
    assert namespace(Custom(**fields)) != namespace(Custom())
    assert fingerprint(Custom(**fields)) != fingerprint(Custom())
    json.dumps(describe(Custom(**fields)).identity.parameters)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": SECRET},
        {"openaiApiKey": SECRET},
        {"_token": SECRET},
        {"hf_token_provider": lambda: SECRET},
        {"password": 1234},
        {"aws_secret_access_key": SECRET},
        {"aws_access_key_id": SECRET},
        {"credentials": {"x": SECRET}},
        {"auth": ("me", SECRET)},
        {"anything": SecretStr(SECRET)},
        {"client": object()},
        {"_async_client": object()},
        {"http_client": object()},
        {"session": object()},
        {"timeout": 3},
        {"request_timeout": 3},
        {"max_retries": 3},
        {"retry_min_seconds": 3},
        {"batch_size": 3},
        {"chunk_size": 3},
        {"show_progress_bar": True},
        {"callbacks": [object()]},
        {"default_headers": {"x": SECRET}},
        {"organization": "o"},
        {"cache_folder": "x"},
        {"device": "cuda"},
        {"n_jobs": 3},
        {"num_workers": 3},
        {"threads": 3},
        {"_mutex": threading.Lock()},
        {"unset": None},
        {"model_kwargs": {"device": "cuda", "token": SECRET, "timeout": 3}},
    ],
    ids=_label,
)
def test_fields_of_an_unknown_class_that_do_not_count(fields: dict[str, Any]) -> None:
    """Secrets and everything that only changes how a request travels."""
    assert describe(Custom(**fields)) == describe(Custom())


@pytest.mark.parametrize(
    "value",
    [
        f"sk-proj-{SECRET}",
        f"Bearer {SECRET}",
        "hf_abcdefghijklmnopqrst",
        "nvapi-abcdef",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefghijklmnopqrst",
    ],
)
def test_values_that_look_like_secrets_are_left_out(value: str) -> None:
    """A secret may be in a field of any name."""
    assert namespace(Custom(note=value, options={"note": value})) == f"{HERE}.Custom/acme-1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://me:{SECRET}@HOST:443/v1/", "https://host/v1"),
        (f"https://host/v1?api_key={SECRET}&b=2&a=1#x", "https://host/v1?a=1&b=2"),
        (f"https://host/f?code={SECRET}&sig={SECRET}&se=2030&X-Amz-Signature={SECRET}", "https://host/f"),
        (f"me:{SECRET}@host:8000/", "host:8000"),
        (f"postgresql://me:{SECRET}@host:5432/db", "postgresql://host:5432/db"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_urls_lose_their_secrets(url: str, expected: str) -> None:
    """And have one spelling."""
    assert unquote(namespace(Custom(api_url=url))) == f'{HERE}.Custom/acme-1?api_url="{expected}"'


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"encoder": object()}, "'encoder' holds a builtins.object"),
        ({"_encoder": object()}, "'_encoder' holds a builtins.object"),
        ({"tokenize": len}, "'tokenize' holds a builtins.builtin_function_or_method"),
        ({"matrix": np.zeros(2)}, "'matrix' holds a numpy.ndarray"),
        ({"blob": b"x"}, "'blob' holds a builtins.bytes"),
        ({"options": {"deep": [object()]}}, "'deep' holds a builtins.object"),
        ({"options": {1: "x"}}, "'options' holds a builtins.dict"),
        ({"scale": float("nan")}, "'scale' holds a builtins.float"),
        ({"inner": DeterministicFakeEmbedding(size=3)}, "'inner' holds a langchain_core"),
        ({"model": ""}, "no field names its model"),
        ({"model": object()}, "'model' holds a builtins.object"),
        ({"model": "\ud800"}, "UnicodeEncodeError"),
        ({"api_url": "http://host:port/"}, "URL that cannot be parsed"),
    ],
    ids=_label,
)
def test_unclear_fields_are_refused(fields: dict[str, Any], named: str) -> None:
    """The message names the class, the field and the remedy, and quotes no value."""
    with pytest.raises(IdentityError) as caught:
        describe(Custom(**fields, api_key=SECRET))
    message = str(caught.value)
    assert f"{HERE}.Custom" in message
    assert named in message
    assert "namespace=" in message
    assert "embedonce_identity" in message
    assert SECRET not in message
    assert fingerprint(Custom(**fields)) is not None


def test_values_that_hold_themselves_are_refused() -> None:
    """They have no end."""
    loop: list[Any] = []
    loop.append(loop)
    embedder = Custom(options=loop)
    with pytest.raises(IdentityError, match="nested too deeply"):
        describe(embedder)
    assert fingerprint(embedder) == fingerprint(embedder)


def test_unexpected_value_in_a_known_class_is_refused_without_quoting_it() -> None:
    """The message of a foreign error may hold anything."""
    embedder = openai()
    embedder.model_kwargs = f"not a dict {SECRET}"
    with pytest.raises(IdentityError, match=r"something unexpected.*namespace=") as caught:
        describe(embedder)
    assert SECRET not in str(caught.value)


def test_nameless_embedder_is_refused() -> None:
    """Two of them would share one namespace."""
    with pytest.raises(IdentityError, match=r"Nameless.*no field names its model.*namespace=.*embedonce_identity"):
        describe(Nameless())


@pytest.mark.parametrize("module", ["__main__", "no_such_module", "json"])
def test_class_that_cannot_be_imported_is_refused(module: str) -> None:
    """Only an importable class is the same one in another process."""
    kind = type("Script", (Custom,), {"__module__": module, "__qualname__": "Script"})
    with pytest.raises(IdentityError, match=rf"{module}\.Script.*namespace="):
        describe(kind())


def test_class_of_a_function_is_refused() -> None:
    """Two functions may define two classes of one name."""

    class Local(Custom):
        pass

    with pytest.raises(IdentityError, match="function"):
        describe(Local())


@pytest.mark.parametrize(
    "name",
    ["model", "model_name", "_model_name", "model_id", "deployment", "azure_deployment", "repo_id", "_Custom__model"],
)
def test_fields_that_name_a_model(name: str) -> None:
    """Names vary from class to class."""
    embedder = Custom(**{"model": None, name: "acme-2"})
    assert namespace(embedder) == f"{HERE}.Custom/acme-2"


def test_fingerprint_holds_copies() -> None:
    """Else a change in place would change both sides of the comparison."""
    embedder: Any = Custom(options={"a": [1]}, live=object())
    before = fingerprint(embedder)
    assert before == fingerprint(embedder)
    embedder.options["a"].append(2)
    assert before != fingerprint(embedder)
    after = fingerprint(embedder)
    embedder.live = object()
    assert after != fingerprint(embedder)


def test_reading_never_calls_the_embedder() -> None:
    """A property may open a connection."""

    class Lazy:
        model = "acme-1"

        @property
        def connection(self) -> object:
            raise AssertionError

        @property
        def dimensions(self) -> int:
            raise AssertionError

    fingerprint(Lazy())
    sub_batch(Lazy())
    with pytest.raises(IdentityError, match="function"):
        describe(Lazy())


def test_operational_names() -> None:
    """Arguments of a call that may be left out of a key."""
    assert {"chunk_size", "batch_size", "show_progress", "timeout", "callbacks", "max_retries"} <= OPERATIONAL
    assert not OPERATIONAL & {"task_type", "output_dimensionality", "titles", "dimensions", "encoding_format", "prompt"}


def test_no_partner_package_is_imported() -> None:
    """Recognising a class must not need its package."""
    import subprocess

    code = "import sys, langchain_embedonce.identities; print(*sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"langchain_core", "langchain_openai", "openai", "pydantic", "langchain_huggingface", "torch"}
