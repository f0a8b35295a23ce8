"""Which identity a wrapper uses: derived from the embedder, named by the user, or what LangChain's layout allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from embedonce.errors import IdentityError
from embedonce.identity import Identity
from langchain_embedonce.identities import Description, describe, is_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedonce.wrapping import WrapOptions

_SCALARS = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class Naming:
    """How to name what an embedder computes.

    Attributes:
        layout: `embedonce` for a cache of our own, `langchain-keys` for LangChain's keys in a byte store, `lists` for
            raw texts in a store of lists.
        options: What the user said; its namespace is the whole identity in the layout `embedonce`, and the prefix
            of the keys in the layout `langchain-keys`.
        is_vouched_for: True if the keys say what the embedder is, even where it cannot be identified.
    """

    layout: Literal["embedonce", "langchain-keys", "lists"]
    options: WrapOptions
    is_vouched_for: bool = False

    def describe(self, embedder: object) -> Description:
        """Return what decides an embedder's vectors, and how its texts reach it.

        Raises:
            IdentityError: It cannot be told apart from another embedder, and the user has not named it.
        """
        try:
            derived = describe(embedder)
        except IdentityError:
            if self.options.namespace is None and self.layout != "lists" and not self.is_vouched_for:
                raise
            derived = Description(None)
        if derived.not_cacheable:
            return replace(derived, identity=None)
        identity = self.options.applied_to(self._identity(embedder, derived.identity))
        if self.layout == "embedonce":
            return replace(derived, identity=identity)
        # LangChain's keys are those of the texts as they are given.
        return Description(identity)

    def _identity(self, embedder: object, derived: Identity | None) -> Identity:
        named = self.options.namespace
        if self.layout == "embedonce":
            if isinstance(named, Identity):
                return named
            if named is None:
                assert derived is not None
                return derived
            if derived is None:
                return Identity.named(named)
            return Identity.named(named, symmetric=derived.symmetric, dimensions=derived.dimensions)
        # Values that embedonce writes there name the embedder, since LangChain's namespace is often only its model.
        if derived is not None and (named is None or is_known(embedder)):
            return derived.with_parameters({"namespace": str(named or "")})
        return Identity.named(str(named or "langchain"))


def called_with(identity: Identity, arguments: Mapping[str, object]) -> Identity | None:
    """Return the identity of a call with further keyword arguments, None if such a call cannot be cached.

    A list may hold one value per text, and anything but plain values cannot be written down: both go past the cache.
    """
    if not arguments:
        return identity
    if not all(isinstance(value, _SCALARS) for value in arguments.values()):
        return None
    # The arguments may change the length of the vectors, and what distinguishes documents from queries.
    return replace(identity.with_parameters({"call": dict(arguments)}), dimensions=None, symmetric=False)
