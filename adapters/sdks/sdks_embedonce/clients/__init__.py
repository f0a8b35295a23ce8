"""Clients of SDKs, one module for each SDK; `known_sdk` finds the one that an object belongs to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from embedonce import PluginError

if TYPE_CHECKING:
    from sdks_embedonce.twins import Sdk

_PACKAGES = {
    "cohere": "cohere",
    "fastembed": "fastembed",
    "google.genai": "google_genai",
    "mistralai": "mistralai",
    "model2vec": "model2vec",
    "ollama": "ollama",
    "openai": "openai",
    "voyageai": "voyage",
}
"""The module here that knows the classes of a package, by the name of the package."""


def known_sdk(value: object) -> Sdk | None:
    """Return the SDK that has the class of an object; None for any other object.

    Raises:
        PluginError: The installed version of the SDK is not supported.
    """
    # A proxy, such as of a tracer, shows the class of what it stands for.
    kind: type[Any] = value.__class__
    modules = [f"{each.__module__}." for each in kind.__mro__]
    package = next((name for name in _PACKAGES if any(each.startswith(f"{name}.") for each in modules)), None)
    if package is None:
        return None
    try:
        sdk: Sdk = import_module(f"{__name__}.{_PACKAGES[package]}").SDK
    except ImportError as error:
        msg = f"wrapping {kind.__name__} needs a {package} that embedonce supports ({error}); update {package}"
        raise PluginError(msg) from error
    return sdk if sdk.attributes_of(kind) else None
