"""LangChain's classes."""

from __future__ import annotations

from typing import Any

from identity_audit.classes.audited import AWS, GATEWAY, KEY, MPNET, AuditedClass, Made, gateway

_MODELS = ["text-embedding-3-large", "other"]
_TOKENS = {"model": _MODELS, "tiktoken_model_name": ["text-embedding-ada-002"], "tiktoken_enabled": [True]}
_AZURE = "https://r.openai.azure.com/"


def _tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    return Tokenizer(BPE())


def _langchain(path: str, providers: str, needs: dict[str, Any], *bases: dict[str, Any], **more: Any) -> AuditedClass:
    return AuditedClass("langchain", path, providers, needs, bases or ({},), **more)


AUDITED = [
    _langchain(
        "langchain_openai.OpenAIEmbeddings",
        "openai",
        {"model": "text-embedding-3-small", "api_key": KEY},
        {},
        {"check_embedding_ctx_length": False, "base_url": GATEWAY},
        {"base_url": GATEWAY},
        choices=_TOKENS,
    ),
    _langchain(
        "langchain_openai.AzureOpenAIEmbeddings",
        "azure-openai",
        {"azure_endpoint": _AZURE, "api_key": KEY, "api_version": "2024-10-21"},
        {"azure_deployment": "large"},
        {"model": "text-embedding-3-small"},
        choices=_TOKENS,
    ),
    _langchain(
        "langchain_cohere.CohereEmbeddings",
        "cohere",
        {"model": "embed-v4.0", "cohere_api_key": KEY},
        *gateway("base_url"),
    ),
    _langchain(
        "langchain_voyageai.VoyageAIEmbeddings",
        "voyage",
        {"model": "voyage-3.5", "api_key": KEY},
        *gateway("base_url"),
    ),
    _langchain(
        "langchain_mistralai.MistralAIEmbeddings",
        "mistral",
        {"api_key": KEY, "tokenizer": Made(_tokenizer)},
        *gateway("endpoint"),
    ),
    _langchain("langchain_ollama.OllamaEmbeddings", "ollama", {"model": "nomic-embed-text"}, *gateway("base_url")),
    _langchain(
        "langchain_google_genai.GoogleGenerativeAIEmbeddings",
        "google-genai",
        {"model": "gemini-embedding-001", "api_key": KEY},
        *gateway("base_url"),
        choices={"task_type": ["CLUSTERING", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"], "api_version": ["v1"]},
    ),
    _langchain(
        "langchain_huggingface.HuggingFaceEndpointEmbeddings",
        "huggingface-inference",
        {"huggingfacehub_api_token": KEY, "provider": "hf-inference", "model": MPNET},
        choices={"model": ["BAAI/bge-m3"], "repo_id": ["BAAI/bge-m3"], "provider": []},
    ),
    _langchain("langchain_aws.BedrockEmbeddings", "bedrock", AWS, *gateway("endpoint_url")),
    _langchain(
        "langchain_nomic.NomicEmbeddings",
        "nomic",
        {"model": "nomic-embed-text-v1.5"},
        choices={"nomic_api_key": []},
    ),
    _langchain("langchain_fireworks.FireworksEmbeddings", "fireworks", {"api_key": KEY}, *gateway("base_url")),
    _langchain(
        "langchain_nvidia_ai_endpoints.NVIDIAEmbeddings",
        "nvidia",
        {"model": "nvidia/nv-embedqa-e5-v5", "api_key": KEY},
        *gateway("base_url"),
    ),
    _langchain(
        "langchain_azure_ai.embeddings.AzureAIOpenAIApiEmbeddingsModel",
        "azure-openai",
        {"endpoint": f"{_AZURE}openai/v1", "credential": KEY, "model": "text-embedding-3-small"},
        choices=_TOKENS,
    ),
    _langchain(
        "langchain_together.TogetherEmbeddings",
        "together",
        {"model": "BAAI/bge-large-en-v1.5", "api_key": KEY},
        *gateway("base_url"),
    ),
    _langchain(
        "langchain_litellm.LiteLLMEmbeddings",
        "openai",
        {"model": "openai/text-embedding-3-small", "api_key": KEY},
        *gateway("api_base"),
        choices={"model": ["openai/text-embedding-3-large"], "custom_llm_provider": [], "api_version": []},
        modules=("litellm",),
    ),
    _langchain(
        "langchain_litellm.LiteLLMEmbeddings",
        "litellm",
        {"model": "cohere/embed-v4.0", "api_key": KEY, "document_input_type": "search_document"},
        choices={"model": ["cohere/embed-english-v3.0"], "custom_llm_provider": [], "api_version": []},
        modules=("litellm",),
        variant="cohere",
    ),
    _langchain(
        "langchain_community.embeddings.OpenAIEmbeddings",
        "openai",
        {"model": "text-embedding-3-small", "openai_api_key": KEY},
        choices=_TOKENS,
    ),
    _langchain(
        "langchain_community.embeddings.AzureOpenAIEmbeddings",
        "azure-openai",
        {
            "azure_endpoint": _AZURE,
            "openai_api_key": KEY,
            "openai_api_version": "2024-10-21",
            "azure_deployment": "large",
            "chunk_size": 16,
        },
        choices=_TOKENS,
    ),
]
