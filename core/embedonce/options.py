"""What a user may say when making a cache or wrapping an embedder: values, and the checks of them."""

from __future__ import annotations

import math
import operator
import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from embedonce.identity import Identity, as_identity
from embedonce.keys.specification import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from embedonce.keys.encoders import KeyEncoder
    from embedonce.vectors.codecs import Codec

Mode = Literal["read_write", "read_only", "refresh", "replay", "off"]
MODES: tuple[str, ...] = get_args(Mode)

Auto = Literal["auto"]


def checked_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Return the value of an option that has a few names.

    Raises:
        ValueError: It is none of them.
    """
    if value not in choices:
        msg = f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}"
        raise ValueError(msg)
    return value


def checked_batch_size(batch_size: Any) -> Any:
    """Return a batch size: a positive number, None or `"auto"`.

    Raises:
        ValueError: It is something else.
    """
    if batch_size in (None, "auto"):
        return batch_size
    if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__") or operator.index(batch_size) < 1:
        msg = f"batch_size must be a whole number of at least 1, or None for all texts at once; got {batch_size!r}"
        raise ValueError(msg)
    return operator.index(batch_size)


def checked_target(namespace: str | Identity, role: str) -> tuple[Identity, str]:
    """Return the identity and the role under which vectors are kept."""
    checked_choice("role", role, ROLES)
    identity = as_identity(namespace)
    return identity, "document" if identity.symmetric else role


Durability = Literal["write_behind", "write_through"]
DURABILITIES: tuple[str, ...] = get_args(Durability)

LOCAL_TIER_BYTES = 2 << 30

# As a path, an URL has lost a slash. One letter before a colon is a Windows drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+._-]+):(/|:)")


@dataclass(frozen=True)
class StoreOptions:
    """How a segment store treats a place where every request takes time and costs money; checked when it is made.

    Attributes:
        durability: `write_behind`: a few vectors wait for others, for ten seconds at most; `write_through`: every
            write is a request of its own that is answered before it returns. Local paths are always written through.
        refresh_interval: Seconds for which a listing is believed when something is not found; None for what suits
            the place: 30 on a distant one, 0 on a near one, where looking is cheap.
        local_tier: A directory for what was read from a distant place, True for one in the user's cache directory,
            False for none.
        local_tier_bytes: Most bytes that the local tier takes.
    """

    durability: Durability = "write_behind"
    refresh_interval: float | None = None
    local_tier: bool | str | os.PathLike[str] = False
    local_tier_bytes: int = LOCAL_TIER_BYTES

    def __post_init__(self) -> None:
        if self.durability not in DURABILITIES:
            msg = f"durability must be one of {', '.join(map(repr, DURABILITIES))}; got {self.durability!r}"
            raise ValueError(msg)
        interval = self.refresh_interval
        if interval is not None and not (_is_number(interval) and 0 <= interval < math.inf):
            msg = f"refresh_interval must be a number of seconds of at least 0, or None; got {interval!r}"
            raise ValueError(msg)
        if not isinstance(self.local_tier, bool | str | os.PathLike) or self.local_tier == "":
            msg = f"local_tier must be True, False or the path of a directory; got {self.local_tier!r}"
            raise ValueError(msg)
        if url := _URL.match(str(self.local_tier)):
            # No more of it: there may be a password in it.
            msg = (
                f"local_tier must be a directory of this machine, got a URL of {url[1]}; "
                "give the path of a local directory, or True for one in the user's cache directory"
            )
            raise ValueError(msg)
        size = self.local_tier_bytes
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            msg = f"local_tier_bytes must be a whole number of at least 1; got {size!r}"
            raise ValueError(msg)

    @property
    def tier_directory(self) -> Path | None:
        """Where the local tier is, None if there is none."""
        if self.local_tier is False:
            return None
        if self.local_tier is True:
            from platformdirs import user_cache_path

            return user_cache_path("embedonce-tier")
        return Path(os.path.abspath(Path(self.local_tier).expanduser()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class WrapOptions:
    """What a user may say about an embedder when wrapping it.

    Attributes:
        namespace: The whole identity, instead of the one that is derived from the embedder.
        version: A salt for what a name does not show, such as a model that was replaced under its name.
        symmetric: True if documents and queries are embedded alike; None to rely on what is known of the embedder.
        batch_size: Texts that are embedded between two writes, None for all at once.
    """

    namespace: str | Identity | None = None
    version: str | int | None = None
    symmetric: bool | None = None
    batch_size: int | Literal["auto"] | None = "auto"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> WrapOptions:
        """Return what keyword arguments of a user say.

        Raises:
            TypeError: An argument is unknown.
            ValueError: An argument is not one of those listed.
        """
        known = [field.name for field in fields(cls)]
        unknown = given.keys() - set(known)
        if unknown:
            msg = f"unknown option {', '.join(sorted(unknown))}; known: {', '.join(known)}"
            raise TypeError(msg)
        return cls(**given)

    def __post_init__(self) -> None:
        checked_batch_size(self.batch_size)
        if self.namespace is not None:
            as_identity(self.namespace)

    def applied_to(self, identity: Identity) -> Identity:
        """Return an identity with these options."""
        if self.symmetric is not None:
            identity = replace(identity, symmetric=self.symmetric)
        if self.version is None:
            return identity
        # A class that declares a version of its own keeps it beside the user's.
        name = "wrap_version" if "version" in dict(identity.parameters) else "version"
        return identity.with_parameters({name: str(self.version)})


class WrapKeywords(TypedDict, total=False):
    """The keyword arguments of `wrap`, for the constructors of adapters that take them too."""

    namespace: str | Identity | None
    version: str | int | None
    symmetric: bool | None
    batch_size: int | Literal["auto"] | None
    key_encoder: str | Callable[[str], str] | KeyEncoder
    codec: str | Codec
    mode: Mode
    storage_options: Mapping[str, Any] | None
    on_store_error: Literal["warn", "raise"]
    text_safe: bool
    durability: Durability
    refresh_interval: float | None
    local_tier: bool | str | os.PathLike[str]
    local_tier_bytes: int


def checked_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list.

    Raises:
        TypeError: It is one string instead of several, or something in it is no str.
    """
    if type(texts) is list and len(texts) == 1 and type(texts[0]) is str:
        return [texts[0]]
    if isinstance(texts, str | bytes):
        msg = f"texts must be a list of str, got one {type(texts).__name__}; put it into a list"
        raise TypeError(msg)
    checked = list(texts)
    if not set(map(type, checked)) <= {str}:
        for i, text in enumerate(checked):
            if not isinstance(text, str):
                msg = f"texts must be str, but texts[{i}] is {type(text).__name__}; embed its text instead"
                raise TypeError(msg)
        # A subclass of str may override what decides its key.
        checked = [str.__str__(text) for text in checked]
    return checked
