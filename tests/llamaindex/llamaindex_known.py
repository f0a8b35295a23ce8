"""The hosted embedding models of LlamaIndex that embedonce knows, and how each of their settings counts."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from known_class import SECRET, Known


def made(path: str, **defaults: Any) -> Callable[..., Any]:
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
    {
        "additional_kwargs": {
            "user": "me",
            "encoding_format": "float",
            "extra_headers": {"X-Request-Id": SECRET},
            "timeout": 3,
        }
    },
]
_NEWLINES = {"a\nb": "a b", " a\r\n": " a\r "}
_STRIPPED = {" a\nb\n": "a\nb"}

openai = made(f"{LLAMA}.openai.OpenAIEmbedding", api_key=SECRET)
openai_like = made(
    f"{LLAMA}.openai_like.OpenAILikeEmbedding", api_key=SECRET, model_name="bge-m3", api_base="http://gpu:8000/v1"
)
azure = made(
    f"{LLAMA}.azure_openai.AzureOpenAIEmbedding",
    azure_endpoint="https://r.openai.azure.com/",
    azure_deployment="large",
    api_key=SECRET,
    api_version="2024-10-21",
)
fireworks = made(f"{LLAMA}.fireworks.FireworksEmbedding", api_key=SECRET)
upstage = made(f"{LLAMA}.upstage.UpstageEmbedding", api_key=SECRET)
cohere = made(f"{LLAMA}.cohere.CohereEmbedding", api_key=SECRET)
voyage = made(f"{LLAMA}.voyageai.VoyageEmbedding", model_name="voyage-3.5", voyage_api_key=SECRET)
bedrock = made(
    f"{LLAMA}.bedrock.BedrockEmbedding",
    region_name="us-east-1",
    aws_access_key_id=SECRET,
    aws_secret_access_key=SECRET,
)
google = made(f"{LLAMA}.google_genai.GoogleGenAIEmbedding", model_name="gemini-embedding-001", api_key=SECRET)
mistral = made(f"{LLAMA}.mistralai.MistralAIEmbedding", api_key=SECRET)
ollama = made(f"{LLAMA}.ollama.OllamaEmbedding", model_name="nomic-embed-text")
huggingface = made(
    f"{LLAMA}.huggingface_api.HuggingFaceInferenceAPIEmbedding",
    model_name="sentence-transformers/all-mpnet-base-v2",
    token=SECRET,
)
jina = made(f"{LLAMA}.jinaai.JinaEmbedding", api_key=SECRET)
litellm = made(f"{LLAMA}.litellm.LiteLLMEmbedding", model_name="openai/text-embedding-3-small", api_key=SECRET)
together = made(f"{LLAMA}.together.TogetherEmbedding", model_name="BAAI/bge-large-en-v1.5", api_key=SECRET)
tei = made(f"{LLAMA}.text_embeddings_inference.TextEmbeddingsInference", model_name="BAAI/bge-m3", auth_token=SECRET)
azure_inference = made(
    f"{LLAMA}.azure_inference.AzureAIEmbeddingsModel",
    endpoint="https://r.services.ai.azure.com/models",
    credential=SECRET,
    model_name="embed-v3",
)
databricks = made(
    f"{LLAMA}.databricks.DatabricksEmbedding",
    model="databricks-bge-large-en",
    endpoint="https://acme.cloud.databricks.com/serving-endpoints",
    api_key=SECRET,
)
nvidia = made(f"{LLAMA}.nvidia.NVIDIAEmbedding", api_key=SECRET)

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
        (800, 1000),
        _NEWLINES,
    ),
    "openai-like": Known(
        openai_like,
        'openai/bge-m3?endpoint="http://gpu:8000/v1"',
        True,
        [*_OPENAI_CHANGES, {"model_name": "other"}, {"api_base": "http://gpu:8001/v1"}],
        [*_OPENAI_KEEPS, {"api_base": f"http://me:{SECRET}@gpu:8000/v1/"}],
        (80, 1020),
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
        (80, 1020),
        _NEWLINES,
    ),
    "fireworks": Known(
        fireworks,
        "fireworks/nomic-ai/nomic-embed-text-v1.5",
        True,
        [*_OPENAI_CHANGES, {"model_name": "thenlper/gte-large"}, {"api_base": "http://gpu/v1"}],
        _OPENAI_KEEPS,
        (80, 1020),
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
        (800, 1000),
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
        batch=(80, 1020),
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
        batch=(8, 1024),
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
            {"http_options": {"base_url": "https://proxy.example", "api_version": "v1"}},
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
        batch=(80, 1020),
    ),
    "mistral": Known(
        mistral,
        "mistral/mistral-embed",
        True,
        [{"model_name": "codestral-embed"}, {"_client.sdk_configuration.server_url": "https://proxy.example"}],
        [{"api_key": "another"}, {"_client.sdk_configuration.server_url": "https://api.mistral.ai"}],
        batch=(80, 1020),
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
        batch=(80, 1020),
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
        batch=(80, 1020),
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
        batch=(80, 1020),
    ),
    "litellm": Known(
        litellm,
        "openai/text-embedding-3-small",
        True,
        [
            {"model_name": "text-embedding-3-large"},
            {"model_name": "azure/large", "api_base": "https://r.openai.azure.com"},
            {"model_name": "ollama/nomic-embed-text"},
            {"dimensions": 256},
            {"api_base": "http://gpu:8000/v1"},
        ],
        [
            {"model_name": "text-embedding-3-small"},
            {"api_key": "another"},
            {"api_base": f"https://me:{SECRET}@api.openai.com/v1/"},
            {"timeout": 3},
            {"num_workers": 2},
        ],
        batch=(80, 1020),
    ),
    "together": Known(
        together,
        "together/BAAI/bge-large-en-v1.5",
        True,
        [{"model_name": "other"}, {"api_base": "http://gpu:8000/v1"}],
        [{"api_key": "another"}, {"api_base": "https://api.together.ai/v1/"}, {"embed_batch_size": 7}],
        batch=(8, 1024),
    ),
    "tei": Known(
        tei,
        "huggingface-inference/http://localhost:8080/embed?truncate=true",
        True,
        [
            {"base_url": "http://gpu:8080"},
            {"endpoint": "/embed_all"},
            {"truncate_text": False},
            {"query_instruction": "query:"},
            {"text_instruction": "passage:"},
            {"model_name": "BAAI/bge-small-en"},
        ],
        [
            {"auth_token": "another"},
            {"timeout": 3.0},
            {"base_url": f"http://me:{SECRET}@127.0.0.1:8080"},
            {"query_instruction": "  ", "text_instruction": ""},
        ],
        effective=_STRIPPED,
        batch=(80, 1020),
    ),
    "azure-inference": Known(
        azure_inference,
        'azure-ai/embed-v3?endpoint="https://r.services.ai.azure.com/models"&input_type="none"',
        True,
        [
            {"model_name": "other"},
            {"endpoint": "https://other.services.ai.azure.com/models"},
            {"model_kwargs": {"dimensions": 8}},
            {"client_kwargs": {"dimensions": 9}},
            {"client_kwargs": {"model_extras": {"x": 1}}},
            {"model_kwargs": {"model_extras": {"x": 2}}},
            {"model_kwargs": {"input_type": "query"}},
            {"client_kwargs": {"encoding_format": "ubinary"}},
        ],
        [{"credential": "another"}, {"api_version": "2024-05-01-preview"}, {"num_workers": 2}],
        batch=(80, 1020),
    ),
    "databricks": Known(
        databricks,
        'openai/databricks-bge-large-en?endpoint="https://acme.cloud.databricks.com/serving-endpoints"',
        True,
        [
            {"model": "other"},
            {"endpoint": "https://beta.cloud.databricks.com/serving-endpoints"},
            {"additional_kwargs": {"extra_body": {"instruction": "query"}}},
        ],
        [{"api_key": "another"}, {"max_retries": 3}, {"timeout": 1.5}, {"reuse_client": False}],
        (800, 1000),
        _NEWLINES,
    ),
}
