"""Identity: everything that decides a vector besides the role and the text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from embedonce import remedies
from embedonce.errors import IdentityError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Readable in listings, and none of them separates one parameter from the next.
_SAFE = "/:@ \"{}[](),;.!*'+-_~|<>"

ADDITIONS = {
    "averaged_beyond": "the length from which a client averages the vectors of pieces of a text",
    "call": "arguments of one call",
    "class": "the subclass of a known class",
    "codec": "how a cache writes its rows",
    "namespace": "a name beside the embedder's own identity, in LangChain's way",
    "text_fn": "a user's function that makes texts of documents",
    "through": "a framework whose client treats texts in its own way",
    "version": "the user's `version=`",
}
"""What embedonce adds to an identity, by the name of the parameter; its adapters add nothing else.

A further name would move the entries of embedders that have a parameter of it.
"""

_ESCAPE, _AGAIN = "field ", "wrap_"
_ADDED = re.compile(f"(?:{_AGAIN})*(?:{'|'.join(ADDITIONS)})")
_RESERVED = re.compile(f"(?:{_ESCAPE})*{_ADDED.pattern}")

_Pairs = tuple[tuple[str, str], ...]


def _quoted(part: str) -> str:
    try:
        return quote(part, safe=_SAFE)
    except UnicodeEncodeError as error:
        # Without the cause: its message quotes the name.
        msg = f"a name in an identity holds a lone surrogate ({type(error).__name__}); pass namespace= instead"
        raise IdentityError(msg) from None


def _canonical_json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = (
            f"parameter {name!r} of an identity must be plain JSON, got {type(value).__name__}: {error}; "
            "leave it out if it does not change vectors, else pass namespace="
        )
        raise IdentityError(msg) from error


def _as_json(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as canonical JSON, without None and empty values."""
    return {
        name: _canonical_json(name, value)
        for name, value in parameters.items()
        if value is not None and not (isinstance(value, str | list | tuple | dict) and not value)
    }


