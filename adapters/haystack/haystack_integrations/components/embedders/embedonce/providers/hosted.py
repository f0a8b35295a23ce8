"""Models behind the interfaces of other providers, and servers of one's own.

Where the class is the role, or sends a role's task by default, the text component is the query and the document
component the document of one identity. A component that embeds as something else says so in its identity.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from embedonce.identification import Description, KnownClass, UnclearSettingError, Values, clean_url, providers
from haystack_integrations.components.embedders.embedonce.providers.clients import (
    INTEGRATIONS,
    Describe,
    endpoint_of,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_GOOGLE = ("googleapis.com",)
_NVIDIA_HOSTED = re.compile(r"https?://(?:integrate|ai)\.api\.nvidia\.com(?:/.*)?")
_VOYAGE = ("api.voyageai.com", "ai.mongodb.com")
_TASK_OF_ROLE = {"Text": "RETRIEVAL_QUERY", "Document": "RETRIEVAL_DOCUMENT"}


def _cohere(kind: str) -> Describe:
    own = {"Text": "search_query", "Document": "search_document"}[kind]

    def describe(values: Values) -> Description:
        input_type, numbers = values["input_type"], values["embedding_type"]
        identity = providers.cohere(
            values["model"],
            embedding_type=str(getattr(numbers, "value", numbers) or "float"),
            truncate=values["truncate"],
            input_type=None if input_type == own else input_type,
            endpoint=endpoint_of(values, "api_base_url", default="https://api.cohere.com"),
        )
        return Description(identity)

    return describe


def _voyage(kind: str) -> Describe:
    own = {"Text": "query", "Document": "document"}[kind]

    def describe(values: Values) -> Description:
        refused = providers.voyage_not_cacheable(values["model"])
        if refused:
            return Description(None, not_cacheable=refused)
        input_type = values["input_type"]
        identity = providers.voyage(
            values["model"],
            dimensions=values["output_dimension"],
            truncate=values["truncate"],
            output_dtype=values["output_dtype"],
            # LangChain and LlamaIndex send the role's type; these components send none unless it is set.
            input_type=None if input_type == own else input_type or "none",
            # Which of the two is used is a matter of the key, which is not known before the first request.
            endpoint=endpoint_of(values, hosts=_VOYAGE),
        )
        return Description(identity)

    return describe


def _bedrock(kind: str) -> Describe:
    own = {"Text": "search_query", "Document": "search_document"}[kind]

    def describe(values: Values) -> Description:
        model, given = str(values["model"]), values["kwargs"] or {}
        endpoint = endpoint_of(values, "$AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "$AWS_ENDPOINT_URL")
        if "cohere" in model:
            sent = {name: given[name] for name in ("input_type", "truncate") if given.get(name)}
            if sent.get("input_type") == own:
                del sent["input_type"]
            return Description(providers.bedrock(model, family="cohere", request=sent, endpoint=endpoint))
        # As the class reads the name: nothing is sent to any other model, nor to one behind an ARN.
        sent = dict(given) if model.startswith("amazon.titan-embed-text-v2") else {}
        normalize = sent.get("normalize")
        identity = providers.bedrock(
            model,
            family="amazon",
            dimensions=sent.get("dimensions"),
            # Sent to the model. LangChain's field of that name is another thing: arithmetic on the client's side.
            request=None if normalize is None else {"normalize": normalize},
            endpoint=endpoint,
        )
        return Description(identity)

    return describe


_HTTP = "config.http_options"
_API = "_api_client"


def _google(kind: str) -> Describe:
    own = _TASK_OF_ROLE[kind]

    def describe(values: Values) -> Description:
        config = values["config"] or {}
        more = {name: value for name, value in config.items() if name != "http_options"}
        task = str(more.pop("task_type", None) or "TASK_TYPE_UNSPECIFIED")
        vertex = _is_vertex(values)
        own_url = values[f"{_HTTP}.base_url"]
        pending = "$GOOGLE_VERTEX_BASE_URL" if vertex else "$GOOGLE_GEMINI_BASE_URL"
        identity = providers.google(
            values["model_name"] or values["model"],
            vertex=vertex,
            dimensions=more.pop("output_dimensionality", None),
            # LangChain and LlamaIndex send the role's task; these components send none unless it is set.
            task=None if task.upper() == own else task,
            endpoint=clean_url(str(own_url)) if own_url else endpoint_of(values, pending, hosts=_GOOGLE),
            config_body=values[f"{_HTTP}.extra_body"],
            **more,
        )
        return Description(identity)

    return describe


def _is_vertex(values: Values) -> bool:
    clients = (values[f"_client.{_API}.vertexai"], values[f"_async_client.{_API}.vertexai"])
    pending = values["api"] == "vertex"
    if not pending:
        # The package asks the environment if nobody says which service it is.
        named = values.get("$GOOGLE_GENAI_USE_ENTERPRISE") or values.get("$GOOGLE_GENAI_USE_VERTEXAI") or ""
        pending = named.lower() in ("true", "1")
    # A client that is there knows, if only by saying nothing.
    used = [bool(each) if url else pending for each, url in zip(clients, values["urls"], strict=True)]
    return bool(one_of(used, "services"))


def _vertex(kind: str) -> Describe:
    own = _TASK_OF_ROLE[kind]

    def describe(values: Values) -> Description:
        task = values["task_type"]
        identity = providers.google(
            values["model"],
            vertex=True,
            task=None if task == own else task,
            # Where the document component fails it tries again, and sends this in the place of another argument.
            truncate_dim=values["truncate_dim"],
            service="prediction",
        )
        return Description(identity)

    return describe


def _jina(values: Values) -> Description:
    if values["late_chunking"]:
        return Description(None, not_cacheable="with late chunking, vectors depend on the other texts of the call")
    url = clean_url(str(values["base_url"]))
    identity = providers.jina(
        values["model_name"],
        dimensions=values["dimensions"],
        task=values["task"],
        endpoint=url.removesuffix("/embeddings"),
    )
    return Description(identity)


def _nvidia(values: Values) -> Description:
    model, url = values["backend.model"] or values["model"], values["backend.api_url"] or values["api_url"]
    if not values["backend.api_url"] and _NVIDIA_HOSTED.fullmatch(str(url)):
        # What the backend will make of them: a name that replaces an old one, and the URL that a model may have.
        model, url = _hosted_by_nvidia(model, url)
    if not model:
        msg = "its server chooses the model when it is first asked; set `model`, or call `warm_up` before"
        raise UnclearSettingError(msg)
    # A backend that is there keeps what it was built with.
    built = values["backend.model_kwargs"]
    truncate = values["truncate"] if built is None else built.get("truncate")
    identity = providers.nvidia(
        model,
        # Without an answer to what happens to long texts, the server does what it likes with them.
        truncate="default" if truncate is None else str(getattr(truncate, "value", truncate)),
        endpoint=clean_url(str(url)) if url else None,
    )
    return Description(identity)


def _hosted_by_nvidia(model: Any, url: Any) -> tuple[Any, Any]:
    models = sys.modules.get("haystack_integrations.utils.nvidia.models")
    table: dict[str, Any] = getattr(models, "MODEL_TABLE", {})
    model = model or getattr(models, "DEFAULT_MODELS", {}).get("embedding")
    found = table.get(model) or next((each for each in table.values() if model in (each.aliases or ())), None)
    return (model, url) if found is None else (found.id, found.endpoint or url)


def _ollama(kind: str) -> Describe:
    def describe(values: Values) -> Description:
        identity = providers.ollama(
            values["model"],
            dimensions=values["dimensions"],
            # The text component keeps its own and sends those of the call alone.
            options=values["generation_kwargs"] if kind == "Document" else None,
            endpoint=endpoint_of(values, "url", "$OLLAMA_HOST", default="http://localhost:11434"),
        )
        return Description(identity)

    return describe


def _huggingface(values: Values) -> Description:
    api_type = str(getattr(values["api_type"], "value", values["api_type"]))
    hosted = api_type == "serverless_inference_api"
    parameters = values["api_params"] or {}
    pending = values["model_or_url"] or parameters.get("model" if hosted else "url")
    # One over gRPC shows no model.
    clients = (values["_client.model"], values["_async_client.model"])
    options = {} if hosted else {name: values[name] for name in ("truncate", "normalize")}
    identity = providers.huggingface_inference(
        one_of([each or pending for each in clients], "models"),
        inference_provider=values["_client.provider"] or values["_async_client.provider"] or "auto",
        request={name: value for name, value in options.items() if value is not None},
    )
    return Description(identity)


def _watsonx(values: Values) -> Description:
    identity = providers.watsonx(
        values["embedder.model_id"] or values["model"],
        truncate_tokens=values["truncate_input_tokens"],
        endpoint=values["api_base_url"],
    )
    return Description(identity)


def _twelvelabs(values: Values) -> Description:
    return Description(providers.twelvelabs(values["model"]))


def _pair(
    package: str,
    name: str,
    describe: Callable[[str], Describe],
    reads: str,
    urls: str = "",
    env: str = "",
    ignores: str = "",
    batch: int | tuple[str, int] = ("batch_size", 32),
) -> dict[tuple[str, str], KnownClass]:
    """Return the rows of a text and a document component."""
    return {
        (package, f"{name}{kind}Embedder"): KnownClass(
            describe(kind), reads, urls, env, batch if kind == "Document" else 1, ignores
        )
        for kind in ("Text", "Document")
    }


def _same(describe: Describe) -> Callable[[str], Describe]:
    return lambda _: describe


_HUGGINGFACE = "api_type api_params truncate normalize model_or_url"
_HUGGINGFACE += "".join(
    f" {client}.{name}" for client in ("_client", "_async_client") for name in ("model", "provider")
)
_HUGGINGFACE_IGNORES = "grpc_client async_grpc_client _grpc_client _async_grpc_client use_grpc _model_or_url"

ROWS: dict[tuple[str, str], KnownClass] = {
    **_pair(
        f"{INTEGRATIONS}.cohere",
        "Cohere",
        _cohere,
        "model input_type truncate embedding_type api_base_url",
        "_client._client_wrapper.base_url _async_client._client_wrapper.base_url",
    ),
    **_pair(
        f"{INTEGRATIONS}.voyage_embedders",
        "Voyage",
        _voyage,
        "model input_type truncate output_dimension output_dtype",
        "_client._params.base_url _async_client._params.base_url",
    ),
    **_pair(
        f"{INTEGRATIONS}.amazon_bedrock",
        "AmazonBedrock",
        _bedrock,
        "model kwargs",
        "_client.meta.endpoint_url",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME AWS_ENDPOINT_URL",
        "boto3_config aws_access_key_id aws_region_name aws_profile_name",
    ),
    **_pair(
        f"{INTEGRATIONS}.google_genai",
        "GoogleGenAI",
        _google,
        f"model model_name api config {_HTTP}.base_url {_HTTP}.extra_body "
        f"_client.{_API}.vertexai _async_client.{_API}.vertexai",
        f"_client.{_API}._http_options.base_url _async_client.{_API}._http_options.base_url",
        "GOOGLE_GENAI_USE_ENTERPRISE GOOGLE_GENAI_USE_VERTEXAI GOOGLE_VERTEX_BASE_URL GOOGLE_GEMINI_BASE_URL",
        "_model _model_name _api _config _vertex_ai_project _vertex_ai_location",
    ),
    **_pair(
        f"{INTEGRATIONS}.google_vertex",
        "VertexAI",
        _vertex,
        "model task_type truncate_dim",
        ignores="embedder gcp_project_id gcp_region_name max_tokens_total time_sleep",
    ),
    **_pair(
        f"{INTEGRATIONS}.jina",
        "Jina",
        _same(_jina),
        "model_name task dimensions late_chunking base_url",
        "",
        "",
        "_headers",
    ),
    **_pair(
        f"{INTEGRATIONS}.nvidia",
        "Nvidia",
        _same(_nvidia),
        "model api_url truncate backend.model backend.api_url backend.model_kwargs",
    ),
    **_pair(
        f"{INTEGRATIONS}.ollama",
        "Ollama",
        _ollama,
        "model url dimensions generation_kwargs",
        "_client._client.base_url _async_client._client.base_url",
        "OLLAMA_HOST",
    ),
    **_pair(
        f"{INTEGRATIONS}.huggingface_api",
        "HuggingFaceAPI",
        _same(_huggingface),
        _HUGGINGFACE,
        ignores=_HUGGINGFACE_IGNORES,
    ),
    **_pair("haystack", "HuggingFaceAPI", _same(_huggingface), _HUGGINGFACE, ignores=_HUGGINGFACE_IGNORES),
    **_pair(
        f"{INTEGRATIONS}.watsonx",
        "Watsonx",
        _same(_watsonx),
        "model api_base_url truncate_input_tokens embedder.model_id",
        ignores="project_id",
        batch=("batch_size", 1000),
    ),
    **_pair(f"{INTEGRATIONS}.twelvelabs", "TwelveLabs", _same(_twelvelabs), "model"),
}
