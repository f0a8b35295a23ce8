"""Every hook that a plugin may implement.

A plugin is a module or object that is named under the entry-point group `embedonce` and marks its functions with
`hookimpl`. Plugins are loaded when one of them is first needed, never by `import embedonce`, and each is called by
itself: one that fails does not affect the others. An implementation may take fewer arguments than are listed here,
which is how hooks can grow. No hook is called for each text. A plugin module imports its framework only inside its
functions, so that loading the plugin does not load the framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from numpy.typing import NDArray

    from embedonce.events import EmbedEvent
    from embedonce.identity import Identity
    from embedonce.keys.specification import Role
    from embedonce.options import Auto, Mode, WrapOptions
    from embedonce.vectors.codecs import Codec

__all__ = [
    "Cache",
    "Demo",
    "embedonce_demo",
    "embedonce_identify",
    "embedonce_on_embed",
    "embedonce_register_codecs",
    "embedonce_register_key_encoders",
    "embedonce_register_stores",
    "embedonce_wrap",
    "hookimpl",
]

PROJECT = "embedonce"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Cache(Protocol):
    """What wrappers ask of a cache; `EmbeddingCache` is one, and a test of a plugin may have a simpler one."""

    @property
    def mode(self) -> Mode:
        """The mode; in `replay` a call that cannot be answered from the cache must raise `CacheMissError`."""

    @property
    def batch_size(self) -> int | Auto | None:
        """Texts that are embedded between two writes, `"auto"` for what suits the embedder, None for all at once."""

    @property
    def codec(self) -> Codec:
        """How vectors are written."""

    @property
    def store(self) -> Any:
        """Where the vectors are kept; its `str` says where, without secrets."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the cache was made with, for wrappers that write themselves down; it may hold secrets."""

    def embed(
        self,
        texts: Iterable[str],
        embed: Callable[[list[str]], Any],
        *,
        namespace: str | Identity,
        role: Role = "document",
        batch_size: int | Auto | None = "auto",
    ) -> NDArray[Any]:
        """Return the vectors of texts, shape (n, d); see `EmbeddingCache.embed`."""

    async def aembed(
        self,
        texts: Iterable[str],
        embed: Callable[[list[str]], Any] | Callable[[list[str]], Awaitable[Any]],
        *,
        namespace: str | Identity,
        role: Role = "document",
        batch_size: int | Auto | None = "auto",
    ) -> NDArray[Any]:
        """Async twin of `embed`."""

    def open(self, namespace: str | Identity) -> Any:
        """Open a namespace now, so that errors of its place are raised before any text is embedded."""

    def agrees_with(self, other: Any) -> bool:
        """True if both do the same with the same store."""

    def wrap(self, embedder: Any, **options: Any) -> Any:
        """Return an embedder of the same framework that asks this cache first."""

    def stats(self) -> Any:
        """Return what the cache has done since it was made."""

    def flush(self) -> None:
        """Store what waits in memory."""

    def settle(self) -> None:
        """Store what waits in memory, as at the end of a job; faults are treated as `on_store_error` says."""

    def close(self) -> None:
        """Store what waits in memory and close open files."""


@dataclass(frozen=True, slots=True)
class Demo:
    """How `embedonce demo` embeds through a framework.

    Attributes:
        framework: Its name as users write it.
        package: The package that has to be importable; without it neither function is called.
        requirement: What pip has to install for it.
        model: Given an embedder with `embed_documents(texts)` and `embedonce_identity`, returns an embedder of the
            framework that asks it.
        embed: Given that embedder after `embedonce.wrap`, and texts, returns the vectors of documents.
    """

    framework: str
    package: str
    requirement: str
    model: Callable[[Any], Any]
    embed: Callable[[Any, list[str]], list[list[float]]]


@hookspec(firstresult=True)
def embedonce_wrap(embedder: object, cache: Cache, options: WrapOptions) -> Any:
    """Recognise an embedder and wrap it.

    Called by every `embedonce.wrap`, until one plugin answers. Look into `sys.modules` for the framework: an object of
    it cannot exist before the framework is imported.

    Args:
        embedder: The object that a user gave to `embedonce.wrap`.
        cache: The cache that the wrapper has to ask.
        options: What else the user gave.

    Returns:
        An embedder of the same framework type that shows `cache`, `namespace`, `identity` and `wrap_options`; None for
        an object that is not of this plugin's framework.

    Raises:
        EmbedOnceError: The embedder is of this plugin's framework and cannot be wrapped; the user gets this error.
        TypeError: Likewise, or the user's options do not fit it; the other plugins are asked, and the user gets this
            error if none of them recognises the embedder.
        ValueError: Likewise.
        Exception: Any other one counts as a fault of the plugin, and the others are asked.
    """


@hookspec(firstresult=True)
def embedonce_identify(embedder: object) -> Identity | None:
    """Identify an embedder of a class that the plugin knows.

    Called for embedders that are found inside others, until one plugin answers.

    Args:
        embedder: Any object.

    Returns:
        What decides the vectors of this embedder, None for a class that the plugin does not know.

    Raises:
        IdentityError: The class is known, and this embedder cannot be told apart from another one.
    """


@hookspec
def embedonce_register_key_encoders(register: Callable[..., None]) -> None:
    """Add named key encoders.

    Called once in a process, when a key encoder is asked for that is not built in. A single encoder needs no plugin: an
    entry point in the group `embedonce.key_encoders` that names its function does the same.

    Args:
        register: To be called with (name, function, version=None). The function maps a str to a key of 1 to 1,024
            bytes. The version is recorded with the stored data, and another one is refused; without it, that is the
            `version` of the function. If it has none, that of the distribution is recorded and not compared.
    """


@hookspec
def embedonce_register_codecs(register: Callable[..., None]) -> None:
    """Add named codecs.

    Called once in a process, when a codec is asked for that is not built in.

    Args:
        register: To be called with (name, encode, decode, version="1"); see `embedonce.Codec` for what the functions
            have to do. The name, the version and a test of both functions become part of the namespace.
    """


@hookspec
def embedonce_register_stores(register: Callable[..., None]) -> None:
    """Add byte stores by the scheme of their URLs.

    Called once in a process, when a URL is opened whose scheme fsspec does not know.

    Args:
        register: To be called with (scheme, open_store). The function is called with the URL and the user's
            `storage_options` as keyword arguments, and returns a byte store (see `embedonce.ByteStore`).
    """


@hookspec
def embedonce_on_embed(event: EmbedEvent) -> None:
    """Observe one finished call of a cache, for metrics.

    Called once at the end of each call, in the thread or task of the caller, which waits for it; an implementation that
    does more than count should hand the event over. If no plugin implements it, no event is made.

    Args:
        event: What happened: counts, bytes, seconds and the namespace; never a text.
    """


@hookspec
def embedonce_demo() -> Demo | None:
    """Show a framework in `embedonce demo`.

    Called by that command, whether the framework is installed or not: import it only inside the functions of `Demo`.

    Returns:
        How to embed through the framework, an `embedonce.hookspecs.Demo`.
    """
