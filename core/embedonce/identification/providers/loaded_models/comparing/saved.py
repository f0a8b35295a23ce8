"""What the files of a model of sentence-transformers say of it, without loading it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OWNER = "sentence-transformers/"


class Saved(NamedTuple):
    """What the files of a model say; `folder` is None if it is not known where they are.

    Attributes:
        folder: Where they are.
        settings: Of the model: its prompts, the name of the default one, and where its vectors are cut.
        dtype: Of its numbers, None if they do not say it.
        max_length: Tokens beyond which it cuts texts, None if they do not say it.
        normalizes: True if its last module normalises the vectors.
    """

    folder: Path | None
    settings: Mapping[str, Any]
    dtype: str | None
    max_length: int | None
    normalizes: bool

    @classmethod
    def at(cls, folder: Path | None) -> Saved:
        """Read the files of a folder, whose configuration may be that of a network alone."""
        if folder is None:
            return cls(None, {}, None, None, normalizes=False)
        modules = modules_of(folder)
        first = folder / str(modules[0].get("path", "")) if modules else folder
        net = read_json(first / "config.json")
        return cls(
            folder,
            read_json(folder / "config_sentence_transformers.json"),
            net.get("dtype") or net.get("torch_dtype"),
            _max_length(first, net),
            normalizes=bool(modules) and str(modules[-1].get("type")).endswith(".Normalize"),
        )

    @classmethod
    def of(cls, model: str, revision: str | None, caches: Iterable[Path] = ()) -> Saved:
        """Read the files of a model, which is named by its folder or by its name on the hub."""
        if os.path.isdir(model):
            return cls.at(Path(model))
        for folder in hub_folders(model, (*caches, *hub_caches())):
            for commit in (revision, commit_of(folder, str(revision or "main"))):
                snapshot = folder / "snapshots" / str(commit)
                if commit and snapshot.is_dir():
                    return cls.at(snapshot)
        return cls.at(None)

    @property
    def default_prompt(self) -> str | None:
        """What is put before each text by default, None if nothing is known."""
        if self.folder is None:
            return None
        return (self.settings.get("prompts") or {}).get(self.settings.get("default_prompt_name")) or ""


def read_json(file: Path) -> dict[str, Any]:
    """Return the content of a file, nothing if it is not there or not JSON."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def modules_of(folder: Path) -> list[dict[str, Any]]:
    """Return the modules that a folder lists, none if it holds a network alone."""
    try:
        return list(json.loads((folder / "modules.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []


def _max_length(first: Path, net: Mapping[str, Any]) -> int | None:
    """Return the limit that the package would give to a model with these files."""
    for file in ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json"):
        own = read_json(first / file).get("max_seq_length")
        if type(own) is int:
            return own
    own, positions = read_json(first / "tokenizer_config.json").get("model_max_length"), net.get(_POSITIONS)
    if type(own) is not int:
        return None
    return min(own, positions) if type(positions) is int else own


_POSITIONS = "max_position_embeddings"


# Where the hub's files are


def hub_caches() -> list[Path]:
    """Return the folders to which sentence-transformers downloads models, as far as they are known."""
    constants = getattr(sys.modules.get("huggingface_hub"), "constants", None)
    found = [os.environ.get("SENTENCE_TRANSFORMERS_HOME"), getattr(constants, "HF_HUB_CACHE", None)]
    return [Path(each) for each in found if each]


def hub_folders(model: str, caches: Iterable[Path]) -> list[Path]:
    """Return where files of a model from the hub may be, whose name need not have its owner."""
    names = [name.replace("/", "--") for name in (model, f"{_OWNER}{model}")]
    return [cache / f"models--{name}" for cache in caches for name in names]


def commit_of(folder: Path, revision: str) -> str | None:
    """Return the commit that a branch or tag had when files were last downloaded to a folder; None if unknown."""
    try:
        return (folder / "refs" / revision).read_text().strip()
    except OSError:
        return None
