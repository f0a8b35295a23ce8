"""Finding and loading plugins: one by one, when they are first needed, and never at import.

A plugin that cannot be loaded is remembered and named in the error of whoever needed it; it does not hurt the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from embedonce import hookspecs
from embedonce.errors import PluginError
from embedonce.keys import BUILT_IN, KeyEncoder
from embedonce.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

KEY_ENCODER_GROUP = "embedonce.key_encoders"


@dataclass(frozen=True, slots=True)
class FailedPlugin:
    """A plugin that could not be loaded.

    Attributes:
        name: Its entry point's name.
        distribution: The distribution that brought it.
        error: What happened.
    """

    name: str
    distribution: str
    error: Exception

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} failed to load: {self.error!r}"


class Plugins:
    """The loaded plugins."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.failed: list[FailedPlugin] = []
        for point in _unique(hookspecs.PROJECT):
            try:
                self._manager.register(point.load(), name=point.name)
            except Exception as error:
                self.failed.append(FailedPlugin(point.name, _distribution(point), error))
        self._manager.check_pending()

    @property
    def hook(self) -> Any:
        """The hooks; see `hookspecs`."""
        return self._manager.hook

    def failures(self) -> str:
        """What failed, for the end of an error message."""
        return "".join(f"; {failed}" for failed in self.failed)


_LOCK = ForkLock()
_plugins: Plugins | None = None
_encoders: dict[str, KeyEncoder] | None = None


def plugins() -> Plugins:
    """Return the plugins, loaded when this is first called."""
    global _plugins
    with _LOCK:
        if _plugins is None:
            _plugins = Plugins()
        return _plugins


def key_encoders() -> dict[str, KeyEncoder]:
    """Return the key encoders that plugins and entry points have named.

    Raises:
        PluginError: Two of them claim one name, or one of them cannot be loaded.
    """
    global _encoders
    with _LOCK:
        if _encoders is None:
            _encoders = _found_encoders()
        return _encoders


def _found_encoders() -> dict[str, KeyEncoder]:
    found: dict[str, KeyEncoder] = {}

    def register(name: str, function: Callable[[str], str], version: str = "1") -> None:
        if name in found or name in BUILT_IN:
            msg = f"key encoder {name!r} is registered twice; give one of them another name"
            raise PluginError(msg)
        found[name] = KeyEncoder(name, version, function)

    for point in _unique(KEY_ENCODER_GROUP):
        try:
            function = point.load()
        except Exception as error:
            msg = f"key encoder {point.name!r} of {_distribution(point)} failed to load: {error!r}"
            raise PluginError(msg) from error
        register(point.name, function, getattr(function, "version", _version(point)))
    plugins().hook.embedonce_register_key_encoders(register=register)
    return found


def _unique(group: str) -> list[EntryPoint]:
    """Return the entry points of a group.

    Raises:
        PluginError: Two distributions claim one name; which one is meant must not be guessed.
    """
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = points.get(point.name)
        # An editable install can list the same distribution twice.
        if other is not None and (other.value != point.value or _distribution(other) != _distribution(point)):
            msg = (
                f"{_distribution(other)} and {_distribution(point)} both bring {group} {point.name!r}; "
                "uninstall one of them"
            )
            raise PluginError(msg)
        points[point.name] = point
    return list(points.values())


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else ""
