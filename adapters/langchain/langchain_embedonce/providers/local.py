"""Models that are loaded into the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    Description,
    KnownClass,
    UnclearSettingError,
    Values,
    newlines_to_spaces,
    providers,
    unless,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


# What the loaded model says of where it cuts texts; a user may set that.
_LIMITS = (
    "client.max_seq_length client.tokenizer.init_kwargs.model_max_length "
    "client._modules.0.auto_model.config.max_position_embeddings"
)


def _sentence_transformers(values: Values) -> Description:
    # The multi-process call passes no settings on.
    documents = {} if values["multi_process"] else values["encode_kwargs"] or {}
    queries = {} if values["multi_process"] else values["query_encode_kwargs"] or documents
    refused = providers.sentence_transformers_not_cacheable(documents, queries)
    if refused:
        return Description(None, not_cacheable=refused)
    limit = providers.own_limit_or(*(values[path] for path in _LIMITS.split()))
    load = {**(values["model_kwargs"] or {}), **({} if limit is None else {"max_length": limit})}
    identity = providers.sentence_transformers(values["model_name"], load=load, documents=documents, queries=queries)
    return Description(identity, effective_text=newlines_to_spaces)


def _prefixed(provider: str, values: Values, parameters: Mapping[str, Any], model: Any) -> Description:
    identity = providers.prefixed(
        provider,
        model,
        parameters,
        document_prefix=values["embed_instruction"],
        query_prefix=values["query_instruction"],
    )
    return Description(identity, effective_text=newlines_to_spaces)


def _bge(values: Values) -> Description:
    # The constructor removes these settings from `model_kwargs`, so the loaded model has to tell.
    backend, dtype = values["client.backend"], values["client.dtype"]
    if isinstance(backend, str) and backend != "torch":
        msg = f"which file of its {backend} model is in use is no longer visible"
        raise UnclearSettingError(msg)
    dtype = unless("float32", str(dtype).removeprefix("torch.")) if type(dtype).__name__ == "dtype" else None
    load = providers.load_settings(values["model_kwargs"])
    parameters = {"dtype": dtype, **load, **providers.encode_settings(values["encode_kwargs"])}
    return _prefixed("sentence-transformers", values, parameters, values["model_name"])


def _ipex_bge(values: Values) -> Description:
    # On "xpu" the class halves the precision.
    device = unless("cpu", (values["model_kwargs"] or {}).get("device"))
    load = providers.load_settings(values["model_kwargs"])
    parameters = {"hardware": device, **load, **providers.encode_settings(values["encode_kwargs"])}
    return _prefixed("ipex-llm", values, parameters, values["model_name"])


def _openvino(values: Values) -> Description:
    load = providers.load_settings(values["model_kwargs"])
    encode = providers.settings(values["encode_kwargs"], {"mean_pooling": False, "normalize_embeddings": True})
    return _prefixed("openvino", values, {**load, **encode}, values["model_name_or_path"])


def _instructor(values: Values) -> Description:
    identity = providers.instructor(
        values["model_name"],
        document_instruction=values["embed_instruction"],
        query_instruction=values["query_instruction"],
        load=values["model_kwargs"],
        encode=values["encode_kwargs"],
    )
    return Description(identity)


def _fastembed(values: Values) -> Description:
    length, method = values["max_length"], values["doc_embed_type"]
    return Description(providers.fastembed(values["model_name"], max_length=length, document_method=method))


_LOADED = "model_name model_kwargs encode_kwargs"
_ENCODE_BATCH = ("encode_kwargs.batch_size", 32)
_SENTENCE_TRANSFORMERS = KnownClass(
    _sentence_transformers, f"{_LOADED} query_encode_kwargs multi_process {_LIMITS}", batch=_ENCODE_BATCH
)
_PREFIXES = "embed_instruction query_instruction"
_OPENVINO = KnownClass(_openvino, f"model_name_or_path model_kwargs encode_kwargs {_PREFIXES}", batch=4)

ROWS = {
    ("langchain_huggingface", "HuggingFaceEmbeddings"): _SENTENCE_TRANSFORMERS,
    ("langchain_community", "HuggingFaceEmbeddings"): _SENTENCE_TRANSFORMERS,
    ("langchain_community", "HuggingFaceBgeEmbeddings"): KnownClass(
        _bge, f"{_LOADED} {_PREFIXES} client.backend client.dtype", batch=_ENCODE_BATCH
    ),
    ("langchain_community", "IpexLLMBgeEmbeddings"): KnownClass(
        _ipex_bge, f"{_LOADED} {_PREFIXES}", batch=_ENCODE_BATCH
    ),
    ("langchain_community", "HuggingFaceInstructEmbeddings"): KnownClass(
        _instructor, f"{_LOADED} {_PREFIXES}", batch=_ENCODE_BATCH
    ),
    ("langchain_community", "OpenVINOEmbeddings"): _OPENVINO,
    ("langchain_community", "OpenVINOBgeEmbeddings"): _OPENVINO,
    ("langchain_community", "FastEmbedEmbeddings"): KnownClass(
        _fastembed, "model_name max_length doc_embed_type", batch=("batch_size", 256)
    ),
}
