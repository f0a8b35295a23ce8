"""Models behind the interfaces of other providers, and servers of one's own."""

from __future__ import annotations

from embedonce.identification import (
    Description,
    KnownClass,
    UnclearSettingError,
    Values,
    clean_url,
    endpoint_of,
    identity_of,
    line_separators_to_spaces,
    newlines_to_spaces,
    providers,
)
from langchain_embedonce.providers.openai import OPENAI_URLS


def _azure_ai(values: Values) -> Description:
    parameters = {key: values[key] for key in ("endpoint", "dimensions", "model_kwargs")}
    if not values["endpoint"]:
        msg = "its field `endpoint` is empty"
        raise UnclearSettingError(msg)
    # An endpoint with one model need not name it. The input type is fixed for models that know none.
    model = values["model_name"] or values["_model_name"] or "default"
    symmetric = getattr(values["_embed_input_type"], "value", values["_embed_input_type"]) == "text"
    return Description(identity_of("azure-ai", model, parameters, symmetric=symmetric))


def _huggingface_inference(values: Values) -> Description:
    identity = providers.huggingface_inference(
        values["client.model"] or values["model"] or values["repo_id"],
        inference_provider=values["provider"],
        task=values["task"],
        request=values["model_kwargs"],
    )
    return Description(identity, effective_text=newlines_to_spaces)


def _ollama(values: Values) -> Description:
    identity = providers.ollama(
        values["model"],
        dimensions=values["dimensions"],
        num_ctx=values["num_ctx"],
        endpoint=endpoint_of(values, "base_url", "$OLLAMA_HOST"),
    )
    return Description(identity)


def _cohere(values: Values) -> Description:
    types = values["embedding_types"]
    types = [types] if isinstance(types, str) else list(types or ())
    if len(types) != 1:
        return Description(None, not_cacheable="not exactly one of `embedding_types` means not one vector per text")
    endpoint = endpoint_of(values, "base_url", "$CO_API_URL")
    return Description(
        providers.cohere(values["model"], embedding_type=str(types[0]), truncate=values["truncate"], endpoint=endpoint)
    )


def _voyage(values: Values) -> Description:
    refused = providers.voyage_not_cacheable(values["model"])
    if refused:
        return Description(None, not_cacheable=refused)
    identity = providers.voyage(
        values["model"],
        dimensions=values["output_dimension"],
        truncate=values["truncation"],
        endpoint=endpoint_of(values, "base_url"),
    )
    return Description(identity)


def _bedrock(values: Values) -> Description:
    identity = providers.bedrock(
        values["model_id"],
        family=values["provider"],
        dimensions=values["dimensions"],
        normalize=values["normalize"],
        request=values["model_kwargs"],
        endpoint=endpoint_of(values, "endpoint_url"),
    )
    return Description(identity, effective_text=line_separators_to_spaces)


def _google(values: Values) -> Description:
    vertex = values["client._api_client.vertexai"]
    identity = providers.google(
        values["model"],
        vertex=bool(values["_use_vertexai"] if vertex is None else vertex),
        dimensions=values["output_dimensionality"],
        task=values["task_type"],
        endpoint=endpoint_of(values, "base_url"),
    )
    return Description(identity)


def _vertex(values: Values) -> Description:
    endpoint = endpoint_of(values, "api_endpoint")
    identity = providers.google(
        values["model_name"],
        vertex=True,
        dimensions=values["dimensions"],
        # A host without a scheme is no URL yet.
        endpoint=None if endpoint and endpoint.endswith("googleapis.com") else endpoint,
        tuned_model=values["tuned_model_name"],
        # Up to version 2 the class spoke to another service and left the task out for models that it did not know.
        service=None if values["instance"] is None else "prediction",
    )
    return Description(identity)


def _mistral(values: Values) -> Description:
    return Description(providers.mistral(values["model"], endpoint=endpoint_of(values, "endpoint")))


def _nomic(values: Values) -> Description:
    identity = providers.nomic(
        values["model"],
        dimensions=values["dimensionality"],
        inference_mode=values["inference_mode"],
        endpoint=endpoint_of(values, "$ATLAS_API_PATH"),
    )
    return Description(identity)


