"""The options of caches and of wrappers: every default and every check stands here, and nowhere else."""

from __future__ import annotations

import operator
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from embedonce.identity import Identity, as_identity
from embedonce.keys.specification import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Self

    from embedonce.keys.encoders import KeyEncoder
    from embedonce.vectors.codecs import Codec

Mode = Literal["read_write", "read_only", "refresh", "replay", "off"]
MODES: tuple[str, ...] = get_args(Mode)

Auto = Literal["auto"]

OnStoreError = Literal["warn", "raise"]
ON_STORE_ERROR: tuple[str, ...] = get_args(OnStoreError)

Durability = Literal["write_behind", "write_through"]
DURABILITIES: tuple[str, ...] = get_args(Durability)

# Made into a path, a URL loses a slash. One letter before a colon is a Windows drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+._-]+):(/|:)")


def checked_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Return the value of an option that must be one of a few.

    Raises:
        ValueError: It is not one of them.
    """
    # Something else may not be comparable, such as an array.
    if not isinstance(value, str) or value not in choices:
        msg = f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}"
        raise ValueError(msg)
    return value


def checked_flag(name: str, value: Any) -> bool:
    """Return the value of an option that is True or False.

    Raises:
        ValueError: It is neither. A string such as "false" would count as true.
    """
    if not isinstance(value, bool):
        msg = f"{name} must be True or False; got {value!r}"
        raise ValueError(msg)
    return value


_MOST_SECONDS = 1e10


def checked_age(older_than: float | timedelta | None) -> float | None:
    """Return an age in seconds.

    Raises:
        ValueError: It is not a number of seconds, negative, or longer than any store can be old.
    """
    seconds = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
    if seconds is not None and not _is_seconds(seconds):
        msg = (
            f"older_than must be a number of seconds from 0 to {_MOST_SECONDS:.0e} (300 years), or a timedelta; "
            f"got {older_than!r}"
        )
        raise ValueError(msg)
    return seconds


def moment_before(age: float | None, now: float | None) -> int:
    """Return the moment that was so many seconds ago, in microseconds since 1970; 0 without an age or before 1970.

    Raises:
        ValueError: `now` is not a number of seconds since 1970.
    """
    if now is not None and not _is_seconds(now):
        msg = f"now must be a number of seconds since 1970, or None; got {now!r}"
        raise ValueError(msg)
    return 0 if age is None else max(0, int(((time.time() if now is None else now) - age) * 1e6))


def _is_seconds(value: Any) -> bool:
    # Compared before anything is calculated: not every whole number fits into a float.
    return _is_number(value) and 0 <= value <= _MOST_SECONDS


def checked_bytes(max_bytes: int | None) -> None:
    """Check a size.

    Raises:
        ValueError: It is not a whole number, or negative.
    """
    if max_bytes is not None and (isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0):
        msg = f"max_bytes must be a whole number of at least 0; got {max_bytes!r}"
        raise ValueError(msg)


def checked_batch_size(batch_size: Any) -> Any:
    """Return a batch size: a positive number, None or `"auto"`.

    Raises:
        ValueError: It is not one of these.
    """
    if batch_size is None or _is_auto(batch_size):
        return batch_size
    try:
        size = 0 if isinstance(batch_size, bool) else operator.index(batch_size)
    except TypeError:
        size = 0
    if size < 1:
        msg = f"batch_size must be a whole number of at least 1, or None for all texts at once; got {batch_size!r}"
        raise ValueError(msg)
    return size


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def batch_size_of(*batch_sizes: Any) -> int | Auto | None:
    """Return the first of some batch sizes that is not `"auto"`, if there is one.

    Raises:
        ValueError: It is not a batch size.
    """
    for size in batch_sizes:
        if not _is_auto(size):
            return size if size is None else int(checked_batch_size(size))
    return "auto"


def checked_storage_options(given: Any) -> dict[str, Any]:
    """Return the options of a file system, none for None.

    Raises:
        ValueError: It is not a mapping. The message shows no values, which may be secrets.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        msg = f"storage_options must be a dict of options, got {type(given).__name__}"
        raise ValueError(msg)
    return dict(given)


