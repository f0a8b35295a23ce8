"""Known classes that are not audited, and why."""

from __future__ import annotations

_LOCAL = "computes on this machine and sends nothing; its own tests vary model and settings"
_FAKE = "computes its vectors from the text alone"
_STAND_IN = "tested with a stand-in that has its fields"
_MEMORY = "has a cache of its own"
_VARIED = "its own tests vary its settings"

_REASONS = {
    _LOCAL: {
        "langchain": """
            FastEmbedEmbeddings HuggingFaceBgeEmbeddings HuggingFaceEmbeddings HuggingFaceInstructEmbeddings
            IpexLLMBgeEmbeddings OpenVINOBgeEmbeddings OpenVINOEmbeddings
        """,
        "llamaindex": """
            AdapterEmbeddingModel ClipEmbedding FastEmbedEmbedding HuggingFaceEmbedding InstructorEmbedding
            NomicEmbedding
        """,
        "haystack": """
            FastembedDocumentEmbedder FastembedTextEmbedder OptimumDocumentEmbedder OptimumTextEmbedder
            SentenceTransformersDocumentEmbedder SentenceTransformersTextEmbedder
        """,
        "sdk": "fastembed.TextEmbedding model2vec.StaticModel",
    },
    _FAKE: {
        "langchain": "DeterministicFakeEmbedding FakeEmbeddings",
        "llamaindex": "MockEmbedding MockMultiModalEmbedding",
        "haystack": "MockDocumentEmbedder MockTextEmbedder",
    },
    _STAND_IN: {
        "langchain": "AzureAIEmbeddingsModel UpstageEmbeddings VertexAIEmbeddings",
        "haystack": """
            EdenAIDocumentEmbedder EdenAITextEmbedder PerplexityDocumentEmbedder PerplexityTextEmbedder
            STACKITDocumentEmbedder STACKITTextEmbedder TwelveLabsDocumentEmbedder TwelveLabsTextEmbedder
            VLLMDocumentEmbedder VLLMTextEmbedder VertexAIDocumentEmbedder VertexAITextEmbedder
            WatsonxDocumentEmbedder WatsonxTextEmbedder
            HuggingFaceAPIDocumentEmbedder HuggingFaceAPITextEmbedder
        """,
    },
    _MEMORY: {"langchain": "CacheBackedEmbeddings"},
    _VARIED: {"langchain": "InfinityEmbeddings"},
}

NOT_AUDITED = {
    (framework, name): reason
    for reason, frameworks in _REASONS.items()
    for framework, names in frameworks.items()
    for name in names.split()
}
