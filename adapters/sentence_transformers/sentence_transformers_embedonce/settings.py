"""What decides the vectors of a call besides the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embedonce.identification import plain, providers
from sentence_transformers_embedonce.calls import Call
from sentence_transformers_embedonce.identities import describer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce import Identity, Role

METHODS = ("encode", "encode_document", "encode_query")
_PASSED_ON = ("normalize_embeddings", "precision", "prompt", "prompt_name", "truncate_dim")
# Modules that treat queries and documents alike.
_NO_TASKS = (
    *("CNN", "Dense", "Dropout", "LayerNorm", "LSTM", "Normalize", "Pooling", "StaticEmbedding", "Transformer"),
    "WeightedLayerPooling",
)
_LENGTHS_OF_TASKS = ("query_length", "document_length", "query_expansion")


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the vectors of a call besides the model: arguments of `encode` for documents and for queries."""

    documents: Mapping[str, Any] = field(default_factory=dict)
    queries: Mapping[str, Any] = field(default_factory=dict)

    def of(self, role: Role) -> Mapping[str, Any]:
        """Return what decides the vectors of a role."""
        return self.queries if role == "query" else self.documents

    @property
    def is_symmetric(self) -> bool:
        """True if documents and queries are embedded alike."""
        return self.documents == self.queries

    def refine(self, identity: Identity) -> Identity:
        """Return the identity of a call from that of the model.

        A class that inherits from SentenceTransformer may tell documents from queries in ways of its own.
        """
        refined = providers.encoding_with(identity, self.documents, self.queries)
        return replace(refined, symmetric=identity.symmetric and self.is_symmetric)


def settings_of(loaded: providers.Loaded, call: Call, held: Mapping[str, Any]) -> Settings:
    """Return what decides the vectors of a call at present, as parameters that adapters of all frameworks share.

    Args:
        loaded: The model.
        call: The call.
        held: Arguments of `encode` that were bound to it on the object of the model.

    Raises:
        UnclearSettingError: There is no prompt of the given name.
    """
    kind = type(loaded.model)
    if call.method == "encode":
        alike = _encode_settings(loaded, {**call.arguments})
        return Settings(alike, alike)
    found = [_resolved(kind, loaded.model, method, call.deciding()) for method in METHODS[1:]]
    if _is_overridden(kind, call.method) or None in found:
        # Whatever it does with texts and arguments: it does the same where all of them are the same.
        model = loaded.model
        stated = {"prompts": model.prompts, "default_prompt_name": model.default_prompt_name}
        literal = plain({"method": call.method, "truncate_dim": model.truncate_dim, **stated, **call.deciding()})
        return Settings(literal, literal)
    documents, queries = (_encode_settings(loaded, {**held, **(each or {})}) for each in found)
    return Settings(documents, queries)


def _encode_settings(loaded: providers.Loaded, arguments: Mapping[str, Any]) -> dict[str, Any]:
    settings = loaded.encoding({name: arguments.get(name) for name in _PASSED_ON})
    task = arguments.get("task")
    if task is not None and _depends_on_task(loaded.model):
        settings["task"] = task
    return settings


def _depends_on_task(model: Any) -> bool:
    for module in model._modules.values():
        kind = type(module)
        if kind.__name__ not in _NO_TASKS or not kind.__module__.startswith("sentence_transformers."):
            return True
        if any(getattr(module, name, None) is not None for name in _LENGTHS_OF_TASKS):
            return True
        if getattr(getattr(module, "tokenizer", None), "chat_template", None):
            return True
    return False


# How `encode_query` and `encode_document` use their arguments differs between versions, so they are asked.


class _Reached:
    """What `encode` was reached with; of a type of its own, so that no answer of a model is taken for it."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = arguments


def _is_overridden(kind: Any, method: str) -> bool:
    owner = next(each for each in kind.__mro__ if method in vars(each))
    return not owner.__module__.startswith("sentence_transformers.")


def _resolved(kind: Any, model: Any, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the arguments that a method of the package would pass on to `encode`; None if it does not reach that."""
    if _is_overridden(kind, method):
        return None
    asked: Any = object.__new__(_probe(kind))
    # Without what was put on the object in the place of a method.
    held = {name: value for name, value in model.__dict__.items() if name not in METHODS}
    object.__setattr__(asked, "__dict__", held)
    answer = getattr(asked, method)([], **arguments)
    return answer.arguments if isinstance(answer, _Reached) else None


@lru_cache(maxsize=64)
def _probe(kind: Any) -> Any:
    def encode(*_: Any, **arguments: Any) -> _Reached:
        return _Reached({name: value for name, value in arguments.items() if name not in ("inputs", "sentences")})

    return type(kind)(kind.__name__, (kind,), {"encode": encode})


def identity_of_plain_call(model: Any) -> Identity | None:
    """Return the identity of a model as `encode` without further arguments uses it."""
    description = describer.describe(model)
    if description.identity is None:
        return None
    call = Call.of(model, "encode", ("",), providers.held_arguments(model, "encode") or {})
    return settings_of(providers.Loaded.of(model), call, {}).refine(description.identity)
