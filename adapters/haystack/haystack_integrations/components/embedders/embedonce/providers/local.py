"""Models that are loaded into the process, and the stand-ins that Haystack ships."""

from __future__ import annotations

import hashlib
import importlib
import sys
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification import (
    At,
    Description,
    Live,
    group,
    identity_of,
    providers,
    unless,
)
from haystack_integrations.components.embedders.embedonce.providers.clients import INTEGRATIONS, Rows, pair

if TYPE_CHECKING:
    from embedonce import Identity

# sentence-transformers


class _Load(NamedTuple):
    """The arguments that the model is loaded with."""

    backend: Any
    config_kwargs: Any
    model_kwargs: Any
    revision: Any
    tokenizer_kwargs: Any
    truncate_dim: Any
    trust_remote_code: Any


def _sentence_transformers(
    model: Any,
    normalize_embeddings: Any,
    precision: Any,
    quantization_ranges: Any,
    encode_kwargs: Any,
    loaded: Any = Live("embedding_backend.model", providers.snapshot_of),
    limits: providers.Limits = group(providers.Limits, at="embedding_backend.model"),
    load_with: _Load = group(_Load),
) -> Description | Identity:
    # A setting that is named twice is refused by the call itself.
    encode = {**(encode_kwargs or {}), "normalize_embeddings": bool(normalize_embeddings)}
    encode["precision"] = precision or "float32"
    if quantization_ranges is None:
        refused = providers.sentence_transformers_not_cacheable(encode)
        if refused:
            return Description(None, not_cacheable=refused)
    load = {name: value for name, value in load_with._asdict().items() if value}
    if "model_kwargs" in load:
        # Writing a component down turns the types of torch into text, in the component itself.
        load["model_kwargs"] = {name: _unprefixed(value) for name, value in load["model_kwargs"].items()}
    identity = providers.expected_sentence_transformer(
        model, load, field="model", loaded=loaded, limits=limits, documents=encode, queries=encode
    )
    if quantization_ranges is not None and encode["precision"] in ("int8", "uint8"):
        identity = identity.with_parameters({"quantization_ranges": _digest(quantization_ranges)})
    return identity


def _unprefixed(value: Any) -> Any:
    return value.removeprefix("torch.") if isinstance(value, str) else value


def _digest(numbers: Any) -> str:
    rows = [list(map(float, row)) if hasattr(row, "__iter__") else float(row) for row in numbers]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]


# FastEmbed

_HARDWARE = ("cuda", "device_ids", "lazy_load", "providers")


def _fastembed(
    model_name: Any,
    model_kwargs: Any,
    in_use: Any = At("embedding_backend.model.model_name"),
    query_method: str | None = None,
) -> Identity:
    model = in_use or model_name
    load = {name: value for name, value in (model_kwargs or {}).items() if name not in _HARDWARE}
    folder = load.pop("specific_model_path", None)
    return providers.fastembed(model, query_method=query_method, load=load, folder=folder, is_custom=_is_custom(model))


def _is_custom(model: Any) -> bool:
    """Return whether a program has registered a model under that name."""
    module = sys.modules.get("fastembed.text.custom_text_embedding")
    registered = getattr(getattr(module, "CustomTextEmbedding", None), "SUPPORTED_MODELS", ())
    return str(model).lower() in {str(each.model).lower() for each in registered}


# Optimum: up to version 3 the parameters were those of a backend that the constructor built.


class _Parameters(NamedTuple):
    model: Any
    model_kwargs: Any
    normalize_embeddings: Any
    onnx_execution_provider: Any
    pooling_mode: Any
    optimizer_settings: Any
    quantizer_settings: Any


def _optimum(
    own: _Parameters = group(_Parameters, at="_params"),
    former: _Parameters = group(_Parameters, at="_backend.params"),
    oldest: _Parameters = group(_Parameters, at="_backend.parameters"),
) -> Identity:
    settings = next((each for each in (own, former, oldest) if each.model), own)._asdict()
    model, provider = settings.pop("model"), settings["onnx_execution_provider"]
    # The backend adds these to what it was given.
    repeated = {"model_id": model, "provider": provider, "use_auth_token": None, "token": None}
    given = settings.pop("model_kwargs") or {}
    settings["model_kwargs"] = {
        name: value for name, value in given.items() if name not in repeated or repeated[name] not in (None, value)
    }
    for name in ("optimizer_settings", "quantizer_settings"):
        if is_dataclass(settings[name]) and not isinstance(settings[name], type):
            settings[name] = asdict(settings[name])
    settings["onnx_execution_provider"] = unless("CPUExecutionProvider", provider)
    settings["normalize_embeddings"] = unless(True, settings["normalize_embeddings"])
    return providers.loaded("optimum", model, providers.settings(settings, {}), symmetric=True)


# Stand-ins


def _mock(embedding: Any, embedding_fn: Any, dimension: Any) -> Description | Identity:
    parameters: dict[str, Any] = {"dimensions": dimension}
    if embedding_fn is not None:
        name = _name_of(embedding_fn)
        if not name:
            return Description(None, not_cacheable="its `embedding_fn` cannot be imported under a name")
        parameters = {"function": name}
    elif embedding is not None:
        parameters = {"dimensions": len(embedding), "vector": _digest(embedding)}
    # Its field `model` only turns up in what it reports.
    return identity_of("haystack", "MockEmbedder", parameters, symmetric=True, exact=True)


def _name_of(function: Any) -> str:
    """Return the dotted path of a function if it can be imported under that; else an empty string."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return ""
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return ""
    return f"{module}.{name}" if found is function else ""


_ST_IGNORES = "device embedding_backend local_files_only"

# Their batches are not requests: how many texts are embedded between two writes depends on the time that they take.
ROWS: Rows = {
    **pair(
        f"{INTEGRATIONS}.sentence_transformers",
        "SentenceTransformers",
        _sentence_transformers,
        batch="auto",
        ignores=_ST_IGNORES,
    ),
    **pair("haystack", "SentenceTransformers", _sentence_transformers, batch="auto", ignores=_ST_IGNORES),
    **pair(
        f"{INTEGRATIONS}.fastembed",
        "Fastembed",
        _fastembed,
        # The text component embeds queries as if they were documents, which other frameworks do not.
        roles=({"query_method": "embed"}, {}),
        batch="auto",
        ignores="embedding_backend local_files_only",
    ),
    **pair(f"{INTEGRATIONS}.optimum", "Optimum", _optimum, batch="auto"),
    **pair("haystack", "Mock", _mock, batch="auto", ignores="model meta is_warmed_up"),
}
