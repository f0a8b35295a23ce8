"""Clients of SDKs; what a call is given counts as a setting named `call.…`."""

from __future__ import annotations

from identity_audit.classes.audited import GATEWAY, KEY, AuditedClass

_PARAMS = {"params": {"pool": 1}}

AUDITED = [
    AuditedClass(
        "sdk",
        "openai.OpenAI",
        "openai",
        {"api_key": KEY, "call.model": "text-embedding-3-small"},
        ({}, {"base_url": GATEWAY}),
        {"provider": []},
    ),
    AuditedClass(
        "sdk",
        "openai.AzureOpenAI",
        "azure-openai",
        {
            "azure_endpoint": "https://r.openai.azure.com/",
            "api_key": KEY,
            "api_version": "2024-10-21",
            "call.model": "large",
        },
        ({}, {"azure_deployment": "large"}),
        {"base_url": [], "provider": []},
    ),
    AuditedClass(
        "sdk-of-one",
        "google.genai.Client",
        "google-genai google-vertex",
        {"api_key": KEY, "call.model": "gemini-embedding-001"},
        ({}, {"http_options": {"base_url": GATEWAY}}, {"vertexai": True}),
        {
            "http_options": [
                {"base_url": GATEWAY, "api_version": "v1"},
                {"base_url": GATEWAY, "headers": {"x-route": "b"}},
                {"base_url": GATEWAY, "extra_body": {"pool": 1}},
                {"base_url": GATEWAY, "client_args": _PARAMS, "async_client_args": _PARAMS},
                {"api_version": "v1", "timeout": 3000, "headers": {"x-route": "b"}},
            ],
            "call.model": ["models/gemini-embedding-001", "text-embedding-004"],
            "call.config": [
                *({"task_type": "CLUSTERING"}, {"output_dimensionality": 64}, {"title": "t"}, {"auto_truncate": False}),
                *({"mime_type": "text/plain"}, {"http_options": {"base_url": GATEWAY, "extra_body": {"pool": 1}}}),
                *({"http_options": {"headers": {"x-route": "b"}}}, {"http_options": {"timeout": 3000}}),
            ],
            # Who pays, and where the same model runs.
            "project": [],
            "location": [],
        },
    ),
    AuditedClass(
        "sdk-of-one",
        "mistralai.client.Mistral",
        "mistral",
        {"api_key": KEY, "call.model": "mistral-embed"},
        ({}, {"server_url": "http://gateway.test"}),
        {
            "server": ["eu"],
            "call.output_dtype": ["int8", "float"],
            "call.encoding_format": ["float"],
            "call.metadata": [{"pool": "cls"}],
        },
    ),
    AuditedClass(
        "sdk",
        "cohere.ClientV2",
        "cohere",
        {"api_key": KEY, "call.model": "embed-v4.0"},
        ({}, {"base_url": GATEWAY}),
        {
            "call.truncate": ["NONE", "START", "END"],
            "call.input_type": ["classification", "clustering"],
            "call.embedding_types": [["float"], ["int8"], ["float", "int8"]],
            "call.request_options": [
                {"additional_headers": {"x-route": "b"}},
                {"additional_headers": {"x-request-id": "1"}},
                {"additional_query_parameters": {"pool": "cls"}},
                {"additional_body_parameters": {"pool": "cls"}},
                {"timeout_in_seconds": 3},
            ],
        },
    ),
    AuditedClass(
        "sdk",
        "ollama.Client",
        "ollama",
        {"call.model": "nomic-embed-text"},
        ({}, {"host": GATEWAY}),
        {
            "headers": [{"x-route": "b"}, {"x-request-id": "1"}],
            "call.options": [{"num_ctx": 77}, {"temperature": 0.5}, {"num_ctx": None}, {"rope_frequency_base": 1e4}],
        },
    ),
    AuditedClass(
        "sdk",
        "voyageai.Client",
        "voyage",
        {"api_key": KEY, "call.model": "voyage-3.5"},
        ({}, {"base_url": GATEWAY}),
        {"call.input_type": ["document", "query"], "call.output_dtype": ["float", "int8", "ubinary"]},
    ),
]
