"""Loading plugins and calling their hooks: one by one, when they are first needed, and never at import.

A plugin that fails is remembered, and named in the error of a call that needed it; the others are not affected.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from embedonce import hookspecs
from embedonce.errors import EmbedOnceError, PluginError
from embedonce.plugins.discovery import (
    DISABLED_VARIABLE,
    KEY_ENCODER_GROUP,
    ONLY_VARIABLE,
    PLUGIN_GROUP,
    Installed,
    Switches,
    installed,
)
from embedonce.plugins.registry import claimed_twice
from embedonce.plugins.states import DisabledPlugin, FailedPlugin, LoadedPlugin
from embedonce.runtime.locks import ForkLock
from embedonce.runtime.signals import let_through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embedonce.events import EmbedEvent
    from embedonce.hookspecs import Cache, Demo
    from embedonce.identity import Identity
    from embedonce.options import WrapOptions
    from embedonce.plugins.registry import Registry

logger = logging.getLogger("embedonce")

_PREFIX = f"{hookspecs.PROJECT}_"
_THIS_PROGRAM = "this program"


class Plugins:
    """The plugins of this process.

    Attributes:
        loaded: Those that are loaded, by name.
        failed: Those that could not be loaded or failed at a hook.
        disabled: Those that the user has switched off.
        notes: Mistakes in the user's switches: names that no distribution brings.
        paths: Where the code of installed plugins lies: directories of packages, and files of single modules.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: dict[str, LoadedPlugin] = {}
        self.failed: list[FailedPlugin] = []
        self.disabled: list[DisabledPlugin] = []
        self.notes: list[str] = []
        self.paths: tuple[str, ...] = ()

    def load_installed(self) -> None:
        """Load the plugins that distributions bring."""
        switches, found = Switches.of(), installed(PLUGIN_GROUP)
        unknown = switches.unknown({*found, *installed(KEY_ENCODER_GROUP)})
        self.notes += [
            f"{ONLY_VARIABLE} or {DISABLED_VARIABLE} names {name!r}, which no distribution brings" for name in unknown
        ]
        # The plugin that is registered last is called first: those of others come before those of embedonce.
        for name, claims in reversed(found.items()):
            sources = [found.source for found in claims]
            if variable := switches.why_off(name):
                self.disabled += [DisabledPlugin(name, source, variable) for source in sources]
            elif len(claims) > 1:
                self.fail(name, " and ".join(sources), claimed_twice("plugin", name, sources))
            else:
                self._load(claims[0])

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin of this program, which needs no entry point.

        Raises:
            PluginError: There is a plugin of this name already, or the object is not a plugin.
        """
        if name in self.loaded:
            msg = f"{self.loaded[name].distribution} has brought a plugin {name!r} already; give this one another name"
            raise PluginError(msg)
        try:
            self._add(plugin, name, _THIS_PROGRAM, "")
        except (pluggy.PluginValidationError, ValueError) as error:
            msg = f"plugin {name!r} cannot be registered: {error}"
            raise PluginError(msg) from error

    def failures(self) -> str:
        """Return what is missing and why, for the end of an error message."""
        return "".join(f"; {each}" for each in self.failed) + self.left_out()

    def left_out(self) -> str:
        """Return what the user has switched off, for the end of an error message."""
        return "".join(f"; {each}" for each in (*self.disabled, *self.notes))

    # Calling hooks

    def wrap(self, embedder: object, cache: Cache, options: WrapOptions) -> tuple[Any, list[FailedPlugin]]:
        """Return the wrapper of the first plugin that recognises an embedder, or None; and the plugins that failed.

        Raises:
            EmbedOnceError: The plugin that recognises the embedder refuses it.
        """
        return self._first("embedonce_wrap", embedder=embedder, cache=cache, options=options)

    def identify(self, embedder: object) -> Identity | None:
        """Return the identity of an embedder, None if no plugin knows it.

        Raises:
            EmbedOnceError: The plugin that knows the embedder refuses it.
            PluginError: No plugin knows it, and one failed at it.
        """
        identity, failed = self._first("embedonce_identify", embedder=embedder)
        if identity is None and failed:
            raise PluginError(str(failed[0])) from failed[0].error
        found: Identity | None = identity
        return found

    def collect(self, hook: str, registry: Registry[Any], make: Callable[..., Any]) -> None:
        """Let every plugin add entries to a registry.

        Args:
            hook: The hook that hands over a function `register`.
            registry: Where the entries are added.
            make: Given the plugin, and what it gives to `register`, returns the entry.
        """
        for plugin, call in self._implementations(hook):
            with self._failing(plugin, hook, Exception):
                call(register=partial(self._register, hook, plugin, registry, make))

    def _register(
        self,
        hook: str,
        plugin: LoadedPlugin,
        registry: Registry[Any],
        make: Callable[..., Any],
        /,
        name: str,
        *given: Any,
        **options: Any,
    ) -> None:
        # What else this plugin adds may be usable.
        with self._failing(plugin, hook, PluginError):
            registry.register(name, plugin.distribution, make(plugin, name, *given, **options))

    def demos(self) -> list[Demo]:
        """Return the demos of all plugins, but for those that fail."""
        found: list[Demo | None] = []
        for plugin, call in self._implementations("embedonce_demo"):
            with self._failing(plugin, "embedonce_demo", Exception):
                found.append(call())
        return [demo for demo in found if demo is not None]

    @property
    def are_observing(self) -> bool:
        """True if one of them observes calls."""
        return any("embedonce_on_embed" in plugin.hooks for plugin in self.loaded.values())

    def notify(self, event: EmbedEvent) -> None:
        """Tell those who observe calls about one; one of them that fails is logged once."""
        for plugin, call in self._implementations("embedonce_on_embed"):
            try:
                call(event=event)
            except Exception as error:
                let_through(error)
                failed = self.fail(plugin.name, plugin.distribution, error, "in embedonce_on_embed")
                if failed is not None:
                    logger.warning("%s (further failures are not logged)", failed)

    @contextmanager
    def _failing(self, plugin: LoadedPlugin, hook: str, errors: type[Exception]) -> Iterator[None]:
        """Remember errors of a plugin in a hook, and continue with the next one."""
        try:
            yield
        except errors as error:
            self.fail(plugin.name, plugin.distribution, error, f"in {hook}")

    def _implementations(self, hook: str) -> Iterator[tuple[LoadedPlugin, Callable[..., Any]]]:
        """Yield each plugin with a hook, in pluggy's order, and a function that calls this plugin alone."""
        for found in reversed(getattr(self._manager.hook, hook).get_hookimpls()):

            def call(implementation: pluggy.HookImpl = found, **arguments: Any) -> Any:
                return implementation.function(*[arguments[name] for name in implementation.argnames])

            yield self.loaded[found.plugin_name], call

    def _first(self, hook: str, **arguments: Any) -> tuple[Any, list[FailedPlugin]]:
        failed: list[FailedPlugin] = []
        for plugin, call in self._implementations(hook):
            try:
                answer = call(**arguments)
            except EmbedOnceError:
                # A refusal: the plugin knows the embedder.
                raise
            except Exception as error:
                failed.append(FailedPlugin(plugin.name, plugin.distribution, error, f"in {hook}"))
                if not failed[-1].is_refusal:
                    self.fail(plugin.name, plugin.distribution, error, f"in {hook}")
            else:
                if answer is not None:
                    return answer, failed
        return None, failed

    # Loading

    def _load(self, found: Installed) -> None:
        try:
            self._add(found.point.load(), found.name, found.source, found.version)
            self.paths += _paths_of(found.point.module)
        except (Exception, SystemExit) as error:
            self.fail(found.name, found.source, error)

    def _add(self, plugin: object, name: str, distribution: str, version: str) -> None:
        """Register a plugin, or leave no trace of it.

        Raises:
            ValueError: It is registered already, possibly under another name.
            PluginError: It has no hook that embedonce could call.
            pluggy.PluginValidationError: One of its hooks, or an argument of one, does not exist.
        """
        self._manager.register(plugin, name=name)
        try:
            # After each plugin, so that a hook that does not exist is reported for the plugin that has it.
            self._manager.check_pending()
            hooks = self._checked_hooks(plugin)
        except Exception:
            self._manager.unregister(name=name)
            raise
        self.loaded[name] = LoadedPlugin(name, distribution, version, hooks)

    def _checked_hooks(self, plugin: object) -> tuple[str, ...]:
        callers = self._manager.get_hookcallers(plugin) or []
        for caller in callers:
            if any(each.plugin is plugin and (each.wrapper or each.hookwrapper) for each in caller.get_hookimpls()):
                msg = f"its {caller.name} is a hook wrapper, and each plugin is called by itself; make it a plain hook"
                raise PluginError(msg)
        hooks = {caller.name for caller in callers}
        unmarked = sorted(
            name
            for name in dir(plugin)
            if name.startswith(_PREFIX) and name not in hooks and _is_function(plugin, name)
        )
        if unmarked:
            msg = f"its {', '.join(unmarked)} is not marked; put @embedonce.hookimpl above it"
            raise PluginError(msg)
        if not hooks:
            msg = "it implements no hook; put @embedonce.hookimpl above its functions, and name it in the entry point"
            raise PluginError(msg)
        return tuple(sorted(hooks))

    def fail(self, name: str, distribution: str, error: BaseException, doing: str = "to load") -> FailedPlugin | None:
        """Remember a failure and return it; None if this plugin has failed in the same way before."""
        if any((each.name, each.distribution, each.doing) == (name, distribution, doing) for each in self.failed):
            return None
        self.failed.append(FailedPlugin(name, distribution, error, doing))
        return self.failed[-1]


