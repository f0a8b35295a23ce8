"""Models that are loaded into the process, and the stand-ins that LlamaIndex ships."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedonce.identification import (
    At,
    Description,
    Env,
    KnownClass,
    Live,
    Requests,
    UnclearSettingError,
    endpoint_of,
    identity_of,
    providers,
    request_size,
    unless,
)

if TYPE_CHECKING:
    from embedonce import Identity

# What the class was built with is kept by the loaded model alone.


def _sentence_transformers(
    model_name: Any, normalize: Any, model: Any = Live("_model", providers.snapshot_of)
) -> Identity:
    documents, queries = ({"prompt_name": name, "normalize_embeddings": bool(normalize)} for name in ("text", "query"))
    owner = providers.Owner(model_name, caches=tuple(_caches()))
    return providers.loaded_sentence_transformer(model, owner, documents=documents, queries=queries)


def _caches() -> list[Path]:
    """Return the folder that LlamaIndex downloads models to."""
    from llama_index.core.utils import get_cache_dir

    return [Path(get_cache_dir())]


# Others


def _instructor(
    model_name: Any,
    text_instruction: Any,
    query_instruction: Any,
    max_length: Any = At("_model.max_seq_length"),
    model: Any = Live("_model", providers.snapshot_of),
) -> Identity:
    # What is used by default; the model was built by this package, so it can be imported.
    usual = import_module("llama_index.embeddings.instructor.utils")
    if text_instruction is None:
        text_instruction = usual.get_text_instruct_for_model_name(model_name)
    if query_instruction is None:
        query_instruction = usual.get_query_instruct_for_model_name(model_name)
    identity = providers.instructor(
        model_name,
        document_instruction=text_instruction,
        query_instruction=query_instruction,
        load={"max_length": unless(512, max_length)},
    )
    return identity.with_parameters(providers.changes_of_loaded(model, providers.Owner(model_name)))


def _fastembed(
    model_name: Any,
    doc_embed_type: Any,
    in_use: Any = At("_model.model_name"),
    folder: Any = At("_model.model._specific_model_path"),
    kind: Any = At("_model.model.__class__.__name__"),
) -> Identity:
    is_custom = kind == "CustomTextEmbedding"
    return providers.fastembed(in_use or model_name, document_method=doc_embed_type, folder=folder, is_custom=is_custom)


def _nomic(
    model_name: Any,
    dimensionality: Any,
    inference_mode: Any,
    document_task_type: Any,
    query_task_type: Any,
    api_path: Any = Env("ATLAS_API_PATH"),
) -> Identity:
    # Its models have this length without being asked.
    full = 768 if model_name in ("nomic-embed-text-v1", "nomic-embed-text-v1.5") else None
    return providers.nomic(
        model_name,
        dimensions=unless(full, dimensionality),
        inference_mode=inference_mode,
        endpoint=endpoint_of((), api_path),
        document_task=document_task_type,
        query_task=query_task_type,
    )


def _clip(model_name: Any, _device: Any) -> Identity:
    # On "cuda" the class halves the precision.
    return providers.loaded("clip", model_name, {"hardware": unless("cpu", _device)}, symmetric=True)


def _adapter() -> Description:
    msg = "the weights of its adapter are not visible in its settings"
    raise UnclearSettingError(msg)


def _mock(embed_dim: Any) -> Identity:
    parameters = {"dimensions": embed_dim}
    return identity_of("llama-index", "MockEmbedding", parameters, symmetric=True, exact=True)


def _nomic_requests(inference_mode: Any, embed_batch_size: Any) -> Requests | None:
    return Requests(request_size(embed_batch_size, 10)) if inference_mode == "remote" else None


_MOCK = KnownClass(_mock)

# Where batches are not requests, how many texts are embedded between two writes depends on the time that they take.
ROWS: dict[tuple[str, str], KnownClass] = {
    ("llama_index.embeddings.huggingface", "HuggingFaceEmbedding"): KnownClass(
        _sentence_transformers, ignores="max_length query_instruction text_instruction"
    ),
    ("llama_index.embeddings.instructor", "InstructorEmbedding"): KnownClass(_instructor),
    ("llama_index.embeddings.fastembed", "FastEmbedEmbedding"): KnownClass(_fastembed),
    ("llama_index.embeddings.nomic", "NomicEmbedding"): KnownClass(_nomic, _nomic_requests),
    ("llama_index.embeddings.clip", "ClipEmbedding"): KnownClass(_clip),
    ("llama_index.embeddings.adapter", "AdapterEmbeddingModel"): KnownClass(_adapter),
    ("llama_index.core.embeddings", "MockEmbedding"): _MOCK,
    ("llama_index.core.embeddings", "MockMultiModalEmbedding"): _MOCK,
}
