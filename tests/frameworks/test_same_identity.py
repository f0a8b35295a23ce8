"""One model of one provider has one identity, whichever framework's class asks for it: what was paid for is shared."""

from __future__ import annotations

import contextlib

import haystack_known
import langchain_makers
import llamaindex_known
import pytest

from haystack_integrations.components.embedders.embedonce.identities import describer as haystack
from langchain_embedonce.identities import describer as langchain
from llama_index.embeddings.embedonce.identities import describer as llamaindex

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # Of the packages' own making.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
]

ARN = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"
SAME = {
    "openai": [
        ("langchain openai", {}),
        ("llamaindex openai", {"model": "text-embedding-3-small"}),
        ("haystack openai-Text", {}),
        ("haystack openai-Document", {}),
    ],
    "openai by default": [("langchain openai", {"model": "text-embedding-ada-002"}), ("llamaindex openai", {})],
    "openai, dimensions": [
        ("langchain openai", {"dimensions": 8}),
        ("llamaindex openai", {"model": "text-embedding-3-small", "dimensions": 8}),
        ("haystack openai-Document", {"dimensions": 8}),
    ],
    "a server like openai": [
        (
            "langchain openai",
            {"model": "bge-m3", "base_url": "http://gpu:8000/v1", "check_embedding_ctx_length": False},
        ),
        ("llamaindex openai-like", {}),
    ],
    "a server on this machine": [
        (
            "langchain openai",
            {"model": "bge-m3", "base_url": "http://127.0.0.1:8000/v1/", "check_embedding_ctx_length": False},
        ),
        ("llamaindex openai-like", {"api_base": "http://localhost:8000/v1"}),
        ("llamaindex openai-like", {"api_base": "http://[::1]:8000/v1"}),
        ("haystack openai-Text", {"model": "bge-m3", "api_base_url": "http://0.0.0.0:8000/v1"}),
    ],
    "azure": [("langchain azure", {"api_version": "2024-10-21"}), ("llamaindex azure", {})],
    "fireworks": [("langchain fireworks", {}), ("llamaindex fireworks", {})],
    "cohere": [("langchain cohere", {}), ("llamaindex cohere", {})],
    "cohere, embed-v4.0": [
        ("langchain cohere", {"model": "embed-v4.0"}),
        ("llamaindex cohere", {"model_name": "embed-v4.0"}),
        ("haystack cohere-Text", {}),
        ("haystack cohere-Document", {}),
    ],
    "cohere, int8": [
        ("langchain cohere", {"embedding_types": ["int8"]}),
        ("llamaindex cohere", {"embedding_type": "int8"}),
    ],
    "voyage": [("langchain voyage", {}), ("llamaindex voyage", {})],
    "voyage, voyage-3": [
        ("langchain voyage", {"model": "voyage-3"}),
        ("haystack voyage-Text", {"input_type": "query"}),
        ("haystack voyage-Document", {"input_type": "document"}),
    ],
    "voyage, dimensions": [
        ("langchain voyage", {"output_dimension": 256}),
        ("llamaindex voyage", {"output_dimension": 256}),
    ],
    "bedrock": [("langchain bedrock", {}), ("llamaindex bedrock", {})],
    "bedrock, cohere": [
        ("langchain bedrock", {"model_id": "us.cohere.embed-v4:0"}),
        ("llamaindex bedrock", {"model_name": "us.cohere.embed-v4:0"}),
    ],
    # The profile of an application names no model: whose it is comes from the model's name, or from the user.
    "bedrock, profile": [
        ("langchain bedrock", {"model_id": ARN, "provider": "cohere"}),
        ("llamaindex bedrock", {"model_name": "eu.cohere.embed-v4:0", "application_inference_profile_arn": ARN}),
    ],
    "google": [
        ("langchain google", {"model": "models/gemini-embedding-001"}),
        ("llamaindex google", {}),
        ("haystack google-Text", {"config": {"task_type": "RETRIEVAL_QUERY"}}),
        ("haystack google-Document", {"config": {"task_type": "RETRIEVAL_DOCUMENT"}}),
    ],
    "mistral": [("langchain mistral", {}), ("llamaindex mistral", {}), ("haystack mistral-Text", {})],
    "ollama": [("langchain ollama", {}), ("llamaindex ollama", {}), ("haystack ollama-Document", {})],
    "ollama, num_ctx": [
        ("langchain ollama", {"num_ctx": 9}),
        ("llamaindex ollama", {"ollama_additional_kwargs": {"num_ctx": 9}}),
    ],
    "huggingface": [("langchain huggingface", {}), ("llamaindex huggingface", {})],
    "huggingface, bge": [
        ("langchain huggingface", {"model": "BAAI/bge-small-en-v1.5"}),
        ("haystack huggingface-serverless-Text", {}),
    ],
    "a server like openai, infinity": [
        ("langchain infinity", {"infinity_api_url": "http://gpu:8000/v1", "model": "bge-m3"}),
        ("llamaindex openai-like", {}),
    ],
    "litellm": [
        ("langchain litellm", {}),
        ("llamaindex litellm", {}),
        ("langchain openai", {}),
        ("llamaindex openai", {"model": "text-embedding-3-small"}),
    ],
    "litellm, dimensions": [
        ("langchain litellm", {"dimensions": 8}),
        ("llamaindex litellm", {"dimensions": 8}),
        ("haystack openai-Document", {"dimensions": 8}),
    ],
    "litellm, azure": [
        ("langchain litellm", {"model": "azure/large", "api_base": "https://r.openai.azure.com/"}),
        ("llamaindex litellm", {"model_name": "azure/large", "api_base": "https://r.openai.azure.com/"}),
        ("llamaindex azure", {}),
    ],
    "together": [
        ("langchain together", {}),
        ("llamaindex together", {}),
        ("langchain litellm", {"model": "together_ai/BAAI/bge-large-en-v1.5"}),
    ],
    "nvidia": [
        ("langchain nvidia", {"model": "nvidia/nv-embed-v1"}),
        ("haystack nvidia-Document", {"model": "nvidia/nv-embed-v1", "truncate": "NONE"}),
    ],
}
"""The same model by the classes of two or more frameworks, each with the settings that make it so."""


def identity(who, settings):
    framework, name = who.split()
    if framework == "langchain":
        return langchain.describe(getattr(langchain_makers, name)(**settings)).identity
    if framework == "llamaindex":
        return llamaindex.describe(llamaindex_known.KNOWN[name].make(**settings)).identity
    return haystack.describe(haystack_known.KNOWN[name].make(**settings)).identity


@pytest.mark.parametrize("model", SAME)
def test_all_frameworks_have_one_identity_for_a_model(model):
    found = {}
    for who, settings in SAME[model]:
        # Not every package is there for every version of Python.
        with contextlib.suppress(pytest.skip.Exception):
            found[who, str(settings)] = identity(who, settings)
    if len(found) < 2:
        pytest.skip("the packages of the others are not installed")
    assert None not in found.values(), found
    assert len(set(found.values())) == 1, found


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    expected = {who: identity(who, settings) for who, settings in SAME["openai"]}
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.setenv(name, "")
    assert {who: identity(who, settings) for who, settings in SAME["openai"]} == expected
