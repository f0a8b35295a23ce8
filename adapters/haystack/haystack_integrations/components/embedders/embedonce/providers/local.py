"""Models that are loaded into the process, and the stand-ins that Haystack ships."""

from __future__ import annotations

import hashlib
import importlib
import sys
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    Description,
    KnownClass,
    UnclearSettingError,
    Values,
    identity_of,
    local_files,
    providers,
    unless,
)
from haystack_integrations.components.embedders.embedonce.providers.clients import INTEGRATIONS, Describe

if TYPE_CHECKING:
    from collections.abc import Callable


# sentence-transformers

_MODEL = "embedding_backend.model"
_NET = f"{_MODEL}._modules.0.auto_model.config"
# What the loaded model says of where it cuts texts; a user may set that.
_LIMITS = f"{_MODEL}.max_seq_length {_MODEL}.tokenizer.init_kwargs.model_max_length {_NET}.max_position_embeddings"
_LOAD = "backend config_kwargs model_kwargs revision tokenizer_kwargs truncate_dim trust_remote_code"
_SENTENCE_TRANSFORMERS = f"""
model {_LOAD} normalize_embeddings precision quantization_ranges encode_kwargs {_NET}._name_or_path {_LIMITS}
"""


def _sentence_transformers(values: Values) -> Description:
    # A setting that is named twice is refused by the call itself.
    encode = {**(values["encode_kwargs"] or {}), "normalize_embeddings": bool(values["normalize_embeddings"])}
    encode["precision"] = values["precision"] or "float32"
    ranges = values["quantization_ranges"]
    if ranges is None:
        refused = providers.sentence_transformers_not_cacheable(encode)
        if refused:
            return Description(None, not_cacheable=refused)
    if not providers.names_loaded(values["model"], values[f"{_NET}._name_or_path"]):
        msg = "its field 'model' was changed and does not name the model that is loaded"
        raise UnclearSettingError(msg)
    load = {name: values[name] for name in _LOAD.split() if values[name]}
    if "model_kwargs" in load:
        # Writing a component down turns the types of torch into text, in the component itself.
        load["model_kwargs"] = {name: _unprefixed(value) for name, value in load["model_kwargs"].items()}
    limit = _limit(values)
    if limit is not None:
        load["max_length"] = limit
    if ranges is not None and encode["precision"] in ("int8", "uint8"):
        load["quantization_ranges"] = _digest(ranges)
    return Description(providers.sentence_transformers(values["model"], load=load, documents=encode, queries=encode))


def _limit(values: Values) -> Any:
    """Return the tokens beyond which texts are cut, None if that is for the model itself to say.

    The answer before the model is loaded has to be the one afterwards, unless somebody sets another limit then.
    """
    given = (values["tokenizer_kwargs"] or {}).get("model_max_length")
    length, own, positions = (values[path] for path in _LIMITS.split())
    if type(length) is not int or length == given:
        return given
    expected = {own, min(own, positions) if type(own) is type(positions) is int else own}
    return given if not given and length in expected else length


def _unprefixed(value: Any) -> Any:
    return value.removeprefix("torch.") if isinstance(value, str) else value


def _digest(numbers: Any) -> str:
    rows = [list(map(float, row)) if hasattr(row, "__iter__") else float(row) for row in numbers]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]


# FastEmbed

_FASTEMBED_IN_USE = "embedding_backend.model"
_HARDWARE = ("cuda", "device_ids", "lazy_load", "providers")


def _fastembed(kind: str) -> Describe:
    def describe(values: Values) -> Description:
        model = values[f"{_FASTEMBED_IN_USE}.model_name"] or values["model_name"]
        if _is_custom(model):
            msg = "its model was registered by a program, which may give that name to another one"
            raise UnclearSettingError(msg)
        load = {name: value for name, value in (values["model_kwargs"] or {}).items() if name not in _HARDWARE}
        folder = load.pop("specific_model_path", None)
        identity = providers.fastembed(
            model,
            # The text component embeds queries as if they were documents, which other frameworks do not.
            query_method="embed" if kind == "Text" else None,
            load=load,
        )
        return Description(identity.with_parameters({"folder": folder, **local_files(folder)} if folder else {}))

    return describe


