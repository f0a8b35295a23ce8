"""Models behind the interfaces of other providers, and self-hosted servers.

Where the class is the role, or sends a role's task by default, the text component is the query and the document
component the document of one identity. A component with any other task has that task in its identity.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification import (
    At,
    Description,
    Env,
    Requests,
    UnclearSettingError,
    Urls,
    clean_url,
    group,
    providers,
    request_size,
)
from haystack_integrations.components.embedders.embedonce.providers.clients import (
    INTEGRATIONS,
    Rows,
    endpoint_of,
    one_of,
    pair,
)

if TYPE_CHECKING:
    from embedonce import Identity

_NVIDIA_HOSTED = re.compile(r"https?://(?:integrate|ai)\.api\.nvidia\.com(?:/.*)?")
_VOYAGE = ("api.voyageai.com", "ai.mongodb.com")


def _cohere(
    own: str,
    model: Any,
    input_type: Any,
    truncate: Any,
    embedding_type: Any,
    api_base_url: Any,
    urls: Any = Urls("_client._client_wrapper.base_url _async_client._client_wrapper.base_url"),
) -> Description:
    numbers = str(getattr(embedding_type, "value", embedding_type) or "float")
    identity = providers.cohere(
        model,
        embedding_type=numbers,
        truncate=truncate,
        input_type=None if input_type == own else input_type,
        endpoint=endpoint_of(urls, api_base_url, default="https://api.cohere.com"),
    )
    return Description(identity, numbers=None if numbers == "float" else int)


def _voyage(
    own: str,
    model: Any,
    input_type: Any,
    truncate: Any,
    output_dimension: Any,
    output_dtype: Any,
    urls: Any = Urls("_client._params.base_url _async_client._params.base_url"),
) -> Description | Identity:
    refused = providers.voyage_not_cacheable(model)
    if refused:
        return Description(None, not_cacheable=refused)
    return providers.voyage(
        model,
        dimensions=output_dimension,
        truncate=truncate,
        output_dtype=output_dtype,
        # LangChain and LlamaIndex send the role's type; these components send none unless it is set.
        input_type=None if input_type == own else input_type or "none",
        # Which of the two is used depends on the key, which is not known before the first request.
        endpoint=endpoint_of(urls, hosts=_VOYAGE),
    )


def _bedrock(
    own: str,
    model: Any,
    kwargs: Any,
    url_of_service: Any = Env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
    url_of_all: Any = Env("AWS_ENDPOINT_URL"),
    urls: Any = Urls("_client.meta.endpoint_url"),
) -> Identity:
    model, given = str(model), kwargs or {}
    endpoint = endpoint_of(urls, url_of_service, url_of_all)
    if "cohere" in model:
        sent = {name: given[name] for name in ("input_type", "truncate") if given.get(name)}
        if sent.get("input_type") == own:
            del sent["input_type"]
        return providers.bedrock(model, family="cohere", request=sent, endpoint=endpoint)
    # As the class reads the name: nothing is sent to any other model, nor to one behind an ARN.
    sent = dict(given) if model.startswith("amazon.titan-embed-text-v2") else {}
    normalize = sent.get("normalize")
    return providers.bedrock(
        model,
        family="amazon",
        dimensions=sent.get("dimensions"),
        # Sent to the model. LangChain's field of that name is another thing: arithmetic on the client's side.
        request=None if normalize is None else {"normalize": normalize},
        endpoint=endpoint,
    )


class _Service(NamedTuple):
    """What a client of Google's asks: Vertex AI or not, and there for whom and where."""

    vertexai: Any
    project: Any
    location: Any


