"""Models behind the interfaces of other providers, and servers of one's own."""

from __future__ import annotations

from embedonce.identification import (
    Description,
    KnownClass,
    UnclearSettingError,
    Values,
    clean_url,
    endpoint_of,
    providers,
)
from llama_index.embeddings.embedonce.providers.openai import lazy_endpoint

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


def _cohere(values: Values) -> Description:
    model, input_type = values["model_name"], values["input_type"]
    more = {}
    if model in _COHERE_UNTYPED:
        # These get no input type, neither the role's nor the one that is set.
        input_type = "none"
    elif model not in _COHERE_TYPED:
        # The class sends input types only for models that it knows, and it need not be the class that was read here.
        more["through"] = "llamaindex"
    identity = providers.cohere(
        model,
        embedding_type=values["embedding_type"],
        truncate=values["truncate"],
        input_type=input_type,
        # The class passes even an empty `base_url` on, so the environment does not count.
        endpoint=lazy_endpoint(values, "base_url", default="https://api.cohere.com"),
        **more,
    )
    return Description(identity)


# For these the class neither asks for dimensions nor for a type of numbers.
_MULTI_MODAL = ("voyage-multimodal-3", "voyage-multimodal-3.5")


def _voyage(values: Values) -> Description:
    model = values["model_name"]
    refused = providers.voyage_not_cacheable(model)
    if refused:
        return Description(None, not_cacheable=refused)
    asked = {} if model in _MULTI_MODAL else values
    truncate = values["truncation"]
    identity = providers.voyage(
        model,
        dimensions=asked.get("output_dimension"),
        truncate=True if truncate is None else truncate,
        output_dtype=asked.get("output_dtype") or "float",
        endpoint=endpoint_of(values),
    )
    return Description(identity)


def _bedrock(values: Values) -> Description:
    name, endpoint = str(values["model_name"]), endpoint_of(values)
    if values["_asession"] is not None and not providers.is_amazon(endpoint):
        msg = "its synchronous client has an URL of its own, and the asynchronous one does not show where it leads"
        raise UnclearSettingError(msg)
    model = values["application_inference_profile_arn"] or name
    # As the class reads it: `amazon.titan-…`, `us.cohere.embed-…` or an ARN that ends in one of them.
    parts = name.rpartition("/")[2].split(".")
    family = parts[-2] if len(parts) in (2, 3) else None
    if family == "cohere":
        # Nothing but the input type is sent, and long texts are cut off.
        identity = providers.bedrock(model, family=family, endpoint=endpoint)
        return Description(identity, effective_text=first_2048)
    sent = dict(values["additional_kwargs"] or {})
    identity = providers.bedrock(
        model,
        family=family,
        dimensions=sent.get("dimensions"),
        # Sent to the model. LangChain's field of that name is another thing: arithmetic on the client's side.
        request={"normalize": sent["normalize"]} if "normalize" in sent else None,
        endpoint=endpoint,
    )
    return Description(identity)


_CONFIG = "embedding_config"
_HTTP = f"{_CONFIG}.http_options"
_GOOGLE = "_client._api_client"


def _google(values: Values) -> Description:
    config = values[f"{_CONFIG}.__dict__"] or values[_CONFIG] or {}
    # The class overwrites the task with that of the role.
    more = {name: value for name, value in config.items() if name not in ("task_type", "http_options")}
    own_url = values[f"{_HTTP}.base_url"]
    identity = providers.google(
        values["model_name"],
        vertex=bool(values[f"{_GOOGLE}.vertexai"]),
        dimensions=more.pop("output_dimensionality", None),
        endpoint=clean_url(str(own_url)) if own_url else endpoint_of(values),
        extra_body=values[f"{_GOOGLE}._http_options.extra_body"],
        config_body=values[f"{_HTTP}.extra_body"],
        **more,
    )
    return Description(identity)


def _mistral(values: Values) -> Description:
    url = endpoint_of(values)
    # The client adds the version itself.
    return Description(providers.mistral(values["model_name"], endpoint=f"{url}/v1" if url else None))


def _ollama(values: Values) -> Description:
    identity = providers.ollama(
        values["model_name"],
        options=values["ollama_additional_kwargs"],
        endpoint=endpoint_of(values, "base_url"),
        document_prefix=(values["text_instruction"] or "").strip(),
        query_prefix=(values["query_instruction"] or "").strip(),
    )
    return Description(identity, effective_text=stripped)


