"""Everything that may change what an embedder sends: its settings, its clients, globals and the environment."""

from __future__ import annotations

import contextlib
import copy
import os
import sys
import types
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from identity_audit.doors.setting import Setting
from identity_audit.values import OTHER_HEADERS, of_attribute, of_variable, values

# What a client, a class or a module says under such a name may decide what is asked of whom.
_DECIDES = ("base", "deployment", "endpoint", "header", "host", "model", "param", "provider", "query", "url", "version")
# Of these names of a class pydantic makes its own, and SDKs their functions' state.
_NOT_SETTINGS = ("model_", "VERSION")
_DEPTH = 6


@dataclass(frozen=True)
class Change:
    """One change of one embedder.

    Attributes:
        name: What is changed.
        value: Its new value.
    """

    name: str
    value: Any = None

    when = "when built"

    def __str__(self) -> str:
        return f"{self.name}={self.value!r} {self.when}" if self.name else "as it is"

    @property
    def key(self) -> str:
        """By which differences are listed, whatever the value."""
        return self.name

    def given(self) -> dict[str, Any]:
        """Return settings for the constructor."""
        return {self.name: self.value} if self.name else {}

    def before(self) -> AbstractContextManager[Any]:
        """Change what surrounds an embedder before it is built."""
        return contextlib.nullcontext()

    def after(self, parts: list[Any]) -> AbstractContextManager[Any]:
        """Change an embedder that is built, wrapped and, if `is_of_used`, in use."""
        return contextlib.nullcontext()

    is_of_used = False


@dataclass(frozen=True)
class SetLater(Change):
    """A field that is set on an embedder in use."""

    when = "set on an embedder in use"
    is_of_used = True

    def given(self) -> dict[str, Any]:
        """See `Change`."""
        return {}

    def after(self, parts: list[Any]) -> AbstractContextManager[Any]:
        """See `Change`."""
        for part in parts:
            if hasattr(part, self.name):
                setattr(part, self.name, copy.deepcopy(self.value))
        return contextlib.nullcontext()


@dataclass(frozen=True)
class OfClient(SetLater):
    """An attribute of the clients of an embedder in use; the name is that of the package and of the attribute."""

    when = "set on the clients in use"

    @property
    def key(self) -> str:
        """See `Change`."""
        return f"client {self.name}"

    def after(self, parts: list[Any]) -> AbstractContextManager[Any]:
        """See `Change`."""
        package, _, name = self.name.partition(".")
        restoring = contextlib.ExitStack()
        for client in clients_in(parts):
            if _package(client) == package:
                with contextlib.suppress(AttributeError, TypeError, ValueError):
                    restoring.callback(_set(client, name, self.value))
        return restoring


@dataclass(frozen=True)
class OfEnvironment(Change):
    """A variable of the environment."""

    is_late: bool = False

    @property
    def when(self) -> str:  # type: ignore[override]
        """See `Change`."""
        return "after it was built" if self.is_late else "before it was built"

    @property
    def key(self) -> str:
        """See `Change`."""
        return f"${self.name}"

    def given(self) -> dict[str, Any]:
        """See `Change`."""
        return {}

    def _changed(self) -> AbstractContextManager[Any]:
        return mock.patch.dict(os.environ, {self.name: self.value})

    def before(self) -> AbstractContextManager[Any]:
        """See `Change`."""
        return contextlib.nullcontext() if self.is_late else self._changed()

    def after(self, parts: list[Any]) -> AbstractContextManager[Any]:
        """See `Change`."""
        return self._changed() if self.is_late else contextlib.nullcontext()


@dataclass(frozen=True)
class OfModule(OfEnvironment):
    """A global of a module, or an attribute of a class; the name is its full name."""

    owner: Any = None

    @property
    def key(self) -> str:
        """See `Change`."""
        return f"global {self.name}"

    def _changed(self) -> AbstractContextManager[Any]:
        return mock.patch.object(self.owner, self.name.rpartition(".")[2], self.value)


def changes(door: Any, kind: Any, choices: dict[str, list[Any]]) -> Iterator[Change]:
    """Yield every change of settings of a class."""
    settings = door.settings(kind)
    unlisted = choices.keys() - {setting.name for setting in settings}
    for setting in [*settings, *(Setting(name, Any) for name in sorted(unlisted))]:
        for value in values(setting, choices):
            yield Change(setting.name, value)
            if not setting.name.startswith("call."):
                yield SetLater(setting.name, value)


