"""Which plugins are installed: entry points, the distributions that bring them, and the user's switches."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from importlib.metadata import EntryPoint

PLUGIN_GROUP = "embedonce"
KEY_ENCODER_GROUP = "embedonce.key_encoders"
ONLY_VARIABLE = "EMBEDONCE_PLUGINS"
DISABLED_VARIABLE = "EMBEDONCE_PLUGINS_DISABLED"

_OWN_DISTRIBUTION = "embedonce"


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry point that is installed.

    Attributes:
        name: Its name.
        distribution: Name of the distribution that brings it.
        version: Version of that distribution.
        point: The entry point itself, which is not loaded yet.
    """

    name: str
    distribution: str
    version: str
    point: EntryPoint

    @property
    def source(self) -> str:
        """The distribution and its version, for messages."""
        return f"{self.distribution} {self.version}".strip()


def installed(group: str) -> dict[str, list[Installed]]:
    """Return the entry points of a group by name; several if distributions use the same name.

    They are sorted by name, those of embedonce last, so that the order is the same on every machine.
    """
    from importlib.metadata import entry_points

    by_name: dict[str, list[Installed]] = {}
    for point in entry_points(group=group):
        brought_by = point.dist
        if brought_by is None:
            found = Installed(point.name, "an unknown distribution", "", point)
        else:
            found = Installed(point.name, brought_by.name, brought_by.version, point)
        others = by_name.setdefault(point.name, [])
        # An editable install can list the same distribution twice.
        if all((other.point.value, other.source) != (point.value, found.source) for other in others):
            others.append(found)

    def place(name: str) -> tuple[bool, str]:
        return by_name[name][0].distribution == _OWN_DISTRIBUTION, name

    return {name: by_name[name] for name in sorted(by_name, key=place)}


@dataclass(frozen=True, slots=True)
class Switches:
    """What the user has switched off.

    Attributes:
        only: Names of the plugins and key encoders that may be loaded, None for all.
        disabled: Names of those that may not.
    """

    only: frozenset[str] | None = None
    disabled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Switches:
        """Read the switches from environment variables."""
        only = environment.get(ONLY_VARIABLE, "").strip()
        disabled = _names(environment.get(DISABLED_VARIABLE, ""))
        if not only:
            return cls(None, disabled)
        return cls(frozenset() if only.lower() == "off" else _names(only), disabled)

    def why_off(self, name: str) -> str:
        """Return the variable that switches a plugin off; empty if none does."""
        if name in self.disabled:
            return DISABLED_VARIABLE
        return ONLY_VARIABLE if self.only is not None and name not in self.only else ""

    def unknown(self, names: AbstractSet[str]) -> list[str]:
        """Return the names that the user has given and that are not among those installed."""
        return sorted(((self.only or frozenset()) | self.disabled) - names)


def _names(text: str) -> frozenset[str]:
    return frozenset(name for each in text.split(",") if (name := each.strip()))
