"""Registries: what plugins add under names, which are key encoders, codecs and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from embedonce.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

T = TypeVar("T")


class SwitchedOffError(PluginError):
    """The user has switched off what was asked for."""


class Registry(Generic[T]):
    """What plugins have added under names, such as codecs; for an entry that cannot be used, the reason.

    Args:
        kind: What the entries are, for messages.
        reserved: Names that no plugin may take, because they are built in.
    """

    def __init__(self, kind: str, reserved: Container[str]) -> None:
        self.kind = kind
        self._reserved = reserved
        self._entries: dict[str, T | PluginError] = {}
        self._sources: dict[str, list[str]] = {}

    def register(self, name: str, source: str, entry: T | PluginError) -> None:
        """Add an entry.

        Args:
            name: Its name.
            source: The distribution that brings it.
            entry: The entry, or why it cannot be used.

        Raises:
            PluginError: The name is not a word, or is built in.
        """
        if not isinstance(name, str) or not name or name.strip() != name or "," in name:
            msg = f"{source} adds a {self.kind} under {name!r}, which is not a name; use a word without commas"
            raise PluginError(msg)
        if name in self._reserved:
            msg = f"{self.kind} {name!r} of {source} has the name of a built-in one; give it another name"
            raise PluginError(msg)
        sources = self._sources.setdefault(name, [])
        sources.append(source)
        self._entries[name] = entry if len(sources) == 1 else claimed_twice(self.kind, name, sources)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """Return all names, those of entries that cannot be used included."""
        return sorted(self._entries)

    def source(self, name: str) -> str:
        """Return the distributions that bring a name."""
        return " and ".join(self._sources[name])

    def get(self, name: str) -> T:
        """Return the entry of a name.

        Raises:
            PluginError: It cannot be loaded, or two distributions claim its name.
        """
        entry = self._entries[name]
        if isinstance(entry, PluginError):
            raise entry
        return entry

    def error(self, name: str) -> PluginError | None:
        """Return why an entry cannot be used, None if it can be."""
        entry = self._entries[name]
        return entry if isinstance(entry, PluginError) else None


def claimed_twice(kind: str, name: str, sources: Iterable[str]) -> PluginError:
    """Return the error for a name that two distributions claim; which one is meant must not be guessed."""
    return PluginError(f"{' and '.join(sources)} both bring {kind} {name!r}; uninstall one of them")