@dataclass(frozen=True)
class Identity:
    """What makes two embedders answer with the same vectors.

    Two embedders share cached vectors exactly when their identities have equal `namespace` strings, whatever
    framework they come from. Build one with `Identity.of` (a provider's model) or `Identity.named` (a name that
    the user vouches for). An identity never holds a secret or an operational setting such as a time-out.

    Identities are equal if their namespaces, `symmetric` and `dimensions` are.

    Attributes:
        name: `provider/model`, or the name given by the user.
        parameters: Sorted pairs of a parameter's name and its value as canonical JSON.
        symmetric: True if documents and queries are embedded alike, so that they may share entries.
        dimensions: Length of the vectors if it is known beforehand; entries of another length are not served.
        additions: What embedonce adds, in such pairs too; see `with_additions`.
        namespace: The name under which vectors of this identity live: `name?parameter=value&…`, percent-encoded.
        codecs: The codecs that the namespace names as those of its rows, as JSON: at most one, unless a user types
            more of them.

    Raises:
        IdentityError: The name is not a non-empty string that UTF-8 can hold, the parameters are not pairs of strings
            with different names, `symmetric` is not a bool, or `dimensions` not a positive whole number.
    """

    name: str = field(compare=False)
    parameters: _Pairs = field(default=(), compare=False)
    symmetric: bool = False
    dimensions: int | None = None
    additions: _Pairs = field(default=(), kw_only=True, compare=False)
    # Made once, as every call asks for them.
    namespace: str = field(init=False, repr=False)
    codecs: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if type(self.symmetric) is not bool:
            msg = f"symmetric= of an identity must be True or False; got {self.symmetric!r}"
            raise IdentityError(msg)
        size = self.dimensions
        if size is not None and (type(size) is not int or size < 1):
            msg = f"dimensions= of an identity must be a whole number of at least 1, or None; got {size!r}"
            raise IdentityError(msg)
        # A subclass of str may compare and print in its own way.
        name = str.__str__(self.name)
        try:
            parts = _parts(name, self.parameters, self.additions)
        except TypeError:
            # Lists cannot be remembered.
            parts = _parts(name, _pairs(self.parameters), _pairs(self.additions))
        for field_name, value in zip(("parameters", "additions", "namespace", "codecs"), parts, strict=True):
            object.__setattr__(self, field_name, value)
        object.__setattr__(self, "name", name)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is built anew, so that its namespace follows from its parts.
        return _rebuilt, (type(self), self.name, self.parameters, self.symmetric, self.dimensions, self.additions)

    @classmethod
    def of(cls, /, provider: str, model: str, *, symmetric: bool = False, **parameters: Any) -> Identity:
        """Identify a provider's model.

        Args:
            provider: Who computes the vector, such as `"openai"`; without a slash.
            model: The provider's name of the model.
            symmetric: True if the provider embeds documents and queries alike.
            **parameters: Plain JSON values that change vectors. None and empty values are left out, so that a
                parameter that a later version of a package adds does not change existing namespaces.
                A positive integer `dimensions` is also taken as the length of the vectors.

        Raises:
            IdentityError: The provider or model is empty, or a parameter is not plain JSON.
        """
        for word, value in (("provider", provider), ("model", model)):
            if not isinstance(value, str) or not value:
                shown = remedies.shown(value)
                msg = f"the {word} of an identity must be a non-empty string, got {shown}; pass namespace= instead"
                raise IdentityError(msg)
        if "/" in provider:
            msg = f"the provider of an identity must not hold a slash, got {remedies.shown(provider)}"
            raise IdentityError(msg)
        dimensions = parameters.get("dimensions")
        name = f"{_quoted(provider)}/{_quoted(model)}"
        known = dimensions if type(dimensions) is int and dimensions > 0 else None
        return cls(name, symmetric=symmetric, dimensions=known).with_parameters(parameters)

    @classmethod
    def named(cls, namespace: str, *, symmetric: bool = False, dimensions: int | None = None) -> Identity:
        """Use a name that the user vouches for as the whole identity.

        What follows a question mark in it means parameters: the namespace of another identity can be given by name.

        Raises:
            IdentityError: The name is not a non-empty string that UTF-8 can hold, `symmetric` not a bool, or
                `dimensions` not a positive whole number.
        """
        return cls(namespace, symmetric=symmetric, dimensions=dimensions)

    def with_parameters(self, parameters: Mapping[str, Any]) -> Identity:
        """Return this identity with further parameters; None and empty values are left out.

        Any name may be given. One that embedonce uses itself (see `ADDITIONS`) is written as `field NAME`, so that
        it is told apart from what embedonce adds.
        """
        merged = {**dict(self.parameters), **_as_json(parameters)}
        return replace(self, parameters=tuple(merged.items()))

    def with_additions(self, additions: Mapping[str, Any]) -> Identity:
        """Return this identity with what embedonce adds to it; None and empty values are left out.

        What was added before stays: a second `version` is written as `wrap_version`.

        Raises:
            IdentityError: A name is not one of `ADDITIONS`.
        """
        merged = dict(self.additions)
        for name, value in _as_json(additions).items():
            free = name
            while free in merged:
                free = _AGAIN + free
            merged[free] = value
        return replace(self, additions=tuple(merged.items()))

    def encoded_with(self, codec: str) -> Identity:
        """Return the identity under which a cache keeps rows that it writes with a codec.

        A namespace that names this codec already stays as it is.

        Args:
            codec: The label of the codec, empty for the exact one.

        Raises:
            IdentityError: The namespace names another codec, whose rows would be taken for vectors.
        """
        if not self.codecs:
            return self.with_additions({"codec": codec}) if codec else self
        if self.codecs == (_canonical_json("codec", codec),):
            return self
        own = f"with the codec {codec!r}" if codec else "exactly"
        msg = (
            f"the namespace {self.namespace!r} names the codec of its rows, and this cache keeps vectors {own}; pass "
            f"codec= to the cache that you ask, and the namespace without it: {_without_codecs(self.namespace)!r}"
        )
        raise IdentityError(msg)

    def listed_with(self, codec: str) -> Identity:
        """Return the identity that upkeep of a cache is about; see `encoded_with`.

        It reads no vector, so that the name may be one of a listing, whatever its codec.
        """
        return self if self.codecs else self.encoded_with(codec)

    @property
    def written(self) -> _Pairs:
        """All parameters and additions under the names that the namespace shows, sorted."""
        return _written(self.parameters, self.additions)

    def __str__(self) -> str:
        return self.namespace


