"""A SentenceTransformer that may not be loaded yet: the identity that it has then, from its settings and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.identification.providers.loaded_models.comparing.changes import config_in
from embedonce.identification.providers.loaded_models.comparing.saved import Saved, modules_of, read_json
from embedonce.identification.providers.loaded_models.comparing.tokenizer import SETTINGS, place_of, settings_in
from embedonce.identification.providers.loaded_models.model import Loaded, held_arguments
from embedonce.identification.providers.loaded_models.shown import Limits, Owner, Shown, load_settings_of
from embedonce.identification.providers.loaded_models.state import is_module
from embedonce.identification.providers.local import (
    LOAD_DEFAULTS,
    encoding_with,
    names_loaded,
    sentence_transformers,
    settings,
)
from embedonce.identification.settings.plain import UnclearSettingError, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embedonce.identification.fields.frozen import Snapshot
    from embedonce.identity import Identity

_TYPES = ("dtype", "torch_dtype")
# How the same is computed.
_WAYS = ("attn_implementation",)
_LIMIT = "model_max_length"


def expected_sentence_transformer(
    model: str,
    load: Mapping[str, Any],
    *,
    field: str,
    loaded: Snapshot | None = None,
    limits: Limits | None = None,
    documents: Mapping[str, Any] | None = None,
    queries: Mapping[str, Any] | None = None,
) -> Identity:
    """Identify a SentenceTransformer by the arguments that it is loaded with: the same before that and afterwards.

    Args:
        model: Its name on the hub or its folder.
        load: Arguments of SentenceTransformer.
        field: Where the owner of the model says its name.
        loaded: The model, once it is loaded.
        limits: Where a loaded model cuts texts.
        documents: Arguments of `encode` for documents.
        queries: The same for queries; not filled up with those for documents.

    Raises:
        UnclearSettingError: Something that decides the vectors cannot be seen.
    """
    given = _Given(load)
    if loaded is not None and is_module(loaded.value) and load.get("backend") in (None, "torch"):
        found = Loaded.of(loaded.value, Owner(model, field, given.revision))
        identity = found.identity()
    else:
        found = given.expected(model, limits or Limits(None, None, None))
        identity = given.identity(found)
        if loaded is not None and not names_loaded(model, Loaded.of(loaded.value).shown.name):
            msg = f"its field {field!r} was changed and does not name the model that is loaded"
            raise UnclearSettingError(msg)
    identity = identity.with_parameters(given.others())
    held = held_arguments(found.model, "encode") or {}
    return encoding_with(identity, *(found.encoding({**held, **(given or {})}) for given in (documents, queries)))


@dataclass(frozen=True)
class _Given:
    """The arguments of SentenceTransformer."""

    load: Mapping[str, Any]

    @property
    def revision(self) -> str | None:
        revision = self.load.get("revision")
        return None if revision in (None, "main") else str(revision)

    @property
    def _tokenizer(self) -> dict[str, Any]:
        return dict(self.load.get("processor_kwargs") or self.load.get("tokenizer_kwargs") or {})

    @property
    def _network(self) -> dict[str, Any]:
        return dict(self.load.get("model_kwargs") or {})

    def expected(self, model: str, limits: Limits) -> Loaded:
        """Return what the model will show."""
        saved = Saved.of(model, self.revision)
        dtype = next((value for name, value in self._network.items() if name in _TYPES and value != "auto"), None)
        truncate_dim = self.load.get("truncate_dim")
        shown = Shown(
            backend=None,
            dtype=str(dtype or saved.dtype or "float32"),
            trust_remote_code=self.load.get("trust_remote_code") or None,
            truncate_dim=saved.settings.get("truncate_dim") if truncate_dim is None else truncate_dim,
            prompts={**(saved.settings.get("prompts") or {}), **(self.load.get("prompts") or {})},
            default_prompt_name=self.load.get("default_prompt_name") or saved.settings.get("default_prompt_name"),
            limits=Limits(self._limit(limits), None, None),
            **dict.fromkeys(_NOT_YET),
            revision=self.revision,
        )
        return Loaded(None, model, shown, saved, Owner(model, revision=None))

    def _limit(self, limits: Limits) -> Any:
        """Return the tokens beyond which texts are cut, None if the model's own limit holds."""
        given, (length, own, positions) = self._tokenizer.get(_LIMIT), limits
        if type(length) is not int or length == given:
            return given
        usual = {own, min(own, positions) if type(own) is type(positions) is int else own}
        return given if not given and length in usual else length

    def identity(self, found: Loaded) -> Identity:
        """Return what the identity of the model will be."""
        folder = found.saved.folder
        identity = sentence_transformers(
            found.origin, load=load_settings_of(found.origin, found.shown, found.saved, found.owner)
        )
        tokenizer = {name: value for name, value in self._tokenizer.items() if name in SETTINGS}
        changed = {
            "net_config": config_in(self.load.get("config_kwargs") or {}, _config(folder)),
            "tokenizer": settings_in(tokenizer, place_of(folder)),
        }
        return identity.with_parameters(plain({name: value for name, value in changed.items() if value}))

    def others(self) -> dict[str, Any]:
        """Return the arguments that the loaded model does not show."""
        more = {
            "backend": self.load.get("backend"),
            "model_kwargs": {name: each for name, each in self._network.items() if name not in (*_TYPES, *_WAYS)},
            "tokenizer_kwargs": {
                name: each for name, each in self._tokenizer.items() if name not in (*SETTINGS, _LIMIT)
            },
        }
        found = settings({name: value for name, value in more.items() if value}, LOAD_DEFAULTS)
        return {f"{name} given": value for name, value in found.items() if value}


_NOT_YET = ("vocab_file", "tokenizer", "base_model", "commit", "name", "quantization", "has_adapter", "include_prompt")


def _config(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {}
    modules = modules_of(folder)
    return read_json(folder / str(modules[0].get("path", "") if modules else "") / "config.json")
