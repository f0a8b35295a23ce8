"""Stand-ins for the packages that load models, which are too large for tests: like them where it matters."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

MAIN = "a" * 40
"""The commit of every model's main branch."""
DIMENSIONS = 8
OWN_LENGTHS = {"sentence-transformers/all-MiniLM-L6-v2": 256}
SAVED_PROMPTS = {"acme/prompted": {"query": "saved query: ", "default": "saved: "}}
QUANTISED = "acme/quantised"


class dtype:
    """A constant of torch."""

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return f"torch.{self.name}"


dtype.__module__ = "torch"
FLOAT32, FLOAT16 = dtype("float32"), dtype("float16")


def _vector(*seed):
    digest = hashlib.sha256(repr(seed).encode()).digest()
    return np.random.default_rng(list(digest)).standard_normal(DIMENSIONS).astype(np.float32)


class SentenceTransformer:
    """Keeps and shows what the class of sentence-transformers does."""

    def __init__(
        self, model_name_or_path, *, device=None, prompts=None, default_prompt_name=None, cache_folder=None,
        trust_remote_code=False, revision=None, truncate_dim=None, model_kwargs=None, tokenizer_kwargs=None,
        backend="torch", token=None, local_files_only=False,
    ):  # fmt: skip
        name, commit, file = str(model_name_or_path), None, None
        if not Path(name).exists():
            name = name if "/" in name else f"sentence-transformers/{name}"
            commit = _commit(revision)
            file = _download(Path(cache_folder), name, revision, commit) if cache_folder else None
        saved = SAVED_PROMPTS.get(name, {})
        self.prompts = {**saved, **(prompts or {})}
        self.default_prompt_name = default_prompt_name or ("default" if saved else None)
        self.trust_remote_code = trust_remote_code
        self.truncate_dim = truncate_dim
        self.backend = backend
        self.dtype = (model_kwargs or {}).get("dtype", FLOAT32)
        tagged = commit if revision in (None, "main") else revision
        self.model_card_data = SimpleNamespace(base_model_revision=None if local_files_only else tagged)
        own = {"model_max_length": OWN_LENGTHS.get(name, 512), **(tokenizer_kwargs or {})}
        self.tokenizer = SimpleNamespace(init_kwargs=own, vocab_file=file, **own)
        config = SimpleNamespace(_commit_hash=commit, _name_or_path=name, max_position_embeddings=514)
        config.quantization_config = {"bits": 4} if name == QUANTISED else None
        net = SimpleNamespace(config=config, _hf_peft_config_loaded=False)
        self._modules = {"0": SimpleNamespace(auto_model=net), "1": SimpleNamespace(include_prompt=True)}
        self._weights = (name, commit, _content(name))

    @property
    def max_seq_length(self):
        return self.tokenizer.model_max_length

    @max_seq_length.setter
    def max_seq_length(self, value):
        self.tokenizer.model_max_length = value

    def encode(
        self, sentences, *, batch_size=32, prompt_name=None, prompt=None, normalize_embeddings=False,
        show_progress_bar=None,
    ):  # fmt: skip
        if prompt is None:
            chosen = prompt_name or self.default_prompt_name
            prompt = self.prompts[chosen] if chosen else ""
        rows = []
        for text in sentences:
            tokens = (prompt + text).split()[: self.max_seq_length]
            left_out = "" if self._modules["1"].include_prompt else prompt
            row = _vector(*self._weights, str(self.dtype), self.trust_remote_code, left_out, tokens)
            row = row[: self.truncate_dim]
            rows.append(row / np.linalg.norm(row) if normalize_embeddings else row)
        return np.array(rows)


def _download(folder, name, revision, commit):
    top = folder / f"models--{name.replace('/', '--')}"
    snapshot = top / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    if revision != commit:
        (top / "refs").mkdir(exist_ok=True)
        (top / "refs" / (revision or "main")).write_text(commit)
    return str(snapshot / "vocab.txt")


def _commit(revision):
    if revision in (None, "main"):
        return MAIN
    return revision if len(revision) == 40 else hashlib.sha1(revision.encode()).hexdigest()


def _content(name):
    return [file.read_text() for file in sorted(Path(name).rglob("*")) if file.is_file()] if Path(name).exists() else []


class INSTRUCTOR:
    """Keeps what the class of InstructorEmbedding does."""

    def __init__(self, model_name, *, cache_folder=None, device=None):
        self.name, self.max_seq_length = model_name, 512

    def encode(self, pairs):
        return np.array([_vector(self.name, self.max_seq_length, *pair) for pair in pairs])


class TextEmbedding:
    """Keeps what the class of fastembed does."""

    def __init__(self, model_name, *, cache_dir=None, threads=None, providers=None, specific_model_path=None):
        self.model_name = model_name
        kind = CustomTextEmbedding if model_name.startswith("custom/") else SimpleNamespace
        self.model = kind(_specific_model_path=specific_model_path)

    def embed(self, texts):
        return (_vector(self.model_name, text) for text in texts)

    def passage_embed(self, texts):
        return (_vector(self.model_name, "passage", text) for text in texts)

    def query_embed(self, query):
        return iter([_vector(self.model_name, query)])


class CustomTextEmbedding(SimpleNamespace):
    """A model that a program has added to those of fastembed."""


class Adapter:
    """A layer behind a model; its weights are nowhere to be seen."""

    @classmethod
    def load(cls, path):
        return cls()

    def to(self, device):
        return self


def packages():
    """Return the modules that stand for the packages, by name."""
    unavailable = SimpleNamespace(is_available=lambda: False)
    functional = _module("torch.nn.functional")
    nn = _module("torch.nn", Module=object, functional=functional)
    torch = _module(
        "torch", cuda=unavailable, backends=SimpleNamespace(mps=unavailable), device=str, dtype=dtype, float32=FLOAT32,
        float16=FLOAT16, nn=nn, Tensor=object,
    )  # fmt: skip
    embed = _module("nomic.embed", text=lambda texts, **settings: {"embeddings": [[1.0] * 4 for _ in texts]})
    modules = [
        _module("sentence_transformers", SentenceTransformer=SentenceTransformer),
        _module("InstructorEmbedding", INSTRUCTOR=INSTRUCTOR),
        _module("fastembed", TextEmbedding=TextEmbedding),
        _module("nomic", embed=embed, login=lambda key: None),
        *(embed, torch, nn, functional),
    ]
    return {module.__name__: module for module in modules}


def _module(name, **content):
    module = ModuleType(name)
    vars(module).update(content)
    return module
