"""Models that one class reaches at many providers, and servers that speak the protocol of another provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    At,
    Description,
    KnownClass,
    Urls,
    endpoint_of,
    group,
    newlines_to_spaces,
    providers,
)
from llama_index.embeddings.embedonce.providers.hosted import instructions, right_stripped, stripped
from llama_index.embeddings.embedonce.providers.openai import lazy_endpoint

if TYPE_CHECKING:
    from embedonce import Identity


def _litellm(
    model_name: Any, api_base: Any, dimensions: Any, process: providers.LiteLLM = group(providers.LiteLLM)
) -> Description:
    return process.described({"model": model_name, "api_base": api_base, "dimensions": dimensions})


def _together(model_name: Any, api_base: Any) -> Identity:
    return providers.together(model_name, endpoint=api_base)


def _text_embeddings_inference(
    base_url: Any,
    endpoint: Any,
    model_name: Any,
    text_instruction: Any,
    query_instruction: Any,
    truncate_text: Any,
) -> Description:
    # The name of the model only chooses the instructions: what is sent is the same for all of them.
    document_prefix, query_prefix = instructions(model_name, text_instruction, query_instruction)
    identity = providers.huggingface_inference(
        f"{base_url}{endpoint}",
        request={"truncate": truncate_text},
        document_prefix=document_prefix,
        query_prefix=query_prefix,
    )
    plain = not document_prefix and not query_prefix
    return Description(identity, effective_text=stripped if plain else right_stripped)


def _azure_ai(
    model_name: Any,
    model_kwargs: Any,
    in_use: Any = At("_client._model"),
    length: Any = At("_client._dimensions"),
    encoding_format: Any = At("_client._encoding_format"),
    input_type: Any = At("_client._input_type"),
    extras: Any = At("_client._model_extras"),
    urls: Any = Urls("_client._config.endpoint _async_client._config.endpoint"),
) -> Identity:
    # What the client was built with counts for what the class does not send.
    built = {"dimensions": length, "encoding_format": encoding_format, "input_type": input_type, "model_extras": extras}
    sent = {name: value for name, value in (*built.items(), *(model_kwargs or {}).items()) if value is not None}
    model = sent.pop("model", None) or (in_use if model_name == "unknown" else model_name)
    return providers.azure_ai(
        model,
        endpoint=endpoint_of(urls),
        dimensions=sent.pop("dimensions", None),
        # LangChain's class always sends one.
        input_type=sent.pop("input_type", None) or "none",
        request={**sent.pop("model_extras", {}), **sent},
    )


def _databricks(
    model: Any,
    endpoint: Any,
    additional_kwargs: Any,
    reuse_client: Any,
    clients: Any = Urls("_client.base_url _aclient.base_url"),
) -> Description:
    # Without reuse, a client that was built before is no longer asked.
    urls = (None, None) if reuse_client is False else clients
    url = lazy_endpoint(urls, endpoint, default=None)
    identity = providers.openai(model, request=additional_kwargs, endpoint=url)
    return Description(identity, effective_text=newlines_to_spaces)


_BATCH = ("embed_batch_size", 10)

ROWS = {
    ("llama_index.embeddings.litellm", "LiteLLMEmbedding"): KnownClass(_litellm, _BATCH),
    # Each text is a request.
    ("llama_index.embeddings.together", "TogetherEmbedding"): KnownClass(_together, 1),
    ("llama_index.embeddings.text_embeddings_inference", "TextEmbeddingsInference"): KnownClass(
        _text_embeddings_inference, _BATCH
    ),
    ("llama_index.embeddings.azure_inference", "AzureAIEmbeddingsModel"): KnownClass(
        _azure_ai,
        _BATCH,
        adds=" | ".join(
            f"{client}._config.headers_policy._headers {client}._client._pipeline._transport.session"
            for client in ("_client", "_async_client")
        ),
    ),
    ("llama_index.embeddings.databricks", "DatabricksEmbedding"): KnownClass(_databricks, ("embed_batch_size", 100)),
}
