"""Which identity a wrapper uses: derived from the embedder, named by the user, or what LangChain's layout allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from embedonce import Identity
from embedonce.errors import IdentityError
from embedonce.identification import Description, describe_with
from langchain_embedonce.identities import describer

if TYPE_CHECKING:
    from embedonce.options import WrapOptions

_UNIDENTIFIED = "unidentified"
_NOT_OURS = "its model was changed, and this store keeps vectors of the former one without naming it"


@dataclass(frozen=True, slots=True)
class Naming:
    """How to name what an embedder computes.

    Attributes:
        layout: `embedonce` for a cache of our own, `paths` for one with LangChain's arguments, `langchain-keys` for
            LangChain's keys in a byte store, `lists` for raw texts in a store of lists.
        options: The user's options; their namespace is the whole identity in the layout `embedonce`, and one cache of
            several in the others, where LangChain's users often give nothing but the name of the model.
        is_vouched_for: True if the keys say what the embedder is, even where it cannot be identified.
        owner: The namespace of the embedder whose vectors a store of LangChain's layouts holds without naming it;
            None if a change of its model cannot be distinguished from other changes of its attributes.
    """

    layout: Literal["embedonce", "paths", "langchain-keys", "lists"]
    options: WrapOptions
    is_vouched_for: bool = False
    owner: str | None = None

    def owned_by(self, embedder: object) -> Naming:
        """Return this naming for a store whose vectors are those of an embedder as it is now.

        Raises:
            IdentityError: See `describe`.
        """
        identity = self.describe(embedder).identity
        return replace(
            self, owner=identity.namespace if identity is not None and describer.is_known(embedder) else None
        )

    def declared(self, embedder: object) -> Identity | None:
        """Return the identity that holds beyond this cache: LangChain's namespace need not name a model."""
        if self.layout in ("embedonce", "paths"):
            return self.describe(embedder).identity
        try:
            return describer.describe(embedder).identity
        except IdentityError:
            return None

    def describe(self, embedder: object) -> Description:
        """Return what decides an embedder's vectors, and how its texts reach it.

        Raises:
            IdentityError: It cannot be identified, and the user has not named it.
        """
        if self.layout == "embedonce":
            return describe_with(describer, embedder, self.options)
        try:
            derived = describer.describe(embedder)
        except IdentityError:
            if self.options.namespace is None and self.layout != "lists" and not self.is_vouched_for:
                raise
            derived = Description(None)
        if derived.not_cacheable:
            return replace(derived, identity=None)
        identity = self.options.applied_to(self._identity(embedder, derived.identity))
        if self.layout == "paths":
            return replace(derived, identity=identity)
        if self.layout == "lists" and self.owner not in (None, identity.namespace):
            return Description(None, not_cacheable=_NOT_OURS)
        # LangChain's keys are those of the texts as they are given.
        return Description(identity, is_sync_only=derived.is_sync_only)

    def _identity(self, embedder: object, derived: Identity | None) -> Identity:
        named = self.options.namespace
        if derived is not None and (named is None or describer.is_known(embedder)):
            return derived.with_additions({"namespace": str(named or "")})
        return Identity.named(str(named or _UNIDENTIFIED))
