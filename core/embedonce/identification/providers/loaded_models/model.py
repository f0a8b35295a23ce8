"""The identity of a loaded SentenceTransformer: the one that every framework gives it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedonce.identification.providers.loaded_models.comparing.changes import differences
from embedonce.identification.providers.loaded_models.comparing.saved import Saved
from embedonce.identification.providers.loaded_models.comparing.weights import unproven_weights
from embedonce.identification.providers.loaded_models.shown import Owner, Shown, load_settings_of
from embedonce.identification.providers.loaded_models.state import all_modules, is_module, shown_by, weights_state
from embedonce.identification.providers.local import encoding_with, names_loaded, sentence_transformers
from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.identification.fields.frozen import Snapshot
    from embedonce.identity import Identity

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
# Packages that hook into their own modules to record what passes through, or to move it between devices.
_RECORDING = frozenset({"accelerate", "transformers"})


def loaded_sentence_transformer(
    model: Snapshot,
    owner: Owner,
    *,
    documents: Mapping[str, Any] | None = None,
    queries: Mapping[str, Any] | None = None,
) -> Identity:
    """Identify a loaded SentenceTransformer with all that it shows, whoever holds it.

    Args:
        model: The model; see `snapshot_of`.
        owner: What its owner knows of it.
        documents: Arguments of `encode` for documents.
        queries: The same for queries; not filled up with those for documents.

    Raises:
        UnclearSettingError: Something that decides the vectors cannot be seen.
    """
    found = Loaded.of(model.value, owner)
    held = held_arguments(model.value, "encode") or {}
    of_role = (found.encoding({**held, **(given or {})}) for given in (documents, queries))
    return encoding_with(found.identity(), *of_role)


def changes_of_loaded(model: Snapshot | None, owner: Owner) -> dict[str, Any]:
    """Return in what a loaded model of a class that inherits from SentenceTransformer differs from its files.

    Its modules are not among it, which are of classes that only its package can load.

    Args:
        model: The model, None if it is not loaded.
        owner: What its owner knows of it.

    Raises:
        UnclearSettingError: Something that decides the vectors cannot be seen.
    """
    if model is None or not is_module(model.value):
        return {}
    found = Loaded.of(model.value, owner)
    _refuse_what_has_no_name(found.model, found.origin)
    changed = differences(found.model._modules, found.saved)
    changed.pop("modules", None)
    dtype = str(found.shown.dtype or "float32").removeprefix("torch.")
    # Without files nothing can be compared, and weights that were never written to are those that were loaded.
    if found.saved.folder is not None or weights_state(found.model).version:
        changed["weights"] = _unproven(found.model, found.saved.folder)
    return {**changed, "dtype": None if dtype == (found.saved.dtype or "float32") else dtype}


@dataclass(frozen=True)
class Loaded:
    """A loaded model, and what its files say.

    Attributes:
        model: The model; None before it is loaded.
        origin: The name or folder that it was loaded from; empty if it does not show it.
        shown: What it shows.
        saved: What its files say.
        owner: What its owner knows of it.
    """

    model: Any
    origin: str
    shown: Shown
    saved: Saved
    owner: Owner

    @classmethod
    def of(cls, model: Any, owner: Owner | None = None) -> Loaded:
        """Look at a model.

        Raises:
            UnclearSettingError: It is not the one that its owner names.
        """
        owner = owner or Owner()
        shown = shown_by(model)
        origin = _origin(model, shown)
        if owner.model is not None:
            if not names_loaded(owner.model, shown.name or origin):
                msg = f"its field {owner.field!r} was changed and does not name the model that is loaded"
                raise UnclearSettingError(msg)
            origin = str(owner.model)
        saved = Saved.of(origin, shown.revision or owner.revision, owner.caches) if origin else Saved.at(None)
        return cls(model, origin, shown, saved if is_module(model) else Saved.at(None), owner)

    def now(self) -> Loaded:
        """Return what arguments of `encode` come to at present, which each call asks for."""
        model = self.model
        prompts = {"prompts": model.prompts, "default_prompt_name": model.default_prompt_name}
        return replace(self, shown=self.shown._replace(truncate_dim=model.truncate_dim, **prompts))

    def identity(self) -> Identity:
        """Return what decides the vectors besides the arguments of a call.

        Raises:
            UnclearSettingError: Something that decides them cannot be seen.
        """
        _refuse_what_has_no_name(self.model, self.origin)
        tokenizer, name = self.shown.tokenizer, self.shown.name
        if name and isinstance(tokenizer, str) and tokenizer not in (name, self.origin):
            msg = "its tokenizer is not the one that it was loaded with"
            raise UnclearSettingError(msg)
        load = load_settings_of(self.origin, self.shown, self.saved, self.owner)
        identity = sentence_transformers(self.origin, load=load)
        if not is_module(self.model):
            return identity
        changed = differences(self.model._modules, self.saved)
        return identity.with_parameters({**changed, "weights": _unproven(self.model, self.saved.folder)})

    def encoding(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what arguments of `encode` come to, without what the model does anyway.

        Raises:
            UnclearSettingError: There is no prompt of a name.
        """
        named = ("normalize_embeddings", "prompt", "prompt_name", "truncate_dim")
        settings = {name: value for name, value in arguments.items() if name not in named and value is not None}
        prompt = self._prompt(arguments)
        if prompt != self._usual_prompt():
            # The model puts one before each text by default, or it is unknown whether it does.
            settings.update({"prompt": prompt} if prompt else {"default_prompt": False})
            if prompt and self.saved.folder is None and self.shown.include_prompt is False:
                settings["include_prompt"] = False
        if arguments.get("prompt_name") is not None and self.model is None and self.saved.folder is None:
            settings["prompt_name"] = arguments["prompt_name"]
        given = arguments.get("truncate_dim")
        dimensions = self.shown.truncate_dim if given is None else given
        if dimensions != self.saved.settings.get("truncate_dim"):
            settings["truncate_dim"] = "none" if dimensions is None else dimensions
        if arguments.get("normalize_embeddings") and not (dimensions is None and self._normalizes()):
            settings["normalize_embeddings"] = True
        return settings

    def _prompt(self, arguments: Mapping[str, Any]) -> str:
        """Return what is put before each text."""
        if arguments.get("prompt") is not None:
            return str(arguments["prompt"])
        name, prompts = arguments.get("prompt_name"), self.shown.prompts or {}
        if name is not None and self.model is None and self.saved.folder is None:
            # What it says is known once the model is loaded.
            return ""
        if name is not None and name not in prompts:
            msg = f"its model has no prompt of the name {name!r}"
            raise UnclearSettingError(msg)
        return self.shown.prompt(name)

    def _usual_prompt(self) -> str | None:
        # What shows no modules does not show either what its files would say.
        return self.saved.default_prompt if is_module(self.model) else self.shown.prompt(None)

    def _normalizes(self) -> bool:
        if self.model is None:
            return self.saved.normalizes
        modules = list((getattr(self.model, "_modules", None) or {}).values())
        return bool(modules) and type(modules[-1]).__name__ == "Normalize"


