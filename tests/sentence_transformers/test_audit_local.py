"""Whatever changes the vectors of a local model changes the identity: every setting of the classes that hold one.

The audit of `tests/identities`, where vectors are those of a small model and not those of a stand-in for a provider.
"""

from __future__ import annotations

import pytest
from lazily import lazily

audit_of = lazily("identity_audit.comparing", "identity_audit.classes.audited")

# How a model is loaded and run, not what it computes.
NOT_TRIED = ("device", "cache_folder", "multi_process", "model_card_data", "modules", "similarity_fn_name", "backend")
# Of a model that normalises, `normalize_embeddings=True` changes the last bits at most; of others it counts.
QUERIES = [{"normalize_embeddings": False}, {"batch_size": 1}, {"prompt": "query: "}, {"prompt_name": "query"}]
ENCODING = [*QUERIES, {"truncate_dim": 8}, {"precision": "int8"}, {"precision": "binary"}]
LOADING = [
    *({"truncate_dim": 8}, {"prompts": {"query": "q: "}}, {"default_prompt_name": "query"}, {"device": "cpu"}),
    *({"model_kwargs": {"dtype": "float16"}}, {"trust_remote_code": True}),
]


def langchain(folders):
    return audit_of.AuditedClass(
        "langchain",
        "langchain_huggingface.HuggingFaceEmbeddings",
        "sentence-transformers",
        {"model_name": str(folders.prompted)},
        choices={
            "model_name": [str(folders.plain)],
            "model_kwargs": LOADING,
            "encode_kwargs": ENCODING,
            "query_encode_kwargs": QUERIES,
            **{name: [] for name in NOT_TRIED},
        },
    )


def llamaindex(folders):
    return audit_of.AuditedClass(
        "llamaindex",
        "llama_index.embeddings.huggingface.HuggingFaceEmbedding",
        "sentence-transformers",
        {"model_name": str(folders.prompted), "device": "cpu"},
        choices={
            "model_name": [str(folders.plain)],
            "max_length": [4],
            "query_instruction": ["query: "],
            "text_instruction": ["passage: "],
            "normalize": [],
            **{name: [] for name in NOT_TRIED},
        },
    )


def sentence_transformers(folders):
    return audit_of.AuditedClass(
        "sentence-transformers",
        "sentence_transformers.SentenceTransformer",
        "sentence-transformers",
        {"model_name_or_path": str(folders.prompted), "device": "cpu"},
        choices={
            "model_name_or_path": [str(folders.plain)],
            "prompts": [{"query": "q: "}],
            "default_prompt_name": ["query"],
            "truncate_dim": [8],
            "model_kwargs": [{"dtype": "float16"}],
            "processor_kwargs": [{"truncation_side": "left"}],
            "max_seq_length": [4],
            "similarity_fn_name": [],
            **{name: [] for name in NOT_TRIED},
        },
    )


@pytest.mark.soak
@pytest.mark.parametrize("of", [langchain, llamaindex, sentence_transformers])
def test_what_changes_a_vector_changes_the_identity(folders, of):
    audit = audit_of.Audit()
    audit.run([of(folders)])
    assert not audit.bases_not_compared
    assert not audit.wrong, "\n".join(map(str, audit.wrong))
    assert audit.counts["compared"] > 8, audit.failed
