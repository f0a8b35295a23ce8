"""The classes of LlamaIndex that load models, with stand-ins for these, and how each of their settings counts."""

from __future__ import annotations

from typing import Any

from known_class import Known
from lazily import lazily
from loaded_models import FLOAT16

li = lazily("llama_index.core")

SECRET = "hf_s3cr3t0123456789abcdef"
BGE = "BAAI/bge-small-en-v1.5"
BGE_QUERY = "Represent this question for searching relevant passages: "
PLAIN = "intfloat/e5-small"
PINNED = "b" * 40


def hugging_face(**settings: Any) -> Any:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(**{"model_name": BGE, **settings})


def plain(**settings: Any) -> Any:
    return hugging_face(**{"model_name": PLAIN, **settings})


def instructor(**settings: Any) -> Any:
    from llama_index.embeddings.instructor import InstructorEmbedding

    return InstructorEmbedding(**settings)


def fastembed(**settings: Any) -> Any:
    from llama_index.embeddings.fastembed import FastEmbedEmbedding

    return FastEmbedEmbedding(**settings)


def nomic(**settings: Any) -> Any:
    from llama_index.embeddings.nomic import NomicEmbedding

    return NomicEmbedding(**settings)


def clip(**settings: Any) -> Any:
    """A stand-in for the whole class, whose package needs one that is on no registry."""
    kind = type("ClipEmbedding", (), {"__module__": "llama_index.embeddings.clip.base"})
    model = kind()
    vars(model).update({"model_name": "ViT-B/32", "embed_batch_size": 10, "_device": "cpu", **settings})
    return model


def mock(**settings: Any) -> Any:
    return li.MockEmbedding(**{"embed_dim": 4, **settings})


def langchain(model: str, **settings: Any) -> Any:
    from langchain_huggingface import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(model_name=model, **{"encode_kwargs": {"normalize_embeddings": True}, **settings})


KNOWN = {
    "hugging-face": Known(
        hugging_face,
        f'sentence-transformers/{BGE}?normalize=true&query={{"normalize":true,"prompt":"{BGE_QUERY}"}}',
        False,
        [
            {"model_name": "BAAI/bge-base-en-v1.5"},
            {"max_length": 128},
            {"normalize": False},
            {"query_instruction": "Find: "},
            {"text_instruction": "Passage: "},
            {"truncate_dim": 4},
            {"revision": "v2"},
            {"revision": PINNED},
            {"trust_remote_code": True},
            {"model_kwargs": {"dtype": FLOAT16}},
            {"tokenizer_kwargs": {"model_max_length": 128}},
        ],
        [
            {"token": SECRET},
            {"device": "cuda"},
            {"embed_batch_size": 7},
            {"show_progress_bar": True},
            {"parallel_process": True, "target_devices": ["cpu"]},
            {"local_files_only": True},
            {"revision": "main"},
            {"query_instruction": BGE_QUERY},
            {"max_length": 512},
        ],
        batch="auto",
    ),
    "instructor": Known(
        instructor,
        'instructor/hkunlp/instructor-base?document_instruction="Represent the document for retrieval: "'
        '&query_instruction="Represent the question for retrieving supporting documents: "',
        False,
        [
            {"model_name": "hkunlp/instructor-xl"},
            {"model_name": BGE},
            {"query_instruction": "Q: "},
            {"text_instruction": "D: "},
            {"text_instruction": ""},
        ],
        [{"device": "cuda"}, {"cache_folder": "x"}, {"text_instruction": "Represent the document for retrieval: "}],
        batch="auto",
    ),
    "fastembed": Known(
        fastembed,
        f"fastembed/{BGE}",
        False,
        [{"model_name": "x/y"}, {"doc_embed_type": "passage"}, {"specific_model_path": "elsewhere"}],
        [{"threads": 2}, {"cache_dir": "x"}, {"providers": ["CPUExecutionProvider"]}],
        batch="auto",
    ),
    "nomic": Known(
        nomic,
        "nomic/nomic-embed-text-v1",
        False,
        [
            {"model_name": "nomic-embed-text-v1.5"},
            {"model_name": "another"},
            {"dimensionality": 64},
            {"inference_mode": "local"},
            {"query_task_type": "clustering"},
            {"document_task_type": "classification"},
        ],
        [{"api_key": SECRET}, {"vision_model_name": "x"}, {"dimensionality": None}, {"device": "gpu"}],
        batch=(256, 1024),
    ),
    "clip": Known(
        clip, "clip/ViT-B/32", True, [{"model_name": "RN50"}, {"_device": "cuda"}], [{"_model": object()}], batch="auto"
    ),
    "mock": Known(
        mock, "llama-index/MockEmbedding?dimensions=4", True, [{"embed_dim": 8}], [{"num_workers": 2}], batch="auto"
    ),
}
