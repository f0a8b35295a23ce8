"""Models behind the interfaces of other providers, and servers of one's own."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from embedonce.identification.rows import (
    Description,
    Row,
    Values,
    endpoint_of,
    identity_of,
    in_host,
    line_separators_to_spaces,
    newlines_to_spaces,
    unless,
)
from embedonce.settings import UnclearSettingError, clean_url
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
    sent = dict(values["model_kwargs"] or {})
    model = sent.pop("model", None) or values["client.model"] or values["model"] or values["repo_id"]
    sent.pop("encoding_format", None)
    parameters = {**sent, "inference_provider": unless("auto", values["provider"])}
    parameters["task"] = unless("feature-extraction", values["task"])
    identity = identity_of("huggingface-inference", model, parameters, symmetric=True)
    return Description(identity, effective_text=newlines_to_spaces)


_THIS_MACHINE = ("localhost", "127.0.0.1", "0.0.0.0", "[::1]")  # noqa: S104 - compared with, never bound to


def _ollama_url(values: Values) -> str | None:
    url = endpoint_of(values, "base_url", "$OLLAMA_HOST")
    if not url:
        return None
    if "://" not in url:
        url = clean_url(f"http://{url}" if ":" in url.rpartition("]")[2] else f"http://{url}:11434")
    scheme, host, path, query, _ = urlsplit(url)
    name, colon, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    if name in _THIS_MACHINE or not name:
        host = f"localhost{colon}{port}"
    url = urlunsplit((scheme, host, path, query, ""))
    return None if url == "http://localhost:11434" else url


def _ollama(values: Values) -> Description:
    # Sampling options are sent as well, but nothing is sampled; threads and graphics cards only add noise.
    parameters = {"dimensions": values["dimensions"], "num_ctx": values["num_ctx"], "endpoint": _ollama_url(values)}
    model = values["model"].removesuffix(":latest") if isinstance(values["model"], str) else values["model"]
    return Description(identity_of("ollama", model, parameters, symmetric=True))


def _cohere(values: Values) -> Description:
    types = values["embedding_types"]
    types = [types] if isinstance(types, str) else list(types or ())
    if len(types) != 1:
        return Description(None, not_cacheable="not exactly one of `embedding_types` means not one vector per text")
    endpoint = endpoint_of(values, "base_url", "$CO_API_URL")
    parameters = {
        "embedding_type": unless("float", str(types[0])),
        "truncate": unless("END", values["truncate"]),
        "endpoint": None if in_host(endpoint, "api.cohere.com", "api.cohere.ai") else endpoint,
    }
    return Description(identity_of("cohere", values["model"], parameters))


def _voyage(values: Values) -> Description:
    if "context" in str(values["model"]):
        return Description(None, not_cacheable="contextualised vectors depend on the other texts of the call")
    parameters = {
        "dimensions": values["output_dimension"],
        "truncate": unless(True, values["truncation"]),
        "endpoint": endpoint_of(values, "base_url", official=("https://api.voyageai.com/v1",)),
    }
    return Description(identity_of("voyage", values["model"], parameters, exact=True))


def _bedrock(values: Values) -> Description:
    model, sent = values["model_id"], values["model_kwargs"] or {}
    # As the class guesses it; a region in front of the name is no provider: `us.cohere.embed-v4:0`.
    guessed = re.sub(r"^(?i:us|us-gov|eu|apac|au|jp|sa|amer|global)\.", "", str(model)).partition(".")[0]
    family = values["provider"] or guessed
    endpoint = endpoint_of(values, "endpoint_url")
    cohere = family == "cohere"
    ignored = cohere and "cohere.embed-v4" not in str(model)
    parameters = {
        "dimensions": None if ignored else values["dimensions"],
        "normalize": values["normalize"] or None,
        "model_kwargs": sent,
        "model_provider": unless(guessed, family),
        "endpoint": None if in_host(endpoint, "amazonaws.com", "amazonaws.com.cn", "api.aws") else endpoint,
    }
    identity = identity_of("bedrock", model, parameters, symmetric=not cohere or "input_type" in sent)
    return Description(identity, effective_text=line_separators_to_spaces)


def _google(values: Values) -> Description:
    vertex = values["client._api_client.vertexai"]
    vertex = values["_use_vertexai"] if vertex is None else vertex
    endpoint = endpoint_of(values, "base_url")
    model = values["model"].removeprefix("models/") if isinstance(values["model"], str) else values["model"]
    task = values["task_type"].upper() if isinstance(values["task_type"], str) else None
    parameters = {
        "dimensions": values["output_dimensionality"],
        "task": task,
        "endpoint": None if in_host(endpoint, "googleapis.com") else endpoint,
    }
    return Description(
        identity_of("google-vertex" if vertex else "google-genai", model, parameters, symmetric=bool(task))
    )


def _vertex(values: Values) -> Description:
    # Up to version 2 the class spoke to another service and left the task out for models that it did not know.
    endpoint = endpoint_of(values, "api_endpoint")
    parameters = {
        "dimensions": values["dimensions"],
        "tuned_model": values["tuned_model_name"],
        "service": None if values["instance"] is None else "prediction",
        "endpoint": None if endpoint and endpoint.endswith("googleapis.com") else endpoint,
    }
    return Description(identity_of("google-vertex", values["model_name"], parameters))


def _mistral(values: Values) -> Description:
    endpoint = endpoint_of(values, "endpoint", official=("https://api.mistral.ai/v1",))
    return Description(identity_of("mistral", values["model"], {"endpoint": endpoint}, symmetric=True))


def _nomic(values: Values) -> Description:
    local = values["inference_mode"] == "local"
    parameters = {
        "dimensions": values["dimensionality"],
        "inference_mode": unless("remote", values["inference_mode"]),
        "endpoint": None if local else endpoint_of(values, "$ATLAS_API_PATH", official=("https://api-atlas.nomic.ai",)),
    }
    return Description(identity_of("nomic", values["model"], parameters))


def _fireworks(values: Values) -> Description:
    endpoint = endpoint_of(values, official=("https://api.fireworks.ai/inference/v1",))
    return Description(identity_of("fireworks", values["model"], {"endpoint": endpoint}, symmetric=True))


def _nvidia(values: Values) -> Description:
    endpoint = endpoint_of(values, "base_url", "$NVIDIA_BASE_URL")
    path = values["_client.infer_path"]
    if isinstance(path, str) and "{base_url}" not in path:
        # Some models are served under an URL of their own.
        endpoint = clean_url(path)
    parameters = {
        "dimensions": values["dimensions"],
        "truncate": unless("NONE", values["truncate"]),
        "endpoint": None if in_host(endpoint, "api.nvidia.com") else endpoint,
    }
    return Description(identity_of("nvidia", values["model"], parameters))


def _upstage(values: Values) -> Description:
    # The class takes a role's suffix off and appends its own.
    model = str(values["model"] or "").replace("-query", "").replace("-passage", "")
    official = ("https://api.upstage.ai/v1", "https://api.upstage.ai/v1/solar")
    parameters = {
        "dimensions": values["dimensions"],
        "model_kwargs": values["model_kwargs"],
        "endpoint": endpoint_of(values, "upstage_api_base", "$UPSTAGE_API_BASE", official=official),
    }
    return Description(identity_of("upstage", model, parameters))


ROWS = {
    ("langchain_azure_ai", "AzureAIEmbeddingsModel"): Row(
        _azure_ai,
        "endpoint model_name _model_name dimensions model_kwargs _embed_input_type",
        batch=("embed_batch_size", 1024),
    ),
    ("langchain_huggingface", "HuggingFaceEndpointEmbeddings"): Row(
        _huggingface_inference, "model repo_id provider task model_kwargs client.model"
    ),
    ("langchain_ollama", "OllamaEmbeddings"): Row(
        _ollama,
        "model dimensions num_ctx base_url",
        "_client._client.base_url _async_client._client.base_url",
        "OLLAMA_HOST",
    ),
    ("langchain_cohere", "CohereEmbeddings"): Row(
        _cohere,
        "model truncate embedding_types base_url",
        "client._client_wrapper.base_url async_client._client_wrapper.base_url",
        "CO_API_URL",
        batch=96,
    ),
    ("langchain_voyageai", "VoyageAIEmbeddings"): Row(
        _voyage,
        "model output_dimension truncation base_url",
        "_client._params.base_url _aclient._params.base_url",
        batch=("batch_size", 1000),
    ),
    ("langchain_aws", "BedrockEmbeddings"): Row(
        _bedrock,
        "model_id dimensions normalize model_kwargs provider endpoint_url",
        "client.meta.endpoint_url",
        batch=96,
    ),
    ("langchain_google_genai", "GoogleGenerativeAIEmbeddings"): Row(
        _google,
        "model task_type output_dimensionality base_url _use_vertexai client._api_client.vertexai",
        "client._api_client._http_options.base_url",
        batch=100,
    ),
    ("langchain_google_vertexai", "VertexAIEmbeddings"): Row(
        _vertex,
        "model_name dimensions tuned_model_name instance api_endpoint",
        "client._api_client._http_options.base_url",
        batch=250,
    ),
    ("langchain_mistralai", "MistralAIEmbeddings"): Row(
        _mistral, "model endpoint", "client.base_url async_client.base_url"
    ),
    ("langchain_nomic", "NomicEmbeddings"): Row(
        _nomic, "model dimensionality inference_mode", env="ATLAS_API_PATH", ignores="device vision_model"
    ),
    ("langchain_fireworks", "FireworksEmbeddings"): Row(_fireworks, "model", "client.base_url"),
    ("langchain_nvidia_ai_endpoints", "NVIDIAEmbeddings"): Row(
        _nvidia,
        "model truncate dimensions base_url _client.infer_path",
        "_client.base_url _async_client.base_url",
        "NVIDIA_BASE_URL",
        ("max_batch_size", 50),
    ),
    ("langchain_upstage", "UpstageEmbeddings"): Row(
        _upstage,
        "model dimensions model_kwargs upstage_api_base",
        OPENAI_URLS,
        "UPSTAGE_API_BASE",
        ("embed_batch_size", 10),
    ),
}
