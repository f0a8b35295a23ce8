"""A SentenceTransformer that is loaded: what it shows of what it was loaded with, whoever holds it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedonce.identification.known_classes import Values, unless
from embedonce.identification.providers.local import names_loaded, own_limit_or
from embedonce.identification.settings import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Iterable

NET = "_modules.0.auto_model"
"""Where the network of transformers is, for paths of a `Row`."""
_CARD = "model_card_data.base_model_revision"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OWNER = "sentence-transformers/"

READS = f"""
truncate_dim backend dtype trust_remote_code max_seq_length tokenizer.init_kwargs.model_max_length tokenizer.vocab_file
{_CARD} {NET}.config._commit_hash {NET}.config._name_or_path {NET}.config.max_position_embeddings
{NET}.config.quantization_config {NET}._hf_peft_config_loaded
"""
"""The paths that `load_settings_of` reads."""


def reads_at(path: str) -> str:
    """Return `READS` for a class that holds the model at some path."""
    return " ".join(f"{path}.{each}" for each in READS.split())


def values_at(path: str, values: Values) -> Values:
    """Return what was read by `reads_at` under the names of `READS`."""
    return {each: values[f"{path}.{each}"] for each in READS.split()}


def load_settings_of(model: Any, values: Values, caches: Iterable[Path]) -> dict[str, Any]:
    """Return what a model was loaded with, as arguments of SentenceTransformer, without those at their default.

    Args:
        model: The name or folder that it was loaded from, as its owner remembers it.
        values: What `READS` reads.
        caches: Folders in which the hub's files may be; they remember which commit the main branch was.

    Raises:
        UnclearSettingError: Something that decides the vectors cannot be seen.
    """
    _refuse_what_cannot_be_seen(model, values)
    dtype = unless("float32", str(values["dtype"] or "float32").removeprefix("torch."))
    load = {
        "truncate_dim": values["truncate_dim"],
        "trust_remote_code": values["trust_remote_code"],
        "max_length": own_limit_or(
            values["max_seq_length"],
            values["tokenizer.init_kwargs.model_max_length"],
            values[f"{NET}.config.max_position_embeddings"],
        ),
        "revision": _revision(model, values, caches),
        "model_kwargs": None if dtype is None else {"dtype": dtype},
    }
    return {name: value for name, value in load.items() if value is not None}


def _refuse_what_cannot_be_seen(model: str, values: Values) -> None:
    msg = ""
    if values["backend"] not in (None, "torch"):
        msg = f"which file of its {values['backend']} model is in use is no longer visible"
    elif values[f"{NET}.config.quantization_config"] is not None:
        msg = "its model is quantised, and how is not visible in its settings"
    elif values[f"{NET}._hf_peft_config_loaded"] is True:
        msg = "its model has an adapter, whose weights are not visible in its settings"
    elif not names_loaded(model, values[f"{NET}.config._name_or_path"]):
        msg = "its field 'model_name' was changed and does not name the model that is loaded"
    if msg:
        raise UnclearSettingError(msg)


def _revision(model: str, values: Values, caches: Iterable[Path]) -> str | None:
    """Return the version that was loaded from the hub, None if it is that of its main branch."""
    if Path(model).exists():
        return None
    named, commit = values[_CARD], values[f"{NET}.config._commit_hash"]
    if isinstance(named, str) and not _COMMIT.fullmatch(named):
        return named
    found = commit or named
    if not isinstance(found, str):
        msg = "which revision of its model is loaded is not visible"
        raise UnclearSettingError(msg)
    folders = hub_folders(model, caches)
    file = values["tokenizer.vocab_file"]
    if isinstance(file, str) and "snapshots" in Path(file).parts:
        # One of the files that were loaded tells where the others are.
        folders = [Path(file).parents[2]]
    return None if found in {commit_of(folder, "main") for folder in folders} else found


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
