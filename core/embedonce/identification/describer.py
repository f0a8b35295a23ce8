"""Find out what an embedder computes, without calling it and without importing its package.

A class is recognised by its package and its name. For a known class, a list of fields decides. For any other class all
fields decide except those that are certainly secret or operational, and an embedder with a field that cannot be written
down is refused: two embedders that only look alike must never share vectors.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embedonce import remedies
from embedonce.errors import IdentityError
from embedonce.identification.fields.frozen import Same, changed_between, frozen, frozen_fields
from embedonce.identification.fields.held import fields_of, settled, without_underscores
from embedonce.identification.fields.ignored import check_ignores
from embedonce.identification.known_classes import Description, apart
from embedonce.identification.routing.added import ADDED, Added, with_added
from embedonce.identification.sending.requests import Requests, request_size
from embedonce.identification.settings.files import LOCAL, local_files
from embedonce.identification.settings.paths import Paths, read
from embedonce.identification.settings.plain import UnclearSettingError
from embedonce.identity import Identity, declared_identity
from embedonce.secrets import certainly_secret, stand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from embedonce.hookspecs import Cache
    from embedonce.identification.known_classes import KnownClass
    from embedonce.options import Auto, WrapOptions

# Fields that may name the model of an unknown class, the most specific one first.
_NAMES_THE_MODEL = (
    "model",
    "model_name",
    "model_id",
    "model_name_or_path",
    "model_path",
    "model_uri",
    "embedding_model",
    "embedding_model_name",
    "deployment",
    "deployment_name",
    "deployment_id",
    "azure_deployment",
    "repo_id",
    "engine",
    "endpoint_name",
)
# Further ones where none of those does; an endpoint may also be an address.
_MAY_NAME_IT = ("model_uid", "endpoint")
_NAME = re.compile(r"[\w-]+")
_BATCH_FIELDS = ("embed_batch_size", "batch_size", "chunk_size", "max_batch_size")
_DECLARED = "embedonce_identity"
_MISSING = object()
_NOTHING: Mapping[str, Any] = {}


class _Known(NamedTuple):
    """A known class, prepared for quick reading.

    Attributes:
        base: The known class: that of the embedder or a base of it.
        row: What is known of it.
        paths: What the row reads.
        added: What is added to requests.
        batch: What its function `batch` reads; None if it has none.
    """

    base: type
    row: KnownClass
    paths: Paths
    added: Added
    batch: Paths | None

    def values(self, embedder: object) -> dict[object, Any]:
        """Return all that decides the vectors of an embedder."""
        values, clients = self.paths.values_and_clients(embedder)
        values[ADDED] = self.added.of(embedder, clients, values)
        return values


class Describer:
    """Describes the embedders of one framework.

    Args:
        rows: What is known of classes, by package and name.
        package_depth: How many names of a class's module are its package; the rest may move between versions.
        bases: Packages whose classes add no fields that matter to an embedder that inherits from them.
        placeholders: Names of models that name no model, such as a default.
        refuses: Returns why an embedder must not be cached, for reasons that do not depend on its class; else an
            empty string.
        added: Parameters that calls add to identities, which no field of a subclass may meet.
    """

    def __init__(
        self,
        rows: Mapping[tuple[str, str], KnownClass],
        *,
        package_depth: int = 1,
        bases: Collection[str] = (),
        placeholders: Collection[str] = (),
        refuses: Callable[[object], str] = lambda _: "",
        added: Collection[str] = (),
    ) -> None:
        self._rows = rows
        self._package_depth = package_depth
        self._bases = tuple(bases)
        self._placeholders = frozenset(placeholders)
        self._refuses = refuses
        self._added = frozenset(added)
        self._known = lru_cache(maxsize=256)(self._look_up)

    def describe(self, embedder: object) -> Description:
        """Return what decides the vectors of an embedder.

        An attribute `embedonce_identity` decides alone. A subclass of a known class counts as that class plus its own
        name and fields, and never as symmetric, since it may override anything.

        Args:
            embedder: Any embedder of the framework; it is neither changed nor called.

        Raises:
            IdentityError: The embedder cannot be distinguished from another one.
        """
        declared = _declared(embedder)
        try:
            refused = self._refuses(embedder)
            if refused:
                return Description(None, not_cacheable=refused)
            if declared is not _MISSING:
                return Description(declared_identity(declared))
            return self._describe(embedder)
        except (ValueError, TypeError, AttributeError) as error:
            if isinstance(error, IdentityError) and error.__cause__ is not None:
                # Raised for the embedder inside a wrapper, and complete.
                raise
            is_ours = isinstance(error, UnclearSettingError | IdentityError)
            # Other errors may quote a value, and a value may be a secret.
            reason = str(error) if is_ours else f"one of its fields holds something unexpected ({type(error).__name__})"
            msg = f"cannot identify the vectors of {_path(type(embedder))}: {reason}{self._remedies(embedder, error)}"
            raise IdentityError(msg) from error

    def _remedies(self, embedder: object, error: Exception) -> str:
        """Return the lines that help after a refusal, for the end of the message."""
        kind: type = type(embedder)
        known = self._known(kind)
        lines = f". Name the model, {remedies.RAISE_IT}: {remedies.wrapping()}"
        if known is not None and known.base is kind:
            # A class of others, which a user does not change.
            return lines
        lines = f"{lines}, or in the class: {remedies.declaring(kind)}"
        field = error.field if isinstance(error, UnclearSettingError) else ""
        if not field:
            return lines
        return f"{lines}. If {field!r} decides nothing about vectors, in the class: {remedies.ignoring([field], kind)}"

    def is_known(self, embedder: object) -> bool:
        """Return whether an embedder declares its identity or is of a class that the table knows."""
        kind: type = type(embedder)
        return _declared(embedder) is not _MISSING or self._known(kind) is not None

    def fingerprint(self, embedder: object) -> object:
        """Return a value that compares equal as long as `describe` would answer the same.

        It is read at every call, because a model or a dimension may be changed after an embedder was wrapped. Files of
        a local model are not looked at again: a model that is loaded stays as it is when its files change.
        """
        refused = self._refuses(embedder)
        if refused:
            return refused
        declared = _declared(embedder)
        if declared is not _MISSING:
            return (_DECLARED, declared if isinstance(declared, Identity | str) else Same(declared))
        kind: type = type(embedder)
        known = self._known(kind)
        if known is None:
            return (kind, frozen_fields(self._fields(embedder)))
        values = known.values(embedder).values()
        # Most values are strings or unset: a call for each of them would take longer than all the rest.
        now = tuple([each if each is None or each.__class__ is str else frozen(each) for each in values])
        return (kind, now) if known.base is kind else (kind, now, frozen_fields(self._own_fields(embedder, known)))

    def changes(self, before: object, after: object) -> list[str]:
        """Return the fields that differ between two fingerprints, as far as fields of the class itself do."""
        return changed_between(before, after)

    def requests(self, embedder: object, arguments: Mapping[str, Any] = _NOTHING) -> Requests | None:
        """Return how an embedder sends the texts of a call; None if that is not known.

        It is read at every call, like the fingerprint.

        Args:
            embedder: The embedder.
            arguments: Further arguments of the call, which may set the size of a request for this call alone.
        """
        kind: type = type(embedder)
        known = self._known(kind)
        found = self._requests_of_unknown(embedder) if known is None else _requests_of_known(embedder, known)
        size = _size_among(map(arguments.get, _BATCH_FIELDS)) if arguments else 0
        if not size:
            return found
        return Requests(size) if found is None else replace(found, size=size)

    def _requests_of_unknown(self, embedder: object) -> Requests | None:
        """Return how an embedder of an unknown class sends texts, as far as a field for the size of a request tells."""
        size = _size_among(read(embedder, (name,)) for name in _BATCH_FIELDS)
        return Requests(size) if size else None

    def sub_batch(
        self,
        embedder: object,
        *,
        texts: Sequence[str] = (),
        arguments: Mapping[str, Any] = _NOTHING,
        is_async: bool = False,
    ) -> int | Auto:
        """Return how many texts to send between two writes to the store; see `Requests.between_writes`.

        It is `"auto"` for an embedder whose requests are not known: the cache then goes by how long it takes.
        """
        requests = self.requests(embedder, arguments)
        return "auto" if requests is None else requests.between_writes(texts, is_async=is_async)

    def batch_size(
        self,
        embedder: object,
        cache: Cache,
        options: WrapOptions,
        **call: Any,
    ) -> int | Auto | None:
        """Return the texts between two writes: the option of the wrapper, else that of the cache, else `sub_batch`."""
        for size in (options.batch_size, cache.batch_size):
            if size != "auto":
                return size
        # Nothing is embedded in a replay, and a property of the embedder might send a request.
        return None if cache.mode == "replay" else self.sub_batch(embedder, **call)

    # Known classes

    def _look_up(self, kind: type) -> _Known | None:
        """Return what is known of the nearest known class."""
        for base in kind.__mro__:
            row = self._rows.get(self._package_and_name(base))
            if row is not None:
                batch = Paths(row.batch) if callable(row.batch) else None
                return _Known(base, row, Paths(row.describe), Added(row.adds), batch)
        return None

    def _package_and_name(self, kind: type) -> tuple[str, str]:
        return ".".join(kind.__module__.split(".")[: self._package_depth]), kind.__name__

    def _describe(self, embedder: object) -> Description:
        kind: type = type(embedder)
        known = self._known(kind)
        if known is None:
            check_ignores(embedder)
            return Description(self._identity_of_unknown(embedder))
        if known.base is not kind:
            check_ignores(embedder, known.paths.names | known.added.names)
        values = known.values(embedder)
        found = known.paths.called_with(values)
        description = Description(found) if isinstance(found, Identity) else found
        if description.identity is not None:
            description = replace(description, identity=with_added(description.identity, values))
        if known.base is kind or description.identity is None:
            return description
        base = replace(description.identity, symmetric=False, dimensions=None)
        own, known_names = settled(self._own_fields(embedder, known)), dict(base.parameters).keys() - self._added
        # A field that is empty is told apart from one whose value would stand where that of the known class stands.
        unset = sorted(name for name in own.keys() & known_names if not own[name] and own[name] not in (0, False))
        identity = base.with_parameters({**apart(own, known_names | self._added), "field unset": unset})
        identity = identity.with_additions({"class": _importable(kind)})
        return Description(identity, whole_up_to=description.whole_up_to, is_sync_only=description.is_sync_only)

    def _own_fields(self, embedder: object, known: _Known) -> dict[str, Any]:
        """Return the fields that a subclass of a known class adds."""
        row, base = known.row, known.base
        theirs = known.paths.names | known.added.names | {path.partition(".")[0] for path in row.ignores.split()}
        for listing in ("__pydantic_fields__", "model_fields", "__private_attributes__"):
            listed = getattr(base, listing, None)
            if isinstance(listed, dict):
                theirs.update(listed)
        own = self._fields(embedder, below=base)
        return {name: value for name, value in own.items() if name not in theirs}

    # Unknown classes

    def _fields(self, embedder: object, below: type | None = None) -> dict[str, Any]:
        """Return all that may decide the vectors of an embedder; see `fields_of`."""
        return fields_of(embedder, self._bases, below)

    def _identity_of_unknown(self, embedder: object) -> Identity:
        provider = _importable(type(embedder))
        fields = settled(self._fields(embedder), _NAMES_THE_MODEL)
        by_name = {without_underscores(name): name for name, value in reversed(fields.items()) if self._may_name(value)}
        chosen = next((by_name[name] for name in (*_NAMES_THE_MODEL, *_MAY_NAME_IT) if name in by_name), None)
        if chosen is not None and without_underscores(chosen) == "endpoint" and not _NAME.fullmatch(fields[chosen]):
            chosen = None
        if chosen is None:
            msg = f"no field names its model (looked for {', '.join(_NAMES_THE_MODEL[:4])} and the like)"
            raise UnclearSettingError(msg)
        files = {
            f"{name}_{key}": digest
            for name in by_name.values()
            if without_underscores(name) in _NAMES_THE_MODEL
            for key, digest in local_files(fields[name]).items()
        }
        for name in [name for name in fields if f"{name}_files" in files and Path(fields[name]).is_absolute()]:
            # What the files hold says more than where they are. Another name may be that of a folder by chance.
            fields[name] = LOCAL
        model = fields.pop(chosen)
        identity = Identity.of(provider, stand_in(model) if certainly_secret(model, is_name=True) else model)
        for name in [name for name in fields if without_underscores(name) in _NAMES_THE_MODEL]:
            if isinstance(fields[name], str) and fields[name] in self._placeholders:
                del fields[name]
        return identity.with_parameters({**apart(fields, files), **files})

    def _may_name(self, value: object) -> bool:
        return isinstance(value, str) and bool(value) and value not in self._placeholders


# How requests are sent


def _requests_of_known(embedder: object, known: _Known) -> Requests | None:
    batch = known.row.batch
    if known.batch is not None:
        found: Requests | None = known.batch.called_with(known.batch.values(embedder))
        return found
    if batch == "auto":
        return None
    if isinstance(batch, int):
        return Requests(batch)
    assert isinstance(batch, tuple)
    path, default = batch
    return Requests(request_size(read(embedder, tuple(path.split("."))), default))


def _size_among(values: Iterable[Any]) -> int:
    """Return the first value that can be the size of a request, 0 if there is none."""
    return next(filter(None, (request_size(value, 0) for value in values)), 0)


# Names and attributes of classes


def _importable(kind: type) -> str:
    """Return the dotted path of a class that is the same in every process.

    Raises:
        UnclearSettingError: The class belongs to a script, a notebook or a function.
    """
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        msg = "its class is defined in a script, a notebook or a function, where another class may have the same name"
        raise UnclearSettingError(msg)
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is not kind:
        msg = f"its class cannot be imported as {_path(kind)}"
        raise UnclearSettingError(msg)
    return _path(kind)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _declared(embedder: object) -> Any:
    """Return the attribute `embedonce_identity`, looked up without pydantic's slow failure."""
    own = getattr(embedder, "__dict__", None)
    if own is not None and _DECLARED in own:
        return own[_DECLARED]
    for kind in type(embedder).__mro__:
        if _DECLARED in kind.__dict__:
            return getattr(embedder, _DECLARED)
    return _MISSING
