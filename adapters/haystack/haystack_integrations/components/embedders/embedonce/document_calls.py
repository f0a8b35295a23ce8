"""The state of one call of a cached document embedder."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embedonce.errors import EmbedderContractError
from embedonce.vectors.answers import NotCacheable, PartialAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from haystack import Document

    from embedonce import Identity


class PartlyFailedError(EmbedderContractError):
    """The component inside has left some documents without a vector.

    Attributes:
        vectors: Those that it has answered with, by text.
        failed: The texts that are without one.
    """

    def __init__(self, vectors: dict[str, Any], failed: set[str]) -> None:
        super().__init__(f"the embedder has left {len(failed)} documents without a vector")
        self.vectors = vectors
        self.failed = failed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.vectors, self.failed)


class ImpureError(BaseException):
    """The component inside does more to documents than giving each of them a vector.

    It is not an `Exception`: those are shared with the calls that wait for a text, and each of these has to ask its own
    component instead.
    """


class DocumentCall:
    """What one call has to embed and what has become of it.

    Args:
        documents: The documents.
        texts: What tells each of them apart; None for one that must not be cached.
        identity: What decides the vectors when the call begins.
    """

    def __init__(self, documents: Sequence[Document], texts: Sequence[str | None], identity: Identity | None) -> None:
        self._identity = identity
        self._documents = documents
        self._texts = texts
        self._first: dict[str, Document] = {}
        for document, text in zip(documents, texts, strict=True):
            if text is not None:
                self._first.setdefault(text, document)
        self._known: dict[str, Any] = {}
        self._failed: set[str] = set()
        self._is_outdated = False
        self._has_changed = False
        self.metas: list[dict[str, Any]] = []
        self.sent = 0

    @property
    def texts(self) -> list[str]:
        """The texts whose vectors are still wanted, in the order of the documents."""
        return [text for text in self._texts if text is not None and text not in self._failed]

    @property
    def uncached(self) -> list[Document]:
        """The documents that must not be cached, as the component inside gets them."""
        return _apart([document for document, text in zip(self._documents, self._texts, strict=True) if text is None])

    def to_run(self, some: Sequence[str]) -> list[Document]:
        """Return what the component inside gets for some texts: one document each, without those it has answered."""
        return _apart([self._first[text] for text in some if text not in self._known])

    def check_texts(self, some: Sequence[str], texts_of: Callable[[list[Document]], Sequence[str | None]]) -> None:
        """Check that some documents still have their texts, after the component inside has been asked.

        If they do not, its settings were changed meanwhile, and it is unknown which texts it has embedded.
        """
        if list(texts_of([self._first[text] for text in some])) != list(some):
            self._is_outdated = True

    def take(self, some: Sequence[str], sent: Sequence[Document], answer: dict[str, Any] | None) -> Any:
        """Return the vectors of some texts, with what the component inside has answered for those that were sent.

        Where only some are without a vector, the others are kept before a `PartlyFailedError` is raised.

        Raises:
            EmbedderContractError: The answer is not one document for each.
            ImpureError: It has changed more than the vector.
            PartlyFailedError: All are without a vector, or some are, and what the others belong to is unknown.
        """
        if answer is not None:
            texts = [text for text in some if text not in self._known]
            vectors = dict(
                zip(texts, self._vectors_in(answer, sent, [self._first[text] for text in texts]), strict=True)
            )
            failed = {text for text, vector in vectors.items() if vector is None}
            self._known |= {text: vector for text, vector in vectors.items() if vector is not None}
            if failed:
                error = PartlyFailedError({} if self._is_outdated else dict(self._known), failed)
                if self._is_outdated or failed.issuperset(some):
                    raise error
                return PartialAnswer([self._known.get(text) for text in some], error)
        vectors_of_some = [self._known[text] for text in some]
        return NotCacheable(vectors_of_some) if self._is_outdated else vectors_of_some

    def take_uncached(self, sent: Sequence[Document], answer: dict[str, Any]) -> list[Any]:
        """Return the vectors that the component inside has answered with; None where it has not."""
        uncached = [document for document, text in zip(self._documents, self._texts, strict=True) if text is None]
        return self._vectors_in(answer, sent, uncached)

    def _vectors_in(self, answer: dict[str, Any], sent: Sequence[Document], originals: Sequence[Document]) -> list[Any]:
        self.sent += len(sent)
        self.metas.append(answer.get("meta") or {})
        given = answer.get("documents")
        if not isinstance(given, list) or len(given) != len(sent):
            count = len(given) if isinstance(given, list) else "no"
            msg = f"the embedder was asked for {len(sent)} documents and has answered with {count}; none was stored"
            raise EmbedderContractError(msg)
        vectors = []
        for original, before, after in zip(originals, sent, given, strict=True):
            # What was sent may have been changed in its place.
            if not isinstance(after, type(before)) or not _differ_by_embedding_only(original, after, before.id):
                raise ImpureError
            vectors.append(after.embedding)
        return [None if vector is None or len(vector) == 0 else vector for vector in vectors]

    def gave_up(self, error: PartlyFailedError, identity: Identity | None) -> None:
        """Take over what somebody's call of the component inside has answered and what it has not.

        Args:
            error: What that call has ended with.
            identity: What decides the vectors now; if it is another one, no answer counts any more.
        """
        wanted = set(self._first)
        if identity != self._identity:
            self._identity = identity
            self._known.clear()
            if not self._has_changed:
                # Another model may well answer. One that changes each time must not be asked for ever.
                self._has_changed = True
                return
            self._failed |= error.failed & wanted
            return
        self._known |= {text: vector for text, vector in error.vectors.items() if text in wanted}
        self._failed |= error.failed & wanted

    def result(self, vectors: Sequence[list[float]], uncached: Sequence[Any]) -> list[Document]:
        """Return new documents with their vectors; without one where the component inside has failed."""
        cached, others = iter(vectors), iter(uncached)
        found = [
            next(others) if text is None else None if text in self._failed else next(cached) for text in self._texts
        ]
        return [replace(document, embedding=vector) for document, vector in zip(self._documents, found, strict=True)]


def _differ_by_embedding_only(original: Document, after: Document, sent_as: str) -> bool:
    # Not all values of `meta` can be compared, but unchanged ones are the same objects.
    try:
        return after.id == sent_as and all(
            (one := getattr(original, name)) is (other := getattr(after, name)) or one == other
            for name in _compared(type(original))
        )
    except ValueError:
        # Copies of arrays, whose comparison has no single answer.
        return False


@lru_cache(maxsize=64)
def _compared(kind: type[Document]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in ("id", "embedding"))


def _apart(documents: Sequence[Document]) -> list[Document]:
    """Return documents without vectors, under ids of their own: some embedders tell documents apart by nothing else."""
    seen: set[str] = set()
    apart = []
    for number, document in enumerate(documents):
        name = document.id
        while name in seen:
            name = f"{name}-{number}"
        seen.add(name)
        apart.append(replace(document, id=name, embedding=None, meta=copy.copy(document.meta)))
    return apart
