"""What a describing function reads of an embedder: its parameters say it.

A parameter is read from the field of its name, or from where its default says: `At`, `Live`, `Urls`, `Env`, `Global` or
`group`. A parameter with any other default is not read.

Example:
    def describe(model, dimensions, vertex=At("client._api_client.vertexai"), urls=Urls("client.base_url")): ...
"""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_T = TypeVar("_T")
_NOTHING: Mapping[str, Any] = {}
_SHOWS_NONE = object()


@dataclass(frozen=True, slots=True)
class At:
    """A value that is read at a dotted path of attributes and keys; None where the path breaks off."""

    path: str


@dataclass(frozen=True, slots=True)
class Live:
    """A live object at a path, empty for the embedder itself, as a function makes a `Snapshot` of it."""

    path: str
    made_by: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of the clients that the embedder has built, at paths separated by spaces; None for one not built.

    Attributes:
        paths: The paths. What their clients add to requests counts as well.
        kept_if: A field that is False if each call builds a client of its own and asks none that is there.
    """

    paths: str
    kept_if: str = ""


@dataclass(frozen=True, slots=True)
class Env:
    """An environment variable, which counts as long as one of the `Urls` is None; else it is None."""

    name: str


@dataclass(frozen=True, slots=True)
class Global:
    """A variable of a module, such as `litellm.api_base`; None as long as nobody has imported the module."""

    path: str


@dataclass(frozen=True, slots=True)
class _Group:
    of: Callable[..., Any]
    at: str


_Source = At | Live | Urls | Env | Global | _Group


def group(of: Callable[..., _T], at: str = "") -> _T:
    """Read several values into one object.

    Args:
        of: Makes the object, such as a `NamedTuple`; its own parameters say what is read.
        at: The path that theirs begin with.

    Returns:
        Nothing but a default for a parameter.
    """
    return cast("_T", _Group(of, at))


class Paths:
    """All that a function reads.

    Args:
        function: The function; its parameters are looked at once.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        sources = dict.fromkeys(_flat(function))
        self._function = function
        self._fields = [(each.path, tuple(each.path.split("."))) for each in sources if isinstance(each, At)]
        self._live = [(each, tuple(filter(None, each.path.split(".")))) for each in sources if isinstance(each, Live)]
        urls = [each for each in sources if isinstance(each, Urls)]
        self._urls = [tuple(path.split(".")) for each in urls for path in each.paths.split()]
        self._kept_if = [tuple(each.kept_if.split(".")) for each in urls if each.kept_if]
        self._environment = [each.name for each in sources if isinstance(each, Env)]
        self._globals = [(each, each.path.rpartition(".")) for each in sources if isinstance(each, Global)]
        read_at = (*self._urls, *(steps for _, steps in self._fields), *(steps for _, steps in self._live))
        self.names = {steps[0] for steps in read_at if steps}
        """The fields of the embedder in which the paths begin."""

    def values(self, embedder: object) -> dict[object, Any]:
        """Return what the function reads: by path, by `$NAME`, by `Global`, and all URLs under `Urls`."""
        return self.values_and_clients(embedder)[0]

    def values_and_clients(self, embedder: object) -> tuple[dict[object, Any], list[Any]]:
        """Return what the function reads, and for each of the URLs what holds it; None for a client not built."""
        own = getattr(embedder, "__dict__", None) or _NOTHING
        values: dict[object, Any] = {
            path: own[path] if path in own else read(embedder, steps) for path, steps in self._fields
        }
        for source, steps in self._live:
            values[source] = source.made_by(read(embedder, steps))
        if any(read(embedder, steps) is False for steps in self._kept_if):
            clients = [None for _ in self._urls]
            urls: tuple[Any, ...] = tuple(clients)
        else:
            clients = [read(embedder, steps[:-1]) for steps in self._urls]
            urls = tuple([_shown_url(embedder, *each) for each in zip(clients, self._urls, strict=True)])
        values[Urls] = urls
        if self._environment and not (urls and all(urls)):
            values.update({f"${name}": os.environ.get(name) for name in self._environment})
        values.update({each: read(sys.modules.get(module), (name,)) for each, (module, _, name) in self._globals})
        return values, clients

    def called_with(self, values: Mapping[object, Any]) -> Any:
        """Return what the function makes of values.

        Raises:
            UnclearSettingError: There is a client, and it does not show where it sends to.
        """
        for url, steps in zip(values.get(Urls, ()), self._urls, strict=True):
            if url is _SHOWS_NONE:
                msg = f"its client in the field {steps[0]!r} does not show the URL that it sends to"
                raise UnclearSettingError(msg)
        return _called(self._function, values)


