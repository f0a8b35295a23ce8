"""What plugins add by name: key encoders, codecs, and stores by the scheme of their URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from embedonce.errors import PluginError
from embedonce.keys.encoders import BUILT_IN as BUILT_IN_KEY_ENCODERS
from embedonce.keys.encoders import KeyEncoder
from embedonce.plugins.discovery import KEY_ENCODER_GROUP, Switches, installed
from embedonce.plugins.host import registry
from embedonce.plugins.registry import Registry, SwitchedOffError
from embedonce.vectors.codecs import BUILT_IN as BUILT_IN_CODECS
from embedonce.vectors.codecs import Codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedonce.plugins.discovery import Installed
    from embedonce.plugins.host import Plugins
    from embedonce.plugins.states import LoadedPlugin
    from embedonce.stores.protocol import ByteStore

    OpenStore = Callable[..., ByteStore]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+")


def key_encoders() -> Registry[KeyEncoder]:
    """Return the key encoders of plugins and entry points."""
    return registry("key encoder", _key_encoders)


def codecs() -> Registry[Codec]:
    """Return the codecs of plugins."""
    return registry("codec", _codecs)


def stores() -> Registry[OpenStore]:
    """Return the functions that open the stores of plugins, by scheme."""
    return registry("store", _stores)


def _key_encoders(plugins: Plugins) -> Registry[KeyEncoder]:
    # The name of a built-in encoder means the built-in one, whatever is installed.
    found: Registry[KeyEncoder] = Registry("key encoder", BUILT_IN_KEY_ENCODERS)
    switches = Switches.of()
    for name, claims in installed(KEY_ENCODER_GROUP).items():
        for each in claims:
            try:
                found.register(name, each.source, _loaded_encoder(each, switches.why_off(name)))
            except PluginError as error:
                plugins.fail(name, each.source, error)
    plugins.collect("embedonce_register_key_encoders", found, _key_encoder)
    return found


def _loaded_encoder(found: Installed, variable: str) -> KeyEncoder | PluginError:
    if variable:
        return SwitchedOffError(f"key encoder {found.name!r} of {found.source} is switched off by {variable}")
    try:
        return KeyEncoder.of(found.name, found.point.load(), None, found.version)
    except (Exception, SystemExit) as error:
        failed = PluginError(f"key encoder {found.name!r} of {found.source} failed to load: {error!r}")
        failed.__cause__ = error
        return failed


def _key_encoder(
    plugin: LoadedPlugin, name: str, function: Callable[[str], str], version: str | None = None
) -> KeyEncoder:
    _check_callable(plugin, f"key encoder {name!r}", function)
    return KeyEncoder.of(name, function, version, plugin.version)


def _codecs(plugins: Plugins) -> Registry[Codec]:
    found: Registry[Codec] = Registry("codec", BUILT_IN_CODECS)
    plugins.collect("embedonce_register_codecs", found, _codec)
    return found


def _codec(
    plugin: LoadedPlugin,
    name: str,
    encode: Callable[[NDArray[Any]], NDArray[Any]],
    decode: Callable[[NDArray[Any]], NDArray[Any]],
    version: str = "1",
) -> Codec:
    for function in (encode, decode):
        _check_callable(plugin, f"codec {name!r}", function)
    return Codec(name, str(version), encode, decode)


def _stores(plugins: Plugins) -> Registry[OpenStore]:
    found: Registry[OpenStore] = Registry("store", _SchemesOfFsspec())
    plugins.collect("embedonce_register_stores", found, _store)
    return found


def _store(plugin: LoadedPlugin, scheme: str, open_store: OpenStore) -> OpenStore:
    if not isinstance(scheme, str) or not _SCHEME.fullmatch(scheme):
        msg = f"{plugin.distribution} adds a store for {scheme!r}, which is not a scheme; give the part before ://"
        raise PluginError(msg)
    _check_callable(plugin, f"store {scheme!r}", open_store)
    return open_store


class _SchemesOfFsspec:
    """The schemes that fsspec opens, as names that are taken."""

    def __contains__(self, scheme: object) -> bool:
        return isinstance(scheme, str) and is_known_to_fsspec(scheme)


def is_known_to_fsspec(scheme: str) -> bool:
    """True if fsspec, or a driver of it that is installed, opens URLs of a scheme."""
    from fsspec.registry import known_implementations, registry

    if scheme in known_implementations or scheme in registry or scheme == "local":
        return True
    from importlib.metadata import entry_points

    return any(point.name == scheme for point in entry_points(group="fsspec.specs"))


def _check_callable(plugin: LoadedPlugin, what: str, function: object) -> None:
    if not callable(function):
        msg = f"{plugin.distribution} adds {what} with a {type(function).__name__} instead of a function"
        raise PluginError(msg)
