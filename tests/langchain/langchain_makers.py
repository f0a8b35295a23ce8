"""Embedders of every class of LangChain that embedonce knows, made of the real class where its package is installed."""

from __future__ import annotations

from typing import Any

import pytest

SECRET = "s3cr3t-0123456789"


def openai(**settings: Any) -> Any:
    from langchain_openai import OpenAIEmbeddings

    return OpenAIEmbeddings(**{"model": "text-embedding-3-small", "api_key": SECRET, **settings})


def azure(**settings: Any) -> Any:
    from langchain_openai import AzureOpenAIEmbeddings

    defaults = {"azure_endpoint": "https://r.openai.azure.com/", "azure_deployment": "large", "api_key": SECRET}
    return AzureOpenAIEmbeddings(**{**defaults, **settings})


def sentence_transformers(**settings: Any) -> Any:
    from langchain_huggingface import HuggingFaceEmbeddings

    # The constructor would load the model.
    return HuggingFaceEmbeddings.model_construct(**settings)


def huggingface(**settings: Any) -> Any:
    from langchain_huggingface import HuggingFaceEndpointEmbeddings

    return HuggingFaceEndpointEmbeddings(**{"huggingfacehub_api_token": SECRET, **settings})


def ollama(**settings: Any) -> Any:
    from langchain_ollama import OllamaEmbeddings

    return OllamaEmbeddings(**{"model": "nomic-embed-text", **settings})


def cohere(**settings: Any) -> Any:
    from langchain_cohere import CohereEmbeddings

    return CohereEmbeddings(**{"model": "embed-english-v3.0", "cohere_api_key": SECRET, **settings})


def mistral(**settings: Any) -> Any:
    from langchain_mistralai import MistralAIEmbeddings
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    return MistralAIEmbeddings(**{"api_key": SECRET, "tokenizer": Tokenizer(BPE()), **settings})


def google(**settings: Any) -> Any:
    from langchain_google_genai import GoogleGenerativeAIEmbeddings

    return GoogleGenerativeAIEmbeddings(**{"model": "gemini-embedding-001", "api_key": SECRET, **settings})


def bedrock(**settings: Any) -> Any:
    from langchain_aws import BedrockEmbeddings

    defaults = {"region_name": "us-east-1", "aws_access_key_id": SECRET, "aws_secret_access_key": SECRET}
    return BedrockEmbeddings(**{**defaults, **settings})


def voyage(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_voyageai")
    return module.VoyageAIEmbeddings(**{"model": "voyage-3.5", "api_key": SECRET, **settings})


def nomic(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_nomic")
    # Without a key: the constructor would write it to the home directory.
    return module.NomicEmbeddings(**{"model": "nomic-embed-text-v1.5", **settings})


def fireworks(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_fireworks")
    return module.FireworksEmbeddings(**{"api_key": SECRET, **settings})


def nvidia(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_nvidia_ai_endpoints")
    return module.NVIDIAEmbeddings(**{"model": "nvidia/nv-embedqa-e5-v5", "api_key": SECRET, **settings})


def litellm(**settings: Any) -> Any:
    module = pytest.importorskip("langchain_litellm")
    return module.LiteLLMEmbeddings(**{"model": "openai/text-embedding-3-small", "api_key": SECRET, **settings})


def together(**settings: Any) -> Any:
    from langchain_together import TogetherEmbeddings

    return TogetherEmbeddings(**{"model": "BAAI/bge-large-en-v1.5", "api_key": SECRET, **settings})


def infinity(**settings: Any) -> Any:
    from langchain_community.embeddings import InfinityEmbeddings

    return InfinityEmbeddings(**{"model": "BAAI/bge-m3", "infinity_api_url": "http://gpu:7997", **settings})


def stand_in(package: str, name: str, **fields: Any) -> Any:
    """Return an object of a class that looks like that of a package that is not installed."""
    kind = type(name, (), {"__module__": f"{package}.embeddings"})
    embedder = kind()
    vars(embedder).update(fields)
    return embedder


def upstage(**settings: Any) -> Any:
    defaults = {"model": "embedding", "upstage_api_base": "https://api.upstage.ai/v1/solar", "upstage_api_key": SECRET}
    return stand_in("langchain_upstage", "UpstageEmbeddings", **{**defaults, **settings})


def vertex(**settings: Any) -> Any:
    return stand_in(
        "langchain_google_vertexai", "VertexAIEmbeddings", **{"model_name": "text-embedding-005", **settings}
    )


def azure_ai(**settings: Any) -> Any:
    defaults = {"endpoint": "https://r.services.ai.azure.com/models", "model_name": "embed-v3", "credential": SECRET}
    return stand_in("langchain_azure_ai", "AzureAIEmbeddingsModel", **{**defaults, **settings})


def bge(**settings: Any) -> Any:
    defaults = {"model_name": "BAAI/bge-small-en", "embed_instruction": "", "query_instruction": "Find: "}
    return stand_in("langchain_community", "HuggingFaceBgeEmbeddings", **{**defaults, **settings})


def ipex_bge(**settings: Any) -> Any:
    return stand_in("langchain_community", "IpexLLMBgeEmbeddings", **vars(bge(**settings)))


def instructor(**settings: Any) -> Any:
    defaults = {"model_name": "hkunlp/instructor-large", "embed_instruction": "D: ", "query_instruction": "Q: "}
    return stand_in("langchain_community", "HuggingFaceInstructEmbeddings", **{**defaults, **settings})


def openvino(**settings: Any) -> Any:
    return stand_in("langchain_community", "OpenVINOEmbeddings", **{"model_name_or_path": "BAAI/bge-m3", **settings})


def openvino_bge(**settings: Any) -> Any:
    defaults = {"model_name_or_path": "BAAI/bge-m3", "embed_instruction": "", "query_instruction": "Find: "}
    return stand_in("langchain_community", "OpenVINOBgeEmbeddings", **{**defaults, **settings})


def fastembed(**settings: Any) -> Any:
    defaults = {"model_name": "BAAI/bge-small-en-v1.5", "max_length": 512, "doc_embed_type": "default"}
    return stand_in("langchain_community", "FastEmbedEmbeddings", **{**defaults, "model": object(), **settings})