def checked_target(namespace: str | Identity, role: str) -> tuple[Identity, str]:
    """Return the identity and the role under which vectors are kept."""
    checked_choice("role", role, ROLES)
    identity = namespace if isinstance(namespace, Identity) else as_identity(namespace)
    return identity, "document" if identity.symmetric else role


@dataclass(frozen=True)
class StoreOptions:
    """How a segment store treats a place where every request takes time and costs money.

    Attributes:
        durability: `write_behind`: a few vectors wait for others, for ten seconds at most; `write_through`: every
            write is a request of its own that is answered before it returns. Local paths are always written through.
        refresh_interval: Seconds for which a listing is trusted when something is not found; None for what suits
            the place: 30 on a distant one, 0 on a local one, where looking is cheap.
        local_tier: A directory for what was read from a distant place, True for one in the user's cache directory,
            False for none.
        local_tier_bytes: Most bytes that the local tier takes.

    Raises:
        ValueError: An option is not one of those listed.
    """

    durability: Durability = "write_behind"
    refresh_interval: float | None = None
    local_tier: bool | str | os.PathLike[str] = False
    local_tier_bytes: int = 2 << 30

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return the options that keyword arguments name.

        Raises:
            TypeError: An argument is unknown.
            ValueError: An argument is not one of those listed.
        """
        _check_known(given, [each.name for each in fields(cls)])
        return cls(**given)

    def __post_init__(self) -> None:
        checked_choice("durability", self.durability, DURABILITIES)
        interval = self.refresh_interval
        if interval is not None and not (_is_number(interval) and 0 <= interval <= _LONGEST_INTERVAL):
            msg = f"refresh_interval must be seconds from 0 to {_LONGEST_INTERVAL}, or None; got {interval!r}"
            raise ValueError(msg)
        tier = os.fspath(self.local_tier) if isinstance(self.local_tier, str | os.PathLike) else self.local_tier
        if not isinstance(tier, bool | str) or (isinstance(tier, str) and ("\0" in tier or not tier.strip())):
            msg = f"local_tier must be True, False or the path of a directory; got {self.local_tier!r}"
            raise ValueError(msg)
        if url := _URL.match(str(self.local_tier)):
            # The message shows the scheme alone: there may be a password in the rest.
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
    def changed(self) -> list[str]:
        """The names of the options that differ from their defaults."""
        return [each.name for each in fields(self) if getattr(self, each.name) != each.default]

    @property
    def tier_directory(self) -> Path | None:
        """The directory of the local tier, None without one."""
        if self.local_tier is False:
            return None
        if self.local_tier is True:
            from platformdirs import user_cache_path

            return user_cache_path("embedonce-tier")
        return Path(os.path.abspath(Path(self.local_tier).expanduser()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_LONGEST_INTERVAL = 10**9

STORE_DEFAULTS = StoreOptions()


@dataclass(frozen=True, kw_only=True)
class CacheOptions(StoreOptions):
    """The options of an `EmbeddingCache`, which documents them.

    The key encoder, the codec and the options of a file system are checked by who knows them, which may be a plugin.

    Raises:
        ValueError: An option is not one of those listed.
    """

    # It may hold credentials.
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    key_encoder: str | Callable[[str], str] | KeyEncoder = "sha256"
    codec: str | Codec = "exact"
    mode: Mode = "read_write"
    batch_size: int | Auto | None = "auto"
    on_store_error: OnStoreError = "warn"
    text_safe: bool = False
    split_on_error: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_storage_options(self.storage_options)
        checked_choice("mode", self.mode, MODES)
        checked_choice("on_store_error", self.on_store_error, ON_STORE_ERROR)
        object.__setattr__(self, "batch_size", checked_batch_size(self.batch_size))
        checked_flag("text_safe", self.text_safe)
        checked_flag("split_on_error", self.split_on_error)

    @property
    def for_store(self) -> StoreOptions:
        """The options that a segment store takes."""
        return StoreOptions(**{each.name: getattr(self, each.name) for each in fields(StoreOptions)})


@dataclass(frozen=True)
class WrapOptions:
    """The options of a wrapper: what a user says about an embedder when wrapping it.

    Attributes:
        namespace: The whole identity, instead of the one that is derived from the embedder.
        version: A salt for what a name does not show, such as a model that was replaced under its name.
        symmetric: True if documents and queries are embedded alike; None to rely on what is known of the embedder.
        batch_size: Texts that are embedded between two writes, None for all at once.
    """

    namespace: str | Identity | None = None
    version: str | int | None = None
    symmetric: bool | None = None
    batch_size: int | Auto | None = "auto"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> WrapOptions:
        """Return the options that keyword arguments name.

        Raises:
            TypeError: An argument is unknown.
            ValueError: An argument is not one of those listed.
        """
        _check_known(given, [each.name for each in fields(cls)])
        return cls(**given)

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch_size", checked_batch_size(self.batch_size))
        if self.symmetric is not None and not isinstance(self.symmetric, bool):
            msg = f"symmetric must be True, False or None; got {self.symmetric!r}"
            raise ValueError(msg)
        version = self.version
        if version is not None and (isinstance(version, bool) or not isinstance(version, str | int)):
            msg = f"version must be a string, a whole number or None; got a {type(version).__name__}"
            raise ValueError(msg)
        if version == "":
            # It would count as none at all, such as where an environment variable is not set.
            msg = "version must not be empty; give a name for what the model was replaced by, or None"
            raise ValueError(msg)
        if self.namespace is not None:
            as_identity(self.namespace)

    def applied_to(self, identity: Identity) -> Identity:
        """Return an identity with these options."""
        if self.symmetric is not None:
            identity = replace(identity, symmetric=self.symmetric)
        return identity if self.version is None else identity.with_additions({"version": str(self.version)})


class StoreKeywords(TypedDict, total=False):
    """The keyword arguments that make `StoreOptions`, for the type checker."""

    durability: Durability
    refresh_interval: float | None
    local_tier: bool | str | os.PathLike[str]
    local_tier_bytes: int


class WrapKeywords(StoreKeywords, total=False):
    """The keyword arguments of `wrap`, for the type checker; constructors of adapters take them too."""

    namespace: str | Identity | None
    version: str | int | None
    symmetric: bool | None
    batch_size: int | Auto | None
    key_encoder: str | Callable[[str], str] | KeyEncoder
    codec: str | Codec
    mode: Mode
    storage_options: Mapping[str, Any] | None
    on_store_error: OnStoreError
    text_safe: bool
    split_on_error: bool


def wrap_defaults() -> dict[str, Any]:
    """Return the keyword arguments of `wrap` with their defaults."""
    return {each.name: each.default for each in (*fields(WrapOptions), *fields(CacheOptions))}


def split_keywords(given: Mapping[str, Any]) -> tuple[CacheOptions, WrapOptions]:
    """Return the options that keyword arguments of `wrap` name; a `batch_size` is that of the wrapper.

    Raises:
        TypeError: An argument is unknown.
        ValueError: An argument is not one of those listed.
    """
    _check_known(given, list(wrap_defaults()))
    of_wrapper = {each.name for each in fields(WrapOptions)}
    cache_options = CacheOptions(**{name: value for name, value in given.items() if name not in of_wrapper})
    return cache_options, WrapOptions(**{name: value for name, value in given.items() if name in of_wrapper})


def _check_known(given: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = sorted(given.keys() - set(known))
    if unknown:
        msg = f"unknown option {', '.join(unknown)}; known: {', '.join(known)}"
        raise TypeError(msg)


def checked_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list.

    Raises:
        TypeError: It is one string instead of a list, or something in it is not a str.
    """
    if type(texts) is list and len(texts) == 1 and type(texts[0]) is str:
        return [texts[0]]
    if isinstance(texts, str | bytes):
        msg = f"texts must be a list of str, got one {type(texts).__name__}; put it into a list"
        raise TypeError(msg)
    if not hasattr(type(texts), "__iter__") and not hasattr(type(texts), "__getitem__"):
        msg = f"texts must be a list of str, got {type(texts).__name__}"
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
