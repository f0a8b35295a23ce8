"""Models that are loaded into the process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedonce.identification.rows import Description, Row, Values, identity_of, newlines_to_spaces, unless
from embedonce.settings import UnclearSettingError, local_files, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.identity import Identity

_ENCODE_IGNORED = ("convert_to_numpy", "convert_to_tensor", "pool", "use_auth_token", "model_card_data")


def _settings(given: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that are ignored or at their default."""
    kept = {key: value for key, value in dict(given or {}).items() if key not in _ENCODE_IGNORED}
    return {key: value for key, value in plain(kept).items() if key not in defaults or value != defaults[key]}


def _encode_settings(given: Any) -> dict[str, Any]:
    defaults = {"normalize_embeddings": False, "precision": "float32", "output_value": "sentence_embedding"}
    settings = _settings(given, defaults)
    return {("normalize" if key == "normalize_embeddings" else key): value for key, value in settings.items()}


def _loaded(provider: str, model: Any, parameters: dict[str, Any], *, symmetric: bool) -> Identity:
    """Identify a model that is loaded from a hub or a local folder."""
    files = local_files(model) if isinstance(model, str) else {}
    if files:
        model = str(Path(model).resolve())
    elif isinstance(model, str):
        # The library itself looks for a name without an owner there.
        model = model.removeprefix("sentence-transformers/")
    return identity_of(provider, model, {**parameters, **files}, symmetric=symmetric)


_LOAD_DEFAULTS = {"trust_remote_code": False, "backend": "torch", "revision": "main"}


def _sentence_transformers(values: Values) -> Description:
    load = _settings(values["model_kwargs"], _LOAD_DEFAULTS)
    # The multi-process call passes no settings on.
    documents = {} if values["multi_process"] else values["encode_kwargs"] or {}
    queries = {} if values["multi_process"] else values["query_encode_kwargs"] or documents
    document, query = ({**load, **_encode_settings(each)} for each in (documents, queries))
    if any(each.get("precision") in ("int8", "uint8") for each in (document, query)):
        return Description(None, not_cacheable="int8 vectors are scaled by the other texts of their batch")
    symmetric = document == query
    # "plain" because an empty value would be left out.
    parameters = document if symmetric else {**document, "query": query or "plain"}
    identity = _loaded("sentence-transformers", values["model_name"], parameters, symmetric=symmetric)
    return Description(identity, effective_text=newlines_to_spaces)


def _prefixed(provider: str, values: Values, parameters: dict[str, Any], model: Any) -> Description:
    prefixes = {"document_prefix": values["embed_instruction"], "query_prefix": values["query_instruction"]}
    symmetric = (values["embed_instruction"] or "") == (values["query_instruction"] or "")
    identity = _loaded(provider, model, {**parameters, **prefixes}, symmetric=symmetric)
    return Description(identity, effective_text=newlines_to_spaces)


def _bge(values: Values) -> Description:
    # The constructor removes these settings from `model_kwargs`, so the loaded model has to tell.
    backend, dtype = values["client.backend"], values["client.dtype"]
    if isinstance(backend, str) and backend != "torch":
        msg = f"which file of its {backend} model is in use is no longer visible"
        raise UnclearSettingError(msg)
    dtype = unless("float32", str(dtype).removeprefix("torch.")) if type(dtype).__name__ == "dtype" else None
    load = _settings(values["model_kwargs"], _LOAD_DEFAULTS)
    parameters = {"dtype": dtype, **load, **_encode_settings(values["encode_kwargs"])}
    return _prefixed("sentence-transformers", values, parameters, values["model_name"])


def _ipex_bge(values: Values) -> Description:
    # On "xpu" the class halves the precision.
    device = unless("cpu", (values["model_kwargs"] or {}).get("device"))
    load = _settings(values["model_kwargs"], _LOAD_DEFAULTS)
    parameters = {"hardware": device, **load, **_encode_settings(values["encode_kwargs"])}
    return _prefixed("ipex-llm", values, parameters, values["model_name"])


def _openvino(values: Values) -> Description:
    load = _settings(values["model_kwargs"], _LOAD_DEFAULTS)
    encode = _settings(values["encode_kwargs"], {"mean_pooling": False, "normalize_embeddings": True})
    return _prefixed("openvino", values, {**load, **encode}, values["model_name_or_path"])


def _instructor(values: Values) -> Description:
    parameters = {
        **_settings(values["model_kwargs"], _LOAD_DEFAULTS),
        **_encode_settings(values["encode_kwargs"]),
        "document_instruction": values["embed_instruction"],
        "query_instruction": values["query_instruction"],
    }
    symmetric = values["embed_instruction"] == values["query_instruction"]
    return Description(_loaded("instructor", values["model_name"], parameters, symmetric=symmetric))


def _fastembed(values: Values) -> Description:
    parameters = {
        "max_length": unless(512, values["max_length"]),
        "document_method": unless("default", values["doc_embed_type"]),
    }
    return Description(identity_of("fastembed", values["model_name"], parameters))


_LOADED = "model_name model_kwargs encode_kwargs"
_ENCODE_BATCH = ("encode_kwargs.batch_size", 32)
_SENTENCE_TRANSFORMERS = Row(
    _sentence_transformers, f"{_LOADED} query_encode_kwargs multi_process", batch=_ENCODE_BATCH
)
_PREFIXES = "embed_instruction query_instruction"
_OPENVINO = Row(_openvino, f"model_name_or_path model_kwargs encode_kwargs {_PREFIXES}", batch=4)

ROWS = {
    ("langchain_huggingface", "HuggingFaceEmbeddings"): _SENTENCE_TRANSFORMERS,
    ("langchain_community", "HuggingFaceEmbeddings"): _SENTENCE_TRANSFORMERS,
    ("langchain_community", "HuggingFaceBgeEmbeddings"): Row(
        _bge, f"{_LOADED} {_PREFIXES} client.backend client.dtype", batch=_ENCODE_BATCH
    ),
    ("langchain_community", "IpexLLMBgeEmbeddings"): Row(_ipex_bge, f"{_LOADED} {_PREFIXES}", batch=_ENCODE_BATCH),
    ("langchain_community", "HuggingFaceInstructEmbeddings"): Row(
        _instructor, f"{_LOADED} {_PREFIXES}", batch=_ENCODE_BATCH
    ),
    ("langchain_community", "OpenVINOEmbeddings"): _OPENVINO,
    ("langchain_community", "OpenVINOBgeEmbeddings"): _OPENVINO,
    ("langchain_community", "FastEmbedEmbeddings"): Row(
        _fastembed, "model_name max_length doc_embed_type", batch=("batch_size", 256)
    ),
}