def _google(
    own: str,
    model: Any,
    model_name: Any,
    api: Any,
    config: Any,
    own_url: Any = At("config.http_options.base_url"),
    version: Any = At("config.http_options.api_version"),
    config_body: Any = At("config.http_options.extra_body"),
    client: _Service = group(_Service, "_client._api_client"),
    async_client: _Service = group(_Service, "_async_client._api_client"),
    is_enterprise: Any = Env("GOOGLE_GENAI_USE_ENTERPRISE"),
    is_vertex: Any = Env("GOOGLE_GENAI_USE_VERTEXAI"),
    project: Any = At("_vertex_ai_project"),
    location: Any = At("_vertex_ai_location"),
    vertex_url: Any = Env("GOOGLE_VERTEX_BASE_URL"),
    gemini_url: Any = Env("GOOGLE_GEMINI_BASE_URL"),
    urls: Any = Urls("_client._api_client._http_options.base_url _async_client._api_client._http_options.base_url"),
) -> Identity:
    # The package asks the environment if no argument says which service it is.
    is_pending = api == "vertex" or (is_enterprise or is_vertex or "").lower() in ("true", "1")
    is_located = bool(api == "vertex" and project and location)
    pending = _Service(is_pending, *((project, location) if is_located else (None, None)))
    # A client that is there decides, even if it shows nothing.
    used = [
        each._replace(vertexai=bool(each.vertexai)) if url else pending
        for each, url in zip((client, async_client), urls, strict=True)
    ]
    service: _Service = one_of(used, "services")
    more = {name: value for name, value in (config or {}).items() if name != "http_options"}
    task = str(more.pop("task_type", None) or "TASK_TYPE_UNSPECIFIED")
    hosts = ("googleapis.com",)
    return providers.google(
        model_name or model,
        vertex=service.vertexai,
        dimensions=more.pop("output_dimensionality", None),
        # LangChain and LlamaIndex send the role's task; these components send none unless it is set.
        task=None if task == own else task,
        endpoint=clean_url(str(own_url))
        if own_url
        else endpoint_of(urls, vertex_url if service.vertexai else gemini_url, hosts=hosts),
        api_version=version,
        project=service.project,
        location=service.location,
        config_body=config_body,
        **more,
    )


def _vertex(own: str, model: Any, task_type: Any, truncate_dim: Any) -> Identity:
    return providers.google(
        model,
        vertex=True,
        task=None if task_type == own else task_type,
        # Where the document component fails it tries again, and sends this in the place of another argument.
        truncate_dim=truncate_dim,
        service="prediction",
    )


def _jina(model_name: Any, task: Any, dimensions: Any, late_chunking: Any, base_url: Any) -> Description | Identity:
    if late_chunking:
        return Description(None, not_cacheable="with late chunking, vectors depend on the other texts of the call")
    endpoint = clean_url(str(base_url)).removesuffix("/embeddings")
    return providers.jina(model_name, dimensions=dimensions, task=task, endpoint=endpoint)


def _nvidia(
    model: Any,
    api_url: Any,
    truncate: Any,
    model_in_use: Any = At("backend.model"),
    url_in_use: Any = At("backend.api_url"),
    built_with: Any = At("backend.model_kwargs"),
) -> Identity:
    model, url = model_in_use or model, url_in_use or api_url
    if not url_in_use and _NVIDIA_HOSTED.fullmatch(str(url)):
        # What the backend will make of them: a name that replaces an old one, and the URL that a model may have.
        model, url = _hosted_by_nvidia(model, url)
    if not model:
        msg = "its server chooses the model when it is first asked; set `model`, or call `warm_up` before"
        raise UnclearSettingError(msg)
    # A backend that is there keeps what it was built with.
    if built_with is not None:
        truncate = built_with.get("truncate")
    return providers.nvidia(
        model,
        # Without an answer to what happens to long texts, the server decides.
        truncate="default" if truncate is None else str(getattr(truncate, "value", truncate)),
        endpoint=clean_url(str(url)) if url else None,
    )


def _hosted_by_nvidia(model: Any, url: Any) -> tuple[Any, Any]:
    models = sys.modules.get("haystack_integrations.utils.nvidia.models")
    table: dict[str, Any] = getattr(models, "MODEL_TABLE", {})
    model = model or getattr(models, "DEFAULT_MODELS", {}).get("embedding")
    found = table.get(model) or next((each for each in table.values() if model in (each.aliases or ())), None)
    return (model, url) if found is None else (found.id, found.endpoint or url)


def _ollama(
    model: Any,
    url: Any,
    dimensions: Any,
    generation_kwargs: Any,
    host: Any = Env("OLLAMA_HOST"),
    urls: Any = Urls("_client._client.base_url _async_client._client.base_url"),
    *,
    sends_options: bool = True,
) -> Identity:
    return providers.ollama(
        model,
        dimensions=dimensions,
        options=generation_kwargs if sends_options else None,
        endpoint=endpoint_of(urls, url, host, default="http://localhost:11434"),
    )


