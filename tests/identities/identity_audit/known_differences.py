"""What the audit is known to find, by class and setting.

Tests fail for what it finds beyond that, and for what it does not find any more.
"""

from __future__ import annotations

_HEADERS = "headers and parameters of the HTTP client choose a model at gateways, and do not count"
_AZURE = "a host that is not Azure's is sent tokens by one framework and texts by others, and is asked at two paths"
_UNSENT = "counts although the client that is built does not send it"
_BEDROCK = "is left out as if it were an argument of OpenAI's, and reaches the body"

WRONG: dict[tuple[str, str], str] = {
    ("langchain:OpenAIEmbeddings", "model_kwargs"): _HEADERS,
    ("langchain:OpenAIEmbeddings", "default_headers"): _HEADERS,
    ("langchain:OpenAIEmbeddings", "default_query"): _UNSENT,
    ("langchain:OpenAIEmbeddings", "client openai.headers"): _HEADERS,
    ("langchain:AzureOpenAIEmbeddings", "default_query"): _UNSENT,
    ("langchain:AzureOpenAIEmbeddings", "client openai.base_url"): _AZURE,
    ("langchain:CohereEmbeddings", "client httpx.headers"): _HEADERS,
    ("langchain:MistralAIEmbeddings", "client httpx.headers"): _HEADERS,
    ("langchain:OllamaEmbeddings", "client_kwargs"): _HEADERS,
    ("langchain:OllamaEmbeddings", "async_client_kwargs"): _HEADERS,
    ("langchain:OllamaEmbeddings", "sync_client_kwargs"): _HEADERS,
    ("langchain:OllamaEmbeddings", "client httpx.headers"): _HEADERS,
    ("langchain:GoogleGenerativeAIEmbeddings", "additional_headers"): _HEADERS,
    ("langchain:GoogleGenerativeAIEmbeddings", "client google.headers"): _HEADERS,
    ("langchain:BedrockEmbeddings", "model_kwargs"): _BEDROCK,
    ("langchain:NVIDIAEmbeddings", "default_headers"): _HEADERS,
    ("llamaindex:OpenAIEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:OpenAIEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:OpenAIEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:OpenAILikeEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:OpenAILikeEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:OpenAILikeEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:AzureOpenAIEmbedding", "azure_endpoint"): _AZURE,
    ("llamaindex:FireworksEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:FireworksEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:FireworksEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:UpstageEmbedding", "additional_kwargs"): _HEADERS,
    ("llamaindex:UpstageEmbedding", "default_headers"): _HEADERS,
    ("llamaindex:UpstageEmbedding", "client openai.headers"): _HEADERS,
    ("llamaindex:CohereEmbedding", "client httpx.headers"): _HEADERS,
    ("llamaindex:OllamaEmbedding", "client_kwargs"): _HEADERS,
    ("llamaindex:OllamaEmbedding", "client httpx.headers"): _HEADERS,
    ("llamaindex:GoogleGenAIEmbedding", "client google.headers"): _HEADERS,
    ("haystack:OpenAI", "http_client_kwargs"): _HEADERS,
    ("haystack:OpenAI", "client openai.headers"): _HEADERS,
    ("haystack:AzureOpenAI", "azure_endpoint"): _AZURE,
    ("haystack:AzureOpenAI", "http_client_kwargs"): _UNSENT,
    ("haystack:AzureOpenAI", "client openai.base_url"): _AZURE,
    ("haystack:Mistral", "http_client_kwargs"): _HEADERS,
    ("haystack:Mistral", "client openai.headers"): _HEADERS,
    ("haystack:Cohere", "client httpx.headers"): _HEADERS,
    ("haystack:Ollama", "client httpx.headers"): _HEADERS,
    ("haystack:HuggingFaceAPI", "client huggingface_hub.headers"): _HEADERS,
    ("haystack:HuggingFaceAPI", "client httpx.headers"): _HEADERS,
    ("haystack:Nvidia", "client requests.headers"): _HEADERS,
    ("haystack:Nvidia", "client requests.params"): _HEADERS,
    ("sdk:openai.AzureOpenAI", "azure_endpoint"): _AZURE,
    ("sdk:openai.AzureOpenAI", "client openai.base_url"): _AZURE,
}
"""Not mended yet."""

_SPLIT = "longer texts are split into pieces of that length; these texts are not"
_TOKENIZER = "tokens of another tokenizer may stand for another text"
_PER_CALL = "a header of one call may choose a model; such calls go past the cache"

NEEDLESS: dict[tuple[str, str], str] = {
    ("langchain:OpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    ("langchain:OpenAIEmbeddings", "tiktoken_model_name"): _TOKENIZER,
    ("langchain:AzureOpenAIEmbeddings", "embedding_ctx_length"): _SPLIT,
    (
        "langchain:AzureOpenAIEmbeddings",
        "model",
    ): "the tokenizer follows the model, which may not be that of the deployment",
    ("langchain:HuggingFaceEndpointEmbeddings", "task"): "no other value is accepted when it is built",
    ("langchain:BedrockEmbeddings", "provider"): "decides how the answer is read",
    (
        "llamaindex:HuggingFaceInferenceAPIEmbedding",
        "pooling",
    ): "is used where a model answers with a vector for each token",
    ("haystack:HuggingFaceAPI", "client huggingface_hub.provider"): "is used where the model is no URL",
    ("sdk:openai.OpenAI", "call.extra_headers"): _PER_CALL,
    ("sdk:mistralai.Mistral", "call.http_headers"): _PER_CALL,
    ("sdk:openai.AzureOpenAI", "call.extra_headers"): _PER_CALL,
}
"""Settings that change the name and not the request, or send a call past the cache, and why that is so."""

TWINS: dict[str, str] = {}
"""Classes whose async methods send something else than the others, and what a cache makes of it."""

REFUSED: dict[str, str] = {
    "llamaindex:NVIDIAEmbedding": "sync methods embed queries as passages, async ones as queries",
}
"""Classes that are known and refused as they are, and why."""
