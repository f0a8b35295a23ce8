"""Classes that embedonce has no row for: all their fields count but those that are certainly secret or of transport."""

from __future__ import annotations

from identity_audit.classes.audited import GATEWAY, KEY, AuditedClass


def _community(module: str, name: str, *settings: str, **more: str) -> AuditedClass:
    path = f"langchain_community.embeddings.{module}.{name}"
    needs = {**dict.fromkeys(settings, KEY), **more}
    return AuditedClass("langchain", path, path, needs)


AUDITED = [
    _community("baichuan", "BaichuanTextEmbeddings", "baichuan_api_key"),
    _community("huggingface", "HuggingFaceInferenceAPIEmbeddings", "api_key"),
    _community("jina", "JinaEmbeddings", "jina_api_key"),
    _community("llm_rails", "LLMRailsEmbeddings", "api_key"),
    _community("solar", "SolarEmbeddings", "solar_api_key"),
    _community("textembed", "TextEmbedEmbeddings", "api_key", model="bge-m3", api_url=GATEWAY),
    _community("voyageai", "VoyageEmbeddings", "voyage_api_key", model="voyage-2"),
]
