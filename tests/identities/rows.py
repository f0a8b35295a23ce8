"""The classes of providers that are audited, and what each needs to be built."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

from doors import DOORS

KEY = "s3cr3t-0123456789"
GATEWAY = "http://gateway.test/v1"


@dataclass(frozen=True)
class Row:
    """A class of a framework.

    Attributes:
        framework: Name of its door.
        path: Module and name; of Haystack's two components, what follows `Text` and `Document` is left out.
        needs: Settings that each embedder has.
        bases: Setups in which each setting is varied.
        choices: Values of settings whose types do not tell them.
        set_later: False if fields are not set after building as well.
    """

    framework: str
    path: str
    needs: dict[str, Any]
    bases: tuple[dict[str, Any], ...] = ({},)
    choices: dict[str, list[Any]] = field(default_factory=dict)
    set_later: bool = True

    def __str__(self) -> str:
        return f"{self.framework}:{self.path.rpartition('.')[2]}"

    @property
    def door(self) -> Any:
        """The way to ask."""
        return DOORS[self.framework]

    def kind(self) -> Any:
        """Return the class, or Haystack's two; None if it is not installed."""
        package, _, name = self.path.rpartition(".")
        try:
            module = importlib.import_module(package)
        except ImportError:
            return None
        if self.framework != "haystack":
            return getattr(module, name)
        return [getattr(module, f"{name}{part}Embedder") for part in ("Document", "Text")]


def _gateway(name: str) -> tuple[dict[str, Any], ...]:
    """The provider itself and a gateway at a URL of one's own."""
    return {}, {name: GATEWAY}


_LC, _LI = "langchain", "llamaindex"
_INDEX = "llama_index.embeddings"
_HAY = "haystack_integrations.components.embedders"
_MODELS = ["text-embedding-3-large", "other"]
_AWS = {"region_name": "us-east-1", "aws_access_key_id": KEY, "aws_secret_access_key": KEY}
_MINI = "sentence-transformers/all-mpnet-base-v2"


def _tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    return Tokenizer(BPE())


def _secret() -> Any:
    from haystack.utils import Secret

    return Secret.from_token(KEY)


LATER = {_tokenizer, _secret}
"""Values that are made when an embedder is built."""

_OWN = {"check_embedding_ctx_length": False, "base_url": GATEWAY}

