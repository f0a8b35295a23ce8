"""Finding and loading plugins: one by one, when they are first needed, and never at import.

A plugin that cannot be loaded is remembered and named in the error of whoever needed it; it does not hurt the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from embedonce import hookspecs
from embedonce.errors import PluginError
from embedonce.keys import BUILT_IN, KeyEncoder
from embedonce.locks import ForkLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
        self._distributions: dict[str, str] = {}
        self.failed: list[FailedPlugin] = []
        for name, points in _claims(hookspecs.PROJECT).items():
            if len(points) > 1:
                raise _claimed_twice(hookspecs.PROJECT, name, map(_distribution, points))
            self._distributions[name] = _distribution(points[0])
            self._load(points[0])

    @property
    def hook(self) -> Any:
        """The hooks; see `hookspecs`."""
        return self._manager.hook

    def failures(self) -> str:
        """What failed, for the end of an error message."""
        return "".join(f"; {failed}" for failed in self.failed)

    def _load(self, point: EntryPoint) -> None:
        try:
            self._manager.register(point.load(), name=point.name)
            # One plugin at a time: a hook that does not exist is the error of the one that brings it.
            self._manager.check_pending()
        except Exception as error:
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            self._fail(point.name, error)

    def _fail(self, name: str, error: Exception) -> None:
        self.failed.append(FailedPlugin(name, self._distributions[name], error))

    def register_key_encoders(self, add: Callable[[str, str, KeyEncoder], None]) -> None:
        """Let every plugin add its key encoders.

        Args:
            add: Called with name, distribution and key encoder.
        """
        loaded = self._manager.list_name_plugin()
        for name, plugin in loaded:
            others = [other for _, other in loaded if other is not plugin]
            caller = self._manager.subset_hook_caller("embedonce_register_key_encoders", others)

            def register(
                encoder: str, function: Callable[[str], str], version: str = "1", *, distribution: str = name
            ) -> None:
                add(encoder, self._distributions[distribution], KeyEncoder(encoder, version, function))

            try:
                caller(register=register)
            except Exception as error:
                self._fail(name, error)


class KeyEncoders(dict[str, "KeyEncoder | PluginError"]):
    """The key encoders of plugins and entry points by name; instead of one that cannot be used, the reason."""

    def usable(self, name: str) -> KeyEncoder:
        """Return a key encoder.

        Raises:
            PluginError: It cannot be loaded, or two distributions claim its name.
        """
        found = self[name]
        if isinstance(found, PluginError):
            raise found
        return found


_LOCK = ForkLock()
_plugins: Plugins | None = None
_encoders: KeyEncoders | None = None


def plugins() -> Plugins:
    """Return the plugins, loaded when this is first called.

    Raises:
        PluginError: Two distributions bring a plugin of one name.
    """
    global _plugins
    with _LOCK:
        if _plugins is None:
            _plugins = Plugins()
        return _plugins


def key_encoders() -> KeyEncoders:
    """Return the key encoders that plugins and entry points have named."""
    global _encoders
    with _LOCK:
        if _encoders is None:
            _encoders = _found_encoders()
        return _encoders


def _found_encoders() -> KeyEncoders:
    found = KeyEncoders()
    sources: dict[str, list[str]] = {}

    def add(name: str, distribution: str, encoder: KeyEncoder | PluginError) -> None:
        # The name of a built-in encoder means the built-in one, whatever is installed.
        if name in BUILT_IN:
            msg = f"key encoder {name!r} of {distribution} has the name of a built-in one; give it another name"
            raise PluginError(msg)
        claimants = sources.setdefault(name, [])
        claimants.append(distribution)
        found[name] = encoder if len(claimants) == 1 else _claimed_twice(KEY_ENCODER_GROUP, name, claimants)

    for name, points in _claims(KEY_ENCODER_GROUP).items():
        for point in points:
            try:
                add(name, _distribution(point), _loaded_encoder(point))
            except PluginError as error:
                plugins().failed.append(FailedPlugin(name, _distribution(point), error))
    plugins().register_key_encoders(add)
    return found


def _loaded_encoder(point: EntryPoint) -> KeyEncoder | PluginError:
    try:
        function = point.load()
    except Exception as error:
        failed = PluginError(f"key encoder {point.name!r} of {_distribution(point)} failed to load: {error!r}")
        failed.__cause__ = error
        return failed
    return KeyEncoder(point.name, getattr(function, "version", _version(point)), function)


def _claims(group: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name: several where distributions disagree."""
    from importlib.metadata import entry_points

    claims: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        others = claims.setdefault(point.name, [])
        # An editable install can list the same distribution twice.
        if all(other.value != point.value or _distribution(other) != _distribution(point) for other in others):
            others.append(point)
    return claims


def _claimed_twice(group: str, name: str, distributions: Iterable[str]) -> PluginError:
    """The error for a name that means two things; which one is meant must not be guessed."""
    return PluginError(f"{' and '.join(distributions)} both bring {group} {name!r}; uninstall one of them")


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else ""
