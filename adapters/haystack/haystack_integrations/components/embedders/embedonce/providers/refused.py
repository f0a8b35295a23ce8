"""Components whose vectors are not a function of one text, or are not dense: they bypass the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedonce.identification import Description, KnownClass
from haystack_integrations.components.embedders.embedonce.providers.clients import INTEGRATIONS, Describe, Rows

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES = "its vectors come from files that metadata points to, which may change under their names"
SPARSE = "its vectors are sparse, and embedonce keeps dense ones"
CONTEXT = "contextualised vectors depend on the other documents of the call"


def _because(reason: str) -> Describe:
    return lambda: Description(None, not_cacheable=reason)


def _rows(reason: str, classes: Iterable[tuple[str, str]]) -> Rows:
    return {each: KnownClass(_because(reason)) for each in classes}


_FILES = [
    (f"{INTEGRATIONS}.amazon_bedrock", "AmazonBedrockDocumentImageEmbedder"),
    (f"{INTEGRATIONS}.cohere", "CohereDocumentImageEmbedder"),
    (f"{INTEGRATIONS}.google_genai", "GoogleGenAIMultimodalDocumentEmbedder"),
    (f"{INTEGRATIONS}.jina", "JinaDocumentImageEmbedder"),
    (f"{INTEGRATIONS}.sentence_transformers", "SentenceTransformersDocumentImageEmbedder"),
    (f"{INTEGRATIONS}.voyage_embedders", "VoyageMultimodalEmbedder"),
    ("haystack", "SentenceTransformersDocumentImageEmbedder"),
]
_SPARSE = [
    (f"{INTEGRATIONS}.{package}", f"{name}Sparse{kind}Embedder")
    for package, name in (
        ("fastembed", "Fastembed"),
        ("huggingface_api", "HuggingFaceTEI"),
        ("sentence_transformers", "SentenceTransformers"),
    )
    for kind in ("Text", "Document")
]
_SPARSE += [("haystack", f"SentenceTransformersSparse{kind}Embedder") for kind in ("Text", "Document")]

ROWS: Rows = {
    **_rows(FILES, _FILES),
    **_rows(SPARSE, _SPARSE),
    **_rows(CONTEXT, [(f"{INTEGRATIONS}.voyage_embedders", "VoyageContextualizedDocumentEmbedder")]),
}