def changes_around(parts: list[Any], variables: set[str], modules: tuple[str, ...]) -> Iterator[Change]:
    """Yield every change of what an embedder works with.

    Args:
        parts: An embedder in use.
        variables: The variables of the environment that it has read.
        modules: Modules whose globals count, beside those of its clients.
    """
    clients = clients_in(parts)
    for name in sorted(variables):
        for value in of_variable(name):
            yield OfEnvironment(name, value)
            yield OfEnvironment(name, value, is_late=True)
    seen = set()
    for client in clients:
        for name, now in _attributes(client):
            where = f"{_package(client)}.{name}"
            if where not in seen:
                seen.add(where)
                yield from (OfClient(where, value) for value in of_attribute(name, now))
    owners = {_package(client) for client in clients} | set(modules)
    found: dict[str, Any] = {name: sys.modules[name] for name in sorted(owners) if name in sys.modules}
    for each in [*parts, *clients]:
        for base in type(each).__mro__:
            if base.__module__ not in {"builtins", "typing", "pydantic.main", "abc"}:
                found[f"{base.__module__}.{base.__qualname__}"] = base
    for where, owner in found.items():
        for name, now in _constants(owner):
            for value in of_attribute(name, now):
                yield OfModule(f"{where}.{name}", value, owner=owner)
                yield OfModule(f"{where}.{name}", value, is_late=True, owner=owner)


class _Reads(MutableMapping):
    """The environment, and which variables were asked for."""

    def __init__(self, inside: Any, seen: set[str]) -> None:
        self._inside, self._seen = inside, seen

    def __getitem__(self, name: str) -> str:
        if isinstance(name, str):
            self._seen.add(name)
        return self._inside[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._inside[name] = value

    def __delitem__(self, name: str) -> None:
        del self._inside[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inside)

    def __len__(self) -> int:
        return len(self._inside)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


@contextmanager
def noting_variables() -> Iterator[set[str]]:
    """Note which variables of the environment are read."""
    seen: set[str] = set()
    with mock.patch.object(os, "environ", _Reads(os.environ, seen)):
        yield seen


def clients_in(parts: list[Any]) -> list[Any]:
    """Return the objects inside an embedder that are not of its framework's own data: clients, sessions, transports."""
    found: dict[int, Any] = {}
    depth, edge = 0, list(parts)
    while edge and depth < _DEPTH:
        edge = [inside for each in edge for inside in _inside(each) if id(inside) not in found]
        found.update({id(each): each for each in edge})
        depth += 1
    return list(found.values())


def _inside(owner: Any) -> Iterator[Any]:
    held = dict(getattr(owner, "__dict__", None) or {})
    held.update(getattr(owner, "__pydantic_private__", None) or {})
    for kind in type(owner).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if isinstance(name, str):
                held.setdefault(name, getattr(owner, name, None))
    for value in held.values():
        if _is_client(value):
            yield value


def _is_client(value: Any) -> bool:
    if isinstance(value, type | types.ModuleType | types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        return False
    return hasattr(value, "__dict__") and _package(value) not in _PLAIN


_PLAIN = {
    *sys.stdlib_module_names,
    *(
        "identity_audit",
        "pydantic",
        "pydantic_core",
        "embedonce",
        "langchain_core",
        "llama_index",
        "llama_index_instrumentation",
    ),
    *("haystack", "tiktoken", "tenacity", "tokenizers", "numpy", "anyio", "certifi", "yarl", "multidict"),
}


def _package(value: Any) -> str:
    return type(value).__module__.split(".")[0]


def _attributes(client: Any) -> Iterator[tuple[str, Any]]:
    settable = [
        name
        for kind in type(client).__mro__
        for name, found in vars(kind).items()
        if isinstance(found, property) and found.fset is not None
    ]
    for name in dict.fromkeys([*vars(client), *settable]):
        if not name.startswith("_") and any(part in name.lower() for part in _DECIDES):
            with contextlib.suppress(Exception):
                yield name, getattr(client, name)


def _set(client: Any, name: str, value: Any) -> Callable[[], None]:
    """Set an attribute, and return what sets it back: clients may share objects with all others of the process."""
    now = getattr(client, name)
    if isinstance(value, dict):
        before = now
        if hasattr(now, "update"):
            value = now.copy()
            value.update(OTHER_HEADERS)
        elif now is not None:
            # Such as the parameters of httpx, which are never changed in place.
            value = now.merge(value)
        setattr(client, name, value)
        return lambda: setattr(client, name, before)
    setattr(client, name, value)
    return lambda: setattr(client, name, now)


def _constants(owner: Any) -> Iterator[tuple[str, Any]]:
    fields = getattr(owner, "model_fields", {}) if isinstance(owner, type) else {}
    for name, now in list(vars(owner).items()):
        is_plain = now is None or isinstance(now, str | dict)
        is_named = any(part in name.lower() for part in _DECIDES) and not name.startswith(("__", *_NOT_SETTINGS))
        if is_plain and is_named and name not in fields:
            yield name, now
