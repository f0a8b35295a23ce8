"""What the audit is known to find, by class and setting.

Tests fail for what it finds beyond that, and for what it does not find any more.
"""

from __future__ import annotations

_UNSENT = "counts although what is built does not send it"

WRONG: dict[tuple[str, str], str] = {}
"""Not mended yet."""

SHARED = {"azure_endpoint", "endpoint", "client openai.base_url", "openai_api_base"}
"""Settings of which one class shows the fault of another one, so that all variants are needed."""

_SPLIT = "longer texts are split into pieces of that length; these texts are not"
_SPECIAL = "texts with special tokens become other tokens; these have none"
_TOKENIZER = "tokens of another tokenizer may stand for another text"
_DEPLOYMENT = "the tokenizer follows the model, which may not be that of the deployment"
_ASTRAY = "a client of Azure's whose URL was changed to one that it does not send to is not cached"

NEEDLESS: dict[tuple[str, str], str] = {
    (
        "langchain:LiteLLMEmbeddings-cohere",
        "global litellm.api_base",
    ): "LiteLLM goes by it for most providers, and which ones changes between versions",
    ("llamaindex:AzureAIEmbeddingsModel", "model_kwargs"): "what is named like headers may be another argument",
    ("haystack:AzureOpenAI", "client openai.base_url"): _ASTRAY,
    ("sdk:openai.AzureOpenAI", "client openai.base_url"): _ASTRAY,
    ("langchain:OpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:OpenAIEmbeddings", "allowed_special"): _SPECIAL,
    ("langchain:OpenAIEmbeddings", "tiktoken_model_name"): _TOKENIZER,
    ("langchain:langchain_community.OpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:langchain_community.OpenAIEmbeddings", "allowed_special"): _SPECIAL,
    ("sdk:litellm.embedding", "call.encoding_format"): "is sent as it is, and the SDK cannot read every answer",
    ("sdk:litellm.embedding", "call.api_type"): "is not known; the call bypasses the cache",
    ("sdk:litellm.embedding", "call.caching"): "asks for a cache of LiteLLM itself; the call bypasses the cache",
    ("langchain:AzureOpenAIEmbeddings", "model"): _DEPLOYMENT,
    ("langchain:AzureOpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:AzureOpenAIEmbeddings", "allowed_special"): _SPECIAL,
    ("langchain:AzureAIOpenAIApiEmbeddingsModel", "embedding_ctx_length"): _SPLIT,
    ("langchain:AzureAIOpenAIApiEmbeddingsModel", "allowed_special"): _SPECIAL,
    ("langchain:langchain_community.AzureOpenAIEmbeddings", "model"): _DEPLOYMENT,
    ("langchain:langchain_community.AzureOpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:langchain_community.AzureOpenAIEmbeddings", "allowed_special"): _SPECIAL,
    ("langchain:HuggingFaceEndpointEmbeddings", "task"): "no other value is accepted when it is built",
    (
        "llamaindex:HuggingFaceInferenceAPIEmbedding",
        "pooling",
    ): "is used where a model answers with a vector for each token",
    ("haystack:HuggingFaceAPI", "client huggingface_hub.provider"): "is used where the model is no URL",
    ("langchain:BedrockEmbeddings", "provider"): "decides how an answer is read",
    (
        "langchain:langchain_community.BaichuanTextEmbeddings",
        "chunk_size",
    ): "may cut texts in a class that is not known",
    (
        "langchain:langchain_community.JinaEmbeddings",
        "client requests.headers",
    ): "all that a client of an unknown class sends counts",
    (
        "langchain:langchain_community.TextEmbedEmbeddings",
        "api_url",
    ): "the client that is built keeps the old one, which counts beside the field of an unknown class",
}
"""Settings that change the name and not the request, or send a call past the cache, and why that is so."""

TWINS: dict[str, str] = {}
"""Classes whose async methods send something else than the others, and what a cache makes of it."""

REFUSED: dict[str, str] = {
    "llamaindex:NVIDIAEmbedding": "sync methods embed queries as passages, async ones as queries",
}
"""Classes that are known and refused as they are, and why."""
