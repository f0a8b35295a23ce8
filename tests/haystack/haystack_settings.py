"""Settings that several components of Haystack have, and what stands for loaded models and clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from haystack_later import token, variable
from known_class import SECRET, Known

TOKEN = token(SECRET)


def first_letter(text: str) -> list[float]:
    """Embed a text by its first letter."""
    return [float(ord(text[0])) if text else 0.0, 1.0]


def at(url: str) -> Any:
    """Return what looks like a client of OpenAI's package with that URL."""
    return SimpleNamespace(base_url=url)


_AFFIXES: list[dict[str, Any]] = [{"prefix": "p: "}, {"suffix": " s"}]
_TEXTS: dict[str, list[dict[str, Any]]] = {
    "Text": [],
    "Document": [
        {"meta_fields_to_embed": ["title"]},
        {"embedding_separator": " "},
        {"batch_size": 7},
        {"progress_bar": False},
    ],
}


def pair(
    name: str,
    make: Callable[..., Callable[..., Any]],
    path: str,
    expected: str | dict[str, str],
    changes: list[dict[str, Any]],
    keeps: list[dict[str, Any]] | None = None,
    *,
    symmetric: bool = True,
    affixes: bool = True,
    without: str = "",
    batch: int | str | tuple[int, int] = 256,
    **defaults: Any,
) -> dict[str, Known]:
    """Return a text and a document component of one model; the settings of their texts are never part of it."""
    return {
        f"{name}-{kind}": Known(
            make(f"{path}{kind}Embedder", **defaults),
            expected if isinstance(expected, str) else expected[kind],
            symmetric,
            changes,
            [
                *(keeps or []),
                *(_AFFIXES if affixes else []),
                *[each for each in _TEXTS[kind] if not set(each) & set(without.split())],
            ],
            batch if kind == "Document" else 8,
        )
        for kind in ("Text", "Document")
    }


OPENAI_CHANGES: list[dict[str, Any]] = [
    {"model": "other"},
    {"dimensions": 256},
    {"api_base_url": "https://proxy.example/v1"},
    {"_client": at("https://proxy.example/v1"), "_async_client": at("https://proxy.example/v1")},
    {"http_client_kwargs": {"params": {"deployment": "b"}}},
]
OPENAI_KEEPS: list[dict[str, Any]] = [
    {"api_key": token("another")},
    {"api_key": variable("ANOTHER")},
    {"api_base_url": "https://api.openai.com/v1/"},
    {"organization": "o"},
    {"timeout": 1.5},
    {"max_retries": 9},
    {"http_client_kwargs": {"headers": {"Authorization": SECRET}}},
    {"_client": at("https://api.openai.com/v1/")},
]
COMPATIBLE: list[dict[str, Any]] = [{"model": "other"}, {"api_base_url": "https://proxy.example/v1"}]
AZURE = {"azure_endpoint": "https://x.openai.azure.com/", "api_key": TOKEN}
TEI = {"api_type": "text_embeddings_inference", "api_params": {"url": "http://localhost:8080"}, "token": TOKEN}
ST = {
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    **dict.fromkeys(["revision", "truncate_dim", "model_kwargs", "tokenizer_kwargs", "config_kwargs"]),
    **dict.fromkeys(["encode_kwargs", "quantization_ranges", "embedding_backend", "token", "device"]),
    **dict.fromkeys(["normalize_embeddings", "trust_remote_code", "local_files_only"], False),
    "prefix": "",
    "suffix": "",
    "precision": "float32",
    "backend": "torch",
    "batch_size": 32,
}


def loaded(length: int = 256, name: str = "sentence-transformers/all-MiniLM-L6-v2") -> Any:
    """Return what looks like the model that a component of sentence-transformers has loaded."""
    config = SimpleNamespace(_name_or_path=name, max_position_embeddings=512)
    tokenizer = SimpleNamespace(init_kwargs={"model_max_length": 256})
    net = SimpleNamespace(auto_model=SimpleNamespace(config=config))
    return SimpleNamespace(
        model=SimpleNamespace(max_seq_length=length, tokenizer=tokenizer, _modules={"0": net}), embed=None
    )


ST_CHANGES: list[dict[str, Any]] = [
    {"model": "BAAI/bge-small-en-v1.5"},
    {"revision": "abc"},
    {"backend": "onnx"},
    {"truncate_dim": 64},
    {"normalize_embeddings": True},
    {"precision": "binary"},
    {"trust_remote_code": True},
    {"model_kwargs": {"torch_dtype": "torch.float16"}},
    {"tokenizer_kwargs": {"model_max_length": 64}},
    {"config_kwargs": {"x": 1}},
    {"encode_kwargs": {"prompt": "query: "}},
    {"precision": "int8", "quantization_ranges": [[0.0, 1.0], [1.0, 2.0]]},
    {"precision": "int8", "quantization_ranges": [[0.0, 1.0], [1.0, 3.0]]},
    {"embedding_backend": loaded(64)},
]
ST_KEEPS: list[dict[str, Any]] = [
    {"model": "all-MiniLM-L6-v2"},
    {"revision": "main"},
    {"device": SimpleNamespace()},
    {"token": TOKEN},
    {"local_files_only": True},
    {"encode_kwargs": {"show_progress_bar": False}},
    {"embedding_backend": loaded()},
]
PARAMS = {
    "model": "m",
    "token": TOKEN,
    "normalize_embeddings": True,
    "onnx_execution_provider": "CPUExecutionProvider",
    **dict.fromkeys(["pooling_mode", "model_kwargs", "optimizer_settings", "quantizer_settings", "working_dir"]),
}


@dataclass(frozen=True)
class Quantizer:
    mode: str
    per_channel: bool = False


def voyage_clients(url: str) -> dict[str, Any]:
    return {name: SimpleNamespace(_params={"base_url": url}) for name in ("__client", "__async_client")}


NVIDIA_URL = "https://integrate.api.nvidia.com/v1"
BACKEND = SimpleNamespace(model="m", api_url="https://ai.api.nvidia.com/v1/m", model_kwargs={"truncate": "END"})
GOOGLE_TASK = '?task="TASK_TYPE_UNSPECIFIED"'
FASTEMBED = "fastembed/BAAI/bge-small-en-v1.5"