def _fireworks(values: Values) -> Description:
    return Description(providers.fireworks(values["model"], endpoint=endpoint_of(values)))


def _nvidia(values: Values) -> Description:
    endpoint = endpoint_of(values, "base_url", "$NVIDIA_BASE_URL")
    path = values["_client.infer_path"]
    if isinstance(path, str) and "{base_url}" not in path:
        # Some models are served under an URL of their own.
        endpoint = clean_url(path)
    identity = providers.nvidia(
        values["model"], dimensions=values["dimensions"], truncate=values["truncate"], endpoint=endpoint
    )
    return Description(identity)


def _upstage(values: Values) -> Description:
    # The class takes a role's suffix off and appends its own.
    identity = providers.upstage(
        values["model"],
        dimensions=values["dimensions"],
        request=values["model_kwargs"],
        endpoint=endpoint_of(values, "upstage_api_base", "$UPSTAGE_API_BASE"),
    )
    return Description(identity)


ROWS = {
    ("langchain_azure_ai", "AzureAIEmbeddingsModel"): KnownClass(
        _azure_ai,
        "endpoint model_name _model_name dimensions model_kwargs _embed_input_type",
        batch=("embed_batch_size", 1024),
    ),
    ("langchain_huggingface", "HuggingFaceEndpointEmbeddings"): KnownClass(
        _huggingface_inference, "model repo_id provider task model_kwargs client.model"
    ),
    ("langchain_ollama", "OllamaEmbeddings"): KnownClass(
        _ollama,
        "model dimensions num_ctx base_url",
        "_client._client.base_url _async_client._client.base_url",
        "OLLAMA_HOST",
    ),
    ("langchain_cohere", "CohereEmbeddings"): KnownClass(
        _cohere,
        "model truncate embedding_types base_url",
        "client._client_wrapper.base_url async_client._client_wrapper.base_url",
        "CO_API_URL",
        batch=96,
    ),
    ("langchain_voyageai", "VoyageAIEmbeddings"): KnownClass(
        _voyage,
        "model output_dimension truncation base_url",
        "_client._params.base_url _aclient._params.base_url",
        batch=("batch_size", 1000),
    ),
    ("langchain_aws", "BedrockEmbeddings"): KnownClass(
        _bedrock,
        "model_id dimensions normalize model_kwargs provider endpoint_url",
        "client.meta.endpoint_url",
        batch=96,
    ),
    ("langchain_google_genai", "GoogleGenerativeAIEmbeddings"): KnownClass(
        _google,
        "model task_type output_dimensionality base_url _use_vertexai client._api_client.vertexai",
        "client._api_client._http_options.base_url",
        batch=100,
    ),
    ("langchain_google_vertexai", "VertexAIEmbeddings"): KnownClass(
        _vertex,
        "model_name dimensions tuned_model_name instance api_endpoint",
        "client._api_client._http_options.base_url",
        batch=250,
    ),
    ("langchain_mistralai", "MistralAIEmbeddings"): KnownClass(
        _mistral, "model endpoint", "client.base_url async_client.base_url"
    ),
    ("langchain_nomic", "NomicEmbeddings"): KnownClass(
        _nomic, "model dimensionality inference_mode", env="ATLAS_API_PATH", ignores="device vision_model"
    ),
    ("langchain_fireworks", "FireworksEmbeddings"): KnownClass(_fireworks, "model", "client.base_url"),
    ("langchain_nvidia_ai_endpoints", "NVIDIAEmbeddings"): KnownClass(
        _nvidia,
        "model truncate dimensions base_url _client.infer_path",
        "_client.base_url _async_client.base_url",
        "NVIDIA_BASE_URL",
        ("max_batch_size", 50),
    ),
    ("langchain_upstage", "UpstageEmbeddings"): KnownClass(
        _upstage,
        "model dimensions model_kwargs upstage_api_base",
        OPENAI_URLS,
        "UPSTAGE_API_BASE",
        ("embed_batch_size", 10),
    ),
}
