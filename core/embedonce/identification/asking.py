"""The texts of one call, sorted by how they reach the model, and their vectors as the lists that frameworks want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedonce.keys.specification import utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from embedonce.hookspecs import Cache
    from embedonce.identity import Identity
    from embedonce.keys.specification import Role


@dataclass(frozen=True, slots=True)
class TextGroup:
    """Texts of one call that reach the model in one way.

    Attributes:
        positions: Where they stand in the call, None if they are all of it.
    """

    cache: Cache
    identity: Identity
    role: Role
    batch_size: int | None
    texts: list[str]
    positions: list[int] | None

    def embed(self, embed: Callable[[list[str]], Any]) -> NDArray[Any]:
        """Return the vectors of the texts; see `EmbeddingCache.embed`."""
        return self.cache.embed(self.texts, embed, namespace=self.identity, role=self.role, batch_size=self.batch_size)

    async def aembed(self, embed: Callable[[list[str]], Any]) -> NDArray[Any]:
        """Async twin of `embed`."""
        return await self.cache.aembed(
            self.texts, embed, namespace=self.identity, role=self.role, batch_size=self.batch_size
        )


def in_order(parts: Sequence[TextGroup], vectors: Sequence[list[list[float]]]) -> list[list[float]]:
    """Return the vectors of all parts in the order of the call."""
    if len(parts) == 1:
        return vectors[0]
    placed = {
        position: vector
        for part, rows in zip(parts, vectors, strict=True)
        for position, vector in zip(part.positions or (), rows, strict=True)
    }
    return [placed[position] for position in range(len(placed))]


def is_longer(text: str, limit: int) -> bool:
    """True if a text has more UTF-8 bytes than the limit; no character takes more than four."""
    return len(text) * 4 > limit and (len(text) > limit or len(utf8(text)) > limit)
