"""Things that plugins add under names: key encoders, codecs and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from embedonce.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

T = TypeVar("T")


class SwitchedOffError(PluginError):
    """A thing is not there because the user wants it so."""


class Registry(Generic[T]):
    """What plugins have added under names; instead of a thing that cannot be used, the reason.

    Args:
        kind: What these things are, for messages.
        reserved: Names that mean something else, whatever is installed.
    """

    def __init__(self, kind: str, reserved: Container[str]) -> None:
        self._kind = kind
        self._reserved = reserved
        self._things: dict[str, T | PluginError] = {}
        self._sources: dict[str, list[str]] = {}

    def add(self, name: str, source: str, thing: T | PluginError) -> None:
        """Add a thing.

        Args:
            name: Its name.
            source: The distribution that brings it.
            thing: The thing, or why it cannot be used.

        Raises:
            PluginError: The name is none, or has a meaning already.
        """
        if not isinstance(name, str) or not name or name.strip() != name or "," in name:
            msg = f"{source} adds a {self._kind} under {name!r}, which is no name; use a word without commas"
            raise PluginError(msg)
        if name in self._reserved:
            msg = f"{self._kind} {name!r} of {source} has the name of a built-in one; give it another name"
            raise PluginError(msg)
        sources = self._sources.setdefault(name, [])
        sources.append(source)
        self._things[name] = thing if len(sources) == 1 else claimed_twice(self._kind, name, sources)

    def __contains__(self, name: str) -> bool:
        return name in self._things

    def names(self) -> list[str]:
        """Return all names, those of unusable things included."""
        return sorted(self._things)

    def source(self, name: str) -> str:
        """Return the distributions that bring a name."""
        return " and ".join(self._sources[name])

    def usable(self, name: str) -> T:
        """Return a thing.

        Raises:
            PluginError: It cannot be loaded, or two distributions claim its name.
        """
        found = self._things[name]
        if isinstance(found, PluginError):
            raise found
        return found

    def trouble(self, name: str) -> PluginError | None:
        """Return why a thing cannot be used, None if it can be."""
        found = self._things[name]
        return found if isinstance(found, PluginError) else None


def claimed_twice(kind: str, name: str, sources: Iterable[str]) -> PluginError:
    """Return the error for a name that means two things; which one is meant must not be guessed."""
    return PluginError(f"{' and '.join(sources)} both bring {kind} {name!r}; uninstall one of them")
