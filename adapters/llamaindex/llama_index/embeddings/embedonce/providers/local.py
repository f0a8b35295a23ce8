"""Models that are loaded into the process, and the stand-ins that LlamaIndex ships."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from embedonce.identification import (
    Description,
    KnownClass,
    UnclearSettingError,
    Values,
    endpoint_of,
    identity_of,
    local_files,
    providers,
    unless,
)

_BATCH = ("embed_batch_size", 10)

# sentence-transformers: what the class was built with is kept by the loaded model alone.

_SENTENCE_TRANSFORMERS = f"""
model_name normalize _model.prompts _model.default_prompt_name _model._modules.1.include_prompt
{providers.reads_at("_model")}
"""


def _sentence_transformers(values: Values) -> Description:
    model = values["model_name"]
    identity = providers.sentence_transformers(
        model,
        load=providers.load_settings_of(model, providers.values_at("_model", values), _caches()),
        documents=_encode(values, "text"),
        queries=_encode(values, "query"),
    )
    return Description(identity)


def _caches() -> list[Path]:
    """Return the folder that LlamaIndex downloads models to."""
    from llama_index.core.utils import get_cache_dir

    return [Path(get_cache_dir())]


def _encode(values: Values, name: str) -> dict[str, Any]:
    """Return the arguments of `encode` for texts with the prompt of that name."""
    settings: dict[str, Any] = {"normalize_embeddings": bool(values["normalize"])}
    prompts = values["_model.prompts"] or {}
    if prompts.get(name):
        settings["prompt"] = prompts[name]
        if values["_model._modules.1.include_prompt"] is False:
            settings["include_prompt"] = False
    elif prompts.get(values["_model.default_prompt_name"]):
        # Without an argument, `encode` would put this prompt before each text.
        settings["default_prompt"] = False
    return settings


# Others


def _instructor(values: Values) -> Description:
    # What is used where nothing is said; the model was built by this package, so it is there.
    usual = import_module("llama_index.embeddings.instructor.utils")
    model, document, query = values["model_name"], values["text_instruction"], values["query_instruction"]
    identity = providers.instructor(
        model,
        document_instruction=usual.get_text_instruct_for_model_name(model) if document is None else document,
        query_instruction=usual.get_query_instruct_for_model_name(model) if query is None else query,
        load={"max_length": unless(512, values["_model.max_seq_length"])},
    )
    return Description(identity)


def _fastembed(values: Values) -> Description:
    if values["_model.model.__class__.__name__"] == "CustomTextEmbedding":
        msg = "its model was registered by a program, which may give that name to another one"
        raise UnclearSettingError(msg)
    model = values["_model.model_name"] or values["model_name"]
    identity = providers.fastembed(model, document_method=values["doc_embed_type"])
    folder = values["_model.model._specific_model_path"]
    return Description(identity.with_parameters({"folder": folder, **local_files(folder)} if folder else {}))


def _nomic(values: Values) -> Description:
    model = values["model_name"]
    # Its models have this length without being asked.
    full = 768 if model in ("nomic-embed-text-v1", "nomic-embed-text-v1.5") else None
    identity = providers.nomic(
        model,
        dimensions=unless(full, values["dimensionality"]),
        inference_mode=values["inference_mode"],
        endpoint=endpoint_of(values, "$ATLAS_API_PATH"),
        document_task=values["document_task_type"],
        query_task=values["query_task_type"],
    )
    return Description(identity)


def _clip(values: Values) -> Description:
    # On "cuda" the class halves the precision.
    parameters = {"hardware": unless("cpu", values["_device"])}
    return Description(providers.loaded("clip", values["model_name"], parameters, symmetric=True))


def _adapter(_: Values) -> Description:
    msg = "the weights of its adapter are not visible in its settings"
    raise UnclearSettingError(msg)


def _mock(values: Values) -> Description:
    parameters = {"dimensions": values["embed_dim"]}
    return Description(identity_of("llama-index", "MockEmbedding", parameters, symmetric=True, exact=True))


_MOCK = KnownClass(_mock, "embed_dim", batch=_BATCH)

ROWS: dict[tuple[str, str], KnownClass] = {
    ("llama_index.embeddings.huggingface", "HuggingFaceEmbedding"): KnownClass(
        _sentence_transformers,
        _SENTENCE_TRANSFORMERS,
        batch=_BATCH,
        ignores="max_length query_instruction text_instruction",
    ),
    ("llama_index.embeddings.instructor", "InstructorEmbedding"): KnownClass(
        _instructor, "model_name query_instruction text_instruction _model.max_seq_length", batch=_BATCH
    ),
    ("llama_index.embeddings.fastembed", "FastEmbedEmbedding"): KnownClass(
        _fastembed,
        "model_name doc_embed_type _model.model_name _model.model._specific_model_path _model.model.__class__.__name__",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.nomic", "NomicEmbedding"): KnownClass(
        _nomic,
        "model_name dimensionality inference_mode document_task_type query_task_type",
        env="ATLAS_API_PATH",
        batch=_BATCH,
    ),
    ("llama_index.embeddings.clip", "ClipEmbedding"): KnownClass(_clip, "model_name _device", batch=_BATCH),
    ("llama_index.embeddings.adapter", "AdapterEmbeddingModel"): KnownClass(_adapter, "", batch=_BATCH),
    ("llama_index.core.embeddings", "MockEmbedding"): _MOCK,
    ("llama_index.core.embeddings", "MockMultiModalEmbedding"): _MOCK,
}