def held_arguments(model: Any, method: str) -> dict[str, Any] | None:
    """Return the arguments that were bound to a method on the object of a model, such as by `functools.partial`.

    Returns:
        None if something else was put in the place of the method, which may do anything.
    """
    put = getattr(model, "__dict__", {}).get(method)
    arguments: dict[str, Any] = {}
    while isinstance(put, partial) and not put.args:
        arguments = {**put.keywords, **arguments}
        put = put.func
    # A wrapper around the model has methods of the same names, and shares what is put on the model.
    holder = getattr(put, "__self__", None)
    is_own = getattr(put, "__name__", "") == method and (holder is model or getattr(holder, "inner", None) is model)
    return arguments if put is None or is_own else None


def _origin(model: Any, shown: Shown) -> str:
    """Return the name or folder that a model was loaded from, as it shows it; empty if it does not."""
    if is_module(model) and getattr(model, "module_kwargs", model) is None:
        return ""
    named = shown.name or shown.base_model
    if not isinstance(named, str) or not named:
        return ""
    folder = Path(named)
    # Some versions load the network from a folder of its own.
    is_part = not (folder / "modules.json").exists() and (folder.parent / "modules.json").exists()
    return str(folder.parent) if is_part else named


def _refuse_what_has_no_name(model: Any, origin: str) -> None:
    msg = ""
    if is_module(model):
        if getattr(model, "module_kwargs", model) is None:
            msg = "it was built from modules, whose weights have no name"
        elif any(_is_foreign(hook) for each in all_modules(model) for name in _HOOKS for hook in _hooks(each, name)):
            msg = "it has forward hooks, which may change its vectors"
    if not msg and not origin:
        msg = "it does not show what it was loaded from"
    if msg:
        raise UnclearSettingError(msg)


def _hooks(module: Any, name: str) -> list[Any]:
    return list((getattr(module, name, None) or {}).values())


def _is_foreign(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).partition(".")[0] not in _RECORDING


_proven: weakref.WeakKeyDictionary[Any, tuple[object, Path | None, str]] = weakref.WeakKeyDictionary()


def _unproven(model: Any, folder: Path | None) -> str:
    """Return `unproven_weights`, computed anew when the weights have changed."""
    state = weights_state(model)
    known = _proven.get(model)
    if known is None or known[:2] != (state, folder):
        known = _proven[model] = (state, folder, unproven_weights(model, folder))
    return known[2]
