"""What the audit is known to find, by class and setting.

Tests fail for what it finds beyond that, and for what it does not find any more.
"""

from __future__ import annotations

_HEADERS = "headers and parameters of the HTTP client choose a model at gateways, and do not count"
_AZURE = "a host that is not Azure's is sent tokens by one framework and texts by others, and is asked at two paths"
_UNSENT = "counts although what is built does not send it"
_BEDROCK = "is left out as if it were an argument of OpenAI's, and reaches the body"
_NORMALISED = "the class of `langchain_community` brings vectors to length one, also those of other servers"

WRONG: dict[tuple[str, str], str] = {
    ("langchain:OpenAIEmbeddings", "model_kwargs"): _HEADERS,
    ("langchain:OpenAIEmbeddings", "default_headers"): _HEADERS,
    ("langchain:OpenAIEmbeddings", "default_query"): _UNSENT,
    ("langchain:OpenAIEmbeddings", "client openai.headers"): _HEADERS,
    ("langchain:langchain_community.OpenAIEmbeddings", "openai_api_base"): _NORMALISED,
    ("langchain:langchain_community.OpenAIEmbeddings", "default_query"): _UNSENT,
    ("langchain:langchain_community.OpenAIEmbeddings", "$OPENAI_API_BASE"): _NORMALISED,
    ("langchain:langchain_community.OpenAIEmbeddings", "$OPENAI_BASE_URL"): _NORMALISED,
    ("langchain:langchain_community.OpenAIEmbeddings", "client openai.base_url"): _NORMALISED,
    ("llamaindex:OpenAIEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:OpenAIEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:OpenAIEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:OpenAILikeEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:OpenAILikeEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:OpenAILikeEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:DatabricksEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:DatabricksEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:DatabricksEmbedding", "client openai.headers"): _HEADERS,
    ("haystack:OpenAI", "http_client_kwargs"): _HEADERS,
    ("haystack:OpenAI", "client openai.headers"): _HEADERS,
    ("langchain:AzureOpenAIEmbeddings", "default_query"): _UNSENT,
    ("langchain:AzureOpenAIEmbeddings", "client openai.base_url"): _AZURE,
    ("langchain:AzureAIOpenAIApiEmbeddingsModel", "default_query"): _UNSENT,
    ("langchain:AzureAIOpenAIApiEmbeddingsModel", "endpoint"): _AZURE,
    ("langchain:AzureAIOpenAIApiEmbeddingsModel", "client openai.base_url"): _AZURE,
    ("langchain:langchain_community.AzureOpenAIEmbeddings", "default_query"): _UNSENT,
    ("langchain:langchain_community.AzureOpenAIEmbeddings", "azure_endpoint"): _AZURE,
    ("llamaindex:AzureOpenAIEmbedding", "azure_endpoint"): _AZURE,
    ("haystack:AzureOpenAI", "azure_endpoint"): _AZURE,
    ("haystack:AzureOpenAI", "http_client_kwargs"): _UNSENT,
    ("haystack:AzureOpenAI", "client openai.base_url"): _AZURE,
    ("sdk:openai.AzureOpenAI", "azure_endpoint"): _AZURE,
    ("sdk:openai.AzureOpenAI", "client openai.base_url"): _AZURE,
    ("langchain:CohereEmbeddings", "client httpx.headers"): _HEADERS,
    ("llamaindex:CohereEmbedding", "client httpx.headers"): _HEADERS,
    ("haystack:Cohere", "client httpx.headers"): _HEADERS,
    ("langchain:MistralAIEmbeddings", "client httpx.headers"): _HEADERS,
    ("haystack:Mistral", "http_client_kwargs"): _HEADERS,
    ("haystack:Mistral", "client openai.headers"): _HEADERS,
    ("langchain:OllamaEmbeddings", "client_kwargs"): _HEADERS,
    ("langchain:OllamaEmbeddings", "async_client_kwargs"): _HEADERS,
    ("langchain:OllamaEmbeddings", "sync_client_kwargs"): _HEADERS,
    ("langchain:OllamaEmbeddings", "client httpx.headers"): _HEADERS,
    ("llamaindex:OllamaEmbedding", "client_kwargs"): _HEADERS,
    ("llamaindex:OllamaEmbedding", "client httpx.headers"): _HEADERS,
    ("haystack:Ollama", "client httpx.headers"): _HEADERS,
    ("langchain:GoogleGenerativeAIEmbeddings", "additional_headers"): _HEADERS,
    ("langchain:GoogleGenerativeAIEmbeddings", "client google.headers"): _HEADERS,
    ("llamaindex:GoogleGenAIEmbedding", "client google.headers"): _HEADERS,
    ("haystack:HuggingFaceAPI", "client huggingface_hub.headers"): _HEADERS,
    ("haystack:HuggingFaceAPI", "client httpx.headers"): _HEADERS,
    ("langchain:BedrockEmbeddings", "model_kwargs"): _BEDROCK,
    ("llamaindex:FireworksEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:FireworksEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:FireworksEmbedding", "client openai.headers"): _HEADERS,
    ("langchain:NVIDIAEmbeddings", "default_headers"): _HEADERS,
    ("haystack:Nvidia", "client requests.headers"): _HEADERS,
    ("haystack:Nvidia", "client requests.params"): _HEADERS,
    ("langchain:TogetherEmbeddings", "model_kwargs"): _HEADERS,
    ("langchain:TogetherEmbeddings", "default_headers"): _HEADERS,
    ("langchain:TogetherEmbeddings", "default_query"): _UNSENT,
    ("langchain:TogetherEmbeddings", "client openai.headers"): _HEADERS,
    ("langchain:LiteLLMEmbeddings-cohere", "global litellm.api_base"): _UNSENT,
    ("llamaindex:UpstageEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:UpstageEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:UpstageEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:AzureAIEmbeddingsModel", "client requests.params"): _HEADERS,
}
"""Not mended yet."""

SHARED = {setting for (_, setting), reason in WRONG.items() if reason in (_AZURE, _NORMALISED)}
"""Settings of which one class shows the fault of another one, so that all variants are needed."""

_SPLIT = "longer texts are split into pieces of that length; these texts are not"
_SPECIAL = "texts with special tokens become other tokens; these have none"
_TOKENIZER = "tokens of another tokenizer may stand for another text"
_DEPLOYMENT = "the tokenizer follows the model, which may not be that of the deployment"
_ASTRAY = "a client of Azure's whose URL was changed to one that it does not send to is not cached"

NEEDLESS: dict[tuple[str, str], str] = {
    ("haystack:AzureOpenAI", "client openai.base_url"): _ASTRAY,
    ("sdk:AzureOpenAI", "client openai.base_url"): _ASTRAY,
    ("langchain:OpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:OpenAIEmbeddings", "allowed_special"): _SPECIAL,
    ("langchain:OpenAIEmbeddings", "tiktoken_model_name"): _TOKENIZER,
    ("langchain:langchain_community.OpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:langchain_community.OpenAIEmbeddings", "allowed_special"): _SPECIAL,
    ("sdk:litellm.embedding", "call.encoding_format"): "is sent as it is, and the SDK cannot read every answer",
    ("sdk:litellm.embedding", "call.api_type"): "is not known; the call goes past the cache",
    ("sdk:litellm.embedding", "call.caching"): "asks for a cache of LiteLLM itself; the call goes past the cache",
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