def _huggingface(
    api_type: Any,
    api_params: Any,
    truncate: Any,
    normalize: Any,
    model_or_url: Any,
    model: Any = At("_client.model"),
    async_model: Any = At("_async_client.model"),
    provider: Any = At("_client.provider"),
    async_provider: Any = At("_async_client.provider"),
) -> Identity:
    is_hosted = str(getattr(api_type, "value", api_type)) == "serverless_inference_api"
    pending = model_or_url or (api_params or {}).get("model" if is_hosted else "url")
    options = {} if is_hosted else {"truncate": truncate, "normalize": normalize}
    return providers.huggingface_inference(
        # A client over gRPC shows no model.
        one_of([each or pending for each in (model, async_model)], "models"),
        inference_provider=provider or async_provider or "auto",
        request={name: value for name, value in options.items() if value is not None},
    )


def _watsonx(
    model: Any, api_base_url: Any, truncate_input_tokens: Any, in_use: Any = At("embedder.model_id")
) -> Identity:
    return providers.watsonx(in_use or model, truncate_tokens=truncate_input_tokens, endpoint=api_base_url)


def _bedrock_requests(model: Any, batch_size: Any) -> Requests:
    # As the class reads the name. Only for Cohere's models is a batch one request.
    return Requests(request_size(batch_size, 32) if "cohere" in str(model) else 1)


def _ollama_requests(batch_size: Any) -> Requests:
    # The async method sends all requests of a call at once.
    return Requests(request_size(batch_size, 32), at_once_async=None, is_divisible=True)


def _huggingface_requests(batch_size: Any, concurrency_limit: Any) -> Requests:
    return Requests(request_size(batch_size, 32), at_once_async=request_size(concurrency_limit, 1))


_INPUT_TYPES = ({"own": "search_query"}, {"own": "search_document"})
_TASKS = ({"own": "RETRIEVAL_QUERY"}, {"own": "RETRIEVAL_DOCUMENT"})
_HUGGINGFACE_IGNORES = "grpc_client async_grpc_client _grpc_client _async_grpc_client use_grpc _model_or_url"

ROWS: Rows = {
    **pair(f"{INTEGRATIONS}.cohere", "Cohere", _cohere, roles=_INPUT_TYPES),
    **pair(f"{INTEGRATIONS}.voyage_embedders", "Voyage", _voyage, roles=({"own": "query"}, {"own": "document"})),
    **pair(
        f"{INTEGRATIONS}.amazon_bedrock",
        "AmazonBedrock",
        _bedrock,
        roles=_INPUT_TYPES,
        batch=_bedrock_requests,
        ignores="boto3_config aws_access_key_id aws_region_name aws_profile_name",
    ),
    **pair(
        f"{INTEGRATIONS}.google_genai",
        "GoogleGenAI",
        _google,
        roles=_TASKS,
        adds="_client._api_client._httpx_client config.http_options.headers"
        " | _async_client._api_client._async_httpx_client config.http_options.headers",
        ignores="_model _model_name _api _config _vertex_ai_project _vertex_ai_location",
    ),
    **pair(
        f"{INTEGRATIONS}.google_vertex",
        "VertexAI",
        _vertex,
        roles=_TASKS,
        ignores="embedder gcp_project_id gcp_region_name max_tokens_total time_sleep",
    ),
    **pair(f"{INTEGRATIONS}.jina", "Jina", _jina, adds="_headers"),
    **pair(f"{INTEGRATIONS}.nvidia", "Nvidia", _nvidia, adds="backend"),
    # The text component keeps its own options and sends those of the call alone.
    **pair(f"{INTEGRATIONS}.ollama", "Ollama", _ollama, roles=({"sends_options": False}, {}), batch=_ollama_requests),
    **{
        key: known
        for package in (f"{INTEGRATIONS}.huggingface_api", "haystack")
        for key, known in pair(
            package,
            "HuggingFaceAPI",
            _huggingface,
            batch=_huggingface_requests,
            ignores=_HUGGINGFACE_IGNORES,
            adds="_client | _async_client _async_client._async_client",
        ).items()
    },
    **pair(f"{INTEGRATIONS}.watsonx", "Watsonx", _watsonx, batch=("batch_size", 1000), ignores="project_id"),
    **pair(f"{INTEGRATIONS}.twelvelabs", "TwelveLabs", providers.twelvelabs),
}
