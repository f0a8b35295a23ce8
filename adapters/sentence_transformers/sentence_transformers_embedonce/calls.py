"""One call of `encode`, `encode_query` or `encode_document`: what it asks for, and what of that decides the vectors."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from embedonce.identification import providers
from sentence_transformers_embedonce.identities import describer, saved_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedonce import Identity, Role
    from sentence_transformers_embedonce.saved import Saved

_DECIDING = ("normalize_embeddings", "precision")
_FORM = ("convert_to_numpy", "convert_to_tensor")
_OPERATIONAL = ("batch_size", "chunk_size", "device", "pool", "show_progress_bar")
_OTHERS = ("inputs", "sentences", "output_value", "prompt", "prompt_name", "task", "truncate_dim")
_LOOKED_AT = frozenset((*_DECIDING, *_FORM, *_OPERATIONAL, *_OTHERS))
# Modules that treat queries and documents alike.
_NO_TASKS = (
    *("CNN", "Dense", "Dropout", "LayerNorm", "LSTM", "Normalize", "Pooling", "StaticEmbedding", "Transformer"),
    "WeightedLayerPooling",
)
_LENGTHS_OF_TASKS = ("query_length", "document_length", "query_expansion")


@dataclass(frozen=True, slots=True)
class Call:
    """A call, as the model would understand it.

    Attributes:
        method: The name of the method.
        inputs: What it is to embed.
        given: Its arguments, by name, without those that were left out.
        arguments: All arguments, those with defaults included.
    """

    method: str
    inputs: Any
    given: Mapping[str, Any]
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, model: Any, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Read the arguments of a call.

        Raises:
            TypeError: They are not those of the method.
        """
        kind: Any = type(model)
        signature, first, rest = _signature(kind, method)
        named = dict(kwargs)
        for former in ("sentences", "inputs"):
            if former in named and not args:
                named[first] = named.pop(former)
        bound = signature.bind(model, *args, **named)
        given = {**bound.arguments, **bound.arguments.get(rest, {})}
        for name in ("self", rest):
            given.pop(name, None)
        inputs = given.pop(first)
        bound.apply_defaults()
        defaults = {name: value for name, value in bound.arguments.items() if name not in ("self", first, rest)}
        return cls(method, inputs, given, {**defaults, **given})

    @property
    def role(self) -> Role:
        """As what the texts are embedded."""
        return "query" if self.method == "encode_query" else "document"

    @property
    def is_single(self) -> bool:
        """True if one text is given, and one vector wanted."""
        return isinstance(self.inputs, str)

    def texts(self) -> list[str] | None:
        """Return the texts, None for other inputs, such as pictures or pairs."""
        if isinstance(self.inputs, str):
            return [str(self.inputs)]
        is_array = isinstance(self.inputs, np.ndarray) and self.inputs.ndim == 1
        if not is_array and not isinstance(self.inputs, list | tuple) and type(self.inputs).__name__ != "Column":
            return None
        items = self.inputs.tolist() if is_array else list(self.inputs)
        return [str(each) for each in items] if all(isinstance(each, str) for each in items) else None

    def refusal(self) -> str:
        """Return why the vectors must not be cached; empty if they may be."""
        if self.arguments.get("output_value", "sentence_embedding") != "sentence_embedding":
            return f"output_value={self.arguments['output_value']!r} is not one vector for each text"
        return providers.sentence_transformers_not_cacheable({"precision": self.arguments.get("precision")})

    def others(self) -> dict[str, Any]:
        """Return the arguments that reach the modules, of which only those know what they do."""
        return {name: value for name, value in self.given.items() if name not in _LOOKED_AT}


@lru_cache(maxsize=64)
def _signature(kind: Any, method: str) -> tuple[inspect.Signature, str, str]:
    """Return the signature of a method, and the names of its first argument and of that for all further ones."""
    signature = inspect.signature(getattr(kind, method))
    parameters = list(signature.parameters.values())
    rest = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_KEYWORD), "")
    return signature, parameters[1].name, rest


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


def settings_of(model: Any, call: Call, saved: Saved) -> Settings:
    """Return what decides the vectors of a call at present, as parameters that adapters of all frameworks share.

    Args:
        model: The model.
        call: The call.
        saved: The settings in the files of the model, which are left out of the result.

    Raises:
        KeyError: There is no prompt of the given name.
    """
    if call.method == "encode":
        alike = _encode_settings(model, call.arguments, saved)
        return Settings(alike, alike)
    rest = {name: value for name, value in call.given.items() if name in _LOOKED_AT and name not in _OPERATIONAL}
    documents, queries = (
        _encode_settings(model, _resolved(model, method, rest), saved) for method in ("encode_document", "encode_query")
    )
    return Settings(documents, queries)


def _encode_settings(model: Any, arguments: Mapping[str, Any], saved: Saved) -> dict[str, Any]:
    settings = {name: arguments[name] for name in _DECIDING if arguments.get(name) is not None}
    prompt = _prompt(model, arguments)
    if prompt != saved.default_prompt:
        if prompt:
            settings["prompt"] = prompt
        else:
            # The model puts one before each text by default, or it is unknown whether it does.
            settings["default_prompt"] = False
    given = arguments.get("truncate_dim")
    dimensions = model.truncate_dim if given is None else given
    if dimensions != saved.settings.get("truncate_dim"):
        settings["truncate_dim"] = "none" if dimensions is None else dimensions
    task = arguments.get("task")
    if task is not None and _depends_on_task(model):
        settings["task"] = task
    return settings


def _prompt(model: Any, arguments: Mapping[str, Any]) -> str:
    """Return what is put before each text."""
    if arguments.get("prompt") is not None:
        return str(arguments["prompt"])
    if arguments.get("prompt_name") is not None:
        return model.prompts[arguments["prompt_name"]] or ""
    return (model.prompts or {}).get(model.default_prompt_name) or ""


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


def _resolved(model: Any, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a method of the model would pass on to `encode`."""
    kind: Any = type(model)
    asked: Any = object.__new__(_probe(kind))
    object.__setattr__(asked, "__dict__", dict(model.__dict__))
    return dict(getattr(asked, method)([], **arguments))


@lru_cache(maxsize=64)
def _probe(kind: Any) -> Any:
    def encode(*_: Any, **arguments: Any) -> dict[str, Any]:
        return {name: value for name, value in arguments.items() if name not in ("inputs", "sentences")}

    methods: dict[str, Callable[..., Any]] = {"encode": encode}
    return type(kind)(kind.__name__, (kind,), methods)


def identity_of_plain_call(model: Any) -> Identity | None:
    """Return the identity of a model as `encode` without further arguments uses it."""
    description = describer.describe(model)
    if description.identity is None:
        return None
    return settings_of(model, Call.of(model, "encode", ("",), {}), saved_of(model)).refine(description.identity)
