"""LlamaIndex's classes."""

from __future__ import annotations

from typing import Any

from identity_audit.classes.audited import AWS, GATEWAY, KEY, MPNET, AuditedClass, gateway

_AZURE = {
    "azure_endpoint": "https://r.openai.azure.com/",
    "azure_deployment": "large",
    "api_key": KEY,
    "api_version": "2024-10-21",
}
_CONFIGS = [{"task_type": "CLUSTERING"}, {"output_dimensionality": 32}, {"title": "t"}]


def _llamaindex(path: str, providers: str, needs: dict[str, Any], *bases: dict[str, Any], **more: Any) -> AuditedClass:
    return AuditedClass("llamaindex", f"llama_index.embeddings.{path}", providers, needs, bases or ({},), **more)


AUDITED = [
    _llamaindex(
        "openai.OpenAIEmbedding",
        "openai",
        {"api_key": KEY},
        *gateway("api_base"),
        choices={"model": ["text-embedding-3-small", "text-embedding-3-large"], "model_name": ["other"]},
    ),
    _llamaindex(
        "openai_like.OpenAILikeEmbedding",
        "openai",
        {"api_key": KEY, "model_name": "bge-m3", "api_base": GATEWAY},
    ),
    _llamaindex("azure_openai.AzureOpenAIEmbedding", "azure-openai", _AZURE),
    _llamaindex("fireworks.FireworksEmbedding", "fireworks", {"api_key": KEY}, *gateway("api_base")),
    _llamaindex("upstage.UpstageEmbedding", "upstage", {"api_key": KEY}, *gateway("api_base")),
    _llamaindex("cohere.CohereEmbedding", "cohere", {"api_key": KEY}, *gateway("base_url")),
    _llamaindex("voyageai.VoyageEmbedding", "voyage", {"model_name": "voyage-3.5", "voyage_api_key": KEY}),
    _llamaindex("mistralai.MistralAIEmbedding", "mistral", {"api_key": KEY}),
    _llamaindex("ollama.OllamaEmbedding", "ollama", {"model_name": "nomic-embed-text"}, *gateway("base_url")),
    _llamaindex(
        "google_genai.GoogleGenAIEmbedding",
        "google-genai",
        {"model_name": "gemini-embedding-001", "api_key": KEY},
        {},
        {"http_options": {"base_url": GATEWAY}},
        choices={"embedding_config": _CONFIGS},
    ),
    _llamaindex(
        "huggingface_api.HuggingFaceInferenceAPIEmbedding",
        "huggingface-inference",
        {"model_name": MPNET, "token": KEY, "provider": "hf-inference"},
        choices={"provider": []},
    ),
    _llamaindex(
        "bedrock.BedrockEmbedding",
        "bedrock",
        AWS,
        choices={"model_name": ["amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"]},
    ),
    _llamaindex("nvidia.NVIDIAEmbedding", "nvidia", {"api_key": KEY}, *gateway("base_url")),
    _llamaindex("jinaai.JinaEmbedding", "jina", {"api_key": KEY}, *gateway("base_url")),
    _llamaindex(
        "litellm.LiteLLMEmbedding",
        "openai",
        {"model_name": "openai/text-embedding-3-small", "api_key": KEY},
        *gateway("api_base"),
        choices={"model_name": ["openai/text-embedding-3-large"]},
        modules=("litellm",),
    ),
    _llamaindex(
        "together.TogetherEmbedding",
        "together",
        {"model_name": "BAAI/bge-large-en-v1.5", "api_key": KEY},
        *gateway("api_base"),
    ),
    _llamaindex(
        "text_embeddings_inference.TextEmbeddingsInference", "huggingface-inference", {"model_name": "BAAI/bge-m3"}
    ),
    _llamaindex(
        "azure_inference.AzureAIEmbeddingsModel",
        "azure-ai",
        {"endpoint": "https://r.services.ai.azure.com/models", "credential": KEY, "model_name": "embed-v3"},
    ),
    _llamaindex(
        "databricks.DatabricksEmbedding",
        "openai",
        {
            "model": "databricks-bge-large-en",
            "endpoint": "https://acme.cloud.databricks.com/serving-endpoints",
            "api_key": KEY,
        },
    ),
]
