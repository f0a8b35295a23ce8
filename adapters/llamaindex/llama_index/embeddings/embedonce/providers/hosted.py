"""Models behind the interfaces of other providers, and self-hosted servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    At,
    Description,
    KnownClass,
    Requests,
    UnclearSettingError,
    Urls,
    clean_url,
    endpoint_of,
    providers,
    request_size,
)
from llama_index.embeddings.embedonce.providers.openai import lazy_endpoint

if TYPE_CHECKING:
    from embedonce import Identity

_BATCH = ("embed_batch_size", 10)


def stripped(text: str) -> str:
    """Take the white space off both ends of a text."""
    return text.strip()


def right_stripped(text: str) -> str:
    """Take the white space off the end of a text."""
    return text.rstrip()


def first_2048(text: str) -> str:
    """Cut a text off after 2048 characters."""
    return text[:2048]


_COHERE_SIZES = ("english", "english-light", "multilingual", "multilingual-light")
_COHERE_TYPED = ("embed-v4.0", *[f"embed-{size}-v3.0" for size in _COHERE_SIZES])
_COHERE_UNTYPED = tuple(f"embed-{size}-v2.0" for size in _COHERE_SIZES)


def _cohere(
    model_name: Any,
    input_type: Any,
    embedding_type: Any,
    truncate: Any,
    base_url: Any,
    urls: Any = Urls("_client._client_wrapper.base_url _async_client._client_wrapper.base_url"),
) -> Description:
    through = None
    if model_name in _COHERE_UNTYPED:
        # These get no input type, neither the role's nor the one that is set.
        input_type = "none"
    elif model_name not in _COHERE_TYPED:
        # The class sends input types only for models that it knows, and it need not be the class that was read here.
        through = "llamaindex"
    identity = providers.cohere(
        model_name,
        embedding_type=embedding_type,
        truncate=truncate,
        input_type=input_type,
        # The class passes even an empty `base_url` on, so the environment does not count.
        endpoint=lazy_endpoint(urls, base_url, default="https://api.cohere.com"),
    )
    numbers = None if embedding_type in (None, "float") else int
    return Description(identity.with_additions({"through": through}), numbers=numbers)


# For these the class neither asks for dimensions nor for a type of numbers.
_MULTI_MODAL = ("voyage-multimodal-3", "voyage-multimodal-3.5")


def _voyage(
    model_name: Any,
    truncation: Any,
    output_dtype: Any,
    output_dimension: Any,
    urls: Any = Urls("_client._params.base_url _aclient._params.base_url"),
) -> Description | Identity:
    refused = providers.voyage_not_cacheable(model_name)
    if refused:
        return Description(None, not_cacheable=refused)
    is_asked = model_name not in _MULTI_MODAL
    return providers.voyage(
        model_name,
        dimensions=output_dimension if is_asked else None,
        truncate=True if truncation is None else truncation,
        output_dtype=(output_dtype if is_asked else None) or "float",
        endpoint=endpoint_of(urls),
    )


def _bedrock(
    model_name: Any,
    application_inference_profile_arn: Any,
    additional_kwargs: Any,
    _asession: Any,
    urls: Any = Urls("_client.meta.endpoint_url"),
) -> Description | Identity:
    name, endpoint = str(model_name), endpoint_of(urls)
    if _asession is not None and not providers.is_amazon(endpoint):
        msg = "its synchronous client has a URL of its own, and the asynchronous one does not show where it leads"
        raise UnclearSettingError(msg)
    model = application_inference_profile_arn or name
    # As the class reads it: `amazon.titan-…`, `us.cohere.embed-…` or an ARN that ends in one of them.
    parts = name.rpartition("/")[2].split(".")
    family = parts[-2] if len(parts) in (2, 3) else None
    if family == "cohere":
        # Nothing but the input type is sent, and long texts are cut off.
        identity = providers.bedrock(model, family=family, endpoint=endpoint)
        return Description(identity, effective_text=first_2048)
    sent = dict(additional_kwargs or {})
    return providers.bedrock(
        model,
        family=family,
        dimensions=sent.get("dimensions"),
        # Sent to the model. LangChain's field of that name is another thing: arithmetic on the client's side.
        request={"normalize": sent["normalize"]} if "normalize" in sent else None,
        endpoint=endpoint,
    )


_API = "_client._api_client"
_HTTP_CLIENTS = ("_httpx_client", "_async_httpx_client")


def _google(
    model_name: Any,
    embedding_config: Any,
    config: Any = At("embedding_config.__dict__"),
    own_url: Any = At("embedding_config.http_options.base_url"),
    own_version: Any = At("embedding_config.http_options.api_version"),
    config_body: Any = At("embedding_config.http_options.extra_body"),
    vertex: Any = At(f"{_API}.vertexai"),
    extra_body: Any = At(f"{_API}._http_options.extra_body"),
    version: Any = At(f"{_API}._http_options.api_version"),
    project: Any = At(f"{_API}.project"),
    location: Any = At(f"{_API}.location"),
    urls: Any = Urls(f"{_API}._http_options.base_url"),
) -> Identity:
    config = config or embedding_config or {}
    # The class overwrites the task with that of the role.
    more = {name: value for name, value in config.items() if name not in ("task_type", "http_options")}
    return providers.google(
        model_name,
        vertex=bool(vertex),
        dimensions=more.pop("output_dimensionality", None),
        endpoint=clean_url(str(own_url)) if own_url else endpoint_of(urls),
        api_version=own_version or version,
        project=project,
        location=location,
        extra_body=extra_body,
        config_body=config_body,
        **more,
    )


def _mistral(model_name: Any, urls: Any = Urls("_client.sdk_configuration.server_url")) -> Identity:
    url = endpoint_of(urls)
    # The client adds the version itself.
    return providers.mistral(model_name, endpoint=f"{url}/v1" if url else None)


def _ollama(
    model_name: Any,
    ollama_additional_kwargs: Any,
    text_instruction: Any,
    query_instruction: Any,
    base_url: Any,
    urls: Any = Urls("_client._client.base_url _async_client._client.base_url"),
) -> Description:
    identity = providers.ollama(
        model_name,
        options=ollama_additional_kwargs,
        endpoint=endpoint_of(urls, base_url),
        document_prefix=(text_instruction or "").strip(),
        query_prefix=(query_instruction or "").strip(),
    )
    return Description(identity, effective_text=stripped)


# Models of BAAI and of hkunlp get an instruction unless the user sets one, if only an empty one.
_BGE = tuple(f"BAAI/bge-{size}-{end}" for size in ("small", "base", "large") for end in ("en", "zh"))
_INSTRUCTOR = tuple(f"{owner}/instructor-{size}" for owner in ("hku-nlp", "hkunlp") for size in ("base", "large", "xl"))
_BGE_EN = "Represent this question for searching relevant passages: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："  # noqa: RUF001 - the model was trained with this colon
_INSTRUCTOR_DOCUMENT = "Represent the document for retrieval: "
_INSTRUCTOR_QUERY = "Represent the question for retrieving supporting documents: "


def instructions(model: Any, document: Any, query: Any) -> tuple[str, str]:
    """Return what is put in front of documents and of queries."""
    name = str(model).removesuffix("-v1.5")
    if document is None:
        document = _INSTRUCTOR_DOCUMENT if model in _INSTRUCTOR else ""
    if query is None and name in _BGE:
        query = _BGE_ZH if name.endswith("zh") else _BGE_EN
    elif query is None:
        query = _INSTRUCTOR_QUERY if model in _INSTRUCTOR else ""
    # White space in front is removed, and so is an instruction that is nothing else.
    return document.lstrip(), query.lstrip()


def _huggingface_inference(
    model_name: Any,
    text_instruction: Any,
    query_instruction: Any,
    pooling: Any,
    in_use: Any = At("_async_client.model"),
    provider: Any = At("_async_client.provider"),
) -> Description:
    document_prefix, query_prefix = instructions(model_name, text_instruction, query_instruction)
    identity = providers.huggingface_inference(
        in_use or model_name,
        inference_provider=provider or "auto",
        document_prefix=document_prefix,
        query_prefix=query_prefix,
        # Only for servers that do not pool, whose answers no other class takes; None refuses them as well.
        pooling=None if pooling is None else str(getattr(pooling, "value", pooling)),
    )
    plain = not document_prefix and not query_prefix
    return Description(identity, effective_text=stripped if plain else right_stripped)


def _nvidia() -> Description:
    msg = (
        "its synchronous methods embed queries as passages, its asynchronous ones embed them as queries "
        "and leave `dimensions` out, so that one text has two vectors"
    )
    raise UnclearSettingError(msg)


def _jina(
    model: Any,
    _task: Any,
    _dimensions: Any,
    _late_chunking: Any,
    _encoding_documents: Any,
    _encoding_queries: Any,
    in_use: Any = At("_api.model"),
    urls: Any = Urls("_api.api_url"),
) -> Description | Identity:
    if _late_chunking:
        return Description(None, not_cacheable="with late chunking, vectors depend on the other texts of the call")
    url = endpoint_of(urls)
    return providers.jina(
        in_use or model,
        dimensions=_dimensions,
        task=_task,
        document_encoding=_encoding_documents,
        query_encoding=_encoding_queries,
        endpoint=url.removesuffix("/embeddings") if url else None,
    )


def _voyage_requests(embed_batch_size: Any) -> Requests:
    # A request holds 120,000 tokens, of some models more.
    return Requests(request_size(embed_batch_size, 1000), characters=4 * 120_000)


def _bedrock_requests(model_name: Any, embed_batch_size: Any) -> Requests:
    # Only for Cohere's models is a batch one request.
    return Requests(request_size(embed_batch_size, 10) if "cohere." in str(model_name) else 1)


ROWS: dict[tuple[str, str], KnownClass] = {
    ("llama_index.embeddings.cohere", "CohereEmbedding"): KnownClass(_cohere, _BATCH),
    ("llama_index.embeddings.voyageai", "VoyageEmbedding"): KnownClass(_voyage, _voyage_requests),
    ("llama_index.embeddings.bedrock", "BedrockEmbedding"): KnownClass(_bedrock, _bedrock_requests),
    ("llama_index.embeddings.google_genai", "GoogleGenAIEmbedding"): KnownClass(
        _google,
        _BATCH,
        adds=" | ".join(f"{_API}.{each} embedding_config.http_options.headers" for each in _HTTP_CLIENTS),
    ),
    ("llama_index.embeddings.mistralai", "MistralAIEmbedding"): KnownClass(_mistral, _BATCH),
    ("llama_index.embeddings.ollama", "OllamaEmbedding"): KnownClass(_ollama, _BATCH),
    ("llama_index.embeddings.huggingface_api", "HuggingFaceInferenceAPIEmbedding"): KnownClass(
        _huggingface_inference, _BATCH, adds="_async_client _async_client._async_client"
    ),
    ("llama_index.embeddings.nvidia", "NVIDIAEmbedding"): KnownClass(_nvidia, _BATCH),
    ("llama_index.embeddings.jinaai", "JinaEmbedding"): KnownClass(_jina, _BATCH),
}