def _is_custom(model: Any) -> bool:
    """Tell whether a program has registered a model under that name."""
    module = sys.modules.get("fastembed.text.custom_text_embedding")
    registered = getattr(getattr(module, "CustomTextEmbedding", None), "SUPPORTED_MODELS", ())
    return str(model).lower() in {str(each.model).lower() for each in registered}


# Optimum: up to version 3 the parameters were those of a backend that the constructor built.

_OPTIMUM_FIELDS = "normalize_embeddings onnx_execution_provider pooling_mode optimizer_settings quantizer_settings"
_OPTIMUM_OWNERS = ("_params", "_backend.params", "_backend.parameters")
_OPTIMUM = " ".join(
    f"{owner}.{name}" for owner in _OPTIMUM_OWNERS for name in ("model", "model_kwargs", *_OPTIMUM_FIELDS.split())
)


def _optimum(values: Values) -> Description:
    owner = next((each for each in _OPTIMUM_OWNERS if values[f"{each}.model"]), _OPTIMUM_OWNERS[0])
    own = {name: values[f"{owner}.{name}"] for name in ("model", "model_kwargs", *_OPTIMUM_FIELDS.split())}
    model, provider = own.pop("model"), own["onnx_execution_provider"]
    # The backend adds these to what it was given.
    repeated = {"model_id": model, "provider": provider, "use_auth_token": None, "token": None}
    given = own.pop("model_kwargs") or {}
    own["model_kwargs"] = {
        name: value for name, value in given.items() if name not in repeated or repeated[name] not in (None, value)
    }
    for name in ("optimizer_settings", "quantizer_settings"):
        if is_dataclass(own[name]) and not isinstance(own[name], type):
            own[name] = asdict(own[name])
    own["onnx_execution_provider"] = unless("CPUExecutionProvider", provider)
    own["normalize_embeddings"] = unless(True, own["normalize_embeddings"])
    return Description(providers.loaded("optimum", model, providers.settings(own, {}), symmetric=True))


# Stand-ins


def _mock(values: Values) -> Description:
    function, fixed = values["embedding_fn"], values["embedding"]
    parameters: dict[str, Any] = {"dimensions": values["dimension"]}
    if function is not None:
        name = _name_of(function)
        if not name:
            return Description(None, not_cacheable="its `embedding_fn` cannot be imported under a name")
        parameters = {"function": name}
    elif fixed is not None:
        parameters = {"dimensions": len(fixed), "vector": _digest(fixed)}
    # Its field `model` only turns up in what it reports.
    return Description(identity_of("haystack", "MockEmbedder", parameters, symmetric=True, exact=True))


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


def _pair(
    package: str,
    name: str,
    describe: Callable[[str], Describe],
    reads: str,
    ignores: str = "",
    batch: int | tuple[str, int] = ("batch_size", 32),
) -> dict[tuple[str, str], KnownClass]:
    """Return the rows of a text and a document component."""
    return {
        (package, f"{name}{kind}Embedder"): KnownClass(
            describe(kind), reads, batch=batch if kind == "Document" else 1, ignores=ignores
        )
        for kind in ("Text", "Document")
    }


_ST = (
    "SentenceTransformers",
    lambda _: _sentence_transformers,
    _SENTENCE_TRANSFORMERS,
    "device embedding_backend local_files_only",
)

ROWS: dict[tuple[str, str], KnownClass] = {
    **_pair(f"{INTEGRATIONS}.sentence_transformers", *_ST),
    **_pair("haystack", *_ST),
    **_pair(
        f"{INTEGRATIONS}.fastembed",
        "Fastembed",
        _fastembed,
        f"model_name model_kwargs {_FASTEMBED_IN_USE}.model_name",
        "embedding_backend local_files_only",
        ("batch_size", 256),
    ),
    **_pair(f"{INTEGRATIONS}.optimum", "Optimum", lambda _: _optimum, _OPTIMUM, batch=("_params.batch_size", 32)),
    **_pair("haystack", "Mock", lambda _: _mock, "embedding embedding_fn dimension", "model meta is_warmed_up", 1024),
}