def _paths_of(module: str) -> tuple[str, ...]:
    """Return the directory of the package that a module is in, or its file if it is in none."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if not file:
        return ()
    is_in_package = "." in module or hasattr(loaded, "__path__")
    return (os.path.join(os.path.dirname(file), "") if is_in_package else file,)


def _is_function(plugin: object, name: str) -> bool:
    value = getattr(plugin, name, None)
    return callable(value) and not isinstance(value, type)


@dataclass
class Loaded:
    """What this process has loaded.

    Attributes:
        plugins: The plugins, None before they are needed.
        observing: The plugins if one of them observes calls; False before that is known.
        registries: What plugins have added by name, by its kind.
    """

    plugins: Plugins | None = None
    observing: Plugins | bool | None = False
    registries: dict[str, Registry[Any]] = field(default_factory=dict)


LOCK = ForkLock()
LOADED = Loaded()
"""What has been loaded so far; `plugins` and `observing` load what is missing."""


def plugins() -> Plugins:
    """Return the plugins, loaded when this is first called."""
    with LOCK:
        if LOADED.plugins is None:
            # Set before anything is loaded: a plugin may use embedonce while it is imported.
            LOADED.plugins = Plugins()
            try:
                LOADED.plugins.load_installed()
                # One of them may have asked who observes before the last one was loaded.
                LOADED.observing = False
            except BaseException:
                LOADED.plugins = None
                raise
        return LOADED.plugins


def registry(kind: str, build: Callable[[Plugins], Registry[Any]]) -> Registry[Any]:
    """Return what plugins have added of one kind, collected when it is first asked for."""
    with LOCK:
        if kind not in LOADED.registries:
            LOADED.registries[kind] = build(plugins())
        return LOADED.registries[kind]


def observing() -> Plugins | None:
    """Return the plugins if one of them observes calls, else None."""
    found = LOADED.observing
    if isinstance(found, bool):
        with LOCK:
            loaded = plugins()
            found = LOADED.observing = loaded if loaded.are_observing else None
    return found


def register_plugin(plugin: object, name: str) -> None:
    """Add a plugin of this program, beside those that distributions bring.

    Args:
        plugin: A module or an object whose functions are marked with `hookimpl`.
        name: Its name, in messages.

    Raises:
        PluginError: There is a plugin of this name already, or the object is not a plugin.
    """
    with LOCK:
        plugins().register(plugin, name)
        # They are collected again when next asked for, with what this plugin adds.
        LOADED.registries.clear()
        LOADED.observing = False
