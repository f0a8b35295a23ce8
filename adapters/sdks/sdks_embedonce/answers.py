"""What responses of several SDKs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdks_embedonce.calls import Paid


def in_order(data: Any) -> list[Any]:
    """Return the embeddings of a response in the order of the texts, which is that of their numbers."""
    found = list(data)
    places: list[Any] = [_number(each) for each in found]
    # Some servers number nothing, and answer in order.
    if None not in places and sorted(places) == list(range(len(found))):
        found.sort(key=_number)
    return found


def _number(embedding: Any) -> Any:
    return embedding.get("index") if isinstance(embedding, dict) else getattr(embedding, "index", None)


def used(paid: list[Paid], name: str) -> int:
    """Return how much of something, such as `prompt_tokens`, was paid for; a server may not say."""
    return sum(getattr(getattr(each.response, "usage", None), name, None) or 0 for each in paid)
