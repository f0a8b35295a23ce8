"""Every hook that a plugin may implement.

A plugin is a module or object that is named under the entry-point group `embedonce` and marks its functions with
`hookimpl`. Hooks register and recognise; none of them is called per text. An implementation may take fewer arguments
than are listed here, and a plugin module must import its framework inside the functions only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedonce.cache import EmbeddingCache
    from embedonce.identity import Identity
    from embedonce.wrapping import WrapOptions

PROJECT = "embedonce"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def embedonce_wrap(embedder: object, cache: EmbeddingCache, options: WrapOptions) -> Any:
    """Recognise an embedder and wrap it.

    Args:
        embedder: The object that a user gave to `embedonce.wrap`.
        cache: The cache that the wrapper has to ask.
        options: What else the user gave.

    Returns:
        An embedder of the same framework type that shows `cache`, `namespace` and `identity`; None for an object
        that is not of this plugin's framework.
    """


@hookspec(firstresult=True)
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify an embedder of a class that the plugin knows.

    Returns:
        What decides the vectors of this embedder, None for a class that the plugin does not know.
    """


@hookspec
def embedonce_register_key_encoders(register: Callable[..., None]) -> None:
    """Add named key encoders.

    Args:
        register: To be called with (name, function, version="1"): the function maps a str to a key.
    """
