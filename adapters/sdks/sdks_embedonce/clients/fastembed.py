"""FastEmbed: `embed`, `query_embed` and `passage_embed` of a TextEmbedding, which runs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastembed import TextEmbedding

from embedonce.identification import providers
from sdks_embedonce.calls import Asked, Method, Paid
from sdks_embedonce.twins import Attribute, Sdk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from embedonce import Identity
    from sdks_embedonce.calls import Role


class _Embed(Method):
    """A method of a model.

    Args:
        texts: The argument that holds the texts.
        role: The role of the texts.
        method: How the model embeds them, if that is not how it embeds documents by default.
    """

    known = frozenset(("batch_size", "parallel"))
    names_model = False

    def __init__(self, texts: str, role: Role = "document", method: str = "default") -> None:
        self.texts = texts  # type: ignore[misc]
        self._role: Role = role
        self._method = method

    def identity(self, owner: Any, given: Mapping[str, Any]) -> Identity:
        """Return what decides the vectors: the model, known by its files where they are in a folder of the user."""
        del given
        inside = owner.model
        return providers.fastembed(
            getattr(inside, "model_name", None) or owner.model_name,
            document_method=self._method,
            folder=getattr(inside, "_specific_model_path", None),
            is_custom=type(inside).__name__ == "CustomTextEmbedding",
        )

    def role(self, given: Mapping[str, Any]) -> Role:
        """Return the role that the method is for."""
        del given
        return self._role

    def request(self, asked: Asked, some: list[str]) -> dict[str, Any]:
        """Return the arguments of a request, whose texts may be a list in any case."""
        return {**asked.arguments, self.texts: some}

    def vectors(self, response: Any, given: Mapping[str, Any]) -> list[Any]:
        """Return the vectors, which the model computes when they are asked for."""
        del given
        return list(response)

    def response(self, vectors: NDArray[Any], asked: Asked, paid: list[Paid]) -> Iterator[NDArray[Any]]:
        """Return an iterator over the vectors, as the model does."""
        del asked, paid
        return (vector.copy() for vector in vectors)


_METHODS: dict[str, Attribute] = {
    "embed": _Embed("documents"),
    "query_embed": _Embed("query", role="query"),
    "passage_embed": _Embed("texts", method="passage"),
}
SDK = Sdk(__name__, {TextEmbedding: _METHODS})
