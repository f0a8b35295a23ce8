"""What a loaded SentenceTransformer shows of what it was loaded with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce.identification.known_classes import unless
from embedonce.identification.providers.loaded_models.comparing.saved import commit_of, hub_caches, hub_folders
from embedonce.identification.settings.paths import At, group
from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from embedonce.identification.providers.loaded_models.comparing.saved import Saved

_NET = "_modules.0.auto_model"
_COMMIT = re.compile(r"[0-9a-f]{40}")


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

    def changed(self, saved: int | None) -> int | None:
        """Return the limit in force, None if that is certainly the model's own.

        Where the files do not say it: the tokenizer knows the limit that it was loaded with, which a setting may have
        lowered; a limit that uses all positions of the network cannot have been lowered.

        Args:
            saved: The limit that the files say, None if they are not known.
        """
        own, positions = self.own, self.positions
        if type(self.length) is not int:
            return None
        length: int = self.length
        if saved is not None:
            return None if length == saved else length
        # Some networks have two positions more than they can use.
        is_own = length == own and type(positions) is int and own <= positions <= own + 2
        return None if is_own else length


class Shown(NamedTuple):
    """What a loaded SentenceTransformer shows of what it was loaded with."""

    backend: Any
    dtype: Any
    trust_remote_code: Any
    truncate_dim: Any
    prompts: Any
    default_prompt_name: Any
    limits: Limits = group(Limits)
    vocab_file: Any = At("tokenizer.vocab_file")
    tokenizer: Any = At("tokenizer.name_or_path")
    revision: Any = At("model_card_data.base_model_revision")
    base_model: Any = At("model_card_data.base_model")
    commit: Any = At(f"{_NET}.config._commit_hash")
    name: Any = At(f"{_NET}.config._name_or_path")
    quantization: Any = At(f"{_NET}.config.quantization_config")
    has_adapter: Any = At(f"{_NET}._hf_peft_config_loaded")
    include_prompt: Any = At("_modules.1.include_prompt")

    def prompt(self, name: Any) -> str:
        """Return the prompt of a name; that of the default one for None."""
        return (self.prompts or {}).get(self.default_prompt_name if name is None else name) or ""


class Owner(NamedTuple):
    """What the object that holds a model knows of it.

    Attributes:
        model: The name or folder that it was loaded from; None if only the model itself tells.
        field: Where the owner says it.
        revision: The version of the hub that was asked for, None for the main branch, empty if that is not known.
        caches: Folders in which the hub's files may be, besides those of the package.
    """

    model: Any = None
    field: str = "model_name"
    revision: str | None = ""
    caches: tuple[Path, ...] = ()


def load_settings_of(model: str, shown: Shown, saved: Saved, owner: Owner) -> dict[str, Any]:
    """Return what a model was loaded with, as arguments of SentenceTransformer, without those at their default.

    Where its vectors are cut is not among them, as each call may say that anew.

    Args:
        model: The name or folder that it was loaded from.
        shown: What the model shows.
        saved: What its files say.
        owner: What its owner knows of it.

    Raises:
        UnclearSettingError: Something that decides the vectors cannot be seen.
    """
    _refuse_what_cannot_be_seen(shown)
    dtype = str(shown.dtype or "float32").removeprefix("torch.")
    if saved.dtype in (None, "float32"):
        dtype = unless("float32", dtype)
    load = {
        "trust_remote_code": shown.trust_remote_code,
        "max_length": shown.limits.changed(saved.max_length),
        "revision": _revision(model, shown, owner),
        "model_kwargs": None if dtype is None else {"dtype": dtype},
    }
    return {name: value for name, value in load.items() if value is not None}


def _refuse_what_cannot_be_seen(shown: Shown) -> None:
    msg = ""
    if shown.backend not in (None, "torch"):
        msg = f"which file of its {shown.backend} model is in use is no longer visible"
    elif shown.quantization is not None:
        msg = "its model is quantised, and how is not visible in its settings"
    elif shown.has_adapter is True:
        msg = "its model has an adapter, whose weights are not visible in its settings"
    if msg:
        raise UnclearSettingError(msg)


def _revision(model: str, shown: Shown, owner: Owner) -> str | None:
    """Return the version that was loaded from the hub, None if it is that of its main branch."""
    if Path(model).exists():
        return None
    named = shown.revision
    if isinstance(named, str) and not _COMMIT.fullmatch(named):
        return named
    found = shown.commit or named
    if not isinstance(found, str):
        if owner.revision != "":
            return None if owner.revision == "main" else owner.revision
        msg = "which revision of its model is loaded is not visible"
        raise UnclearSettingError(msg)
    folders = hub_folders(model, (*owner.caches, *hub_caches()))
    file = shown.vocab_file
    if isinstance(file, str) and "snapshots" in Path(file).parts:
        # One of the files that were loaded tells where the others are.
        folders = [Path(file).parents[2]]
    return None if found in {commit_of(folder, "main") for folder in folders} else found
