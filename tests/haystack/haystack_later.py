"""Secrets and components of Haystack in tables: made when a test needs them, so that no table imports Haystack."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

INTEGRATIONS = "haystack_integrations.components.embedders"
CORE = "haystack.components.embedders"


class Later(NamedTuple):
    """A secret that is not made yet.

    Attributes:
        way: Name of the method of `Secret` that makes it.
        value: Its argument.
    """

    way: str
    value: str


def token(value: str) -> Later:
    """Return what becomes a secret that holds its value."""
    return Later("from_token", value)


def variable(name: str) -> Later:
    """Return what becomes a secret in a variable of the environment."""
    return Later("from_env_var", name)


def real(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with secrets in the place of those that are not made yet."""
    from haystack.utils import Secret

    return {
        name: getattr(Secret, value.way)(value.value) if isinstance(value, Later) else value
        for name, value in settings.items()
    }


def of_class(path: str, **defaults: Any) -> Callable[..., Any]:
    """Return a function that builds a real component; what begins with an underscore is set afterwards.

    Args:
        path: Module and name of the class; tests are skipped where the module is missing.
        defaults: Settings unless others are given.
    """
    package, _, name = path.rpartition(".")

    def make(**settings: Any) -> Any:
        given = real({**defaults, **settings})
        kind = getattr(pytest.importorskip(package), name)
        component = kind(**{key: value for key, value in given.items() if not key.startswith("_")})
        _set(component, {key[1:]: value for key, value in given.items() if key.startswith("_")})
        return component

    return make


def stand_in(path: str, **attributes: Any) -> Callable[..., Any]:
    """Return a function that builds what looks like a component whose package is not installed."""
    package, _, name = path.rpartition(".")
    kind = type(name, (), {"__module__": f"{package}.module", "run": lambda _: None})

    def make(**settings: Any) -> Any:
        component = kind()
        _set(component, copy.deepcopy(attributes))
        _set(component, real(settings))
        return component

    return make


def _set(component: Any, attributes: dict[str, Any]) -> None:
    for path, value in attributes.items():
        *owners, last = path.split(".")
        owner = component
        for each in owners:
            owner = getattr(owner, each)
        setattr(owner, last, value)
