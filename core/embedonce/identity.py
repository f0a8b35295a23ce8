"""Identity: everything that decides a vector besides the role and the text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from embedonce.errors import IdentityError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Readable in listings, and none of them separates one parameter from the next.
_SAFE = "/:@ \"{}[](),;.!*'+-_~|<>"


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


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two embedders answer with the same vectors.

    Two embedders share cached vectors exactly when their identities have equal `namespace` strings, whatever
    framework they come from. Build one with `Identity.of` (a provider's model) or `Identity.named` (a name that
    the user vouches for). An identity never holds a secret or an operational setting such as a time-out.

    Attributes:
        name: `provider/model`, or the name given by the user.
        parameters: Sorted pairs of a parameter's name and its value as canonical JSON.
        symmetric: True if documents and queries are embedded alike, so that they may share entries.
        dimensions: Length of the vectors if it is known beforehand; entries of another length are not served.
        namespace: The name under which vectors of this identity live: `name?parameter=value&…`, percent-encoded.

    Raises:
        IdentityError: `symmetric` is not a bool, or `dimensions` not a positive whole number.
    """

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    symmetric: bool = False
    dimensions: int | None = None
    # Made once, as every call asks for it.
    namespace: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "namespace", _namespace(self.name, self.parameters) if self.parameters else self.name)
        if type(self.symmetric) is not bool:
            msg = f"symmetric= of an identity must be True or False; got {self.symmetric!r}"
            raise IdentityError(msg)
        size = self.dimensions
        if size is not None and (type(size) is not int or size < 1):
            msg = f"dimensions= of an identity must be a whole number of at least 1, or None; got {size!r}"
            raise IdentityError(msg)

    @classmethod
    def of(cls, provider: str, model: str, *, symmetric: bool = False, **parameters: Any) -> Identity:
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
                msg = f"the {word} of an identity must be a non-empty string, got {value!r}; pass namespace= instead"
                raise IdentityError(msg)
        if "/" in provider:
            msg = f"the provider of an identity must not hold a slash, got {provider!r}"
            raise IdentityError(msg)
        dimensions = parameters.get("dimensions")
        name = f"{_quoted(provider)}/{_quoted(model)}"
        known = dimensions if type(dimensions) is int and dimensions > 0 else None
        return cls(name, symmetric=symmetric, dimensions=known).with_parameters(parameters)

    @classmethod
    def named(cls, namespace: str, *, symmetric: bool = False, dimensions: int | None = None) -> Identity:
        """Use a name that the user vouches for as the whole identity.

        Raises:
            IdentityError: The name is not a non-empty string that UTF-8 can hold, `symmetric` not a bool, or
                `dimensions` not a positive whole number.
        """
        if not isinstance(namespace, str) or not namespace.strip():
            msg = f"a namespace must be a non-empty string, got {namespace!r}; name the model, such as 'acme/e5@3'"
            raise IdentityError(msg)
        try:
            namespace.encode()
        except UnicodeEncodeError as error:
            msg = f"the namespace {namespace!r} holds a lone surrogate; use a name that UTF-8 can hold"
            raise IdentityError(msg) from error
        return cls(namespace, symmetric=symmetric, dimensions=dimensions)

    def with_parameters(self, parameters: Mapping[str, Any]) -> Identity:
        """Return this identity with further parameters; None and empty values are left out."""
        added = {
            name: _canonical_json(name, value)
            for name, value in parameters.items()
            if value is not None and not (isinstance(value, str | list | tuple | dict) and not value)
        }
        return replace(self, parameters=tuple(sorted({**dict(self.parameters), **added}.items())))

    def __str__(self) -> str:
        return self.namespace


@lru_cache(1024)
def _namespace(name: str, parameters: tuple[tuple[str, str], ...]) -> str:
    """Remembered, as wrappers refine an identity anew in each call."""
    pairs = "&".join(f"{_quoted(parameter)}={_quoted(value)}" for parameter, value in parameters)
    return f"{name}{'&' if '?' in name else '?'}{pairs}"


def as_identity(namespace: str | Identity) -> Identity:
    """Return an identity for what a caller passed as `namespace=`."""
    if isinstance(namespace, Identity):
        return namespace
    return _named(namespace) if type(namespace) is str else Identity.named(namespace)


_named = lru_cache(1024)(Identity.named)
