"""Clients of SDKs; what a call is given counts as a setting named `call.…`."""

from __future__ import annotations

from typing import Any

from identity_audit.classes.audited import GATEWAY, KEY, AuditedClass

_AZURE = {"azure_endpoint": "https://r.openai.azure.com/", "api_key": KEY, "api_version": "2024-10-21"}
_PARAMS = {"params": {"pool": 1}}
_CONFIGS = [
    *({"task_type": "CLUSTERING"}, {"output_dimensionality": 32}, {"title": "t"}, {"auto_truncate": False}),
    *({"mime_type": "text/plain"}, {"http_options": {"base_url": GATEWAY, "extra_body": {"pool": 1}}}),
    *({"http_options": {"headers": {"x-route": "b"}}}, {"http_options": {"timeout": 3000}}),
]
_HTTP = [
    {"base_url": GATEWAY, "api_version": "v1"},
    {"base_url": GATEWAY, "headers": {"x-route": "b"}},
    {"base_url": GATEWAY, "extra_body": {"pool": 1}},
    {"base_url": GATEWAY, "client_args": _PARAMS, "async_client_args": _PARAMS},
    {"api_version": "v1", "timeout": 3000, "headers": {"x-route": "b"}},
]
_COHERE: dict[str, list[Any]] = {
    "call.model": ["other"],
    "call.images": [],
    "call.inputs": [],
    "call.embedding_types": [["float"], ["int8"], ["float", "int8"], ["base64"]],
    "call.request_options": [
        {"additional_headers": {"x-route": "b"}},
        {"additional_headers": {"x-request-id": "1"}},
        {"timeout_in_seconds": 3},
        {"additional_body_parameters": {"pool": "cls"}},
        {"additional_query_parameters": {"pool": "cls"}},
    ],
    "environment": [],
    "thread_pool_executor": [],
}


def _sdk(
    path: str, provider: str, needs: dict[str, Any], gateway: dict[str, Any], choices: dict[str, list[Any]]
) -> AuditedClass:
    return AuditedClass("sdk", path, provider, needs, ({}, gateway), choices)


AUDITED = [
    _sdk(
        "openai.OpenAI",
        "openai",
        {"api_key": KEY, "call.model": "text-embedding-3-small"},
        {"base_url": GATEWAY},
        {"provider": [], "call.model": ["text-embedding-3-large"]},
    ),
    _sdk(
        "openai.AzureOpenAI",
        "azure-openai",
        {**_AZURE, "call.model": "large"},
        {"azure_deployment": "large"},
        {"base_url": [], "provider": [], "call.model": ["text-embedding-3-large"]},
    ),
    _sdk("cohere.ClientV2", "cohere", {"api_key": KEY, "call.model": "embed-v4.0"}, {"base_url": GATEWAY}, _COHERE),
    _sdk("cohere.Client", "cohere", {"api_key": KEY, "call.model": "embed-v4.0"}, {"base_url": GATEWAY}, _COHERE),
    _sdk(
        "voyageai.Client",
        "voyage",
        {"api_key": KEY, "call.model": "voyage-3.5"},
        {"base_url": GATEWAY},
        {"call.input_type": ["document", "query"], "call.output_dtype": ["float", "int8", "ubinary"]},
    ),
    _sdk(
        "ollama.Client",
        "ollama",
        {"call.model": "nomic-embed-text"},
        {"host": GATEWAY},
        {
            "headers": [{"x-route": "b"}, {"x-request-id": "1"}],
            "params": [{"pool": "cls"}],
            "call.options": [{"num_ctx": 77}, {"temperature": 0.5}, {"num_gpu": 1}, {"num_ctx": None}],
        },
    ),
    AuditedClass(
        "sdk",
        "google.genai.Client",
        "google-genai google-vertex",
        {"api_key": KEY, "call.model": "gemini-embedding-001"},
        ({}, {"http_options": {"base_url": GATEWAY}}, {"vertexai": True}),
        {
            "http_options": _HTTP,
            "call.model": ["models/gemini-embedding-001", "text-embedding-004"],
            "call.config": _CONFIGS,
            "credentials": [],
            # Who pays, and where the same model runs.
            "project": [],
            "location": [],
        },
    ),
    _sdk(
        "mistralai.client.Mistral",
        "mistral",
        {"api_key": KEY, "call.model": "mistral-embed"},
        {"server_url": "http://gateway.test"},
        {
            "server": ["eu"],
            "call.model": ["other"],
            "call.output_dtype": ["int8", "float"],
            "call.encoding_format": ["float"],
            "call.metadata": [{"pool": "cls"}],
            "call.http_headers": [{"x-route": "b"}],
        },
    ),
    AuditedClass(
        "sdk",
        "litellm.embedding",
        "openai",
        {"call.model": "openai/text-embedding-3-small", "call.api_key": KEY},
        ({}, {"call.api_base": GATEWAY}),
        {
            "call.model": ["openai/text-embedding-3-large"],
            "call.custom_llm_provider": [],
            "call.input_type": ["query"],
            "call.extra_headers": [{"x-route": "b"}],
            "call.extra_body": [{"pool": "cls"}],
        },
        ("litellm",),
    ),
]