ROWS = [
    Row(
        _LC,
        "langchain_openai.OpenAIEmbeddings",
        {"model": "text-embedding-3-small", "api_key": KEY},
        ({}, _OWN, {"base_url": GATEWAY}),
        {"model": _MODELS, "tiktoken_model_name": ["text-embedding-ada-002"], "tiktoken_enabled": [True]},
    ),
    Row(
        _LC,
        "langchain_openai.AzureOpenAIEmbeddings",
        {"azure_endpoint": "https://r.openai.azure.com/", "api_key": KEY, "api_version": "2024-10-21"},
        ({"azure_deployment": "large"}, {"model": "text-embedding-3-small"}),
        {"model": _MODELS, "tiktoken_model_name": ["text-embedding-ada-002"], "tiktoken_enabled": [True]},
    ),
    Row(
        _LI,
        f"{_INDEX}.openai.OpenAIEmbedding",
        {"api_key": KEY},
        _gateway("api_base"),
        {"model": ["text-embedding-3-small", "text-embedding-3-large"], "model_name": ["other"]},
    ),
    Row(
        _LI,
        f"{_INDEX}.openai_like.OpenAILikeEmbedding",
        {"api_key": KEY, "model_name": "bge-m3", "api_base": GATEWAY},
    ),
    Row(
        _LI,
        f"{_INDEX}.azure_openai.AzureOpenAIEmbedding",
        {
            "azure_endpoint": "https://r.openai.azure.com/",
            "azure_deployment": "large",
            "api_key": KEY,
            "api_version": "2024-10-21",
        },
    ),
    Row(_LI, f"{_INDEX}.fireworks.FireworksEmbedding", {"api_key": KEY}, _gateway("api_base")),
    Row(_LI, f"{_INDEX}.upstage.UpstageEmbedding", {"api_key": KEY}, _gateway("api_base")),
    Row(
        "haystack",
        "haystack.components.embedders.OpenAI",
        {"api_key": _secret, "model": "text-embedding-3-small"},
        _gateway("api_base_url"),
    ),
    Row(
        "haystack",
        "haystack.components.embedders.AzureOpenAI",
        {"azure_endpoint": "https://r.openai.azure.com/", "azure_deployment": "large", "api_key": _secret},
    ),
    Row("haystack", f"{_HAY}.mistral.Mistral", {"api_key": _secret}, _gateway("api_base_url")),
    Row(_LC, "langchain_cohere.CohereEmbeddings", {"model": "embed-v4.0", "cohere_api_key": KEY}, _gateway("base_url")),
    Row(_LI, f"{_INDEX}.cohere.CohereEmbedding", {"api_key": KEY}, _gateway("base_url")),
    Row("haystack", f"{_HAY}.cohere.Cohere", {"api_key": _secret}, _gateway("api_base_url")),
    Row(_LC, "langchain_voyageai.VoyageAIEmbeddings", {"model": "voyage-3.5", "api_key": KEY}, _gateway("base_url")),
    Row(_LI, f"{_INDEX}.voyageai.VoyageEmbedding", {"model_name": "voyage-3.5", "voyage_api_key": KEY}),
    Row("haystack", f"{_HAY}.voyage_embedders.Voyage", {"api_key": _secret, "model": "voyage-3.5"}),
    Row(
        _LC,
        "langchain_mistralai.MistralAIEmbeddings",
        {"api_key": KEY, "tokenizer": _tokenizer},
        _gateway("endpoint"),
    ),
    Row(_LI, f"{_INDEX}.mistralai.MistralAIEmbedding", {"api_key": KEY}),
    Row(_LC, "langchain_ollama.OllamaEmbeddings", {"model": "nomic-embed-text"}, _gateway("base_url")),
    Row(_LI, f"{_INDEX}.ollama.OllamaEmbedding", {"model_name": "nomic-embed-text"}, _gateway("base_url")),
    Row("haystack", f"{_HAY}.ollama.Ollama", {}, _gateway("url")),
    Row(
        _LC,
        "langchain_google_genai.GoogleGenerativeAIEmbeddings",
        {"model": "gemini-embedding-001", "api_key": KEY},
        _gateway("base_url"),
        {"task_type": ["CLUSTERING", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"], "api_version": ["v1"]},
    ),
    Row(
        _LI,
        f"{_INDEX}.google_genai.GoogleGenAIEmbedding",
        {"model_name": "gemini-embedding-001", "api_key": KEY},
        ({}, {"http_options": {"base_url": GATEWAY}}),
        {"embedding_config": [{"task_type": "CLUSTERING"}, {"output_dimensionality": 64}, {"title": "t"}]},
    ),
    Row("haystack", f"{_HAY}.google_genai.GoogleGenAI", {"api_key": _secret}),
    Row(
        _LC,
        "langchain_huggingface.HuggingFaceEndpointEmbeddings",
        {"huggingfacehub_api_token": KEY, "provider": "hf-inference", "model": _MINI},
        choices={"model": ["BAAI/bge-m3"], "repo_id": ["BAAI/bge-m3"], "provider": []},
    ),
    Row(
        _LI,
        f"{_INDEX}.huggingface_api.HuggingFaceInferenceAPIEmbedding",
        {"model_name": _MINI, "token": KEY, "provider": "hf-inference"},
        choices={"provider": []},
    ),
    Row(
        "haystack",
        f"{_HAY}.huggingface_api.HuggingFaceAPI",
        {"token": _secret, "api_type": "text_embeddings_inference", "api_params": {"url": GATEWAY}},
        choices={"api_type": [], "api_params": [{"url": "http://other.test"}]},
    ),
    Row(_LC, "langchain_aws.BedrockEmbeddings", _AWS, _gateway("endpoint_url")),
    Row(
        _LI,
        f"{_INDEX}.bedrock.BedrockEmbedding",
        _AWS,
        choices={"model_name": ["amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"]},
    ),
    Row(_LC, "langchain_nomic.NomicEmbeddings", {"model": "nomic-embed-text-v1.5"}, choices={"nomic_api_key": []}),
    Row(_LC, "langchain_fireworks.FireworksEmbeddings", {"api_key": KEY}, _gateway("base_url")),
    Row(
        _LC,
        "langchain_nvidia_ai_endpoints.NVIDIAEmbeddings",
        {"model": "nvidia/nv-embedqa-e5-v5", "api_key": KEY},
        _gateway("base_url"),
    ),
    Row(_LI, f"{_INDEX}.nvidia.NVIDIAEmbedding", {"api_key": KEY}, _gateway("base_url")),
    Row("haystack", f"{_HAY}.nvidia.Nvidia", {"api_key": _secret, "model": "m", "api_url": GATEWAY}),
    Row(_LI, f"{_INDEX}.jinaai.JinaEmbedding", {"api_key": KEY}, _gateway("base_url")),
    Row("haystack", f"{_HAY}.jina.Jina", {"api_key": _secret}, _gateway("base_url")),
]
