"""Models that one class reaches at many providers, and servers that speak the protocol of another provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    At,
    Description,
    KnownClass,
    Requests,
    UnclearSettingError,
    Urls,
    endpoint_of,
    group,
    providers,
)
from langchain_embedonce.providers.openai import OPENAI_URLS

if TYPE_CHECKING:
    from embedonce import Identity

# All texts of a call are one request, which is bounded here.
_ALL = 1024


def _litellm(
    model: Any,
    model_kwargs: Any,
    api_base: Any,
    custom_llm_provider: Any,
    dimensions: Any,
    encoding_format: Any,
    extra_headers: Any,
    document_input_type: Any,
    query_input_type: Any,
    process: providers.LiteLLM = group(providers.LiteLLM),
) -> Description:
    fields = {
        "model": model,
        "api_base": api_base,
        "custom_llm_provider": custom_llm_provider,
        "dimensions": dimensions,
        "encoding_format": encoding_format,
        "extra_headers": extra_headers,
    }
    # A field that is not set leaves what `model_kwargs` says.
    sent = {**(model_kwargs or {}), **{name: value for name, value in fields.items() if value is not None}}
    typed = [sent if each is None else {**sent, "input_type": each} for each in (document_input_type, query_input_type)]
    return process.described(*typed)


def _together(
    model: Any,
    dimensions: Any,
    model_kwargs: Any,
    together_api_base: Any,
    urls: Any = OPENAI_URLS,
) -> Identity:
    return providers.together(
        model,
        dimensions=dimensions,
        request=model_kwargs,
        endpoint=endpoint_of(urls, together_api_base),
    )


def _azure_ai(
    endpoint: Any,
    model_name: Any,
    _model_name: Any,
    dimensions: Any,
    model_kwargs: Any,
    _embed_input_type: Any,
    in_use: Any = At("_client._model"),
    length: Any = At("_client._dimensions"),
    extras: Any = At("_client._model_extras"),
    urls: Any = Urls("_client._config.endpoint _async_client._config.endpoint"),
) -> Identity:
    # The input type is fixed for models that know none.
    symmetric = getattr(_embed_input_type, "value", _embed_input_type) == "text"
    return providers.azure_ai(
        in_use or model_name or _model_name,
        endpoint=endpoint_of(urls, endpoint),
        dimensions=dimensions or length,
        request=model_kwargs or extras,
        symmetric=symmetric,
    )


def _infinity(model: Any, own_session: Any = At("client.aiosession"), urls: Any = Urls("client.host")) -> Identity:
    if own_session is not None:
        msg = "the async methods of its client use a session of their own, which may add anything to a request"
        raise UnclearSettingError(msg)
    return providers.openai(model, endpoint=endpoint_of(urls))


def _infinity_requests() -> Requests:
    # Its client has 32 threads, and its async method sends all requests of a call at once.
    return Requests(128, at_once=32, at_once_async=None, is_divisible=True)


ROWS = {
    ("langchain_community", "InfinityEmbeddings"): KnownClass(_infinity, _infinity_requests),
    ("langchain_litellm", "LiteLLMEmbeddings"): KnownClass(_litellm, _ALL),
    # Each text is a request.
    ("langchain_together", "TogetherEmbeddings"): KnownClass(_together, 1),
    ("langchain_azure_ai", "AzureAIEmbeddingsModel"): KnownClass(_azure_ai, ("embed_batch_size", 1024)),
}
