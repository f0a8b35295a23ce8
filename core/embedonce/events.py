"""What can be observed of one call: numbers and names, never a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EmbedEvent:
    """One finished call of `EmbeddingCache.embed` or `aembed`, and so of any wrapper's method.

    Counts are numbers of texts, as in `Stats`; those of a call that returned add up:
    texts == duplicates + hits + joined + embedded.

    Attributes:
        namespace: Where the vectors live.
        role: `document` or `query`, as it is kept.
        mode: The mode of the cache.
        store: Where the store is, without secrets.
        texts: Texts asked for.
        duplicates: Texts that stood more than once in the call, or share a key.
        hits: Unique texts that were in the store.
        joined: Unique texts that somebody else was embedding already.
        embedded: Texts that the embedder was given.
        stored: Vectors that were written.
        dimensions: Length of the vectors, None if there are none.
        bytes_returned: Bytes of the matrix that was returned, zero if the call failed.
        bytes_stored: Bytes of the vectors that were written.
        seconds: From the beginning of the call to its end.
        seconds_reading: Of these, in the store for reading.
        seconds_embedding: Of these, in the embedder.
        seconds_writing: Of these, in the store for writing.
        error: Name of the class of the exception that ended the call; empty if it returned.
    """

    namespace: str
    role: str
    mode: str
    store: str
    texts: int
    duplicates: int
    hits: int
    joined: int
    embedded: int
    stored: int
    dimensions: int | None
    bytes_returned: int
    bytes_stored: int
    seconds: float
    seconds_reading: float
    seconds_embedding: float
    seconds_writing: float
    error: str


def past_event(
    namespace: str,
    role: str,
    mode: str,
    store: str,
    texts: Sequence[str],
    matrix: NDArray[Any] | None,
    seconds: float,
    error: str,
) -> EmbedEvent:
    """Return the event of a call that bypassed the cache: all of it is embedding.

    Args:
        namespace: Where the vectors would live.
        role: Their role.
        mode: The mode of the cache.
        store: Where the store is.
        texts: What was asked for.
        matrix: What was returned, None if the call failed.
        seconds: How long it took.
        error: See `EmbedEvent`.
    """
    return EmbedEvent(
        namespace=namespace,
        role=role,
        mode=mode,
        store=store,
        texts=len(texts),
        duplicates=0,
        hits=0,
        joined=0,
        embedded=len(texts),
        stored=0,
        dimensions=None if matrix is None or not matrix.size else matrix.shape[1],
        bytes_returned=0 if matrix is None else matrix.nbytes,
        bytes_stored=0,
        seconds=seconds,
        seconds_reading=0.0,
        seconds_embedding=seconds,
        seconds_writing=0.0,
        error=error,
    )
