"""The texts that stand for documents in keys: what really reaches the model, as far as that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from haystack import Document


def of_documents(component: Any, documents: Sequence[Document]) -> list[str | None]:
    """Return the text that stands for each document; None for one that must be embedded past the cache."""
    raise NotImplementedError


def of_text(component: Any, text: str) -> str:
    """Return the text that stands for a query."""
    raise NotImplementedError
