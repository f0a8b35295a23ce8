"""Models that are loaded into the process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification import (
    At,
    Description,
    KnownClass,
    Live,
    UnclearSettingError,
    group,
    newlines_to_spaces,
    providers,
    unless,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce import Identity


class _Model(NamedTuple):
    """A loaded SentenceTransformer, and what it was asked to load."""

    model_name: Any
    model_kwargs: Any
    cache_folder: Any
    client: Any = Live("client", providers.snapshot_of)
    limits: providers.Limits = group(providers.Limits, at="client")

    def identity(self, documents: Mapping[str, Any], queries: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors for arguments of `encode`."""
        asked = self.model_kwargs or {}
        if self.client is not None and providers.is_module(self.client.value):
            caches = (Path(self.cache_folder),) if self.cache_folder else ()
            owner = providers.Owner(self.model_name, revision=asked.get("revision"), caches=caches)
            return providers.loaded_sentence_transformer(self.client, owner, documents=documents, queries=queries)
        limit = self.limits.changed(None)
        load = {**asked, **({} if limit is None else {"max_length": limit})}
        return providers.sentence_transformers(self.model_name, load=load, documents=documents, queries=queries)


def _sentence_transformers(
    encode_kwargs: Any, query_encode_kwargs: Any, multi_process: Any, model: _Model = group(_Model)
) -> Description:
    # The multi-process call passes no settings on.
    documents = {} if multi_process else encode_kwargs or {}
    queries = {} if multi_process else query_encode_kwargs or documents
    refused = providers.sentence_transformers_not_cacheable(documents, queries)
    if refused:
        return Description(None, not_cacheable=refused)
    return Description(model.identity(documents, queries), effective_text=newlines_to_spaces)


class _Settings(NamedTuple):
    """What classes share that are built with arguments for loading and encoding, and put a prefix before each text."""

    model_kwargs: Any
    encode_kwargs: Any
    document_prefix: Any = At("embed_instruction")
    query_prefix: Any = At("query_instruction")

    def described(self, provider: str, model: Any, parameters: Mapping[str, Any]) -> Description:
        identity = providers.prefixed(
            provider, model, parameters, document_prefix=self.document_prefix, query_prefix=self.query_prefix
        )
        return Description(identity, effective_text=newlines_to_spaces)

    def prefixed(self, model: _Model) -> Identity:
        """Return what decides the vectors of a loaded model behind which the prefixes stand for prompts."""
        encode = self.encode_kwargs or {}
        identity = model.identity(encode, encode)
        prefixes = {"document_prefix": self.document_prefix, "query_prefix": self.query_prefix}
        symmetric = identity.symmetric and (self.document_prefix or "") == (self.query_prefix or "")
        return replace(identity.with_parameters(prefixes), symmetric=symmetric)

    def counting(self) -> dict[str, Any]:
        """Return the arguments that change vectors, those of sentence-transformers."""
        return {**providers.load_settings(self.model_kwargs), **providers.encode_settings(self.encode_kwargs)}


def _bge(
    model_name: Any,
    backend: Any = At("client.backend"),
    dtype: Any = At("client.dtype"),
    settings: _Settings = group(_Settings),
    model: _Model = group(_Model),
) -> Description:
    if model.client is not None and providers.is_module(model.client.value):
        return Description(settings.prefixed(model), effective_text=newlines_to_spaces)
    # The constructor removes these settings from `model_kwargs`, so the loaded model has to tell.
    if isinstance(backend, str) and backend != "torch":
        msg = f"which file of its {backend} model is in use is no longer visible"
        raise UnclearSettingError(msg)
    dtype = unless("float32", str(dtype).removeprefix("torch.")) if type(dtype).__name__ == "dtype" else None
    return settings.described("sentence-transformers", model_name, {"dtype": dtype, **settings.counting()})


def _ipex_bge(model_name: Any, settings: _Settings = group(_Settings)) -> Description:
    # On "xpu" the class halves the precision.
    device = unless("cpu", (settings.model_kwargs or {}).get("device"))
    return settings.described("ipex-llm", model_name, {"hardware": device, **settings.counting()})


def _openvino(model_name_or_path: Any, settings: _Settings = group(_Settings)) -> Description:
    load = providers.load_settings(settings.model_kwargs)
    encode = providers.settings(settings.encode_kwargs, {"mean_pooling": False, "normalize_embeddings": True})
    return settings.described("openvino", model_name_or_path, {**load, **encode})


def _instructor(
    model_name: Any, settings: _Settings = group(_Settings), model: Any = Live("client", providers.snapshot_of)
) -> Identity:
    identity = providers.instructor(
        model_name,
        document_instruction=settings.document_prefix,
        query_instruction=settings.query_prefix,
        load=settings.model_kwargs,
        encode=settings.encode_kwargs,
    )
    return identity.with_parameters(providers.changes_of_loaded(model, providers.Owner(model_name)))


def _fastembed(model_name: Any, max_length: Any, doc_embed_type: Any) -> Identity:
    return providers.fastembed(model_name, max_length=max_length, document_method=doc_embed_type)


# Their batches are not requests: how many texts are embedded between two writes depends on the time that they take.
_SENTENCE_TRANSFORMERS = KnownClass(_sentence_transformers)
_OPENVINO = KnownClass(_openvino)

ROWS = {
    ("langchain_huggingface", "HuggingFaceEmbeddings"): _SENTENCE_TRANSFORMERS,
    ("langchain_community", "HuggingFaceEmbeddings"): _SENTENCE_TRANSFORMERS,
    ("langchain_community", "HuggingFaceBgeEmbeddings"): KnownClass(_bge),
    ("langchain_community", "IpexLLMBgeEmbeddings"): KnownClass(_ipex_bge),
    ("langchain_community", "HuggingFaceInstructEmbeddings"): KnownClass(_instructor),
    ("langchain_community", "OpenVINOEmbeddings"): _OPENVINO,
    ("langchain_community", "OpenVINOBgeEmbeddings"): _OPENVINO,
    ("langchain_community", "FastEmbedEmbeddings"): KnownClass(_fastembed),
}
