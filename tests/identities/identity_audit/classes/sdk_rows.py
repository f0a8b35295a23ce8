"""Clients of SDKs; what a call is given counts as a setting named `call.…`."""

from __future__ import annotations

from identity_audit.classes.audited import GATEWAY, KEY, AuditedClass

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
]