@lru_cache(maxsize=512)
def _sources(function: Callable[..., Any], at: str) -> tuple[tuple[str, _Source], ...]:
    """Return the parameters of a function that are read, with where that is."""
    found: list[tuple[str, _Source]] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        source = At(name) if parameter.default is parameter.empty else parameter.default
        if isinstance(source, At):
            found.append((name, At(_joined(at, source.path))))
        elif isinstance(source, Live):
            found.append((name, replace(source, path=_joined(at, source.path))))
        elif isinstance(source, Urls):
            paths = " ".join(_joined(at, path) for path in source.paths.split())
            found.append((name, Urls(paths, source.kept_if and _joined(at, source.kept_if))))
        elif isinstance(source, _Group):
            found.append((name, _Group(source.of, _joined(at, source.at))))
        elif isinstance(source, Env | Global):
            found.append((name, source))
    return tuple(found)


def _joined(at: str, path: str) -> str:
    return f"{at}.{path}" if at and path else at or path


def _flat(function: Callable[..., Any], at: str = "") -> Iterator[At | Live | Urls | Env | Global]:
    for _, source in _sources(function, at):
        if isinstance(source, _Group):
            yield from _flat(source.of, source.at)
        else:
            yield source


def _called(function: Callable[..., Any], values: Mapping[object, Any], at: str = "") -> Any:
    arguments = {}
    for name, source in _sources(function, at):
        if isinstance(source, _Group):
            arguments[name] = _called(source.of, values, source.at)
        else:
            arguments[name] = values.get(_key(source))
    return function(**arguments)


def _key(source: At | Live | Urls | Env | Global) -> object:
    """Return under what `Paths.values` has what a source says."""
    if isinstance(source, At):
        return source.path
    if isinstance(source, Env):
        return f"${source.name}"
    return source if isinstance(source, Global | Live) else Urls


def read(embedder: object, steps: tuple[str, ...]) -> Any:
    """Follow a path of attributes and keys; None if it breaks off.

    The dictionaries come first: they are quick, and no property of a client can run. A step also finds the
    attribute behind the property of that name: `base_url` finds `_base_url`.
    """
    value: Any = embedder
    for step in steps:
        own = value if isinstance(value, dict) else getattr(value, "__dict__", None) or _NOTHING
        if step in own:
            value = own[step]
        elif f"_{step}" in own:
            value = own[f"_{step}"]
        else:
            value = _read_further(value, step)
        if value is None:
            return None
    return value


def _read_further(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return None
    # Asking pydantic for a private attribute takes fifty times as long as looking where it is.
    private = getattr(value, "__pydantic_private__", None)
    for name in (step, f"_{step}"):
        if isinstance(private, dict) and name in private:
            return private[name]
    try:
        return getattr(value, step, None)
    except Exception:
        # The property has no value for this embedder.
        return None


def _shown_url(embedder: object, holder: Any, steps: tuple[str, ...]) -> Any:
    """Return the URL of a client; None if there is no client, or one that has left its URL to the provider.

    Args:
        embedder: The embedder.
        holder: What the client keeps its URL in.
        steps: The path to the URL.
    """
    last = steps[-1]
    value = None if holder is None else read(holder, (last,))
    url = _as_url(value)
    if url is not None or read(embedder, steps[:1]) is None:
        return url
    is_left_open = not value and (isinstance(holder, dict) or hasattr(holder, last) or hasattr(holder, f"_{last}"))
    return None if is_left_open else _SHOWS_NONE


def _as_url(value: Any) -> Any:
    """Return a string or a URL object as it is, and None for a test's stand-in, whose text means nothing."""
    return value if value and (isinstance(value, str) or type(value).__name__ == "URL") else None
