"""One call of `encode`, `encode_query` or `encode_document`: what it asks for."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers import SentenceTransformer

from embedonce.identification import providers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce import Role

_OPERATIONAL = ("batch_size", "chunk_size", "device", "pool", "show_progress_bar")
_FORM = ("convert_to_numpy", "convert_to_tensor")
_DECIDING = ("normalize_embeddings", "precision", "prompt", "prompt_name", "task", "truncate_dim")
_KNOWN = frozenset((*_OPERATIONAL, *_FORM, *_DECIDING, "inputs", "sentences", "output_value"))
_USUAL_BATCH = 32


@dataclass(frozen=True, slots=True)
class Call:
    """A call, as the model would understand it.

    Attributes:
        method: The name of the method.
        inputs: What it is to embed.
        given: Its arguments, by name, without those that were left out.
        arguments: All arguments, those with defaults included.
        takes_form: True if the method can be asked for arrays and for tensors.
    """

    method: str
    inputs: Any
    given: Mapping[str, Any]
    arguments: Mapping[str, Any]
    takes_form: bool = True

    @classmethod
    def of(cls, model: Any, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Read the arguments of a call.

        Raises:
            TypeError: They are not those of the method.
        """
        kind: Any = type(model)
        read = _signature(kind, method)
        named = dict(kwargs)
        for former in ("sentences", "inputs"):
            if former in named and not args:
                named[read.first] = named.pop(former)
        bound = read.signature.bind(model, *args, **named)
        given = {**bound.arguments, **bound.arguments.get(read.rest, {})}
        for name in ("self", read.rest):
            given.pop(name, None)
        inputs = given.pop(read.first)
        bound.apply_defaults()
        own = {name: value for name, value in bound.arguments.items() if name not in ("self", read.first, read.rest)}
        # What a method of a subclass does not name is for the method of the package that it calls.
        return cls(method, inputs, given, {**_usual(method), **own, **given}, read.takes_form)

    @property
    def role(self) -> Role:
        """As what the texts are embedded."""
        return "query" if self.method == "encode_query" else "document"

    @property
    def is_single(self) -> bool:
        """True if one text is given, and one vector wanted."""
        return isinstance(self.inputs, str)

    @property
    def batch_size(self) -> int:
        """The texts that the model computes at once.

        Raises:
            TypeError: It is not a number.
            ValueError: It is not a number.
        """
        return int(self.arguments.get("batch_size", _USUAL_BATCH))

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
        if not self.takes_form:
            return f"`{self.method}` of its class takes neither convert_to_tensor nor further arguments"
        return providers.sentence_transformers_not_cacheable({"precision": self.arguments.get("precision")})

    def deciding(self) -> dict[str, Any]:
        """Return the arguments that were given and decide the vectors, besides those that only modules know."""
        return {name: value for name, value in self.given.items() if name in _DECIDING and value is not None}

    def others(self) -> dict[str, Any]:
        """Return the arguments that reach the modules, of which only those know what they do."""
        return {name: value for name, value in self.given.items() if name not in _KNOWN}


@dataclass(frozen=True, slots=True)
class _Signature:
    """The signature of a method, with the names of its first argument and of that for all further ones."""

    signature: inspect.Signature
    first: str
    rest: str
    takes_form: bool


@lru_cache(maxsize=64)
def _signature(kind: Any, method: str) -> _Signature:
    signature = inspect.signature(getattr(kind, method))
    parameters = list(signature.parameters.values())
    if len(parameters) > 1 and parameters[1].kind is inspect.Parameter.VAR_POSITIONAL:
        # It passes on whatever it gets.
        return _signature(SentenceTransformer, method)
    rest = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_KEYWORD), "")
    takes_form = bool(rest) or all(name in signature.parameters for name in _FORM)
    return _Signature(signature, parameters[1].name if len(parameters) > 1 else "", rest, takes_form)


@lru_cache(maxsize=8)
def _usual(method: str) -> dict[str, Any]:
    """Return the defaults of a method of the package."""
    parameters = inspect.signature(getattr(SentenceTransformer, method)).parameters
    return {name: each.default for name, each in parameters.items() if each.default is not inspect.Parameter.empty}