# Models of BAAI and of hkunlp get an instruction unless the user sets one, if only an empty one.
_BGE = tuple(f"BAAI/bge-{size}-{end}" for size in ("small", "base", "large") for end in ("en", "zh"))
_INSTRUCTOR = tuple(f"{owner}/instructor-{size}" for owner in ("hku-nlp", "hkunlp") for size in ("base", "large", "xl"))
_BGE_EN = "Represent this question for searching relevant passages: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："  # noqa: RUF001 - the model was trained with this colon
_INSTRUCTOR_DOCUMENT = "Represent the document for retrieval: "
_INSTRUCTOR_QUERY = "Represent the question for retrieving supporting documents: "


def _instructions(values: Values) -> tuple[str, str]:
    """Return what is put in front of documents and of queries."""
    model, document, query = values["model_name"], values["text_instruction"], values["query_instruction"]
    name = str(model).removesuffix("-v1.5")
    if document is None:
        document = _INSTRUCTOR_DOCUMENT if model in _INSTRUCTOR else ""
    if query is None and name in _BGE:
        query = _BGE_ZH if name.endswith("zh") else _BGE_EN
    elif query is None:
        query = _INSTRUCTOR_QUERY if model in _INSTRUCTOR else ""
    # Of white space in front nothing is left, and nothing at all of an instruction that is only that.
    return document.lstrip(), query.lstrip()


def _huggingface_inference(values: Values) -> Description:
    document_prefix, query_prefix = _instructions(values)
    pooling = values["pooling"]
    identity = providers.huggingface_inference(
        values["_async_client.model"] or values["model_name"],
        inference_provider=values["_async_client.provider"] or "auto",
        document_prefix=document_prefix,
        query_prefix=query_prefix,
        # Only for servers that do not pool, whose answers no other class takes; None refuses them as well.
        pooling=None if pooling is None else str(getattr(pooling, "value", pooling)),
    )
    plain = not document_prefix and not query_prefix
    return Description(identity, effective_text=stripped if plain else right_stripped)


def _nvidia(_: Values) -> Description:
    msg = (
        "its synchronous methods embed queries as passages, its asynchronous ones embed them as queries "
        "and leave `dimensions` out, so that one text has two vectors"
    )
    raise UnclearSettingError(msg)


def _jina(values: Values) -> Description:
    if values["_late_chunking"]:
        return Description(None, not_cacheable="with late chunking, vectors depend on the other texts of the call")
    url = endpoint_of(values)
    identity = providers.jina(
        values["_api.model"] or values["model"],
        dimensions=values["_dimensions"],
        task=values["_task"],
        document_encoding=values["_encoding_documents"],
        query_encoding=values["_encoding_queries"],
        endpoint=url.removesuffix("/embeddings") if url else None,
    )
    return Description(identity)


ROWS: dict[tuple[str, str], KnownClass] = {
    ("llama_index.embeddings.cohere", "CohereEmbedding"): KnownClass(
        _cohere,
        "model_name input_type embedding_type truncate base_url",
        "_client._client_wrapper.base_url _async_client._client_wrapper.base_url",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.voyageai", "VoyageEmbedding"): KnownClass(
        _voyage,
        "model_name truncation output_dtype output_dimension",
        "_client._params.base_url _aclient._params.base_url",
        batch=("embed_batch_size", 1000),
    ),
    ("llama_index.embeddings.bedrock", "BedrockEmbedding"): KnownClass(
        _bedrock,
        "model_name application_inference_profile_arn additional_kwargs _asession",
        "_client.meta.endpoint_url",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.google_genai", "GoogleGenAIEmbedding"): KnownClass(
        _google,
        f"model_name {_CONFIG} {_CONFIG}.__dict__ {_HTTP}.base_url {_HTTP}.extra_body "
        f"{_GOOGLE}.vertexai {_GOOGLE}._http_options.extra_body",
        f"{_GOOGLE}._http_options.base_url",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.mistralai", "MistralAIEmbedding"): KnownClass(
        _mistral, "model_name", "_client.sdk_configuration.server_url", batch=_BATCH
    ),
    ("llama_index.embeddings.ollama", "OllamaEmbedding"): KnownClass(
        _ollama,
        "model_name ollama_additional_kwargs text_instruction query_instruction base_url",
        "_client._client.base_url _async_client._client.base_url",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.huggingface_api", "HuggingFaceInferenceAPIEmbedding"): KnownClass(
        _huggingface_inference,
        "model_name text_instruction query_instruction pooling _async_client.model _async_client.provider",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.nvidia", "NVIDIAEmbedding"): KnownClass(_nvidia, "", batch=_BATCH),
    ("llama_index.embeddings.jinaai", "JinaEmbedding"): KnownClass(
        _jina,
        "model _api.model _task _dimensions _late_chunking _encoding_documents _encoding_queries",
        "_api.api_url",
        batch=_BATCH,
    ),
}
