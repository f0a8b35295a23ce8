"""Models behind the interfaces of other providers, and self-hosted servers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    At,
    Description,
    Env,
    KnownClass,
    Requests,
    UnclearSettingError,
    Urls,
    clean_url,
    endpoint_of,
    line_separators_to_spaces,
    newlines_to_spaces,
    providers,
    request_size,
)
from langchain_embedonce.providers.openai import OPENAI_URLS

if TYPE_CHECKING:
    from embedonce import Identity


def _huggingface_inference(
    model: Any,
    repo_id: Any,
    provider: Any,
    task: Any,
    model_kwargs: Any,
    in_use: Any = At("client.model"),
    async_model: Any = At("async_client.model"),
    of_client: Any = At("client.provider"),
    of_async_client: Any = At("async_client.provider"),
) -> Description:
    # The class takes no URL of a server: clients that have one are put in the place of its own.
    asked = {"models or URLs": (in_use, async_model), "providers": (of_client, of_async_client)}
    for what, (one, other) in asked.items():
        if one != other and None not in (one, other):
            msg = f"its synchronous and its asynchronous client use different {what}; set both"
            raise UnclearSettingError(msg)
    identity = providers.huggingface_inference(
        in_use or model or repo_id, inference_provider=of_client or provider, task=task, request=model_kwargs
    )
    return Description(identity, effective_text=newlines_to_spaces)


def _ollama(
    model: Any,
    dimensions: Any,
    num_ctx: Any,
    base_url: Any,
    host: Any = Env("OLLAMA_HOST"),
    urls: Any = Urls("_client._client.base_url _async_client._client.base_url"),
) -> Identity:
    endpoint = endpoint_of(urls, base_url, host)
    return providers.ollama(model, dimensions=dimensions, num_ctx=num_ctx, endpoint=endpoint)


def _cohere(
    model: Any,
    truncate: Any,
    embedding_types: Any,
    base_url: Any,
    api_url: Any = Env("CO_API_URL"),
    urls: Any = Urls("client._client_wrapper.base_url async_client._client_wrapper.base_url"),
) -> Description | Identity:
    types = [embedding_types] if isinstance(embedding_types, str) else list(embedding_types or ())
    if len(types) != 1:
        return Description(None, not_cacheable="not exactly one of `embedding_types` means not one vector per text")
    endpoint = endpoint_of(urls, base_url, api_url)
    identity = providers.cohere(model, embedding_type=str(types[0]), truncate=truncate, endpoint=endpoint)
    # The class makes floats of integers, which other frameworks' classes do not.
    return Description(identity, numbers=float)


def _voyage(
    model: Any,
    output_dimension: Any,
    truncation: Any,
    base_url: Any,
    urls: Any = Urls("_client._params.base_url _aclient._params.base_url"),
) -> Description | Identity:
    refused = providers.voyage_not_cacheable(model)
    if refused:
        return Description(None, not_cacheable=refused)
    endpoint = endpoint_of(urls, base_url)
    return providers.voyage(model, dimensions=output_dimension, truncate=truncation, endpoint=endpoint)


def _bedrock(
    model_id: Any,
    provider: Any,
    dimensions: Any,
    normalize: Any,
    model_kwargs: Any,
    endpoint_url: Any,
    urls: Any = Urls("client.meta.endpoint_url"),
) -> Description:
    identity = providers.bedrock(
        model_id,
        family=provider,
        dimensions=dimensions,
        normalize=normalize,
        request=model_kwargs,
        endpoint=endpoint_of(urls, endpoint_url),
    )
    # Before langchain-aws 1.9 the async method sends documents as queries, which Cohere's models embed differently.
    return Description(identity, effective_text=line_separators_to_spaces, is_sync_only=not identity.symmetric)


_GOOGLE_URLS = Urls("client._api_client._http_options.base_url")


def _google(
    model: Any,
    task_type: Any,
    output_dimensionality: Any,
    base_url: Any,
    _use_vertexai: Any,
    vertex: Any = At("client._api_client.vertexai"),
    version: Any = At("client._api_client._http_options.api_version"),
    project: Any = At("client._api_client.project"),
    location: Any = At("client._api_client.location"),
    urls: Any = _GOOGLE_URLS,
) -> Identity:
    return providers.google(
        model,
        vertex=bool(_use_vertexai if vertex is None else vertex),
        dimensions=output_dimensionality,
        # As the class sends it.
        task=task_type.upper() if task_type else None,
        endpoint=endpoint_of(urls, base_url),
        api_version=version,
        project=project,
        location=location,
    )


def _vertex(
    model_name: Any,
    dimensions: Any,
    tuned_model_name: Any,
    instance: Any,
    api_endpoint: Any,
    project: Any = At("client._api_client.project"),
    location: Any = At("client._api_client.location"),
    urls: Any = _GOOGLE_URLS,
) -> Identity:
    endpoint = endpoint_of(urls, api_endpoint)
    return providers.google(
        model_name,
        vertex=True,
        dimensions=dimensions,
        # A host without a scheme is not a URL yet.
        endpoint=None if endpoint and endpoint.endswith("googleapis.com") else endpoint,
        project=project,
        location=location,
        tuned_model=tuned_model_name,
        # Up to version 2 the class spoke to another service and left the task out for models that it did not know.
        service=None if instance is None else "prediction",
    )


def _mistral(model: Any, endpoint: Any, urls: Any = Urls("client.base_url async_client.base_url")) -> Identity:
    return providers.mistral(model, endpoint=endpoint_of(urls, endpoint))


def _nomic(model: Any, dimensionality: Any, inference_mode: Any, api_path: Any = Env("ATLAS_API_PATH")) -> Identity:
    endpoint = endpoint_of((), api_path)
    return providers.nomic(model, dimensions=dimensionality, inference_mode=inference_mode, endpoint=endpoint)


def _fireworks(model: Any, urls: Any = Urls("client.base_url")) -> Identity:
    return providers.fireworks(model, endpoint=endpoint_of(urls))


def _nvidia(
    model: Any,
    truncate: Any,
    dimensions: Any,
    base_url: Any,
    path: Any = At("_client.infer_path"),
    pending: Any = Env("NVIDIA_BASE_URL"),
    urls: Any = Urls("_client.base_url _async_client.base_url"),
) -> Identity:
    endpoint = endpoint_of(urls, base_url, pending)
    if isinstance(path, str) and "{base_url}" not in path:
        # Some models are served at a URL of their own.
        endpoint = clean_url(path)
    return providers.nvidia(model, dimensions=dimensions, truncate=truncate, endpoint=endpoint)


def _upstage(
    model: Any,
    dimensions: Any,
    model_kwargs: Any,
    upstage_api_base: Any,
    base: Any = Env("UPSTAGE_API_BASE"),
    urls: Any = OPENAI_URLS,
) -> Identity:
    endpoint = endpoint_of(urls, upstage_api_base, base)
    # The class takes a role's suffix off and appends its own.
    return providers.upstage(model, dimensions=dimensions, request=model_kwargs, endpoint=endpoint)


# How requests are sent, where there is more to it than the number of texts in one.

_CHARACTERS_PER_TOKEN = 4
# All texts of a call are one request, which is bounded here.
_ALL = 1024


def _cohere_requests() -> Requests:
    # Its client has 64 threads, and its async client sends all requests of a call at once.
    return Requests(96, at_once=64, at_once_async=None, is_divisible=True)


def _voyage_requests(batch_size: Any) -> Requests:
    # A request holds 120,000 tokens, of some models more.
    return Requests(request_size(batch_size, 1000), characters=_CHARACTERS_PER_TOKEN * 120_000)


def _bedrock_requests(model_id: Any, provider: Any) -> Requests:
    if (provider or providers.bedrock_family(model_id)) == "cohere":
        return Requests(96)
    # The async methods ask the default pool of threads for one text each.
    return Requests(1, at_once_async=min(32, (os.cpu_count() or 1) + 4), is_divisible=True)


# A request holds 20,000 tokens, as which each word and each space counts twice.
_GOOGLE_CHARACTERS = 28_000


def _google_requests() -> Requests:
    return Requests(100, characters=_GOOGLE_CHARACTERS)


def _vertex_requests(instance: Any, request_parallelism: Any) -> Requests:
    # Up to version 2 the class has a pool of threads. A request holds as much as one of the class above.
    at_once = 1 if instance is None else request_size(request_parallelism, 5)
    return Requests(250, at_once=at_once, at_once_async=at_once, characters=_GOOGLE_CHARACTERS)


def _mistral_requests(tokenizer: Any) -> Requests:
    # A request holds 16,000 tokens; without a tokenizer the class counts characters. The async method sends all of a
    # call at once, and is given no more than eight, so that a quota in their midst costs no more.
    counts_characters = type(tokenizer).__name__ == "DummyTokenizer"
    return Requests(_ALL, characters=16_000 * (1 if counts_characters else _CHARACTERS_PER_TOKEN))


def _nomic_requests(inference_mode: Any) -> Requests | None:
    # Ten threads send ten texts each.
    return Requests(10, at_once=10, at_once_async=10) if inference_mode == "remote" else None


ROWS = {
    ("langchain_huggingface", "HuggingFaceEndpointEmbeddings"): KnownClass(
        _huggingface_inference, _ALL, adds="client | async_client async_client._async_client"
    ),
    ("langchain_ollama", "OllamaEmbeddings"): KnownClass(_ollama, _ALL),
    ("langchain_cohere", "CohereEmbeddings"): KnownClass(_cohere, _cohere_requests),
    ("langchain_voyageai", "VoyageAIEmbeddings"): KnownClass(_voyage, _voyage_requests),
    ("langchain_aws", "BedrockEmbeddings"): KnownClass(_bedrock, _bedrock_requests),
    ("langchain_google_genai", "GoogleGenerativeAIEmbeddings"): KnownClass(
        _google,
        _google_requests,
        adds="client._api_client._httpx_client | client._api_client._async_httpx_client",
    ),
    ("langchain_google_vertexai", "VertexAIEmbeddings"): KnownClass(_vertex, _vertex_requests),
    ("langchain_mistralai", "MistralAIEmbeddings"): KnownClass(_mistral, _mistral_requests),
    ("langchain_nomic", "NomicEmbeddings"): KnownClass(_nomic, _nomic_requests, ignores="device vision_model"),
    ("langchain_fireworks", "FireworksEmbeddings"): KnownClass(_fireworks, _ALL),
    ("langchain_nvidia_ai_endpoints", "NVIDIAEmbeddings"): KnownClass(
        _nvidia, ("max_batch_size", 50), adds="_client.headers_tmpl.call default_headers"
    ),
    ("langchain_upstage", "UpstageEmbeddings"): KnownClass(_upstage, ("embed_batch_size", 10)),
}
