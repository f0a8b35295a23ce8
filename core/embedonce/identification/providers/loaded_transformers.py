"""A loaded SentenceTransformer: what it shows of what it was loaded with, for every framework that holds one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification.known_classes import unless
from embedonce.identification.providers.local import names_loaded
from embedonce.identification.settings.paths import At, group
from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NET = "_modules.0.auto_model"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OWNER = "sentence-transformers/"


class Limits(NamedTuple):
    """Where a loaded SentenceTransformer cuts texts, which a user may set.

    Attributes:
        length: The limit in tokens that is in force.
        own: The one that the tokenizer was loaded with.
        positions: How many tokens the network has positions for.
    """

    length: Any = At("max_seq_length")
    own: Any = At("tokenizer.init_kwargs.model_max_length")
    positions: Any = At(f"{_NET}.config.max_position_embeddings")

    def changed(self) -> int | None:
        """Return the limit in force, None if that is certainly the model's own.

        The tokenizer knows the limit that it was loaded with, which a setting may have lowered; a limit that uses all
        positions of the network cannot have been lowered.
        """
        length, own, positions = self
        # Some networks have two positions more than they can use.
        is_own = length == own and type(own) is int and type(positions) is int and own <= positions <= own + 2
        return length if type(length) is int and not is_own else None


class Loaded(NamedTuple):
    """What a loaded SentenceTransformer shows of what it was loaded with."""

    truncate_dim: Any
    backend: Any
    dtype: Any
    trust_remote_code: Any
    limits: Limits = group(Limits)
    vocab_file: Any = At("tokenizer.vocab_file")
    revision: Any = At("model_card_data.base_model_revision")
    commit: Any = At(f"{_NET}.config._commit_hash")
    name: Any = At(f"{_NET}.config._name_or_path")
    quantization: Any = At(f"{_NET}.config.quantization_config")
    has_adapter: Any = At(f"{_NET}._hf_peft_config_loaded")


def load_settings_of(model: Any, loaded: Loaded, caches: Iterable[Path]) -> dict[str, Any]:
    """Return what a model was loaded with, as arguments of SentenceTransformer, without those at their default.

    Args:
        model: The name or folder that it was loaded from, as its owner remembers it.
        loaded: What the model shows.
        caches: Folders in which the hub's files may be; they remember which commit the main branch was.

    Raises:
        UnclearSettingError: Something that decides the vectors cannot be seen.
    """
    _refuse_what_cannot_be_seen(model, loaded)
    dtype = unless("float32", str(loaded.dtype or "float32").removeprefix("torch."))
    load = {
        "truncate_dim": loaded.truncate_dim,
        "trust_remote_code": loaded.trust_remote_code,
        "max_length": loaded.limits.changed(),
        "revision": _revision(model, loaded, caches),
        "model_kwargs": None if dtype is None else {"dtype": dtype},
    }
    return {name: value for name, value in load.items() if value is not None}


def _refuse_what_cannot_be_seen(model: str, loaded: Loaded) -> None:
    msg = ""
    if loaded.backend not in (None, "torch"):
        msg = f"which file of its {loaded.backend} model is in use is no longer visible"
    elif loaded.quantization is not None:
        msg = "its model is quantised, and how is not visible in its settings"
    elif loaded.has_adapter is True:
        msg = "its model has an adapter, whose weights are not visible in its settings"
    elif not names_loaded(model, loaded.name):
        msg = "its field 'model_name' was changed and does not name the model that is loaded"
    if msg:
        raise UnclearSettingError(msg)


def _revision(model: str, loaded: Loaded, caches: Iterable[Path]) -> str | None:
    """Return the version that was loaded from the hub, None if it is that of its main branch."""
    if Path(model).exists():
        return None
    named = loaded.revision
    if isinstance(named, str) and not _COMMIT.fullmatch(named):
        return named
    found = loaded.commit or named
    if not isinstance(found, str):
        msg = "which revision of its model is loaded is not visible"
        raise UnclearSettingError(msg)
    folders = hub_folders(model, caches)
    file = loaded.vocab_file
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
