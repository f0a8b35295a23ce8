"""Loading plugins and asking them: one by one, when they are first needed, and never at import.

A plugin that fails is remembered and named in the error of whoever needed it; it does not hurt the others.
"""

from __future__ import annotations

import logging
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
from embedonce.runtime.locks import ForkLock

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


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that is loaded.

    Attributes:
        name: Its entry point's name.
        distribution: The distribution that brought it, with its version.
        version: The version alone; what an encoder of this plugin has if it declares none.
        hooks: The hooks that it implements, sorted.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedPlugin:
    """A plugin that could not be loaded, or failed later.

    Attributes:
        name: Its entry point's name.
        distribution: The distribution that brought it, with its version.
        error: What happened.
        doing: What it failed at.
    """

    name: str
    distribution: str
    error: BaseException
    doing: str = "to load"

    @property
    def is_refusal(self) -> bool:
        """True for what may be said of an embedder or of the user's options, rather than be a fault of the plugin."""
        return isinstance(self.error, TypeError | ValueError)

    @property
    def reason(self) -> str:
        """What happened, in words."""
        return str(self.error) if isinstance(self.error, PluginError) else repr(self.error)

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} failed {self.doing}: {self.reason}"


@dataclass(frozen=True, slots=True)
class DisabledPlugin:
    """A plugin that the user has switched off.

    Attributes:
        name: Its entry point's name.
        distribution: The distribution that brought it, with its version.
        variable: The environment variable that does it.
    """

    name: str
    distribution: str
    variable: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} is switched off by {self.variable}"


