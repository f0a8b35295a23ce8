"""Models that are loaded into the process, and the stand-ins that LlamaIndex ships."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification import (
    At,
    Description,
    Env,
    KnownClass,
    Requests,
    UnclearSettingError,
    endpoint_of,
    group,
    identity_of,
    providers,
    request_size,
    unless,
)

if TYPE_CHECKING:
    from embedonce import Identity

# sentence-transformers: what the class was built with is kept by the loaded model alone.


class _Encode(NamedTuple):
    """What decides the arguments of `encode`."""

    normalize: Any
    prompts: Any = At("_model.prompts")
    default_prompt_name: Any = At("_model.default_prompt_name")
    include_prompt: Any = At("_model._modules.1.include_prompt")

    def arguments(self, name: str) -> dict[str, Any]:
        """Return the arguments of `encode` for texts with the prompt of that name."""
        settings: dict[str, Any] = {"normalize_embeddings": bool(self.normalize)}
        prompts = self.prompts or {}
        if prompts.get(name):
            settings["prompt"] = prompts[name]
            if self.include_prompt is False:
                settings["include_prompt"] = False
        elif prompts.get(self.default_prompt_name):
            # Without an argument, `encode` would put this prompt before each text.
            settings["default_prompt"] = False
        return settings


def _sentence_transformers(
    model_name: Any,
    loaded: providers.Loaded = group(providers.Loaded, at="_model"),
    encode: _Encode = group(_Encode),
) -> Identity:
    load = providers.load_settings_of(model_name, loaded, _caches())
    documents, queries = encode.arguments("text"), encode.arguments("query")
    return providers.sentence_transformers(model_name, load=load, documents=documents, queries=queries)


def _caches() -> list[Path]:
    """Return the folder that LlamaIndex downloads models to."""
    from llama_index.core.utils import get_cache_dir

    return [Path(get_cache_dir())]


# Others


def _instructor(
    model_name: Any, text_instruction: Any, query_instruction: Any, max_length: Any = At("_model.max_seq_length")
) -> Identity:
    # What is used by default; the model was built by this package, so it can be imported.
    usual = import_module("llama_index.embeddings.instructor.utils")
    if text_instruction is None:
        text_instruction = usual.get_text_instruct_for_model_name(model_name)
    if query_instruction is None:
        query_instruction = usual.get_query_instruct_for_model_name(model_name)
    return providers.instructor(
        model_name,
        document_instruction=text_instruction,
        query_instruction=query_instruction,
        load={"max_length": unless(512, max_length)},
    )


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