def _rebuilt(kind: type[Identity], *given: Any) -> Identity:
    *others, additions = given
    return kind(*others, additions=additions)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        msg = f"a namespace must be a non-empty string, got {remedies.shown(name)}; name the model, such as 'acme/e5@3'"
        raise IdentityError(msg)
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            msg = f"the namespace {name!r} holds a lone surrogate; use a name that UTF-8 can hold"
            raise IdentityError(msg) from error


def _pairs(given: Any) -> _Pairs:
    """Return pairs of a name and JSON as tuples.

    Raises:
        IdentityError: They are not such pairs.
    """
    if isinstance(given, tuple | list):
        pairs = tuple([tuple(pair) if isinstance(pair, tuple | list) else () for pair in given])
        if all(len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], str) for pair in pairs):
            return pairs
    msg = "parameters of an identity must be pairs of a name and a value as JSON; use with_parameters"
    raise IdentityError(msg)


@lru_cache(1024)
def _parts(name: str, parameters: _Pairs, additions: _Pairs) -> tuple[_Pairs, _Pairs, str, tuple[str, ...]]:
    """Return the fields of an identity that follow from others; remembered, as wrappers refine one in each call.

    Raises:
        IdentityError: Two parameters have one name, or an addition is not one of embedonce.
    """
    parameters, additions = _pairs(parameters), _pairs(additions)
    if len(dict(parameters)) < len(parameters) or len(dict(additions)) < len(additions):
        msg = "two parameters of an identity have one name; leave one of them out"
        raise IdentityError(msg)
    if not all(_ADDED.fullmatch(each) for each, _ in additions):
        msg = f"additions to an identity must be of {', '.join(ADDITIONS)}; give what a user adds as parameters"
        raise IdentityError(msg)
    pairs = _written(parameters, additions)
    written = "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in pairs)
    namespace = f"{name}{'&' if '?' in name else '?'}{written}" if pairs else name
    return tuple(sorted(parameters)), tuple(sorted(additions)), namespace, _codecs_in(namespace)


def _written(parameters: _Pairs, additions: _Pairs) -> _Pairs:
    # What looks escaped is escaped again, so that different names stay different.
    escaped = [(_ESCAPE + name if _RESERVED.fullmatch(name) else name, value) for name, value in parameters]
    return tuple(sorted([*escaped, *additions]))


def _codecs_in(namespace: str) -> tuple[str, ...]:
    """Return the codecs that a namespace names, in any spelling that reads as one.

    A value that is not a JSON string, such as in `acme/audio?codec=opus`, is the user's own: no cache writes it so.
    """
    pairs = [pair.partition("=") for pair in re.split("[?&]", namespace.partition("?")[2])]
    values = [unquote(value) for name, _, value in pairs if unquote(name) == "codec"]
    return tuple([value for value in values if value.startswith('"')])


def _without_codecs(namespace: str) -> str:
    name, _, rest = namespace.partition("?")
    kept = [pair for pair in re.split("[?&]", rest) if not _codecs_in(f"?{pair}")]
    return f"{name}?{'&'.join(kept)}" if kept else name


def as_identity(namespace: str | Identity) -> Identity:
    """Return an identity for what a caller passed as `namespace=`."""
    if isinstance(namespace, Identity):
        return namespace
    return _named(namespace) if type(namespace) is str else Identity.named(namespace)


def declared_identity(declared: object) -> Identity:
    """Return an identity for what an embedder, its class or a function has as `embedonce_identity`.

    A str is a name that the user vouches for, as with `namespace=`, but without parameters: one that is typed could
    meet what embedonce adds itself.

    Raises:
        IdentityError: It is neither an identity nor such a name.
    """
    if isinstance(declared, Identity):
        return declared
    remedy = f"write a name, such as {remedies.declaring()}"
    if not isinstance(declared, str):
        msg = f"its `embedonce_identity` is {remedies.shown(declared)}, neither a name nor an Identity; {remedy}"
        raise IdentityError(msg)
    if "?" in declared:
        parameters = 'embedonce_identity = embedonce.Identity.of("acme", "my-model@1", pooling="mean")'
        msg = (
            f"its `embedonce_identity` is {remedies.shown(str.__str__(declared))}, and a name has no parameters; "
            f"write them as such: {parameters}"
        )
        raise IdentityError(msg)
    try:
        return as_identity(declared)
    except IdentityError as error:
        msg = f"its `embedonce_identity` is not a name: {error}; {remedy}"
        raise IdentityError(msg) from None


_named = lru_cache(1024)(Identity.named)
