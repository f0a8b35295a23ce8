"""What is known of a loaded SentenceTransformer; see `embedonce.identification`."""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from embedonce.identification import (
    At,
    Describer,
    KnownClass,
    UnclearSettingError,
    frozen,
    group,
    providers,
)
from sentence_transformers_embedonce.saved import Saved, differences, structure, tokenizer_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce import Identity

_FIELDS = """
_accelerate_placement_hook _backward_hooks _backward_pre_hooks _buffers _compiled_call_impl _device_map
_forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks_with_kwargs _is_full_backward_hook
_load_state_dict_post_hooks _load_state_dict_pre_hooks _model_card_text _model_card_vars _model_config _modules_placed
_non_persistent_buffers_set _parameters _similarity _similarity_fn_name _similarity_pairwise _state_dict_hooks
_state_dict_pre_hooks default_prompt_name is_hpu_graph_enabled prompts similarity_fn_name training
"""
"""What the class and torch keep in each model that does not decide vectors, or is looked at in each call."""


def caches() -> list[Path]:
    """Return the folders to which sentence-transformers downloads models, as far as they are known."""
    constants = getattr(sys.modules.get("huggingface_hub"), "constants", None)
    found = [os.environ.get("SENTENCE_TRANSFORMERS_HOME"), getattr(constants, "HF_HUB_CACHE", None)]
    return [Path(each) for each in found if each]


class _Source(NamedTuple):
    """What a model shows of where it was loaded from."""

    modules: Any = At("_modules")
    module_kwargs: Any = At("module_kwargs")
    card: Any = At("model_card_data")

    def origin(self) -> str:
        """Return the name or folder that the model was loaded from.

        Raises:
            UnclearSettingError: It was not loaded, or does not show from where.
        """
        if self.module_kwargs is None:
            msg = "it was built from modules, whose weights have no name"
            raise UnclearSettingError(msg)
        first = next(iter(self.modules.values()))
        named = getattr(getattr(getattr(first, "auto_model", None), "config", None), "_name_or_path", None)
        if not named:
            named = getattr(self.card, "base_model", None)
        if not isinstance(named, str) or not named:
            msg = "it does not show what it was loaded from"
            raise UnclearSettingError(msg)
        folder = Path(named)
        # Some versions load the network from a folder of its own.
        is_part = not (folder / "modules.json").exists() and (folder.parent / "modules.json").exists()
        return str(folder.parent) if is_part else named

    def saved(self) -> Saved:
        """Return what the files of the model say, as far as it is known where they are."""
        try:
            origin = self.origin()
        except UnclearSettingError:
            return Saved.at(None)
        if Path(origin).is_dir():
            return Saved.at(Path(origin))
        revision = getattr(self.card, "base_model_revision", None)
        for folder in providers.hub_folders(origin, caches()):
            for commit in (revision, providers.commit_of(folder, str(revision or "main"))):
                snapshot = folder / "snapshots" / str(commit)
                if commit and snapshot.is_dir():
                    return Saved.at(snapshot)
        return Saved.at(None)


def saved_of(model: Any) -> Saved:
    """Return what the files of a model say, as far as it is known where they are."""
    names = ("_modules", "module_kwargs", "model_card_data")
    return _Source(*[getattr(model, name, None) for name in names]).saved()


def _describe(
    _forward_hooks: Any,
    _forward_pre_hooks: Any,
    tokenizer: Any = At("tokenizer.name_or_path"),
    source: _Source = group(_Source),
    loaded: providers.Loaded = group(providers.Loaded),
) -> Identity:
    if _forward_hooks or _forward_pre_hooks:
        msg = "it has forward hooks, which may change its vectors"
        raise UnclearSettingError(msg)
    origin, saved = source.origin(), source.saved()
    if loaded.name and isinstance(tokenizer, str) and tokenizer not in (loaded.name, origin):
        msg = "its tokenizer is not the one that it was loaded with"
        raise UnclearSettingError(msg)
    load = providers.load_settings_of(origin, loaded, caches())
    # Where vectors are cut is read in each call, which may have another setting.
    load.pop("truncate_dim", None)
    if saved.dtype not in (None, "float32"):
        load["model_kwargs"] = {"dtype": str(loaded.dtype).removeprefix("torch.")}
    identity = providers.sentence_transformers(origin, load=load)
    return identity.with_parameters(differences(source.modules, saved))


# What arguments of `encode` become; see `encoding_with`.
_ADDED = ("default_prompt", "normalize", "precision", "prompt", "query", "task", "truncate_dim")


class _SentenceTransformerDescriber(Describer):
    """Looks at modules and weights, too, which are not settings of a class."""

    def __init__(self, rows: Mapping[tuple[str, str], KnownClass]) -> None:
        super().__init__(rows, bases=("sentence_transformers", "torch"), added=_ADDED)
        self._parameters: weakref.WeakKeyDictionary[Any, tuple[Any, tuple[Any, ...]]] = weakref.WeakKeyDictionary()
        self._first: weakref.WeakKeyDictionary[Any, tuple[Any, int]] = weakref.WeakKeyDictionary()

    @override
    def fingerprint(self, embedder: object) -> object:
        model: Any = embedder
        modules = model._modules
        settings = (frozen(structure(modules)), tokenizer_state(modules))
        return (super().fingerprint(embedder), settings, self.weights(model))

    def weights(self, model: Any) -> int:
        """Return a number that grows when weights are changed in place, as by training."""
        modules = tuple(map(id, model._modules.values()))
        known = self._parameters.get(model)
        if known is None or known[0] != modules:
            # Those that were made for inference alone are not counted, and cannot be trained.
            known = (modules, tuple(each for each in model.parameters() if not each.is_inference()))
            self._parameters[model] = known
        now = sum(int(each._version) for each in known[1])
        self._first.setdefault(model, (modules, now))
        return now

    def was_trained(self, model: Any) -> bool:
        """True if weights were changed since this process has first looked at them, and the modules were not."""
        now = self.weights(model)
        modules, before = self._first[model]
        return now != before and modules == self._parameters[model][0]


_ROW = KnownClass(_describe, ignores=_FIELDS)
describer = _SentenceTransformerDescriber({("sentence_transformers", "SentenceTransformer"): _ROW})
