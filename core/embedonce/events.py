"""Events: what can be observed of one call, in numbers and names, never a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmbedEvent:
    """One finished call of `EmbeddingCache.embed` or `aembed`, and so of any wrapper's method.

    Counts are numbers of texts, as in `Stats`; those of a call that returned add up:
    texts == duplicates + hits + joined + embedded. Those of a call that raised may be less. What is stored in the
    background after a call was cancelled is counted in `Stats` alone.

    Attributes:
        namespace: The namespace of the vectors.
        role: The role under which the vectors are stored, `document` or `query`.
        mode: The mode of the cache.
        store: The location of the store, without secrets.
        texts: Texts asked for.
        duplicates: Texts that occur more than once in the call, or that share a key with another one.
        hits: Unique texts that were in the store.
        joined: Unique texts that another call was embedding already.
        embedded: Texts that the embedder was given.
        stored: Vectors that were written.
        unkeyed: Unique texts that the key encoder gave no key, so that they are embedded and not stored.
        zero: Vectors of zeros alone among those embedded, which are returned and not stored.
        split: Requests that the embedder refused and that were tried again in halves (`split_on_error`).
        dimensions: Length of the vectors, None without vectors.
        bytes_returned: Bytes of the matrix that was returned; zero if the call failed.
        bytes_stored: Bytes of the vectors that were written.
        seconds: Duration of the call.
        seconds_reading: Seconds of it spent reading from the store.
        seconds_embedding: Seconds of it spent in the embedder.
        seconds_writing: Seconds of it spent writing to the store.
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
    unkeyed: int = 0
    zero: int = 0
    split: int = 0
    dimensions: int | None = None
    bytes_returned: int = 0
    bytes_stored: int = 0
    seconds: float = 0.0
    seconds_reading: float = 0.0
    seconds_embedding: float = 0.0
    seconds_writing: float = 0.0
    error: str = ""