class Plugins:
    """The plugins of this process.

    Attributes:
        loaded: Those that are loaded, by name.
        failed: Those that could not be loaded or failed at a hook.
        disabled: Those that the user has switched off.
        notes: What is odd about the user's switches.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: dict[str, LoadedPlugin] = {}
        self.failed: list[FailedPlugin] = []
        self.disabled: list[DisabledPlugin] = []
        self.notes: list[str] = []

    def load_installed(self) -> None:
        """Load what distributions bring."""
        switches, found = Switches.of(), installed(PLUGIN_GROUP)
        unknown = switches.unknown({*found, *installed(KEY_ENCODER_GROUP)})
        self.notes += [
            f"{ONLY_VARIABLE} or {DISABLED_VARIABLE} names {name!r}, which nothing brings" for name in unknown
        ]
        # Whoever is registered last is asked first: plugins of strangers go before those of embedonce itself.
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
            PluginError: A plugin of this name is there already, or it is none.
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
        """What is not there to help, for the end of an error message."""
        return "".join(f"; {each}" for each in (*self.failed, *self.disabled, *self.notes))

    # Asking

    def wrap(self, embedder: object, cache: Cache, options: WrapOptions) -> tuple[Any, list[FailedPlugin]]:
        """Return the wrapper of whoever recognises an embedder, None if nobody does; and who failed looking at it.

        Raises:
            EmbedOnceError: Whoever recognises it refuses it.
        """
        return self._first("embedonce_wrap", embedder=embedder, cache=cache, options=options)

    def identify(self, embedder: object) -> Identity | None:
        """Return the identity of an embedder, None if nobody knows it.

        Raises:
            EmbedOnceError: Whoever knows it refuses it.
            PluginError: Nobody knows it, and a plugin failed looking at it.
        """
        identity, failed = self._first("embedonce_identify", embedder=embedder)
        if identity is None and failed:
            raise PluginError(str(failed[0])) from failed[0].error
        found: Identity | None = identity
        return found

    def collect(self, hook: str, named: Registry[Any], make: Callable[..., Any]) -> None:
        """Let every plugin add named things.

        Args:
            hook: The hook that hands over a function `register`.
            named: Where they are added.
            make: Turns what is given to `register`, after the plugin and the name, into the thing.
        """
        for plugin, call in self._implementations(hook):
            try:
                call(register=partial(self._register, hook, plugin, named, make))
            except Exception as error:
                self.fail(plugin.name, plugin.distribution, error, f"in {hook}")

    def _register(
        self,
        hook: str,
        plugin: LoadedPlugin,
        named: Registry[Any],
        make: Callable[..., Any],
        /,
        name: str,
        *given: Any,
        **options: Any,
    ) -> None:
        try:
            named.add(name, plugin.distribution, make(plugin, name, *given, **options))
        except PluginError as error:
            # The others that this plugin adds may be all right.
            self.fail(plugin.name, plugin.distribution, error, f"in {hook}")

    def demos(self) -> list[Demo]:
        """Return what plugins show in `embedonce demo`, without those that fail at it."""
        found = []
        for plugin, call in self._implementations("embedonce_demo"):
            try:
                demo = call()
            except Exception as error:
                self.fail(plugin.name, plugin.distribution, error, "in embedonce_demo")
            else:
                if demo is not None:
                    found.append(demo)
        return found

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
                failed = self.fail(plugin.name, plugin.distribution, error, "in embedonce_on_embed")
                if failed is not None:
                    logger.warning("%s (further failures are not logged)", failed)

    def _implementations(self, hook: str) -> Iterator[tuple[LoadedPlugin, Callable[..., Any]]]:
        """Yield who implements a hook, in the order in which pluggy would ask, and how to call each by itself."""
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
                # It knows the embedder, and has a reason.
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
        except (Exception, SystemExit) as error:
            self.fail(found.name, found.source, error)

    def _add(self, plugin: object, name: str, distribution: str, version: str) -> None:
        """Register a plugin, or leave no trace of it.

        Raises:
            ValueError: It is registered already, under another name perhaps.
            PluginError: It has nothing that embedonce could call.
            pluggy.PluginValidationError: One of its hooks, or an argument of one, does not exist.
        """
        self._manager.register(plugin, name=name)
        try:
            # One plugin at a time: a hook that does not exist is the error of the one that brings it.
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
        """Remember a failure; None if this plugin has failed at the same thing before."""
        if any((each.name, each.distribution, each.doing) == (name, distribution, doing) for each in self.failed):
            return None
        self.failed.append(FailedPlugin(name, distribution, error, doing))
        return self.failed[-1]


def _is_function(plugin: object, name: str) -> bool:
    value = getattr(plugin, name, None)
    return callable(value) and not isinstance(value, type)


@dataclass
class _Loaded:
    """What this process has loaded.

    Attributes:
        plugins: The plugins, None before they are needed.
        observing: The plugins if one of them observes calls; False before that is known.
        named: The things that plugins have added, by kind; see `registries`.
    """

    plugins: Plugins | None = None
    observing: Plugins | bool | None = False
    named: dict[str, Registry[Any]] = field(default_factory=dict)


LOCK = ForkLock()
_loaded = _Loaded()


def plugins() -> Plugins:
    """Return the plugins, loaded when this is first called."""
    with LOCK:
        if _loaded.plugins is None:
            # In place before anything is loaded, for a plugin that uses embedonce while it is imported.
            _loaded.plugins = Plugins()
            try:
                _loaded.plugins.load_installed()
            except BaseException:
                _loaded.plugins = None
                raise
        return _loaded.plugins


def named_things(kind: str, build: Callable[[Plugins], Registry[Any]]) -> Registry[Any]:
    """Return what plugins have added of one kind, collected when it is first asked for."""
    with LOCK:
        if kind not in _loaded.named:
            _loaded.named[kind] = build(plugins())
        return _loaded.named[kind]


def observing() -> Plugins | None:
    """Return the plugins if one of them observes calls, else None."""
    found = _loaded.observing
    if isinstance(found, bool):
        with LOCK:
            loaded = plugins()
            found = _loaded.observing = loaded if loaded.are_observing else None
    return found


def register_plugin(plugin: object, name: str) -> None:
    """Add a plugin of this program, beside those that distributions bring.

    Args:
        plugin: A module or an object whose functions are marked with `hookimpl`.
        name: Its name, in messages.

    Raises:
        PluginError: A plugin of this name is there already, or this is none.
    """
    with LOCK:
        plugins().register(plugin, name)
        # What others have added stays; what this one adds is collected with it.
        _loaded.named.clear()
        _loaded.observing = False
