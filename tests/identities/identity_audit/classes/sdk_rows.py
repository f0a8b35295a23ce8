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
]
