"""Haystack's components, in pairs of one for documents and one for texts."""

from __future__ import annotations

from typing import Any

from identity_audit.classes.audited import GATEWAY, KEY, AuditedClass, Made, gateway

_OWN = "haystack.components.embedders"
_INTEGRATIONS = "haystack_integrations.components.embedders"


def _secret() -> Any:
    from haystack.utils import Secret

    return Secret.from_token(KEY)


def _region() -> Any:
    from haystack.utils import Secret

    return Secret.from_token("us-east-1")


_KEY = {"api_key": Made(_secret)}


def _haystack(path: str, providers: str, needs: dict[str, Any], *bases: dict[str, Any], **more: Any) -> AuditedClass:
    return AuditedClass("haystack", path, providers, needs, bases or ({},), **more)


AUDITED = [
    _haystack(f"{_OWN}.OpenAI", "openai", {**_KEY, "model": "text-embedding-3-small"}, *gateway("api_base_url")),
    _haystack(
        f"{_OWN}.AzureOpenAI",
        "azure-openai",
        {**_KEY, "azure_endpoint": "https://r.openai.azure.com/", "azure_deployment": "large"},
    ),
    _haystack(f"{_INTEGRATIONS}.mistral.Mistral", "mistral", _KEY, *gateway("api_base_url")),
    _haystack(f"{_INTEGRATIONS}.cohere.Cohere", "cohere", _KEY, *gateway("api_base_url")),
    _haystack(f"{_INTEGRATIONS}.voyage_embedders.Voyage", "voyage", {**_KEY, "model": "voyage-3.5"}),
    _haystack(f"{_INTEGRATIONS}.ollama.Ollama", "ollama", {}, *gateway("url")),
    _haystack(f"{_INTEGRATIONS}.google_genai.GoogleGenAI", "google-genai", _KEY),
    _haystack(
        f"{_INTEGRATIONS}.huggingface_api.HuggingFaceAPI",
        "huggingface-inference",
        {"token": Made(_secret), "api_type": "text_embeddings_inference", "api_params": {"url": GATEWAY}},
        choices={"api_type": [], "api_params": [{"url": "http://other.test"}]},
    ),
    _haystack(
        f"{_INTEGRATIONS}.amazon_bedrock.AmazonBedrock",
        "bedrock",
        {
            "model": "cohere.embed-english-v3",
            "aws_access_key_id": Made(_secret),
            "aws_secret_access_key": Made(_secret),
            "aws_region_name": Made(_region),
        },
        choices={"model": ["amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"], "boto3_config": [{}]},
    ),
    _haystack(f"{_INTEGRATIONS}.nvidia.Nvidia", "nvidia", {**_KEY, "model": "m", "api_url": GATEWAY}),
    _haystack(f"{_INTEGRATIONS}.jina.Jina", "jina", _KEY, *gateway("base_url")),
]
