"""What can be observed of one call: numbers and names, never a text."""

from __future__ import annotations

from dataclasses import dataclass


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
    duplicates: int = 0
    hits: int = 0
    joined: int = 0
    embedded: int = 0
    stored: int = 0
    dimensions: int | None = None
    bytes_returned: int = 0
    bytes_stored: int = 0
    seconds: float = 0.0
    seconds_reading: float = 0.0
    seconds_embedding: float = 0.0
    seconds_writing: float = 0.0
    error: str = ""
