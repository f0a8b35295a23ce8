"""What becomes of a plugin: it is loaded, it fails, or the user has switched it off."""

from __future__ import annotations

from dataclasses import dataclass

from embedonce.errors import PluginError


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that is loaded.

    Attributes:
        name: Its entry point's name.
        distribution: The distribution that brought it, with its version.
        version: The version alone: that of key encoders of this plugin that declare none.
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
        doing: What it failed at, such as `to load` or `in embedonce_wrap`.
    """

    name: str
    distribution: str
    error: BaseException
    doing: str = "to load"

    @property
    def is_refusal(self) -> bool:
        """True for an error about the embedder or the user's options, rather than a fault of the plugin."""
        return isinstance(self.error, TypeError | ValueError)

    @property
    def reason(self) -> str:
        """The error as text."""
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
