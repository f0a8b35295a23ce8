"""The init parameters of a component, found without touching it: its own `to_dict` runs on a copy.

`to_dict` of the live component is not used: it fails for a secret that is a token, and some components change
themselves when they are written down.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import fields, is_dataclass
from typing import Any

from embedonce.identification import UnclearSettingError, is_operational, is_secret

_PLACEHOLDER = "EMBEDONCE_PLACEHOLDER"
_MISSING = object()


def init_parameters(component: object) -> tuple[dict[str, Any], list[object]]:
    """Return the init parameters of a component, without secrets, and the components inside it.

    Components inside come with their parameters, and are looked for in attributes, lists, dictionaries, dataclasses
    and pipelines.

    Raises:
        UnclearSettingError: It cannot be written down, or leaves a parameter out.
    """
    from haystack.core.errors import SerializationError
    from haystack.core.serialization import component_to_dict

    copier = _Copier()
    try:
        written = component_to_dict(copier.component(component), "embedder")
    except SerializationError as error:
        # Such a message names types and parameters, never values.
        msg = f"it cannot be written down as a dictionary: {str(error).strip().rstrip('.')}"
        raise UnclearSettingError(msg) from error
    except Exception as error:
        msg = f"it cannot be written down as a dictionary: its `to_dict` fails with a {type(error).__name__}"
        raise UnclearSettingError(msg) from error
    parameters = written.get("init_parameters")
    if not isinstance(parameters, dict):
        msg = "its `to_dict` returns no `init_parameters`"
        raise UnclearSettingError(msg)
    _add_what_is_left_out(component, parameters)
    return _cleaned(parameters), copier.inside


def is_component(value: object) -> bool:
    """Return whether an object is a component of Haystack."""
    return "__haystack_input__" in getattr(value, "__dict__", ())


def _add_what_is_left_out(component: object, parameters: dict[str, Any]) -> None:
    """Look for parameters of the constructor that the dictionary lacks, such as those of a subclass."""
    own = getattr(component, "__dict__", {})
    # Otherwise Haystack writes the attribute of the same name, and the default where there is no such attribute.
    writes_itself = hasattr(component, "to_dict")
    for name, parameter in list(inspect.signature(type(component).__init__).parameters.items())[1:]:
        if is_secret(name) or is_operational(name) or (name in parameters and (writes_itself or name in own)):
            continue
        held = next((own[each] for each in (name, f"_{name}") if each in own), _MISSING)
        if held is _MISSING and not writes_itself:
            held = getattr(component, name, _MISSING)
        is_rest = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if held is not _MISSING:
            if not _is_secret(held):
                parameters[name] = held
        elif not (writes_itself and (is_rest or _is_empty(parameter.default))):
            msg = f"its `to_dict` leaves `{name}` out, and it has no attribute of that name"
            raise UnclearSettingError(msg)


def _cleaned(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters without secrets and, as versions add new ones, without those that are empty."""
    kept = {name: _without_secrets(value) for name, value in parameters.items()}
    return {name: value for name, value in kept.items() if value is not _MISSING and not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("env_vars") == [_PLACEHOLDER]:
            return _MISSING
        if isinstance(value.get("init_parameters"), dict):
            return {**value, "init_parameters": _cleaned(value["init_parameters"])}
        if value and all(isinstance(each, dict) and "init_parameters" in each for each in value.values()):
            # The names of components are the user's own, and none of them is a setting that may be left out.
            return [{"component": name, **_without_secrets(each)} for name, each in value.items()]
        kept = {name: _without_secrets(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each is not _MISSING}
    if isinstance(value, list | tuple):
        return [each for each in map(_without_secrets, value) if each is not _MISSING]
    return value


def _is_secret(value: object) -> bool:
    from haystack.utils.auth import Secret

    return isinstance(value, Secret)


class _Copier:
    """Copies what `to_dict` may change or cannot write, and notes which components it meets."""

    def __init__(self) -> None:
        self.inside: list[object] = []
        self._done: dict[int, Any] = {}

    def component(self, component: object) -> Any:
        # Without the constructor and the class's own way of copying, which may leave parameters out.
        clone = object.__new__(type(component))
        self._done[id(component)] = clone
        for kind in type(component).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(component, name):
                    object.__setattr__(clone, name, self.value(getattr(component, name)))
        own = getattr(component, "__dict__", None)
        if own is not None:
            clone.__dict__.update({name: self._attribute(name, value) for name, value in own.items()})
        return clone

    def _attribute(self, name: str, value: Any) -> Any:
        # Sockets, and the pipeline that the component is part of.
        return value if name.startswith("__haystack") else self.value(value)

    def value(self, value: Any) -> Any:
        if id(value) in self._done:
            return self._done[id(value)]
        kind = type(value)
        if kind in (str, int, float, bool, type(None)):
            return value
        if kind is dict:
            copied: Any = {}
            self._done[id(value)] = copied
            copied.update({key: self.value(each) for key, each in value.items()})
            return copied
        if kind is list:
            copied = []
            self._done[id(value)] = copied
            copied.extend(map(self.value, value))
            return copied
        if kind is tuple:
            return tuple([self.value(each) for each in value])
        if kind is set:
            return set(value)
        return self._object(value)

    def _object(self, value: Any) -> Any:
        from haystack.core.pipeline.base import PipelineBase
        from haystack.utils.auth import Secret

        if isinstance(value, Secret):
            return Secret.from_env_var(_PLACEHOLDER)
        if is_component(value):
            self.inside.append(value)
            return self.component(value)
        if isinstance(value, PipelineBase):
            pipeline = self._done[id(value)] = copy.copy(value)
            pipeline.graph = value.graph.copy()
            for name, instance in value.graph.nodes(data="instance"):
                pipeline.graph.nodes[name]["instance"] = self.value(instance)
            return pipeline
        if is_dataclass(value) and not isinstance(value, type):
            clone = self._done[id(value)] = copy.copy(value)
            for field in fields(value):
                if hasattr(value, field.name):
                    object.__setattr__(clone, field.name, self.value(getattr(value, field.name)))
            return clone
        return value
